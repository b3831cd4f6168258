"""Choose which model answers a prompt: capability tags first, then limits and rank from a run."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ..common.errors import UsageError
from ..common.show import Shown, Table, join_words
from ..measure.record import Run, load_run
from ..models import lineup
from .limits import Limits
from .scenario import load_scenario
from .scorecard import Scorecard
from .selection import decide

# In UTF-8: three letters of English, one character of Chinese. Real tokens are longer, so this errs
# on the safe side.
BYTES_PER_TOKEN = 3


@dataclass
class Route(Shown):
    """Hold the models that may answer a prompt, best first, with the reason for each place."""

    choices: list[str] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """Return the first choice. Raises UsageError when no model is left."""
        if not self.choices:
            reasons = "; ".join(f"{model}: {reason}" for model, reason in self.why.items())
            raise UsageError(f"No model can answer this: {reasons}.")
        return self.choices[0]

    def table(self) -> Table:
        """Return every model with its place and the reason."""
        places = {model: number for number, model in enumerate(self.choices, 1)}
        others = [model for model in self.why if model not in places]
        rows = [[places.get(model, "out"), model, self.why[model]] for model in (*places, *others)]
        return Table(("place", "model", "why"), rows)


def route(
    prompt: str,
    needs: Collection[str] = ("chat",),
    limits: Mapping | None = None,
    *,
    run: Run | str | os.PathLike | None = None,
    models: lineup.Lineup | None = None,
) -> Route:
    """Choose models for a prompt by the capability tags `needs` and by limits as for `decide`.

    `run` is a run or what `load_run` reads, by default the latest; `models` is the line-up. Raises
    UsageError for a tag that no model has, for a wrong limit, and without a run.
    """
    known = lineup.load_models() if models is None else models
    run = run if isinstance(run, Run) else load_run(run)
    needs = (needs,) if isinstance(needs, str) else tuple(needs)
    tags = sorted({tag for entry in known.values() for tag in entry.capabilities})
    if missing := [need for need in needs if need not in tags]:
        raise UsageError(
            f"No model of the line-up is tagged '{missing[0]}'; the tags are {', '.join(tags)}."
        )
    chosen = Route()
    scenario = load_scenario().model_copy(update={"limits": Limits()})  # those given, no others
    card = Scorecard(run, references={})  # routing chooses among models, whatever rules could do
    for option in decide(card, limits, scenario=scenario).options:
        reason = _unfit(prompt, needs, known.get(option.model)) or option.out
        if not reason:
            chosen.choices.append(option.model)
            reason = f"has {join_words(needs)}"
            if option.total is not None:
                reason += f"; total {option.total:.2f} of 1 in {run.folder.name}"
        chosen.why[option.model] = reason
    for model, entry in known.items():
        if model not in chosen.why and not _unfit(prompt, needs, entry):
            chosen.why[model] = "not in this run, so its speed and quality here are unknown"
    return chosen


def _unfit(prompt: str, needs: Collection[str], entry: lineup.ModelEntry | None) -> str:
    if entry is None:
        return "not in the line-up, so its capabilities are unknown"
    if lacking := [need for need in needs if need not in entry.capabilities]:
        return f"is not tagged {join_words(lacking)}"
    digits = sum(letter.isdigit() for letter in prompt)  # often a token each
    n_bytes = len(prompt.encode("utf-8", "surrogatepass"))
    tokens = (n_bytes + (BYTES_PER_TOKEN - 1) * digits) // BYTES_PER_TOKEN
    if entry.context and tokens > entry.context:
        return f"the prompt is about {tokens:,} tokens long and its context holds {entry.context:,}"
    return ""
