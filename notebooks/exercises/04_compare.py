"""Exercises of notebook 04: an interval, a choice under limits, and a price."""

from helpers.common.show import Table
from helpers.course.exercises import Exercise

verdict = Exercise(
    name="verdict",
    title="What an interval lets you say",
    hints=(
        "If the interval contains 1, you cannot tell. If not, see on which side of 1 it lies.",
        "It contains 1 when low is at most 1 and high is at least 1. Ask that first.",
        "A ratio of latencies below 1 means less time: faster. Three branches, and the two bounds decide the first.",
    ),
    why="Two medians always differ; only the interval says whether they would still differ tomorrow.",
    cases=[
        ((0.5, 0.4, 0.6), "faster"),
        ((0.8, 0.5, 1.3), "cannot tell"),
        ((1.9, 1.7, 2.1), "slower"),
        ((1.2, 0.98, 1.5), "cannot tell"),
    ],
    slips=[
        (
            lambda ratio, low, high: "faster" if ratio < 1 else "slower",
            "it looks at the ratio alone. A ratio of 0.8 with an interval from 0.5 to 1.3 may be 1.",
        ),
        (
            lambda ratio, low, high: (
                "faster" if low > 1 else "slower" if high < 1 else "cannot tell"
            ),
            "a ratio of latencies below 1 means less time: faster.",
        ),
    ],
    solution="""\
def verdict(ratio, low, high):
    if low <= 1 <= high:
        return "cannot tell"
    return "faster" if ratio < 1 else "slower"


check("verdict", verdict)
""",
)

CANDIDATES = (
    {"model": "tiny", "quality": 0.41, "latency_s": 0.3, "memory_mb": 90},
    {"model": "small", "quality": 0.74, "latency_s": 0.8, "memory_mb": 260},
    {"model": "middle", "quality": 0.78, "latency_s": 0.6, "memory_mb": 900},
    {"model": "large", "quality": 0.91, "latency_s": 2.9, "memory_mb": 3400},
    {"model": "unread", "quality": None, "latency_s": 0.4, "memory_mb": 200},
)


def fastest(rows):
    """Return the name of the model with the smallest latency."""
    return min(rows, key=lambda row: row["latency_s"])["model"]


def best_that_fits(rows, lowest_quality, max_memory_mb):
    """Return the model with the best quality that keeps the memory limit."""
    fitting = [
        row for row in rows if row["quality"] and row["memory_mb"] <= max_memory_mb
    ]
    return max(fitting, key=lambda row: row["quality"])["model"]


def slowest_that_fits(rows, lowest_quality, max_memory_mb):
    """Return the slowest model that keeps both limits."""
    fitting = [
        row
        for row in rows
        if (row["quality"] or 0) >= lowest_quality and row["memory_mb"] <= max_memory_mb
    ]
    return max(fitting, key=lambda row: row["latency_s"])["model"]


def unknown_is_good(rows, lowest_quality, max_memory_mb):
    """Return the fastest model within the limits, taking an unknown quality for a perfect one."""
    fitting = [row for row in rows if row["memory_mb"] <= max_memory_mb]
    return fastest([row for row in fitting if (row["quality"] or 1) >= lowest_quality])


default = Exercise(
    name="default",
    title="The default under two limits",
    hints=(
        "First keep the rows that meet both limits, then take the smallest latency.",
        "A quality of None meets no limit: drop those rows before you compare.",
        'min(rows, key=lambda row: row["latency_s"]) gives the row; the answer is its "model".',
    ),
    why="Limits say what is good enough; only then is it fair to let speed decide.",
    cases=[
        ((CANDIDATES, 0.7, 500), "small"),
        ((CANDIDATES, 0.7, 1000), "middle"),
        ((CANDIDATES, 0.9, 4000), "large"),
    ],
    slips=[
        (
            lambda rows, lowest_quality, max_memory_mb: fastest(rows),
            "that is the fastest of all, but it breaks the limit on quality.",
        ),
        (
            lambda rows, lowest_quality, max_memory_mb: fastest(
                [row for row in rows if (row["quality"] or 0) >= lowest_quality]
            ),
            "it breaks the limit on memory, which has not been asked for yet.",
        ),
        (
            slowest_that_fits,
            "that is the slowest of those that keep both limits: take min instead of max.",
        ),
        (
            best_that_fits,
            "that is the best one that fits. The limit on quality says what is good enough: among "
            "those, take the fastest.",
        ),
        (
            unknown_is_good,
            "a model without a quality score passes the limit on quality. Unknown is not good "
            "enough.",
        ),
    ],
    solution="""\
def default(rows, lowest_quality, max_memory_mb):
    judged = [row for row in rows if row["quality"] is not None]
    good = [row for row in judged if row["quality"] >= lowest_quality]
    fitting = [row for row in good if row["memory_mb"] <= max_memory_mb]
    return min(fitting, key=lambda row: row["latency_s"])["model"]


check("default", default)
""",
)


def cost_of_run(cost, card):
    """Return the learner's price of 1,000 requests of each model, beside the kit's."""
    price, rows = card.prices.per_kwh, []
    for row in card.rows:
        joules = row["energy_j_per_request"]
        known = joules is not None and price is not None
        yours = cost(joules, price) if known else None
        rows.append([row["model"], joules, yours, row["cost_per_1000"]])
    money = card.prices.currency
    headers = ("model", "J/request", f"your 1,000, {money}", f"the kit's, {money}")
    return Table(
        headers, rows, "The kit adds the price of the machine where you give it one."
    )


cost = Exercise(
    name="cost",
    use=cost_of_run,
    title="The price of a thousand answers",
    hints=(
        "A kilowatt hour has 3,600,000 joules.",
        "Convert: joules / 3,600,000 gives kilowatt hours. The price is for one of those.",
        "Then multiply by the price, and by 1000 for a thousand requests.",
    ),
    why="Electricity for a local answer costs next to nothing: what costs is the machine that stands idle.",
    cases=[((30.0, 0.30), 0.0025), ((7200.0, 0.25), 0.5)],
    slips=[
        (
            lambda joules, price: joules * price / 3.6e6,
            "that is the price of one answer; the question is about a thousand.",
        ),
        (
            lambda joules, price: joules * 1000 / 3600 * price,
            "3,600 joules are a watt hour. The price is for a kilowatt hour.",
        ),
        (
            lambda joules, price: joules * 1000 * price,
            "a price per kilowatt hour times joules is not money: convert joules to kilowatt hours "
            "first.",
        ),
        (
            lambda joules, price: round(joules * 1000 / 3.6e6 * price, 2),
            "do not round: a quarter of a cent becomes nothing.",
        ),
        (
            lambda joules, price: joules * 1000 / 3.6e6 / price,
            "it divides by the price. A higher price must give a higher cost.",
        ),
        (
            lambda joules, price: joules * 1000 / 3.6e6,
            "those are the kilowatt hours; multiply by what one of them costs.",
        ),
    ],
    solution="""\
def cost(joules, price_per_kwh):
    return joules * 1000 / 3_600_000 * price_per_kwh


check("cost", cost)
""",
)
