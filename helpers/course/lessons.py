"""The exercises of the course: what each asks for, checked on recorded values, with what to say to the usual mistakes.

An answer is a value, or a function that is called with each case. The right code stands in notebooks/solutions/ alone; here are the
results that it must give. Nothing is checked against a live time, so a check says the same on every machine.
"""

import csv
import io
import math
import numbers
import re
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..quality.facets import bullets


class Todo(Exception):
    """The answer is still the placeholder, or a function that gives nothing yet."""


@dataclass(frozen=True)
class Exercise:
    """One exercise. `cases` are (arguments, result) pairs, or `verdict` looks at the answer; `slips` are wrong answers with what to say.

    `verdict` returns None for a right answer and else what is wrong with it; what it raises is told to the learner.
    """

    notebook: str
    title: str
    hint: str
    cases: tuple[tuple[tuple, object], ...] = ()
    slips: tuple[tuple[object, str], ...] = ()
    verdict: Callable[[object], str | None] | None = None

    def judge(self, answer) -> str | None:
        """None for a right answer, else what is wrong. Raises Todo, and whatever the learner's function raises."""
        if is_blank(answer):
            raise Todo
        if self.verdict is not None:
            return self.verdict(answer)
        wanted = [result for _, result in self.cases]
        found = [called(answer, given) for given, _ in self.cases]
        if all(map(is_blank, found)) and not all(result is None for result in wanted):
            raise Todo
        if all(map(same, found, wanted)):
            return None
        for slip, words in self.slips:
            if all(map(same, found, [called(slip, given) for given, _ in self.cases])):
                return words
        given, got = next(
            (given, got)
            for (given, result), got in zip(self.cases, found, strict=True)
            if not same(got, result)
        )
        return (
            f"for {', '.join(f'{value!r:.70}' for value in given)} it gives {got!r:.60}."
            if given
            else f"{got!r:.60} is not it."
        )


def is_blank(answer) -> bool:
    """Whether this is a placeholder: `...`, None or an empty text."""
    return answer is ... or answer is None or (isinstance(answer, str) and not answer.strip())


def called(answer, given: tuple):
    """The answer itself, or what it gives when it is a function."""
    return answer(*given) if callable(answer) else answer


def same(found, wanted) -> bool:
    """Equal, with numbers to one part in a thousand and texts without regard to case and surrounding spaces."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted or (isinstance(found, np.bool_) and bool(found) == wanted)
    if isinstance(wanted, numbers.Real):
        return isinstance(found, numbers.Real) and math.isclose(
            found, wanted, rel_tol=1e-3, abs_tol=1e-9
        )
    if isinstance(wanted, str):
        return isinstance(found, str) and found.strip().casefold() == wanted.casefold()
    return found == wanted


# (seconds since just before the request was written, text) of two recorded streams; the first chunk of each only says who speaks.
STREAM = (
    (0.0021, ""),
    (0.0413, "Local"),
    (0.0463, " models"),
    (0.0463, " work"),
    (0.0563, " offline."),
    (0.1571, ""),
)
SLOW_STREAM = ((0.0030, ""), (0.0031, ""), (1.2080, "It"), (1.2480, " depends"), (1.2880, "."))
TWENTY = tuple(range(101, 121))
ATTEMPTS = (
    {"phase": "warmup", "status": "failed"},
    {"phase": "warmup", "status": "ok"},
    {"phase": "measure", "status": "ok"},
    {"phase": "measure", "status": "failed"},
    {"phase": "measure", "status": "ok"},
    {"phase": "measure", "status": "skipped"},
)
CANDIDATES = (
    {"model": "tiny", "quality": 0.41, "latency_s": 0.3, "memory_mb": 90},
    {"model": "small", "quality": 0.74, "latency_s": 0.8, "memory_mb": 260},
    {"model": "middle", "quality": 0.78, "latency_s": 0.6, "memory_mb": 900},
    {"model": "large", "quality": 0.91, "latency_s": 2.9, "memory_mb": 3400},
    {"model": "unread", "quality": None, "latency_s": 0.4, "memory_mb": 200},
)
SCORES_A, SCORES_B = (5, 5, 5, 5, 4, 5, 5, 2, 5, 5), (5, 5, 5, 4, 5, 5, 5, 2, 5, 5)
NOTES = (
    "We met late. The team decided to repair the gate. Ines will do it by Friday. Lunch was good."
)
TIMES = (
    {"model": "tiny", "latency_s": 0.3, "sample": "Yes."},
    {"model": "odd, name", "latency_s": None, "sample": "One|two\nthree"},
)


def _clock_order(order) -> str | None:
    jobs = order(["a", "b", "c"], 4)
    if is_blank(jobs):
        raise Todo
    jobs = list(jobs)
    if sorted(jobs) != sorted(["a", "b", "c"] * 4):
        return f"every model must come once a round, 12 requests in all; it gives {jobs!r:.80}."
    rounds = [jobs[start : start + 3] for start in range(0, 12, 3)]
    if any(len(set(one)) < 3 for one in rounds):
        return "one model is done before the next begins. If the machine gets busy half-way, only the later models look slow: go round by round."
    if all(one == rounds[0] for one in rounds):
        return "every round has the same order, so each model always follows the same other one. Shuffle each round."
    again = list(order(["a", "b", "c"], 4))
    return (
        None
        if again == jobs
        else "a second call gives another order. Use a seed, so that the run can be repeated: random.Random(0)."
    )


def _streamed(stream) -> str | None:
    pieces = stream(NOTES)
    if is_blank(pieces):
        raise Todo
    if isinstance(pieces, str):
        return "it gives one text. Write `yield` in a loop, so that the caller sees each piece when it is ready."
    pieces = list(pieces)
    if not pieces or all(map(is_blank, pieces)):
        raise Todo
    if "".join(pieces) != NOTES:
        lost = (
            " The spaces between the words are gone."
            if "".join(pieces) == NOTES.replace(" ", "")
            else ""
        )
        return f"the pieces put together are not the answer.{lost}"
    return (
        None
        if len(pieces) >= 5
        else f"it comes in {len(pieces)} piece(s): give word by word, else TTFT and latency are the same figure."
    )


def _csv(to_csv) -> str | None:
    text = to_csv([dict(row) for row in TIMES])
    if is_blank(text):
        raise Todo
    rows = list(csv.reader(io.StringIO(str(text))))
    if not rows or rows[0][:2] != ["model", "latency_s"]:
        return "the first line must name the columns, model and latency_s first."
    if any(row and row[0] == "odd" for row in rows):
        return "a model called 'odd, name' falls apart at its comma. The csv module puts quotes where they are needed: csv.DictWriter."
    read = list(csv.DictReader(io.StringIO(str(text))))
    if [row.get("model") for row in read] != ["tiny", "odd, name"]:
        return f"read back, the models are {[row.get('model') for row in read]!r:.60}."
    return (
        None
        if read[1]["latency_s"] == ""
        else f"a latency that was not measured must stay empty; it is {read[1]['latency_s']!r}."
    )


def _markdown(to_markdown) -> str | None:
    text = to_markdown([dict(row) for row in TIMES])
    if is_blank(text):
        raise Todo
    lines = [line for line in str(text).splitlines() if line.strip()]
    if len(lines) < 4 or not re.fullmatch(r"[|\s:-]+", lines[1]):
        return "a Markdown table has a line of names, a line of dashes such as | --- | --- |, and a line for each model."
    if len(lines) > 4:
        return "the line break inside a sample answer ends its row. Write the answer on one line: ' '.join(text.split())."
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    if len(set(widths)) > 1:
        return "the | inside a sample answer opens a new cell. Write it as \\|."
    return (
        None
        if "None" not in text
        else "a value that was not measured reads better as - than as None."
    )


def _quality(score) -> str | None:
    expected = ["repair the gate", "Ines", "Friday"]
    shares = [
        score(text, expected)
        for text in ("Repair the gate by FRIDAY; Ines does it.", "Ines repairs it.", "")
    ]
    if all(map(is_blank, shares)):
        raise Todo
    if same(shares[0], 2 / 3) or same(shares[0], 1 / 3):
        return "'FRIDAY' and 'Repair' are there, only in other letters. Compare both in small letters: text.lower()."
    if same(shares[0], 3):
        return "it counts the phrases. Give the share of them, 0 to 1, so that prompts of different length compare."
    return (
        None
        if all(map(same, shares, (1, 1 / 3, 0)))
        else f"for three answers that hold all, one and none of 3 phrases it gives {shares!r:.60}."
    )


def _models(read_models) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "models.json"
        path.write_text(
            '{"one": {"capabilities": ["summarise"], "size_mb": 3}, "two": {"capabilities": ["chat"], "size_mb": null}}',
            encoding="utf-8",
        )
        found = read_models(path, "summarise")
    if is_blank(found):
        raise Todo
    if list(found) == ["one", "two"]:
        return "it gives every model. Keep those whose capabilities contain the one that was asked for."
    return (
        None
        if list(found) == ["one"]
        else f"of the models 'one' (summarise) and 'two' (chat) it gives {list(found)!r:.60} for 'summarise'."
    )


def _generated(generate) -> str | None:
    text = generate("Summarize the meeting notes in 2 bullets: " + NOTES)
    if is_blank(text):
        raise Todo
    if "Summarize" in text:
        return "the request itself is in the answer. The notes begin after the first ': '."
    if bullets(text) != 2:
        return f"asked were 2 bullets, it gives {bullets(text)}. Begin each line with '- '."
    return (
        None
        if "repair the gate" in text and "Ines" in text
        else "the two that matter are the decision (decided) and who does it (will)."
    )


EXERCISES: Mapping[str, Exercise] = {
    "alias": Exercise(
        "00_check",
        "The alias in an id",
        "An id is the alias, then the device that the files were built for, then a colon and the version.",
        (((), "pocket-mini-int4"),),
        (
            (
                "pocket-mini-int4-generic-cpu",
                "the device is still in it: -generic-cpu says what the files were built for.",
            ),
            (
                "pocket-mini",
                "int4 is no device: it belongs to the alias, because it is another model file.",
            ),
        ),
    ),
    "renamed": Exercise(
        "00_check",
        "Today's name of an old model",
        "Look at the column `note` of the line-up, or ask load_models().current(...).",
        (((), "gemma-4-e2b-it"),),
        (("gemma-2-2b", "that is the old name, which no catalog offers any more."),),
    ),
    "fits": Exercise(
        "01_download",
        "Which models may ship",
        "Three things must hold: a licence of the two, a known size, and at most 3000 MB.",
        (
            (("MIT", 2600.0), True),
            (("apache-2.0", 822.0), True),
            (("MIT", 6600.0), False),
            (("gemma", 2000.0), False),
            ((None, 500.0), False),
            (("MIT", None), False),
        ),
        (
            (
                lambda licence, size_mb: (
                    licence in ("MIT", "apache-2.0") and (size_mb or 0) <= 3000
                ),
                "a model of unknown size passes. Unknown is not small: such a model must be looked up first.",
            ),
            (
                lambda licence, size_mb: (
                    licence == "MIT" and size_mb is not None and size_mb <= 3000
                ),
                "apache-2.0 is refused, and it allows commercial use as well.",
            ),
        ),
    ),
    "room": Exercise(
        "01_download",
        "Gigabytes that must be free",
        "Add the three sizes, turn MB into GB (1 GB = 1000 MB), and add what must stay free.",
        (((), 22.622),),
        (
            (7.622, "that is the models alone. After the download 15 GB must still be free."),
            (15 + 7622 / 1024, "a GB of a disk is 1000 MB; 1024 makes a GiB."),
            (7622 + 15, "that adds megabytes and gigabytes."),
        ),
    ),
    "ttft": Exercise(
        "02_smoke_test",
        "TTFT of a recorded stream",
        "Go through the chunks and stop at the first whose text is not empty.",
        (((STREAM,), 0.0413), ((SLOW_STREAM,), 1.208)),
        (
            (
                lambda chunks: chunks[0][0],
                "that is the first chunk, and it is empty: it only says who speaks. A person sees nothing yet.",
            ),
            (lambda chunks: chunks[1][0], "the second chunk is not always the first with text."),
            (lambda chunks: chunks[-1][0], "that is the end of the stream."),
        ),
    ),
    "rate": Exercise(
        "02_smoke_test",
        "Output tokens/s of a recorded stream",
        "The speed between the first text and the last one: n tokens have n - 1 gaps.",
        (((STREAM, 4), 200.0), ((SLOW_STREAM, 3), 25.0)),
        (
            (
                lambda c, n: n / c[-1][0],
                "that divides by the whole time, and waiting for the first token is in it (and a late empty chunk).",
            ),
            (
                lambda c, n: n / [t for t, x in c if x][-1],
                "that divides by the latency: it is request tokens/s, with the wait for the first token in it.",
            ),
            (
                lambda c, n: n / ([t for t, x in c if x][-1] - next(t for t, x in c if x)),
                "between n tokens there are n - 1 gaps.",
            ),
            (
                lambda c, n: (n - 1) / (c[-1][0] - c[0][0]),
                "empty chunks carry no token: measure from the first text to the last.",
            ),
        ),
    ),
    "generation": Exercise(
        "03_benchmark",
        "Generation speed without the prompt",
        "Only tokens that the model wrote count, and only the time in which it wrote them: after the first token, up to the last.",
        (((900, 101, 2.0, 4.0), 50.0), ((20, 11, 0.5, 0.7), 50.0)),
        (
            (
                lambda p, c, ttft, latency: (p + c) / latency,
                "the prompt's tokens are in it: the longer the notes, the 'faster' the model.",
            ),
            (
                lambda p, c, ttft, latency: c / latency,
                "reading the prompt is in the time: that is request tokens/s. Begin at the first token.",
            ),
            (
                lambda p, c, ttft, latency: c / (latency - ttft),
                "between n tokens there are n - 1 gaps.",
            ),
        ),
    ),
    "p95": Exercise(
        "03_benchmark",
        "A p95 that was seen",
        "Below 20 values give None. From 20 on numpy.percentile(values, 95) stays between values that were measured.",
        ((((151.2, 149.9, 191.8),), None), ((TWENTY,), 119.05), (((0.5,) * 25,), 0.5)),
        (
            (
                lambda values: statistics.quantiles(values, n=20)[-1],
                "of three latencies, the slowest 191.8 s, it makes a p95 of 224.3 s: statistics.quantiles guesses beyond what was seen.",
            ),
            (
                lambda values: float(np.percentile(values, 95)),
                "three values hold no 95th percentile. Below 20 the honest answer is None.",
            ),
            (max, "that is the slowest one, the p100: a single hiccup decides it."),
        ),
    ),
    "failures": Exercise(
        "03_benchmark",
        "The share of requests that failed",
        "Count the measured requests that are not ok, and divide by all measured requests. Warm-up does not count.",
        (((ATTEMPTS,), 0.5), ((ATTEMPTS[:3],), 0.0)),
        (
            (
                lambda rows: sum(r["status"] != "ok" for r in rows) / len(rows),
                "warm-up requests are counted. They are on record, but in no figure.",
            ),
            (
                lambda rows: (
                    sum(r["status"] == "failed" for r in rows if r["phase"] == "measure")
                    / sum(r["phase"] == "measure" for r in rows)
                ),
                "a skipped request is one that the plan asked for and nobody answered: it belongs to the failures.",
            ),
            (
                lambda rows: 0.0,
                "it is always 0: a failure that leaves the table makes the model look better than it is.",
            ),
        ),
    ),
    "order": Exercise(
        "03_benchmark",
        "A fair order",
        "Two loops: rounds outside, models inside; and shuffle the models of each round.",
        verdict=_clock_order,
    ),
    "verdict": Exercise(
        "04_compare",
        "What an interval lets you say",
        "When the interval contains 1, nobody can tell. Else look at which side of 1 it lies: the ratio is a latency.",
        (
            ((0.5, 0.4, 0.6), "faster"),
            ((0.8, 0.5, 1.3), "cannot tell"),
            ((1.9, 1.7, 2.1), "slower"),
            ((1.2, 0.98, 1.5), "cannot tell"),
        ),
        (
            (
                lambda ratio, low, high: "faster" if ratio < 1 else "slower",
                "it looks at the ratio alone. 0.8 with an interval from 0.5 to 1.3 may be 1.",
            ),
            (
                lambda ratio, low, high: (
                    "faster" if low > 1 else "slower" if high < 1 else "cannot tell"
                ),
                "a ratio of latencies below 1 means less time: faster.",
            ),
        ),
    ),
    "default": Exercise(
        "04_compare",
        "The default under two limits",
        "First keep the rows that meet both limits (a quality that nobody judged meets none), then take the smallest latency.",
        (
            ((CANDIDATES, 0.7, 500), "small"),
            ((CANDIDATES, 0.7, 1000), "middle"),
            ((CANDIDATES, 0.9, 4000), "large"),
        ),
        (
            (
                lambda rows, q, m: min(rows, key=lambda r: r["latency_s"])["model"],
                "the fastest of all; it breaks the limit on quality.",
            ),
            (
                lambda rows, q, m: max(
                    (r for r in rows if r["quality"] and r["memory_mb"] <= m),
                    key=lambda r: r["quality"],
                )["model"],
                "that is the best that fits. A limit on quality says what is enough: of those, take the fastest.",
            ),
            (
                lambda rows, q, m: min(
                    (r for r in rows if (r["quality"] or 1) >= q and r["memory_mb"] <= m),
                    key=lambda r: r["latency_s"],
                )["model"],
                "a model that nobody judged passes the limit on quality. Not known is not good enough.",
            ),
        ),
    ),
    "cost": Exercise(
        "04_compare",
        "The price of a thousand answers",
        "A kilowatt hour has 3,600,000 joules.",
        (((30.0, 0.30), 0.0025), ((7200.0, 0.25), 0.5)),
        (
            (
                lambda joules, price: joules * price / 3.6e6,
                "that is one answer; asked were a thousand.",
            ),
            (
                lambda joules, price: joules * 1000 / 3600 * price,
                "3,600 joules are a watt hour. The price is for a kilowatt hour.",
            ),
            (
                lambda joules, price: joules * 1000 * price,
                "a price per kilowatt hour times joules is no money: turn joules into kilowatt hours.",
            ),
        ),
    ),
    "facets": Exercise(
        "05_quality",
        "Counting facets by hand",
        "Go facet by facet: is one of its phrases in the answer, letter for letter where it is a name or a date?",
        (((), 0.75),),
        (
            (1.0, "look at the date again: the notes were corrected."),
            (3, "that is how many are there; the share is 0 to 1."),
            (0.5, "the open question is there, in the answer's last words."),
        ),
    ),
    "agreement": Exercise(
        "05_quality",
        "Agreement beyond chance",
        "Cohen's kappa is (observed - expected) / (1 - expected). Expected: for each score, the two shares multiplied, summed up.",
        (
            ((SCORES_A, SCORES_B), 0.4118),
            (((1, 5), (1, 5)), 1.0),
            (((1, 1, 5, 5), (1, 5, 1, 5)), 0.0),
        ),
        (
            (
                lambda a, b: sum(x == y for x, y in zip(a, b, strict=True)) / len(a),
                "that is how often they agree. Two people who nearly always give a 5 agree often by chance: take that off.",
            ),
        ),
    ),
    "generate": Exercise(
        "06_custom_model",
        "A model of your own",
        "Split the notes into sentences, keep those with 'decided' and ' will ', and put '- ' before each.",
        verdict=_generated,
    ),
    "stream": Exercise(
        "06_custom_model",
        "Giving an answer piece by piece",
        "re.findall(r'\\S+\\s*', text) splits into words that keep their spaces.",
        verdict=_streamed,
    ),
    "csv": Exercise(
        "07_starter_project",
        "Results as CSV",
        "csv.DictWriter with io.StringIO; None becomes an empty cell by itself.",
        verdict=_csv,
    ),
    "markdown": Exercise(
        "07_starter_project",
        "Results as Markdown",
        "A function that cleans one cell, and ' | '.join(...) for one line.",
        verdict=_markdown,
    ),
    "score": Exercise(
        "07_starter_project",
        "A quality score",
        "sum(phrase in text ...) / len(phrases), in small letters.",
        verdict=_quality,
    ),
    "line-up": Exercise(
        "07_starter_project",
        "Models from a file",
        "json.loads(path.read_text(encoding='utf-8')), then choose by capability.",
        verdict=_models,
    ),
}
