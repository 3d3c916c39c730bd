"""Tests the patches of the local engine that need no engine."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools.engine_patches import patch_workers


def test_processes_of_functions_share_one_copy_of_their_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    runtime: Any = SimpleNamespace(zipfile=zipfile)
    patch_workers(runtime)
    for name, code in (("a", "1"), ("b", "1"), ("c", "2")):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as made:
            made.writestr(zipfile.ZipInfo("handler.py"), code)
        (tmp_path / name).mkdir()
        with runtime.zipfile.ZipFile(tmp_path / f"{name}.zip") as packed:
            packed.extractall(tmp_path / name)
        assert (tmp_path / name / "handler.py").read_text() == code
    assert (tmp_path / "a").resolve() == (tmp_path / "b").resolve() != (tmp_path / "c").resolve()


def test_files_that_are_no_archives_are_refused_as_before(tmp_path: Path) -> None:
    runtime: Any = SimpleNamespace(zipfile=zipfile)
    patch_workers(runtime)
    (tmp_path / "a.zip").write_text("no archive")
    with pytest.raises(runtime.zipfile.BadZipFile):
        runtime.zipfile.ZipFile(tmp_path / "a.zip")
