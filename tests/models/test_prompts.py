"""prompts.json, and prompts as people have them: every encoding and form, and every way to get one wrong."""

import codecs
import json
import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.common.errors import UsageError
from helpers.common.paths import DATA
from helpers.models.prompts import DEFAULT_PROMPT_SET, PromptSet, load_prompts, prompt_list
from support.sentences import says

TWO_SETS = {
    "first": {"title": "One", "prompts": [{"id": "x", "text": "Say x."}]},
    "second": {
        "prompts": [
            {
                "id": "y",
                "text": "Say y.",
                "facets": [{"id": "f", "any_of": ["why"]}],
                "format": {"bullets": 3},
            }
        ]
    },
}


def texts(prompts: PromptSet) -> list[str]:
    return [p.text for p in prompts.prompts]


def test_a_plain_list_of_strings(write):
    prompts = load_prompts(write(["Say x.", "Say y."]))
    assert [(p.id, p.text) for p in prompts.prompts] == [("p1", "Say x."), ("p2", "Say y.")]


def test_a_set_as_a_plain_list_has_no_ids_of_its_own(write):
    """The document's first form: {set: ["text", ...]}."""
    path = write({"mine": ["Say x.", "Say y."], "other": ["Say z."]})
    prompts = load_prompts(f"{path}:mine")
    assert (prompts.name, texts(prompts)) == ("mine", ["Say x.", "Say y."])
    assert len({p.id for p in prompts.prompts}) == 2


def test_file_and_set(write):
    path = write(TWO_SETS)
    assert texts(load_prompts(f"{path}:second")) == ["Say y."]
    assert texts(load_prompts(f"{path}:first")) == ["Say x."]
    second = load_prompts(f"{path}:second").prompts[0]
    assert (second.facets[0].any_of, second.facets[0].kind, second.format.bullets) == (
        ("why",),
        "required",
        3,
    )


def test_the_only_set_of_a_file_needs_no_name(write):
    assert texts(load_prompts(write({"only": TWO_SETS["first"]}))) == ["Say x."]


def test_a_file_whose_name_has_a_colon_or_looks_like_a_set(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(["Say x."], "session")
    assert texts(load_prompts("session")) == ["Say x."]


@pytest.mark.parametrize("source", [r"C:\prompts\mine.json", "C:/prompts/mine.json"])
def test_the_colon_of_a_drive_names_no_set(source):
    with pytest.raises(UsageError) as error:
        load_prompts(source)
    says(error, source, "There is no file")


@pytest.mark.parametrize("source", [r"C:\prompts\mine.json:first", "C:/prompts/mine.json:first"])
def test_a_set_of_a_file_on_a_drive(source):
    with pytest.raises(UsageError) as error:
        load_prompts(source)
    says(error, source.removesuffix(":first"), "There is no file")
    assert ":first" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ["not valid JSON", "line 1"]),
        ('["a",\n "b"', ["not valid JSON", "line 2"]),
        ([], ["list.prompts", "is empty"]),
        ({}, ["expected a list of strings, or an object of prompt sets"]),
        ('"Say x."', ["expected a list of strings, or an object of prompt sets"]),
        (["Say x.", 5], ["list.prompts.1", "5"]),
        (["Say x.", ""], ["list.prompts.1.text"]),
        (["Say x.", "  "], ["list.prompts.1.text"]),
        (TWO_SETS, ["which prompt set?", "it has first, second"]),
        ({"s": {"prompts": []}}, ["s.prompts", "is empty"]),
        ({"s": {"title": "x"}}, ["s.prompts", "field required"]),
        ({"s": {"prompts": "Say x."}}, ["s.prompts", "'Say x.'"]),
        ({"s": {"prompts": [{"id": "a"}]}}, ["s.prompts.0.text", "field required"]),
        ({"s": {"prompts": [{"id": True, "text": "a"}]}}, ["s.prompts.0.id", "True"]),
        ({"s": {"prompts": [{"id": "A\nb", "text": "a"}]}}, ["s.prompts.0.id", r"'A\nb'"]),
        ({"s": {"prompts": [{"id": "a" * 81, "text": "a"}]}}, ["s.prompts.0.id", "80 characters"]),
        ({"s": {"prompts": [{"prompt": "a", "text": "b"}]}}, ["s.prompts.0.prompt"]),
        ({" s": ["a"]}, ["' s'", "one line"]),
        ({"s": ["\ud800"]}, ["s.prompts.0.text"]),
        (
            {"s": {"prompts": [{"text": "a", "facets": [{"id": "f", "regex": "a{99999999999}"}]}]}},
            ["regex"],
        ),
        ({"s": {"prompts": [{"id": "a", "text": "a", "hint": 1}]}}, ["s.prompts.0.hint"]),
        (
            {"s": {"prompts": [{"id": "a", "text": "a"}, {"id": "a", "text": "b"}]}},
            ["two prompts have the id 'a'"],
        ),
        (
            {"s": {"prompts": [{"id": "a", "text": "a", "facets": [{"id": "f", "any_of": []}]}]}},
            ["s.prompts.0.facets.0.any_of", "at least 1 item"],
        ),
        (
            {
                "s": {
                    "prompts": [
                        {
                            "id": "a",
                            "text": "a",
                            "facets": [{"id": "f", "any_of": ["x"], "kind": "maybe"}],
                        }
                    ]
                }
            },
            ["facets.0.kind", "'maybe'"],
        ),
        (
            {"s": {"prompts": [{"id": "a", "text": "a", "format": {"sentences": 0}}]}},
            ["s.prompts.0.format.sentences", "greater than 0"],
        ),
        (
            {"s": {"prompts": [{"id": "a", "text": "a"}], "extra": 1}},
            ["s.extra", "unknown field", "title"],
        ),
        ({"s": 7}, ["s", "7"]),
        ({"s": []}, ["s.prompts", "is empty"]),
    ],
    ids=range(28),
)
def test_wrong_prompt_files(write, content, parts):
    path = write(content)
    with pytest.raises(UsageError) as error:
        load_prompts(path)
    says(error, path, *parts)


def test_no_such_set(write):
    path = write(TWO_SETS)
    with pytest.raises(UsageError) as error:
        load_prompts(f"{path}:third")
    says(error, path, "no prompt set 'third'", "it has first, second")


def test_no_such_shipped_set():
    with pytest.raises(UsageError) as error:
        load_prompts("holiday")
    says(error, DATA / "prompts.json", "no prompt set 'holiday'", "session", "meeting-notes")


def test_a_plain_list_has_no_sets(write):
    path = write(["Say x."])
    with pytest.raises(UsageError) as error:
        load_prompts(f"{path}:mine")
    says(error, path, "no prompt set 'mine'")


def test_no_such_prompt_file(tmp_path):
    for source in (f"{tmp_path}/none.json", f"{tmp_path}/none.json:first"):
        with pytest.raises(UsageError) as error:
            load_prompts(source)
        says(error, tmp_path / "none.json", "There is no file")


def test_prompts_from_strings():
    assert [(p.id, p.text) for p in prompt_list(["a", "b"]).prompts] == [("p1", "a"), ("p2", "b")]
    assert texts(prompt_list(t for t in ("a", "b"))) == ["a", "b"]
    for wrong, part in (
        ([], "is empty"),
        ([""], "list.prompts.0.text"),
        ([None], "list.prompts.0: .*None"),
    ):
        with pytest.raises(UsageError, match=part):
            prompt_list(wrong)


# As people have them --------------------------------------------------------------------------------

CAFE = "Résumez\u202fles notes\u00a0: le café, می‌خواهم 会议"  # a narrow space, a half space, three scripts


def ids_and_texts(prompts: PromptSet) -> list[tuple[str, str]]:
    return [(p.id, p.text) for p in prompts.prompts]


@pytest.mark.parametrize("name", ["p.json", "p.jsonl", "p.csv", "p.txt"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),  # what PowerShell 5.1 writes with >
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (b"", "utf-16-le"),
    ],
)
def test_a_file_is_read_in_the_encoding_that_it_has(write, name, mark, encoding):
    line = json.dumps(CAFE, ensure_ascii=False)
    content = {"p.json": f"[{line}]", "p.jsonl": line, "p.csv": f'prompt\r\n"{CAFE}"\r\n'}
    if name == "p.txt" and not mark and encoding != "utf-8":
        content[name] = f"Say:\r\n{CAFE}"  # without a mark the first letters tell
    read = load_prompts(write(mark + content.get(name, CAFE).encode(encoding), name))
    assert texts(read)[-1] == CAFE


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'["ok",\n"caf\xe9"]', 2),  # Windows-1252
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00\xdf\xa4\xd2", 1),  # a Word document
        (b"\xff\xfeS\x00a\x00y", 1),
        (b"Say\nx.\x00", 2),
        (b"\x80", 1),
        ("خلاصه".encode("utf-16-le"), 1),  # without its mark
    ],
)
@pytest.mark.parametrize("name", ["p.json", "p.txt", "p.csv", "p.jsonl", "p.docx"])
def test_what_is_not_text_is_told_with_its_line_and_what_to_do(write, name, content, line):
    path = write(content, name)
    with pytest.raises(UsageError) as error:
        load_prompts(path)
    says(error, path, f"cannot be read as UTF-8 or UTF-16 text (line {line}); save it as UTF-8")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("p.txt", "\n Say x.\r\n\r\n[INST] Say y.\rSay z.", ["Say x.", "[INST] Say y.", "Say z."]),
        ("p.txt", "[INST] Say x.\n", ["[INST] Say x."]),
        ("p.txt", '["Say x.", "Say y."]', ["Say x.", "Say y."]),
        ("p.TXT", "true", ["true"]),
        ("prompts", "Say x.\nSay y.", ["Say x.", "Say y."]),
        ("p.md", "Say **x**.", ["Say **x**."]),
        ("p.jsonl", '"Say x."\n\n{"prompt": "Say y."}\n', ["Say x.", "Say y."]),
        ("p.jsonl", '{"prompt": "Say x."}', ["Say x."]),
        ("p.ndjson", '{"text": "Say x."}\n{"text": "Say y."}', ["Say x.", "Say y."]),
        ("p.json", '{"text": "Say x."}\n{"text": "Say y."}', ["Say x.", "Say y."]),
        ("p.json", [{"prompt": "Say x."}, {"text": "Say y."}, "Say z."], ["Say x.", "Say y.", "Say z."]),
        ("p.json", {"title": "Mine", "prompts": ["Say x."]}, ["Say x."]),
        ("p.json", {"name": "Mine", "prompts": [{"prompt": "Say x."}]}, ["Say x."]),
        ("p.csv", "Prompt,answer\nSay x.,1\n,2\n\"Say y,\nplease.\",3\n", ["Say x.", "Say y,\nplease."]),
        ("p.csv", "topic;TEXT\nfirst;Say x, and y.\n", ["Say x, and y."]),
        ("p.csv", "sep=;\nprompt;n\nSay x.;1\n", ["Say x."]),
        ("p.tsv", "n\tprompt\n1\tSay x, and y.\n", ["Say x, and y."]),
        ("p.csv", "prompt\nSay x.\n", ["Say x."]),
    ],
)  # fmt: skip
def test_prompts_are_read_from_the_forms_that_people_have(write, name, content, expected):
    read = load_prompts(write(content, name))
    assert texts(read) == expected
    assert [p.id for p in read.prompts] == [f"p{n + 1}" for n in range(len(expected))]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.json", [{"id": 17, "prompt": "Say x."}, {"id": "Q 2", "text": "Say y."}]),
        ("p.jsonl", '{"id": 17, "prompt": "Say x."}\n{"id": "Q 2", "text": "Say y."}'),
        ("p.csv", "ID,prompt\n17,Say x.\nQ 2,Say y.\n"),
    ],
)
def test_ids_of_a_file_are_kept(write, name, content):
    read = load_prompts(write(content, name))
    assert ids_and_texts(read) == [("17", "Say x."), ("Q 2", "Say y.")]


@pytest.mark.parametrize("name", ["My prompts", "Meeting", "جلسه‌ها", "会议", "a:b", "$x$ <b>"])
def test_a_set_may_have_any_name_of_one_line(write, name):
    path = write({name: ["Say x."], "other": ["Say y."]})
    assert load_prompts(write({name: ["Say x."]}, "one.json")).name == name
    if ":" not in name:
        assert load_prompts(f"{path}:{name}").name == name


def test_a_folder_of_texts_has_a_prompt_for_each_file(tmp_path):
    (tmp_path / "Meeting  1.txt").write_text("Ana: hello\n\nBen: hi\n", encoding="utf-16")
    (tmp_path / "b.MD").write_text("# Notes\n", encoding="utf-8-sig")
    (tmp_path / "notes").write_text("Plain.", encoding="utf-8")
    (tmp_path / ".hidden.txt").write_bytes(b"\x00\x05\x16\x07")  # as macOS leaves it on a stick
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "more.txt").mkdir()
    assert ids_and_texts(load_prompts(tmp_path)) == [
        ("Meeting 1", "Ana: hello\n\nBen: hi\n"),
        ("b", "# Notes\n"),
        ("notes", "Plain."),
    ]
    (tmp_path / "empty.txt").write_text(" \n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"empty\.txt is empty"):
        load_prompts(tmp_path)


def test_a_folder_without_texts_is_told_and_one_named_like_a_shipped_set_hides_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", DEFAULT_PROMPT_SET):
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match="empty holds no text; put files that end in"):
        load_prompts("empty")
    assert len(load_prompts(DEFAULT_PROMPT_SET)) >= 8


def test_a_home_folder_may_be_written_as_a_tilde(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(["Say x."], "mine.json")
    assert texts(load_prompts("~/mine.json")) == ["Say x."]


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("p.csv", "question,answer\nx,y\n", "names no column prompt or text"),
        ("p.csv", "prompt,answer\nSay x, please.,1\n", "line 2: too many cells"),
        ("p.csv", 'prompt\n"Say x.\n', "cells cannot be told apart"),
        ("p.csv", "prompt\n\n", "list of prompts is empty"),
        ("p.csv", "", "names no column"),
        ("p.txt", "\n \n", "list of prompts is empty"),
        ("p.jsonl", '"Say x."\n{"prompt": \n', "line 2 is not valid JSON"),
        ("p.jsonl", '"Say x."\n[1]', "list.prompts.1"),
        ("p.json", "[" * 100_000, "not valid JSON"),
        ("p.json", '{"text": "x"}\nand more', "line 2 is not valid JSON"),
        ("p.json", {"name": ["x"], "prompts": ["x"]}, "name"),
    ],
)
def test_a_form_that_is_nearly_right_is_told(write, name, content, part):
    path = write(content, name)
    with pytest.raises(UsageError) as error:
        load_prompts(path)
    says(error, path, part)


@pytest.mark.skipif(os.name == "nt", reason="named pipes of POSIX")
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "p.json")
    with pytest.raises(UsageError, match="it is not a file"):
        load_prompts(tmp_path / "p.json")


@pytest.mark.parametrize("source", ["Summarize the notes. " * 300, "a\0b", "x" * 5000])
def test_a_prompt_in_place_of_a_file_is_told(source):
    with pytest.raises(UsageError, match=r"cannot be read|no prompt set") as error:
        load_prompts(source)
    assert len(str(error.value)) < 500


PIECES = st.sampled_from(['[', ']', '{', '}', '"text"', '"prompt"', '"id"', ':', ',', '"', "\n", "\r", ";",
    "\t", "prompt", "text", "sep=", "1e999", "NaN", "\\ud800", "null", "\x00", "\ufeff", "é", "0" * 5000])  # fmt: skip
CONTENTS = (
    st.binary(max_size=200)
    | st.lists(PIECES, max_size=30).map("".join).map(str.encode)
    | st.text(max_size=60).map(lambda text: text.encode("utf-16", "surrogatepass"))
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["name", "prompts", "id", "text", "prompt", "facets", "format", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    content=CONTENTS,
    ending=st.sampled_from([".json", ".jsonl", ".csv", ".tsv", ".txt", ".md", "", ".x"]),
)
def test_files_of_any_bytes_end_in_prompts_or_in_a_sentence(tmp_path, content, ending):
    path = tmp_path / f"given{ending}"
    path.write_bytes(content)
    try:
        read = load_prompts(path)
    except UsageError as error:
        assert str(error).startswith((str(path), "prompts")) and str(error).endswith(".")
        assert "\n" not in str(error)
    else:
        json.dumps(read.model_dump(), ensure_ascii=False).encode()  # so that a record can hold it


# What ships ---------------------------------------------------------------------------------------


def test_shipped_prompts():
    raw = json.loads((DATA / "prompts.json").read_text(encoding="utf-8"))
    for name, entry in raw.items():
        prompts = load_prompts(f"{name}:all")
        assert (prompts.name, prompts.title) == (name, entry["title"])
        assert [p.text for p in prompts.prompts] == [
            "\n".join(p["text"]) if isinstance(p["text"], list) else p["text"]
            for p in entry["prompts"]
        ]
    assert load_prompts() == load_prompts(DEFAULT_PROMPT_SET)


def test_the_sessions_prompts_are_word_for_word():
    assert [p.text for p in load_prompts("session").prompts] == [
        "Explain the principle of retrieval augmented generation in 2 sentences.",
        "List 3 privacy benefits of local inference.",
        "Summarize why model size impacts latency on consumer hardware.",
        "Provide two scenarios where an SLM is preferable to an LLM.",
    ]


@pytest.mark.parametrize("name", ["meeting-notes", "long-notes"])
def test_a_set_for_decisions_is_balanced(name):
    prompts = load_prompts(f"{name}:all").prompts
    counts = Counter(tag for prompt in prompts for tag in prompt.tags)
    assert len(prompts) >= (40 if name == "meeting-notes" else 9)
    least = 4 if name == "meeting-notes" else 1
    layouts = ("mail", "chat", "minutes", "dictated", "handover", "negation", "dropped-plan")
    assert {tag: counts[tag] for tag in layouts if counts[tag] < least} == {}
    words = [len(prompt.text.split()) for prompt in prompts]
    assert min(words) >= (40 if name == "meeting-notes" else 600)
    assert name == "meeting-notes" or max(words) > 4000  # as long as an all-day session's minutes
    for prompt in prompts:
        owners = [facet for facet in prompt.facets if facet.id.startswith("owner")]
        assert owners or "missing-fact" in prompt.tags, prompt.id
        assert any(facet.id.startswith("decision") for facet in prompt.facets), prompt.id


def test_the_course_takes_its_part_of_a_set_and_all_is_a_word_away(tmp_path):
    part, whole = load_prompts("meeting-notes"), load_prompts("meeting-notes:all")
    assert 8 <= len(part) <= 12 < len(whole)
    assert {prompt.id for prompt in part.prompts} < {prompt.id for prompt in whole.prompts}
    assert f"({len(part)} of {len(whole)}; all: meeting-notes:all)" in part.title
    tags = {tag for prompt in part.prompts for tag in prompt.tags}
    assert {"mail", "chat", "minutes", "shorthand", "dictated", "correction", "negation"} <= tags
    path = tmp_path / "mine.json"
    lines = [{"text": "a", "tags": ["course"]}, {"text": "b"}]
    path.write_text(json.dumps({"s": {"prompts": lines}}), encoding="utf-8")
    assert [len(load_prompts(f"{path}{end}")) for end in ("", ":s", ":all", ":s:all")] == [
        1,
        1,
        2,
        2,
    ]
