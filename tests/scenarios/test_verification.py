"""Tests an organisation's verification of a person on the deployed system, from its beginning to its end."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from sandes.crypto.attestation import ATTESTING
from sandes.crypto.introductions import check_introductions
from sandes.crypto.statements import signed_by
from sandes.model.introduction import Introduction
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.conftest import Deployed
from tests.support.raw_app import operate
from tests.support.raw_device import RawDevice, message, refill_limits, register

pytestmark = pytest.mark.engine

PATIENCE_SECONDS = 60.0
Json = dict[str, Any]


@pytest.fixture(scope="module")
def organisation(deployment: Deployed) -> str:
    return str(operate(deployment, "organisation.create", name="Ministry of Railways")["organisation"])


def verify(deployed: Deployed, person: RawDevice, organisation: str, **changed: Any) -> Json:
    terms: Json = {"name": "Asha Rao", "post": "Section Officer", "expires_at": int(time.time()) + 86_400}
    return operate(deployed, "person.verify", account=person.account, organisation=organisation, **terms | changed)


async def class_of(person: RawDevice) -> str:
    answer = await person.call("GET", "/v1/me")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["account_class"])


async def found(viewer: RawDevice, person: RawDevice) -> bool:
    refill_limits(viewer.deployed)
    answer = await viewer.call("POST", "/v1/accounts/lookup", {"phone": person.phone})
    assert answer.status_code in {200, 404}, answer.text
    return bool(answer.status_code == 200)


async def sender_class(sender: RawDevice, recipient: RawDevice) -> str | None:
    """Return the class that the recipient sees in a new message."""
    async with recipient.online() as receiving, sender.online() as sending:
        accepted = await sending.ask(**message(recipient))
        assert accepted["type"] == "accepted", accepted
        envelope = await receiving.next_envelope()
        await receiving.ask(type="ack", ids=[envelope["id"]])
        return recipient.open(envelope).sender_class


def officials(deployed: Deployed, organisation: str, unit: str) -> int:
    shown = operate(deployed, "organisation.show", organisation=organisation)
    return int(next(one["officials"] for one in shown["units"] if one["unit"] == unit))


async def swept(deployed: Deployed, account: str) -> None:
    """Wait until sweep and queue have ended memberships. The sweep runs every minute and is started early here."""
    client = deployed.engine.client("lambda")
    names = [function["FunctionName"] for function in client.list_functions()["Functions"]]
    (name,) = [name for name in names if "VerificationSweep" in name]
    key = {":p": {"S": f"A#{account}"}, ":e": {"S": "E#"}}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = json.loads(client.invoke(FunctionName=name)["Payload"].read())
            assert answer["ended"] >= 0
            left = deployed.engine.client("dynamodb").query(
                TableName=deployed.stack.tables["directory"],
                KeyConditionExpression="p = :p AND begins_with(s, :e)",
                ExpressionAttributeValues=key,
            )
            if not left["Items"]:
                return
            await asyncio.sleep(0.2)


async def test_a_person_is_an_official_from_verification_to_revocation(deployment: Deployed, organisation: str) -> None:
    person, citizen = await register(deployment), await register(deployment)
    unit = operate(deployment, "unit.create", organisation=organisation, name="Signalling", kind="department")["unit"]
    assert await class_of(person) == "public"
    assert await found(citizen, person)

    verify(deployment, person, organisation, unit=unit)
    assert await class_of(person) == "verified"
    assert await sender_class(person, citizen) == "verified"
    assert not await found(citizen, person)
    assert officials(deployment, organisation, unit) == 1
    with pytest.raises(ProtocolError) as refused:
        operate(deployment, "unit.remove", organisation=organisation, unit=unit)
    assert refused.value.code is ErrorCode.UNIT_NOT_EMPTY

    verify(deployment, person, organisation, unit=unit, listed=True)
    assert await found(citizen, person)

    operate(deployment, "person.revoke", account=person.account, reason="left the service")
    assert await class_of(person) == "public"
    assert await sender_class(person, citizen) == "public"
    await swept(deployment, person.account)
    operate(deployment, "unit.remove", organisation=organisation, unit=unit)


async def test_a_verification_ends_by_itself(deployment: Deployed, organisation: str) -> None:
    person = await register(deployment)
    verify(deployment, person, organisation, expires_at=int(time.time()) + 4)
    assert await class_of(person) == "verified"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await class_of(person) == "verified":
            await asyncio.sleep(0.2)
    await swept(deployment, person.account)
    assert operate(deployment, "person.show", account=person.account)["state"] == "expired"


async def test_whoever_registers_the_number_anew_is_no_official(deployment: Deployed, organisation: str) -> None:
    person = await register(deployment)
    verify(deployment, person, organisation)
    anew = await register(deployment, person.phone)
    assert anew.account == person.account
    assert await class_of(anew) == "public"
    assert operate(deployment, "person.show", phone=person.phone)["state"] == "replaced"
    await swept(deployment, person.account)
    other = operate(deployment, "organisation.create", name="State Police")["organisation"]
    assert verify(deployment, anew, other)["state"] == "verified"
    assert await class_of(anew) == "verified"


async def test_devices_are_given_the_key_that_attestations_are_signed_with(
    deployment: Deployed, organisation: str
) -> None:
    person = await register(deployment)
    verify(deployment, person, organisation)
    answer = await person.call("GET", "/v1/attestation-key")
    told = answer.json()
    introduced = [Introduction.read(one) for one in told["introductions"]]
    public = check_introductions(introduced, ATTESTING)[told["oldest"]]
    (row,) = deployment.engine.client("dynamodb").query(
        TableName=deployment.stack.tables["directory"],
        KeyConditionExpression="p = :p AND s = :v",
        ExpressionAttributeValues={":p": {"S": f"A#{person.account}"}, ":v": {"S": "V"}},
    )["Items"]
    assert signed_by(public, b"SANDES1/attestation\0" + row["b"]["B"], row["f"]["B"])
