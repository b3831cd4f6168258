"""Templates and the splits that own them."""

from training import phrases


def test_a_template_belongs_to_one_split():
    for blocks in (phrases.VOICES["spoken"], phrases.VOICES["reported"], phrases.VOICES["short"]):
        for kind, block in blocks.items():
            parts = {
                split: set(phrases.own(block, split)) for split in ("train", "validation", "test")
            }
            assert all(parts.values()), kind
            assert not parts["train"] & parts["test"], kind
            assert not parts["train"] & parts["validation"], kind
            assert not parts["validation"] & parts["test"], kind
