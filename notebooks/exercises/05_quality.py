"""Exercises of notebook 05: counting facets, and agreement beyond chance."""

from helpers.course.exercises import Exercise

facets = Exercise(
    name="facets",
    title="Counting facets by hand",
    hints=(
        "Go facet by facet: is one of its phrases in the answer, letter for letter where it is a name or a date?",
        "There are four: what was decided, who does it, by when, and what is open. The notes correct one of them.",
        "The day was corrected in the notes, and the answer has the old one. Count the others, and divide by four.",
    ),
    why="One wrong date in fluent text is easy to overlook, and it is what makes a summary useless.",
    cases=[((), 0.75)],
    slips=[
        (1.0, "look at the date again: the notes were corrected."),
        (3, "that is how many are there; the share is between 0 and 1."),
        (
            0.25,
            "that is the share of the one that is wrong; the question is about the others.",
        ),
        (0.5, "the open question is there, in the last words of the answer."),
    ],
    solution="""\
# The decision, the owner and the open question are there; the date is the old one.
answer = 3 / 4

check("facets", answer)
""",
)

SCORES_A, SCORES_B = (5, 5, 5, 5, 4, 5, 5, 2, 5, 5), (5, 5, 5, 4, 5, 5, 5, 2, 5, 5)


def by_chance(ours, theirs):
    """Return the agreement that chance alone would give."""
    n = len(ours)
    return sum(ours.count(score) / n * theirs.count(score) / n for score in set(ours))


agreement = Exercise(
    name="agreement",
    title="Agreement beyond chance",
    hints=(
        "Cohen's kappa is (observed - expected) / (1 - expected).",
        "`observed` is the share of answers with the same score. For `expected`, multiply the two shares of each score and add the products.",
        "The share of a score is ours.count(s) / n. Go through set(ours) and sum the products of both shares.",
    ),
    why="Two people who always say 5 agree perfectly, and show nothing.",
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
        (
            lambda ours, theirs: sum(map(int.__eq__, ours, theirs)),
            "that is how often they agree. Begin with the share, and then take off what chance "
            "explains.",
        ),
        (
            lambda ours, theirs: by_chance(ours, theirs),
            "that is the agreement expected by chance; the observed one is missing.",
        ),
        (
            lambda ours, theirs: (
                sum(map(int.__eq__, ours, theirs)) / len(ours) - by_chance(ours, theirs)
            ),
            "that is how far they are above chance. Give it as a share of what chance leaves over.",
        ),
        (
            lambda ours, theirs: (
                (sum(map(int.__eq__, ours, theirs)) / len(ours) - 0.2) / 0.8
            ),
            "1 in 5 is chance only where all scores are equally frequent, and here the scores are "
            "not all equally frequent. Use the shares that the two people give.",
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
