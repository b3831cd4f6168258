"""The panels of the notebooks, driven without a browser: what a press sends and what it leaves."""

import threading

from helpers import connect, widgets
from support.loopback import DONE, delta, event, serving, streamed

ANSWER = streamed([event(delta("Ana ")), event(delta("pays.")), DONE])


def pressed(box, **values) -> None:
    """Fill in the widgets that are named by their description or placeholder, and send."""
    (picker, line), (send, *_, remember) = box.children[0].children, box.children[1].children
    line.value, remember.value = values["line"], values["remember"]
    send.click()
    for thread in threading.enumerate():
        if thread.name == "chat":
            thread.join()
    assert not send.disabled and picker.value


def sent(request) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in request.json["messages"]]


def test_the_chat_box_sends_the_conversation_only_when_it_is_to_remember(tmp_path):
    with serving(["tiny"], chat=ANSWER) as endpoint, connect(endpoint.base_url) as server:
        box = widgets.chat_box(server, ["tiny"])
        for line, remember in (("Who pays?", False), ("When?", True), ("Why?", False)):
            pressed(box, line=line, remember=remember)
        asked = [sent(request) for request in endpoint.requests if request.method == "POST"]
    assert asked == [
        [("user", "Who pays?")],
        [("user", "Who pays?"), ("assistant", "Ana pays."), ("user", "When?")],
        [("user", "Why?")],
    ]
    transcript = box.children[2].value
    assert [line in transcript for line in ("Who pays?", "When?", "Why?")] == [True] * 3
    assert transcript.count("done: TTFT") == 3
    assert "messages sent: 3" in transcript


def test_a_refused_question_stays_on_the_page_and_out_of_the_conversation(tmp_path):
    with serving(["tiny"], chat=ANSWER) as endpoint, connect(endpoint.base_url) as server:
        box = widgets.chat_box(server, ["tiny"])
        pressed(box, line="Who pays?", remember=True)
    pressed(box, line="<b>And when?", remember=True)  # the server has gone
    assert "&lt;b&gt;And when?" in box.children[2].value
    assert "did not answer" in box.children[2].value or "Cannot reach" in box.children[2].value
    box.children[1].children[2].click()
    assert box.children[2].value == ""


def test_with_remember_the_real_runtime_reads_more_prompt_tokens_at_each_question(
    server, monkeypatch
):
    """What the box sends is counted by the runtime itself: the history grows, a lone question does not."""
    bodies, prepare = [], server.prepare

    def noted(*arguments, **options):
        request = prepare(*arguments, **options)
        bodies.append(request.body["messages"])
        return request

    with monkeypatch.context() as patch:
        patch.setattr(server, "prepare", noted)
        box = widgets.chat_box(server, ["pocket-nano"])
        for remember in (False, False, True, True):
            pressed(box, line="Who pays?", remember=remember)
    assert box.children[2].value.count("done: TTFT") == 4
    tokens = [
        server.chat("pocket-nano", messages, max_tokens=1).timeline.prompt_tokens
        for messages in bodies
    ]
    assert tokens[0] == tokens[1] < tokens[2] < tokens[3]


def test_the_answers_stand_beside_the_notes_and_the_names_of_the_models_are_folded():
    notes = "We agreed NOT to renew <the contract>.\nMarta tells the vendor."
    with serving(["tiny"], chat=ANSWER) as endpoint, connect(endpoint.base_url) as server:
        shown = widgets.side_by_side(server, ["tiny", "no-such-model"], notes).data
    assert "We agreed NOT to renew &lt;the contract&gt;.\nMarta" in shown
    assert "<strong>A.</strong> Ana pays." in shown
    assert "<strong>B.</strong> no answer: " in shown
    before, _, folded = shown.partition("<details>")
    assert "A: tiny, B: no-such-model" in folded
    assert "A: tiny" not in before
