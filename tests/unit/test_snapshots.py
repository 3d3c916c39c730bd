"""Tests snapshots of deployed engines: one deployment for all engines, and never one of other code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools import engine as engines
from tools import snapshots
from tools.engine import Engine, EngineError

HOUR = 3_600


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a small project, deployed by an engine that only writes files."""
    for file in (
        "cdk.json",
        "build/vendor-local.stamp",
        "infra/app.py",
        "functions/send/handler.py",
        "layers/core/a.py",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("1")
    tool = tmp_path / "engine.txt"
    tool.write_text("1")
    monkeypatch.setattr(engines, "ROOT", tmp_path)
    monkeypatch.setattr(snapshots, "SNAPSHOTS", tmp_path / ".local" / "snapshots")
    monkeypatch.setattr(snapshots, "_TOOLS", (tool,))
    monkeypatch.setattr(snapshots, "build_vendor_layer", lambda: None)
    monkeypatch.setattr(time, "time", lambda: 5.0 * HOUR)
    monkeypatch.setattr(snapshots, "deployment_of", lambda engine: json.loads(outputs_of(engine).read_text()))
    monkeypatch.setattr(Engine, "start", started)
    monkeypatch.setattr(Engine, "stop", lambda *_: None)
    return tmp_path


def started(engine: Engine, say: object = None) -> None:
    for folder in ("state", "s3"):
        (engine.folder / folder).mkdir(parents=True, exist_ok=True)
    engines.move_state(engine.folder / "state", engines.former_port(engine.folder / "port"), engine.port)
    (engine.folder / "port").write_text(str(engine.port))


def outputs_of(engine: Engine) -> Path:
    return engine.folder / "outputs.json"


class Deployments:
    """Counts deployments. Each one calls `meanwhile` and takes what it returns as the code of the stack."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], str] = lambda: "stack") -> None:
        self.count = 0
        self.meanwhile = meanwhile
        monkeypatch.setattr(snapshots, "deploy", self)

    def __call__(self, engine: Engine, say: object) -> None:
        self.count += 1
        code = self.meanwhile()
        (engine.folder / "state" / "sqs.json").write_text(f'"http://localhost:{engine.port}/q {code}"')
        (engine.folder / "s3" / "asset").write_text(code)
        outputs_of(engine).write_text(f'"http://127.0.0.1:{engine.port}"')


def test_one_deployment_serves_several_engines_each_on_its_own_port(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployments = Deployments(monkeypatch)
    for name in ("a", "b"):
        engine = Engine(project / name)
        found: Any = snapshots.start_deployed(engine)
        assert found == f"http://127.0.0.1:{engine.port}"
        assert (engine.folder / "state" / "sqs.json").read_text() == f'"http://localhost:{engine.port}/q stack"'
        assert (engine.folder / "s3" / "asset").read_text() == "stack"
    assert deployments.count == 1


def test_the_former_state_of_an_engine_is_removed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Deployments(monkeypatch)
    engine = Engine(project / "a")
    for file in ("state/iam.json", "s3/upload", "tmp/code"):
        (engine.folder / file).parent.mkdir(parents=True)
        (engine.folder / file).touch()
    snapshots.start_deployed(engine)
    left = {str(file.relative_to(engine.folder)) for file in engine.folder.rglob("*") if file.is_file()}
    assert left == {"state/sqs.json", "s3/asset", "outputs.json", "port"}


@pytest.mark.parametrize(
    "changed",
    [
        "cdk.json",
        "build/vendor-local.stamp",
        "infra/stages.toml",
        "functions/send/handler.py",
        "layers/core/names.txt",
        "engine.txt",
    ],
)
def test_a_change_of_anything_that_is_deployed_is_deployed_anew(
    changed: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployments = Deployments(monkeypatch)
    snapshots.start_deployed(Engine(project / "a"))
    (project / changed).write_text("2")
    snapshots.start_deployed(Engine(project / "a"))
    assert deployments.count == 2
    assert len(list(snapshots.SNAPSHOTS.iterdir())) == 2, "the lock, and no snapshot but the last"


def test_byte_code_and_other_files_of_the_project_change_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployments = Deployments(monkeypatch)
    snapshots.start_deployed(Engine(project / "a"))
    for file in ("layers/core/__pycache__/a.pyc", "docs/README.md"):
        (project / file).parent.mkdir()
        (project / file).touch()
    snapshots.start_deployed(Engine(project / "a"))
    assert deployments.count == 1


def test_code_that_changes_during_a_deployment_is_deployed_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = project / "functions" / "send" / "handler.py"

    def change() -> str:
        read = code.read_text()
        code.write_text("2")
        return read

    deployments = Deployments(monkeypatch, change)
    engine = Engine(project / "a")
    snapshots.start_deployed(engine)
    assert (deployments.count, (engine.folder / "s3" / "asset").read_text()) == (2, "2")


def test_a_deployment_over_a_full_hour_is_repeated_since_audit_heads_may_have_been_published(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [6.0 * HOUR - 1]
    monkeypatch.setattr(time, "time", lambda: now[0])

    def ten_seconds() -> str:
        now[0] += 10
        return str(now[0])

    deployments = Deployments(monkeypatch, ten_seconds)
    engine = Engine(project / "a")
    snapshots.start_deployed(engine)
    assert deployments.count == 2
    assert (engine.folder / "s3" / "asset").read_text() == str(6.0 * HOUR + 19)


def test_a_deployment_that_fails_leaves_no_snapshot(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise EngineError("cdk deploy failed")

    Deployments(monkeypatch, fail)
    with pytest.raises(EngineError):
        snapshots.start_deployed(Engine(project / "a"))
    deployments = Deployments(monkeypatch)
    snapshots.start_deployed(Engine(project / "a"))
    assert deployments.count == 1
