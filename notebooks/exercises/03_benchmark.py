"""Exercises of notebook 03: what a quick benchmark gets wrong."""

import statistics

import numpy as np

from helpers.common.show import Table
from helpers.course.exercises import Exercise

TWENTY = tuple(range(101, 121))
THREE = ("nano", "mini", "midi")
ATTEMPTS = (
    {"phase": "warmup", "status": "failed"},
    {"phase": "warmup", "status": "ok"},
    {"phase": "measure", "status": "ok"},
    {"phase": "measure", "status": "failed"},
    {"phase": "measure", "status": "ok"},
    {"phase": "measure", "status": "skipped"},
)


def p95_of_run(p95, run):
    """Return the learner's p95 of each model of a run, beside the kit's."""
    rows = []
    for row in run.summary:
        values = run.sample(row["model"], "latency_s")["latency_s"].tolist()
        both = p95(values), row["latency_p95_s"]
        rows.append([row["model"], len(values), *(s and 1000 * s for s in both)])
    note = "A dash: fewer than 20 answers, so there is no honest p95."
    return Table(("model", "answers", "your p95, ms", "the kit's, ms"), rows, note)


p95 = Exercise(
    name="p95",
    use=p95_of_run,
    title="A p95 that was seen",
    hints=(
        "Three values have no 95th percentile. How many do you need until one lies above it?",
        "Ask `len(values)` first, and return None when there are fewer than 20.",
        "From 20 on, np.percentile takes the values and the number 95, and stays between values that were measured.",
    ),
    why="A p95 that nobody waited for is a promise that nobody can check.",
    cases=[
        (((151.2, 149.9, 191.8),), None),
        ((TWENTY,), 119.05),
        (((0.5,) * 25,), 0.5),
    ],
    slips=[
        (
            lambda values: statistics.quantiles(values, n=20)[-1],
            "from three latencies, the slowest of them 191.8 s, it makes a p95 of 224.3 s: "
            "statistics.quantiles guesses beyond what was measured.",
        ),
        (
            lambda values: float(np.percentile(values, 95)),
            "three values have no 95th percentile. With fewer than 20, the honest answer is None.",
        ),
        (
            lambda values: (
                float(np.percentile(values, 95)) if len(values) > 20 else None
            ),
            "20 values are enough: the 95th percentile then lies between the last two.",
        ),
        (
            lambda values: (
                float(np.percentile(values, 0.95)) if len(values) >= 20 else None
            ),
            "np.percentile counts to 100: write 95, not 0.95, which is nearly the fastest.",
        ),
        (max, "that is the slowest value, the p100: a single hiccup decides it."),
    ],
    solution="""\
def p95(values):
    return float(np.percentile(values, 95)) if len(values) >= 20 else None


check("p95", p95)
""",
)

generation = Exercise(
    name="generation",
    title="Generation speed without the prompt",
    hints=(
        "Count only the tokens that the model wrote, and only the time in which it wrote them.",
        "The prompt's tokens are not needed. The time runs from the first token to the last: latency minus TTFT.",
        "Between n tokens there are n - 1 gaps, so divide one token fewer by that time.",
    ),
    why="With the prompt counted, a longer question would make the same model 'faster'.",
    cases=[((900, 101, 2.0, 4.0), 50.0), ((20, 11, 0.5, 0.7), 50.0)],
    slips=[
        (
            lambda prompt, completion, ttft, latency: (prompt + completion) / latency,
            "the prompt's tokens are in it: the longer the notes, the 'faster' the model.",
        ),
        (
            lambda prompt, completion, ttft, latency: completion / latency,
            "the time includes reading the prompt: that is request tokens/s. Begin at the first "
            "token.",
        ),
        (
            lambda prompt, completion, ttft, latency: completion / (latency - ttft),
            "between n tokens there are n - 1 gaps.",
        ),
        (
            lambda prompt, completion, ttft, latency: (completion - 1) / latency,
            "the time includes reading the prompt. Begin at the first token.",
        ),
        (
            lambda prompt, completion, ttft, latency: (
                (prompt + completion) / (latency - ttft)
            ),
            "the prompt's tokens are in it: the longer the notes, the 'faster' the model.",
        ),
    ],
    solution="""\
def generation(prompt_tokens, completion_tokens, ttft_s, latency_s):
    return (completion_tokens - 1) / (latency_s - ttft_s)


check("generation", generation)
""",
)


def order_mistake(order):
    """Return what is unfair about an order of requests, or None."""
    jobs = [*order([*THREE], 4)]
    if len(jobs) == 4:
        return (
            "it returns 4 things, one for each round. Add the models of each round to one flat list: "
            "12 requests in all."
        )
    if sorted(jobs) != sorted([*THREE] * 4):
        return f"each model must come once per round, 12 requests in all; it returns {jobs!r:.80}."
    rounds = [jobs[start : start + 3] for start in range(0, 12, 3)]
    if any(len(set(one)) < 3 for one in rounds):
        return (
            "one model finishes before the next begins. If the machine gets busy halfway, only "
            "the later models look slow: go round by round."
        )
    if all(one == rounds[0] for one in rounds):
        return (
            "every round has the same order, so each model always follows the same other model. "
            "Shuffle each round."
        )
    if [*order([*THREE], 4)] != jobs:
        return (
            "a second call returns another order. Use a seed, so that the run can be repeated: "
            "random.Random(0)."
        )
    return None


def order_of_run(order, models, rounds):
    """Return the learner's order of a run, and what the second half of it holds."""
    jobs, size = [*order([*models], rounds)], len(models)
    rows = [[n + 1, ", ".join(jobs[n * size : (n + 1) * size])] for n in range(rounds)]
    late = jobs[len(jobs) // 2 :]
    counts = ", ".join(f"{name} {late.count(name)}" for name in models)
    note = f"If the machine gets busy halfway, so many requests of each meet it: {counts}. In the script's order it would meet {models[-1]} most."
    return Table(("round", "your order"), rows, note)


order = Exercise(
    name="order",
    use=order_of_run,
    title="A fair order",
    hints=(
        "Write two loops, rounds outside and models inside, and shuffle the models of each round.",
        "Make `random.Random(0)` once, before the loop: it shuffles the same way in every call.",
        "Its method sample(models, len(models)) gives a shuffled copy. Add the items of each copy to one list, and return that list.",
    ),
    why="If the machine gets busy halfway, it now slows all models alike, and the comparison still holds.",
    example=["a text"],
    find_mistake=order_mistake,
    solution="""\
import random


def order(models, rounds):
    chance = random.Random(0)
    jobs = []
    for _ in range(rounds):
        jobs += chance.sample(models, len(models))
    return jobs


check("order", order)
""",
)


def failed_share_of_measured(rows):
    """Return the share that failed, without those that were skipped."""
    measured = [row["status"] for row in rows if row["phase"] == "measure"]
    return measured.count("failed") / len(measured)


def measured_requests(rows):
    """Return how many requests were measured."""
    return sum(row["phase"] == "measure" for row in rows)


def unanswered(rows):
    """Return how many measured requests were not answered."""
    return sum(row["phase"] == "measure" and row["status"] != "ok" for row in rows)


failures = Exercise(
    name="failures",
    title="The share of requests that failed",
    hints=(
        "Count the measured requests that are not ok, and divide by all measured requests.",
        'First keep the rows with `row["phase"] == "measure"`: warm-up does not count.',
        'Then count those whose status is not "ok" (failed and skipped), and divide by how many you kept.',
    ),
    why="A model that fails every second time must not look as good as one that never fails.",
    cases=[((ATTEMPTS,), 0.5), ((ATTEMPTS[:3],), 0.0)],
    slips=[
        (
            lambda rows: sum(row["status"] != "ok" for row in rows) / len(rows),
            "warm-up requests are counted. They are on record, but belong in no figure.",
        ),
        (
            failed_share_of_measured,
            "a skipped request was planned and never answered, so it counts as a failure.",
        ),
        (
            lambda rows: unanswered(rows),
            "that is how many failed; the share is that number divided by all measured requests.",
        ),
        (
            lambda rows: 1 - unanswered(rows) / measured_requests(rows),
            "that is the share that was answered; the question is about the others.",
        ),
        (
            lambda rows: 0.0,
            "it is always 0: a failure that leaves the table makes the model look better than it "
            "is.",
        ),
    ],
    solution="""\
def failures(rows):
    measured = [row for row in rows if row["phase"] == "measure"]
    return sum(row["status"] != "ok" for row in measured) / len(measured)


check("failures", failures)
""",
)
