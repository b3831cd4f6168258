"""Exercises of notebook 00: what models are called."""

from helpers.course.exercises import Exercise

alias = Exercise(
    name="alias",
    title="The alias in an id",
    hint="An id is the alias, then the device that the files were built for, then a colon and the "
    "version.",
    cases=[((), "pocket-mini-int4")],
    slips=[
        (
            "pocket-mini-int4-generic-cpu",
            "the device is still in it: -generic-cpu says what the files were built for.",
        ),
        (
            "pocket-mini",
            "int4 is not a device. It belongs to the alias, because it names another model file.",
        ),
    ],
    solution="""\
answer = "pocket-mini-int4"

check("alias", answer)
""",
)

renamed = Exercise(
    name="renamed",
    title="Today's name of an old model",
    hint="Look at the column `note` of the line-up, or call load_models().current(...).",
    cases=[((), "gemma-4-e2b-it")],
    slips=[("gemma-2-2b", "that is the old name, which no catalog offers any more.")],
    solution="""\
answer = load_models().current("gemma-2-2b")

check("renamed", answer)
""",
)
