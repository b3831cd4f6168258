"""Make data/sample_run again, where notebooks 04 and 05 start without a run. Use a quiet machine.

python bench/sample_run.py
"""

import shutil
import tempfile

from helpers import benchmark, calibrate, connect, load_models
from helpers.common.paths import DATA
from helpers.measure.record import SAMPLE


def main() -> None:
    """Measure the built-in models by the plan of notebook 03, and keep only the record."""
    with connect() as server, tempfile.TemporaryDirectory() as folder:
        models = load_models().built_in
        run = benchmark(server, models, output=folder, rounds=5, calibration=calibrate())
        for name in ("run.json", "requests.jsonl"):
            shutil.copyfile(run.folder / name, DATA / SAMPLE / name)
        print(run)


if __name__ == "__main__":
    main()
