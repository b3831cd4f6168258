"""Commands around quality and decisions: score, judge, route, contribute."""

from pathlib import Path
from typing import Literal

from ..common.errors import UsageError
from ..common.paths import user_path
from ..common.show import count
from .options import Endpoint, LimitOptions, RunFolder, Whole, given


def annotate(run: RunFolder = None, /, *, rater: str, output: str | None = None) -> None:
    """Write a blind sheet of a run's answers for a person to score."""
    from .. import BlindRating, load_run

    loaded = load_run(run)
    blind = BlindRating(loaded, rater)
    if not blind.todo:
        print(f"{rater} has scored all {len(blind.items)} answers of {loaded.folder.name}.")
        return
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in rater)
    path = user_path(output) if output else loaded.folder / f"annotations-{safe}.csv"
    if path.exists():
        raise UsageError(
            f"{path} exists and may hold scores; fill it in, or name another file with --output."
        )
    print(
        f"{len(blind.todo)} answers to score from 1 (useless) to 5 (nothing to improve): "
        f"{blind.sheet(path)}"
    )
    print(f"Fill in the column score, save as CSV, then: python -m helpers report {loaded.folder}")


def judge(
    run: RunFolder = None,
    /,
    *,
    model: str,
    limit: Whole | None = None,
    key_env: str = "FOUNDRY_LOCAL_API_KEY",
    endpoint: Endpoint = None,
) -> int:
    """Let a model score the answers of a run."""
    from .. import ask_judge, connect, load_run

    loaded = load_run(run)
    with connect(endpoint, key_variable=key_env) as server:
        result = ask_judge(server, model, loaded, limit=limit)
    print(result)
    return 0 if result.failures < len(result.judgements) else 1


def route(
    prompt: str,
    /,
    *,
    need: tuple[str, ...] = (),
    run: RunFolder = None,
    limits: LimitOptions | None = None,
) -> int:
    """Choose a model for a prompt by capability and a finished run."""
    from .. import route

    chosen = route(prompt, need or ("chat",), given(limits), run=run)
    print(chosen)
    return 0 if chosen.choices else 1


def contribute(
    run: RunFolder = None,
    /,
    *,
    output: str | None = None,
    verify: str | None = None,
) -> None:
    """Write a small folder with the entry and the result of a run, or verify one."""
    from .. import load_run
    from ..report.contribute import contribute, verify_contribution

    if verify:
        print(*verify_contribution(user_path(verify)), sep="\n")
        return
    loaded = load_run(run)
    folder = contribute(loaded, user_path(output) if output else loaded.folder / "contribution")
    print(f"{folder}: look through it, then send it. What the check says:")
    print(*verify_contribution(folder), sep="\n")


def prompts(action: Literal["new"], notes: str, /, *, output: str = "my-prompts.json") -> None:
    """Make a prompt set of your own notes: a text file, or a folder of them."""
    from ..common.files import write_json
    from ..models.prompts import load_prompts
    from ..quality.proposals import make_set, read_notes

    path = Path(output)
    if path.exists():
        raise UsageError(f"{path} exists; name another file with --output.")
    write_json(path, {"mine": make_set(read_notes(Path(notes).expanduser()))})
    made = load_prompts(path)
    facets = sum(len(prompt.facets) for prompt in made.prompts)
    print(f"{path}: {count(len(made), 'prompt')} with {count(facets, 'facet')}; correct them.")
    print(f"Then: python -m helpers benchmark --prompts {path}")


COMMANDS = (prompts, annotate, judge, route, contribute)
