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
        "Add the three sizes, convert MB to GB (1 GB = 1000 MB), and add what must stay free.",
        "The models alone take 822 + 4200 + 2600 MB.",
        "Divide that sum by 1000, then add 15.",
    ),
    why="A disk that fills up at 95 % costs the whole download, and often the afternoon.",
    cases=[((), 22.622)],
    slips=[
        (
            7.622,
            "that is the models alone. After the download, 15 GB must still be free.",
        ),
        (
            7622,
            "that is the models alone, in megabytes. Convert, and add what must stay free.",
        ),
        (15 + 7622 / 1024, "a GB on disk is 1000 MB; dividing by 1024 gives a GiB."),
        (7622 + 15, "that adds megabytes to gigabytes."),
    ],
    solution="""\
answer = (822 + 4200 + 2600) / 1000 + DISK_GB

check("room", answer)
""",
)
