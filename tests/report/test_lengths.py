"""TTFT against prompt tokens: a known line comes back, and what cannot be told is said."""

import pytest

from helpers.models.prompts import load_prompts
from helpers.report import lengths
from helpers.report.report import make_report
from support.records import about, answer, record

TOKENS = [100, 200, 300, 500, 900]


def run_of_lengths(folder, tokens=TOKENS, per_token_s=0.004, noise=0.0):
    rows = [
        answer("m", f"p{n}", number, 9.0, prompt_tokens=n, ttft_s=0.1 + per_token_s * n + noise * (n % 3 - 1))
        for n in tokens
        for number in (1, 2, 3)
    ]  # fmt: skip
    prompts = [{"id": f"p{n}", "text": f"Say {n}.", "facets": [], "format": None} for n in tokens]
    return record(
        folder, {"m": about()}, rows, prompts={"name": "mine", "title": "", "prompts": prompts}
    )


def test_the_slope_is_prefill_and_2_s_allow_so_many_tokens(tmp_path):
    """0.1 s and 4 ms a token: 250 tokens/s, and (2 - 0.1) / 0.004 = 475 tokens."""
    run = run_of_lengths(tmp_path)
    (found,) = lengths.prefills(run)
    assert found.tokens_per_s == pytest.approx(250)
    assert found.start_s == pytest.approx(0.1)
    assert found.longest == pytest.approx(475, abs=1)
    chart = lengths.by_length(run)
    assert "m: prefill at 250 prompt tokens/s (95 % interval 250 to 250, n = 5 prompts of 100 to 900 tokens)" in chart.finding  # fmt: skip
    assert "A TTFT of 2 s allows 47" in chart.finding
    sections = {section.title: section for section in make_report(run).sections}
    assert sections["Prompt length"].pictures["lengths"].finding == chart.finding


def test_noise_widens_the_interval_and_a_fast_model_is_not_promised_more_than_was_seen(tmp_path):
    (found,) = lengths.prefills(run_of_lengths(tmp_path, per_token_s=0.001, noise=0.05))
    assert found.low < 0.95 * found.tokens_per_s < 1.05 * found.tokens_per_s < found.high
    said = lengths.by_length(run_of_lengths(tmp_path, per_token_s=0.001)).finding
    assert "stay below a TTFT of 2 s" in said and "beyond what was measured" in said


@pytest.mark.parametrize("tokens", [TOKENS[:4], [100, 110, 120, 130, 140]])
def test_few_or_equal_lengths_give_no_line(tmp_path, tokens):
    run = run_of_lengths(tmp_path, tokens)
    assert lengths.prefills(run) == []
    assert "It takes 5 prompts" in lengths.by_length(run).finding
    assert "Prompt length" not in [section.title for section in make_report(run).sections]


def test_the_shipped_set_has_many_lengths_and_no_common_beginning():
    texts = [prompt.text for prompt in load_prompts("lengths").prompts]
    assert max(map(len, texts)) > 5 * min(map(len, texts))
    assert len({text[:20] for text in texts}) == len(texts) == 10
