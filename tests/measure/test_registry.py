"""A new figure is one entry of `METRICS`: row, frame and summary follow."""

import json
import subprocess
import sys

ADD_A_METRIC = """
import json, sys, tempfile
from helpers.timing import metrics
new = metrics.Metric("words_per_s", "Words/s", "words/s", lambda timeline: 7.0, True)
metrics.METRICS[new.name] = new
from helpers.measure.info import RunInfo
from helpers.measure.recorder import Recorder
from helpers.measure.rows import Row
from helpers.timing.stream import Timeline
plan = {"prompts": {"name": "mine", "prompts": [{"id": "p", "text": "Hello"}]}}
info = RunInfo.model_validate({"plan": plan, "models": {"m": {"status": "ok"}}})
recorder = Recorder(info, tempfile.mkdtemp())
figures = metrics.measure(Timeline(status="ok", latency_s=1.0))
recorder.add(Row("m", None, "p", 1, "measure", "ok", figures=figures))
run = recorder.finish("finished")
print(json.dumps([
    run.rows[0]["words_per_s"], run.frame["words_per_s"][0], run.summary[0]["words_per_s_p50"]
]))
"""


def test_a_new_metric_is_in_the_row_the_frame_and_the_summary():
    done = subprocess.run(
        [sys.executable, "-c", ADD_A_METRIC], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [7.0, 7.0, 7.0]
