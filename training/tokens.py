"""Learn the tokenizer, and turn conversations into arrays of token ids, once for all sizes."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from . import generate, phrases
from .generate import Turn
from .settings import CONTEXT, VOCABULARY

T = TypeVar("T")

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

# Merges are learned with a space kept apart from a capital letter: " Ana" and "Ana:" then share
# their tokens, and a model that copies a name need not know where in the line it stood. Digits stay
# single for the same reason.
LEARNING_PATTERN = r"\p{Lu}{2,}|\p{Lu}\p{Ll}*| ?\p{Ll}+|'\p{Ll}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s"
# Served with the pattern of Qwen2, which ONNX Runtime GenAI knows. Merges that were never learned
# cannot happen, so the result is the same.
SERVING_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LEARNING_CONVERSATIONS = 15_000
CHUNK = 5_000  # conversations tokenized at a time
ARRAYS = ("ids", "marks", "branch", "position", "lengths", "about_notes")
NO_NOTES = ("session", "greeting", "unknown")
RARE = 10  # times in all templates, up to which a token counts as part of a name or topic
CONTENT_CLASSES = (r"Ġ[a-z]+", r"[A-Z][a-z]*", r"[a-z]+")  # begins a word, begins a name, goes on


def _pre_tokenizer(pattern: str) -> pre_tokenizers.Sequence:
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    return pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def learn(train_file: Path, folder: Path) -> None:
    """Learn the byte-level BPE from the training text and save it as a transformers tokenizer."""
    texts: list[str] = []
    for turns in generate.read(train_file):
        texts += [
            text
            for turn in turns
            for text in (f"user\n{turn['user']}", f"assistant\n{turn['assistant']}")
        ]
        if len(texts) > 2 * LEARNING_CONVERSATIONS:
            break
    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.pre_tokenizer = _pre_tokenizer(LEARNING_PATTERN)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[PAD, START, END],
            initial_alphabet=alphabet,
            show_progress=False,
        ),
    )
    tokenizer.pre_tokenizer = _pre_tokenizer(SERVING_PATTERN)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
    ).save_pretrained(folder)


def load(folder: Path) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a folder."""
    return PreTrainedTokenizerFast.from_pretrained(folder)


def prompt_text(user: str) -> str:
    """Return one user message as the model sees it."""
    return f"{START}user\n{user}{END}\n{START}assistant\n"


def encode(split_file: Path, tokenizer: PreTrainedTokenizerFast, target: Path) -> None:
    """Save the conversations of a split as one array of ids and where each one begins.

    Arrays of the same length hold marks, branches and positions. A mark is 1 on answers. A branch
    is 0 on notes and on all of a plain conversation, 1 on what surrounds the notes of the first
    request and on its answer, and 2 and above on further requests that see nothing of each other;
    these take the positions right behind the notes.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ARRAYS}
    for conversations in _chunks(generate.read(split_file), CHUNK):
        for name, values in _encode(conversations, tokenizer).items():
            parts[name].append(values)
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    starts = np.concatenate([[0], np.cumsum(joined.pop("lengths"))])
    joined |= {"starts": starts, "content": content_ids(tokenizer)}
    np.savez(target, allow_pickle=False, **joined)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk


class _Pieces:
    """Conversations in pieces: for each turn the request, the answer and a line break.

    `spans` says where the notes stand in the request of a turn, None where they are not asked for.
    """

    def __init__(self, conversations: list[list[Turn]]):
        self.texts: list[str] = []
        self.branches: list[int] = []
        self.spans: list[tuple[int, int] | None] = []
        self.counts = [3 * len(turns) for turns in conversations]
        for turns in conversations:
            self._add(turns)

    def _add(self, turns: list[Turn]) -> None:
        branched = any(turn["notes"] == "" for turn in turns)
        for number, turn in enumerate(turns):
            asked = turn["user"] + END + f"\n{START}assistant\n"
            if number == 0 or not branched:
                asked = f"{START}user\n" + asked
            notes = turn["notes"] if branched and number == 0 else None
            begin = asked.index(notes) if notes else 0
            self.spans.append((begin, begin + len(notes)) if notes else None)
            self.texts += [asked, f"{turn['assistant']}{END}", "\n"]
            self.branches += [number + 1 if branched else 0] * 3


def _encode(
    conversations: list[list[Turn]], tokenizer: PreTrainedTokenizerFast
) -> dict[str, np.ndarray]:
    """Return the arrays of some conversations, one behind the other."""
    pieces = _Pieces(conversations)
    encoded = tokenizer(pieces.texts, add_special_tokens=False, return_offsets_mapping=True)
    ids = encoded["input_ids"]
    lengths = np.array([len(row) for row in ids])
    ends = np.cumsum(lengths)
    per_conversation = np.diff(ends[np.cumsum(pieces.counts) - 1], prepend=0)
    starts = np.repeat(np.cumsum(per_conversation) - per_conversation, per_conversation)
    branch = np.repeat(np.asarray(pieces.branches, dtype=np.uint8), lengths)
    position = np.arange(ends[-1]) - starts
    _branch_off(pieces, encoded["offset_mapping"], ends, branch, position)
    answers = np.tile(np.asarray([0, 1, 0], dtype=np.uint8), len(pieces.spans))
    return {
        "ids": np.concatenate([np.asarray(row, dtype=np.uint16) for row in ids]),
        "marks": np.repeat(answers, lengths),
        "branch": branch,
        "position": position.astype(np.uint16),
        "lengths": per_conversation,
        "about_notes": np.array([turns[0]["task"] not in NO_NOTES for turns in conversations]),
    }


def _branch_off(
    pieces: _Pieces, offsets: Any, ends: np.ndarray, branch: np.ndarray, position: np.ndarray
) -> None:
    """Mark the tokens of notes as seen by all, and put further requests right behind them."""
    notes_end = 0
    for number, span in enumerate(pieces.spans):
        piece = 3 * number
        begin = ends[piece] - len(offsets[piece])
        if span:
            inside = [
                place
                for place, (start, stop) in enumerate(offsets[piece])
                if span[0] <= start and stop <= span[1]
            ]
            branch[begin + inside[0] : begin + inside[-1] + 1] = 0
            notes_end = position[begin + inside[-1]] + 1
        elif pieces.branches[piece] > 1:
            position[begin : ends[piece + 2]] = notes_end + np.arange(ends[piece + 2] - begin)


def content_ids(tokenizer: PreTrainedTokenizerFast) -> np.ndarray:
    """Return the class of every token.

    It is 1, 2 or 3 (see `CONTENT_CLASSES`) for parts of names and topics, and 0 for wording: what
    answers and dates are made of, and whatever the templates use often.
    """
    answers = set(tokenizer(phrases.answer_text(), add_special_tokens=False)["input_ids"])
    lines = tokenizer(phrases.fixed_text().split("\n"), add_special_tokens=False)["input_ids"]
    counts = Counter(itertools.chain.from_iterable(lines))
    classes = np.zeros(len(tokenizer), dtype=np.uint8)
    for token, number in tokenizer.get_vocab().items():
        kinds = [
            kind for kind, pattern in enumerate(CONTENT_CLASSES, 1) if re.fullmatch(pattern, token)
        ]
        if kinds and number not in answers and counts[number] <= RARE:
            classes[number] = kinds[0]
    return classes


def prepare(work: Path, folder: Path) -> None:
    """Make tokenizer and arrays, unless they are there already."""
    if not (folder / "tokenizer.json").exists():
        learn(work / "text" / "train.jsonl", folder)
    tokenizer = load(folder)
    for split in ("train", "validation"):
        target = folder / f"{split}.npz"
        if not target.exists():
            encode(work / "text" / f"{split}.jsonl", tokenizer, target)
            millions = len(np.load(target)["ids"]) / 1e6
            print(f"{target.name}: {millions:.1f} million tokens", flush=True)
