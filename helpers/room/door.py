"""Answer a room over the mirror: the plan, the posts, the board, the report.

A post is refused when it is too large, too frequent, without the room code, seen before, or not
what `contribute --verify` lets through. What was refused is counted, by kind, and shown.
"""

import threading
import time
import urllib.parse
from collections import Counter

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from ..common import web
from ..common.foreign import clean
from ..common.templates import environment
from ..models import classroom
from ..models.mirror import KIT, NAME_HEADER
from .board import draw_board
from .findings import report_room
from .posts import Machine, Refused, RoomFolder

WINDOW_S = 60.0
POSTS, WRONG_CODES = 40, 10  # of one address in that time
STATUS = {413: "too large", 503: "too many connections"}
TEMPLATES = Jinja2Templates(env=environment("room", autoescape=True))  # learners choose names


class Room:
    """Hold what a room has said so far; `routes` are added to those of the mirror."""

    def __init__(self, folder: RoomFolder):
        self.folder = folder
        self.addresses: list[str] = []
        self._about = {"room": KIT, "plan": folder.plan.model_dump(mode="json")}
        self._refused: Counter[str] = Counter()
        self._asked: dict[str, float] = {}  # who fetched the plan, and when
        self._since, self._posts, self._wrong = 0.0, Counter[str](), Counter[str]()
        self._lock = threading.Lock()
        pages = {"/plan.json": self._plan, "/room.json": self._figures}
        pages |= {"/board": self._board, "/report": self._report}
        self.routes = [Route(path, answer) for path, answer in pages.items()]
        self.routes.append(Route("/results", self._results, methods=["POST"]))

    @property
    def refused(self) -> Counter[str]:
        """Count what was refused, by kind; what the server's guard refused is among it."""
        before = (STATUS.get(status, "not asked rightly") for status in web.refused.elements())
        return self._refused + Counter(before)

    def measuring(self) -> dict[str, int]:
        """Return the names that have fetched the plan and not posted yet, with their minutes."""
        there, at = {machine.name for machine in self.folder.machines}, time.monotonic()
        return {n: int((at - since) / 60) for n, since in self._asked.items() if n not in there}

    def _plan(self, request: Request) -> Response:
        quoted = request.headers.get(NAME_HEADER, "")
        name = clean(urllib.parse.unquote(quoted, errors="replace"), 40)
        if name and len(self._asked) < classroom.MAX_CLIENTS:
            self._asked.setdefault(name, time.monotonic())
        return JSONResponse(self._about)

    async def _results(self, request: Request) -> Response:
        body, address = await request.body(), request.client.host if request.client else ""
        try:
            machine = await run_in_threadpool(self._take, body, address)
        except Refused as refused:
            status, kind, sentence = refused.args
            self._refused[kind] += 1
            return JSONResponse({"error": {"message": sentence, "type": kind}}, status)
        return JSONResponse({"name": machine.name, "machines": len(self.folder.machines)})

    def _take(self, body: bytes, address: str) -> Machine:
        with self._lock:
            if time.monotonic() - self._since > WINDOW_S:
                self._since, self._posts, self._wrong = time.monotonic(), Counter(), Counter()
            self._posts[address] += 1
            if self._posts[address] > POSTS or self._wrong[address] >= WRONG_CODES:
                raise Refused(429, "too often", f"Too often; try again in {WINDOW_S:.0f} s.")
            try:
                return self.folder.accept(body)
            except Refused as refused:
                self._wrong[address] += "wrong code" in refused.args
                raise

    def _figures(self, _request: Request) -> Response:
        kept = {"kind", "cores", "on_mains_power", "figures"}
        machines = [machine.model_dump(include=kept) for machine in self.folder.machines]
        return JSONResponse({**self._about, "machines": machines})

    def _board(self, request: Request) -> Response:
        at_home = request.client is not None and web.is_this_machine(request.client.host)
        return self._page(request, "board.html.jinja", code=self.folder.code if at_home else "")

    def _report(self, request: Request) -> Response:
        return self._page(request, "report.html.jinja")

    def _page(self, request: Request, template: str, **more: object) -> Response:
        with self._lock:
            report = report_room(self.folder)
            board = draw_board(self.folder.plan.models, self.folder.machines)
        values = {"room": self, "report": report, "board": board} | more
        policy = {"Content-Security-Policy": classroom.POLICY}
        return TEMPLATES.TemplateResponse(request, template, values, headers=policy)
