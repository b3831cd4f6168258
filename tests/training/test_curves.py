"""The picture of the training."""

import json

from PIL import Image

from helpers.common.paths import BUILT_IN_MODELS
from training import curves


def test_the_picture_of_the_training_is_that_of_the_record():
    """It carries its text, which is written from the log."""
    training = json.loads((BUILT_IN_MODELS / "training.json").read_text(encoding="utf-8"))
    with Image.open(BUILT_IN_MODELS / curves.PICTURE) as picture:
        assert picture.text["Description"] == curves.alternative_text(training)
        assert picture.width > 600
    assert curves.alternative_text(training) in (BUILT_IN_MODELS / "README.md").read_text(
        encoding="utf-8"
    )
