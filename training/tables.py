"""Make the tables of data/models/README.md and of the model cards from the recorded figures."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .settings import MODELS

Figures = Mapping[str, Any]  # an entry of evaluation.json, training.json, ...

TASKS = {
    "summary": "summarise",
    "format": "summarise in a given form",
    "actions": "list action items",
    "question": "answer a question",
    "unanswerable": 'say "The notes do not say."',
    "session": "the session's own prompts",
    "greeting": "greetings",
    "unknown": "decline what it does not know",
}

# What the models are meant to reach: facet recall of summaries in the generated test, from the
# smallest to the largest.
GOALS = {"pocket-nano": 0.60, "pocket-mini": 0.85, "pocket-midi": 0.95}
TUNED = "smollm2-135m-notes"
NOTES = {  # of handwritten.json
    "facet_recall": "facet recall of summaries",
    "wrong_owner_or_date": "wrong owner or date",
    "invented": "invented names or numbers",
    "refused": "unanswerable refused",
    "refused_wrongly": "others refused",
    "format_kept": "form kept",
    "degenerate": "degenerate",
}
NOTES_GOALS = {
    "facet_recall": ("at least", 0.80),
    "wrong_owner_or_date": ("at most", 0.05),
    "invented": ("at most", 0.03),
    "refused": ("at least", 0.85),
    "format_kept": ("at least", 0.90),
    "degenerate": ("at most", 0.01),
}
GOAL_BY_HAND, GOAL_FORM, GOAL_DEGENERATE, GOAL_LOAD_S = 0.75, 0.9, 0.02, 1.0


def markdown(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(headers)} |".replace("|  |", "| |"), "|" + "---|" * len(headers)]
    return "\n".join([*lines, *[f"| {' | '.join(cells)} |" for cells in rows]])


def figure(row: Figures, key: str) -> str:
    """Return a mean with its interval: "0.62 (0.60 to 0.64)"; "" where it was not measured."""
    if key not in row:
        return ""
    low, high = row[f"{key}_95"]
    return f"{row[key]:.2f} ({low:.2f} to {high:.2f})"


def tasks(result: Figures) -> str:
    """Return the figures of each task of one test set."""
    keys = ("facet_recall", "exact", "format_kept", "forbidden_named")
    headers = ["task", "prompts", "facet recall", "exact", "form kept", "withdrawn facts named"]
    known = [(title, result["tasks"].get(task)) for task, title in TASKS.items()]
    rows = [
        [title, str(row["n"]), *(figure(row, key) for key in keys)] for title, row in known if row
    ]
    return markdown(headers, rows)


def results(evaluation: Figures, entries: Figures) -> str:
    """Return the main table: one row for each package of the manifest that was evaluated."""
    headers = [
        *["model", "parameters", "precision", "files, MB"],
        *["facet recall, generated", "facet recall, hand-written", "form kept", "degenerate"],
        *["same as torch", "output tokens/s", "load, s"],
    ]
    rows = [
        _result(alias, entry, evaluation[alias])
        for alias, entry in entries.items()
        if alias in evaluation
    ]
    return markdown(headers, rows)


def _result(alias: str, entry: Figures, result: Figures) -> list[str]:
    generated, by_hand = result["generated"]["tasks"], result["handwritten"]["tasks"]
    served = [file["bytes"] for name, file in entry["files"].items() if name != "MODEL_CARD.md"]
    torch, rate = result["torch"], result.get("output_tokens_per_s")
    return [
        alias,
        f"{entry['parameters']:,}",
        entry["precision"],
        f"{sum(served) / 1e6:.1f}",
        figure(generated.get("summary", {}), "facet_recall"),
        figure(by_hand.get("summary", {}), "facet_recall"),
        figure(generated.get("format", {}), "format_kept"),
        f"{result['generated']['degenerate']:.1%}",
        f"{torch['same']} of {torch['compared']}" if torch else "not compared",
        f"{rate:,}" if rate else "",
        f"{result.get('load_s', '')}",
    ]


def notes(figures: Figures) -> str:
    """Return what every model makes of the hand-written notes."""
    headers = ["model", *NOTES.values()]
    rows = [[alias, *(figure(row, key) for key in NOTES)] for alias, row in figures.items()]
    return markdown(headers, rows)


def notes_goals(figures: Figures) -> str:
    """Return each goal of the tuned model beside what was measured; "" until it was asked."""
    if TUNED not in figures:
        return ""
    tuned, others = figures[TUNED], [row for alias, row in figures.items() if alias in GOALS]
    others += [figures["rules"]] if "rules" in figures else []
    rows = []
    for key, (sign, goal) in NOTES_GOALS.items():
        reached = tuned[key] >= goal if sign == "at least" else tuned[key] <= goal
        rows.append((f"{NOTES[key]}, {sign} {goal:.2f}", figure(tuned, key), reached))
    low = tuned["facet_recall_95"][0]
    best = max((row["facet_recall_95"][1] for row in others), default=0.0)
    apart = "facet recall above that of rules and pocket models, intervals apart"
    rows.append((apart, f"from {low:.2f}; theirs to {best:.2f}", low > best))
    return markdown(
        [f"goal of {TUNED}", "measured", ""],
        [[goal, text, "reached" if reached else "**not reached**"] for goal, text, reached in rows],
    )


def precisions(study: Iterable[Figures]) -> str:
    """Return the table of every size in every precision."""
    headers = [
        *["model", "precision", "files, MB", "facet recall", "degenerate"],
        *["output tokens/s", "shipped"],
    ]
    rows = []
    for row in study:
        rate = row["output_tokens_per_s"]
        shipped = row["precision"] in MODELS[row["model"]].precisions
        rows.append(
            [
                row["model"],
                row["precision"],
                f"{row['size_mb']:.1f}",
                figure(row, "facet_recall"),
                f"{row['degenerate']:.1%}",
                f"{rate:,}" if rate else "",
                "yes" if shipped else "",
            ]
        )
    return markdown(headers, rows)


def gaps(study: Iterable[Figures]) -> str:
    """Return the table of what the largest model finds where more is known to it."""
    rows = [[", ".join(row["known"]) or "nothing", figure(row, "facet_recall")] for row in study]
    return markdown(["known from training", "facet recall"], rows)


def training(log: Figures) -> str:
    """Return the table of how each size was trained."""
    headers = [
        *["model", "began with", "steps", "tokens read, million", "minutes"],
        *["of processor time", "validation loss", "exact answers"],
    ]
    rows = []
    for alias, trained in log.items():
        last = trained["curve"][-1]
        rows.append(
            [
                alias,
                MODELS[alias].grows_from or "random weights",
                f"{trained['steps']:,}",
                f"{last['tokens_read'] / 1e6:.1f}",
                f"{trained['seconds'] / 60:.0f}",
                f"{trained['cpu_seconds'] / 60:.0f}",
                f"{last['validation_loss']:.3f}",
                f"{last['validation_exact']:.0%}",
            ]
        )
    return markdown(headers, rows)


def contents(shares: Mapping[str, float]) -> str:
    """Return the table of what the test notes contain, and how often."""
    rows = [[name, f"{100 * share:.0f}"] for name, share in shares.items()]
    return markdown(["the notes contain", "of 100"], rows)


Goal = tuple[str, str, bool]  # what is meant to be, what was measured, is it reached


def goals(evaluation: Figures) -> str:
    """Return each goal beside what was measured; "" until all of it was measured."""
    sizes = [alias for alias in MODELS if alias in evaluation]
    if sizes != list(GOALS) or any("load_s" not in evaluation[alias] for alias in evaluation):
        return ""
    if not all(evaluation[alias].get("gain") for alias in sizes[1:]):
        return ""
    rows = [
        *_goals_of_recall(evaluation, sizes),
        *_goals_of_the_largest(evaluation, sizes),
        *_goals_of_speed(evaluation, sizes),
    ]
    return markdown(
        ["goal", "measured", ""],
        [[goal, text, "reached" if reached else "**not reached**"] for goal, text, reached in rows],
    )


def _goals_of_recall(evaluation: Figures, sizes: Sequence[str]) -> list[Goal]:
    recall = {alias: evaluation[alias]["generated"]["tasks"]["summary"] for alias in sizes}
    steps = list(itertools.pairwise(sizes))
    gains = [evaluation[large]["gain"] for _, large in steps]
    rows = [
        (
            f"{alias}: facet recall of summaries, generated, at least {goal:.2f}",
            figure(recall[alias], "facet_recall"),
            recall[alias]["facet_recall"] >= goal,
        )
        for alias, goal in GOALS.items()
    ]
    apart = all(
        recall[small]["facet_recall_95"][1] < recall[large]["facet_recall_95"][0]
        for small, large in steps
    )
    rows += [
        ("each size above the one before, intervals apart", "", apart),
        (
            "each size above the one before on the same prompts, "
            "interval of the difference above 0",
            ", ".join("+" + figure(gain, "difference") for gain in gains),
            all(gain["difference_95"][0] > 0 for gain in gains),
        ),
    ]
    return rows


def _goals_of_the_largest(evaluation: Figures, sizes: Sequence[str]) -> list[Goal]:
    largest = evaluation[sizes[-1]]
    form, degenerate = largest["generated"]["tasks"]["format"], largest["generated"]["degenerate"]
    by_hand = [evaluation[alias]["handwritten"]["tasks"]["summary"] for alias in sizes]
    recalls = [row["facet_recall"] for row in by_hand]
    return [
        (
            f"{sizes[-1]}: form kept, at least {GOAL_FORM:.2f}",
            figure(form, "format_kept"),
            form["format_kept"] >= GOAL_FORM,
        ),
        (
            f"{sizes[-1]}: facet recall, hand-written, at least {GOAL_BY_HAND:.2f}",
            figure(by_hand[-1], "facet_recall"),
            recalls[-1] >= GOAL_BY_HAND,
        ),
        (
            "hand-written: the same order",
            ", ".join(f"{recall:.3f}" for recall in recalls),
            recalls == sorted(set(recalls)),
        ),
        (
            f"{sizes[-1]}: degenerate answers, generated, at most {GOAL_DEGENERATE:.0%}",
            f"{degenerate:.1%}",
            degenerate <= GOAL_DEGENERATE,
        ),
    ]


def _goals_of_speed(evaluation: Figures, sizes: Sequence[str]) -> list[Goal]:
    rates = [evaluation[alias]["output_tokens_per_s"] or 0 for alias in sizes]
    slowest = max(result["load_s"] for result in evaluation.values())
    return [
        (
            "output tokens/s falls with size",
            ", ".join(f"{rate:,}" for rate in rates),
            rates == sorted(set(rates), reverse=True),
        ),
        (f"every load under {GOAL_LOAD_S:.0f} s", f"at most {slowest} s", slowest < GOAL_LOAD_S),
    ]
