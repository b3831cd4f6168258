"""Exercises of notebook 03: what a quick benchmark gets wrong."""

import statistics

import numpy as np

from helpers.course.exercises import Exercise, Todo, is_blank

TWENTY = tuple(range(101, 121))
ATTEMPTS = (
    {"phase": "warmup", "status": "failed"},
    {"phase": "warmup", "status": "ok"},
    {"phase": "measure", "status": "ok"},
    {"phase": "measure", "status": "failed"},
    {"phase": "measure", "status": "ok"},
    {"phase": "measure", "status": "skipped"},
)

p95 = Exercise(
    name="p95",
    title="A p95 that was seen",
    hint="Return None for fewer than 20 values. From 20 on, numpy.percentile(values, 95) stays between "
    "values that were measured.",
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
    hint="Count only the tokens that the model wrote, and only the time in which it wrote them: "
    "from the first token to the last.",
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
    ],
    solution="""\
def generation(prompt_tokens, completion_tokens, ttft_s, latency_s):
    return (completion_tokens - 1) / (latency_s - ttft_s)


check("generation", generation)
""",
)


def order_mistake(order):
    """Return what is unfair about an order of requests, or None."""
    jobs = order(["a", "b", "c"], 4)
    if is_blank(jobs):
        raise Todo
    jobs = list(jobs)
    if sorted(jobs) != sorted(["a", "b", "c"] * 4):
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
    if list(order(["a", "b", "c"], 4)) != jobs:
        return (
            "a second call returns another order. Use a seed, so that the run can be repeated: "
            "random.Random(0)."
        )
    return None


order = Exercise(
    name="order",
    title="A fair order",
    hint="Write two loops, rounds outside and models inside, and shuffle the models of each round.",
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


failures = Exercise(
    name="failures",
    title="The share of requests that failed",
    hint="Count the measured requests that are not ok, and divide by all measured requests. "
    "Warm-up does not count.",
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
