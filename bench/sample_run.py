"""Make data/sample_run again, where notebooks 04 and 05 start without a run. Use a quiet machine.

    python -m helpers prefetch
    python bench/sample_run.py

The models of the course must be here. Replies of a judge and scores belong to exact answers: where
these change, ask the judge again, and write data/sample_ratings.csv anew.
"""

import argparse
import shutil
import sys
import tempfile

from helpers import benchmark, calibrate, connect
from helpers.common.errors import KitError
from helpers.common.paths import DATA
from helpers.course.notebooks import left_out
from helpers.measure.record import SAMPLE


def main(arguments: list[str] | None = None) -> int:
    """Measure the course's models by the plan of notebook 03, in five rounds; keep the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args(arguments)
    try:
        with connect() as server, tempfile.TemporaryDirectory() as folder:
            settings = {"rounds": 5, "max_tokens": 80, "calibration": calibrate()}
            run = benchmark(server, output=folder, **settings)
            if missing := left_out(run.folder):
                raise KitError(f"The run lacks {', '.join(missing)}: python -m helpers prefetch")
            for name in ("run.json", "requests.jsonl"):
                shutil.copyfile(run.folder / name, DATA / SAMPLE / name)
            print(run)
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
