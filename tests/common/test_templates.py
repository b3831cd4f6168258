"""Sentences and pages from templates."""

import jinja2
import pytest

from helpers.common import templates


@pytest.fixture
def say(monkeypatch):
    """Fills in a template that only this test has."""

    def fill(call, name: str, text: str, **values):
        loader = jinja2.DictLoader({name: text})
        monkeypatch.setattr(jinja2, "PackageLoader", lambda _package: loader)
        templates.environment.cache_clear()
        return call(f"common/{name}", **values)

    yield fill
    templates.environment.cache_clear()


def test_each_line_that_is_not_empty_is_a_sentence_without_controls(say):
    text = "{% if a %}\nIt is   {{ a }}.\n{% endif %}\n\n{{ n | count('round') }}.\n"
    said = say(templates.sentences, "x.jinja", text, a="red\x1b[31m\nand <b>", n=2)
    assert said == ["It is red and <b>.", "2 rounds."]
    assert say(templates.paragraph, "x.jinja", text, a=0, n=1) == "1 round."


def test_a_page_of_html_is_escaped_and_markdown_is_by_its_filter(say):
    values = {"model": "<b>*x*</b>"}
    assert say(templates.render, "x.html.jinja", "<p>{{ model }}</p>", **values) == (
        "<p>&lt;b&gt;*x*&lt;/b&gt;</p>"
    )
    assert say(templates.render, "x.md.jinja", "{{ model | md }}", **values) == (
        "&lt;b&gt;\\*x\\*&lt;/b&gt;"
    )


def test_a_name_that_nobody_gave_is_an_error(say):
    with pytest.raises(jinja2.UndefinedError, match="'b' is undefined"):
        say(templates.sentences, "x.jinja", "{{ b }}", a=1)
