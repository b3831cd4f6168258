"""A small conversation in server-sent events, and one way to send a request."""

from helpers.timing import stream
from helpers.timing.transport import Exchange

from .loopback import delta, event

GAP_S = 0.02  # between the pieces of a table case
WIDE_GAP_S = 0.3  # where a test holds an arrival against the next send
BODY = {"model": "tiny", "messages": [{"role": "user", "content": "Say hello."}], "stream": True}
KEY = "sk-very-secret-1234"
ROLE = event(delta("", role="assistant"))
STOP = event(delta(finish="stop"))
HELLO = event(delta("Hello"))
WORLD = event(delta(" w\u00f6rld \U0001d11e"))  # two and four bytes in UTF-8
TEXT = "Hello w\u00f6rld \U0001d11e"


def send(url: str, body: dict, *, timeout_s: float, **options) -> stream.Timeline:
    return stream.send(Exchange(url, body, timeout_s, **options))


def crlf(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")
