"""Sentences from templates: what is compiled once is kept, where that can be."""

import pytest

from helpers.common import templates


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """The folder in which the module believes that Python keeps what it has compiled."""
    templates.environment.cache_clear()
    monkeypatch.setattr(templates, "__file__", str(tmp_path / "templates.py"))
    yield tmp_path / "__pycache__"
    templates.environment.cache_clear()


def say() -> str:
    templates.environment.cache_clear()  # as a new process
    return templates.paragraph("measure/two_sittings.jinja", drift=0.05)


def test_a_compiled_template_is_kept_and_read_again(beside, monkeypatch):
    beside.mkdir()
    said = say()
    assert len(list(beside.glob("*.cache"))) == 1
    monkeypatch.setattr("jinja2.Environment.compile", None)  # nothing can be compiled any more
    assert say() == said


def test_where_nothing_can_be_kept_it_is_compiled_each_time(beside):
    assert say() == say() != ""
    assert not beside.exists()
