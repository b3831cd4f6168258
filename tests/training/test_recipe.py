"""The recipe of the built-in models: its text, its counting, its tables. Training runs in small where its extras are installed."""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from helpers.common.paths import BUILT_IN_MODELS

RECIPE = BUILT_IN_MODELS / "recipe"
EXTRAS = ("torch", "transformers", "onnxruntime_genai", "onnx", "onnx_ir")
HAS_EXTRAS = all(importlib.util.find_spec(name) for name in EXTRAS)


@pytest.fixture(scope="module")
def recipe():
    """The recipe's modules, imported as its command imports them."""
    sys.path.insert(0, str(RECIPE))
    before = dict(os.environ)
    try:
        import generate
        import words

        yield generate, words
    finally:
        sys.path.remove(str(RECIPE))
        os.environ.clear()
        os.environ.update(before)


def run_recipe(*arguments):
    return subprocess.run(
        [sys.executable, str(RECIPE), *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=900,
    )


def test_the_same_seed_writes_the_same_text(recipe, tmp_path):
    generate, _ = recipe
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        generate.write(tmp_path / name, seed, scale=0.002)
    texts = {
        name: (tmp_path / name / "train.jsonl").read_text(encoding="utf-8")
        for name in ("first", "again", "other")
    }
    assert texts["first"] == texts["again"]
    assert texts["first"] != texts["other"]
    assert len(texts["first"].splitlines()) == 260


def test_no_name_topic_word_or_verb_of_one_split_is_in_another(recipe):
    """Every content word of a facet has one owner, whichever list it came from; titles, small words and dates are shared."""
    generate, words = recipe
    for split in words.SPLITS:
        facets = [
            facet
            for c in generate.conversations(5, split, 400)
            for turn in c
            for name, facet in turn.facets.items()
            if name.startswith("owner")
        ]
        names = {
            word.casefold() for facet in facets for word in re.findall(r"[A-Za-z]{3,}", facet)
        } - {"nobody"}
        assert len(names) > 50
        assert [name for name in names if words.split_of(name) != split] == []


def test_a_template_belongs_to_one_split(recipe):
    import phrases

    for blocks in (phrases.SPOKEN, phrases.REPORTED, phrases.SHORT):
        for kind, block in blocks.items():
            parts = {
                split: set(phrases.own(block, split)) for split in ("train", "validation", "test")
            }
            assert all(parts.values()), kind
            assert not parts["train"] & parts["test"], kind
            assert not parts["train"] & parts["validation"], kind
            assert not parts["validation"] & parts["test"], kind


def test_no_sentence_from_parts_is_a_held_out_template(recipe):
    """Parts are for training: what they make is in no list, or in the list of the training text."""
    import random

    import grammar
    import phrases

    held_out = {
        phrases._plain(template)
        for template, owner in phrases._owners().items()
        if owner in ("validation", "test")
    }
    for voice, kinds in grammar.CORES.items():
        for kind, cores in kinds.items():
            assert not held_out & {phrases._plain(core) for core in cores}, (voice, kind)
    rng = random.Random(1)
    made = {
        grammar.sentence(rng, voice, kind)
        for voice, kinds in grammar.CORES.items()
        for kind in kinds
        for _ in range(200)
    }
    assert len(made) > 5000


def test_what_is_open_or_may_go_wrong_is_half_from_parts_in_training_and_never_elsewhere(recipe):
    _generate, words = recipe
    import grammar
    import meetings
    import phrases

    fields = {"topic": "TOPIC", **dict.fromkeys(("s", "is", "was", "has", "does"), "")}
    listed = {
        template.format(**fields).lower()
        for block in (phrases.OPEN_QUESTIONS, phrases.RISKS)
        for template in block
    }
    for split, least, most in (("train", 0.35, 0.6), ("validation", 0, 0), ("test", 0, 0)):
        rng = words.generator(3, split)
        made = [
            meetings._clause(rng, split, kind, block)
            for kind, block in (("open", phrases.OPEN_QUESTIONS), ("risk", phrases.RISKS))
            for _ in range(500)
        ]
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


def test_no_held_out_request_is_asked_in_training(recipe):
    """Wherever the notes stand in it."""
    generate, _words = recipe
    import phrases

    def wording(text):
        return phrases._plain(text.replace("{notes}", " ")).strip()

    asked = set()
    for conversation in generate.conversations(11, "train", 3000):
        for turn in conversation:
            if turn.task in ("summary", "actions"):
                asked.add(
                    wording(turn.request.replace(turn.notes, "") if turn.notes else turn.request)
                )
    assert len(asked) > 1000
    for split in ("validation", "test"):
        for block in (phrases.SUMMARIZE, phrases.LIST_ACTIONS):
            held_out = {wording(template) for template in phrases.own(block, split)}
            assert len(held_out) >= 6
            assert not held_out & asked


def test_parts_that_come_to_a_held_out_request_or_question_are_not_used(recipe, monkeypatch):
    """Whatever parts.json holds, and however it is written."""
    _generate, words = recipe
    import grammar
    import meetings
    import phrases

    held_out = phrases.own(phrases.SUMMARIZE, "test")[0]
    asked = phrases.own(phrases.QUESTIONS["decision"], "validation")[0]
    rng = words.generator(5, "train")
    for request, question, used in ((held_out, asked, False), ("Zum {notes} zum", "Zum?", True)):
        monkeypatch.setattr(
            grammar,
            "request",
            lambda _rng, _kind, text=request: text.upper().replace("{NOTES}", "{notes}") + "!",
        )
        monkeypatch.setattr(grammar, "question", lambda _rng, _kind, text=question: text.upper())
        wordings = {
            phrases.wording(meetings._template(rng, "train", phrases.SUMMARIZE, "first"))
            for _ in range(40)
        }
        assert (phrases.wording(request) in wordings) == used
        questions = {
            phrases.wording(meetings._wording(rng, "train", "decision")) for _ in range(40)
        }
        assert (phrases.wording(question) in questions) == used


def test_questions_from_parts_have_the_fields_of_their_kind(recipe):
    """Of what and topic one, never both: what is asked about must be named once."""
    import grammar
    import phrases

    assert set(grammar.QUESTIONS) == set(phrases.QUESTIONS)
    for kind, questions in grammar.QUESTIONS.items():
        for text in questions:
            named = re.findall(r"\{(what|topic)\}", text)
            assert len(named) == (1 if kind in ("owner", "due") else 0), text
            assert ("{owner}" in text) == (kind == "task") or kind == "due", text
            assert text[-1] in "?.", text


def test_in_training_further_requests_stand_behind_the_notes_alone(recipe):
    """A branch is right behind the notes, which only the first request holds."""
    generate, _ = recipe
    conversations = [
        c for c in generate.conversations(12, "train", 500) if any(turn.notes == "" for turn in c)
    ]
    assert len(conversations) > 200
    for first, *others in conversations:
        assert first.notes
        assert first.notes in first.request
        assert all(
            turn.notes == "" and turn.request[0] in " \n" and "{" not in turn.request
            for turn in others
        )


def test_the_notes_contain_what_the_readme_says(recipe):
    """Every phenomenon that the task names is there; changes of mind are not the rule."""
    generate, _ = recipe
    shares = generate.contents(1, "test", 1500)
    assert min(shares.values()) > 0.02
    assert shares["a digression"] > 0.5
    for name in (
        "a date that is corrected",
        "an owner who is corrected at once",
        "a task that is handed over later",
        "a plan that is dropped for another",
    ):
        assert 0.02 < shares[name] < 0.15, name


def test_every_expected_facet_stands_in_the_reference_answer(recipe):
    generate, _ = recipe
    turns = [
        turn for conversation in generate.conversations(3, "test", 300) for turn in conversation
    ]
    facets = [(value, turn.text) for turn in turns for value in turn.facets.values()]
    assert len(facets) > 300
    assert [value for value, text in facets if value.lower() not in text.lower()] == []


def test_answers_keep_the_form_that_the_prompt_asks_for(recipe):
    generate, _ = recipe
    two = [
        turn.text
        for c in generate.conversations(4, "test", 600)
        for turn in c
        if re.search(r"in (2|two) sentences", turn.request, re.IGNORECASE)
    ]
    three = [
        turn.text
        for c in generate.conversations(4, "test", 600)
        for turn in c
        if re.search(r"(3|three) bullets", turn.request, re.IGNORECASE)
    ]
    assert len(two) > 5
    assert len(three) > 5
    assert {len(re.findall(r"[.!?](\s|$)", text)) for text in two} == {2}
    assert {len(re.findall(r"^- ", text, re.MULTILINE)) for text in three} == {3}


def test_every_package_has_a_card_with_licence_limits_and_measurements():
    manifest = json.loads((BUILT_IN_MODELS / "manifest.json").read_text(encoding="utf-8"))
    for alias in manifest["models"]:
        card = (BUILT_IN_MODELS / alias / "MODEL_CARD.md").read_text(encoding="utf-8")
        for part in (
            "MIT",
            "## Data",
            "## Training",
            "## Measured",
            "## Limits",
            f"{manifest['models'][alias]['parameters']:,}",
        ):
            assert part in card, part


@pytest.mark.parametrize(
    ("facet", "text", "expected"),
    [
        ("Ana", "ana owns it", True),
        ("fix the oven", "The team decided to fix the ovens.", True),
        (["oven", "stove"], "They fix the Oven.", True),
        (["oven"], "They fix the ovens.", False),
        (["12 May", "May 12"], "due by May 12.", True),
        (["2 May"], "due by 12 May.", False),
        (["call-back"], "The call-back is live.", True),
    ],
)
def test_a_facet_is_found_as_it_stands_or_in_one_of_its_wordings(recipe, facet, text, expected):
    import evaluate

    assert evaluate.found(facet, text) is expected


@pytest.mark.parametrize(
    ("request_text", "asked", "text", "kept"),
    [
        ("Summarize in 2 sentences: x", None, "One. Two.", True),
        ("Summarize in two sentences: x", None, "One.", False),
        ("As 3 bullets", None, "no", None),
        ("Summarize as 3 bullets: x", None, "- a\n- b\n- c", True),
        ("Put it short: x", {"sentences": 1}, "One. Two.", False),
        ("Put it short: x", {"bullets": 2}, "- One\n- Two", True),
        ("Summarize: x", None, "One.", None),
    ],
)
def test_the_form_of_an_answer_is_counted(recipe, request_text, asked, text, kept):
    import evaluate

    assert evaluate.format_kept({"user": request_text, "format": asked}, text) is kept


@pytest.mark.parametrize(
    ("text", "finish", "degenerate"),
    [
        ("Ana owns it.", "stop", False),
        ("", "stop", True),
        ("Ana owns", "length", True),
        ("a b c d a b c d a b c d", "stop", True),
    ],
)
def test_an_answer_that_is_empty_looping_or_cut_off_is_degenerate(recipe, text, finish, degenerate):
    import evaluate

    turn = {
        "task": "summary",
        "user": "Summarize: x",
        "assistant": "Ana owns it.",
        "facets": {"owner": "Ana"},
        "forbidden": ["Ben"],
    }
    row = evaluate.judge(turn, SimpleNamespace(text=text, finish_reason=finish))
    assert row["degenerate"] is degenerate
    assert row["hits"] == {"owner": "Ana" in text}
    assert row["forbidden"] is False


def test_the_handwritten_set_is_whole_and_every_facet_stands_in_its_notes(recipe):
    import evaluate

    notes = json.loads((RECIPE / "handwritten.json").read_text(encoding="utf-8"))["notes"]
    assert len(notes) >= 40
    assert len({note["id"] for note in notes}) == len(notes)
    for note in notes:
        for request in note["requests"]:
            assert request["request"].count("{notes}") == 1, note["id"]
            for facet in request["facets"] + request.get("forbidden", []):
                assert evaluate.found(facet["any_of"], note["notes"]), (note["id"], facet)
    turns = evaluate.handwritten()
    assert {turn["task"] for turn in turns} == {
        "summary",
        "format",
        "actions",
        "question",
        "unanswerable",
    }
    assert not [turn["user"] for turn in turns if "{notes}" in turn["user"]]


def test_no_handwritten_note_comes_from_the_generator(recipe):
    """Independent of the templates: no whole sentence of a note fits one that has five words of its own or more."""
    import grammar
    import phrases

    notes = [
        note["notes"]
        for note in json.loads((RECIPE / "handwritten.json").read_text(encoding="utf-8"))["notes"]
    ]
    sentences = {
        sentence.strip()
        for text in notes
        for sentence in re.split(r"(?<=[.!?])\s|\n", text)
        if len(sentence.split()) > 5
    }
    from_parts = [cores for kinds in grammar.CORES.values() for cores in kinds.values()]
    own_words = {
        t: len(re.findall(r"[A-Za-z']+", re.sub(r"\{\w+\}", "", t)))
        for templates in (*phrases._lists(), *from_parts)
        for t in templates
        if "{notes}" not in t
    }
    templates = [template for template, count in own_words.items() if count >= 5]
    patterns = [
        re.compile(
            re.sub(r"\\\{\w+\\\}", r"\\S+( \\S+){0,3}", re.escape(template)) + r"\.?", re.IGNORECASE
        )
        for template in templates
        if "{" in template
    ]
    assert len(sentences) > 100
    assert len(patterns) > 1000
    assert [
        sentence
        for sentence in sentences
        if any(pattern.fullmatch(sentence) for pattern in patterns)
    ] == []


@pytest.mark.parametrize("known", [(), ("words",), ("sentences",), ("requests",)])
def test_a_study_of_gaps_takes_from_training_what_it_says_and_nothing_else(recipe, known):
    _generate, words = recipe
    import gaps
    import phrases

    before = phrases.own(phrases.SUMMARIZE, "validation"), words._cut()["validation", "names"]
    turns = gaps.summaries(known, 150)
    assert (
        phrases.own(phrases.SUMMARIZE, "validation"),
        words._cut()["validation", "names"],
    ) == before
    text = "\n".join(turn["user"] for turn in turns)
    trained = {
        "words": {
            name for name in words._cut()["train", "names"] if re.search(rf"\b{name}\b", text)
        },
        "sentences": {
            line
            for line in phrases.own(phrases.REPORTED["chatter"], "train")
            if "{" not in line and line.rstrip(".") in text
        },
        "requests": {
            line
            for line in phrases.own(phrases.SUMMARIZE, "train")
            if line.replace("{notes}", "").strip() in text
        },
    }
    session_request = {phrases.lines(phrases.SUMMARIZE)[0]}
    assert {part for part, found in trained.items() if len(found - session_request) > 2} == set(
        known
    )


def test_a_small_evaluation_asks_the_served_model_and_refreshes_card_and_tables(recipe, tmp_path):
    """Through the real runtime; torch is not needed and not asked for."""
    models = tmp_path / "models"
    shutil.copytree(BUILT_IN_MODELS / "pocket-nano", models / "pocket-nano")
    shutil.copy(BUILT_IN_MODELS / "training.json", models)
    (models / "README.md").write_text(
        "before\n<!-- results: written by the recipe -->\n<!-- end of results -->\n<!-- gaps: written by the recipe -->\n<!-- end of gaps -->\nafter\n",
        encoding="utf-8",
    )
    done = run_recipe(
        "gaps",
        "evaluate",
        "speed",
        "package",
        "--models",
        "pocket-nano",
        "--scale",
        "0.01",
        "--work",
        tmp_path / "work",
        "--output",
        models,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((models / "evaluation.json").read_text(encoding="utf-8"))["pocket-nano"]
    assert result["generated"]["prompts"] == 8
    assert result["handwritten"]["prompts"] == 8
    assert result["torch"] is None
    assert 0 < result["load_s"] < 60
    for task in result["handwritten"]["tasks"].values():
        low, high = task.get("facet_recall_95", (0, 1))
        assert 0 <= low <= task.get("facet_recall", 0.5) <= high <= 1
    text = (models / "README.md").read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| pocket-nano | 1,0" in text
    known = [row["known"] for row in json.loads((models / "gaps.json").read_text(encoding="utf-8"))]
    assert known == [[], ["words"], ["sentences"], ["requests"], ["words", "sentences", "requests"]]
    assert re.search(r"\n\| nothing \| 0\.\d\d \(.*\n\| words \|", text)
    assert "The answers were not compared" in (models / "pocket-nano" / "MODEL_CARD.md").read_text(
        encoding="utf-8"
    )
    shutil.copy(BUILT_IN_MODELS / "evaluation.json", models)
    known = json.loads((models / "evaluation.json").read_text(encoding="utf-8"))["pocket-nano"][
        "torch"
    ]
    again = run_recipe(
        "evaluate",
        "--models",
        "pocket-nano",
        "--scale",
        "0.01",
        "--work",
        tmp_path / "work",
        "--output",
        models,
    )
    assert again.returncode == 0, again.stderr
    assert (
        json.loads((models / "evaluation.json").read_text(encoding="utf-8"))["pocket-nano"]["torch"]
        == known
    )  # the same weights
    answers = (
        (tmp_path / "work" / "answers" / "pocket-nano-handwritten.jsonl")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    assert len(answers) == 8


def test_a_gain_is_the_difference_on_the_same_prompts(recipe, tmp_path):
    """Two sizes that differ by as much on every prompt are told apart, however much the prompts differ."""
    import evaluate

    turns = [{"user": f"prompt {n}"} for n in range(40)]
    answers = tmp_path / "answers"
    answers.mkdir()

    def rows(found):
        return [
            {"task": "summary", "hits": {str(facet): facet < n % 8 + found for facet in range(10)}}
            for n in range(40)
        ]

    def write(prompts):
        lines = [
            json.dumps({"prompt": prompt} | row)
            for prompt, row in zip(prompts, rows(1), strict=True)
        ]
        (answers / "pocket-mini-generated.jsonl").write_text("\n".join(lines), encoding="utf-8")

    assert evaluate._gain("pocket-midi", tmp_path, turns, rows(2)) is None  # mini was not asked
    write([turn["user"] for turn in turns])
    gain = evaluate._gain("pocket-midi", tmp_path, turns, rows(2))
    assert gain == {
        "over": "pocket-mini",
        "summaries": 40,
        "difference": 0.1,
        "difference_95": [0.1, 0.1],
    }
    assert evaluate._gain("pocket-mini-int4", tmp_path, turns, rows(1))["difference_95"] == [
        0.0,
        0.0,
    ]
    assert evaluate._gain("pocket-nano", tmp_path, turns, rows(1)) is None  # nothing is smaller
    write(["another prompt"] * 40)
    assert evaluate._gain("pocket-midi", tmp_path, turns, rows(2)) is None


def test_the_tables_in_the_readme_are_those_of_the_record(recipe, tmp_path):
    """No figure was typed by hand: writing the tables again changes nothing."""
    import package

    copy = tmp_path / "models"
    shutil.copytree(BUILT_IN_MODELS, copy, ignore=shutil.ignore_patterns("recipe"))
    package.package(copy)
    for path in sorted(copy.rglob("*")):
        if path.is_file() and path.suffix != ".png":  # its bytes may depend on the machine
            assert path.read_bytes() == (BUILT_IN_MODELS / path.relative_to(copy)).read_bytes(), (
                path.name
            )


def test_the_picture_of_the_training_is_that_of_the_record(recipe):
    """It carries its text, which is written from the log."""
    import curves
    from PIL import Image

    training = json.loads((BUILT_IN_MODELS / "training.json").read_text(encoding="utf-8"))
    with Image.open(BUILT_IN_MODELS / curves.PICTURE) as picture:
        assert picture.text["Description"] == curves.alternative_text(training)
        assert picture.width > 600
    assert curves.alternative_text(training) in (BUILT_IN_MODELS / "README.md").read_text(
        encoding="utf-8"
    )


def test_goals_are_marked_reached_or_not_by_what_was_measured(recipe):
    import copy

    import package

    results = json.loads((BUILT_IN_MODELS / "evaluation.json").read_text(encoding="utf-8"))
    perfect = copy.deepcopy(results)
    for alias, goal in package.GOALS.items():
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
    assert "not reached" not in package._goals(perfect)
    perfect["pocket-midi"]["gain"]["difference_95"] = [-0.01, 0.21]
    assert package._goals(perfect).count("not reached") == 1
    perfect["pocket-midi"]["gain"]["difference_95"] = [0.01, 0.21]
    perfect["pocket-mini"]["generated"]["tasks"]["summary"]["facet_recall_95"] = [0.5, 0.96]
    assert package._goals(perfect).count("not reached") == 1
    assert package._goals(results) in (BUILT_IN_MODELS / "README.md").read_text(encoding="utf-8")


def test_all_models_together_stay_small():
    files = [
        path
        for path in BUILT_IN_MODELS.rglob("*")
        if path.is_file() and "recipe" not in path.relative_to(BUILT_IN_MODELS).parts
    ]
    assert sum(path.stat().st_size for path in files) < 30_000_000


def test_the_parameters_of_a_package_are_counted_from_its_shape(recipe):
    import package
    import settings

    assert package.parameters(settings.MODELS["pocket-nano"]) == 1_050_752  # counted in PyTorch
    assert package.parameters(settings.MODELS["pocket-mini"]) == 3_970_304


@pytest.mark.skipif(HAS_EXTRAS, reason="the extras of the recipe are installed")
def test_training_without_its_extras_says_what_to_install(tmp_path):
    done = run_recipe("train", "--work", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: training and export need torch")
    assert "pip install -r data/models/recipe/requirements.txt" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "unknown step 'trian'"),
        (["--models", "pocket-maxi"], "unknown model 'pocket-maxi'"),
        (["--scale", "0"], "--scale must be above 0"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(arguments, message):
    done = run_recipe(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(
    not HAS_EXTRAS,
    reason="needs data/models/recipe/requirements.txt (heavy; only for making models)",
)
def test_the_whole_recipe_runs_in_small_and_goes_on_where_it_stopped(tmp_path):
    """About a minute: text, tokenizer, training of the smallest size and of the next one grown from it, export, evaluation, package."""
    common = (
        "--scale",
        "0.001",
        "--work",
        tmp_path / "work",
        "--output",
        tmp_path / "models",
        "--models",
        "pocket-nano,pocket-mini",
    )
    done = run_recipe(*common)
    assert done.returncode == 0, done.stderr[-2000:]
    manifest = json.loads((tmp_path / "models" / "manifest.json").read_text(encoding="utf-8"))[
        "models"
    ]
    assert list(manifest) == ["pocket-nano", "pocket-mini", "pocket-mini-int4"]
    for alias, entry in manifest.items():
        for name, file in entry["files"].items():
            assert (
                hashlib.sha256((tmp_path / "models" / alias / name).read_bytes()).hexdigest()
                == file["sha256"]
            )
    again = run_recipe("train", *common)
    assert "pocket-mini: goes on at step 10" in again.stdout


@pytest.mark.skipif(
    not HAS_EXTRAS,
    reason="needs data/models/recipe/requirements.txt (heavy; only for making models)",
)
def test_a_grown_network_first_answers_exactly_like_the_smaller_one(recipe, tmp_path):
    import network
    import settings
    import torch
    import train

    torch.manual_seed(1)
    nano = settings.MODELS["pocket-nano"]
    small = network.Network(nano)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    large = network.grow(small, network.Network(settings.MODELS["pocket-mini"]))
    ids = torch.randint(3, settings.VOCABULARY, (2, 200))
    place, one = torch.arange(200).repeat(2, 1), torch.ones_like(ids)
    expected, grown = (
        net.logits(net(ids, place, one, one * 0).flatten(0, 1)) for net in (small, large)
    )
    assert (expected - grown).abs().max() < 0.15  # bfloat16 products
    (tmp_path / nano.alias).mkdir()
    torch.save({"network": small.state_dict()}, tmp_path / nano.alias / "checkpoint.pt")
    served = train.load(nano, tmp_path)(ids).logits.flatten(0, 1)
    assert (expected - served).abs().max() < 0.15
    assert served.abs().max() > 1


@pytest.mark.skipif(
    not HAS_EXTRAS,
    reason="needs data/models/recipe/requirements.txt (heavy; only for making models)",
)
@pytest.mark.parametrize("shape", [(48, 96), (96, 48), (64, 64)])
def test_a_step_of_the_optimizer_is_that_of_torch(recipe, shape):
    import torch
    import train

    torch.manual_seed(2)
    ours, theirs = (torch.nn.Parameter(torch.ones(shape)) for _ in range(2))
    optimizers = (
        train.Muon([ours], lr=0.02),
        torch.optim.Muon([theirs], lr=0.02, weight_decay=0.01, momentum=0.95),
    )
    for _ in range(3):
        ours.grad, theirs.grad = (torch.randn(shape),) * 2
        for optimizer in optimizers:
            optimizer.step()
    assert (ours - theirs).norm() / (
        theirs - torch.ones(shape)
    ).norm() < 0.03  # torch works in bfloat16
    assert (theirs - 1).abs().max() > 0.005


@pytest.mark.skipif(
    not HAS_EXTRAS,
    reason="needs data/models/recipe/requirements.txt (heavy; only for making models)",
)
def test_a_branch_sees_the_notes_and_nothing_else_of_a_packed_row(recipe):
    import network
    import settings
    import torch

    torch.manual_seed(2)
    net = network.Network(settings.MODELS["pocket-nano"])
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    ids = torch.randint(3, settings.VOCABULARY, (1, 250))
    # 0 to 49 another conversation; 50 to 149 notes; 150 to 199 and 200 to 249 two requests about them
    sequence = torch.ones_like(ids)
    sequence[:, 50:] = 2
    branch = torch.zeros_like(ids)
    branch[:, 150:200], branch[:, 200:] = 1, 2
    place = torch.cat((torch.arange(50), torch.arange(150), torch.arange(100, 150)))[None]
    packed = net.logits(net(ids, place, sequence, branch)[0, 200:])
    alone = torch.cat((ids[:, 50:150], ids[:, 200:]), 1)
    one = torch.ones_like(alone)
    expected = net.logits(net(alone, torch.arange(150)[None], one, one * 0)[0, 100:])
    assert (packed - expected).abs().max() < 0.15
    assert packed.abs().max() > 1


@pytest.mark.skipif(
    not HAS_EXTRAS,
    reason="needs data/models/recipe/requirements.txt (heavy; only for making models)",
)
def test_tokens_of_a_conversation_say_where_its_notes_and_branches_are(recipe, tmp_path):
    generate, _ = recipe
    import numpy as np
    import tokens

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
