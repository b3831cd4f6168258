"""Keeping a model warm: pings when nobody asks, and never beside a request that is timed."""

import threading
import time

from helpers import connect
from helpers.servers.keep_warm import THREAD, Traffic
from support.loopback import delta, event, serving, streamed


def is_ping(request) -> bool:
    return request.method == "POST" and request.json["max_tokens"] == 1


def test_no_ping_is_read_while_a_timed_answer_is_under_way():
    with (
        serving(
            ["tiny"], chat=streamed([0.05, event(delta("Hello")), 0.05, event(delta(" there"))])
        ) as remote,
        connect(remote.base_url) as server,
    ):
        model = server.resolve("tiny")
        with server.keep_warm("tiny", every_s=0.02) as pings:
            for _ in range(8):
                before = pings.sent
                while (
                    pings.sent == before
                ):  # a ping between any two questions, so that the two could meet
                    time.sleep(0.001)
                assert server.request(model, "Hello").text == "Hello there"
        asked = [
            request for request in remote.requests if request.path.endswith("/chat/completions")
        ]
    timed = [(request.read_at, request.sent_at[-1]) for request in asked if not is_ping(request)]
    assert len(timed) == 8
    assert sum(map(is_ping, asked)) >= 8
    assert [
        p.read_at
        for p in asked
        if is_ping(p) and any(begin <= p.read_at <= end for begin, end in timed)
    ] == []


def test_after_the_block_nothing_is_sent_any_more():
    with (
        serving(["tiny"], chat=streamed([event(delta("Hello"))])) as remote,
        connect(remote.base_url) as server,
    ):
        with server.keep_warm("tiny", every_s=0.01) as pings:
            while not pings.sent:
                time.sleep(0.001)
            assert THREAD in {thread.name for thread in threading.enumerate()}
        assert THREAD not in {thread.name for thread in threading.enumerate()}


def test_the_real_runtime_loads_and_is_pinged(server):
    server.unload("pocket-nano")
    with server.keep_warm("pocket-nano", every_s=0.02) as pings:
        assert server.resolve("pocket-nano").loaded is True
        while pings.sent < 3:
            time.sleep(0.001)
        assert server.chat("pocket-nano", "Hello").text


def test_a_timed_request_waits_for_a_ping_and_a_ping_for_nobody():
    traffic, order = Traffic(), []
    with traffic.ping(idle_s=0) as free:
        assert free

        def ask():
            with traffic.timed():
                order.append("asked")

        asking = threading.Thread(target=ask)
        asking.start()
        order.append("pinged")
    asking.join(10)
    assert order == ["pinged", "asked"]
    with traffic.timed(), traffic.ping(idle_s=0) as free:
        assert not free
    with traffic.ping(idle_s=3600) as free:
        assert not free
