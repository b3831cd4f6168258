"""Scores that people give: blind, for one exact answer, in a file that only grows."""

import contextlib
import csv
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.common.errors import UsageError
from helpers.common.paths import DATA, PROJECT
from helpers.course.widgets import score_answers
from helpers.measure.record import Run
from helpers.quality import people
from helpers.quality.agreement import ratings
from helpers.quality.answers import distinct
from helpers.quality.people import COLUMNS, Annotation, BlindRating, append, read_annotations
from support.notebooks import notebook
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


def test_what_ships_is_a_header_and_no_invented_score():
    text = (PROJECT / "data" / "annotations.csv").read_text(encoding="utf-8")
    assert text == ",".join(COLUMNS) + "\n"
    assert read_annotations(people.FILE) == []


def test_scores_come_back_as_they_were_given(file):
    scores = [
        Annotation("m", "p1", "ab12", "Ana, Dr.", 4, 'he said "no", then left'),
        Annotation("m", "p2", "ab13", "=cmd", 1, "-1+1"),
    ]
    append(scores[:1], file)
    append(scores[1:], file)
    assert read_annotations(file) == scores
    assert file.read_bytes().startswith(b"\xef\xbb\xbfmodel,")  # Excel takes it for UTF-8
    rows = list(csv.reader(file.open(encoding="utf-8-sig")))
    assert rows[0] == list(COLUMNS)
    assert rows[2][3] == "'=cmd" and rows[2][5] == "'-1+1"  # a spreadsheet must not run them


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("m,p1,ab,ana,0,", "line 2: score '0' is not on the scale; expected a whole number from 1"),
        ("m,p1,ab,ana,85,", "score '85' is not on the scale"),
        ("m,p1,ab,ana,4.5,", "score '4.5'"),
        ("m,p1,ab,ana,good,", "score 'good'"),
        ("m,p1,ab,,3,", "needs a rater"),
        ("m,p1,,ana,3,", "the answer's hash"),
        ("m,p1,ab,ana,3,fine, but long", "expected 6 cells"),
        ("m,p1,ab,ana,3", "expected 6 cells"),
    ],
)
def test_a_wrong_line_is_told_with_file_and_line(file, line, message):
    file.write_text(head(line, "m,p2,ab,ana,3,"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"scores\.csv line 2") as caught:
        read_annotations(file)
    assert message in str(caught.value)


def test_a_file_with_another_header_is_told(file):
    file.write_text("model,prompt,score\nm,p,3\n", encoding="utf-8")
    with pytest.raises(
        UsageError, match="lacks answer, rater, note; expected model,prompt,answer,rater,score,note"
    ):
        read_annotations(file)


def test_what_a_spreadsheet_saves_can_be_read(file):
    file.write_bytes(
        "\ufeffmodel;prompt;answer;rater;score;note\r\n;p1;AB12;ana;4;gut; ja\r\n".replace(
            "gut; ja", '"gut; ja"'
        ).encode()
    )
    assert read_annotations(file) == [Annotation("", "p1", "ab12", "ana", 4, "gut; ja")]


SCORED = "model,prompt,answer,rater,score,note\r\n,p1,h00AB12,ana,4,sch\u00f6n\r\n"


@pytest.mark.parametrize(
    "content",
    [
        SCORED.encode(),
        SCORED.encode("utf-8-sig"),
        SCORED.encode("utf-16"),
        SCORED.replace(",", "\t").encode("utf-16"),  # what Excel calls Unicode text
        ("sep=;\r\n" + SCORED.replace(",", ";")).encode("utf-8-sig"),
        ("SEP=,\n" + SCORED).encode(),
        SCORED.replace("\r\n", "\r").encode(),  # Excel for Mac, of old
        SCORED.replace(",4,", ",4.0,").encode(),  # pandas
        SCORED.replace(",4,", ",'4,").encode(),
        SCORED.replace("h00AB12", "00ab12").encode(),  # a sheet of an earlier release
    ],
    ids=range(10),
)
def test_a_sheet_is_read_and_added_to_as_spreadsheets_save_it(file, content):
    first = Annotation("", "p1", "00ab12", "ana", 4, "sch\u00f6n")
    file.write_bytes(content)
    assert read_annotations(file) == [first]
    more = Annotation(
        "m", "p2", "5326786376725692", "bob", 5, "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    )
    append([more], file)
    assert read_annotations(file) == [first, more]
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    "prompt", ["007", "1-2", "1e5", "TRUE", "mar1", "p1", "Q 1", "-1", "=1", "'1", "a b"]
)
def test_no_spreadsheet_makes_a_number_of_an_id_or_a_hash(file, prompt):
    scored = Annotation("m", prompt, "31207648473230e7", "ana", 4)
    append([scored], file)
    cells = list(csv.reader(file.open(encoding="utf-8-sig")))[1]
    for cell in cells[1:3]:
        assert cell[0] in "'ahp", cell
    assert cells[1] not in ("mar1", "TRUE")
    assert read_annotations(file) == [scored]


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"model,prompt\xff", 1), ((SCORED + "caf").encode() + b"\xe9,1", 3), (b"PK\x03\x04\x00", 1)],
)
def test_a_sheet_that_is_not_text_is_told_and_nothing_is_added_to_it(file, content, line):
    file.write_bytes(content)
    told = rf"scores\.csv cannot be read as UTF-8 or UTF-16 text \(line {line}\); save it as UTF-8"
    with pytest.raises(UsageError, match=told):
        read_annotations(file)
    with pytest.raises(UsageError, match=told):
        append([Annotation("m", "p2", "ab", "bob", 5)], file)
    assert file.read_bytes() == content


SHEETS = st.binary(max_size=80) | st.lists(
    st.sampled_from([*COLUMNS, ",", ";", "\t", "\n", "\r", '"', "'", "sep=", "4", "4.0", "h12", "\ufeff",
        "\x00", "x" * 140_000, ",p1,ab,ana,4,\n", ",".join(COLUMNS) + "\n"]),
    max_size=20,
).map(lambda parts: "".join(parts).encode())  # fmt: skip


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(SHEETS)
def test_sheets_of_any_bytes_end_in_scores_or_in_a_sentence(tmp_path, content):
    file = tmp_path / "any.csv"
    file.write_bytes(content)
    try:
        before = read_annotations(file)
    except UsageError as error:
        assert str(file) in str(error) and str(error).endswith(".") and len(str(error)) < 1000
        return
    more = Annotation("m", "p9", "ab", "zoe", 5)
    append([more], file)
    with contextlib.suppress(UsageError):  # a sheet without the columns
        assert read_annotations(file)[: len(before)] == before


def test_empty_lines_and_lines_without_a_score_are_still_to_do(file):
    file.write_text(head("", "m,p1,ab,ana,,", ",,,,,", "m,p1,ab,ana,2,"), encoding="utf-8")
    assert [a.score for a in read_annotations(file)] == [2]


def test_a_last_line_that_an_editor_did_not_end_is_kept(file):
    file.write_text(head("m,p1,ab,ana,3,").rstrip("\n"), encoding="utf-8")
    append([Annotation("m", "p2", "ab", "ana", 5)], file)
    assert [(a.prompt, a.score) for a in read_annotations(file)] == [("p1", 3), ("p2", 5)]


def test_a_killed_rater_loses_nothing(run, file):
    script = (
        "import sys, time\nfrom helpers import load_run\nfrom helpers.quality.people import BlindRating\n"
        f"blind = BlindRating(load_run({str(run.folder)!r}), 'ana', file={str(file)!r})\n"
        "while blind.current:\n    blind.score(3); print(flush=True)\n    if len(blind.items) - len(blind.todo) == 3: time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=PROJECT)
    for _ in range(3):
        child.stdout.readline()
    child.kill()
    child.wait()
    child.stdout.close()
    again = BlindRating(run, "ana", file=file)
    assert len(again.items) - len(again.todo) == 3
    assert again.current == again.items[3]  # the order is the same, so it goes on where it stopped


def test_no_name_of_a_model_is_shown_and_the_order_is_the_raters_own(run, file):
    ana, bob = BlindRating(run, "ana", file=file), BlindRating(run, "bob", file=file)
    assert len(ana.items) == 11  # twelve answers, two of them the same
    assert ana.items == BlindRating(run, "ana", file=file).items
    assert ana.items != bob.items
    assert ana.items != BlindRating(run, "ana", seed=1, file=file).items
    panel = score_answers(ana)
    seen = []
    while ana.current:
        seen.append(panel.children[0].value + str(ana))
        ana.score(3)
    assert not [text for text in seen if "secret" in text]


def test_scores_go_to_the_results_and_count_from_there(run, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "results"))
    blind = BlindRating(run, "ana")
    assert blind.file == tmp_path / "results" / "annotations.csv"
    blind.score(4)
    assert len(BlindRating(run, "ana").todo) == len(blind.items) - 1
    assert list(ratings(run).raters) == ["ana"]
    assert read_annotations(people.FILE) == []


def test_the_card_keeps_the_line_breaks_of_the_notes(tmp_path):
    run = recorded(tmp_path, {"one": ["- Ana: <paint>\n- Bob: wait", *5 * [RIGHT]]})
    blind = BlindRating(run, "ana")
    while "Bob" not in blind.current.text:
        blind.skip()
    assert "- Ana: &lt;paint&gt;\n- Bob: wait</pre>" in blind._repr_html_()


def test_the_example_ratings_say_that_nobody_gave_them_and_count_only_when_named():
    sample = Run(DATA / "sample_run")
    given = read_annotations(DATA / "sample_ratings.csv")
    assert {a.note for a in given} == {"written for the course, given by nobody"}
    assert {a.key for a in given} == {answer.key for answer in distinct(sample)}
    assert not ratings(sample).raters
    (pair,) = [
        pair
        for pair in ratings(sample, DATA / "sample_ratings.csv").pairs
        if pair.one == "example-1"
    ]
    assert pair.shown and 0.4 < pair.kappa.low < pair.kappa.high < 0.9  # they differ, as people do


def test_notebook_05_quotes_the_figures_of_the_example():
    run, text = Run(DATA / "sample_run"), notebook("05_quality").read_text("utf-8")
    example = ratings(run, DATA / "sample_ratings.csv")
    (judge,) = example.judges
    means = dict(zip(example.table().headers, example.table().rows[-1], strict=True))
    agree = {(pair.one, pair.two): pair for pair in example.pairs}
    for words in (
        f"`{means['model']}` gets {means['facets']:.2f} from words and {means['people']:.2f}",
        f"(kappa {agree['example-1', 'example-2'].kappa.value:.2f})",
        f"all {len({answer.key for answer in distinct(run)})} answers",
        f"{judge.failures} of its {len(judge.judgements)} replies",
        *(f"*{one.reason}*" for one in judge.judgements if one.value is not None),
    ):
        assert words in text
    assert agree["facets", "people"].shown


def test_the_panel_and_the_file_are_the_same_thing(run, file):
    blind = BlindRating(run, "ana", file=file)
    shown, note, row, said = score_answers(blind).children
    first = blind.current
    note.value = "too <b>short</b>"
    row.children[3].click()  # "4 good"
    assert {(a.answer, a.score, a.note) for a in read_annotations(file)} == {
        (first.hash, 4, "too <b>short</b>")
    }
    assert note.value == ""
    second = blind.current
    row.children[5].click()  # later
    assert blind.todo[-1] == second
    while blind.current:
        row.children[0].click()
    assert all(button.disabled for button in row.children)
    assert "11 of 11 answers scored" in shown.value
    assert said.value == ""
    assert BlindRating(run, "ana", file=file).todo == []
    assert len(BlindRating(run, "bob", file=file).todo) == 11


def test_the_same_answer_of_two_models_is_scored_once_for_both(run, file):
    blind = BlindRating(run, "ana", file=file)
    blind.todo = [item for item in blind.items if item.prompt == "p1"]
    blind.score(5)
    assert sorted(a.model for a in read_annotations(file)) == ["secret-one", "secret-two"]


@pytest.mark.parametrize("score", [0, 6, 3.5, "4", None])
def test_a_score_off_the_scale_is_refused(run, file, score):
    with pytest.raises(UsageError, match="whole number from 1 to 5"):
        BlindRating(run, "ana", file=file).score(score)
    assert not file.exists()


def test_a_sheet_is_blind_and_counts_once_it_is_filled_in(run, tmp_path):
    sheet = BlindRating(run, "ana").sheet(run.folder / "annotations-ana.csv")
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbf")
    text = sheet.read_text(encoding="utf-8-sig")
    assert "secret" not in text
    assert ratings(run).raters == {}
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 11 and rows[0]["text"]
    with sheet.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "score": 5 if row["text"] == RIGHT else 2} for row in rows)
    said = ratings(run)
    assert len(said.raters["ana"]) == 11
    assert said.quality()["people"]["secret-one"]["p1"] == 1.0


def test_nobody_can_score_without_a_name(run):
    with pytest.raises(UsageError, match="Who is scoring"):
        BlindRating(run, " ")


def test_annotate_from_the_command_line(run, helpers_command, tmp_path):
    done = helpers_command("annotate", str(run.folder), "--rater", "Ana/1")
    assert done.returncode == 0, done.stderr
    sheet = run.folder / "annotations-Ana-1.csv"
    assert str(sheet) in done.stdout and sheet.is_file()
    again = helpers_command("annotate", str(run.folder), "--rater", "Ana/1")
    assert again.returncode == 2
    assert "exists and may hold scores" in again.stderr
    assert os.listdir(run.folder).count("annotations-Ana-1.csv") == 1
