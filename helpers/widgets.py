"""What a notebook may offer beside its cells: buttons to score answers, sliders to weigh. They call what the cells call, and show the same."""

import html

import ipywidgets as panel

from .annotations import SCALE, Blind
from .errors import KitError
from .scorecard import Scorecard
from .selection import WEIGHTS, decide


def score_answers(blind: Blind) -> panel.VBox:
    """One answer at a time with five buttons and a note; each press is on disk before the next answer is shown."""
    shown, said = panel.HTML(), panel.HTML()
    note = panel.Text(placeholder="why (may stay empty)", description="note", layout={"width": "40em"})
    buttons = [panel.Button(description=f"{score} {words}", layout={"width": "auto"}) for score, words in SCALE.items()]
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


def weigh(card: Scorecard, limits=None, enough=None) -> panel.VBox:
    """A slider for each weight and one for the least quality; below them what `decide` says to these numbers."""
    shown = panel.HTML()
    sliders = {d: panel.FloatSlider(value=w, min=0, max=100, step=5, description=d, continuous_update=False) for d, w in WEIGHTS.items()}
    least = panel.FloatSlider(
        value=(limits or {}).get("min_quality") or 0, min=0, max=1, step=0.05, description="least quality", continuous_update=False
    )

    def show(_=None) -> None:
        wanted = {**(limits or {}), "min_quality": least.value or None}
        try:
            shown.value = decide(card, wanted, {d: slider.value for d, slider in sliders.items()}, enough)._repr_html_()
        except KitError as error:
            shown.value = f"<p><strong>{html.escape(str(error))}</strong></p>"

    for slider in (*sliders.values(), least):
        slider.observe(show, "value")
    show()
    return panel.VBox([panel.HBox([panel.VBox([*sliders.values()]), least]), shown])
