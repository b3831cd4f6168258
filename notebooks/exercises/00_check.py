"""Exercises of notebook 00: what models are called."""

from helpers.course.exercises import Exercise

WHOLE = "the version is still in it: :5 is counted up with each new build of the same model."

alias = Exercise(
    name="alias",
    title="The alias in an id",
    hints=(
        "An id is the alias, then the device that the files were built for, then a colon and the version.",
        "From the right: drop `:5`, the version. Then drop what names a kind of device and a processor.",
        "`generic-cpu` is the device. `int4` is not: it says how the weights are stored, so it stays.",
    ),
    why="A table with aliases can be compared across machines; ids differ from device to device.",
    cases=[((), "pocket-mini-int4")],
    slips=[
        (
            "pocket-mini-int4-generic-cpu",
            "the device is still in it: -generic-cpu says what the files were built for.",
        ),
        ("pocket-mini-int4-generic-cpu:5", WHOLE),
        ("pocket-mini-int4:5", WHOLE),
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
    hints=(
        "The line-up keeps the old names: look at the column `note` of load_models().",
        "load_models().current(...) takes an old name and gives today's.",
        'Put "gemma-2-2b" between the parentheses, and give what comes back to the answer.',
    ),
    why="Catalogs rename models; a script that looks the name up still runs next year.",
    cases=[((), "gemma-4-e2b-it")],
    slips=[("gemma-2-2b", "that is the old name, which no catalog offers any more.")],
    solution="""\
answer = load_models().current("gemma-2-2b")

check("renamed", answer)
""",
)
