"""The tables of the README."""

import copy
import json

from helpers.common.paths import BUILT_IN_MODELS
from training import tables


def test_goals_are_marked_reached_or_not_by_what_was_measured():
    results = json.loads((BUILT_IN_MODELS / "evaluation.json").read_text(encoding="utf-8"))
    perfect = copy.deepcopy(results)
    for alias, goal in tables.GOALS.items():
        perfect[alias]["generated"]["tasks"]["summary"] |= {
            "facet_recall": goal,
            "facet_recall_95": [goal - 0.01, goal + 0.01],
        }
        perfect[alias]["handwritten"]["tasks"]["summary"]["facet_recall"] = goal
        perfect[alias]["output_tokens_per_s"] = round(1000 / goal)
    perfect["pocket-midi"]["generated"]["degenerate"] = 0.0
    perfect["pocket-midi"]["generated"]["tasks"]["format"]["format_kept"] = 1.0
    for small, large in (("pocket-nano", "pocket-mini"), ("pocket-mini", "pocket-midi")):
        perfect[large]["gain"] = {
            "over": small,
            "summaries": 300,
            "difference": 0.1,
            "difference_95": [0.05, 0.15],
        }
    assert "not reached" not in tables.goals(perfect)
    perfect["pocket-midi"]["gain"]["difference_95"] = [-0.01, 0.21]
    assert tables.goals(perfect).count("not reached") == 1
    perfect["pocket-midi"]["gain"]["difference_95"] = [0.01, 0.21]
    perfect["pocket-mini"]["generated"]["tasks"]["summary"]["facet_recall_95"] = [0.5, 0.96]
    assert tables.goals(perfect).count("not reached") == 1
    assert tables.goals(results) in (BUILT_IN_MODELS / "README.md").read_text(encoding="utf-8")
