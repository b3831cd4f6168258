"""Exercises of notebook 05: counting facets, and agreement beyond chance."""

from helpers.course.exercises import Exercise

facets = Exercise(
    name="facets",
    title="Counting facets by hand",
    hint="Go facet by facet: is one of its phrases in the answer, letter for letter where it is a "
    "name or a date?",
    cases=[((), 0.75)],
    slips=[
        (1.0, "look at the date again: the notes were corrected."),
        (3, "that is how many are there; the share is between 0 and 1."),
        (0.5, "the open question is there, in the last words of the answer."),
    ],
    solution="""\
# The decision, the owner and the open question are there; the date is the old one.
answer = 3 / 4

check("facets", answer)
""",
)

SCORES_A, SCORES_B = (5, 5, 5, 5, 4, 5, 5, 2, 5, 5), (5, 5, 5, 4, 5, 5, 5, 2, 5, 5)

agreement = Exercise(
    name="agreement",
    title="Agreement beyond chance",
    hint="Cohen's kappa is (observed - expected) / (1 - expected). For the expected part, multiply "
    "the two shares of each score and add the products.",
    cases=[
        ((SCORES_A, SCORES_B), 0.4118),
        (((1, 5), (1, 5)), 1.0),
        (((1, 1, 5, 5), (1, 5, 1, 5)), 0.0),
    ],
    slips=[
        (
            lambda ours, theirs: sum(map(int.__eq__, ours, theirs)) / len(ours),
            "that is how often they agree. Two people who nearly always give a 5 agree often by "
            "chance: take that off.",
        ),
    ],
    solution="""\
def kappa(ours, theirs):
    n = len(ours)
    observed = sum(a == b for a, b in zip(ours, theirs, strict=True)) / n
    expected = sum(ours.count(s) / n * theirs.count(s) / n for s in set(ours))
    return (observed - expected) / (1 - expected)


check("agreement", kappa)
""",
)
