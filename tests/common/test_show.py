"""What a cell shows, and that no text can leave its cell."""

import html
import re

import pytest

from helpers.common.show import (
    Shown,
    Table,
    count,
    duration,
    format_cell,
    join_words,
    one_line,
    sanitize_for_csv,
    size,
)

NASTY = "a|b\nc\r\nd\te\x00\x1b[31m\u2028<script>alert('x')</script> & \\ `x`"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (7, "7"),
        (12345, "12,345"),
        (-3, "-3"),
        (0.0, "0"),
        (0.0123456, "0.0123"),
        (1.23456, "1.23"),
        (12.3456, "12.3"),
        (123.456, "123"),
        (-0.5678, "-0.568"),
        (999.4, "999"),
        (999.9, "1,000"),
        (-999.9, "-1,000"),
        (1000.0, "1,000"),
        (1234567.8, "1,234,568"),
        (-4321.0, "-4,321"),
        ((), ""),
        (("chat", "tools"), "chat, tools"),
        (["a"], "a"),
        ("text", "text"),
        ("", ""),
    ],
)
def test_shown(value, text):
    assert format_cell(value) == text


@pytest.mark.parametrize("size", [1e-3, 0.01, 0.1, 1.0, 10.0, 100.0])
def test_a_measured_number_has_three_digits_at_most_and_no_exponent(size):
    for value in (1.2345 * size, 9.999 * size):
        text = format_cell(value)
        assert "e" not in text
        assert float(text.replace(",", "")) == pytest.approx(value, rel=0.005)


def test_one_line_has_no_line_break_and_no_control_character():
    assert one_line("a\nb\r\nc\td\x00e\x1b[31mf\u2028g\u202eh") == "a b c d ef gh"
    assert one_line("  a   b ") == "a b"


def test_one_line_keeps_what_joins_letters_and_drops_what_nobody_sees():
    family, want = (
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    )
    assert one_line(f"{want} {family}") == f"{want} {family}"
    assert one_line("mail\u00adroom \ufeffa\u200b, b\u200f.") == "mailroom a, b."
    assert sanitize_for_csv("\u200b=1+1") == "'=1+1"


def test_long_text_is_shortened():
    assert one_line("x" * 20, width=20) == "x" * 20
    assert one_line("x" * 21, width=20) == "x" * 17 + "..."


def test_terminal_table():
    lines = str(Table(["model", "n"], [["a", 5], ["bb", 1234], ["c", None]])).splitlines()
    assert [line.split() for line in lines] == [
        ["model", "n"],
        ["-------", "-----"],
        ["a", "5"],
        ["bb", "1,234"],
        ["c", "-"],
    ]
    assert [
        line.index(last) + len(last)
        for line, last in zip(lines[2:], ("5", "1,234", "-"), strict=True)
    ] == [len(lines[3])] * 3  # to the right


def test_columns_of_words_stand_left():
    lines = str(Table(["model", "ok"], [["a", True], ["long name", False]])).splitlines()
    assert {line.index(word) for line, word in zip(lines[2:], ("yes", "no"), strict=True)} == {
        lines[0].index("ok")
    }


def test_nasty_text_in_a_terminal():
    table = str(Table(["model", "text"], [["x", NASTY], ["y", "z"]]))
    assert len(table.splitlines()) == 4
    assert all(c.isprintable() for c in table.replace("\n", ""))


def rendered(markdown: str) -> str:
    """What a reader sees: a backslash before a mark is gone, an entity is its character."""
    return html.unescape(re.sub(r"\\([^\w\s])", r"\1", markdown))


def cells(line: str) -> list[str]:
    """The cells of a GitHub table row: split at bars that no backslash escapes."""
    found, escaped = [""], False
    for character in line.strip().removeprefix("|").removesuffix("|"):
        if character == "|" and not escaped:
            found.append("")
        else:
            found[-1] += character
        escaped = character == "\\" and not escaped
    return [cell.strip() for cell in found]


@pytest.mark.parametrize("text", [NASTY, "ends in a backslash \\", "\\|", "a||b", "|", "\\\\|"])
def test_nasty_text_in_markdown(text):
    lines = Table(["model", "text"], [["x", text], ["y", "z"]]).to_markdown().splitlines()
    assert len(lines) == 4
    assert [len(cells(line)) for line in lines] == [2] * 4
    assert rendered(cells(lines[2])[1]) == one_line(text)
    assert "<script" not in lines[2]


def test_markdown_keeps_an_entity_that_was_text():
    assert "&amp;lt;" in Table(["text"], [["&lt;"]]).to_markdown()


def test_nasty_text_in_html():
    drawn = Table(
        ["model", "text"], [["x", NASTY], ["<b>", "y"]], note="<img src=x onerror=alert(1)>"
    )._repr_html_()
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn
    assert "<b>" not in drawn
    assert "<img" not in drawn
    assert "&amp;" in drawn
    assert drawn.count("<tr>") == 3


def test_nasty_headers_in_html_and_markdown():
    table = Table(["<i>h</i>", "a|b"], [["x", "y"]])
    assert "<i>" not in table._repr_html_()
    assert "<i>" not in table.to_markdown()
    assert [len(cells(line)) for line in table.to_markdown().splitlines()] == [2] * 3


def test_numbers_that_are_text_are_left_as_they_are():
    """A version or an id is no number: 1.10 must not become 1.1, nor 007 become 7."""
    for drawn in (
        str(Table(["v"], [["1.10"], ["007"]])),
        Table(["v"], [["1.10"], ["007"]]).to_markdown(),
    ):
        assert "1.10" in drawn
        assert "007" in drawn


def test_the_note_comes_below():
    table = Table(["a"], [["x"]], note="Two failed.")
    assert str(table).splitlines()[-1] == "Two failed."
    assert table._repr_html_().endswith("<p>Two failed.</p>")


@pytest.mark.parametrize("rows", [[], [[]]])
def test_a_table_without_rows(rows):
    headers = ["model", "n"] if not rows else []
    assert str(Table(headers, rows)).split() == (
        ["model", "n", "-------", "---"] if headers else []
    )


# Objects that show themselves


class Findings(Shown):
    def __init__(self, table=None, sentences=()):
        self._table, self._sentences = table, sentences

    def table(self):
        return self._table

    def sentences(self):
        return self._sentences


def test_an_object_shows_its_table_and_its_sentences_below():
    shown = Findings(Table(["model"], [["a"]]), ["Two <failed>.", "One was slow."])
    assert str(shown).splitlines()[-3:] == ["a", "Two <failed>.", "One was slow."]
    drawn = shown._repr_html_()
    assert drawn.startswith("<table")
    assert drawn.endswith("<ul><li>Two &lt;failed&gt;.</li><li>One was slow.</li></ul>")


def test_either_may_be_missing():
    assert str(Findings(sentences=["Nothing to show."])) == "Nothing to show."
    assert Findings(sentences=["x"])._repr_html_() == "<ul><li>x</li></ul>"
    assert "<ul>" not in Findings(Table(["a"], [["x"]]))._repr_html_()
    assert (str(Findings()), Findings()._repr_html_()) == ("", "")
    assert (str(Shown()), Shown()._repr_html_()) == ("", "")


# Words and numbers


@pytest.mark.parametrize(
    ("words", "text"),
    [([], "none"), (["a"], "a"), (["a", "b"], "a and b"), (("a", "b", "c"), "a, b and c")],
)
def test_words_are_joined_as_a_sentence_lists_them(words, text):
    assert join_words(words) == text


def test_a_list_without_words_has_the_word_that_is_wanted():
    assert join_words([], "no model") == "no model"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 rounds"), (1, "1 round"), (2, "2 rounds"), (12_345, "12,345 rounds")],
)
def test_a_count_agrees_with_its_noun(number, text):
    assert count(number, "round") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123456, "12.3 ms"),
        (0.9, "900 ms"),
        (1.0, "1 s"),
        (1.234, "1.23 s"),
        (-0.05, "-50 ms"),
        (0, "0 ms"),
    ],
)
def test_a_duration_has_the_unit_that_reads_best(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0.0 MB"), (2_500_000, "2.5 MB"), (999_000_000, "999.0 MB"), (1_234e6, "1.23 GB")],
)
def test_a_size_is_in_megabytes_or_gigabytes(n_bytes, text):
    assert size(n_bytes) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("'x", "''x"),
        ("\t=1", "'=1"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_no_text_becomes_a_formula_of_a_spreadsheet(text, safe):
    assert sanitize_for_csv(text) == safe
