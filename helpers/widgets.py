"""What a notebook may offer beside its cells. A panel calls what the cells call, and shows the same."""

import html
import threading
import time
from collections.abc import Sequence

import ipywidgets as panel

from .endpoint import Server
from .errors import KitError

REFRESH_S = 0.1


def chat_box(server: Server, models: Sequence[str]) -> panel.VBox:
    """A chat: model picker, one line to write, Send, Stop, the answer as it grows, and the TTFT while it runs.

    The TTFT is what the openai package sees, some milliseconds more than the kit's own clock.
    """
    picker = panel.Dropdown(options=list(models), description="model")
    line = panel.Text(placeholder="ask something", layout={"width": "36em"}, continuous_update=False)
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
            show(text, first, time.perf_counter() - start, "stopped" if stopped.is_set() else "done")
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
            threading.Thread(target=answer, args=(picker.value, line.value.strip()), daemon=True).start()

    send.on_click(begin)
    stop.on_click(lambda _: stopped.set())
    line.on_msg(lambda _widget, message, _buffers: message.get("event") == "submit" and begin())
    return panel.VBox([panel.HBox([picker, line, send, stop]), shown, figures])
