"""Show a chat, buttons to score answers, and sliders to weigh: the same calls as the cells."""

import html
import os
import string
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

from IPython.display import HTML as Page
from IPython.display import Markdown
from ipywidgets import HTML, Button, Checkbox, Dropdown, FloatSlider, HBox, Text, VBox

from ..common.errors import KitError
from ..common.templates import render
from ..decision.scenario import load_scenario
from ..decision.scorecard import Scorecard
from ..decision.selection import decide
from ..quality.people import SCALE, BlindRating
from ..servers.server import Server

REFRESH_S = 0.1


class Chat:
    """Hold a conversation; its transcript grows as an answer arrives, and stays."""

    def __init__(self, server: Server):
        self.server, self.transcript, self.stopped = server, HTML(), Event()
        self.messages: list[dict] = []  # what was said so far, for a model that is to remember it

    def ask(self, model: str, prompt: str, *, remember: bool) -> None:
        """Ask, show the answer as it comes, and keep it."""
        question, text, drawn = {"role": "user", "content": prompt}, "", 0.0
        sent = [*self.messages, question] if remember else [question]
        first, earlier = "no text yet", self.transcript.value

        def show(words: str) -> None:
            turn = render("course/turn.html.jinja", prompt=prompt, text=text, words=words)
            self.transcript.value = earlier + turn

        show(f"answering: {first}")
        start = time.perf_counter()
        try:
            with closing(self.server.stream(model, sent)) as pieces:
                for piece in pieces:
                    elapsed = time.perf_counter() - start
                    first = first if text else f"TTFT {1000 * elapsed:.0f} ms"
                    text += piece
                    if elapsed - drawn > REFRESH_S:
                        show(f"answering: {first}, {elapsed:.2f} s")
                        drawn = elapsed
                    if self.stopped.is_set():
                        break
            end = "stopped" if self.stopped.is_set() else "done"
            figures = f"{end}: {first}, {time.perf_counter() - start:.2f} s"
            show(f"{figures}; messages sent: {len(sent)}")
            self.messages += [question, {"role": "assistant", "content": text}]
        except KitError as error:
            show(str(error))

    def forget(self) -> None:
        """Begin again with an empty transcript."""
        self.messages, self.transcript.value = [], ""


def chat_box(server: Server, models: Sequence[str]) -> VBox:
    """Return a chat with a model picker and buttons; *remember* sends the earlier messages too."""
    chat = Chat(server)
    picker = Dropdown(options=list(models), description="model")
    line = Text(placeholder="ask something", layout={"width": "36em"}, continuous_update=False)
    send, stop = Button(description="Send"), Button(description="Stop", disabled=True)
    remember = Checkbox(description="remember", indent=False, layout={"width": "8em"})
    clear = Button(description="Clear")

    def ask(model: str, prompt: str) -> None:
        try:
            chat.ask(model, prompt, remember=remember.value)
        finally:
            send.disabled = clear.disabled = False
            stop.disabled = True

    def begin(_: object = None) -> None:
        if line.value.strip() and not send.disabled:
            chat.stopped.clear()
            send.disabled = clear.disabled = True
            stop.disabled = False
            # In a thread, so that the kernel stays free to hear Stop.
            arguments = (picker.value, line.value.strip())
            Thread(target=ask, args=arguments, name="chat", daemon=True).start()

    send.on_click(begin)
    stop.on_click(lambda _: chat.stopped.set())
    clear.on_click(lambda _: chat.forget())
    line.on_msg(lambda _, message, __: begin() if message.get("event") == "submit" else None)
    buttons = HBox([send, stop, clear, remember])
    return VBox([HBox([picker, line]), buttons, chat.transcript])


def side_by_side(server: Server, models: Sequence[str], prompt: str) -> Page:
    """Return a prompt beside what each model answers, with the models' names folded away."""
    answers = []
    for letter, model in zip(string.ascii_uppercase, models, strict=False):
        try:
            answers.append((letter, model, server.chat(model, prompt).text))
        except KitError as error:
            answers.append((letter, model, f"no answer: {error}"))
    return Page(render("course/side_by_side.html.jinja", prompt=prompt, answers=answers))


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


def link_to(path: Path) -> Markdown:
    """Return a link that opens a file in JupyterLab; outside Jupyter's folder, the path to copy."""
    root = next((p for p in Path.cwd().parents if (p / "notebooks").is_dir()), Path.cwd().parent)
    target = Path(os.path.relpath(path)).as_posix() if path.absolute().is_relative_to(root) else ""
    return Markdown(f"[{path.name}](<{target}>)" if target else f"`{path}`")
