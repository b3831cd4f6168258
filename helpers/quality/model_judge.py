"""Ask a model to score answers: a fixed rubric, a reply in JSON, temperature 0; all are kept."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import EndpointError, UsageError
from ..common.files import append_json, now, read_json_lines
from ..common.progress import Progress
from ..common.show import Shown, one_line
from ..common.templates import sentences
from ..measure.record import Run
from .answers import Key, distinct
from .people import score_of

if TYPE_CHECKING:
    from ..servers.server import Server

RUBRIC_VERSION = 1
RUBRIC = Path(__file__).with_name("templates") / "rubric.txt"
REQUEST = dict(max_tokens=200, temperature=0.0, stream=False, timeout_s=120.0)
MAX_FAILURES_IN_A_ROW = 3
MAX_REPLY = 20_000  # characters at the end of a reply


@dataclass(frozen=True)
class Judgement:
    """Hold one reply of a judge. Without a `value`, `reply` or `error` says why there is none."""

    judge: str
    prompt: str
    answer: str
    value: int | None
    reason: str = ""
    reply: str = ""
    error: str | None = None
    at: str = ""
    rubric: int = RUBRIC_VERSION


@dataclass(frozen=True, repr=False)
class JudgeResult(Shown):
    """Hold the scores of one judge for a run."""

    judge: str
    judgements: tuple[Judgement, ...]
    own_answers: bool = False  # the run holds answers of the judge itself
    asked: frozenset[Key] = frozenset()  # the answers that this call asked about

    @property
    def scores(self) -> dict[Key, int]:
        """Return the judge's score, 1 to 5, by prompt id and answer hash."""
        return {(j.prompt, j.answer): j.value for j in self.judgements if j.value is not None}

    @property
    def failures(self) -> int:
        """Count replies that were not valid JSON, and requests without a reply."""
        return sum(j.value is None for j in self.judgements)

    def sentences(self) -> list[str]:
        """Return a warning about a judge of its own answers, and how many replies could be used."""
        every = self.judgements
        now = [j for j in every if (j.prompt, j.answer) in self.asked] or every
        unusable = sum(j.value is None for j in now)
        silent = sum(j.error is not None for j in now)
        about = {"replies": len(now), "silent": silent, "invalid": unusable - silent}
        return sentences("quality/judge.jinja", result=self, earlier=len(every) - len(now), **about)


def ask_judge(
    server: "Server",
    judge: str,
    run: Run,
    *,
    limit: int | None = None,
    progress: bool = True,
) -> JudgeResult:
    """Let a model score the answers of a run. An answer that it has scored is not asked again.

    `judge` is its alias or id on `server`, and `limit` the most requests that are sent. Each reply
    is appended to `judge-<name>.jsonl` in the run's folder as it comes. Raises UnknownModel, and
    EndpointError when the server fails three times in a row.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit: expected a whole number of at least 1, found {limit}.")
    model = server.resolve(judge)
    if not model.loaded:
        server.load(judge)
    file = run.folder / f"judge-{re.sub(r'[^A-Za-z0-9._-]+', '-', model.alias)}.jsonl"
    done = {(j.prompt, j.answer) for j in _read(file) if j.error is None}
    to_ask = {a.key: a for a in distinct(run) if a.key not in done}
    answers, failures = list(to_ask.values())[:limit], 0
    rubric = RUBRIC.read_text(encoding="utf-8").strip()
    with Progress(len(answers), "judgements", progress) as line:
        for answer in answers:
            # An answer must not close its own tag.
            texts = {"asked": run.prompts.get(answer.prompt, ""), "answer": answer.text}
            fenced = {n: re.sub(r"<(/?)(asked|answer)", r"< \1\2", t) for n, t in texts.items()}
            question = rubric.format(**fenced)
            timeline = server.request(model, question, **REQUEST)
            value, reason = parse(timeline.text) if timeline.ok else (None, "")
            reply = "" if value is not None else one_line(timeline.text, 300)
            said = Judgement(model.alias, *answer.key, value, reason, reply, timeline.error, now())
            append_json(file, asdict(said))
            line.step(answer.prompt)
            failures = 0 if timeline.ok else failures + 1
            if failures == MAX_FAILURES_IN_A_ROW:
                raise EndpointError(
                    f"{model.alias} failed {failures} times in a row, the last time with: "
                    f"{timeline.error}. Its earlier replies are in {file}."
                )
    own, asked = _takes_part(run, model.alias, model.id), frozenset(a.key for a in answers)
    return JudgeResult(model.alias, _read(file), own, asked)


def read_judges(run: Run) -> list[JudgeResult]:
    """Return the scores of each judge of a run. Raises UsageError for a damaged file."""
    results = []
    for file in sorted(run.folder.glob("judge-*.jsonl")):
        if judgements := _read(file):
            judge = judgements[0].judge
            results.append(JudgeResult(judge, judgements, _takes_part(run, judge)))
    return results


def parse(reply: str) -> tuple[int | None, str]:
    """Return score and reason of a judge's reply; (None, "") without a score on the scale."""
    # Judges wrap JSON in a fence or think aloud before it: the last object that fits counts.
    found: tuple[int | None, str] = None, ""
    reply, at = reply[-MAX_REPLY:], 0
    while (at := reply.find("{", at)) >= 0:
        try:
            fields, end = json.JSONDecoder(strict=False).raw_decode(reply, at)
        except (ValueError, RecursionError):
            fields, end = {}, at
        if (score := score_of(fields.get("score"))) is None:
            at += 1  # perhaps an object within this one
        else:
            found, at = (score, one_line(str(fields.get("reason", "")), 300)), end
    return found


def _read(file: Path) -> tuple[Judgement, ...]:
    """Return the latest judgement of each answer, without the first release's pairs of answers."""
    latest = {}
    try:
        for number, fields in enumerate(read_json_lines(file), 1):
            if not isinstance(fields, dict) or not fields.keys() >= {"judge", "prompt", "value"}:
                raise ValueError(f"line {number} is not a judgement")
            if fields.pop("kind", "score") == "score":
                fields.setdefault("answer", *fields.pop("answers", ("",)))
                latest[fields["prompt"], fields["answer"]] = Judgement(**fields)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{file} is damaged: {error}; delete that line, and the judge is asked again."
        ) from None
    return tuple(latest.values())


def _takes_part(run: Run, judge: str, model_id: str | None = None) -> bool:
    """Tell whether a run holds the judge's answers, by its name, on any server, or by its id."""
    names = {name.partition(" @ ")[0] for name in run.models} | set(run.models)
    ids = {record.model_id for record in run.info.models.values()} - {None}
    return judge in names or model_id in ids
