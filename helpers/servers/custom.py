"""Models of your own beside those of the catalog: three adapters with the same two calls, `load(weights_path)` and `generate(prompt, **params)`.

Each adapter has a `server` like the one that `connect()` gives, so that benchmark, judges and reports treat its model like any other.
"""

import contextlib
import http.server
import importlib.util
import itertools
import json
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from ..common import machine
from ..common.errors import KitError, UsageError
from ..common.paths import BUILT_IN_MODELS, PROJECT
from ..models import lineup
from .foundry import Runtime, private_service
from .server import MAX_TOKENS, Remote, Server, connect

DEVICE = "-generic-cpu"
MAX_CONTEXT = 4096  # tokens; the runtime may set aside memory for all of it
EXTRAS = ("torch", "transformers", "onnx", "onnx_ir", "onnxruntime_genai")


@runtime_checkable
class CustomModel(Protocol):
    """What the kit asks of a model that somebody brings."""

    def load(self, weights_path: str | os.PathLike) -> Self:
        """Make it ready to answer."""

    def generate(self, prompt: str, **params) -> str:
        """One answer; `params` are max_tokens, temperature, seed."""

    def stream(self, prompt: str, **params) -> Iterator[str]:
        """The same answer in pieces, each as soon as it is there."""


class Adapter:
    """What the three adapters share: an alias, a server, and answers from it."""

    server: Server

    def __init__(self, alias: str):
        self.alias = alias

    def generate(self, prompt: str, **params) -> str:
        """One answer. Raises EndpointError when none came."""
        return self.server.chat(self.alias, prompt, **params).text

    def stream(self, prompt: str, **params) -> Iterator[str]:
        """The answer in pieces as they come; closing the iterator stops the model."""
        yield from self.server.stream(self.alias, prompt, **params)

    def close(self) -> None:
        """Let go of the server."""
        self.server.close()


class FoundryFolder(Adapter):
    """An ONNX GenAI folder, served by Foundry Local from its local catalog. Nothing is copied: the folder must stay where it is."""

    def __init__(self, alias: str, *, license: str | None = None):
        super().__init__(alias)
        self._license = license

    def load(self, weights_path: str | os.PathLike) -> Self:
        """Register the folder and load it. Raises UsageError when it is none, KitError when Foundry Local cannot load it."""
        folder = Path(weights_path).resolve()
        if not (folder / "genai_config.json").is_file():
            raise UsageError(
                f"{folder} holds no genai_config.json; give a folder that the ONNX Runtime GenAI model builder has made."
            )
        size_mb = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        runtime = Runtime()
        runtime.register(f"{self.alias}{DEVICE}:1", folder)
        self.server = LocalCatalog(_only(self.alias, size_mb, self._license), runtime)
        self.server.load(self.alias)
        return self


class Endpoint(Adapter):
    """A model of any OpenAI-compatible server; `load` takes the name that it has there."""

    def __init__(self, base_url: str, key: str | None = None):
        super().__init__("")
        self._base_url, self._key = base_url, key

    def load(self, weights_path: str | os.PathLike) -> Self:
        """Look the model up. Raises EndpointError when nothing answers at the address, UnknownModel when it is not offered there."""
        self.server = connect(self._base_url, key=self._key)
        self.alias = self.server.resolve(str(weights_path)).alias
        self.server.load(self.alias)
        return self


class PythonModel(Adapter):
    """A plain Python function `generate(prompt, **params)`, given or read from a file, served on loopback in a thread of this process.

    A function (or the file's `stream`) that yields pieces is streamed piece by piece. Its tokens are not counted, so it has no tokens/s.
    """

    def __init__(self, alias: str, answer: Callable | None = None):
        super().__init__(alias)
        self._answer = answer

    def load(self, weights_path: str | os.PathLike | None = None) -> Self:
        """Start serving the function, or what the Python file defines. Raises UsageError when that is nothing to call."""
        answer, size_mb = self._answer, None
        if weights_path is not None:
            answer, size_mb = (
                _from_file(Path(weights_path)),
                Path(weights_path).stat().st_size / 1e6,
            )
        if not callable(answer):
            raise UsageError(
                f"'{self.alias}' has nothing to call; give a function, or load a Python file that defines generate(prompt, **params)."
            )
        self.server = Functions(self.alias, answer, size_mb)
        return self


class LocalCatalog(Remote):
    """Foundry Local's local catalog: registered models, served under a prefix of their own by the same process as all others."""

    def __init__(self, models: lineup.Lineup | None = None, runtime: Runtime | None = None):
        self.runtime = runtime or Runtime()
        self.kind = f"{self.runtime.name}, local catalog"
        super().__init__(self.base_url, models)

    @property
    def base_url(self) -> str:
        """The OpenAI base URL; it changes when the service had to be started again."""
        return f"{self.runtime.base_url}/catalogs/local/v1"

    @property
    def _control(self) -> str:
        return self.base_url.removesuffix("/v1")

    @_control.setter
    def _control(self, _found) -> None:
        """It moves with the address, so there is nothing to keep."""

    @property
    def pid(self) -> int:
        """Process id of the service."""
        return self.runtime.pid

    def footprint(self, name: str, prompt: str, max_tokens: int = MAX_TOKENS) -> machine.PeakMemory:
        """Memory that a model needs for one answer, above that of the idle runtime, in a service of its own."""
        with private_service() as runtime, machine.PeakMemory(runtime.pid) as memory:
            LocalCatalog(self._lineup, runtime).chat(name, prompt, max_tokens=max_tokens)
        return memory

    def close(self) -> None:
        """Let go of the service."""
        self.runtime.close()


class Functions(Remote):
    """One Python function behind an OpenAI-shaped address on loopback."""

    kind = "Python function"

    def __init__(self, alias: str, answer: Callable, size_mb: float | None = None):
        self._http = _Http(
            ("127.0.0.1", 0),
            type("Handler", (_Handler,), {"alias": alias, "answer": staticmethod(answer)}),
        )
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        super().__init__(
            f"http://127.0.0.1:{self._http.server_port}/v1", _only(alias, size_mb, None)
        )

    def close(self) -> None:
        """End the server."""
        self._http.shutdown()
        self._http.server_close()


class _Http(http.server.ThreadingHTTPServer):
    """A caller that hangs up, even in the middle of a request, is no error of the server: nothing is printed in the notebook."""

    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    """GET /v1/models and POST /v1/chat/completions. A piece is sent the moment the function has given it."""

    alias: str
    answer: Callable
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._whole(
                200,
                {
                    "object": "list",
                    "data": [
                        {"id": self.alias, "object": "model", "created": 0, "owned_by": "you"}
                    ],
                },
            )
        else:
            self._error(
                404, f"There is no {self.path} here, only /v1/models and /v1/chat/completions."
            )

    def do_POST(self) -> None:
        try:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            prompt = next(m["content"] for m in reversed(body["messages"]) if m["role"] == "user")
        except (ValueError, KeyError, TypeError, StopIteration):
            return self._error(
                400, "Expected a JSON object with messages, the last of them by a user."
            )
        params = {
            name: body[name]
            for name in ("max_tokens", "temperature", "seed")
            if body.get(name) is not None
        }
        try:
            pieces = _pieces(self.answer(prompt, **params))
            first = next(
                pieces, ""
            )  # a function that fails at once is told by the status, not in the middle of a stream
        except Exception as error:
            return self._error(500, f"The function stopped with {type(error).__name__}: {error}")
        with contextlib.suppress(
            OSError
        ):  # the caller has gone; the function is not asked for more
            self._answer(itertools.chain([first], pieces), bool(body.get("stream")))

    def _answer(self, pieces: Iterator[str], streamed: bool) -> None:
        if not streamed:
            try:
                return self._whole(
                    200,
                    {
                        **self._frame(message={"role": "assistant", "content": "".join(pieces)}),
                        "object": "chat.completion",
                    },
                )
            except Exception as error:
                return self._error(
                    500, f"The function stopped with {type(error).__name__}: {error}"
                )
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._event(self._frame(delta={"role": "assistant", "content": ""}, finish=None))
        try:
            for piece in pieces:
                self._event(self._frame(delta={"content": piece}, finish=None))
            self._event(self._frame(delta={}))
        except OSError:
            raise
        except Exception as error:  # what a learner's function does in the middle of its answer
            self._event(
                {"error": {"message": f"The function stopped with {type(error).__name__}: {error}"}}
            )
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _frame(self, finish: str | None = "stop", **content) -> dict:
        choice = {"index": 0, **content, "finish_reason": finish}
        return {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": self.alias,
            "choices": [choice],
        }

    def _event(self, value: dict) -> None:
        self._chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _error(self, status: int, message: str) -> None:
        self._whole(
            status, {"error": {"message": message, "type": "custom", "param": None, "code": None}}
        )

    def _whole(self, status: int, value: dict) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_) -> None:
        """Requests are in the record of the run, not on the screen."""


@dataclass(frozen=True)
class Conversion:
    """Where the ONNX GenAI folder is, and whether it was made now. Shows itself as a sentence."""

    folder: Path
    converted: bool
    note: str

    def __str__(self) -> str:
        return self.note

    def _repr_markdown_(self) -> str:
        return self.note


def convert(
    source: str | os.PathLike, folder: str | os.PathLike, *, precision: str = "int4"
) -> Conversion:
    """A Hugging Face checkpoint (folder or hub name) as an ONNX GenAI folder, made by the ONNX Runtime GenAI model builder.

    Without a checkpoint or the builder's packages nothing is made, and the folder of the shipped pocket-mini is given instead, with a note that
    says so. Raises KitError with the builder's last words when it fails.
    """
    python = _python_with_extras()
    if python is None or not str(source):
        missing = f"{', '.join(EXTRAS)} are not installed here (training/requirements.txt has them, in an environment of their own)"
        reason = "no checkpoint was named" if python else missing
        return Conversion(
            BUILT_IN_MODELS / "pocket-mini",
            False,
            f"Not converted: {reason}. Going on with pocket-mini as it ships: the same builder made it.",
        )
    folder = Path(folder)
    command = [
        python,
        "-m",
        "onnxruntime_genai.models.builder",
        "-o",
        str(folder),
        "-p",
        precision,
        "-e",
        "cpu",
        "-c",
        str(folder / "cache"),
    ]
    place = ["-i", str(source)] if Path(source).is_dir() else ["-m", str(source)]
    done = subprocess.run(
        [*command, *place],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        words = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise KitError(f"The model builder could not convert {source}: {words}")
    _limit_context(folder / "genai_config.json")
    return Conversion(folder, True, f"Converted {Path(source).name} to {precision}: {folder.name}.")


def _limit_context(path: Path) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    longest = min(config["model"]["context_length"], MAX_CONTEXT)
    config["model"]["context_length"] = config["search"]["max_length"] = longest
    path.write_text(json.dumps(config, indent=4), encoding="utf-8")


def _python_with_extras() -> str | None:
    """A Python that can run the model builder: this one, or that of `make models`."""
    if all(map(importlib.util.find_spec, EXTRAS)):
        return sys.executable
    other = PROJECT / ".venv-models" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    script = f"import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, {EXTRAS!r})))"
    return (
        str(other)
        if other.exists() and subprocess.run([other, "-c", script], check=False).returncode == 0
        else None
    )


def _from_file(path: Path) -> Callable | None:
    try:
        defined = runpy.run_path(str(path))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}); give a Python file that defines generate(prompt, **params)."
        ) from None
    except Exception as error:
        raise UsageError(
            f"{path} stopped with {type(error).__name__}: {error}; run it alone with: python {path.name}"
        ) from None
    return defined.get("stream") or defined.get("generate")


def _pieces(answer) -> Iterator[str]:
    return iter([answer] if isinstance(answer, str) else answer)


def _only(alias: str, size_mb: float | None, license: str | None) -> lineup.Lineup:
    """A line-up of this one model, so that its size and licence come into the tables."""
    entry = lineup.ModelEntry(capabilities=("summarize",), size_mb=size_mb or None, license=license)
    return lineup.Lineup({alias: entry})
