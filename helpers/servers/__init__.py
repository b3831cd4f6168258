"""Connect to whatever answers chats.

The built-in Foundry Local runtime, any OpenAI-compatible address and models of your own look the same from above.
Everything that starts, asks and stops a server lives here.
"""

__all__ = ["custom", "downloads", "foundry", "keep_warm", "server", "service", "setup_check"]
