"""Take part in a room: fetch the plan, measure it, show what would be sent, ask, and send it.

What is sent is the folder that `contribute` makes, with counts of exercises and guesses. Nothing
is sent without consent, and nothing listens here.
"""

import json
import sys
import time
import urllib.parse
from typing import Any

import httpx2

from ..common.errors import KitError, MirrorError, UsageError
from ..common.files import now, write_text
from ..common.foreign import clean
from ..common.paths import results_folder
from ..common.show import lines
from ..course.exercises import overview
from ..course.guesses import count_guesses
from ..measure.record import Run, load_run
from ..measure.shared_plan import SharedPlan, check_shared_plan
from ..models.mirror import KIT, NAME_HEADER, parse_mirror_url
from ..report.contribute import make_files
from .posts import NAMES, Course, Post, can_be_shown

ROOM = "room.txt"  # in the results folder: the address of the room that was joined last
MAX_ANSWER, ANSWER_S = 4_000_000, 20.0
SLEPT_S = 60  # by how much a clock may be set while a machine measures


def join(address: str, name: str, *, yes: bool, code: str, run: str | None) -> None:
    """Measure the room's plan, and post the figures after consent. Raises KitError otherwise."""
    url = parse_mirror_url(address)
    if not can_be_shown(name):
        raise UsageError(f"--name: {NAMES}")
    plan = check_shared_plan(ask_room(url, "/plan.json", name=name)["plan"], f"The plan of {url}")
    print(f"The plan of {url}: {plan}.")
    began = time.time(), time.monotonic()
    measured = load_run(run) if run else _measure(url, plan)
    if slept_s := measure_sleep(began, (time.time(), time.monotonic())):
        print(f"This machine slept, or its clock was set on, for {slept_s / 60:.0f} minutes.")
    post = make_post(measured, name, slept_s)
    print("This is all that would be sent, with the room code:")
    for file, text in post.files.items():
        print(f"--- {file}", *lines(text), sep="\n")
    print("--- and", post.model_dump_json(exclude={"files", "code"}), sep="\n")
    if not yes and _ask("Send this to the room? [y/N] ").lower() not in ("y", "yes"):
        raise UsageError("Nothing was sent.")
    code = code or _ask("The room code (on the projector): ")
    body = post.model_copy(update={"code": code}).model_dump_json()
    try:
        answer = ask_room(url, "/results", body=body)
    except KitError as error:
        raise KitError(f"{error} Send it without measuring: add --run {measured.folder}") from None
    write_text(results_folder() / ROOM, url)
    print(f"Sent. Machines in the room so far: {answer.get('machines')}. The board: {url}/board")


def ask_room(url: str, path: str, *, body: str | None = None, name: str = "") -> dict[str, Any]:
    """Return a room's answer. Raises KitError when it refuses, MirrorError when there is none."""
    method, content = "GET" if body is None else "POST", b""
    headers = {NAME_HEADER: urllib.parse.quote(name)}
    try:
        # Never through a proxy: the room is in this network.
        with (
            httpx2.Client(trust_env=False, timeout=ANSWER_S) as client,
            client.stream(method, url + path, content=body, headers=headers) as answer,
        ):
            for piece in answer.iter_bytes():
                content += piece if len(content) < MAX_ANSWER else b""
        found = json.loads(content)
        if not answer.is_success:
            raise KitError(f"The room did not take it: {clean(found['error']['message'])}")
        if body is None and found["room"] != KIT:
            raise ValueError
        return found
    except httpx2.HTTPError as error:
        raise MirrorError(f"No room answers at {url} ({clean(error)}); is it running?") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise MirrorError(f"{url} is no room; was its mirror started with --plan?") from None


def measure_sleep(began: tuple[float, float], ended: tuple[float, float]) -> int:
    """Return by how many seconds the clock of the day went on more than the steady one."""
    days, steady = (after - before for before, after in zip(began, ended, strict=True))
    return round(days - steady) if days - steady > SLEPT_S else 0


def make_post(run: Run, name: str, slept_s: int = 0) -> Post:
    """Return what is sent of a run, without the room code. Raises UsageError for no result."""
    (_, passed, exercises), guesses = overview().shares[-1], count_guesses()
    course: Course = {"passed": passed, "exercises": exercises}
    course |= {"right": guesses["right"], "guesses": sum(guesses.values())}
    files = make_files(run)
    return Post(name=name, sent_at=now(), slept_s=slept_s, course=course, files=files)


def _measure(url: str, plan: SharedPlan) -> Run:
    from .. import benchmark, connect, download

    with connect(mirror=url) as server:
        outcomes = download(server, plan.models)
        if not outcomes.ok:
            print(outcomes, "What can be had is measured.", sep="\n")
        settings: dict[str, Any] = {"rounds": plan.rounds, "max_tokens": plan.max_tokens}
        return benchmark(server, plan.models, plan.prompt_set(), **settings)


def _ask(question: str) -> str:
    print(question, end="", flush=True)
    return sys.stdin.readline().strip()
