"""Bring your own model: three adapters with the same calls, `load`, `generate` and `stream`.

Each adapter has a `server` like the one that `connect()` gives, so that benchmark, judges and
reports treat its model like any other.
"""

import os
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from ..common.errors import UsageError
from ..models.lineup import Lineup, ModelEntry
from .connect import connect
from .foundry import Runtime
from .local import OnRuntime
from .remote import Remote
from .server import Server

DEVICE = "-generic-cpu"
EXPECTED = "a Python file that defines generate(prompt, **params)"


@runtime_checkable
class CustomModel(Protocol):
    """Say what the kit asks of a model that you bring."""

    def load(self, weights_path: str | os.PathLike) -> Self:
        """Make it ready to answer."""

    def generate(self, prompt: str, **params) -> str:
        """Return one answer; `params` are max_tokens, temperature, seed."""

    def stream(self, prompt: str, **params) -> Iterator[str]:
        """Yield the same answer in pieces, each as soon as it is there."""


class Adapter:
    """Hold an alias and a server, and get answers from it."""

    server: Server

    def __init__(self, alias: str):
        self.alias = alias

    def generate(self, prompt: str, **params) -> str:
        """Return one answer. Raises EndpointError when none came."""
        return self.server.chat(self.alias, prompt, **params).text

    def stream(self, prompt: str, **params) -> Iterator[str]:
        """Yield the answer in pieces as they come; closing the iterator stops the model."""
        yield from self.server.stream(self.alias, prompt, **params)

    def close(self) -> None:
        """Let go of the server."""
        self.server.close()


class FoundryFolder(Adapter):
    """Serve an ONNX GenAI folder, where it is, from Foundry Local's local catalog."""

    def __init__(self, alias: str, *, license: str | None = None):
        super().__init__(alias)
        self._license = license

    def load(self, weights_path: str | os.PathLike) -> Self:
        """Register the folder and load it.

        Raises UsageError when it holds no model, KitError when Foundry Local cannot load it.
        """
        folder = Path(weights_path).resolve()
        if not (folder / "genai_config.json").is_file():
            raise UsageError(
                f"{folder} holds no genai_config.json; "
                "give a folder that the ONNX Runtime GenAI model builder has made."
            )
        size_mb = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        runtime = Runtime()
        runtime.register(f"{self.alias}{DEVICE}:1", folder=str(folder))
        self.server = LocalCatalog(_lineup_of(self.alias, size_mb, self._license), runtime)
        self.server.load(self.alias)
        return self


class Endpoint(Adapter):
    """Use a model of any OpenAI-compatible server; `load` takes the name that it has there."""

    def __init__(self, base_url: str, key: str | None = None):
        super().__init__("")
        self._base_url, self._key = base_url, key

    def load(self, weights_path: str | os.PathLike) -> Self:
        """Look the model up.

        Raises EndpointError when nothing answers at the address, UnknownModel when it is not there.
        """
        self.server = connect(self._base_url, key=self._key)
        self.alias = self.server.resolve(str(weights_path)).alias
        self.server.load(self.alias)
        return self


class PythonModel(Adapter):
    """Serve a function `generate(prompt, **params)` on loopback, from a thread of this process.

    A function (or a file's `stream`) that yields pieces is streamed piece by piece. Its tokens are
    not counted, so it has no tokens/s.
    """

    def __init__(self, alias: str, answer: Callable | None = None):
        super().__init__(alias)
        self._answer = answer

    def load(self, weights_path: str | os.PathLike | None = None) -> Self:
        """Serve the function, or what a Python file defines. Raises UsageError for none."""
        from .functions import Functions  # starlette and uvicorn, for those who bring a function

        answer, size_mb = self._answer, None
        if weights_path is not None:
            path = Path(weights_path)
            answer, size_mb = _read_function(path), path.stat().st_size / 1e6
        if not callable(answer):
            raise UsageError(
                f"'{self.alias}' has nothing to call; give a function, or load {EXPECTED}."
            )
        self.server = Functions(self.alias, answer, _lineup_of(self.alias, size_mb))
        return self


class LocalCatalog(OnRuntime, Remote):
    """Ask Foundry Local's local catalog, where the same process serves registered models."""

    prefix, place = "/catalogs/local/v1", ", local catalog"


def _read_function(path: Path) -> Callable | None:
    try:
        defined = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:  # a script may end by itself
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"{path} cannot be run ({reason}); give {EXPECTED}.") from None
    functions = (defined.get(name) for name in ("stream", "generate"))
    return next(filter(callable, functions), None)


def _lineup_of(alias: str, size_mb: float | None, license: str | None = None) -> Lineup:
    """Return a line-up of one model, so that its size and license come into the tables."""
    entry = ModelEntry(capabilities=("summarize",), size_mb=size_mb or None, license=license)
    return Lineup({alias: entry})
