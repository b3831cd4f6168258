"""Makes the pocket models: `python data/models/recipe` from the top of the project does all of it.

Steps can be named to run only those, and every step goes on where it was stopped. `generate`, `evaluate`, `speed` and `package` need
no more than the kit itself; `train` and `export` need the packages of requirements.txt beside this file.
"""

import argparse
import importlib.util
import sys
from pathlib import Path

import generate
import settings

STEPS = ("generate", "train", "export", "evaluate", "speed", "package")
STUDIES = ("precisions", "gaps")
EXTRAS = ("torch", "transformers", "onnxruntime_genai", "onnx", "onnx_ir")


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="python data/models/recipe", description=__doc__)
    parser.add_argument(
        "steps",
        nargs="*",
        metavar="STEP",
        help=f"any of {', '.join(STEPS + STUDIES)}; the first six when none is named",
    )
    parser.add_argument(
        "--models", default=",".join(settings.MODELS), help="sizes, separated by commas"
    )
    parser.add_argument(
        "--work", type=Path, default=settings.WORK_FOLDER, help="text, checkpoints and logs"
    )
    parser.add_argument(
        "--output", type=Path, default=settings.MODELS_FOLDER, help="where the model folders go"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="part of text and steps, 0.01 for a smoke run"
    )
    arguments = parser.parse_args(argv)
    for step in arguments.steps:
        if step not in STEPS + STUDIES:
            parser.error(f"unknown step {step!r}; choose from {', '.join(STEPS + STUDIES)}")
    unknown = [alias for alias in arguments.models.split(",") if alias not in settings.MODELS]
    if unknown:
        parser.error(f"unknown model {unknown[0]!r}; choose from {', '.join(settings.MODELS)}")
    if not 0 < arguments.scale <= 1:
        parser.error(f"--scale must be above 0 and at most 1, not {arguments.scale}")
    return arguments


def main(argv=None):
    arguments = _arguments(argv)
    steps = arguments.steps or STEPS
    missing = [name for name in EXTRAS if importlib.util.find_spec(name) is None]
    if missing and {"train", "export", "precisions"} & set(steps):
        sys.exit(
            f"error: training and export need {', '.join(missing)}; install them with: python -m pip install -r data/models/recipe/requirements.txt"
        )
    work, output = arguments.work.resolve(), arguments.output.resolve()
    models = [settings.MODELS[alias] for alias in arguments.models.split(",")]
    packages = [alias for alias, (model, _) in settings.PACKAGES.items() if model in models]
    if {"generate", "train", "evaluate", "speed", "precisions"} & set(steps):
        generate.write(work / "text", settings.SEED, arguments.scale)
    # Heavy modules are imported by the steps that need them.
    if "train" in steps:
        import tokens
        import train

        tokens.prepare(work, work / "tokens")
        for model in models:
            train.train(model, work, arguments.scale)
    if "export" in steps:
        import export

        for alias in packages:
            export.export(alias, work, output)
    if "precisions" in steps:
        import precisions

        precisions.study(models, work, output)
    if "gaps" in steps:
        import gaps

        gaps.study(models[-1], output, arguments.scale)
    if "evaluate" in steps:
        import evaluate

        for alias in packages:
            evaluate.evaluate(alias, work, output, arguments.scale)
    if "speed" in steps:
        import evaluate

        for alias in packages:
            evaluate.speed(alias, work, output, arguments.scale)
    if "package" in steps:
        import package

        package.package(output)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped. The same command goes on from here.")
