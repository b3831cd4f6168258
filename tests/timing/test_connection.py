"""Addresses, proxies, IPv6 and TLS."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress

import pytest

from helpers import connect
from helpers.common.errors import EndpointError
from helpers.timing import connection
from helpers.timing.connection import proxy_for
from support import loopback
from support.chat import BODY, HELLO, KEY, ROLE, STOP, TEXT, WIDE_GAP_S, WORLD, send
from support.loopback import (
    DONE,
    Loopback,
    delta,
    error_answer,
    event,
    json_answer,
    serving,
    streamed,
    usage,
    whole,
)


@pytest.mark.parametrize(
    "url", ["http://[", "http://127.0.0.1:99999/", "http://127.0.0.1:port/", "http://x/a b"]
)
def test_what_is_not_an_address_is_a_failure(url):
    assert "is not an address to send a request to: " in send(url, BODY, timeout_s=20).error


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_connection_refused():
    port = unused_port()
    found = send(f"http://127.0.0.1:{port}/v1/chat/completions", BODY, timeout_s=20)
    assert found.status == "failed"
    assert found.error.startswith(f"no answer from 127.0.0.1:{port}: ")
    assert "efused" in found.error


def test_an_address_without_a_host_is_none():
    assert (
        "is not an address to send a request to: it names no host"
        in send("http:///v1", BODY, timeout_s=20).error
    )


VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture
def proxy_variables(monkeypatch):
    """Sets proxy variables for one test, after taking away those of the machine."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def give(**values):
        for name, value in values.items():
            monkeypatch.setenv(name.upper(), value)

    return give


def test_loopback_is_reached_without_the_proxy(proxy_variables):
    with serving() as server, Loopback(lambda _: whole(b"proxy", status=502)) as proxy:
        proxy_variables(http_proxy=proxy.url)
        for host in ("127.0.0.1", "localhost"):
            found = send(f"http://{host}:{server.port}/v1/chat/completions", BODY, timeout_s=20)
            assert (found.status, found.text) == ("ok", "Hello world")
    assert len(server.requests) == 2
    assert proxy.requests == []


@pytest.mark.parametrize(
    ("url", "loopback_address"),
    [
        ("http://127.0.0.1:5273/v1", True),
        ("http://127.8.9.10/v1", True),
        ("http://LOCALHOST/v1", True),
        ("http://[::1]:80/v1", True),
        ("http://localhost./v1", True),
        ("http://models.localhost/v1", True),
        ("http://0.0.0.0:8000/v1", True),
        ("http://[::]:8000/v1", True),
        ("http://[::ffff:127.0.0.1]/v1", True),
        ("http://127.example.com/v1", False),
        ("http://127.0.0.1.example.com/v1", False),
        ("http://localhost.example.com/v1", False),
        ("http://192.168.1.5/v1", False),
        ("http://[fe80::1]/v1", False),
    ],
)
def test_what_is_loopback(url, loopback_address, proxy_variables):
    proxy_variables(http_proxy="http://proxy.example:3128")
    assert connection.is_loopback(url) is loopback_address
    assert proxy_for(url) == (None if loopback_address else "http://proxy.example:3128")


def test_which_proxy_is_used(proxy_variables):
    proxy_variables(
        http_proxy="http://a.example:1",
        https_proxy="http://b.example:2",
        no_proxy="inside.example,10.0.0.5",
    )
    assert proxy_for("http://models.example/v1") == "http://a.example:1"
    assert proxy_for("https://models.example/v1") == "http://b.example:2"
    assert proxy_for("https://inside.example/v1") is None
    assert proxy_for("http://gpu.inside.example/v1") is None
    assert proxy_for("http://10.0.0.5:8000/v1") is None


@pytest.mark.parametrize(
    ("value", "direct", "by_proxy"),
    [
        ("192.168.0.0/16", "http://192.168.1.20:11434", "http://192.169.1.20"),
        ("10.0.0.0/8,fd00::/8", "http://[fd12::1]:8000", "http://[2001:db8::1]:8000"),
        ("*.corp.local", "http://llm.corp.local", "http://corp.localhost.example"),
        (".corp.local", "http://llm.corp.local", "http://notcorp.local"),
        ("corp.local", "http://corp.local.", "http://corp.local.example"),
        ("192.168.1.20:11434", "http://192.168.1.20:11434", "http://192.168.1.20:8000"),
        ("models.example:443", "https://models.example", "http://models.example"),
        ("[fd12::1]:8000", "http://[fd12::1]:8000", "http://[fd12::1]:80"),
        ("192.168.*", "http://192.168.7.7", "http://192.16.8.7"),
        ("other, CORP.Local", "http://LLM.corp.local", "http://corp"),
        ("<local>", "http://gpu-box:8000", "http://gpu.box"),
        ("", None, "http://gpu-box"),
        (" , :80,/8,]", None, "http://gpu-box"),
        ("*", "http://gpu.example", None),
    ],
)
def test_no_proxy_names_hosts_domains_patterns_ranges_and_ports(
    proxy_variables, value, direct, by_proxy
):
    proxy = "http://a.example:1"
    proxy_variables(http_proxy=proxy, https_proxy=proxy, no_proxy=value)
    assert direct is None or proxy_for(direct) is None
    assert by_proxy is None or proxy_for(by_proxy) == proxy


def test_list_and_chats_take_the_same_way_and_a_failure_names_the_proxy(proxy_variables):
    with Loopback(lambda _: whole(b"no", status=502)) as proxy:
        proxy_variables(http_proxy=f"http://ana:hunter22@127.0.0.1:{proxy.port}")
        with connect("http://models.example/v1") as remote, pytest.raises(EndpointError) as chat:
            remote.chat("any", "Hello")
    through = f"through the proxy 127.0.0.1:{proxy.port}"
    assert through in str(chat.value)
    assert {request.method for request in proxy.requests} == {"GET", "POST"}
    with pytest.raises(EndpointError, match=rf"Cannot reach http://models.example/v1 {through}"):
        connect("http://models.example/v1")


def test_an_unusable_proxy_is_told_by_the_list_as_by_the_chats(proxy_variables):
    proxy_variables(all_proxy="socks5://127.0.0.1:1")
    with pytest.raises(EndpointError, match=r"proxy of the kind socks5:// cannot be used for"):
        connect("http://models.example/v1")


def test_no_proxy_set_means_none(proxy_variables):
    assert proxy_for("http://models.example/v1") is None


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_plain_http_through_a_proxy_names_the_whole_address(proxy_variables, scheme):
    """The proxy answers itself. Its own address may come without a scheme, as curl allows."""
    with Loopback(lambda _: streamed([HELLO, STOP, DONE])) as proxy:
        proxy_variables(http_proxy=f"{scheme}127.0.0.1:{proxy.port}")
        found = send("http://models.example:8000/v1/chat/completions?a=1", BODY, timeout_s=20)
    assert (found.status, found.text) == ("ok", "Hello")
    request = proxy.requests[0]
    assert (request.method, request.path) == (
        "POST",
        "http://models.example:8000/v1/chat/completions?a=1",
    )
    assert request.headers["Host"] == "models.example:8000"
    assert request.json == BODY


def test_https_through_a_proxy_asks_for_a_tunnel_and_says_when_it_is_refused(proxy_variables):
    with Loopback(lambda _: whole(b"", status=407)) as proxy:
        proxy_variables(https_proxy=proxy.url)
        found = send(
            "https://models.example/v1/chat/completions",
            BODY,
            timeout_s=20,
            headers={"Authorization": f"Bearer {KEY}"},
        )
    assert found.status == "failed"
    assert "no answer from models.example" in found.error
    assert "407" in found.error
    assert [(r.method, r.path) for r in proxy.requests] == [("CONNECT", "models.example:443")]
    assert (
        "Authorization" not in proxy.requests[0].headers
    )  # the key is for the server, not for the proxy


BASIC = "Basic dXNlcjpwQHNz"  # user:p@ss


def test_a_proxys_password_is_sent_to_the_proxy_and_shown_to_nobody(proxy_variables):
    with Loopback(lambda _: whole(b"no", status=407)) as proxy:
        address = f"http://user:p%40ss@127.0.0.1:{proxy.port}"
        proxy_variables(http_proxy=address, https_proxy=address)
        plain = send("http://models.example/v1/chat/completions", BODY, timeout_s=20)
        secure = send("https://models.example/v1/chat/completions", BODY, timeout_s=20)
    assert [r.headers["Proxy-Authorization"] for r in proxy.requests] == [BASIC, BASIC]
    assert (plain.status, secure.status) == ("failed", "failed")
    assert "p@ss" not in f"{plain}{secure}"
    assert "p%40ss" not in f"{plain}{secure}"


def test_no_proxy_password_is_sent_to_the_server_itself(proxy_variables):
    with serving() as server:
        proxy_variables(http_proxy="http://user:secret@127.0.0.1:1")
        send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert "Proxy-Authorization" not in server.requests[0].headers


def test_all_proxy_is_for_both_schemes(proxy_variables):
    proxy_variables(all_proxy="http://a.example:1", http_proxy="http://b.example:2")
    assert proxy_for("https://models.example/v1") == "http://a.example:1"
    assert proxy_for("http://models.example/v1") == "http://b.example:2"


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1", "https://127.0.0.1:1"])
def test_a_kind_of_proxy_that_cannot_be_used_is_named(proxy_variables, address):
    proxy_variables(https_proxy=address)
    found = send("https://models.example/v1/chat/completions", BODY, timeout_s=20)
    assert (
        found.error
        == f"a proxy of the kind {address[:6].rstrip(':/')}:// cannot be used for https://models.example; name an http:// proxy"
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="http.client leaves the brackets out")
def test_a_tunnel_to_an_ipv6_address_names_it_in_brackets(proxy_variables):
    with Loopback(lambda _: whole(b"", status=403)) as proxy:
        proxy_variables(https_proxy=proxy.url)
        found = send("https://[2001:db8::7]/v1/chat/completions", BODY, timeout_s=20)
    assert "Tunnel connection failed: 403 Forbidden" in found.error
    assert proxy.requests[0].path == "[2001:db8::7]:443"


def test_a_name_and_password_in_the_address_are_sent_and_shown_to_nobody():
    with Loopback(lambda _: error_answer(401, "no")) as server:
        found = send(
            f"http://user:p%40ss@127.0.0.1:{server.port}/v1/chat/completions", BODY, timeout_s=20
        )
    assert server.requests[0].headers["Authorization"] == BASIC
    assert server.requests[0].headers["Host"] == f"127.0.0.1:{server.port}"
    assert found.error == "HTTP 401: no"


def test_a_key_that_no_header_can_carry_is_told_without_it():
    found = send(
        "http://127.0.0.1:1/v1/chat/completions",
        BODY,
        timeout_s=20,
        headers={"Authorization": f"Bearer {KEY}\r\n"},
    )
    assert found.error == "the header Authorization has a character that HTTP cannot carry"


def test_a_proxy_that_is_not_there(proxy_variables):
    proxy_variables(http_proxy=f"http://127.0.0.1:{unused_port()}")
    found = send("http://models.example/v1/chat/completions", BODY, timeout_s=20)
    assert found.status == "failed"
    assert "models.example" in found.error


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6 loopback")
def test_ipv6_loopback():
    with Loopback(lambda _: streamed([HELLO, WORLD, STOP, DONE]), host="::1") as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert (found.status, found.text) == ("ok", TEXT)
    assert server.requests[0].headers["Host"] == f"[::1]:{server.port}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1 and models.example, made by the openssl program."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl program to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    config = folder / "openssl.cnf"  # LibreSSL and old versions know no -addext
    config.write_text(
        "[req]\ndistinguished_name=d\nx509_extensions=x\nprompt=no\n[d]\nCN=test\n[x]\nsubjectAltName=IP:127.0.0.1,DNS:models.example,DNS:localhost\n"
    )
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-config",
        config,
    ]
    subprocess.run(
        [*command, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )
    return folder


@contextmanager
def tls_server(certificate, handler):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with Loopback(handler, tls=context) as server:
        yield server


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate):
    with tls_server(certificate, lambda _: streamed([HELLO, STOP, DONE])) as server:
        found = send(
            f"{server.base_url}/chat/completions",
            BODY,
            timeout_s=20,
            headers={"Authorization": f"Bearer {KEY}"},
        )
    assert found.status == "failed"
    assert f"no answer from 127.0.0.1:{server.port}" in found.error
    assert "ertificate" in found.error or "CERTIFICATE" in found.error
    assert server.requests == []


trusts_a_file = pytest.mark.skipif(
    sys.platform != "linux", reason="only OpenSSL's own store can be pointed at a file"
)


@trusts_a_file
def test_a_stream_over_tls(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate / "cert.pem"))
    steps = [ROLE, WIDE_GAP_S, HELLO, WIDE_GAP_S, WORLD, STOP, event(usage(9, 4)), DONE]
    with tls_server(certificate, lambda _: streamed(steps)) as server:
        before = time.perf_counter()
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    sent = server.requests[0]
    assert (found.status, found.text, found.completion_tokens) == ("ok", TEXT, 4), found.error
    assert found.chunk_times_s[0] >= sent.delay_s(2)
    assert before + found.chunk_times_s[0] < sent.sent_at[3]


@trusts_a_file
def test_a_large_answer_over_tls(certificate, monkeypatch):
    """TLS hands out 16 KB records: what its library holds already no longer shows on the socket."""
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate / "cert.pem"))
    text = "0123456789" * 100_000
    with tls_server(
        certificate, lambda _: streamed([event(delta(text)), STOP, DONE], end="keep")
    ) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=10)
    assert (found.status, found.text == text) == ("ok", True), found.error


@trusts_a_file
def test_tls_through_a_proxys_tunnel(certificate, monkeypatch, proxy_variables):
    """The loopback server is the proxy and, once the tunnel stands, the server behind it. Setting up is no part of the times."""
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate / "cert.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    seen, stood = [], []

    class Tunnel(Loopback):
        def _serve(self, connection):
            with closing(connection), suppress(OSError):
                seen.append(loopback._read(connection))
                self._stopped.wait(WIDE_GAP_S)
                stood.append(time.perf_counter())
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._tls = context
                super()._serve(connection)

    with Tunnel(lambda _: streamed([HELLO, STOP, DONE])) as proxy:
        proxy_variables(https_proxy=f"http://127.0.0.1:{proxy.port}")
        found = send(
            "https://models.example/v1/chat/completions",
            BODY,
            timeout_s=20,
            headers={"Authorization": f"Bearer {KEY}"},
        )
        after = time.perf_counter()
    assert (found.status, found.text) == ("ok", "Hello"), found.error
    assert stood[0] + found.latency_s < after
    assert (seen[0].method, seen[0].path) == ("CONNECT", "models.example:443")
    assert proxy.requests[0].path == "/v1/chat/completions"
    assert proxy.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    assert "Authorization" not in seen[0].headers


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_list_and_chats_trust_the_certificate_that_ssl_cert_file_names(
    certificate, monkeypatch, host
):
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate / "cert.pem"))

    def handler(request):
        listed = json_answer({"data": [{"id": "tiny"}]})
        return listed if request.method == "GET" else streamed([HELLO, STOP, DONE])

    with (
        tls_server(certificate, handler) as server,
        connect(f"https://{host}:{server.port}/v1") as remote,
    ):
        assert remote.chat("tiny", "Hello").text == "Hello"
        assert "".join(remote.stream("tiny", "Hello")) == "Hello"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_file_that_cannot_be_used_is_named(monkeypatch, tmp_path, content):
    path = tmp_path / "trust.pem"
    if content:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(path))
    said = rf"SSL_CERT_FILE names .*{path.name}, which cannot be used"
    with pytest.raises(EndpointError, match=said):
        connect("https://models.example/v1")
    assert "SSL_CERT_FILE" in send("https://127.0.0.1:9/v1", BODY, timeout_s=20).error
