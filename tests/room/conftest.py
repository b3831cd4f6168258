"""A recorded run as a room's plan asks for it, and a fresh room."""

import pytest

from helpers.room.join import make_post
from support.records import about, answer, latency, record, rows_of
from support.room import PLAN, Door, mirroring


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
    """A recorded run of both models of the plan; the second takes 2.5 times as long."""
    models = {name: about(size_mb=3.0, license="MIT") for name in ("pocket-nano", "pocket-mini")}
    rows = rows_of("pocket-nano")
    for row in rows_of("pocket-nano"):
        if row.phase == "measure":
            slow = 2.5 * latency("pocket-nano", row.prompt_id, row.round)
            rows.append(answer("pocket-mini", row.prompt_id, row.round, slow))
    return record(tmp_path_factory.mktemp("room") / "measured", models, rows)


@pytest.fixture(scope="session")
def post(measured) -> dict:
    """What `join` would send of it."""
    return make_post(measured, "Ada").model_dump()


@pytest.fixture
def room(tmp_path):
    """A fresh room; yields its door and the folder with home and results."""
    (tmp_path / "monday.toml").write_text(PLAN, encoding="utf-8")
    with mirroring(tmp_path, "--plan", str(tmp_path / "monday.toml")) as (said, _):
        yield Door(said), tmp_path
