"""Show how the connection changes what a client sees: the first table of docs/method.md.

    python bench/connections.py [ALIAS]

It asks one model the same question over a kept-alive connection, a new one each time, and one with
immediate acknowledgement (Linux only), in turns, and prints medians.
"""

import json
import re
import socket
import statistics
import sys
import time
import urllib.parse

from helpers import connect

PROMPT = "List 3 privacy benefits of local inference."
TURNS = 21
TEXT = re.compile(rb'"content":"[^"]')


def main(alias: str) -> None:
    """Ask in turns and print the table."""
    with connect() as server:
        server.load(alias)
        model = server.resolve(alias)
        address = urllib.parse.urlsplit(server.base_url)
        body = {
            "model": model.id,
            "messages": [{"role": "user", "content": PROMPT}],
            "max_tokens": 60,
            "temperature": 0,
            "stream": True,
        }
        request = encoded(address.netloc, body)
        kept = socket.create_connection((address.hostname, address.port))
        seen = {"kept alive": [], "new": [], "new, acknowledged at once": []}
        for _ in range(TURNS):
            for kind, found in seen.items():
                sock = (
                    kept
                    if kind == "kept alive"
                    else socket.create_connection((address.hostname, address.port))
                )
                found.append(ask(sock, request, at_once="at once" in kind))
    print(f"{model.id}, medians of {TURNS - 1} requests each, the first left out")
    print(f"{'connection':<27}{'first text, ms':>16}{'packets with text':>19}")
    for kind, found in seen.items():
        first, packets = (statistics.median(column) for column in zip(*found[1:], strict=True))
        print(f"{kind:<27}{1000 * first:>16.1f}{packets:>19.0f}")


def encoded(host: str, body: dict) -> bytes:
    """Return the bytes of a chat request."""
    payload = json.dumps(body).encode()
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n".encode()
        + payload
    )


def ask(sock: socket.socket, request: bytes, *, at_once: bool) -> tuple[float, int]:
    """Seconds to the first packet with text, and the number of packets with text."""
    start = time.perf_counter()
    sock.sendall(request)
    times, tail = [], b""
    while not tail.endswith(b"\r\n0\r\n\r\n"):
        if at_once and hasattr(socket, "TCP_QUICKACK"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        piece = sock.recv(65536)
        if TEXT.search(piece):
            times.append(time.perf_counter() - start)
        tail = (tail + piece)[-7:]
    return times[0], len(times)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "pocket-nano")
