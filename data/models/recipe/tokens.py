"""The tokenizer, and the conversations as arrays of token ids, prepared once for all sizes."""

import itertools
import re
from collections import Counter

import generate
import numpy as np
import phrases
from settings import CONTEXT, VOCABULARY
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

# Merges are learned with a space kept apart from a capital letter: " Ana" and "Ana:" then share their tokens, and a
# model that copies a name need not know where in the line it stood. Digits stay single for the same reason.
LEARNING_PATTERN = r"\p{Lu}{2,}|\p{Lu}\p{Ll}*| ?\p{Ll}+|'\p{Ll}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s"
# Served with the pattern of Qwen2, which ONNX Runtime GenAI knows. Merges that were never learned cannot happen, so the
# result is the same.
SERVING_PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LEARNING_CONVERSATIONS = 15_000
CHUNK = 5_000  # conversations tokenized at a time
NO_NOTES = ("session", "greeting", "unknown")
RARE = 10  # times in all templates, up to which a token counts as part of a name or topic
CONTENT_CLASSES = (r"Ġ[a-z]+", r"[A-Z][a-z]*", r"[a-z]+")  # begins a word, begins a name, goes on


def _pre_tokenizer(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    return pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def learn(train_file, folder):
    """Learns the byte-level BPE from the training text and saves it as a transformers tokenizer."""
    texts = []
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


def load(folder):
    return PreTrainedTokenizerFast.from_pretrained(folder)


def prompt_text(user):
    """One user message as the model sees it."""
    return f"{START}user\n{user}{END}\n{START}assistant\n"


def encode(split_file, tokenizer, target):
    """Saves the conversations of a split as one array of ids, with marks, branches and positions, and where each one begins.

    A mark is 1 on answers. A branch is 0 on notes and on all of a plain conversation, 1 on what surrounds the notes of the
    first request and on its answer, and 2 and above on further requests that see nothing of each other; these take the
    positions right behind the notes.
    """
    parts = {name: [] for name in ("ids", "marks", "branch", "position", "lengths", "about_notes")}
    for conversations in _chunks(generate.read(split_file), CHUNK):
        for name, values in _encode(conversations, tokenizer).items():
            parts[name].append(values)
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    starts = np.concatenate([[0], np.cumsum(joined.pop("lengths"))])
    np.savez(target, starts=starts, content=content_ids(tokenizer), **joined)


def _chunks(items, size):
    items = iter(items)
    while chunk := list(itertools.islice(items, size)):
        yield chunk


def _encode(conversations, tokenizer):
    """The arrays of some conversations, one behind the other."""
    texts, answers, branches, spans, counts = [], [], [], [], []
    for turns in conversations:
        branched = any(turn["notes"] == "" for turn in turns)
        for number, turn in enumerate(turns):
            asked = turn["user"] + END + f"\n{START}assistant\n"
            if number == 0 or not branched:
                asked = f"{START}user\n" + asked
            notes = turn["notes"] if branched and number == 0 else None
            begin = asked.index(notes) if notes else 0
            spans.append((begin, begin + len(notes)) if notes else None)
            texts += [asked, turn["assistant"] + END, "\n"]
            answers += [0, 1, 0]
            branches += [number + 1 if branched else 0] * 3
        counts.append(3 * len(turns))
    encoded = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    lengths = np.array([len(row) for row in ids])
    ends = np.cumsum(lengths)
    branch = np.repeat(np.asarray(branches, dtype=np.uint8), lengths)
    per_conversation = np.diff(ends[np.cumsum(counts) - 1], prepend=0)
    position = np.arange(ends[-1]) - np.repeat(
        np.cumsum(per_conversation) - per_conversation, per_conversation
    )
    notes_end = 0
    for number, span in enumerate(spans):
        piece = 3 * number
        begin = ends[piece] - lengths[piece]
        if span:
            inside = [
                n
                for n, (start, stop) in enumerate(offsets[piece])
                if span[0] <= start and stop <= span[1]
            ]
            branch[begin + inside[0] : begin + inside[-1] + 1] = 0
            notes_end = position[begin + inside[-1]] + 1
        elif branches[piece] > 1:
            position[begin : ends[piece + 2]] = notes_end + np.arange(ends[piece + 2] - begin)
    return {
        "ids": np.concatenate([np.asarray(row, dtype=np.uint16) for row in ids]),
        "marks": np.repeat(np.asarray(answers, dtype=np.uint8), lengths),
        "branch": branch,
        "position": position.astype(np.uint16),
        "lengths": per_conversation,
        "about_notes": np.array([turns[0]["task"] not in NO_NOTES for turns in conversations]),
    }


def content_ids(tokenizer):
    """Class of every token: 1, 2 or 3 (see `CONTENT_CLASSES`) for parts of names and topics, 0 for wording.

    Wording is what answers and dates are made of, and whatever the templates use often.
    """
    answers = set(tokenizer(phrases.answer_text(), add_special_tokens=False)["input_ids"])
    counts = Counter(
        token
        for ids in tokenizer(phrases.fixed_text().split("\n"), add_special_tokens=False)[
            "input_ids"
        ]
        for token in ids
    )
    classes = np.zeros(len(tokenizer), dtype=np.uint8)
    for token, number in tokenizer.get_vocab().items():
        kinds = [
            kind for kind, pattern in enumerate(CONTENT_CLASSES, 1) if re.fullmatch(pattern, token)
        ]
        if kinds and number not in answers and counts[number] <= RARE:
            classes[number] = kinds[0]
    return classes


def prepare(work, folder):
    """Tokenizer and arrays, unless they are there already."""
    if not (folder / "tokenizer.json").exists():
        learn(work / "text" / "train.jsonl", folder)
    tokenizer = load(folder)
    for split in ("train", "validation"):
        target = folder / f"{split}.npz"
        if not target.exists():
            encode(work / "text" / f"{split}.jsonl", tokenizer, target)
            print(
                f"{target.name}: {len(np.load(target)['ids']) / 1e6:.1f} million tokens", flush=True
            )
    return tokenizer
