"""Tests an import on the deployed system: a thousand rows with seven invalid ones, and people who register later."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from typing import Any

import httpx
import pytest

from sandes.administration.imports.import_files import MAX_FILE_BYTES
from sandes.model.administrator import Place, Role
from sandes.model.ids import parse_organisation, parse_unit
from sandes_client.admin import AdminApiError
from tests.conftest import Deployed
from tests.support.administrators import TestAdministrator, administrator, as_signed_in_before
from tests.support.imports import csv_of, row, xlsx_of
from tests.support.raw_device import RawDevice, register
from tests.support.service import new_phone

pytestmark = pytest.mark.engine

PATIENCE_SECONDS = 240.0
Json = dict[str, Any]


@pytest.fixture(scope="module")
def organisation(deployment: Deployed) -> str:
    return str(deployment.backstage.operate("organisation.create", name="Ministry of Railways")["organisation"])


@pytest.fixture(scope="module")
def officer(deployment: Deployed, organisation: str) -> TestAdministrator:
    place = Place.root(parse_organisation(organisation))
    return administrator(deployment, home=place, roles=[(Role.NODAL_OFFICER, place)])


def upload(made: Json, content: bytes) -> None:
    answer = httpx.post(made["upload"]["url"], data=made["upload"]["fields"], files={"file": content})
    assert answer.status_code == 204, answer.text


def settled(officer: TestAdministrator, id: str) -> Json:
    """Return the import once nothing is being done for it."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        state: Json = officer.api.get("imports", id)
        if state["state"] not in {"checking", "committing"}:
            return state
        assert time.monotonic() < until, state
        time.sleep(0.3)


def checked(officer: TestAdministrator, organisation: str, content: bytes, **terms: Any) -> Json:
    made = officer.api.post("imports", body={"organisation": organisation, "format": "csv"} | terms)
    upload(made, content)
    assert officer.api.post("imports", made["id"], "commit", body={"dry_run": True})["state"] == "checking"
    return settled(officer, made["id"])


def refused(call: Any, *path: str, **named: Any) -> str:
    with pytest.raises(AdminApiError) as error:
        call(*path, **named)
    return error.value.code


def lines(officer: TestAdministrator, id: str) -> dict[int, tuple[str, str]]:
    """Return status and code by row, from all pages of the results as CSV."""
    found: dict[int, tuple[str, str]] = {}
    cursor = None
    while True:
        answer = officer.api.call(
            "GET", "imports", id, "results", query={"format": "csv", "limit": 250, "cursor": cursor}
        )
        found |= {int(one["row"]): (one["status"], one["code"]) for one in csv.DictReader(io.StringIO(answer.text))}
        link = answer.headers.get("link")
        if link is None:
            return found
        cursor = link.partition("cursor=")[2].partition(">")[0]


async def class_of(person: RawDevice) -> str:
    answer = await person.call("GET", "/v1/me")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["account_class"])


async def official(person: RawDevice) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await class_of(person) != "verified":
            await asyncio.sleep(0.3)


async def test_a_thousand_rows_with_seven_bad_ones(
    deployment: Deployed, organisation: str, officer: TestAdministrator
) -> None:
    here = await register(deployment)
    later = new_phone()
    rows = [row() for _ in range(1_000)]
    rows[4], rows[9] = row(here.phone, name="Here Already"), row(later, name="Comes Later")
    bad = {
        100: ("bad_number", row("98123")),
        200: ("duplicate", rows[0]),
        300: ("bad_expires", row(expires="tomorrow")),
        400: ("date_past", row(expires="2020-01-01")),
        500: ("unit_unknown", row(unit="Catering")),
        600: ("bad_name", row(name="")),
        700: ("reason_missing", row(action="revoke")),
    }
    for number, (_, cells) in bad.items():
        rows[number - 1] = cells
    found = await asyncio.to_thread(checked, officer, organisation, csv_of(*rows), client_ref="staff")
    assert (found["state"], found["rows"], found["valid"], found["invalid"]) == ("checked", 1_000, 993, 7)
    assert {one["row"]: one["code"] for one in found["findings"]} == {row + 1: code for row, (code, _) in bad.items()}
    assert found["planned"]["verified"] == 1
    assert await class_of(here) == "public"
    id = found["id"]
    stale = as_signed_in_before(deployment, officer.id, 301)
    code = await asyncio.to_thread(refused, stale.post, "imports", id, "commit", body={"dry_run": False})
    assert code == "fresh_sign_in_required"
    fresh = as_signed_in_before(deployment, officer.id, 5)
    await asyncio.to_thread(fresh.post, "imports", id, "commit", body={"dry_run": False})
    done = await asyncio.to_thread(settled, officer, id)
    assert (done["state"], done["done"]) == ("completed", 993)
    assert (done["counts"]["verified"], done["counts"]["nominated"], done["counts"]["failed"]) == (1, 992, 0)
    assert await class_of(here) == "verified"
    results = await asyncio.to_thread(lines, officer, id)
    assert sorted(results) == list(range(2, 1_002))
    assert {row: code for row, (status, code) in results.items() if status == "invalid"} == {
        row + 1: code for row, (code, _) in bad.items()
    }
    person = await register(deployment, phone=later)
    await official(person)
    listed = await asyncio.to_thread(officer.api.get, "imports", organisation=organisation)
    assert [one["client_ref"] for one in listed["imports"] if one["id"] == id] == ["staff"]


def test_a_spreadsheet_is_checked_and_cancelled(organisation: str, officer: TestAdministrator) -> None:
    found = checked(officer, organisation, xlsx_of(row(), row("1")), format="xlsx")
    assert (found["state"], found["valid"], found["invalid"]) == ("checked", 1, 1)
    officer.api.delete("imports", found["id"])
    assert officer.api.get("imports", found["id"])["state"] == "cancelled"
    assert refused(officer.api.post, "imports", found["id"], "commit", body={"dry_run": False}) == "import_state"


def test_what_is_not_ones_own_is_not_there(deployment: Deployed, organisation: str, officer: TestAdministrator) -> None:
    unit = deployment.backstage.operate("unit.create", organisation=organisation, name="North", kind="office")["unit"]
    place = Place(parse_organisation(organisation), parse_unit(unit))
    verifier = administrator(deployment, home=place, roles=[(Role.VERIFIER, place)])
    made = officer.api.post("imports", body={"organisation": organisation, "format": "csv"})
    assert refused(verifier.api.get, "imports", made["id"]) == "not_found"
    assert refused(verifier.api.delete, "imports", made["id"]) == "not_found"
    assert refused(verifier.api.post, "imports", body={"organisation": organisation, "format": "csv"}) == "not_found"
    own = verifier.api.post("imports", body={"organisation": organisation, "unit": unit, "format": "csv"})
    assert own["state"] == "open"
    assert refused(verifier.api.post, "imports", own["id"], "commit", body={"dry_run": True}) == "upload_missing"


def test_a_file_above_the_limit_is_refused_by_the_storage(officer: TestAdministrator, organisation: str) -> None:
    made = officer.api.post("imports", body={"organisation": organisation, "format": "csv"})
    form, file = made["upload"]["fields"], {"file": bytes(MAX_FILE_BYTES + 1)}
    answer = httpx.post(made["upload"]["url"], data=form, files=file, timeout=60)
    assert answer.status_code == 400
    assert "EntityTooLarge" in answer.text
    assert refused(officer.api.post, "imports", made["id"], "commit", body={"dry_run": True}) == "upload_missing"
