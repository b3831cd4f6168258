"""Invented meetings."""

from training import grammar, meetings, phrases, words


def test_what_is_open_or_may_go_wrong_is_half_from_parts_in_training_and_never_elsewhere():
    fields = {"topic": "TOPIC", **dict.fromkeys(("s", "is", "was", "has", "does"), "")}
    listed = {
        template.format(**fields).lower()
        for block in (phrases.OPEN_QUESTIONS, phrases.RISKS)
        for template in block
    }
    for split, least, most in (("train", 0.35, 0.6), ("validation", 0, 0), ("test", 0, 0)):
        rng = words.generator(3, split)
        made = [meetings.clause(rng, split, kind) for kind in ("open", "risk") for _ in range(500)]
        assert {phrases.owner_of(template) for template in made} <= {None, split}
        from_parts = [
            template for template in made if template.format(**fields).lower() not in listed
        ]
        assert least * len(made) <= len(from_parts) <= most * len(made)
    rng = words.generator(4, "train")
    kept = {
        kind: {grammar.clause(rng, kind, ["fix"]) for _ in range(2000)} for kind in ("open", "risk")
    }
    assert all(
        template.format(**fields).count("TOPIC") == 1
        for templates in kept.values()
        for template in templates
    )
    assert min(map(len, kept.values())) > 250
