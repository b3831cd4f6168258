"""Compare the kit with AIPerf and GuideLLM against the reference server, for docs/accuracy.md.

    python bench/peers.py [--turns N] [--keep FILE] [--streams 1,16] [--dialects]

Each tool runs as its users run it, as a whole program, and its own record is read. They take turns; a
tool that is not installed is left out with a message (`make bench` installs them separately). With `--dialects` each is
asked to time streams of known shape instead.
"""

import argparse
import itertools
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shared

from helpers.timing.calibration import ReferenceServer

sys.path.insert(0, str(shared.PROJECT / "tests"))
from support.loopback import (
    DONE,
    Answer,
    Loopback,
    Request,
    delta,
    event,
    json_answer,
    streamed,
    usage,
)

TOKENS = 64
REQUESTS = {1: 20, 16: 160}
REPEATS = 3  # of each dialect
TOLERANCE_MS = {
    "ttft": 15,
    "ttfo": 15,
    "latency": 15,
    "itl": 2.5,
}  # tokens come every 20 ms: a wrong reading is off by more
TOKENIZER = (
    shared.PROJECT / "data" / "models" / "pocket-nano"
)  # both tools want one, and no network has to be there


@dataclass(frozen=True)
class Seen:
    """Hold what a tool says of one request, in milliseconds; `ok` if it counts as answered."""

    ok: bool
    ttft: float | None = None
    ttfo: float | None = None
    latency: float | None = None
    itl: float | None = None
    tokens: float | None = None


def kit(
    url: str, model: str, streams: int, requests: int, folder: Path
) -> tuple[shared.Cost, list[Seen]]:
    """`python -m helpers benchmark`, and its requests.jsonl."""
    prompts = folder / "prompts.json"
    prompts.write_text(
        json.dumps([f"How late are you? ({number})" for number in range(requests)]),
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "helpers",
        "benchmark",
        "--endpoint",
        url,
        "--models",
        model,
        "--prompts",
        str(prompts),
        "--rounds",
        "1",
    ]
    command += [
        "--max-tokens",
        str(TOKENS),
        "--concurrency",
        str(streams),
        "--warmup",
        str(streams),
        "--timeout",
        "20",
        "--output",
        str(folder),
        "--quiet",
    ]
    cost = shared.run(command, folder)
    rows = [
        json.loads(line)
        for line in next(folder.glob("*/requests.jsonl")).read_text(encoding="utf-8").splitlines()
    ]
    return cost, [
        Seen(
            row["status"] == "ok",
            *(_ms(row[f]) for f in ("ttft_s", "ttfo_s", "latency_s", "itl_s")),
            row["completion_tokens"],
        )
        for row in rows
        if row["phase"] == "measure"
    ]


def aiperf(
    url: str, model: str, streams: int, requests: int, folder: Path
) -> tuple[shared.Cost, list[Seen]]:
    """`aiperf profile` with the server's token counts, and its profile_export.jsonl."""
    command = [
        shared.peer("aiperf"),
        "profile",
        "--model",
        model,
        "--url",
        url,
        "--endpoint-type",
        "chat",
        "--streaming",
        "--use-server-token-count",
    ]
    command += [
        "--concurrency",
        str(streams),
        "--request-count",
        str(requests),
        "--warmup-request-count",
        str(streams),
        "--isl",
        "16",
    ]
    command += [
        "--osl",
        str(TOKENS),
        "--use-legacy-max-tokens",
        "--tokenizer",
        str(TOKENIZER),
        "--request-timeout-seconds",
        "20",
    ]
    cost = shared.run([*command, "--artifact-dir", str(folder), "--ui-type", "none"], folder)
    records = [
        json.loads(line)
        for line in (folder / "profile_export.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    records.sort(key=lambda record: record["metadata"]["request_start_ns"])
    return cost, [
        _aiperf_seen(record)
        for record in records
        if record["metadata"]["benchmark_phase"] == "profiling"
    ]


def _aiperf_seen(record: dict) -> Seen:
    names = (
        "time_to_first_token",
        "time_to_first_output_token",
        "request_latency",
        "inter_token_latency",
        "output_sequence_length",
    )
    found = [record["metrics"].get(name, {}).get("value") for name in names]
    return Seen(not record.get("error") and bool(found[2]), *found)


def guidellm(
    url: str, model: str, streams: int, requests: int, folder: Path
) -> tuple[shared.Cost, list[Seen]]:
    """Run `guidellm` and read its JSON report. It tells warm-up requests apart only by time."""
    report, count = folder / "report.json", requests + streams
    command = [
        shared.peer("guidellm"),
        "run",
        "--backend",
        f"kind=openai_http,target={url},model={model}",
        "--disable-console",
    ]
    command += [
        "--profile",
        f"kind=concurrent,streams={streams}",
        "--constraint",
        f"kind=max_requests,count={count}",
    ]
    command += [
        "--tokenizer",
        f"kind=huggingface_auto,model={TOKENIZER}",
        "--output",
        f"kind=json,path={report}",
    ]
    command += ["--data", f"kind=synthetic_text,prompt_tokens=16,output_tokens={TOKENS}"]
    cost = shared.run(command, folder, {"HF_HUB_OFFLINE": "1"})
    found = json.loads(report.read_text(encoding="utf-8"))["benchmarks"][0]["requests"]
    every = sorted(
        ((r, name == "successful") for name in ("successful", "errored") for r in found[name]),
        key=lambda one: one[0]["request_start_time"] or 0,
    )
    return cost, [_guidellm_seen(request, ok) for request, ok in every[streams:]]


def _guidellm_seen(request: dict, ok: bool) -> Seen:
    names = (
        "time_to_first_token_ms",
        "time_to_first_output_token_ms",
        "request_latency",
        "inter_token_latency_ms",
        "output_tokens",
    )
    ttft, ttfo, latency, itl, tokens = (request.get(name) for name in names)
    return Seen(ok, ttft, ttfo, _ms(latency), itl, tokens)


TOOLS: dict[str, tuple[Callable, str | None]] = {
    "the kit": (kit, None),
    "AIPerf 0.13.0": (aiperf, "aiperf"),
    "GuideLLM 0.8.1": (guidellm, "guidellm"),
}


def installed() -> dict[str, Callable]:
    """List the tools that are installed."""
    return {
        name: tool
        for name, (tool, program) in TOOLS.items()
        if program is None or shared.peer(program)
    }


def measure(samples: shared.Samples, streams: int) -> None:
    """Every tool once, against a server of its own that has just started."""
    for name, tool in installed().items():
        shared.note(f"{name}, {streams} streams")
        with ReferenceServer() as server, tempfile.TemporaryDirectory() as folder:
            cost, seen = tool(server.url, "reference", streams, REQUESTS[streams], Path(folder))
            entries = [entry for entry in server.entries() if entry["sent_at"]][
                -REQUESTS[streams] :
            ]
        first = np.array([entry["sent_at"][0] - entry["read_at"] for entry in entries]) * 1000
        steps = np.array([np.diff(entry["sent_at"]).mean() for entry in entries]) * 1000
        ttft = np.array([one.ttft for one in seen if one.ok and one.ttft is not None])
        itl = np.array([one.itl for one in seen if one.ok and one.itl is not None])
        figures = {
            f"p{p}_ms": float(np.percentile(ttft, p) - np.percentile(first, p)) for p in (50, 95)
        }
        figures |= {
            "itl_ms": abs(float(np.median(itl) - np.median(steps))),
            "n": len(ttft),
            "cpu_s": cost.cpu_s,
        }
        samples.add(
            (name, streams), {**figures, "memory_mb": cost.memory_mb, "processes": cost.processes}
        )


# Streams of known shape --------------------------------------------------------------------------------------------

ROLE, STOP = event(delta("", role="assistant")), event(delta(finish="stop"))
WORD, FOUR = event(delta(" word")), event(delta(" one two three four"))
FIRST_S, STEP_S = 0.1, 0.02


def words(count: int, piece: bytes = WORD) -> list:
    """Chunks at known times: the first after FIRST_S, then one every STEP_S."""
    return [FIRST_S, *[step for _ in range(count) for step in (piece, STEP_S)][:-1]]


@dataclass(frozen=True)
class Dialect:
    """Describe a stream: if it is an answer, and the tokens that its server vouches for."""

    steps: list
    ok: bool = True
    tokens: int | None = None
    cut: int | None = None  # after so many pieces of the answer

    def true(self, request: Request) -> Seen:
        """Return the figures by the server's clock, in milliseconds."""
        if not self.ok:
            return Seen(False)
        pieces = [
            b"",
            *(step for step in self.steps if isinstance(step, bytes)),
        ]  # the head goes first
        texts, answers = (
            [1000 * request.delay_s(i) for i, piece in enumerate(pieces) if shape.search(piece)]
            for shape in (TEXT, CONTENT)
        )
        itl = (texts[-1] - texts[0]) / (self.tokens - 1) if self.tokens else None
        return Seen(True, texts[0], answers[0], texts[-1], itl, self.tokens)


TEXT, CONTENT = (
    re.compile(rb'"(content|reasoning|reasoning_content)": " '),
    re.compile(rb'"content": " '),
)


def _dialects() -> dict[str, Dialect]:
    ten, counted = words(10), [STOP, event(usage(3, 10)), DONE]
    plain = [ROLE, *ten, *counted]
    return {
        "as OpenAI sends it": Dialect(plain, tokens=10),
        "role-only first chunk": Dialect([event(delta(role="assistant")), *plain[1:]], tokens=10),
        "finish_reason, no token": Dialect(
            [ROLE, FIRST_S, STOP, event(usage(3, 0)), DONE], ok=False
        ),
        "empty content without a role": Dialect([event(delta("")), *plain[1:]], tokens=10),
        "reasoning_content, then content": Dialect(
            [ROLE, *words(5, event(delta(reasoning_content=" hm"))), *words(5), *counted], tokens=10
        ),
        "reasoning, then content": Dialect(
            [ROLE, *words(5, event(delta(reasoning=" hm"))), *words(5), *counted], tokens=10
        ),
        "four tokens a chunk, usage": Dialect(
            [ROLE, *words(5, FOUR), STOP, event(usage(3, 20)), DONE], tokens=20
        ),
        "an error object within the stream": Dialect(
            [ROLE, *words(3), event({"error": {"message": "out of memory"}}), DONE], ok=False
        ),
        "four tokens a chunk, no usage": Dialect([ROLE, *words(5, FOUR), STOP, DONE]),
        "usage null": Dialect([ROLE, *ten, event({**delta(finish="stop"), "usage": None}), DONE]),
        "usage chunk 100 ms late": Dialect([ROLE, *ten, STOP, 0.1, *counted[1:]], tokens=10),
        "[DONE] 100 ms late": Dialect([ROLE, *ten, *counted[:-1], 0.1, DONE], tokens=10),
        "cut in the middle": Dialect([ROLE, *ten, STOP, DONE], ok=False, cut=12),
        "no finish_reason": Dialect([ROLE, *ten, *counted[1:]], tokens=10),
        "no [DONE]": Dialect(plain[:-1], tokens=10),
        "keep-alive comments": Dialect(
            [b": ping\n\n", ROLE, *ten, b": ping\n\n", *counted], tokens=10
        ),
        "CRLF line ends": Dialect(
            [s.replace(b"\n", b"\r\n") if isinstance(s, bytes) else s for s in plain], tokens=10
        ),
    }


def judge(true: list[Seen], seen: list[Seen]) -> str:
    """Return `right`, or what is wrong: the status, or a median that is clearly off."""
    if len(seen) < len(true):
        return f"{len(seen)} of {len(true)} on record"
    if any(one.ok != that.ok for one, that in zip(seen, true, strict=True)):
        return f"{sum(one.ok for one in seen)} of {len(seen)} counted as answered"
    wrong = []
    for name in ("ttft", "ttfo", "latency", "itl") if true[0].ok else ():
        found, right = (
            [getattr(one, name) for one in many if getattr(one, name) is not None]
            for many in (seen, true)
        )
        words = name if name == "latency" else name.upper()
        if not right:
            wrong += [f"{words} {np.median(found):.1f} ms, which nobody can know"] if found else []
        elif not found:
            wrong.append(f"no {words}")
        elif abs(np.median(found) - np.median(right)) > TOLERANCE_MS[name]:
            wrong.append(f"{words} {np.median(found):.0f} ms for {np.median(right):.0f}")
    return "; ".join(wrong) or "right"


def dialects() -> Iterator[list[str]]:
    """Return a row for each dialect: its name, then what each tool made of it."""
    shapes, said = _dialects(), {}
    for name, tool in installed().items():
        shared.note(f"{name}, {len(shapes)} dialects")
        answers = itertools.cycle(_answer(dialect) for dialect in shapes.values())
        warm = iter([_answer(shapes["as OpenAI sends it"])])

        def handler(request: Request, warm=warm, answers=answers) -> Answer:
            if request.method == "POST":
                return next(warm, None) or next(answers)
            return json_answer(
                {"object": "list", "data": [{"id": "reference", "object": "model"}]}
            )  # also when asked for its health

        with Loopback(handler) as server, tempfile.TemporaryDirectory() as folder:
            _, seen = tool(server.url, "reference", 1, REPEATS * len(shapes), Path(folder))
            asked = [request for request in server.requests if request.method == "POST"][1:]
        said[name] = [
            judge(
                [dialect.true(request) for request in asked[i :: len(shapes)]],
                seen[i :: len(shapes)],
            )
            for i, dialect in enumerate(shapes.values())
        ]
    for i, shape in enumerate(shapes):
        yield [shape, *(column[i] for column in said.values())]


def _answer(dialect: Dialect) -> Answer:
    answer = streamed(dialect.steps)
    return Answer(answer.script[: dialect.cut], "close") if dialect.cut else answer


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--streams", default="1,16")
    parser.add_argument(
        "--keep",
        metavar="FILE",
        help="add to the samples of this file, and print the table of them all",
    )
    parser.add_argument("--dialects", action="store_true")
    asked = parser.parse_args()
    for name, (_, program) in TOOLS.items():
        if name not in installed():
            shared.note(f"{name} is left out: there is no {program} in {shared.PEERS.parent.name}")
    if asked.dialects:
        print(shared.table(("stream", *installed()), dialects()))
        return
    samples, levels = shared.Samples(asked.keep), [int(n) for n in asked.streams.split(",")]
    for _ in range(asked.turns):
        for streams in levels:
            measure(samples, streams)
    headers = ["tool"]
    for n in REQUESTS:
        headers += [f"TTFT error p50 / p95 at {n}, ms", f"ITL error at {n}, ms"]
    rows = []
    for name in installed():
        errors = []
        for n in REQUESTS:
            errors += [
                f"{samples.range((name, n), 'p50_ms')} / {samples.range((name, n), 'p95_ms')}",
                samples.range((name, n), "itl_ms", 4),
            ]
        costs = [
            samples.range((name, 16), "cpu_s", 1),
            samples.range((name, 16), "memory_mb", 0),
            samples.range((name, 16), "processes", 0),
        ]
        rows.append([name, *errors, *costs])
    print(shared.table([*headers, "CPU at 16, s", "peak memory at 16, MB", "processes"], rows))


if __name__ == "__main__":
    main()
