"""Reading requests.jsonl in blocks gives what was written, wherever a block ends and whatever a kill left."""

import json
from dataclasses import replace

import numpy as np
import pytest

from helpers.common.errors import UsageError
from helpers.measure import rows
from helpers.measure.rows import Row


def some_rows(count):
    return [
        Row(
            model=f"m{i % 3}",
            model_id=None if i % 5 == 0 else "id",
            prompt_id=f"p{i % 4}",
            round=i,
            phase="measure",
            status="ok",
            started_at="2026-11-24T19:00:00.123+00:00",
            figures={"ttft_s": None if i % 7 == 0 else i / 1000},
            completion_tokens=i,
            chunk_times_s=(0.1, 0.2),
            text=f"caf\u00e9 \u2028 {i % 10}",
        )
        for i in range(count)
    ]


def write(path, some):
    path.write_text(
        "".join(json.dumps(row.to_dict(), ensure_ascii=False) + "\n" for row in some),
        encoding="utf-8",
        newline="\n",
    )
    return path


def test_the_fields_are_those_of_a_row():
    fields = some_rows(1)[0].to_dict()
    assert set(rows.RowRecord.__struct_fields__) == set(fields) - {"chunk_times_s"}


def test_a_time_of_day_is_read_in_utc_and_may_be_missing(tmp_path):
    given = ["2026-11-24T19:00:00.123+02:00", None, "1969-12-31T23:59:59.999Z"]
    some = [replace(row, started_at=at) for row, at in zip(some_rows(3), given, strict=True)]
    found = rows.read_rows(write(tmp_path / "requests.jsonl", some))["started_at"]
    wanted = ["2026-11-24T17:00:00.123", "NaT", "1969-12-31T23:59:59.999"]
    assert found.to_numpy().astype(str).tolist() == wanted


def test_a_time_of_day_without_its_zone_is_damage(tmp_path):
    some = [replace(row, started_at="2026-11-24T19:00:00.123") for row in some_rows(1)]
    with pytest.raises(UsageError, match="damaged in line 1"):
        rows.read_rows(write(tmp_path / "requests.jsonl", some))


@pytest.mark.parametrize("block", [1, 7, 100, 1000, 10**9])
def test_every_block_size_reads_the_same(tmp_path, monkeypatch, block):
    monkeypatch.setattr(rows, "BLOCK", block)
    some = some_rows(23)
    path = write(tmp_path / "requests.jsonl", some)
    frame = rows.read_rows(path)
    for name in rows.RowRecord.__struct_fields__:
        wanted = [row.to_dict()[name] for row in some]
        if name == "started_at":
            assert [f"{t.isoformat()[:23]}+00:00" for t in frame[name]] == wanted
        else:
            assert [
                None if value is None or value != value else value for value in frame[name]
            ] == wanted


def test_a_half_written_last_line_is_passed_over_and_a_whole_one_without_its_end_counts(tmp_path):
    path = write(tmp_path / "requests.jsonl", some_rows(5))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert len(rows.read_rows(path)) == 5
    path.write_bytes(whole[:-30])
    assert len(rows.read_rows(path)) == 4
    path.write_bytes(b"")
    assert len(rows.read_rows(path)) == 0


@pytest.mark.parametrize("damage", [b"{}", b"", b"[1]", b'{"model": 1', b"null"])
def test_a_damaged_line_is_named(tmp_path, damage):
    path = write(tmp_path / "requests.jsonl", some_rows(5))
    lines = path.read_bytes().split(b"\n")
    lines[2] = damage
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(UsageError, match=r"requests\.jsonl is damaged in line 3 \(.+\); delete"):
        rows.read_rows(path)


def test_bytes_that_are_no_text_become_a_replacement_and_not_a_damage(tmp_path):
    path = write(tmp_path / "requests.jsonl", some_rows(3))
    path.write_bytes(path.read_bytes().replace("\u00e9".encode(), b"\xff", 1))
    frame = rows.read_rows(path)
    assert frame["text"][0] == "caf\ufffd \u2028 0"


def test_an_older_record_lacks_columns_and_is_read(tmp_path):
    path = tmp_path / "requests.jsonl"
    old = {
        name: value
        for name, value in some_rows(2)[1].to_dict().items()
        if name not in ("concurrency", "scheduled_s", "sent_s", "connect_s")
    }
    path.write_text(json.dumps(old) + "\n", encoding="utf-8")
    frame = rows.read_rows(path)
    assert frame["concurrency"][0] == 1
    assert np.isnan(frame["connect_s"][0])
