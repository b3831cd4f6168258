"""Cards, manifest and README of the built-in models."""

import json
import shutil

from helpers.common.paths import BUILT_IN_MODELS
from training import package, settings


def test_every_package_has_a_card_with_licence_limits_and_measurements():
    manifest = json.loads((BUILT_IN_MODELS / "manifest.json").read_text(encoding="utf-8"))
    for alias in manifest["models"]:
        card = (BUILT_IN_MODELS / alias / "MODEL_CARD.md").read_text(encoding="utf-8")
        for part in (
            "MIT",
            "## Data",
            "## Training",
            "## Measured",
            "## Limits",
            f"{manifest['models'][alias]['parameters']:,}",
        ):
            assert part in card, part


def test_the_tables_in_the_readme_are_those_of_the_record(tmp_path):
    """No figure was typed by hand: writing the tables again changes nothing."""
    copy = tmp_path / "models"
    shutil.copytree(BUILT_IN_MODELS, copy, ignore=shutil.ignore_patterns("work"))
    package.package(copy)
    for path in sorted(copy.rglob("*")):
        if path.is_file() and path.suffix != ".png":  # its bytes may depend on the machine
            assert path.read_bytes() == (BUILT_IN_MODELS / path.relative_to(copy)).read_bytes(), (
                path.name
            )


def test_all_models_together_stay_small():
    files = [
        path
        for path in BUILT_IN_MODELS.rglob("*")
        if path.is_file() and "work" not in path.relative_to(BUILT_IN_MODELS).parts
    ]
    assert sum(path.stat().st_size for path in files) < 45_000_000


def test_the_parameters_of_a_package_are_counted_from_its_shape():
    assert package.parameters(settings.MODELS["pocket-nano"]) == 1_050_752  # counted in PyTorch
    assert package.parameters(settings.MODELS["pocket-mini"]) == 3_970_304
