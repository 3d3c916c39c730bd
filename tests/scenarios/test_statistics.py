"""Tests that acts of people and apps are counted within seconds, by streams and tallies, and that queues are
measured.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import cbor2
import pytest

from sandes.crypto.seal import Content, Kind
from sandes.model import statistics
from sandes.model.administrator import PLATFORM, Place, Role
from sandes.model.ids import id_text, message_text, parse_app, parse_organisation
from sandes.model.statistics import app_scope, organisation_scope, took
from sandes.store.schema import TABLES
from sandes.store.statistics import StatisticsStore
from sandes_client.admin import AdminApiError
from tests.conftest import Deployed
from tests.support.administrators import administrator
from tests.support.raw_app import RawApp, create_app, operate
from tests.support.raw_device import RawDevice, Socket, message, register

pytestmark = pytest.mark.engine

WAIT_SECONDS = 60


def store(deployed: Deployed) -> StatisticsStore:
    return StatisticsStore(deployed.engine.client("dynamodb"), deployed.stack.tables["statistics"])


def counted(deployed: Deployed, scope: str) -> dict[str, int]:
    """Return all counts of a scope, by days."""
    total: dict[str, int] = {}
    for counts in store(deployed).read(scope, "day#", "day#~").values():
        for counter, times in counts.items():
            total[counter] = total.get(counter, 0) + times
    return total


async def count_reaches(deployed: Deployed, scope: str, **wanted: int) -> dict[str, int]:
    """Return the counts of a scope once they are as wanted."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not wanted.items() <= counted(deployed, scope).items():
        assert time.monotonic() < deadline, counted(deployed, scope)
        await asyncio.sleep(0.2)
    return counted(deployed, scope)


def function_named(deployed: Deployed, part: str) -> str:
    """Return the physical name of the function of a construct."""
    pages = deployed.engine.client("lambda").get_paginator("list_functions").paginate()
    (name,) = [
        one["FunctionName"] for page in pages for one in page["Functions"] if f"-{part}Function" in one["FunctionName"]
    ]
    return str(name)


async def official(deployed: Deployed, organisation: str) -> RawDevice:
    made = await register(deployed)
    terms = {"name": "Asha Rao", "post": "Section Officer", "expires_at": int(time.time()) + 86_400}
    operate(deployed, "person.verify", account=made.account, organisation=organisation, **terms)
    return made


async def takes_a_code(app: RawApp, device: RawDevice) -> None:
    async with device.online() as socket:
        made = (await app.call("POST", "/v1/otps", login(device.phone))).json()
        body = cbor2.loads((await next_of(Kind.OTP, socket, device)).body)
        assert (await app.call("POST", f"/v1/otps/{made['id']}/checks", {"code": body[2]})).json()[
            "result"
        ] == "approved"


def login(phone: str) -> dict[str, Any]:
    return {"to": {"phone": phone}, "template": "login", "variables": {"service": "passports"}}


async def takes_a_notice(app: RawApp, device: RawDevice) -> None:
    async with device.online() as socket:
        await app.call("POST", "/v1/messages", {"to": {"phone": device.phone}, "body": "Your file is ready."})
        await next_of(Kind.NOTICE, socket, device, app=app)


async def next_of(kind: Kind, socket: Socket, device: RawDevice, *, app: RawApp | None = None) -> Content:
    """Return the next envelope of a kind. Acknowledge it with a receipt to `app`, and those before it."""
    while True:
        envelope = await socket.next_envelope()
        content = device.open(envelope)
        found = content.kind is kind
        receipts = [{"app": app.app, "kind": "delivered", "ids": [message_text(content.id)]}] if app and found else []
        assert (await socket.ask(type="ack", ids=[envelope["id"]], receipts=receipts))["type"] == "acked"
        if found:
            return content


def start_anew(deployed: Deployed, *functions: str) -> None:
    """Restart functions, so that their first count is written immediately and others within a minute."""
    lambdas = deployed.engine.client("lambda")
    for name in (function_named(deployed, function) for function in functions):
        variables = lambdas.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        changed = variables | {"STARTED_ANEW": str(time.time_ns())}
        lambdas.update_function_configuration(FunctionName=name, Environment={"Variables": changed})


async def test_what_officials_and_apps_do_is_counted_for_their_organisation(deployment: Deployed) -> None:
    start_anew(deployment, "Send", "Deliver")
    organisation = str(operate(deployment, "organisation.create", name="Ministry of Railways")["organisation"])
    scope = organisation_scope(parse_organisation(organisation))
    before = counted(deployment, statistics.PLATFORM)
    writer, friend = await official(deployment, organisation), await register(deployment)
    reader = await register(deployment)
    app = create_app(deployment, organisation_id=organisation)
    async with writer.online() as socket:
        assert (await socket.ask(**message(friend)))["type"] == "accepted"
    await takes_a_code(app, reader)
    await takes_a_notice(app, reader)
    assert (await app.call("POST", "/v1/otps", login(reader.phone))).status_code == 202

    counts = await count_reaches(deployment, scope, verified=1, active=1, otps=2, otps_used=1, notice_delivered=1)
    assert counts["notice_accepted"] == 1
    assert took(counts).count == 1
    of_app = await count_reaches(deployment, app_scope(parse_app(app.app)), otps=2, notice_delivered=1)
    assert "verified" not in of_app
    after = await count_reaches(deployment, statistics.PLATFORM, registered=before.get("registered", 0) + 3)
    assert after["direct_messages"] >= 1

    place = Place.root(parse_organisation(organisation))
    nodal = administrator(deployment, home=place, roles=[(Role.NODAL_OFFICER, place)])
    by_hour = nodal.api.get("stats", by="hour")
    assert by_hour["organisation"] == organisation
    otps = {"sent": 2, "resent": 0, "used": 1, "cancelled": 0, "locked": 0, "conversion": 0.5}
    assert by_hour["figures"]["otps"] == otps
    assert by_hour["figures"]["messages"]["notice"]["delivered"] == 1
    assert [one["verified"] for one in by_hour["units"]] == [1]
    of_the_app = nodal.api.get("stats", app=app.app)
    assert (of_the_app["app"], of_the_app["figures"]["otps"]["sent"]) == (app.app, 2)
    with pytest.raises(AdminApiError, match="not_found"):
        nodal.api.get("stats", organisation=id_text(PLATFORM))
    platform = administrator(deployment, roles=[(Role.PLATFORM_ADMIN, Place.root(PLATFORM))])
    assert platform.api.get("stats")["figures"]["registered"] >= 3


async def test_a_batch_that_lambda_hands_over_again_is_counted_once(deployment: Deployed) -> None:
    """The deployed function gets the same record three times, about a new organisation that no other test counts."""
    organisation = str(operate(deployment, "organisation.create", name="Ministry of Repetition")["organisation"])
    scope = organisation_scope(parse_organisation(organisation))
    table = deployment.stack.tables["directory"]
    record = {
        "eventName": "INSERT",
        "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/2026-11-25T00:00:00.000",
        "dynamodb": {
            "ApproximateCreationDateTime": int(time.time()),
            "Keys": {"p": {"S": "A#nobody"}, "s": {"S": f"E#{organisation}"}},
            "SequenceNumber": f"7{time.time_ns()}",
        },
    }
    client = deployment.engine.client("lambda")
    for _ in range(3):
        answer = client.invoke(
            FunctionName=function_named(deployment, "Statistics"), Payload=json.dumps({"Records": [record]})
        )
        assert "FunctionError" not in answer
    assert counted(deployment, scope) == {"verified": 1}


async def test_the_function_that_looks_at_queues_sees_every_queue(deployment: Deployed) -> None:
    client = deployment.engine.client("lambda")
    answer = client.invoke(FunctionName=function_named(deployment, "QueueDepths"), Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
    depths, at_ms = store(deployment).depths(now_seconds=int(time.time()))
    assert {"sms", "webhooks", "batches", "fanout", "groupwork", "rosterwork"} <= {one.queue for one in depths}
    assert {one.failed for one in depths} == {0}
    assert at_ms is not None
    assert at_ms > (time.time() - 60) * 1000


async def test_streams_are_those_of_the_schema_and_the_dashboard_and_alarms_stand(deployment: Deployed) -> None:
    dynamodb = deployment.engine.client("dynamodb")
    for table in TABLES:
        described = dynamodb.describe_table(TableName=deployment.stack.tables[table.name])["Table"]
        specification = described.get("StreamSpecification") or {}
        assert specification.get("StreamViewType") == table.stream, table.name
    cloudwatch = deployment.engine.client("cloudwatch")
    assert [one["DashboardName"] for one in cloudwatch.list_dashboards()["DashboardEntries"]] == ["Sandes-local"]
    pages = cloudwatch.get_paginator("describe_alarms").paginate()
    assert sum(len(page["MetricAlarms"]) for page in pages) > 50


async def more_registered(deployed: Deployed) -> None:
    """Register somebody, and wait until the registration is counted."""
    before = counted(deployed, statistics.PLATFORM).get("registered", 0)
    await register(deployed)
    deadline = time.monotonic() + WAIT_SECONDS
    while counted(deployed, statistics.PLATFORM).get("registered", 0) <= before:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


async def test_what_changes_after_a_restart_of_the_engine_is_counted_too(deployment: Deployed) -> None:
    await more_registered(deployment)
    deployment.engine.stop()
    deployment.engine.start()
    await more_registered(deployment)
