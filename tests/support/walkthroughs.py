"""Runs the commands of a page of the docs as they are written, with `sandes-admin` of this source."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from sandes.model.administrator import Place, Role
from sandes.model.ids import OrganisationId
from sandes_client.admin import AdminSession
from tests.conftest import Deployed
from tests.support.administrators import administrator

ROOT = Path(__file__).parent.parent.parent


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page, named by its path below docs/, in one language."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(folder: Path) -> Path:
    """Make a folder with `sandes-admin`, as an installation of this source would have it."""
    command = folder / "bin" / "sandes-admin"
    command.parent.mkdir()
    source = shlex.quote(str(ROOT / "sdk" / "python"))
    python = shlex.quote(sys.executable)
    command.write_text(f'#!/bin/sh\nPYTHONPATH={source} exec {python} -m sandes_client.cli.admin "$@"\n')
    command.chmod(0o755)
    return command.parent


def signed_in(
    deployed: Deployed, file: Path, role: Role, organisation: OrganisationId, home: Place, *, at: Place | None = None
) -> None:
    """Write the session file of a new administrator, who has a role `at` a place, by default the whole organisation."""
    made = administrator(deployed, home=home, roles=[(role, at or Place.root(organisation))])
    stack = deployed.stack
    AdminSession(made.email, stack.http_url, stack.cognito_url, stack.admin_client, made.api.tokens).save(file)


def run_shell(text: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        ["/bin/bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
