"""A download on which nothing comes any more. It was begun beside the other downloads, for it takes the SDK a minute to give it up."""

import re

CHUNK = 2 * 2**20


def test_a_stall_is_said_ended_and_gone_on_from(stalling):
    outcome, said, remote, folder = stalling
    assert outcome.result(120).cached is True
    assert any(
        re.fullmatch(r"nothing has come for \d+ s; a new connection is made after 60 s", note)
        for note in said
    )
    files = remote.models["stalled"]
    assert all(
        (folder / "models" / "Somebody" / "stalled-generic-cpu-3" / name).read_bytes() == data
        for name, data in files.items()
    )
    sent = sum(count for file, _, count in remote.parts("stalled") if file == "extra.bin")
    assert sent - len(files["extra.bin"]) <= CHUNK
