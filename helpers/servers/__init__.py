"""Connect to whatever answers chats.

The built-in Foundry Local runtime, any OpenAI-compatible address and models of your own look the
same from above. Everything that starts, asks and stops a server lives here.
"""

from ..common.lazy import submodules

__getattr__, __dir__, __all__ = submodules(__name__, __path__)
