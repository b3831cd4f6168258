"""Exercises of notebook 06: the smallest useful model, and a stream."""

from helpers.course.exercises import Exercise, Todo, is_blank
from helpers.quality.text import count_items

NOTES = "We met late. The team decided to repair the gate. Ines will do it by Friday. Lunch was good."
OTHER_NOTES = "We keep the van. Mara tells the garage. Next time we meet at nine."


def generate_mistake(generate):
    """Return what is wrong with a summarizer, or None."""
    text = generate("Summarize the meeting notes in 2 bullets: " + NOTES)
    if is_blank(text):
        raise Todo
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
    hint="Split the notes into sentences, keep those with 'decided' or ' will ', and put '- ' "
    "before each. `kept or sentences[:2]` is the first two where none fits.",
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
    if is_blank(pieces):
        raise Todo
    if isinstance(pieces, str):
        return (
            "it returns one text. Write `yield` in a loop, so that the caller sees each piece as "
            "soon as it is ready."
        )
    pieces = list(pieces)
    if not pieces or all(map(is_blank, pieces)):
        raise Todo
    joined = "".join(pieces)
    if joined == NOTES.replace(" ", ""):
        return "joined, the pieces are not the answer. The spaces between the words are gone."
    if joined != NOTES:
        return "joined, the pieces are not the answer."
    if len(pieces) < 5:
        return (
            f"it comes in {len(pieces)} piece(s). Return it word by word, or TTFT and latency are "
            "the same figure."
        )
    return None


stream = Exercise(
    name="stream",
    title="An answer piece by piece",
    hint="re.findall(r'\\S+\\s*', text) splits into words that keep their spaces.",
    find_mistake=stream_mistake,
    solution="""\
import re


def stream(text):
    yield from re.findall(r"\\S+\\s*", text)


check("stream", stream)
""",
)
