"""Exercises of notebook 01: which models may ship, and how much disk they need."""

from helpers.course.exercises import Exercise

fits = Exercise(
    name="fits",
    title="Which models may ship",
    hint="Three conditions must hold: one of the two licenses, a known size, and at most 3000 MB.",
    cases=[
        (("MIT", 2600.0), True),
        (("apache-2.0", 822.0), True),
        (("MIT", 6600.0), False),
        (("gemma", 2000.0), False),
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
    hint="Add the sizes, convert MB to GB (1 GB = 1000 MB), and take 15 if that is more: max(a, b).",
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
