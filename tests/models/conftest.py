"""Files for the tests of this folder."""

import json

import pytest


@pytest.fixture
def write(tmp_path):
    """Writes a file and gives its path; what is not bytes or text is written as JSON."""

    def made(content, name="given.json"):
        path = tmp_path / name
        text = content if isinstance(content, (str, bytes)) else json.dumps(content)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return made
