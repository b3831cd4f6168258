"""Check the five tasks of the exit ticket, one for each goal of the session.

    python docs/instructor/exit_ticket.py [FILE]

FILE has a line `goal: answer` for each of discover, run, benchmark, compare, extend. Without a file
the answers are asked for. Exits with 0 when all five are right, else with 1.
"""

import math
import re
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import compare_models, load_models, load_run
from helpers.common.errors import KitError
from helpers.common.files import read_text
from helpers.common.show import join_words
from helpers.measure.record import SAMPLE, Run

LICENSE, MAX_MB = "MIT", 20
ANSWERS_FOR_P95 = 20
WORDS = ("faster", "slower", "not tell")
ROUNDING_MS = 0.2  # of three figures that are shown with one digit
SHARE_OFF = 0.1  # of a factor that was read off
NOTES = {
    "Summarize the meeting notes: We moved the fair to May. Ines prints the posters. It rained.": (
        "We moved the fair to May."
    ),
    "Give me a short summary: The lift stays shut until Monday. Omar calls the firm.": (
        "The lift stays shut until Monday."
    ),
    "Two bullets, please: Nobody ordered the chairs. Ask again: who pays? Jun does it.": (
        "Nobody ordered the chairs."
    ),
}


class Wrong(Exception):
    """Say in a sentence what is wrong with an answer."""


def discover(answer: str) -> str:
    """Compare with the built-in models of the line-up that meet both limits."""
    models = load_models()
    may_ship = {
        alias
        for alias, model in models.items()
        if model.source == "built-in"
        and model.license == LICENSE
        and (model.size_mb or math.inf) <= MAX_MB
    }
    given = set(re.split(r"[\s,;]+", answer.strip()))
    for alias in sorted(given - may_ship):
        if alias not in models:
            raise Wrong(f"{alias} is not an alias of the line-up.")
        model = models[alias]
        size = f"{model.size_mb:,.3g} MB" if model.size_mb else "an unknown size"
        raise Wrong(f"{alias} may not ship: {model.source}, license {model.license}, {size}.")
    if missing := may_ship - given:
        raise Wrong(f"there are {len(missing)} more that keep both limits.")
    return f"{join_words(sorted(may_ship))} may ship."


def run(answer: str) -> str:
    """Check that the three times fit together."""
    numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", answer)]
    if len(numbers) != 3:
        raise Wrong("three numbers in milliseconds are asked for: TTFT, latency, and the rest.")
    ttft, latency, rest = numbers
    if not 0 < ttft <= latency:
        raise Wrong("the first text cannot come after the last. Are TTFT and latency swapped?")
    if abs(rest - latency) <= ROUNDING_MS < ttft:
        raise Wrong("the third number is the whole latency. Take the time to the first text off.")
    if abs(rest - (latency - ttft)) > ROUNDING_MS:
        raise Wrong(f"from {ttft:g} to {latency:g} ms it is not {rest:g} ms.")
    return f"{100 * rest / latency:.0f} % of the latency came after the first text."


def benchmark(answer: str) -> str:
    """Look into the run for a p95 of at least two models."""
    record = recorded(answer)
    answered = {row["model"]: row["n_ok"] for row in record.summary if row["n_ok"]}
    if len(answered) < 2:
        raise Wrong(f"{len(answered)} model answered in this run; two are needed to compare.")
    few = {model: n for model, n in answered.items() if n < ANSWERS_FOR_P95}
    if few:
        model, n = next(iter(few.items()))
        raise Wrong(f"{model} has {n} answers, so its p95 is a dash. How many does a p95 need?")
    return f"{join_words(sorted(answered))} have {min(answered.values())} answers or more."


def recorded(answer: str) -> Run:
    """Return the run that was named. Raises Wrong for the sample and one that did not finish."""
    try:
        record = load_run(answer.strip())
    except KitError as error:
        raise Wrong(str(error)) from None
    if record.folder.name == SAMPLE:
        raise Wrong("that is the sample run, of another machine. Measure your own.")
    if record.status != "finished":
        raise Wrong("this run did not finish. Go on with: python -m helpers benchmark --resume")
    return record


def compare(answer: str, run_answer: str) -> str:
    """Compare with the verdict of the run of the task before."""
    if not run_answer.strip():
        raise Wrong("without the run of the third task this cannot be checked.")
    verdicts = [v for v in compare_models(recorded(run_answer)) if v.metric == "latency_s"]
    verdict = next(iter(verdicts), None)
    ratio = verdict.ratio if verdict else None
    if verdict is None or ratio is None:
        raise Wrong("that run has no two models to compare.")
    right = WORDS[2] if not verdict.apart else WORDS[0] if ratio < 1 else WORDS[1]
    text = answer.lower().replace("cannot tell", WORDS[2])
    given = [word for word in WORDS if word in text]
    if len(given) != 1:
        raise Wrong("say faster, slower or not tell, and only one of them.")
    if right == WORDS[2] != given[0]:
        raise Wrong("the interval contains 1, or there is none: nobody can tell from this run.")
    if given[0] == WORDS[2] != right:
        raise Wrong("the interval leaves out 1, so you can tell.")
    if given[0] != right:
        raise Wrong(f"it is the other way round. The ratio is {verdict.model} / the first model.")
    if right != WORDS[2]:
        check_factor(text, ratio)
    return str(verdict)


def check_factor(text: str, ratio: float) -> None:
    """Raise Wrong unless the text has the factor, or one divided by it."""
    factors = [float(number) for number in re.findall(r"\b\d+(?:\.\d+)?\b", text)]
    if not factors:
        raise Wrong("the word is right; how many times as long does it take?")
    if not any(abs(f / right - 1) <= SHARE_OFF for f in factors for right in (ratio, 1 / ratio)):
        raise Wrong("the word is right, but not the factor: look at the ratio of the latencies.")


def extend(answer: str) -> str:
    """Run the learner's `generate` on three notes."""
    path = Path(answer.strip().strip("\"'"))
    if not path.is_file():
        raise Wrong(f"there is no file {path} in this folder.")
    try:
        generate = runpy.run_path(str(path)).get("generate")
        if generate is None:
            raise Wrong("the file has no function called generate.")
        for prompt, right in NOTES.items():
            check_sentence(generate(prompt, max_tokens=150, temperature=0), right, prompt)
    except Wrong:
        raise
    except (Exception, SystemExit) as error:  # whatever a learner's code may do
        raise Wrong(f"the file stopped with {type(error).__name__}: {error}.") from None
    return "It returns the first sentence. Measure it with: benchmark --custom"


def check_sentence(given: object, right: str, prompt: str) -> None:
    """Raise Wrong unless `given` is the first sentence of the notes, with or without its dot."""
    if given is None:
        raise Wrong("generate returns nothing. print is not return.")
    if not isinstance(given, str):
        raise Wrong(f"generate returns {type(given).__name__}; a text is asked for.")
    text = given.strip().removesuffix(".")
    if text == right.removesuffix("."):
        return
    if text.startswith(prompt.split(": ", 1)[0]):
        raise Wrong("the request is still in front of the sentence.")
    if text.startswith(right.removesuffix(".")):
        raise Wrong("more than the first sentence came back.")
    raise Wrong(f"for {prompt!r} came {given!r:.70}.")


GOALS: dict[str, Callable[..., str]] = {
    "discover": discover,
    "run": run,
    "benchmark": benchmark,
    "compare": compare,
    "extend": extend,
}


@dataclass(frozen=True)
class Mark:
    """Hold what the checker says about one answer."""

    goal: str
    right: bool
    words: str

    def __str__(self) -> str:
        return f"{self.goal}: {'right' if self.right else 'not yet'}: {self.words}"


def mark(answers: Mapping[str, str]) -> list[Mark]:
    """Return a mark for each goal; an answer that is missing is not yet right."""
    marks = []
    for goal, checker in GOALS.items():
        answer = answers.get(goal, "").strip()
        context = [answers.get("benchmark", "")] if goal == "compare" else []
        try:
            if not answer:
                raise Wrong("there is no answer yet.")
            marks.append(Mark(goal, True, checker(answer, *context)))
        except Wrong as wrong:
            marks.append(Mark(goal, False, str(wrong)))
    return marks


def read_answers(text: str) -> dict[str, str]:
    """Return the answers of a file by goal; other lines are left alone."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {
        goal.strip().lower(): answer for goal, _, answer in pairs if goal.strip().lower() in GOALS
    }


def main(arguments: Sequence[str]) -> int:
    """Check the answers, and end with the line that is handed in."""
    if len(arguments) > 1:
        print("error: one file at most is expected.", file=sys.stderr)
        return 2
    try:
        if arguments:
            answers = read_answers(read_text(Path(arguments[0])))
        else:
            answers = {goal: input(f"{goal}: ") for goal in GOALS}
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (EOFError, KeyboardInterrupt):
        return 130
    marks = mark(answers)
    print(*marks, sep="\n")
    missing = [each.goal for each in marks if not each.right]
    left = f"; not yet: {', '.join(missing)}" if missing else ""
    print(f"Exit ticket: {len(marks) - len(missing)} of {len(marks)}{left}.")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
