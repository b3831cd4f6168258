"""Show a finished run.

Sentences, charts, a page, Markdown and a folder to give away are made from the same rows.
It imports neither a runtime nor a transport.
"""

__all__ = ["charts", "contribute", "load_test", "page", "report"]
