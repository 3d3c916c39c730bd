"""Runs the commands of docs/admin/import-officials.md as they are written."""

from __future__ import annotations

import csv
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandes.model.administrator import Place, Role
from sandes.model.ids import id_text, parse_organisation, parse_unit
from tests.conftest import Deployed
from tests.support.raw_app import operate
from tests.support.walkthroughs import blocks, commands, run_shell, signed_in

pytestmark = pytest.mark.engine

PAGE = "admin/import-officials.md"


def test_a_verifier_checks_commits_and_cancels_an_import_by_the_commands_as_written(
    deployment: Deployed, tmp_path: Path
) -> None:
    """Leaves out signing in, which asks at a terminal, answers questions by `--yes`, and moves the dates on."""
    ports = parse_organisation(operate(deployment, "organisation.create", name="Department of Ports")["organisation"])
    office = operate(deployment, "unit.create", organisation=id_text(ports), name="Harbour Office", kind="office")
    at_office = Place(ports, parse_unit(office["unit"]))
    work, endpoints, session = tmp_path / "work", tmp_path / "endpoints.json", tmp_path / "verifier.json"
    work.mkdir()
    deployment.stack.write(endpoints)
    signed_in(deployment, session, Role.VERIFIER, ports, at_office, at=at_office)
    environment = {
        "PATH": f"{commands(tmp_path)}:{os.environ['PATH']}",
        "HOME": str(work),
        "SANDES_ENDPOINTS": str(endpoints),
        "SANDES_ADMIN_SESSION": str(session),
    }
    (officials,) = blocks(PAGE, "csv")
    next_year = str(datetime.now(UTC).year + 1)
    (work / "officials.csv").write_text(re.sub(r"\b20\d\d(?=-)", next_year, officials), encoding="utf-8")
    check, commit, look, cancel = blocks(PAGE, "sh")

    checked = run_shell(re.sub("^sandes-admin login.*$", "", check, flags=re.MULTILINE), work, environment)
    assert checked.returncode == 0, checked.stderr
    assert "Harbour Office" in checked.stdout
    assert "2 rows, 2 good rows, 0 bad ones; a commit means 2 nominated" in checked.stdout
    (made,) = re.findall(r"import (\S+)", checked.stderr)

    committed = run_shell(commit.replace("IMPORT", f"{made} --yes"), work, environment)
    assert committed.returncode == 0, committed.stderr
    with (work / "results.csv").open(encoding="utf-8", newline="") as results:
        assert [(row["row"], row["status"]) for row in csv.DictReader(results)] == [
            ("2", "nominated"),
            ("3", "nominated"),
        ]
    assert run_shell(look, work, environment).returncode == 0

    cancelled = run_shell(cancel.replace("IMPORT", f"{made} --yes"), work, environment)
    assert (cancelled.returncode, cancelled.stderr) == (0, "")
