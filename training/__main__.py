"""Make the pocket models: `python -m training` at the top of the project does all of it.

Steps can be named to run only those, and every step goes on where it was stopped. `generate`,
`evaluate`, `speed` and `package` need no more than the kit itself; `train` and `export` need the
packages of training/requirements.txt. `tune` adapts a public model instead, from its GGUF file.
"""

import argparse
import importlib.util
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from . import generate, settings
from .settings import Model

STEPS = ("generate", "train", "export", "evaluate", "speed", "package")
STUDIES = ("precisions", "gaps", "tune")
EXTRAS = ("torch", "transformers", "onnxruntime_genai", "onnx", "onnx_ir", "gguf", "accelerate")
NEED_EXTRAS = {"train", "export", "precisions", "tune"}
NEED_TEXT = {"generate", "train", "evaluate", "speed", "precisions"}


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    known = ", ".join(STEPS + STUDIES)
    parser.add_argument(
        "steps",
        nargs="*",
        metavar="STEP",
        help=f"any of {known}; the first six when none is named",
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
    parser.add_argument("--gguf", type=Path, help="the model that tune adapts, a GGUF file")
    arguments = parser.parse_args(argv)
    for step in arguments.steps:
        if step not in STEPS + STUDIES:
            parser.error(f"unknown step {step!r}; choose from {known}")
    unknown = [alias for alias in arguments.models.split(",") if alias not in settings.MODELS]
    if unknown:
        parser.error(f"unknown model {unknown[0]!r}; choose from {', '.join(settings.MODELS)}")
    if not 0 < arguments.scale <= 1:
        parser.error(f"--scale must be above 0 and at most 1, not {arguments.scale}")
    if "tune" in arguments.steps and not (arguments.gguf and arguments.gguf.is_file()):
        parser.error(f"tune needs --gguf with a GGUF file, not {arguments.gguf}")
    return arguments


def main(argv: Sequence[str] | None = None) -> None:
    """Run the steps that the command line names."""
    arguments = _arguments(argv)
    steps = set(arguments.steps or STEPS)
    missing = [name for name in EXTRAS if importlib.util.find_spec(name) is None]
    if missing and NEED_EXTRAS & steps:
        sys.exit(
            f"error: training, tuning and export need {', '.join(missing)}; install them with: "
            "python -m pip install -r training/requirements.txt"
        )
    work, output = arguments.work.resolve(), arguments.output.resolve()
    models = [settings.MODELS[alias] for alias in arguments.models.split(",")]
    if NEED_TEXT & steps:
        generate.write(work / "text", settings.SEED, arguments.scale)
    if "tune" in steps:
        from . import tune

        tune.tune(arguments.gguf.resolve(), work / tune.ALIAS, output, arguments.scale)
    _make(steps, models, work, output, arguments.scale)
    _study(steps, models, work, output, arguments.scale)
    _describe(steps, models, work, output, arguments.scale)


# Modules that need the extras are imported by the steps that need them.


def _make(
    steps: Collection[str], models: Sequence[Model], work: Path, output: Path, scale: float
) -> None:
    if "train" in steps:
        from . import tokens, train

        tokens.prepare(work, work / "tokens")
        for model in models:
            train.train(model, work, scale)
    if "export" in steps:
        from . import export

        for alias in _packages(models):
            export.export(alias, work, output)


def _study(
    steps: Collection[str], models: Sequence[Model], work: Path, output: Path, scale: float
) -> None:
    if "precisions" in steps:
        from . import precisions

        precisions.study(models, work, output)
    if "gaps" in steps:
        from . import gaps

        gaps.study(models[-1], output, scale)


def _describe(
    steps: Collection[str], models: Sequence[Model], work: Path, output: Path, scale: float
) -> None:
    from . import evaluate, package

    for alias in _packages(models) if "evaluate" in steps else ():
        evaluate.evaluate(alias, work, output, scale)
    for alias in _packages(models) if "speed" in steps else ():
        evaluate.speed(alias, work, output, scale)
    if "package" in steps:
        package.package(output)


def _packages(models: Sequence[Model]) -> list[str]:
    return [alias for alias, (model, _) in settings.PACKAGES.items() if model in models]


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped. The same command goes on from here.")
