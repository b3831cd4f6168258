"""What a small web server refuses: other names, other sites, too much, too slow, and silence."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from helpers.common import web
from helpers.common.web import configure, is_in_the_room, is_this_machine


async def echo(request):
    return PlainTextResponse(f"{len(await request.body())} bytes")


@contextmanager
def guarded():
    """A server that answers with the size of a body; yields its address."""
    app = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])
    config = configure(app, is_this_machine, max_bytes=1000, log_level="critical")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def address():
    with guarded() as name:
        yield name


def ask(address, head: str, body: bytes = b"") -> bytes:
    with socket.create_connection(address, timeout=20) as caller:
        caller.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        answer = b""
        while piece := caller.recv(65536):
            answer += piece
        return answer


CLOSE = "Connection: close"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.1\nHost: 127.0.0.1:1", 200),
        ("GET / HTTP/1.1\nHost: LOCALHOST", 200),
        ("GET / HTTP/1.1\nHost: [::1]:1", 200),
        ("GET / HTTP/1.1\nHost: localhost.", 200),
        ("GET / HTTP/1.1\nHost: rebound.example:1", 421),
        ("GET / HTTP/1.1\nHost: localhost.example", 421),
        ("GET / HTTP/1.1\nHost: [", 421),
        ("GET / HTTP/1.1\nHost: ", 421),
        ("POST / HTTP/1.1\nHost: localhost:1\nOrigin: http://localhost:1", 200),
        ("POST / HTTP/1.1\nHost: localhost:1\nOrigin: http://evil.example", 403),
        ("POST / HTTP/1.1\nHost: localhost:1\nOrigin: http://localhost:2", 403),
        ("POST / HTTP/1.1\nHost: localhost:1\nOrigin: null", 403),
        ("POST / HTTP/1.1\nHost: localhost\nContent-Length: 999999999999", 413),
    ],
)
def test_only_own_names_and_own_pages_may_ask(address, head, status):
    assert ask(address, f"{head}\n{CLOSE}").startswith(f"HTTP/1.1 {status} ".encode())


def test_a_body_is_read_up_to_its_bound(address):
    head = f"POST / HTTP/1.1\nHost: localhost\n{CLOSE}\n"
    assert ask(address, f"{head}Content-Length: 1000", b"x" * 1000).endswith(b"1000 bytes")
    assert b" 413 " in ask(address, f"{head}Content-Length: 1001", b"x" * 1001)
    chunks = b"64\r\n" + b"x" * 100 + b"\r\n"
    assert b" 408 " in ask(address, f"{head}Transfer-Encoding: chunked", chunks * 20 + b"0\r\n\r\n")
    refused = ask(address, f"{head}Content-Length: 1001").partition(b"\r\n\r\n")[2]
    assert "1,000 bytes" in json.loads(refused)["error"]["message"]


def test_a_body_that_does_not_come_and_a_caller_that_is_silent_are_let_go(monkeypatch):
    monkeypatch.setattr(web, "READ_S", 0.1)
    with guarded() as address:
        head = f"POST / HTTP/1.1\nHost: localhost\n{CLOSE}\nContent-Length: 10"
        assert b" 408 " in ask(address, head, b"x")
        with socket.create_connection(address, timeout=20) as silent:
            assert silent.recv(10) == b""


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("192.168.1.20", True),
        ("fd12::1", True),
        ("gpu-box", True),
        ("gpu-box.local", True),
        (socket.gethostname().lower(), True),
        ("rebound.example", False),
        ("", False),
    ],
)
def test_a_room_is_asked_by_address_or_by_a_name_that_no_strangers_dns_has(host, ours):
    assert is_in_the_room(host) is ours
