"""Show a chat, buttons to score answers, and sliders to weigh: the same calls as the cells."""

import html
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from threading import Event, Thread

from ipywidgets import HTML, Button, Dropdown, FloatSlider, HBox, Text, VBox

from ..common.errors import KitError
from ..decision.scenario import load_scenario
from ..decision.scorecard import Scorecard
from ..decision.selection import decide
from ..quality.people import SCALE, BlindRating
from ..servers.server import Server

REFRESH_S = 0.1


def chat_box(server: Server, models: Sequence[str]) -> VBox:
    """Return a chat with a model picker, Send, Stop, and an answer that grows as it arrives."""
    picker = Dropdown(options=list(models), description="model")
    line = Text(placeholder="ask something", layout={"width": "36em"}, continuous_update=False)
    send, stop = Button(description="Send"), Button(description="Stop", disabled=True)
    answer, figures, stopped = HTML(), HTML(), Event()

    def show(text: str, words: str) -> None:
        answer.value = f'<pre style="white-space: pre-wrap">{html.escape(text)}</pre>'
        figures.value = f"<em>{words}</em>"

    def ask(model: str, prompt: str) -> None:
        start, first, text, drawn = time.perf_counter(), "no text yet", "", 0.0
        try:
            with closing(server.stream(model, prompt)) as pieces:
                for piece in pieces:
                    elapsed = time.perf_counter() - start
                    first = first if text else f"TTFT {1000 * elapsed:.0f} ms"
                    text += piece
                    if elapsed - drawn > REFRESH_S:
                        show(text, f"answering: {first}, {elapsed:.2f} s")
                        drawn = elapsed
                    if stopped.is_set():
                        break
            end = "stopped" if stopped.is_set() else "done"
            show(text, f"{end}: {first}, {time.perf_counter() - start:.2f} s")
        except KitError as error:
            figures.value = f"<strong>{html.escape(str(error))}</strong>"
        finally:
            send.disabled, stop.disabled = False, True

    def begin(_: object = None) -> None:
        if line.value.strip() and not send.disabled:
            stopped.clear()
            send.disabled, stop.disabled = True, False
            show("", "answering: no text yet")
            # In a thread, so that the kernel stays free to hear Stop.
            Thread(target=ask, args=(picker.value, line.value.strip()), daemon=True).start()

    send.on_click(begin)
    stop.on_click(lambda _: stopped.set())
    line.on_msg(lambda _, message, __: begin() if message.get("event") == "submit" else None)
    return VBox([HBox([picker, line, send, stop]), answer, figures])


def score_answers(blind: BlindRating) -> VBox:
    """Return one answer at a time with five buttons; each press is saved before the next answer."""
    answer, problem = HTML(), HTML()
    note = Text(placeholder="why (optional)", description="note", layout={"width": "40em"})
    buttons = [Button(description=f"{score} {words}") for score, words in SCALE.items()]
    later = Button(description="later")
    row = HBox([*buttons, later])

    def show() -> None:
        answer.value = blind._repr_html_()
        for button in row.children:
            button.disabled = blind.current is None

    def press(action: Callable[[], None]) -> None:
        try:
            action()
            note.value = problem.value = ""
        except KitError as error:
            problem.value = html.escape(str(error))
        show()

    for score, button in zip(SCALE, buttons, strict=True):
        button.layout.width = "auto"
        button.on_click(lambda _, score=score: press(lambda: blind.score(score, note.value)))
    later.on_click(lambda _: press(blind.skip))
    show()
    return VBox([answer, note, row, problem])


def weigh(card: Scorecard, limits: Mapping[str, object] | None = None) -> VBox:
    """Return a slider for each weight and one for the lowest quality, and what `decide` says."""
    result = HTML()
    sliders = {
        name: FloatSlider(100 * weight, max=100, step=5, description=name, continuous_update=False)
        for name, weight in load_scenario().weights.items()
    }
    start = (limits or {}).get("min_quality") or 0
    settings = {"description": "lowest quality", "style": {"description_width": "initial"}}
    lowest = FloatSlider(start, max=1, step=0.05, continuous_update=False, **settings)

    def show(_: object = None) -> None:
        wanted = {**(limits or {}), "min_quality": lowest.value or None}
        weights = {name: slider.value for name, slider in sliders.items()}
        try:
            result.value = decide(card, wanted, weights)._repr_html_()
        except KitError as error:
            result.value = f"<p><strong>{html.escape(str(error))}</strong></p>"

    for slider in (*sliders.values(), lowest):
        slider.observe(show, "value")
    show()
    return VBox([HBox([VBox([*sliders.values()]), lowest]), result])
