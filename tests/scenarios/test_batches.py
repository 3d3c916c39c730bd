"""Tests batches on the deployed system: notices by one call and by a file, and codes at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.conftest import Deployed
from tests.support.raw_app import RawApp, create_app, operate
from tests.support.raw_device import new_phone, register

pytestmark = pytest.mark.engine

BILL = {"en": "{{ name }}, your bill is {{ sum }}."}
PATIENCE_SECONDS = 240


@pytest.fixture(scope="module")
def app(deployment: Deployed) -> RawApp:
    made = create_app(deployment)
    operate(deployment, "template.put", app=made.app, name="bill", kind="message", texts=BILL)
    return made


async def state(app: RawApp, id: str) -> dict[str, Any]:
    answer = await app.call("GET", f"/v1/batches/{id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def until(app: RawApp, id: str, *wanted: str) -> list[dict[str, Any]]:
    """Return every state on the way to one of `wanted`."""
    seen = []
    for _ in range(PATIENCE_SECONDS * 2):
        seen.append(await state(app, id))
        if seen[-1]["state"] in wanted:
            return seen
        assert seen[-1]["state"] not in {"failed", "cancelled"}, seen[-1]
        await asyncio.sleep(0.5)
    raise AssertionError(seen[-1])


async def test_two_hundred_notices_go_out_with_progress_while_codes_are_answered(
    deployment: Deployed, app: RawApp
) -> None:
    device = await register(deployment)
    rows = [{"to": {"phone": new_phone()}, "client_ref": f"n{number}"} for number in range(199)]
    rows.insert(100, {"to": {"phone": device.phone}, "client_ref": "known"})
    async with device.online() as socket:
        answer = await app.call("POST", "/v1/batches", {"body": "Water is off tomorrow.", "rows": rows})
        assert answer.status_code == 202, answer.text
        id = answer.json()["id"]
        code = {"to": {"phone": new_phone()}, "template": "login", "variables": {"service": "passports"}}
        otp = await app.call("POST", "/v1/otps", code)
        assert otp.status_code == 202, otp.text
        seen = await until(app, id, "completed")
        done = seen[-1]
        assert (done["rows"], done["valid"], done["done"], done["sent"], done["failed"]) == (200, 200, 200, 1, 199)
        counts = [one["done"] for one in seen]
        assert counts == sorted(counts)
        content = device.open(await socket.next_envelope())
        assert b"Water is off tomorrow." in content.body
    results = []
    path = f"/v1/batches/{id}/results?limit=150"
    page = (await app.call("GET", path)).json()
    results += page["results"]
    results += (await app.call("GET", f"{path}&cursor={page['cursor']}")).json()["results"]
    assert [result["row"] for result in results] == list(range(1, 201))
    known = next(result for result in results if result["client_ref"] == "known")
    assert known["status"] == "accepted"
    message = (await app.call("GET", f"/v1/messages/{known['message']}")).json()
    assert message["batch"] == id
    completed: list[dict[str, Any]] = []
    while not completed:  # the feed holds back what is younger than some seconds
        events = (await app.call("GET", "/v1/events?limit=250")).json()["events"]
        completed = [event for event in events if event["type"] == "batch.completed"]
        await asyncio.sleep(0.5)
    assert [event["data"]["sent"] for event in completed] == [1]


async def test_a_file_goes_to_its_address_is_checked_first_and_sent_then(deployment: Deployed, app: RawApp) -> None:
    device = await register(deployment)
    made = (await app.call("POST", "/v1/batches", {"template": "bill", "upload": "csv"})).json()
    commit = f"/v1/batches/{made['id']}/commit"
    missing = await app.call("POST", commit, {})
    assert (missing.status_code, missing.json()["code"]) == (409, "upload_missing")
    text = f"\ufeffphone,name,sum,client_ref\r\n{device.phone},Asha,₹10,=1+1\r\n12345,Ravi,1,b\r\n{device.phone},x\r\n"
    async with httpx.AsyncClient() as client:
        put = await client.post(made["upload"]["url"], data=made["upload"]["fields"], files={"file": text.encode()})
        assert put.status_code == 204, put.text
    checking = await app.call("POST", commit, {"dry_run": True})
    assert checking.status_code == 202, checking.text
    checked = (await until(app, made["id"], "checked"))[-1]
    assert (checked["rows"], checked["valid"], checked["invalid"], checked["sent"]) == (3, 1, 2, 0)
    assert [(fault["row"], fault["code"]) for fault in checked["faults"]] == [(2, "invalid_phone"), (3, "ragged")]
    async with device.online() as socket:
        assert (await app.call("POST", commit, {})).status_code == 202
        done = (await until(app, made["id"], "completed"))[-1]
        assert (done["sent"], done["invalid"]) == (1, 2)
        content = device.open(await socket.next_envelope())
        assert "Asha, your bill is ₹10.".encode() in content.body
    sheet = await app.call("GET", f"/v1/batches/{made['id']}/results?format=csv")
    assert sheet.headers["content-type"].startswith("text/csv")
    assert sheet.text.splitlines()[1].startswith("1,'=1+1,")
    late = await app.call("DELETE", f"/v1/batches/{made['id']}")
    assert (late.status_code, late.json()["code"]) == (409, "batch_state")
