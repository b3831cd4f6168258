"""Downloads through the real SDK: catalog, registry and blob store are loopback stand-ins, everything on our side is real."""

import pytest
from azure import azure

from helpers import connect, download
from helpers.paths import BUILT_IN_MODELS, model_cache

ALIAS = "faraway"


@pytest.fixture
def catalog(own_home, tmp_path, monkeypatch):
    """A runtime whose Azure catalog offers one model, made of a pocket model's files."""
    folder = BUILT_IN_MODELS / "pocket-nano"
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "inference_model.json"}
    with azure({ALIAS: files}, tmp_path) as remote:
        for name, value in remote.variables.items():
            monkeypatch.setenv(name, value)
        with connect() as server:
            # The service has read them; this process must not go through the stand-in.
            for name in ("HTTPS_PROXY", "SSL_CERT_FILE"):
                monkeypatch.delenv(name)
            yield server, files


def test_catalog_models_stand_beside_the_built_in_ones(catalog):
    server, _ = catalog
    table = server.models()
    assert table.note.startswith("Azure catalog: reachable.")
    assert [(m.alias, m.source, m.cached, m.license) for m in table if m.alias == ALIAS] == [(ALIAS, "catalog", False, "apache-2.0")]
    assert {m.alias for m in table.where(cached=True)} == set(server.default_models())


def test_a_download_reports_progress_and_ends_in_a_model_that_answers(catalog):
    server, files = catalog
    seen = []
    server.download(ALIAS, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert server.resolve(ALIAS).cached is True
    stored = model_cache() / "Somebody" / f"{ALIAS}-generic-cpu-3"
    assert all((stored / name).read_bytes() == data for name, data in files.items())
    assert server.chat(ALIAS, "Hello").text == server.chat("pocket-nano", "Hello").text


def test_one_that_cannot_be_had_does_not_stop_the_rest(catalog):
    server, _ = catalog
    done = download(server, ["no-such-model", ALIAS, "pocket-mini", ALIAS], progress=False)
    assert [(alias, status) for alias, status, _ in done] == [("no-such-model", "failed"), (ALIAS, "downloaded"), ("pocket-mini", "ready")]
    assert not done.ok
    assert download(server, [ALIAS], progress=False)[0][1] == "ready"


def test_too_little_disk_is_told_before_anything_is_fetched(catalog, monkeypatch):
    server, _ = catalog
    monkeypatch.setattr("helpers.downloads.free_disk_gb", lambda: 3.2)
    (row,) = download(server, [ALIAS], progress=False)
    assert row[1] == "failed"
    assert row[2].startswith("3.2 GB are free and 15 GB are wanted")
    assert server.resolve(ALIAS).cached is False


def test_loading_what_is_not_downloaded_says_how_to_get_it(catalog):
    server, _ = catalog
    with pytest.raises(Exception, match=f"python -m helpers download {ALIAS}"):
        server.load(ALIAS)
