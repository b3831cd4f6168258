"""Phrases, sentences, items and words of an answer, in the markup and the scripts that models write."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.models.prompts import Facet
from helpers.quality.facets import find
from helpers.quality.text import count_items, count_sentences, count_words, without_markup


def facet(**match) -> Facet:
    return Facet(id="it", **match)


@pytest.mark.parametrize(
    "answer",
    [
        "Decision: **fix** the oven.",
        "They will fix the **oven** soon.",
        "__Fix__ *the* _oven_",
        "***Fix the oven***",
        "**Fix the** oven",
        "fi**x** the oven",
        "Fix the `oven`.",
        "~~Keep~~ fix ~~the~~ oven",
        "[Fix the oven](https://example.org/a_b)",
        "[fix](x) the ![oven](y.png)",
        "<b>Fix</b> the <span class='x'>oven</span>",
        "fix<br>the oven",
        "Fix the\n  oven",
        "Fix\u00a0the oven",
        "\uff26ix the oven",  # a full-width letter
        "Fix the ov\u00aden",
        "fix the&nbsp;oven",
        "> fix the **oven**:",
    ],
)
def test_markup_within_a_phrase_does_not_hide_it(answer):
    assert find(facet(any_of=["fix the oven"]), answer)


@pytest.mark.parametrize(
    ("match", "answer"),
    [
        ({"date": "14 March"}, "It is due on March **14**."),
        ({"date": "14 March"}, "**14** *March*"),
        ({"date": "14 March"}, "**14**th of March"),
        ({"date": "14 March"}, r"by 14\. March 14"),
        ({"date": "14 March"}, "截止日期是3月14日。"),
        ({"date": "14 March"}, "2026年 3 月 14 日"),
        ({"date": "14 March"}, "در ۱۴/۳ است"),
        ({"number": 12000}, "预算是12,000元。"),
        ({"number": 12000}, "预算 **12000** 元"),
        ({"number": 12000}, "الميزانية ١٢٬٠٠٠ دينار"),
        ({"number": 6.5}, "Das kostet 6,50 Euro."),
        ({"number": 6.5}, "۶٫۵"),
        ({"number": 12}, "**12**"),
        ({"regex": r"\*\*owner\*\*: ana"}, "**Owner**: Ana"),
        ({"regex": r"owner: ana"}, "**Owner**: Ana"),
        ({"any_of": ["snake_case"]}, "Use snake_case."),
        ({"any_of": ["__init__"]}, "Call `__init__`."),
    ],
)
def test_dates_numbers_and_patterns_are_found_in_any_markup_and_digits(match, answer):
    assert find(facet(**match), answer)


@pytest.mark.parametrize(
    ("match", "answer"),
    [
        ({"date": "4 March"}, "3月14日"),
        ({"date": "14 March"}, "13月14日"),
        ({"number": 6}, "2*3"),
        ({"number": 23}, "2*3"),
        ({"number": 12}, "12,000 people"),
        ({"number": 650}, "6,50"),
        ({"any_of": ["art"]}, "p**art** of it"),
        ({"any_of": ["**"]}, "**bold**"),
    ],
)
def test_what_is_not_there_is_not_found_in_markup_either(match, answer):
    assert find(facet(**match), answer) is None


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [
        ("预算", "会议讨论预算并已批准。"),
        ("预算已批准", "预算 **已批准**。"),
        ("予算", "会議で予算を承認しました。"),
        ("スキャナー", "新しいｽｷｬﾅｰを買う"),  # half-width kana
        ("Ana", "由Ana负责。"),
        ("由Ana负责", "由 Ana 负责"),
        ("งบประมาณ", "ที่ประชุมอนุมัติงบประมาณแล้ว"),
        ("예산", "회의에서 예산을 승인했다."),
        ("ميزانية", "تمت الموافقة على الميزانية."),
        ("ميزانية", "وبالميزانية الجديدة"),
        ("ميزانية", "للميزانية"),
        ("ميزانية", "المِيزَانِيَّة"),  # with its vowels
        ("الاجتماع", "والاجتماع يوم الجمعة"),
        ("תקציב", "הוחלט על התקציב."),
        ("תקציב", "ולתקציב"),
        ("תקציב", "תַּקְצִיב"),
        ("می‌خواهم", "من میخواهم بروم"),
        ("می‌خواهم", "من مي‌خواهم بروم"),  # with the ye of an Arabic keyboard
        ("کتاب", "کتاب‌ها را بخر"),
        ("بैठक".replace("ب", "ब"), "बैठक शुक्रवार को है।"),
        ("Straße", "in der STRASSE"),
        ("café", "le cafe\u0301"),  # an accent of its own
        ("бюджет", "Утвердили бюджета."),
    ],
)
def test_a_phrase_is_found_in_scripts_without_spaces_and_with_articles(phrase, answer):
    assert find(facet(any_of=[phrase]), answer)


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [("ठक", "बैठक शुक्रवार को है।"), ("مال", "كمال"), ("ана", "Светлана"), ("预算", "会议")],
)
def test_a_part_of_a_word_is_not_found_where_words_have_spaces(phrase, answer):
    assert find(facet(any_of=[phrase]), answer) is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...", 0),
        ("One.", 1),
        ("One. Two!", 2),
        ("One. Two", 2),
        ("It costs 6.50. Fine?", 2),
        ("Dr. Osei owns it.", 1),
        ('He said "go." Then left.', 2),
        ("**Done.** Next.", 2),
        ("*Done.* _Next._", 2),
        ("The team meets at 3 p.m. tomorrow.", 1),
        ("It starts at 3 p.m. Ana owns it.", 2),
        ("It starts at 3 p.m.", 1),
        ("The U.S. team owns it.", 1),
        ("They moved to the U.S. The price is open.", 2),
        ("J. K. Smith owns it.", 1),
        ("The answer is no. Ask Ana.", 2),
        ("See no. 5 of the list.", 1),
        ("Tea, coffee, etc. are there. Fine.", 2),
        ("Well... maybe not.", 1),
        ("What?! Yes.", 2),
        ("Das Caf\u00e9 \u00f6ffnet am 14. M\u00e4rz.", 1),
        ("1. Fix the oven.\n2. Order a scanner.", 2),
        ("**1.** Fix the oven.\n**2.** Order it.", 2),
        ("会议定于周五。预算已批准。", 2),
        ("会议定于周五！预算已批准吗？是的", 3),
        ("他说：「好。」然后离开了。", 2),
        ("会议定于周五.预算已批准.", 2),
        ("価格は6.5です。以上。", 2),
        ("جلسه کی است؟ چه کسی می‌آید؟", 2),
        ("متى الاجتماع؟ يوم الجمعة.", 2),
        ("बैठक शुक्रवार को है। बजट स्वीकृत है।", 2),
        ("बैठक कब है ? शुक्रवार ।", 2),
        ("اجلاس جمعہ کو ہے۔ بجٹ منظور ہے۔", 2),
        ("ประชุมวันศุกร์ งบประมาณอนุมัติแล้ว", 1),
        ("¿Cuándo? Mañana.", 2),
    ],
)
def test_sentences_are_counted(text, count):
    assert count_sentences(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("- a\n- b", 2),
        ("* a\n  * b\ntext", 2),
        ("1. a\n2) b", 2),
        ("-a", 0),
        ("12 apples", 0),
        ("---\n***\ntext", 0),
        ("– a\n— b\n• c\n● d\n▪ e\n· f\n+ g", 7),
        ("**1.** a\n**2. b**", 2),
        ("- **a**\n* *b*", 2),
        (r"1\. a", 1),
        ("1.Fix\n2.Order", 2),
        ("1.5 million", 0),
        ("2026-03-14 is the day", 0),
        ("5 - 3 is 2", 0),
        ("(1) a\n(b) c\nc) d", 3),
        ("A. Smith said so", 0),
        ("1、修理烤箱\n2、订购扫描仪", 2),
        ("１．修理\n２）订购", 2),
        ("一、修理\n二、订购", 2),
        ("۱. اول\n۲- دوم\n١) أولا", 3),
        ("1\ufe0f\u20e3 a\n\u2461 b\n\u2705 c", 3),
        ("<ul><li>a</li><li>b</li></ul>", 2),
        ("> - a", 1),
        ("- [ ] a\n- [x] b", 2),
    ],
)
def test_items_are_counted(text, count):
    assert count_items(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("a b c", 3),
        ("Ana – the owner", 3),
        ("Ana—the owner", 3),
        ("- **Fix** the oven\n- Done", 4),
        ("**1.** Fix it", 2),
        ("3 p.m. in the U.S.", 5),
        ("well-known 6.50", 2),
        ("会议定于周五。", 6),
        ("由Ana负责", 4),
        ("می‌خواهم بروم", 2),
        ("बैठक शुक्रवार को है।", 4),
        ("...", 0),
    ],
)
def test_words_are_counted(text, count):
    assert count_words(text) == count


def test_thai_words_are_estimated():
    assert 4 <= count_words("ที่ประชุมอนุมัติงบประมาณแล้ว") <= 7


@pytest.mark.parametrize("text", ["2 * 3 * 4", "2*3", "a_b_c", "x < b and c > d", "[a] (b)", "#1"])
def test_what_is_no_markup_stays(text):
    assert without_markup(text) == text


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("aZ9 \n.!?*_`~[]()<>b/\\&;。？،।ع会ก\u200c\ud800-–1")))
def test_any_text_is_counted(text):
    assert count_sentences(text) >= 0 <= count_items(text)
    assert 0 <= count_words(text) <= len(text)
    assert find(facet(any_of=["a b"]), text) != ""


@pytest.mark.timeout(30)  # a quadratic pattern takes many minutes
@pytest.mark.parametrize(
    "part",
    [
        ".",
        "*",
        "_",
        "[",
        "[](",
        "<b",
        "a.",
        "A.",
        "! ",
        "`",
        "- ",
        "1",
        "&",
        " ",
        "\\",
        "a ",
        "会",
        "é",
    ],
)
def test_a_model_that_repeats_itself_without_end_is_read_at_once(part):
    text = part * (200_000 // len(part)) + "x"
    assert count_sentences(text) >= 0 <= count_items(text)
    assert count_words(text) >= 0
    for match in ({"any_of": ["oven"]}, {"number": 7}, {"date": "14 March"}):
        find(facet(**match), text)
