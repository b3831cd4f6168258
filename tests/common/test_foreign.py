"""Secrets, escapes and bidi controls in what others say, and what must stay as it is."""

import base64
import html
import json
import urllib.parse

import pytest

from helpers.common import foreign
from helpers.common.foreign import KEY_VARIABLE, clean, mask, masked

KEY = "sk-very/se+cret=1234"


@pytest.fixture(autouse=True)
def _a_key_is_known(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, f" {KEY}\r\n")
    monkeypatch.setattr(foreign, "_remembered", set())


@pytest.mark.parametrize(
    "said",
    [
        KEY,
        f"{KEY}\r",
        KEY.upper(),
        urllib.parse.quote(KEY, safe=""),
        urllib.parse.quote(urllib.parse.quote(KEY, safe=""), safe=""),
        json.dumps({"key": KEY}).replace("/", "\\/"),
        json.dumps(KEY).replace("-", "\\u002d"),
        html.escape(KEY.replace("=", "&#61;"), quote=True),
        base64.b64encode(f"user:{KEY}".encode()).decode(),
        base64.b64encode(f"Bearer {KEY}".encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        KEY.encode().hex(),
        f"{KEY[:9]}\n    {KEY[9:]}",
        f"{KEY[:9]}\\n{KEY[9:]}",
        f"{KEY[:9]}\x1b[31m{KEY[9:]}",
        f"{KEY[:9]}\u200b{KEY[9:]}",
        f"{KEY[:15]}...",
        f"...{KEY[5:]}",
    ],
)
def test_a_key_is_hidden_however_a_server_spells_it(said):
    shown = clean(f"You sent {said} to us.")
    assert "[key]" in shown
    flat = shown.lower().replace(" ", "")
    parts = [KEY[at : at + 6].lower() for at in range(len(KEY) - 5)]
    assert not any(part in flat for part in parts), shown


def test_a_key_is_hidden_before_the_text_is_cut():
    for limit in range(20, 60):
        assert "sk-v" not in clean(f"{'x' * 20} {KEY} {'y' * 40}", limit)
        assert len(clean("word " * 100, limit)) <= limit


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_key_that_is_spelled_in_pieces_is_hidden(size):
    spelled = [urllib.parse.quote(KEY, safe=""), json.dumps(KEY).replace("-", "\\u002d")]
    spelled += [html.escape(KEY).replace("=", "&#61;"), urllib.parse.quote(spelled[0])]
    said = f"It is {' and '.join(spelled)} & so on, 100 %."
    shown = "".join(masked(said[at : at + size] for at in range(0, len(said), size)))
    assert shown == 'It is [key] and "[key]" and [key] and [key] & so on, 100 %.'


def test_a_key_in_pieces_is_hidden_and_nothing_else_is_held_back():
    assert "".join(masked(["The key is s", "k-v", KEY[4:12], KEY[12:], ", sk", "y"])) == (
        "The key is [key], sky"
    )
    assert list(masked(["one ", "two ", "three"])) == ["one ", "two ", "three"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:password@host/v1", "http://host/v1"),
        ("htp://user:password@host", "htp://host"),
        ("http://user:pass/word@host:80/v1", "http://host:80/v1"),
        ("http://user:p@ss#word@host/", "http://host/"),
        ("//user:password@host", "//host"),
        ("user:password@host:8080", "host:8080"),
        ("socks5h://token@host", "socks5h://host"),
        ("http://host:8080/users/@cf/model", "http://host:8080/users/@cf/model"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        ("write to ana@example.org", "write to ana@example.org"),
    ],
)
def test_user_and_password_are_taken_out_of_addresses(address, shown):
    assert clean(address) == shown


@pytest.mark.parametrize(
    "variable", ["FOUNDRY_LOCAL_ENDPOINT", "HTTPS_PROXY", "all_proxy", "WORKSHOP_MIRROR"]
)
def test_the_password_of_an_address_of_the_settings_is_hidden(variable, monkeypatch):
    monkeypatch.setenv(variable, "http://user:hunter%4022@host:1")
    assert mask("hunter@22, hunter%4022, dXNlcjpodW50ZXJAMjI=") == "[key], [key], dXNlcjp[key]I="


def test_a_key_is_read_without_its_line_end_and_hidden_from_then_on():
    assert foreign.read_key("abcdef-123456\r\n") == "abcdef-123456"
    assert mask("abcdef-123456") == "[key]"
    assert foreign.read_key(" \n") is None


def test_what_is_no_secret_stays():
    for word in ("ollama", "abc"):
        foreign.read_key(word)
    assert mask("ollama abc: the key to secrecy is a very secret sky") == (
        "ollama abc: the key to secrecy is a very secret sky"
    )


def test_escapes_and_bidi_controls_are_taken_out_and_joiners_stay():
    assert clean("a\x1b[31mb\x1b]0;title\x07c\u202ed\u2066e\ufefff") == "abcdef"
    assert clean("one\r\ntwo\x00three\u2028four") == "one two three four"
    assert (
        clean("می\u200cشود \U0001f469\u200d\U0001f4bb") == "می\u200cشود \U0001f469\u200d\U0001f4bb"
    )
    assert clean("\ud83d alone") == "\ufffd alone"


def test_any_value_becomes_text():
    assert clean(b"\xff!") == "\ufffd!"
    assert clean(ValueError()) == "ValueError"
    assert clean({"a": 1}) == "{'a': 1}"


def test_credentials_that_are_not_ours_are_hidden_too():
    assert clean("Authorization: Bearer abcdef0123") == "Authorization: Bearer [key]"
    assert clean("GET /v1?api-key=abcdef0123&v=1") == "GET /v1?api-key=[key]&v=1"
