"""The Persian notes: a right summary scores high, one that misses or contradicts a fact lower, and English nothing."""

import re

import pytest

from helpers.common.paths import DATA
from helpers.models.prompts import load_prompts
from helpers.quality import facets

PROMPTS = {prompt.id: prompt for prompt in load_prompts(DATA / "prompts-fa.json").prompts}
# {right|wrong} marks a fact and what contradicts it; {right|} can only be missing.
SUMMARIES = {
    "call-back": "درمانگاه دوشنبه‌ها {تماس برگشتی|خط تلفن تازه} را آزمایش می‌کند. {پریسا|} آن را تا {12 اسفند|} راه می‌اندازد. "
    "باز است: اگر بیمار {جواب ندهد|} چه کنند.",
    "not-renew": "قرارداد پشتیبانی {تمدید نمی‌شود|تمدید می‌شود}. {مریم|} تا {جمعه|} فروشنده را خبر می‌کند و {رضا|} جایگزین پیدا می‌کند. "
    "هنوز روشن نیست که {بایگانی|} با کیست.",
    "bread-price": "نان از هفتهٔ بعد {65|68} هزار تومان می‌شود. {نیما|} {یکشنبه|روز شنبه} {برچسب‌ها|} را عوض می‌کند. خبری از {آرد|} نیست.",
    "rented-van": "به جای وانت خراب یکی {اجاره|} می‌شود. {گلناز|} تا {فردا ظهر|} وانت پیدا می‌کند و {فرهاد|} مسیرها را می‌نویسد. "
    "شاید به خاطر {جشنواره|} وانتی نباشد.",
    "corrected-day": "{اردو|} برای پایهٔ پنجم است. {ندا|} {چهارشنبه|سه‌شنبه} رضایت‌نامه می‌فرستد و {طاها|} قیمت اتوبوس می‌گیرد. {ناهار|} پایهٔ چهارم هنوز بی مسئول است.",
    "server-move": "{سرور تست|} جابه‌جا می‌شود. {کاوه|} تا {20 دی|} پشتیبان می‌گیرد و {لیلا|} مشتری‌ها را خبر می‌کند. {هزینه|} هنوز معلوم نیست.",
}
SLOT = re.compile(r"\{([^|{}]+)\|([^{}]*)\}")


def quality(name: str, answer: str) -> float:
    value = facets.score(PROMPTS[name], answer).quality
    assert value is not None
    return value


def test_there_is_a_summary_for_each_prompt():
    assert SUMMARIES.keys() == PROMPTS.keys()
    assert len(PROMPTS) == 6


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_fact_that_is_missing_or_contradicted_costs_quality(name):
    best = quality(name, SLOT.sub(r"\1", SUMMARIES[name]))
    assert best > 0.9
    for slot in SLOT.finditer(SUMMARIES[name]):
        before, after = (
            SLOT.sub(r"\1", part)
            for part in (SUMMARIES[name][: slot.start()], SUMMARIES[name][slot.end() :])
        )
        missing = quality(name, f"{before}{after}")
        assert missing < best, slot[0]
        if slot[2]:
            assert quality(name, f"{before}{slot[2]}{after}") < missing, slot[0]


@pytest.mark.parametrize("name", SUMMARIES)
def test_what_is_no_persian_summary_scores_next_to_nothing(name):
    english = "The team decided to renew the contract. Ana will tell the vendor by Friday."
    assert quality(name, english) < 0.1
    assert quality(name, "") == 0
    assert quality(name, PROMPTS[name].text) < 0.3


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_keyboard_makes_no_difference(name):
    right = SLOT.sub(r"\1", SUMMARIES[name])
    typed = right.replace("\u06cc", "\u064a").replace("\u06a9", "\u0643").replace("\u200c", "")
    assert quality(name, typed) == pytest.approx(quality(name, right), abs=0.05)
