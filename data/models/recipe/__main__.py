"""Makes the pocket models: `python data/models/recipe` from the top of the project does all of it.

Steps can be named to run only those, and every step goes on where it was stopped.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import generate
import settings

STEPS = ("generate", "train", "export", "evaluate", "package")


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="python data/models/recipe", description=__doc__)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"any of {', '.join(STEPS)}; all when none is named")
    parser.add_argument("--models", default=",".join(settings.MODELS), help="aliases, separated by commas")
    parser.add_argument("--work", type=Path, default=settings.WORK_FOLDER, help="text, checkpoints and logs")
    parser.add_argument("--output", type=Path, default=settings.MODELS_FOLDER, help="where the model folders go")
    parser.add_argument("--scale", type=float, default=1.0, help="part of text and steps, 0.01 for a smoke run")
    arguments = parser.parse_args(argv)
    for step in arguments.steps:
        if step not in STEPS:
            parser.error(f"unknown step {step!r}; choose from {', '.join(STEPS)}")
    unknown = [alias for alias in arguments.models.split(",") if alias not in settings.MODELS]
    if unknown:
        parser.error(f"unknown model {unknown[0]!r}; choose from {', '.join(settings.MODELS)}")
    return arguments


def main(argv=None):
    arguments = _arguments(argv)
    steps = arguments.steps or STEPS
    work, output = arguments.work.resolve(), arguments.output.resolve()
    if "generate" in steps:
        generate.write(work / "text", settings.SEED, arguments.scale)
    for alias in arguments.models.split(","):
        _make(settings.MODELS[alias], steps, work, output, arguments.scale)
    if "package" in steps:
        import package

        package.package(work, output)


def _make(model, steps, work, output, scale):
    """Heavy modules are imported by the steps that need them: `generate` runs with the standard library alone."""
    if "train" in steps:
        import tokens
        import train

        tokens.prepare(work, work / "tokens")
        train.train(replace(model, steps=train.curve_length(model.steps, scale)), work)
    if "export" in steps:
        import export

        export.export(model, work, output)
    if "evaluate" in steps:
        import evaluate

        evaluate.evaluate(model, work, output, prompts=max(8, int(evaluate.PROMPTS * scale)))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped. The same command goes on from here.")
