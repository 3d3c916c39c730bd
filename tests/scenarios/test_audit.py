"""Tests audit chains of a deployed system: an auditor fetches and verifies them, with heads that nobody can remove."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from sandes.administration.audit.audit_log import heads_name
from sandes.administration.recorder import Recorder
from sandes.model.administrator import Place, Role
from sandes.model.audit import Act
from sandes.model.ids import parse_organisation
from sandes.model.instant import Instant
from sandes_client.admin import AdminApiError
from sandes_client.audit import public_keys, read_heads
from sandes_client.cli.admin import admin
from sandes_client.cli.administration.desk import Desk
from tests.conftest import Deployed
from tests.support.administrators import TestAdministrator, administrator, client


@pytest.fixture(scope="module")
def organisation(deployment: Deployed) -> str:
    return str(deployment.backstage.operate("organisation.create", name="Ministry of Railways")["organisation"])


@pytest.fixture(scope="module")
def recorder(deployment: Deployed) -> Recorder:
    """Return a recorder with the deployed key."""
    return deployment.backstage.deps.administrators.recorder


@pytest.fixture(scope="module")
def auditor(deployment: Deployed, organisation: str) -> TestAdministrator:
    place = Place.root(parse_organisation(organisation))
    return administrator(deployment, home=place, roles=[(Role.AUDITOR, place)])


@pytest.fixture(scope="module")
def chain(recorder: Recorder, organisation: str) -> str:
    for number in range(7):
        done = Act(
            action="unit.rename",
            actor="operator",
            role=None,
            organisation=parse_organisation(organisation),
            details={"name": [f"Desk {number}", f"Desk {number + 1}"]},
        )
        recorder.record(done, now=Instant(time.time_ns() // 1_000_000))
    return organisation


def heads_function(deployment: Deployed) -> str:
    functions = deployment.engine.client("lambda").list_functions()["Functions"]
    (name,) = [function["FunctionName"] for function in functions if "AuditHeads" in function["FunctionName"]]
    return str(name)


def keep_heads(deployment: Deployed) -> tuple[str, str]:
    """Keep the heads of this hour. Return bucket and name of their document."""
    functions, name = deployment.engine.client("lambda"), heads_function(deployment)
    answer = functions.invoke(FunctionName=name)
    assert "FunctionError" not in answer, answer["Payload"].read()
    told = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    return told["HEADS_BUCKET"], heads_name(int(time.time()))


def test_an_auditor_fetches_the_chain_and_the_heads_and_finds_it_whole_and_then_one_row_altered(
    deployment: Deployed,
    auditor: TestAdministrator,
    chain: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Desk, "admin", lambda _: client(deployment, auditor.api.tokens))

    def run(*words: str | Path) -> Any:
        return CliRunner().invoke(admin, ["audit", *map(str, words)], catch_exceptions=False)

    keep_heads(deployment)
    file, heads, key = tmp_path / "chain.ndjson", tmp_path / "heads", tmp_path / "key"
    assert run("export", file).output == f"Fetched 7 entries; {file} has 7.\n"
    assert run("export", file).output == f"Fetched 0 entries; {file} has 7.\n"
    fetched = run("heads", heads, "--hours", "2").output  # the hour before may have one too
    assert fetched.startswith(("Fetched 1 ", "Fetched 2 "))
    key.write_text(run("key", "--json").output)
    checking = ("verify", file, "--key", key, "--heads", heads, "--chain", chain)
    found = run(*checking)
    assert (found.exit_code, found.output.splitlines()[1]) == (0, f"Whole: entries 1 to 7 of {chain}, 1 heads agree.")
    file.write_bytes(file.read_bytes().replace(b"Desk 3", b"Desk 8", 1))
    found = run(*checking)
    assert found.exit_code == 3
    assert "NOT WHOLE, line 3" in found.output
    listed = json.loads(run("list", "--limit", "2", "--json").output)["entries"]
    assert [one["details"]["name"] for one in listed] == [["Desk 6", "Desk 7"], ["Desk 5", "Desk 6"]]


def at(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def test_by_time_and_page_by_page(auditor: TestAdministrator, chain: str) -> None:
    now, found, cursor = int(time.time()), [], None
    while True:
        page = auditor.api.get("audit", until=at(now + 5), since=at(now - 600), limit=3, cursor=cursor)
        found += [entry["seq"] for entry in page["entries"]]
        if (cursor := page.get("cursor")) is None:
            break
    assert found == [7, 6, 5, 4, 3, 2, 1]


def test_nobody_else_reads_it(deployment: Deployed, chain: str) -> None:
    other = str(deployment.backstage.operate("organisation.create", name="Ministry of Mines")["organisation"])
    place = Place.root(parse_organisation(other))
    stranger = administrator(deployment, home=place, roles=[(Role.AUDITOR, place)])
    for path in ("audit", "audit/export"):
        with pytest.raises(AdminApiError) as caught:
            stranger.api.get(path, organisation=chain)
        assert caught.value.code == "not_found"


def test_heads_that_were_kept_can_neither_be_written_over_nor_taken_away(
    deployment: Deployed, recorder: Recorder, chain: str
) -> None:
    bucket, name = keep_heads(deployment)
    keep_heads(deployment)  # once more in the same hour
    s3 = deployment.engine.client("s3")
    (version,) = s3.list_object_versions(Bucket=bucket, Prefix=name)["Versions"]
    with pytest.raises(ClientError) as caught:
        s3.delete_object(Bucket=bucket, Key=name, VersionId=version["VersionId"])
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    s3.put_object(Bucket=bucket, Key=name, Body=b"forged")
    s3.delete_object(Bucket=bucket, Key=name)
    kept = s3.get_object(Bucket=bucket, Key=name, VersionId=version["VersionId"])["Body"].read()
    heads = read_heads(kept, public_keys([recorder.key.public]))
    assert chain in {head.chain for head in heads}
    assert s3.get_object_retention(Bucket=bucket, Key=name, VersionId=version["VersionId"])["Retention"]["Mode"]
