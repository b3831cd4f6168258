"""Exercises of notebook 06: the smallest useful model, and a stream."""

from collections.abc import Iterable

from helpers.course.exercises import Exercise, Todo, is_blank
from helpers.quality.text import count_items

NOTES = "We met late. The team decided to repair the gate. Ines will do it by Friday. Lunch was good."
OTHER_NOTES = "We keep the van. Mara tells the garage. Next time we meet at nine."


def generate_mistake(generate):
    """Return what is wrong with a summarizer, or None."""
    text = generate("Summarize the meeting notes in 2 bullets: " + NOTES)
    if is_blank(text):
        return "that is an empty text."
    if "Summarize" in text:
        return (
            "the request itself is in the answer. The notes begin after the first ':'."
        )
    if count_items(text) != 2:
        return (
            f"the prompt asks for 2 bullets, and the answer has {count_items(text)}. Begin each line "
            "with '- '."
        )
    if "repair the gate" not in text or "Ines" not in text:
        return "the two that matter are the decision (decided) and who does it (will)."
    if is_blank(generate("Summarize: " + OTHER_NOTES)):
        return (
            f"for notes such as '{OTHER_NOTES}' the answer is empty. Where no sentence fits, return "
            "the first two."
        )
    return None


generate = Exercise(
    name="generate",
    title="Your own model",
    hints=(
        "Cut off what stands before the notes, and split the rest into sentences.",
        'prompt.partition(":") gives both parts. re.split(r"(?<=[.!?])\\s+", notes) splits into sentences.',
        'Keep the sentences with "decided" or " will " in them, put "- " before each, and join them with line breaks. '
        "`kept or sentences[:2]` is the first two where none fits.",
    ),
    why="A page of rules is the floor: a model that does not beat it is not worth its memory.",
    example="a text",
    find_mistake=generate_mistake,
    solution="""\
import re


def generate(prompt, **params):
    notes = prompt.partition(":")[2].strip() or prompt
    sentences = re.split(r"(?<=[.!?])\\s+", notes)
    kept = [text for text in sentences if "decided" in text or " will " in text]
    return "\\n".join(f"- {text}" for text in kept or sentences[:2])


check("generate", generate)
""",
)


def stream_mistake(stream):
    """Return what is wrong with a stream of pieces, or None."""
    pieces = stream(NOTES)
    if isinstance(pieces, str):
        return (
            "it returns one text. Write `yield` in a loop, so that the caller sees each piece as "
            "soon as it is ready."
        )
    if not isinstance(pieces, Iterable):
        return f"it returns {pieces!r:.40}. Write `yield` in a loop over the words."
    pieces = list(pieces)
    if pieces == [...]:
        raise Todo
    if not all(isinstance(piece, str) for piece in pieces):
        return f"each piece must be a text; the first is {pieces[0]!r:.40}."
    joined = "".join(pieces)
    if joined == NOTES.replace(" ", ""):
        return "joined, the pieces are not the answer. The spaces between the words are gone."
    if joined == NOTES + " ":
        return (
            "joined, the pieces have one space too many at the end. Take each word with the space that "
            "follows it in the text."
        )
    if joined != NOTES:
        return f"joined, the pieces are not the answer, but {joined!r:.40}."
    if max(map(len, pieces)) == 1:
        return (
            "it yields single letters: a text taken apart gives its letters. Split it into words "
            "first."
        )
    if len(pieces) < 5:
        return (
            f"it comes in {len(pieces)} piece(s). Return it word by word, or TTFT and latency are "
            "the same figure."
        )
    return None


stream = Exercise(
    name="stream",
    title="An answer piece by piece",
    hints=(
        "Use `yield` instead of `return`: once for each word.",
        "text.split() loses the spaces; re.findall(r'\\S+\\s*', text) splits into words that keep theirs.",
        "Loop over these words and `yield` each, or `yield from` the list of words, and not from the text.",
    ),
    why="The reader starts to read at the first word; without a stream, TTFT and latency are the same figure.",
    find_mistake=stream_mistake,
    solution="""\
import re


def stream(text):
    yield from re.findall(r"\\S+\\s*", text)


check("stream", stream)
""",
)
