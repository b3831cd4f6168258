"""The token arrays; runs only where the extras are installed."""

import numpy as np
import pytest

from training import generate

NEEDS = "needs training/requirements.txt (heavy; only for making models)"
tokens = pytest.importorskip("training.tokens", reason=NEEDS)


def test_tokens_of_a_conversation_say_where_its_notes_and_branches_are(tmp_path):
    generate.write(tmp_path, 1, scale=0.002)
    tokens.learn(tmp_path / "train.jsonl", tmp_path)
    tokenizer = tokens.load(tmp_path)
    tokens.encode(tmp_path / "train.jsonl", tokenizer, tmp_path / "train.npz")
    data = np.load(tmp_path / "train.npz")
    seen = 0
    for number, turns in enumerate(generate.read(tmp_path / "train.jsonl")):
        part = slice(*data["starts"][number : number + 2])
        ids, branch, position = (data[name][part] for name in ("ids", "branch", "position"))
        if not any(turn["notes"] == "" for turn in turns):
            assert not branch.any()
            continue
        seen += 1
        # A first word or mark that shares its token with the space before it is left to the request.
        whole, found = turns[0]["notes"].strip(), tokenizer.decode(ids[branch == 0]).strip()
        assert whole.endswith(found)
        assert len(whole.removesuffix(found).split()) <= 1
        last = position[branch == 0][-1]
        for count in range(2, len(turns) + 1):
            assert position[branch == count].tolist() == list(
                range(last + 1, last + 1 + (branch == count).sum())
            )
            asked = turns[count - 1]
            assert (
                tokenizer.decode(ids[branch == count])
                == asked["user"]
                + tokens.END
                + f"\n{tokens.START}assistant\n{asked['assistant']}{tokens.END}\n"
            )
    assert seen > 100
