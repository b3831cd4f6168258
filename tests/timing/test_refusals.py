"""What a server says when it refuses: its words from any body, and the fields that it does not take."""

import json

import pytest

from helpers.timing.refusals import (
    explain_refusal,
    in_words,
    refused_fields,
    without,
)

BODY = {
    "model": "seed-oss-36b",
    "messages": [],
    "max_tokens": 150,
    "temperature": 0.0,
    "stream": True,
    "seed": 0,
    "stream_options": {"include_usage": True},
}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"object": "error", "message": "Too long: 39197"}, "Too long: 39197"),
        (
            {"detail": [{"loc": ["body", "messages", 0, "name"], "msg": "Field required"}]},
            "body.messages.0.name: Field required",
        ),
        ({"detail": "Not Found"}, "Not Found"),
        ({"title": "Bad Request", "status": 400, "detail": "No model"}, "No model"),
        ({"statusCode": 400, "message": ["no a", "no b"], "error": "Bad Request"}, "no a; no b"),
        ({"error": {"message": {"detail": [{"msg": "Why"}]}}}, "Why"),
        ({"error": {"message": "No", "param": "n"}}, "No (param n)"),
        ({"errors": [{"code": 7, "message": "Limit"}], "success": False}, "Limit"),
        ({"error_msg": "Busy", "error_code": 17}, "Busy"),
        ({"Message": "Denied"}, "Denied"),
        ({"code": 3}, "'{\"code\": 3}'"),
    ],
)
def test_the_words_of_a_refusal_are_found_in_every_shape(body, words):
    assert explain_refusal(400, {}, json.dumps(body).encode()) == f"HTTP 400: {words}"


def openai(message: str, param: str | None = None) -> dict:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param}}


REFUSED = [
    (
        openai(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "max_tokens",
        ),
        {"max_tokens": "max_completion_tokens"},
    ),
    (
        openai("Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is supported."),
        {"temperature": ""},
    ),
    (
        {"detail": [{"type": "extra_forbidden", "loc": ["body", n], "msg": "Extra inputs are not permitted"} for n in ("stream_options", "seed")]},
        {"stream_options": "", "seed": ""},
    ),
    (openai("Unrecognized request argument supplied: stream_options"), {"stream_options": ""}),
    (openai("property 'seed' is unsupported"), {"seed": ""}),
    (openai("Additional properties are not allowed ('seed' was unexpected)"), {"seed": ""}),
    ({"error": "json: unknown field \"seed\""}, {"seed": ""}),
    ({"error": "`temperature` must be strictly positive"}, {"temperature": ""}),
    (openai("This value is not valid.", "temperature"), {"temperature": ""}),
    (openai("Unsupported value: 'stream' does not support true with this model.", "stream"), {"stream": ""}),
    (openai("unknown parameter max_tokens"), {"max_tokens": "max_completion_tokens"}),
    # Words about something else, and values that are only too large.
    (openai("'max_tokens' is too large: 150. This model supports at most 100 completion tokens.", "max_tokens"), {}),
    (openai("This model's maximum context length is 4096 tokens, you asked for 5000"), {}),
    (openai("Invalid model 'seed-oss-36b'", "model"), {}),
    (openai("stream closed unexpectedly"), {}),
    (openai("Field required", "messages"), {}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "refused"), REFUSED, ids=range(len(REFUSED)))
def test_a_refused_field_is_known_by_its_name(body, refused):
    data = json.dumps(body).encode()
    assert refused_fields(400, data, BODY) == refused_fields(422, data, BODY) == refused
    assert refused_fields(401, data, BODY) == refused_fields(500, data, BODY) == {}


def test_a_refusal_in_plain_text_names_a_field_too():
    assert refused_fields(400, b"unknown field `seed`", BODY) == {"seed": ""}
    assert refused_fields(400, b"\xff\xfe", BODY) == {}


def test_only_a_field_that_was_sent_is_refused():
    body = json.dumps(openai("Unsupported parameter: 'top_p'")).encode()
    assert refused_fields(400, body, BODY) == {}
    assert refused_fields(400, body, {**BODY, "top_p": 1}) == {"top_p": ""}


def test_a_length_that_is_known_by_no_other_name_is_left_out():
    body = json.dumps(openai("Unsupported parameter: 'max_completion_tokens'")).encode()
    assert refused_fields(400, body, {"max_completion_tokens": 9}) == {"max_completion_tokens": ""}


def test_a_body_without_some_fields():
    assert without({"a": 1, "max_tokens": 5}, {"max_tokens": "n", "b": ""}) == {"a": 1, "n": 5}
    assert without(BODY, {"stream": ""}).keys() == BODY.keys() - {"stream", "stream_options"}


def test_what_became_of_each_field_is_said_in_words():
    assert in_words({"seed": "", "max_tokens": "n"}) == "seed is left out; max_tokens is sent as n"
