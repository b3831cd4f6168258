"""What every message for a person has in common."""

from helpers.common.errors import KitError


def says(error, path, *parts) -> None:
    """One sentence on one line with the file and all parts."""
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith((".", "}."))
    assert str(path) in message
    for part in parts:
        assert part in message, message
    assert "pydantic" not in message
    assert isinstance(error.value, KitError)
