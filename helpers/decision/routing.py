"""Which model answers this prompt: capability tags first, then limits and rank from a finished run; the next one when the first fails."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..common.errors import KitError, UsageError
from ..common.show import Table, join_words
from ..measure.record import Run, load_run
from ..models import lineup
from .selection import decide

if TYPE_CHECKING:
    from ..servers.server import Reply, Server

LETTERS_PER_TOKEN = 3  # of English text, on the careful side


@dataclass
class Route:
    """The models that may answer a prompt, best first, with the reason for each place and each absence.

    `ask` sends the prompt to the first that can be loaded; `tried` keeps what happened. Shows itself as a table.
    """

    prompt: str
    choices: list[str]
    why: dict[str, str] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)

    @property
    def model(self) -> str:
        """The first choice. Raises UsageError when no model is left."""
        if not self.choices:
            raise UsageError(
                f"No model can answer this: {'; '.join(f'{m}: {reason}' for m, reason in self.why.items())}."
            )
        return self.choices[0]

    def ask(self, server: "Server", **options) -> "Reply":
        """One answer from the best model that loads and answers; `options` as for `Server.chat`.

        Raises KitError naming every failure when none does.
        """
        _ = self.model
        for model in self.choices:
            try:
                reply = server.chat(model, self.prompt, **options)
            except KitError as error:
                self.tried.append(f"{model}: {error}")
                continue
            self.tried.append(f"{model}: answered")
            return reply
        raise KitError(f"No model answered. {' '.join(self.tried)}")

    def table(self) -> Table:
        """Every model with its place and why."""
        places = {model: number for number, model in enumerate(self.choices, 1)}
        rows = [[places.get(model, "out"), model, reason] for model, reason in self.why.items()]
        return Table(
            ("place", "model", "why"),
            sorted(rows, key=lambda row: (row[0] == "out", row[0])),
            note="; ".join(self.tried),
        )

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def route(
    prompt: str,
    needs: Collection[str] = ("chat",),
    limits: Mapping | None = None,
    *,
    run: Run | str | os.PathLike | None = None,
    models: lineup.Lineup | None = None,
) -> Route:
    """Choose models for a prompt.

    Args:
        prompt: what will be asked; with a model's context it decides whether it fits.
        needs: capability tags that the model must have in `models.json`.
        limits: as for `selection.decide`, for instance {"max_p95_s": 1, "min_quality": 0.7}.
        run: a run, or what `load_run` reads; default the latest.
        models: the line-up; default `data/models.json`.

    Raises UsageError for a tag that no model of the line-up has, a wrong limit, or when there is no run.
    """
    known = lineup.load_models() if models is None else models
    run = run if isinstance(run, Run) else load_run(run)
    needs = (needs,) if isinstance(needs, str) else tuple(needs)
    tags = sorted({tag for entry in known.values() for tag in entry.capabilities})
    if missing := [need for need in needs if need not in tags]:
        raise UsageError(
            f"No model of the line-up is tagged '{missing[0]}'; the tags are {', '.join(tags)}."
        )
    decision = decide(run, limits)
    found = Route(prompt, [])
    for option in decision.options:
        reason = _unfit(prompt, needs, known.get(option.model)) or option.out
        if not reason:
            found.choices.append(option.model)
            reason = f"has {join_words(needs)}" + (
                f"; total {option.total:.2f} of 1 in {run.folder.name}"
                if option.total is not None
                else ""
            )
        found.why[option.model] = reason
    for model, entry in known.items():
        if model not in found.why and not _unfit(prompt, needs, entry):
            found.why[model] = "not in this run: nothing is known of its speed and quality here"
    return found


def _unfit(prompt: str, needs: Collection[str], entry: lineup.ModelEntry | None) -> str:
    if entry is None:
        return "not in the line-up, so its capabilities are not known"
    if lacking := [need for need in needs if need not in entry.capabilities]:
        return f"is not tagged {join_words(lacking)}"
    tokens = len(prompt) // LETTERS_PER_TOKEN
    if entry.context and tokens > entry.context:
        return f"the prompt is about {tokens:,} tokens long and its context holds {entry.context:,}"
    return ""
