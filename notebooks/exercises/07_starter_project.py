"""Exercises of notebook 07: four functions of starter_project.py.

Their solutions are the functions of the finished script beside this file.
"""

import ast
import csv
import io
import re
import tempfile
from pathlib import Path

from helpers.course.exercises import Exercise, is_blank, same

FINISHED = Path(__file__).with_name("starter_project.py").read_text(encoding="utf-8")
TIMES = (
    {"model": "tiny", "latency_s": 0.3, "sample": "Yes."},
    {"model": "odd, name", "latency_s": None, "sample": "One|two\nthree"},
)
MODELS = """\
{"one": {"capabilities": ["summarize"], "size_mb": 3},
 "two": {"capabilities": ["chat"], "size_mb": null}}
"""


def finished(*names):
    """Return the source of these functions of the finished script."""
    sources = {
        node.name: ast.get_source_segment(FINISHED, node)
        for node in ast.parse(FINISHED).body
        if isinstance(node, ast.FunctionDef)
    }
    return "\n\n\n".join(sources[name] for name in names)


def csv_mistake(to_csv):
    """Return what is wrong with a CSV of two rows, or None."""
    text = to_csv([dict(row) for row in TIMES])
    if is_blank(text):
        return "that is an empty text."
    rows = list(csv.reader(io.StringIO(str(text))))
    if not rows or rows[0][:2] != ["model", "latency_s"]:
        return "the first line must name the columns, model and latency_s first."
    if any(row and row[0] == "odd" for row in rows):
        return (
            "a model called 'odd, name' falls apart at its comma. The csv module puts quotes where "
            "they are needed: csv.DictWriter."
        )
    records = list(csv.DictReader(io.StringIO(str(text))))
    names = [record.get("model") for record in records]
    if names != ["tiny", "odd, name"]:
        return f"when the text is read back, the models are {names!r:.60}."
    latency = records[1]["latency_s"]
    if latency != "":
        return f"a latency that was not measured must stay empty; it is {latency!r}."
    return None


to_csv = Exercise(
    name="csv",
    title="Results as CSV",
    hints=(
        "Do not join with commas yourself: a name may contain one. The csv module knows when to write quotes.",
        "Use csv.DictWriter with io.StringIO; it writes None as an empty cell.",
        "fieldnames are the keys of the first row. Call writeheader(), then writerows(rows), and hand back what out.getvalue() holds.",
    ),
    why="A file that opens without repair is a file that colleagues use.",
    example="a text",
    find_mistake=csv_mistake,
    solution=f"""\
import csv
import io


{finished("to_csv")}


check("csv", to_csv)
""",
)


def markdown_mistake(to_markdown):
    """Return what is wrong with a Markdown table of two rows, or None."""
    text = to_markdown([dict(row) for row in TIMES])
    if is_blank(text):
        return "that is an empty text."
    lines = [line for line in str(text).splitlines() if line.strip()]
    if len(lines) < 4 or not re.fullmatch(r"[|\s:-]+", lines[1]):
        return (
            "a Markdown table has a line of names, a line of dashes such as | --- | --- |, and a "
            "line for each model."
        )
    if len(lines) > 4:
        return (
            "the line break inside a sample answer ends its row. Write the answer on one line: "
            "' '.join(text.split())."
        )
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    if len(set(widths)) > 1:
        return "the | inside a sample answer opens a new cell. Write it as \\|."
    if "None" in text:
        return "a value that was not measured reads better as - than as None."
    return None


to_markdown = Exercise(
    name="markdown",
    title="Results as Markdown",
    hints=(
        "A line of names, a line of dashes, then a line for each row, each between bars.",
        "Write a function that cleans one cell: one line, each | as \\|, and - for None.",
        "Join the cells of a line with ' | '.join(...), put a bar before and behind, and join the lines with line breaks.",
    ),
    why="What a model writes is not yours: it may break any table into which it is put unclean.",
    example="a text",
    find_mistake=markdown_mistake,
    solution=f"""\
{finished("cell", "to_markdown")}


check("markdown", to_markdown)
""",
)


def score_mistake(score):
    """Return what is wrong with a quality score, or None."""
    expected = ["repair the gate", "Ines", "Friday"]
    answers = ("Repair the gate by FRIDAY; Ines does it.", "Ines repairs it.", "")
    shares = [score(text, expected) for text in answers]
    if same(shares[0], 2 / 3) or same(shares[0], 1 / 3):
        return (
            "'FRIDAY' and 'Repair' are there, but in other letters. Compare both in lower case: "
            "text.lower()."
        )
    if same(shares[0], 100):
        return (
            "it is right as a percentage. Return the share, 0 to 1: leave out the 100."
        )
    if same(shares[0], 3):
        return (
            "it counts the phrases. Return the share, 0 to 1, so that prompts with more phrases "
            "and with fewer can be compared."
        )
    if not all(map(same, shares, (1, 1 / 3, 0))):
        return (
            "for three answers that contain all, one and none of 3 phrases it returns "
            f"{shares!r:.60}."
        )
    return None


score = Exercise(
    name="score",
    title="A quality score",
    hints=(
        "Count the phrases that are in the answer, and divide by how many there are.",
        "Compare both in lower case: answer.lower() and phrase.lower().",
        "sum(...) counts truths: one `phrase.lower() in text` for each phrase, then / len(expected).",
    ),
    why="It rewards words and not sense: read a few answers before you trust it.",
    example=0.0,
    find_mistake=score_mistake,
    solution=f"""\
{finished("score")}


check("score", score)
""",
)


def models_mistake(read_models):
    """Return what is wrong with reading a file of two models, or None."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "models.json"
        path.write_text(MODELS, encoding="utf-8")
        aliases = read_models(path, "summarize")
    if list(aliases) == ["two"]:
        return "it keeps those without the capability: turn the condition round."
    if list(aliases) == ["one", "two"]:
        return "it returns every model. Keep those that have the capability that was asked for."
    if list(aliases) != ["one"]:
        return (
            "of the models 'one' (summarize) and 'two' (chat) it returns "
            f"{list(aliases)!r:.60} for 'summarize'."
        )
    return None


line_up = Exercise(
    name="line-up",
    title="Models from a file",
    hints=(
        "Read the file as JSON, then choose by capability.",
        "json.loads(path.read_text(encoding='utf-8')) gives a dictionary: alias to entry.",
        'Loop over its .items(), and keep the aliases whose entry["capabilities"] contain the capability.',
    ),
    why="A colleague can now add a model without touching, or breaking, any code.",
    example=["a text"],
    find_mistake=models_mistake,
    solution=f"""\
import json
from pathlib import Path


{finished("read_models")}


check("line-up", read_models)
""",
)
