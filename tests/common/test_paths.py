"""Folders of the kit: where the variables say, else where the package or the user's cache is."""

import os
import sys
from pathlib import Path

import pytest

from helpers.common import paths
from helpers.common.errors import KitError


def test_the_project_is_found_from_the_package():
    assert (paths.PROJECT / "helpers" / "common" / "paths.py").is_file()
    assert (paths.BUILT_IN_MODELS / "manifest.json").is_file()


def test_the_home_is_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "kit"))
    assert paths.home() == tmp_path / "kit"
    assert paths.model_cache() == tmp_path / "kit" / "models"
    monkeypatch.setenv("WORKSHOP_HOME", "~/kit")
    assert paths.home() == Path.home() / "kit"


@pytest.mark.parametrize("variable", ["WORKSHOP_HOME", "WORKSHOP_RESULTS"])
def test_a_relative_folder_stays_the_same_for_a_process_that_works_elsewhere(
    monkeypatch, tmp_path, variable
):
    folder = {"WORKSHOP_HOME": paths.home, "WORKSHOP_RESULTS": paths.results_folder}[variable]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "kit")
    assert folder() == tmp_path / "kit"
    monkeypatch.chdir(tmp_path.parent)
    assert folder() == tmp_path / "kit"
    assert os.environ[variable] == str(tmp_path / "kit")


def test_the_home_of_somebody_who_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setenv("WORKSHOP_HOME", "~nobody-of-that-name/kit")
    with pytest.raises(KitError, match="~nobody-of-that-name/kit"):
        paths.home()


def test_without_the_variable_the_home_is_in_the_users_cache(monkeypatch):
    monkeypatch.setenv("WORKSHOP_HOME", "")
    assert paths.home().name in ("foundry-local-workshop", "Cache")
    assert paths.home().is_absolute()


def test_free_disk_space_is_known_before_the_cache_exists(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "not" / "there" / "yet"))
    assert paths.free_disk_gb() > 0
    assert list(tmp_path.iterdir()) == []


def test_two_checkouts_or_two_pythons_never_share_a_service(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    first = paths.service_folder()
    assert first == paths.service_folder()
    assert first.parent == tmp_path / "service"
    with monkeypatch.context() as patch:
        patch.setattr(paths, "PROJECT", tmp_path)
        assert paths.service_folder() != first
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert paths.service_folder() != first


def test_results_go_to_the_argument_then_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "variable"))
    assert paths.results_folder() == tmp_path / "variable"
    assert paths.results_folder(tmp_path / "argument") == tmp_path / "argument"
    assert list((tmp_path / "argument").iterdir()) == []


def test_a_results_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(KitError, match=r"The results folder \S+ cannot be written .*--output DIR"):
        paths.results_folder(tmp_path / "file")
