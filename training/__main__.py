"""Make the pocket models: `python -m training` at the top of the project does all of it.

Steps can be named to run only those, and every step goes on where it was stopped. `generate`,
`evaluate`, `speed` and `package` need no more than the kit itself; `train` and `export` need the
packages of training/requirements.txt. `tune` adapts a public model instead, from its GGUF file.
`notes` is the part of `evaluate` that asks about the hand-written notes; public models and the
rules of data/baseline are asked only that.
"""

import argparse
import importlib.util
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from helpers.common.errors import KitError

from . import generate, handwritten, settings
from .settings import Model

STEPS = ("generate", "train", "export", "evaluate", "speed", "package")
STUDIES = ("notes", "precisions", "gaps", "tune")
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
        "--models",
        default=",".join((*settings.MODELS, *handwritten.PUBLIC, handwritten.RULES)),
        help="sizes, separated by commas; for evaluate also public models and rules",
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
    everything = (*settings.MODELS, *handwritten.PUBLIC, handwritten.RULES)
    unknown = [alias for alias in arguments.models.split(",") if alias not in everything]
    if unknown:
        parser.error(f"unknown model {unknown[0]!r}; choose from {', '.join(everything)}")
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
    names = arguments.models.split(",")
    models = [settings.MODELS[alias] for alias in names if alias in settings.MODELS]
    if NEED_TEXT & steps:
        generate.write(work / "text", settings.SEED, arguments.scale)
    if "tune" in steps:
        from . import tune

        tune.tune(arguments.gguf.resolve(), work / tune.ALIAS, output, arguments.scale)
    _make(steps, models, work, output, arguments.scale)
    _study(steps, models, work, output, arguments.scale)
    if {"evaluate", "notes"} & steps:
        packages = [alias for name in names for alias in _served(name)]
        _ask_about_notes(packages, work, output, arguments.scale)
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


def _served(name: str) -> list[str]:
    return _packages([settings.MODELS[name]]) if name in settings.MODELS else [name]


def _ask_about_notes(aliases: Sequence[str], work: Path, output: Path, scale: float) -> None:
    """Evaluate models on the hand-written notes; one that cannot be fetched is left out."""
    for alias in aliases:
        try:
            handwritten.evaluate_on_notes(alias, work, output, scale)
        except KitError as error:
            print(f"{alias} is left out: {error}", flush=True)


def _packages(models: Sequence[Model]) -> list[str]:
    return [alias for alias, (model, _) in settings.PACKAGES.items() if model in models]


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped. The same command goes on from here.")
