"""Connect to whatever answers chats.

The built-in Foundry Local runtime, any OpenAI-compatible address and models of your own look the
same from above. Everything that starts, asks and stops a server lives here.
"""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=[module.name for module in pkgutil.iter_modules(__path__)]
)
