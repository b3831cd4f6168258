"""Read what the chunks of an answer say: text, reasoning, token counts, its end, or an error.

The format is OpenAI's; servers bend it in many ways, and every way that is known has its line here.
"""

import re
from collections.abc import Mapping
from itertools import accumulate
from typing import TypeVar

from .framing import Failure
from .refusals import explain_error, shorten

DONE = object()
T = TypeVar("T")
MAX_COUNT = 10_000_000  # tokens that one request may have
HIDDEN = 8  # tokens without text that a count may include: those that begin and end an answer
REPEATED = 8  # characters from which a chunk that is the whole answer again is taken for that
# Reasons to end that no whole answer has.
_BROKEN = re.compile(r"error|abort|cancel|fail|time_?d?_?out|insufficient|overload", re.IGNORECASE)
# Blank also for a reader: white space, and characters without a width.
_BLANK = re.compile(r"[\s\0\u200b-\u200f\u2060\ufeff]*")
_IN_PARTS = ("text", "thinking", "reasoning", "content", "summary", "value")
# How reasoning in the text begins, and what stands between it and the answer.
_THOUGHTS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("[THINK]", "[/THINK]"),
    ("<|channel|>", "<|channel|>final<|message|>"),  # Harmony, of gpt-oss
)
_HARMONY = re.compile(r"<\|(?:start|end|return|call|message|channel)\|>(?:assistant|analysis)?")


class Collector:
    """Collect text, arrival times, usage and the reason for the end, chunk by chunk."""

    def __init__(self):
        self.texts: list[tuple[str, str]] = []  # answer and reasoning of each chunk with text ...
        self.times_s: list[float] = []  # ... and its arrival
        self.finish_reason: str | None = None
        self.usage: dict = {}
        self.error: str | None = None
        self.ended = False
        self._index: object = None  # of the choice that is read; another one is another answer

    def take(self, arrived_s: float, chunk: object) -> None:
        """Add a chunk; raises Failure for one that reports an error or makes no sense."""
        if chunk is DONE:
            self.ended = True
            return
        fields = _expect(dict, chunk, "a JSON object in the stream")
        if error := fields.get("error"):
            self._fail(explain_error(error if isinstance(error, dict) else fields))
        choices = _expect(list, fields.get("choices") or [], "a list of choices")
        usage = fields.get("usage")
        if usage and isinstance(usage, dict):
            self.usage = usage
        elif not choices:
            self._take_other(fields)
        for choice in choices:
            index = _expect(dict, choice, "an object as choice").get("index")
            self._index = index if self._index is None else self._index
            if index == self._index or index is None:
                self._take_choice(arrived_s, choice)

    def _fail(self, words: str) -> None:
        self.error = words
        raise Failure(words)

    def _take_other(self, fields: dict) -> None:
        """Hear an error that is not called `error`; one that text follows was only a remark."""
        if fields.get("object") == "error" or fields.get("error_code"):
            self._fail(explain_error(fields))
        if any(fields.get(name) for name in ("message", "detail", "msg", "errors", "title")):
            self.error = explain_error(fields)

    def _take_choice(self, arrived_s: float, choice: dict) -> None:
        # A stream says `delta`, a whole answer `message`; Foundry Local 0.8 sends both, and others
        # end a stream with the whole message. The old completions say `text`.
        delta = choice.get("delta")
        if not delta and not (self.texts and "delta" in choice):
            delta = choice.get("message") or {"content": choice.get("text")}
        delta = _expect(dict, delta or {}, "an object as delta")
        answer, reasoning = _texts(delta)
        if answer or reasoning:
            self.texts.append((answer, reasoning))
            self.times_s.append(arrived_s)
            self.error = None
        if error := choice.get("error") or delta.get("error"):
            self._fail(explain_error(error))
        if reason := choice.get("finish_reason"):
            self.finish_reason = _mend(reason if isinstance(reason, str) else f"{reason!r:.60}")
            if _BROKEN.search(self.finish_reason):
                reason = shorten(self.finish_reason)
                self._fail(f"the server ended the answer with finish_reason {reason!r}")
            self.ended = True

    def finish(self) -> None:
        """Take back a last chunk that only repeats the whole answer."""
        *before, last = self.texts or [("", "")]
        if before and len(last[0]) >= REPEATED:
            whole = tuple("".join(parts) for parts in zip(*before, strict=True))
            if last[0] == whole[0] and last[1] in ("", whole[1]):
                del self.texts[-1], self.times_s[-1]

    @property
    def is_blank(self) -> bool:
        """Return whether no text came that a reader would see."""
        return all(_BLANK.fullmatch(text) for texts in self.texts for text in texts)

    def split(self) -> tuple[str, str, float | None]:
        """Return the answer, the reasoning, and when the first text of the answer came.

        Some servers leave a model's `<think> ... </think>` in the content, or only its end because
        the prompt ended with the start. It is reasoning, and the answer begins after it.
        """
        whole = "".join(answer for answer, _ in self.texts)
        thought, start = _thought(whole)
        reached = accumulate(len(answer) for answer, _ in self.texts)
        arrivals = zip(self.times_s, reached, strict=True)
        first_answer_s = next((at for at, length in arrivals if length > start), None)
        answer = whole[start:]
        if "<|channel|>" in whole:
            answer = answer.removesuffix("<|return|>").removesuffix("<|end|>")
        reasoning = "".join(reasoning for _, reasoning in self.texts) + thought
        return _mend(answer), _mend(reasoning), first_answer_s

    def tokens(self, answer: str, reasoning: str) -> tuple[int | None, int | None, str | None]:
        """Return prompt tokens, the generated tokens that came as text, and why there are none.

        A count must be able to be true of the text. Tokens of reasoning that was not sent do not
        count, because rates are of what was seen to come.
        """
        told, size = self.usage.get("completion_tokens"), len((answer + reasoning).encode())
        prompt, count = _count(self.usage, "prompt_tokens") or None, _count(self.usage)
        if told is None or not size:
            return prompt, count, None
        thought = _count(self.usage.get("completion_tokens_details"), "reasoning_tokens") or 0
        total = (prompt or 0) + (count or 0) + thought
        apart = thought > (count or 0) or self.usage.get("total_tokens") == total
        if count and thought and apart == bool(reasoning):
            count += thought if apart else -thought
        if not count:
            return prompt, None, f"the server counted {shorten(f'{told!r:.40}')} tokens"
        if count > size + HIDDEN:
            return prompt, None, "the server counted more tokens than the text can have"
        if reasoning and len(self.texts) > count + HIDDEN:
            return prompt, None, "the server did not count the tokens of the reasoning"
        return prompt, count, None


def _count(usage: object, name: str = "completion_tokens") -> int | None:
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 <= count <= MAX_COUNT else None


def _texts(delta: Mapping) -> tuple[str, str]:
    """Return answer and reasoning of a delta; its content may be a list of parts with types."""
    names = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
    reasoning = next(filter(None, (_text(delta.get(name)) for name in names)), "")
    content, answer = delta.get("content") or "", ""
    if not isinstance(content, (str, list, dict)):
        raise Failure(f"expected text as content, found {content!r:.80}")
    for part in content if isinstance(content, list) else [content]:
        kind = str(part.get("type")) if isinstance(part, dict) else ""
        if "think" in kind or "reason" in kind:
            reasoning += _text(part)
        else:
            answer += _text(part)
    return answer, reasoning


def _text(part: object) -> str:
    """Return the text of a part; empty for one without text, such as an image."""
    if isinstance(part, list):
        return "".join(map(_text, part))
    if isinstance(part, dict):
        return next(filter(None, (_text(part.get(name)) for name in _IN_PARTS)), "")
    return part if isinstance(part, str) else ""


def _thought(whole: str) -> tuple[str, int]:
    """Return the reasoning that a text begins with, and where the answer begins."""
    for opening, closing in _THOUGHTS:
        thought, end, rest = whole.partition(closing)
        inside = thought.lstrip()
        if inside.startswith(opening) or (end and opening not in thought):
            inside = _HARMONY.sub("", inside).removeprefix(opening).strip()
            return inside, len(whole) - len(rest.lstrip() if thought else rest)
    return "", 0


def _expect(kind: type[T], value: object, words: str) -> T:
    if not isinstance(value, kind):
        raise Failure(f"expected {words}, found {value!r:.80}")
    return value


def _mend(text: str) -> str:
    """Join the halves of a surrogate pair that came in two chunks; a lone half becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
