"""Draw the pictures of the slides from the sample run, and pick the answers that they show."""

import json
import shutil
import statistics
import tempfile
from functools import cached_property
from pathlib import Path

from helpers import Scorecard, compare_models, decide, score_facets
from helpers.common.paths import DATA
from helpers.common.show import join_words
from helpers.measure.record import SAMPLE, Run
from helpers.quality.answers import distinct
from helpers.report import charts, draw

MAX_ANSWERS = 3  # on one slide
MAX_INCHES = 4.6  # height of a picture beside a width of 9: a slide's
PICTURES = ("stream", "p95", "prompts", "ratios", "quality", "needs")


class SampleRun:
    """Hold a copy of the sample run: the shipped folder must not get new files."""

    def __init__(self, run: Run | None = None):
        folder = Path(tempfile.mkdtemp()) / SAMPLE
        self.run = run or Run(shutil.copytree(DATA / SAMPLE, folder))
        self.models = [row["model"] for row in self.run.summary if row["n_ok"]]

    @cached_property
    def charts(self) -> dict[str, draw.Chart]:
        """Return the six pictures by name: three of the report, and three of the slides alone."""
        drawn = {"stream": self.one_answer(), "p95": self.p95_of_three(), "needs": self.needs()}
        drawn |= charts.for_report(self.run) | {"quality": charts.quality_and_speed(self.run)}
        for chart in drawn.values():
            width, height = chart.figure.get_size_inches()
            chart.figure.set_size_inches(width, min(height, MAX_INCHES))
        return {name: drawn[name] for name in PICTURES}

    def one_answer(self) -> draw.Chart:
        """Draw how the longest answer of each model came in: a dot for each chunk."""
        record = (self.run.folder / "requests.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in record.splitlines()]
        rows = [row for row in rows if row["status"] == "ok" and row.get("chunk_times_s")]
        figure, (axes,) = draw.new_figure(height=1 + 0.5 * len(self.models))
        shares = []
        for place, model in enumerate(self.models):
            times = max((r["chunk_times_s"] for r in rows if r["model"] == model), key=len)
            times_ms = [1000 * time for time in times]
            draw.dots(axes, place, times_ms, [place] * len(times), ms=6)
            axes.vlines(times_ms[0], place - 0.3, place + 0.3, color="black", lw=2.5)
            shares.append(f"{100 * (1 - times[0] / times[-1]):.0f} % for {model}")
        draw.name_rows([axes], self.models)
        axes.set_xlim(left=0)
        axes.set_xlabel(
            "milliseconds since the request was written; black: first token, dots: chunks"
        )
        alt = f"Chunks over time of one answer each of {join_words(self.models)}."
        finding = f"Share of the latency that comes after the first token: {join_words(shares)}."
        return draw.Chart(figure, alt, finding)

    def needs(self) -> draw.Chart:
        """Draw the memory and the disk that each model takes, in MB."""
        figure, panels = draw.new_figure(2, height=0.9 + 0.42 * len(self.models))
        rows = {row["model"]: row for row in Scorecard(self.run).rows}
        said = []
        for axes, name in zip(panels, ("memory_mb", "disk_mb"), strict=True):
            values = [rows[model][name] or 0 for model in self.models]
            axes.barh(range(len(values)), values, 0.6, color="#56B4E9", edgecolor="black", lw=0.6)
            what = name.removesuffix("_mb")
            axes.set_xlabel(f"{what}, MB (left is better)")
            said.append(f"{what} from {min(values):,.0f} to {max(values):,.0f} MB")
        draw.name_rows(panels, self.models)
        alt = f"Bars of memory and disk of {join_words(self.models)}."
        return draw.Chart(figure, alt, f"{' and '.join(said).capitalize()}.".replace("mb", "MB"))

    def p95_of_three(self) -> draw.Chart:
        """Draw three latencies of each model with the p95 that `statistics.quantiles` gives.

        Of each model it takes the prompt whose first three answers differ most, as shares of the
        slowest of the three.
        """
        figure, (axes,) = draw.new_figure(height=1.2 + 0.5 * len(self.models))
        shares = []
        for place, model in enumerate(self.models):
            triples = [values[:3] for values in self.run.values(model, "latency_s").values()]
            three = max((t for t in triples if len(t) == 3), key=lambda t: max(t) / min(t))
            share = [value / max(three) for value in three]
            shares.append(statistics.quantiles(share, n=20)[-1])
            draw.dots(axes, place, share, [place] * 3, ms=9)
            axes.plot(shares[-1], place, "x", color="black", ms=11, mew=2.5)
        axes.axvline(1, color="0.4", lw=1, ls="--")
        draw.name_rows([axes], self.models)
        axes.set_xlabel("latency, the slowest of three requests = 1; cross: the script's p95")
        low, high = (round(100 * (share - 1)) for share in (min(shares), max(shares)))
        alt = f"Three latencies of {join_words(self.models)}, and the 95th percentile beside them."
        finding = (
            f"The script's p95 lies {low} to {high} % above the slowest request that was measured."
        )
        return draw.Chart(figure, alt, finding)

    @cached_property
    def quality(self):
        """Return the facets of the run."""
        return score_facets(self.run)

    @cached_property
    def example(self) -> dict:
        """Return notes with answers of which some contradict them and some do not.

        Summaries come first, then notes with which most models cope, then the shortest: word
        matching may miss a contradiction, but hardly the same one in many answers. Answers that
        agree to the letter count once.
        """
        found = []
        for prompt in self.quality.prompts.prompts:
            answers = self._answers(prompt.id)
            wrong = [answer for answer in answers if answer["wrong"]]
            right = [answer for answer in answers if not answer["wrong"]]
            shown = sorted([*wrong[:1], *right[: MAX_ANSWERS - 1]], key=lambda a: a["text"])
            if wrong and right:
                cope = sum(len(answer["models"]) for answer in right)
                found.append({"notes": prompt.text, "answers": shown, "cope": cope})
        if not found:
            prompt = self.quality.prompts.prompts[0]
            answers = self._answers(prompt.id)[:MAX_ANSWERS]
            found = [{"notes": prompt.text, "answers": answers, "cope": len(answers)}]
        return min(found, key=_suits)

    def _answers(self, prompt_id: str) -> list[dict]:
        """Return the distinct answers to a prompt: text, its models, and what is wrong with it."""
        by_text: dict[str, dict] = {}
        for answer in distinct(self.run):
            score = self.quality.scores.get(answer.key)
            if answer.prompt == prompt_id and score:
                wrong = [check.found for check in score.checks if check.contradicted]
                entry = {"text": answer.text, "models": [], "wrong": wrong}
                by_text.setdefault(answer.text, entry)["models"].append(answer.model)
        return list(by_text.values())

    def verdicts(self) -> list[str]:
        """Return the sentences on latency, and one on a figure, or on quality, that cannot tell."""
        verdicts = compare_models(self.run)
        latency = [str(verdict) for verdict in verdicts if verdict.metric == "latency_s"]
        unclear = [verdict for verdict in verdicts if not verdict.apart and verdict.ratio]
        unclear.sort(key=lambda verdict: verdict.low is None)  # best one with an interval
        alike = [sentence for sentence in self.quality.compare() if "cannot tell" in sentence]
        return [*latency, *[*map(str, unclear), *alike][:1]]

    def decision(self) -> str:
        """Return the decision's first sentence, with the limits and weights of the kit."""
        return str(decide(Scorecard(self.run))).splitlines()[0]


def _suits(example: dict) -> tuple:
    """Return how well notes suit a slide; smaller is better."""
    asks_for_summary = "summar" in example["notes"][:120].lower()
    return not asks_for_summary, -example["cope"], len(example["notes"])
