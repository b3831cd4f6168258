"""Commands around models: look at the machine, list, fetch, keep, serve and ask."""

import codecs
import functools
import json
import sys
from typing import Annotated, Any

from cyclopts import Parameter

from ..common.errors import KitError, UsageError
from ..common.show import lines
from .options import AnswerOptions, Endpoint, FilterOptions, Mirror, Whole, given


def check(
    *, json_: Annotated[bool, Parameter(name="--json")] = False, endpoint: Endpoint = None
) -> int:
    """Look whether this machine is ready."""
    from .. import check_setup

    checks = check_setup(endpoint)
    rows = [check._asdict() for check in checks]
    print(json.dumps(rows, indent=2) if json_ else checks)
    return 0 if checks.ok else 1


def models(
    *, filters: FilterOptions | None = None, endpoint: Endpoint = None, mirror: Mirror = None
) -> None:
    """List the models that can be had."""
    from .. import connect

    with connect(endpoint, mirror=mirror) as server:
        print(server.models().where(**given(filters)))


def download(*alias: str, endpoint: Endpoint = None, mirror: Mirror = None) -> int:
    """Bring models into the cache; with a mirror and no alias, all that it has."""
    from .. import connect, download

    with connect(endpoint, mirror=mirror) as server:
        return _shown(download(server, alias or None))


def prefetch(
    *alias: str, at: str | None = None, endpoint: Endpoint = None, mirror: Mirror = None
) -> int:
    """Download at a quiet hour: wait until then; Ctrl-C ends it."""
    from .. import connect
    from ..servers.downloads import prefetch

    return _shown(prefetch(lambda: connect(endpoint, mirror=mirror), alias or None, at))


def verify(*alias: str, mirror: Mirror = None) -> int:
    """Hash every file of cached models (default: all), and fetch damaged ones again."""
    from .. import connect, verify

    with connect(mirror=mirror) as server:
        return _shown(verify(server, alias or None))


def _shown(outcomes) -> int:
    print(outcomes)
    return 0 if outcomes.ok else 1


def cache(*, remove: tuple[str, ...] = (), yes: bool = False) -> None:
    """See what the model cache holds, and remove models."""
    from .. import cache_contents
    from ..common.show import size
    from ..servers import downloads

    for alias in remove:
        stored = downloads.find_stored(alias)
        question = f"Delete {stored.alias}, {size(stored.bytes)}, from {stored.folder}? [y/N] "
        if not yes and _ask(question).lower() not in ("y", "yes"):
            raise UsageError(f"'{stored.alias}' stays; add --yes to delete it without a question.")
        downloads.remove(stored)
        print(f"removed {stored.alias}", file=sys.stderr)
    print(cache_contents())


def convert(
    file: str,
    /,
    *,
    name: str | None = None,
    adapter: str | None = None,
    context: Whole | None = None,
) -> None:
    """Turn a GGUF file into a model that Foundry Local serves."""
    from .. import from_gguf

    say = functools.partial(print, file=sys.stderr)
    alias = from_gguf(file, name, adapter, context=context, note=say)
    print(f"{alias} is in the cache; measure it with: python -m helpers benchmark --models {alias}")


def mirror(
    *alias: str, host: str = "127.0.0.1", port: Whole = 8321, plan: str | None = None
) -> None:
    """Serve the models of this machine's cache (default: all that are whole) to a room.

    Args:
        host: 0.0.0.0 serves the room (default: this machine alone)
        port: port to listen on (default 8321)
        plan: PLAN.toml that every machine of the room measures; its board is at /board
    """
    from ..room.serve import serve

    serve(plan, host=host, port=port, only=list(alias), say=functools.partial(print, flush=True))


def chat(
    alias: str,
    /,
    *,
    prompt: str | None = None,
    unload_others: bool = False,
    answer: AnswerOptions | None = None,
    endpoint: Endpoint = None,
) -> None:
    """Ask a model once, or until an empty line."""
    from .. import connect

    settings = given(answer)
    with connect(endpoint) as server:
        if unload_others:
            server.load(alias, unload_others=True)
        if prompt is not None:
            print(server.chat(alias, prompt, **settings))
            return
        server.resolve(alias)
        _read_any_utf()
        print("An empty line ends the chat.", file=sys.stderr)
        while question := _ask():
            try:
                print(server.chat(alias, question, **settings), end="\n\n")
            except KitError as error:
                print("error:", *lines(str(error)), file=sys.stderr)


def _read_any_utf() -> None:
    """Read questions from a file as UTF-8, or as UTF-16 when PowerShell has written it."""
    stdin: Any = sys.stdin
    if not stdin.isatty():
        wide = stdin.buffer.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        stdin.reconfigure(encoding="utf-16" if wide else "utf-8-sig", errors="replace")


def _ask(question: str = "> ") -> str:
    try:
        return input(question).strip()
    except EOFError:
        return ""


def stop() -> None:
    """Stop the runtime that the kit started."""
    from ..servers import foundry

    print("stopped" if foundry.stop_service() else "not running")


COMMANDS = (check, models, download, convert, prefetch, verify, cache, mirror, chat, stop)
