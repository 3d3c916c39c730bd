"""Runs the commands of docs/apps/first-otp.md as they are written."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from sandes.model.administrator import Place, Role
from sandes.model.ids import id_text, parse_organisation, parse_unit
from tests.conftest import Deployed
from tests.support.raw_app import operate
from tests.support.walkthroughs import blocks, commands, run_shell, signed_in

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parent.parent.parent
PAGE = "apps/first-otp.md"
DIFFERS = {"id", "expires_at", "resend_after"}
"""The values that differ from run to run."""


def without_values(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: None if name in DIFFERS else value for name, value in answer.items()}


def make_app_here(folder: Path, engine: Path) -> None:
    """Put a `make` into `folder` that makes apps on the tests' engine, with their files where it is called."""
    command = folder / "make"
    python, root = shlex.quote(sys.executable), shlex.quote(str(ROOT))
    command.write_text(
        f'#!/bin/sh\n[ "$1" = app ] || exit 2\nname=${{2#NAME=}}\n'
        f"PYTHONPATH={root}:{root}/layers/core/python:{root}/sdk/python "
        f'exec {python} -m tools.app --name "$name" --engine {shlex.quote(str(engine))} >&3\n'
    )
    command.chmod(0o755)


def test_the_first_otp_is_sent_and_checked_by_the_commands_as_written(deployment: Deployed, tmp_path: Path) -> None:
    endpoints = tmp_path / "endpoints.json"
    deployment.stack.write(endpoints)
    work = tmp_path / "work"
    work.mkdir()
    path = commands(tmp_path)
    make_app_here(path, deployment.engine.folder)
    environment = {
        "PATH": f"{path}:{os.environ['PATH']}",
        "HOME": str(work),
        "SANDES_ENDPOINTS": str(endpoints),
    }
    run = run_shell("exec 3>make.out\n" + "\n".join(blocks(PAGE, "sh")), work, environment)
    assert run.stderr == ""
    assert run.returncode == 0
    said = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    promised = [json.loads(block) for block in blocks(PAGE, "json")]
    assert [without_values(answer) for answer in said] == [without_values(answer) for answer in promised]
    assert len(said) == 5
    assert said[0]["id"] == said[1]["id"]
    assert {file.name for file in work.iterdir()} == {"app.json", "app.pem", "app-live.json", "make.out", "token.txt"}
    assert {(work / name).stat().st_mode & 0o077 for name in ("app.json", "app.pem", "app-live.json")} == {0}


def test_administrators_register_an_app_and_approve_its_text_by_the_commands_as_written(
    deployment: Deployed, tmp_path: Path
) -> None:
    endpoints = tmp_path / "endpoints.json"
    deployment.stack.write(endpoints)
    work = tmp_path / "work"
    work.mkdir()
    ministry = parse_organisation(operate(deployment, "organisation.create", name="External Affairs")["organisation"])
    desk = operate(deployment, "unit.create", organisation=id_text(ministry), name="Passports", kind="department")
    at_desk = Place(ministry, parse_unit(desk["unit"]))
    signed_in(deployment, tmp_path / "manager.json", Role.APP_MANAGER, ministry, at_desk)
    signed_in(deployment, work / "officer.json", Role.NODAL_OFFICER, ministry, Place.root(ministry))
    environment = {
        "PATH": f"{commands(tmp_path)}:{os.environ['PATH']}",
        "HOME": str(work),
        "SANDES_ENDPOINTS": str(endpoints),
        "SANDES_ADMIN_SESSION": str(tmp_path / "manager.json"),
    }
    shown = 'sandes-admin template show login --app "${KEY%.*}" --json'
    run = run_shell("\n".join([*blocks(PAGE, "bash"), shown]), work, environment)
    assert run.stderr == ""
    assert run.returncode == 0
    assert "is your code for" in run.stdout
