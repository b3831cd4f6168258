"""Summarize meeting notes by rules: pick the sentences on decisions, tasks and open questions.

Every rule is a line that you can read and change. It copies whole sentences, so each name and date in
its answer is in the notes; it cannot rephrase, and it does not know what a word means. A language
model has to be better than this to be worth its megabytes.

The kit asks such a file only for `generate(prompt, **params)`; `stream` gives the same answer piece by
piece.
"""

import re

# The kind of a sentence, by words that give it away; the first rule that matches counts.
KINDS = {
    "noise": r"^(?:sorry|thanks|hello|hi|ok|okay|fine with me|sure|agreed)\b[^,.]*\.?$|\b(?:was late|lunch was|no change|went well|don't ask)\b",
    "correction": r"\b(?:sorry, make that|make that|correction|i meant|rather say|moved to)\b",
    "open": r"\bopen\b|\bunclear\b|\bundecided\b|\bparked\b|\bnot clear\b|\bdo(?:es)? not know\b|\bdon't know\b|\bnobody (?:could|knows)\b|\?",
    "decision": r"\bdeci(?:ded|sion|de to)\b|\bagreed? (?:to|on|that)\b|\blet's\b|\bwe (?:should|need to|will)\b|\bthe plan is\b|\bgoing ahead\b|\bpropose",
    "action": r"\b(?:i'll|i will|i can|i still have to|will|takes?|owner|assigned|was asked to|action)\b|->|(?-i:^[A-Z]\w+ [a-z]+[^s\W]s (?:the|a|it|in|on|up|to)\b)",
}
DUE = (
    r"\bby (?!the way)\w+|\b\d{1,2} (?:january|february|march|april|may|june|july|august|september|october|november|december)\b"
    r"|\bdue\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\btomorrow\b|\bend of\b"
)
REQUEST = r"summar|bullet|sentence|action item|to-dos?|in short|points|\?\s*$"
WEIGHT = {"decision": 3, "action": 3, "correction": 3, "open": 2, None: 0, "noise": -2}
UNKNOWN = "The notes do not say."
COMMON = frozenset(
    re.findall(
        r"\w+",
        "a about an and any are as at be been by did do does for from had has have how i in is it its list of on or our say that the "
        "their them there they this to was we were what when which who whom whose why will with you your owns own notes meeting please",
    )
)


def generate(prompt, **params):
    """Return the answer to a request about notes; `params` change nothing here."""
    request, notes = split(prompt)
    found = sentences(notes)
    if not found:
        return "Give me meeting notes after a colon, and I pick out what was decided."
    if asks_a_question(request):
        return answer(request, found)
    chosen = choose(
        found,
        wanted(request, found),
        only={"action", "decision"} if "action item" in request.lower() else None,
    )
    lines = [tidy(sentence) for sentence in chosen]
    return (
        "\n".join(f"- {line}" for line in lines)
        if re.search(r"bullet|list", request, re.I)
        else " ".join(lines)
    )


def stream(prompt, **params):
    """Yield the same answer word by word, each with the space behind it."""
    yield from re.findall(r"\S+\s*", generate(prompt, **params))


def split(prompt):
    """Return request and notes: the request is the last paragraph, or the words up to a colon."""
    notes, _, last = prompt.rpartition("\n\n")
    if notes and re.search(REQUEST, last, re.I) and len(last) < len(notes):
        return last.strip(), notes.strip()
    match = re.search(r"\?\s*(?:meeting notes:)?|:\s|\.\s|\n", prompt, re.I)
    return (prompt[: match.end()].strip(), prompt[match.end() :].strip()) if match else (prompt, "")


def sentences(notes):
    """Return the sentences of the notes; a speaker's name goes with all that he or she says."""
    found = []
    for line in re.split(r"\n+|(?<=[.!?])\s+(?=[A-Z][a-z]+: )", notes):
        line = line.strip(" -*\t")
        speaker = re.match(r"([A-Z][\w.]+(?: [A-Z]\w+)?): (?=\S)", line)
        name = (
            speaker[1]
            if speaker and speaker[1].lower() not in ("decision", "owner", "open", "due", "action")
            else ""
        )
        for part in re.split(
            r"(?<![A-Z]r\.)(?<=[.!?])\s+", line[len(speaker[0]) :] if name else line
        ):
            found += [f"{name}: {part}" if name else part] if part.strip() else []
    return found


def kind(sentence):
    """noise, correction, open, decision, action, or None."""
    said = (
        re.sub(r"^\w+: ", "", sentence)
        if not re.match(r"(?i)(?:decision|owner|open|due|action)\b", sentence)
        else sentence
    )
    return next((name for name, pattern in KINDS.items() if re.search(pattern, said, re.I)), None)


def weight(sentence):
    """Weigh a sentence: by its kind, and one point for a day by which something is done."""
    return WEIGHT[kind(sentence)] + bool(re.search(DUE, sentence, re.I))


def wanted(request, found):
    """Return how many sentences to give: as the request says, else three to five."""
    words = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
    number = re.search(
        r"\b(\d|one|two|three|four|five)\b(?: \w+)? (?:sentence|bullet|line|point)", request, re.I
    )
    if number:
        return int(words.get(number[1].lower(), number[1]))
    return max(3, min(5, sum(weight(sentence) > 1 for sentence in found)))


def choose(found, count, only=None):
    """Return the weightiest sentences, in the order of the notes."""
    ranked = sorted(range(len(found)), key=lambda place: (-weight(found[place]), place))
    fit = [place for place in ranked if only is None or kind(found[place]) in only] or ranked
    return [found[place] for place in sorted(fit[:count])]


def asks_a_question(request):
    """Whether the request asks for one fact."""
    return (
        bool(re.match(r"(?:who|what|when|which|where|by when|is|does|how)\b", request, re.I))
        and "?" in request
    )


def answer(request, found):
    """Return the sentence that shares most words with the question, or say that none does."""
    asked = content(request)
    shared = [len(asked & content(sentence)) for sentence in found]
    if not asked or max(shared) == 0:
        return UNKNOWN
    best = shared.index(max(shared))
    more = (
        found[best + 1 : best + 2]
        if kind(found[best]) == "decision"
        and found[best + 1 : best + 2]
        and kind(found[best + 1]) == "action"
        else []
    )
    return " ".join(map(tidy, [found[best], *more]))


def content(text):
    """Return the words that carry meaning, without a plural s."""
    return {word.removesuffix("s") for word in re.findall(r"[a-z]+", text.lower())} - COMMON - {""}


def tidy(sentence):
    """One line that ends like a sentence."""
    flat = " ".join(sentence.split()).rstrip(",;")
    return flat if flat.endswith((".", "!", "?")) else f"{flat}."
