"""Keep what a learner guessed before a measurement, and answer it afterwards.

Guesses and measured figures are lines of `guesses.jsonl` in the results folder, which only grows.
The last guess before the first answer counts, so that nobody guesses what he has just seen.
"""

from ..common.show import format_cell, join_words
from .exercises import Words, add_row, read_rows

FILE = "guesses.jsonl"
NEAR = 0.1  # a guess this close is right where the figure has no interval


def guess(name: str, value: object = ...) -> Words:
    """Keep a guess at what will be measured; without one, the course goes on as well."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return Words("To guess, put a number in place of the dots. You may also go on without.")
    add_row(FILE, {"guess": name, "said": value})
    return Words(f"You say {value}.")


def reveal(
    name: str, value: float | None, low: float | None = None, high: float | None = None
) -> Words:
    """Answer a guess with the measured figure, and its interval where it has one."""
    if value is None:
        return Words("There is no figure here, so no guess is answered.")
    add_row(FILE, {"guess": name, "measured": float(value), "low": low, "high": high})
    said = _guesses().get(name, {}).get("said")
    interval = "" if low is None else f" ({format_cell(low)} to {format_cell(high)})"
    found = f"easured {format_cell(float(value))}{interval}."
    return Words(f"M{found}" if said is None else f"You said {said}; m{found}")


def review_guesses() -> Words:
    """Return how many guesses were too low, too high, or right."""
    places = count_guesses()
    if not (answered := sum(places.values())):
        return Words("You made no guess that a measurement answered.")
    counts = [f"{number} {word}" for word, number in places.items()]
    return Words(f"Guesses that were answered: {answered}; {join_words(counts)}.")


def count_guesses() -> dict[str, int]:
    """Count the answered guesses that were too low, too high, and right."""
    places = [_place(one) for one in _guesses().values() if {"said", "measured"} <= one.keys()]
    return {word: places.count(word) for word in ("too low", "too high", "right")}


def _place(one: dict) -> str:
    measured, spread = one["measured"], NEAR * abs(one["measured"])
    if one["said"] < (measured - spread if one["low"] is None else one["low"]):
        return "too low"
    high = measured + spread if one["high"] is None else one["high"]
    return "too high" if one["said"] > high else "right"


def _guesses() -> dict[str, dict]:
    """Return by name what was said last before the first answer, and that answer."""
    found: dict[str, dict] = {}
    for row in read_rows(FILE):
        one = found.setdefault(row.get("guess", ""), {})
        if "measured" not in one:
            one.update(row)
    return found
