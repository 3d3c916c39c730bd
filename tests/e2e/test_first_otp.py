"""docs/apps/first-otp.md, run as it is written."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Deployed

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "apps" / "first-otp.md").read_text(encoding="utf-8")
DIFFERS = {"id", "expires_at", "resend_after"}
"""What every run has values of its own for."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def without_values(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: None if name in DIFFERS else value for name, value in answer.items()}


def commands(folder: Path) -> Path:
    """A folder with `sandes-admin`, as an installation of this source would have it."""
    command = folder / "bin" / "sandes-admin"
    command.parent.mkdir()
    source = shlex.quote(str(ROOT / "sdk" / "python"))
    python = shlex.quote(sys.executable)
    command.write_text(f'#!/bin/sh\nPYTHONPATH={source} exec {python} -m sandes_client.cli.admin "$@"\n')
    command.chmod(0o755)
    return command.parent


def test_the_first_otp_is_sent_and_checked_by_the_commands_as_written(deployment: Deployed, tmp_path: Path) -> None:
    endpoints = tmp_path / "endpoints.json"
    deployment.stack.write(endpoints)
    work = tmp_path / "work"
    work.mkdir()
    environment = {
        "PATH": f"{commands(tmp_path)}:{os.environ['PATH']}",
        "HOME": str(work),
        "SANDES_ENDPOINTS": str(endpoints),
    }
    run = subprocess.run(  # noqa: S603
        ["/bin/bash", "-euo", "pipefail", "-c", "\n".join(blocks("sh"))],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    said = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    promised = [json.loads(block) for block in blocks("json")]
    assert [without_values(answer) for answer in said] == [without_values(answer) for answer in promised]
    assert len(said) == 5
    assert said[0]["id"] == said[1]["id"]
