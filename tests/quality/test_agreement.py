"""Do facets, people and judges agree, and what is said when they do not?"""

import numpy as np
import pytest
from scipy import stats

from helpers.common.errors import UsageError
from helpers.decision.selection import decide
from helpers.quality.agreement import Ratings, agreement, ratings
from helpers.quality.answers import answer_hash
from helpers.quality.people import COLUMNS, Annotation, BlindRating, append, read_annotations
from helpers.report.report import make_report, write_report
from support.records import HALF, RIGHT, WRONG, recorded


@pytest.fixture
def run(tmp_path):
    """Two models, six prompts; on the first they answer the same to the letter."""
    return recorded(
        tmp_path,
        {
            "secret-one": [RIGHT, RIGHT, HALF, RIGHT, WRONG, RIGHT],
            "secret-two": [RIGHT, HALF, WRONG, HALF, HALF, WRONG],
        },
    )


@pytest.fixture
def file(tmp_path):
    return tmp_path / "scores.csv"


def head(*lines: str) -> str:
    return "\n".join([",".join(COLUMNS), *lines]) + "\n"


def kappa_of_a_confusion_matrix(a, b) -> float:
    """Cohen (1968), from the definition."""
    seen = np.zeros((5, 5))
    for x, y in zip(a, b, strict=True):
        seen[x - 1, y - 1] += 1
    weights = np.array([[(i - j) ** 2 for j in range(5)] for i in range(5)])
    expected = np.outer(seen.sum(1), seen.sum(0)) / seen.sum()
    return 1 - (weights * seen).sum() / (weights * expected).sum()


def keyed(values) -> dict:
    return {("p", f"{i:03}"): float(v) for i, v in enumerate(values)}


def test_kappa_and_spearman_are_those_of_the_books():
    rng = np.random.default_rng(3)
    a = rng.integers(1, 6, 40)
    b = np.clip(a + rng.integers(-1, 2, 40), 1, 5)
    found = agreement("a", "b", keyed(a), keyed(b))
    assert found.spearman.value == pytest.approx(stats.spearmanr(a, b).statistic)
    assert found.kappa.value == pytest.approx(kappa_of_a_confusion_matrix(a, b))
    assert found.spearman.low < found.spearman.value < found.spearman.high
    assert found.kappa.low < found.kappa.value < found.kappa.high
    assert found.shown and "order the answers alike" in str(found)


def test_a_stricter_rater_agrees_in_order_and_not_in_score():
    a = np.array([3, 4, 5] * 8)
    found = agreement("mild", "strict", keyed(a), keyed(a - 2))
    assert found.spearman.value == pytest.approx(1)
    assert found.kappa.value < 0.3


def test_chance_is_not_taken_for_agreement():
    rng = np.random.default_rng(6)
    found = agreement("a", "b", keyed(rng.integers(1, 6, 30)), keyed(rng.integers(1, 6, 30)))
    assert not found.shown
    assert "are not shown to agree" in str(found)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ([], [], "too few answers have both"),
        ([1, 2], [1, 2], "too few answers have both"),
        ([3] * 12, [1, 2] * 6, "gives every answer the same score"),
        ([1, 2, 3, 4], [1, 2, 3, 4], "4 answers are too few to tell"),
    ],
)
def test_what_cannot_be_said_is_not_said(a, b, words):
    found = agreement("a", "b", keyed(a), keyed(b))
    assert words in str(found)
    assert not found.shown


def score_all(run, rater: str, file, give) -> Ratings:
    blind = BlindRating(run, rater, file=file)
    while item := blind.current:
        blind.score(give(item))
    return ratings(run, file)


def test_without_any_score_the_report_says_that_quality_stands_alone(run):
    said = ratings(run)
    assert (
        said.warning()
        == "Quality comes from word matching alone. No person and no judge has scored these answers, "
        "so it is not known how far to trust it."
    )
    assert "No person has scored an answer of this run yet" in said.sentences()[-1]


def test_people_who_agree_with_the_facets_back_them(run, file):
    said = score_all(run, "ana", file, lambda item: {RIGHT: 5, HALF: 3, WRONG: 1}[item.text])
    assert said.warning() == ""
    assert said.pairs[0].shown and (said.pairs[0].one, said.pairs[0].two, said.pairs[0].n) == (
        "facets",
        "people",
        11,
    )
    two = score_all(run, "bob", file, lambda item: {RIGHT: 4, HALF: 3, WRONG: 2}[item.text])
    assert [(p.one, p.two) for p in two.pairs] == [("facets", "people"), ("ana", "bob")]
    assert two.quality()["people"]["secret-one"]["p1"] == pytest.approx((4.5 - 1) / 4)
    assert "people: 11 answers" in two.table().note


def test_people_who_disagree_are_a_warning_before_everything_else(run, tmp_path):
    score_all(
        run,
        "ana",
        run.folder / "annotations-ana.csv",
        lambda item: {RIGHT: 1, HALF: 3, WRONG: 5}[item.text],
    )
    report = make_report(run)
    assert dict(report.facts)["Before you rely on it"].startswith(
        "Quality comes from word matching; no other source has been shown to agree with it. "
        "facets and people"
    )
    by_people = make_report(run, quality="people")
    assert by_people.decision.winner.model != report.decision.winner.model
    assert by_people.decision.source == "people"
    assert (
        "no other source has been shown to agree with it"
        in dict(by_people.facts)["Before you rely on it"]
    )


def test_quality_from_a_source_that_is_not_there(run):
    with pytest.raises(UsageError, match="This run has no quality from 'people'; it has facets"):
        make_report(run, quality="people")


def test_a_score_of_an_answer_that_changed_does_not_count_and_is_counted(run, file):
    append([Annotation("secret-one", "p1", answer_hash("An older answer."), "ana", 1)], file)
    said = ratings(run, file)
    assert said.raters == {}
    assert "1 score does not count" in said.sentences()[-1]


def test_the_last_score_of_a_rater_counts_and_the_earlier_one_stays(run, file):
    for score in (1, 5):
        append([Annotation("secret-one", "p1", answer_hash(RIGHT), "ana", score)], file)
    assert ratings(run, file).raters["ana"] == {("p1", answer_hash(RIGHT)): 5}
    assert len(read_annotations(file)) == 2


def test_a_damaged_file_is_told_by_the_report_and_nothing_is_lost(run):
    bad = run.folder / "annotations-bob.csv"
    bad.write_text(head("m,p1,ab,bob,100,"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"annotations-bob\.csv line 2: score '100'"):
        write_report(run)
    assert bad.is_file()


def test_decide_takes_the_source_from_the_scorecard(run):
    assert decide(run).source == "facets"
