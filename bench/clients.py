"""Which client sees a stream nearest to when it was sent: a table of docs/accuracy.md.

    python bench/clients.py [--turns N] [--keep FILE]

Every candidate only brings bytes and the time at which it had them; the kit's parser reads them all
afterwards. They take turns against the same reference server, each turn in a new process. `--one`
is how this program calls itself.
"""

import argparse
import asyncio
import functools
import importlib.util
import json
import pickle
import queue
import selectors
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable

import psutil
import shared

TOKENS = 64
STREAMS = {1: 12, 16: 160, 64: 640}  # streams at once to requests measured
Pieces = tuple[
    list[float], list[bytes]
]  # when each piece was there, in seconds since just before the request was written; and the piece
clock = time.perf_counter


def body(name: str) -> dict:
    """Return the request of every candidate."""
    messages = [{"role": "user", "content": "How late are you?"}]
    options = {"include_usage": True}
    return {
        "model": "reference",
        "messages": messages,
        "max_tokens": TOKENS,
        "stream": True,
        "stream_options": options,
        "user": name,
    }


def request_bytes(url: str, name: str) -> bytes:
    """Return the same as HTTP, for the candidates that write it themselves."""
    payload = json.dumps(body(name)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {urllib.parse.urlsplit(url).netloc}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload


def address(url: str) -> tuple[str, int]:
    """Host and port."""
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port


def in_threads(one: Callable, names: list[str], streams: int) -> dict[str, Pieces]:
    """`one(name)` for each name, in as many threads as streams."""
    waiting, found = queue.SimpleQueue(), {}
    for name in names:
        waiting.put(name)

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            found[name] = one(name)

    threads = [threading.Thread(target=work) for _ in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


async def in_tasks(one: Callable, names: list[str], streams: int) -> dict[str, Pieces]:
    """Do the same in asyncio."""
    waiting, found = list(reversed(names)), {}

    async def work() -> None:
        while waiting:
            name = waiting.pop()
            found[name] = await one(name)

    await asyncio.gather(*(work() for _ in range(streams)))
    return found


def floor(url: str):
    """Read raw sockets in one loop that also connects, and ignore the framing: the floor."""

    def run(names: list[str], streams: int) -> dict[str, Pieces]:
        selector, found, waiting = selectors.DefaultSelector(), {}, list(reversed(names))

        def begin() -> None:
            if waiting:
                name = waiting.pop()
                sock = socket.create_connection(address(url))
                data, found[name] = request_bytes(url, name), ([], [])
                selector.register(sock, selectors.EVENT_READ, (*found[name], clock()))
                sock.sendall(data)

        for _ in range(streams):
            begin()
        while selector.get_map():
            for key, _ in selector.select():
                times, pieces, start = key.data
                piece = key.fileobj.recv(65536)
                times.append(clock() - start)
                pieces.append(piece)
                if not piece:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    begin()
        return found

    return run


def threads(url: str):
    """Use a blocking socket and a thread for each stream: the kit's first way."""

    def one(name: str) -> Pieces:
        times, pieces = [], []
        with socket.create_connection(address(url)) as sock:
            data, start = request_bytes(url, name), clock()
            sock.sendall(data)
            while piece := sock.recv(65536):
                times.append(clock() - start)
                pieces.append(piece)
        return times, pieces

    return lambda names, streams: in_threads(one, names, streams)


def kit(url: str):
    """Use the kit's transport: one loop for all streams, connections opened beside it."""
    from helpers.timing.transport import Exchange, Streams

    def run(names: list[str], streams: int) -> dict[str, Pieces]:
        seen, waiting, under_way = {}, list(reversed(names)), 0
        with Streams() as line:
            while waiting or under_way:
                while waiting and under_way < streams:
                    line.start(Exchange(f"{url}/v1/chat/completions", body(waiting.pop()), 60))
                    under_way += 1
                done = line.finished()
                under_way -= 1
                seen[done.body["user"]] = (done.raw.times_s, done.raw.pieces)
        return seen

    return run


def asyncio_protocol(parser: str):
    """Use a bare asyncio protocol; the parser says when the message is complete."""

    def client(url: str):
        class Stream(asyncio.Protocol):
            def __init__(self, done):
                self.times, self.pieces, self.done = [], [], done
                if parser == "httptools":
                    import httptools

                    self.feed = httptools.HttpResponseParser(self).feed_data
                else:
                    import h11

                    self.h11 = h11.Connection(h11.CLIENT)
                    self.h11.send(
                        h11.Request(
                            method="POST",
                            target="/",
                            headers=[("Host", "x"), ("Content-Length", "0")],
                        )
                    )
                    self.h11.send(h11.EndOfMessage())
                    self.feed = self.feed_h11

            def connection_made(self, transport):
                self.transport = transport

            def data_received(self, data):
                self.times.append(clock() - self.start)
                self.pieces.append(data)
                self.feed(data)

            def feed_h11(self, data):
                import h11

                self.h11.receive_data(data)
                while (event := self.h11.next_event()) is not h11.NEED_DATA:
                    if type(event) is h11.EndOfMessage:
                        self.on_message_complete()
                        return

            def on_message_complete(self):
                self.transport.close()
                if not self.done.done():
                    self.done.set_result(None)

            def connection_lost(self, _error):
                if not self.done.done():
                    self.done.set_result(None)

        async def one(name: str) -> Pieces:
            loop = asyncio.get_running_loop()
            transport, stream = await loop.create_connection(
                lambda: Stream(loop.create_future()), *address(url)
            )
            data, stream.start = request_bytes(url, name), clock()
            transport.write(data)
            await stream.done
            return stream.times, stream.pieces

        return lambda names, streams: asyncio.run(in_tasks(one, names, streams))

    return client


def aiohttp(url: str):
    """Use the aiohttp package, reading whatever has arrived."""
    import aiohttp

    async def main(names: list[str], streams: int) -> dict[str, Pieces]:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one(name: str) -> Pieces:
                times, pieces, start = [], [], clock()
                async with session.post(f"{url}/v1/chat/completions", json=body(name)) as answer:
                    async for piece in answer.content.iter_any():
                        times.append(clock() - start)
                        pieces.append(piece)
                return times, pieces

            return await in_tasks(one, names, streams)

    return lambda names, streams: asyncio.run(main(names, streams))


def httpx(url: str):
    """Use the httpx package in asyncio, raw bytes."""
    import httpx

    async def main(names: list[str], streams: int) -> dict[str, Pieces]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:

            async def one(name: str) -> Pieces:
                times, pieces, start = [], [], clock()
                async with client.stream(
                    "POST", f"{url}/v1/chat/completions", json=body(name)
                ) as answer:
                    async for piece in answer.aiter_raw():
                        times.append(clock() - start)
                        pieces.append(piece)
                return times, pieces

            return await in_tasks(one, names, streams)

    return lambda names, streams: asyncio.run(main(names, streams))


def openai(url: str):
    """Use the openai package without its parser: raw bytes, a thread for each stream."""
    import openai

    client = openai.OpenAI(
        base_url=f"{url}/v1",
        api_key="none",
        max_retries=0,
        http_client=openai.DefaultHttpxClient(trust_env=False),
    )

    def one(name: str) -> Pieces:
        times, pieces, start = [], [], clock()
        with client.chat.completions.with_streaming_response.create(**body(name)) as answer:
            for piece in answer.iter_bytes():
                times.append(clock() - start)
                pieces.append(piece)
        return times, pieces

    return lambda names, streams: in_threads(one, names, streams)


CANDIDATES: dict[str, tuple[Callable, str | None]] = {  # and the package that it needs
    "raw sockets, one loop": (floor, None),
    "the kit: one loop": (kit, None),
    "sockets, a thread each": (threads, None),
    "asyncio protocol, httptools": (asyncio_protocol("httptools"), "httptools"),
    "asyncio protocol, h11": (asyncio_protocol("h11"), "h11"),
    "aiohttp": (aiohttp, "aiohttp"),
    "httpx": (httpx, "httpx"),
    "openai, with_streaming_response": (openai, "openai"),
}


def one(name: str, url: str, streams: int) -> None:
    """Run a candidate in this process: warm up, measure, write what it saw to standard output."""
    run = CANDIDATES[name][0](url)
    imported_mb = psutil.Process().memory_info().rss / 2**20
    run([f"warmup {i}" for i in range(2 * streams)], streams)
    cpu_s = time.process_time()
    seen = run([f"measure {i}" for i in range(STREAMS[streams])], streams)
    cpu_s, grown_mb = (
        time.process_time() - cpu_s,
        psutil.Process().memory_info().rss / 2**20 - imported_mb,
    )
    pickle.dump({"cpu_s": cpu_s, "grown_mb": grown_mb, "seen": seen}, sys.stdout.buffer)


def judged(found: dict, log: dict) -> dict[str, float | None]:
    """TTFT and ITL against the server's log, in milliseconds; processor time and memory."""
    import numpy as np

    from helpers.timing import framing, metrics, stream

    seen, true = [], []
    for name, (times, pieces) in found["seen"].items():
        packets = framing.Packets(times, pieces)
        if pieces[0].startswith(b"HTTP/1.1"):
            packets, _ = framing.unpack(packets, framing.parse_head(bytes(packets)))
        seen.append(metrics.measure(stream.parse(packets)))
        sent = log[name]["sent_at"]
        true.append((sent[0] - log[name]["read_at"], (sent[-1] - sent[0]) / (len(sent) - 1)))
    ttft, own = (
        1000 * np.array([m["ttft_s"] for m in seen]),
        1000 * np.array([first for first, _ in true]),
    )
    itl = [
        abs(m["itl_s"] - step) * 1000
        for m, (_, step) in zip(seen, true, strict=True)
        if m["itl_s"] is not None
    ]
    return {
        "p50_ms": float(np.median(ttft - own)),
        "p95_ms": float(np.percentile(ttft, 95) - np.percentile(own, 95)),
        "itl_ms": float(np.median(itl)) if itl else None,
        "cpu_s": found["cpu_s"],
        "grown_mb": found["grown_mb"],
    }


def measure(samples: shared.Samples) -> None:
    """Every candidate at every number of streams, once."""
    from helpers.timing.calibration import ReferenceServer

    for streams in STREAMS:
        for name in installed():
            shared.note(f"{name}, {streams}")
            with ReferenceServer() as server:
                command = [
                    interpreter(CANDIDATES[name][1]),
                    __file__,
                    "--one",
                    name,
                    "--url",
                    server.url,
                    "--streams",
                    str(streams),
                ]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                samples.add((name, streams), judged(pickle.loads(done.stdout), server.log()))


@functools.cache
def interpreter(package: str | None) -> str | None:
    """Return the Python that has a package: this one, else that of the peers, else None."""
    if package is None or importlib.util.find_spec(package):
        return sys.executable
    other = shared.peer("python")
    return (
        other
        if other
        and subprocess.run([other, "-c", f"import {package}"], capture_output=True).returncode == 0
        else None
    )


def installed() -> list[str]:
    """List the candidates whose package is installed."""
    return [name for name, (_, package) in CANDIDATES.items() if interpreter(package)]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument(
        "--keep",
        metavar="FILE",
        help="add to the samples of this file, and print the table of them all",
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--streams", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        one(asked.one, asked.url, asked.streams)
        return
    samples = shared.Samples(asked.keep)
    for _ in range(asked.turns):
        measure(samples)
    headers = (
        "client",
        *(f"TTFT error p50 / p95 at {n}, ms" for n in STREAMS),
        "ITL error at 16, ms",
        "CPU at 16, s",
        "memory grown at 64, MB",
    )
    rows = []
    for name in installed():
        errors = [
            f"{samples.range((name, n), 'p50_ms')} / {samples.range((name, n), 'p95_ms')}"
            for n in STREAMS
        ]
        costs = (
            samples.range((name, 16), "itl_ms", 4),
            samples.range((name, 16), "cpu_s"),
            samples.range((name, 64), "grown_mb", 0),
        )
        rows.append([name, *errors, *costs])
    print(shared.table(headers, rows))
    if missing := [name for name in CANDIDATES if name not in installed()]:
        print(f"\nNot installed here: {', '.join(missing)}.")


if __name__ == "__main__":
    main()
