"""What a notebook may offer beside its cells: a chat, buttons to score answers, sliders to weigh. They call what the cells call, and show the same."""

import html
import threading
import time
from collections.abc import Sequence

import ipywidgets as panel

from ..common.errors import KitError
from ..decision.dimensions import WEIGHTS
from ..decision.scorecard import Scorecard
from ..decision.selection import decide
from ..quality.people import SCALE, BlindRating
from ..servers.server import Server

REFRESH_S = 0.1


def chat_box(server: Server, models: Sequence[str]) -> panel.VBox:
    """A chat: model picker, one line to write, Send, Stop, the answer as it grows, and the TTFT while it runs.

    The TTFT is what the openai package sees, some milliseconds more than the kit's own clock.
    """
    picker = panel.Dropdown(options=list(models), description="model")
    line = panel.Text(
        placeholder="ask something", layout={"width": "36em"}, continuous_update=False
    )
    send, stop = panel.Button(description="Send"), panel.Button(description="Stop", disabled=True)
    shown, figures, stopped = panel.HTML(), panel.HTML(), threading.Event()

    def answer(model: str, prompt: str) -> None:
        start, first, text, drawn = time.perf_counter(), None, "", 0.0
        pieces = server.stream(model, prompt)
        try:
            for piece in pieces:
                now = time.perf_counter()
                first = first if first is not None else now - start
                text += piece
                if now - drawn > REFRESH_S:
                    show(text, first, now - start)
                    drawn = now
                if stopped.is_set():
                    break
            show(
                text, first, time.perf_counter() - start, "stopped" if stopped.is_set() else "done"
            )
        except KitError as error:
            figures.value = f"<strong>{html.escape(str(error))}</strong>"
        finally:
            pieces.close()
            send.disabled, stop.disabled = False, True

    def show(text: str, first: float | None, so_far: float, state: str = "answering") -> None:
        shown.value = f'<pre style="white-space: pre-wrap">{html.escape(text)}</pre>'
        seen = "no text yet" if first is None else f"TTFT {1000 * first:.0f} ms"
        figures.value = f"<em>{state}: {seen}, {so_far:.2f} s</em>"

    def begin(_=None) -> None:
        if line.value.strip() and not send.disabled:
            stopped.clear()
            send.disabled, stop.disabled = True, False
            show("", None, 0.0)
            # A thread of its own, so that the kernel stays free to hear Stop.
            threading.Thread(
                target=answer, args=(picker.value, line.value.strip()), daemon=True
            ).start()

    send.on_click(begin)
    stop.on_click(lambda _: stopped.set())
    line.on_msg(lambda _widget, message, _buffers: message.get("event") == "submit" and begin())
    return panel.VBox([panel.HBox([picker, line, send, stop]), shown, figures])


def score_answers(blind: BlindRating) -> panel.VBox:
    """One answer at a time with five buttons and a note; each press is on disk before the next answer is shown."""
    shown, said = panel.HTML(), panel.HTML()
    note = panel.Text(
        placeholder="why (may stay empty)", description="note", layout={"width": "40em"}
    )
    buttons = [
        panel.Button(description=f"{score} {words}", layout={"width": "auto"})
        for score, words in SCALE.items()
    ]
    later = panel.Button(description="later", layout={"width": "auto"})

    def show() -> None:
        shown.value = blind._repr_html_()
        for button in (*buttons, later):
            button.disabled = blind.current is None

    def press(action) -> None:
        try:
            action()
            note.value = said.value = ""
        except KitError as error:
            said.value = html.escape(str(error))
        show()

    for score, button in zip(SCALE, buttons, strict=True):
        button.on_click(lambda _, score=score: press(lambda: blind.score(score, note.value)))
    later.on_click(lambda _: press(blind.skip))
    show()
    return panel.VBox([shown, note, panel.HBox([*buttons, later]), said])


def weigh(card: Scorecard, limits=None, good_enough=None) -> panel.VBox:
    """A slider for each weight and one for the least quality; below them what `decide` says to these numbers."""
    shown = panel.HTML()
    sliders = {
        d: panel.FloatSlider(
            value=w, min=0, max=100, step=5, description=d, continuous_update=False
        )
        for d, w in WEIGHTS.items()
    }
    least = panel.FloatSlider(
        value=(limits or {}).get("min_quality") or 0,
        min=0,
        max=1,
        step=0.05,
        description="least quality",
        style={"description_width": "initial"},
        continuous_update=False,
    )

    def show(_=None) -> None:
        wanted = {**(limits or {}), "min_quality": least.value or None}
        try:
            shown.value = decide(
                card, wanted, {d: slider.value for d, slider in sliders.items()}, good_enough
            )._repr_html_()
        except KitError as error:
            shown.value = f"<p><strong>{html.escape(str(error))}</strong></p>"

    for slider in (*sliders.values(), least):
        slider.observe(show, "value")
    show()
    return panel.VBox([panel.HBox([panel.VBox([*sliders.values()]), least]), shown])
