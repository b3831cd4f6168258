"""Exercises of notebook 01: which models may ship, and how much disk they need."""

from helpers.course.exercises import Exercise

fits = Exercise(
    name="fits",
    title="Which models may ship",
    hints=(
        "Three conditions must hold: one of the two licenses, a known size, and at most 3000 MB.",
        "Join the three with `and`. Ask whether the size is known before you compare it: `size_mb is not None`.",
        "A license is one of several with `license in (...)`; spell both as the question does. Return all three conditions joined, and not an `if` for each.",
    ),
    why="A model that may not be shipped, or does not fit, needs no benchmark.",
    cases=[
        (("MIT", 2600.0), True),
        (("apache-2.0", 822.0), True),
        (("MIT", 6600.0), False),
        (("gemma", 2000.0), False),
        (("gemma", 9000.0), False),
        ((None, 500.0), False),
        (("MIT", None), False),
    ],
    slips=[
        (
            lambda license, size_mb: (
                license in ("MIT", "apache-2.0") and (size_mb or 0) <= 3000
            ),
            "a model of unknown size passes. Unknown does not mean small: look the size up first.",
        ),
        (
            lambda license, size_mb: (
                license == "MIT" and size_mb is not None and size_mb <= 3000
            ),
            "apache-2.0 is refused, but it allows commercial use too.",
        ),
        (
            lambda license, size_mb: license == "apache-2.0" and (size_mb or 0) <= 3000,
            "MIT is refused. Python tells capital letters from small ones: spell it as the "
            "question does.",
        ),
        (
            lambda license, size_mb: (
                license == "MIT" or (size_mb is not None and size_mb <= 3000)
            ),
            '`license == "MIT" or "apache-2.0"` asks two questions, and a text alone is always true. '
            "Ask with `license in (...)`.",
        ),
        (
            lambda license, size_mb: False,
            "nothing may ship. The limit is 3000 MB: is it written in gigabytes, or a license "
            "misspelled?",
        ),
    ],
    solution="""\
def fits(license, size_mb):
    return license in ("MIT", "apache-2.0") and size_mb is not None and size_mb <= 3000


check("fits", fits)
""",
)

room = Exercise(
    name="room",
    title="Gigabytes that must be free",
    hints=(
        "Add the sizes, and convert MB to GB: 1 GB = 1000 MB.",
        "At least 15 GB must be free, also for a small model. Which of two numbers is larger?",
        "max(a, b) is the larger one; the sum of a list is sum(sizes_mb).",
    ),
    why="A disk that fills up at 95 % costs the whole download, and often the afternoon.",
    cases=[
        (((822, 4200, 2600),), 15.0),
        (((6600, 4200, 4900, 2600),), 18.3),
        (((822,),), 15.0),
    ],
    slips=[
        (
            lambda sizes: sum(sizes) / 1000,
            "that is the models alone. Below 15 GB, the rule asks for 15 GB.",
        ),
        (
            lambda sizes: sum(sizes) / 1000 + 15,
            "the 15 GB are not added to the models: they are the least that must be free.",
        ),
        (
            lambda sizes: max(sum(sizes) / 1024, 15),
            "a GB on disk is 1000 MB; dividing by 1024 gives a GiB.",
        ),
        (
            lambda sizes: max(sum(sizes), 15),
            "the sizes are in MB, and the answer in GB.",
        ),
    ],
    solution="""\
def room(sizes_mb):
    return max(sum(sizes_mb) / 1000, DISK_GB)


check("room", room)
""",
)
