"""Demonstrates one message between two people, from registration until its row is deleted."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandes.model.ids import base64url_text, message_text
from sandes.model.ids import parse_account as account_bytes
from sandes.store.schema import InboxRow
from sandes_client import (
    ApiError,
    DeviceClient,
    Endpoints,
    Enrolment,
    MessageReceived,
    Status,
    Store,
)
from sandes_client.ids import parse_account
from tools.demonstration.narrator import Narrator, StepFailed, check
from tools.engine import Deployment, Engine

SHORT_EXPIRY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    phone: str


ASHA = Person("asha", "+919810000001")
RAVI = Person("ravi", "+919810000002")


@dataclass(slots=True)
class People:
    """Plays on a deployed engine. The two people's profiles are kept in `people` and used again by later runs."""

    engine: Engine
    deployment: Deployment
    people: Path
    narrator: Narrator
    _stores: list[Store] = field(default_factory=list)

    def close(self) -> None:
        for store in self._stores:
            store.close()

    async def play(self) -> tuple[Store, Store]:
        """Play all steps, and return the phones of Asha and Ravi. Raise StepFailed with the step that failed."""
        step, say = self.narrator.step, self.narrator.say
        async with step("Asha and Ravi register their phone numbers"):
            asha, ravi = await self.enrol(ASHA), await self.enrol(RAVI)
            to_ravi = account_of(ravi)
        async with step("Ravi's phone connects once, then goes offline"), DeviceClient.open(ravi) as device:
            await device.drained()
            await device.settled()
        async with DeviceClient.open(asha) as sender:
            async with step("Asha writes to Ravi, who is offline"):
                text = "The meeting is at noon, room 4."
                sent = await sender.send(to_ravi, text.encode())
                say(f'"{text}" accepted as {sent.id}: stored durably, for Ravi\'s device only')
            async with step("The database's row of it"):
                row = await self._row(sent.id)
                check(row is not None, "there is no row")
                self._show(row, sender, text)
        async with step("The engine stops (SIGTERM) and starts again"):
            await asyncio.to_thread(self.engine.stop)
            await asyncio.to_thread(self.engine.start)
        async with DeviceClient.open(asha) as sender:
            async with step("Ravi's phone comes back, receives and acks"), DeviceClient.open(ravi) as device:
                received = await _first_message(device, sent.id)
                check(received.body == text.encode(), "another text came")
                say(f'Ravi reads: "{received.body.decode()}"')
                await device.settled()
            async with step("The row is gone"):
                check(await self._row(sent.id) is None, "the row is still there")
            async with step("Asha sees that it was delivered"):
                final = await sender.wait_for(sent.number, Status.DELIVERED)
                say(f"status of {final.id}: {final.status}")
            async with step(f"Asha sends a message that expires after {SHORT_EXPIRY_SECONDS} s; Ravi is offline again"):
                short = await sender.send(to_ravi, b"Come at once!", expires_in=SHORT_EXPIRY_SECONDS)
                await self._expire(short.id)
                say("a minute passes: the demonstration sets the expiry in the row to now")
        async with (
            step("Ravi's phone comes back: the expired message never arrives"),
            DeviceClient.open(ravi) as device,
        ):
            await device.drained()
            check(short.id not in _ids(ravi, account_of(asha)), "the expired message arrived")
        return asha, ravi

    async def enrol(self, person: Person) -> Store:
        """Return the person's profile. Unless the last run registered it, register it with the code of the SMS."""
        self.people.mkdir(parents=True, exist_ok=True)
        file = self.people / f"{person.name}.sqlite3"
        store = Store.open(file)
        endpoints = Endpoints(self.deployment.http_url, self.deployment.websocket_url, self.deployment.audience)
        if store.profile.account() is not None:
            store.profile.set_endpoints(endpoints)
            if await _is_known(store):
                self._stores.append(store)
                self.narrator.say(f"{person.name} is account {account_of(store)}, registered in the last run")
                return store
            store.close()
            for left in self.people.glob(f"{file.name}*"):
                left.unlink()
            self.narrator.say(
                f"{person.name}'s account is gone, because the engine rebuilds some tables for a newer version"
            )
            store = Store.open(file)
        self._stores.append(store)
        async with Enrolment(store, endpoints, name=f"{person.name}'s phone") as enrolment:
            started = await enrolment.start(person.phone)
            code = await asyncio.to_thread(self._code, person.phone)
            address = await enrolment.verify(started.id, code)
        self.narrator.say(f"{person.name} ({person.phone}) is device {address}")
        return store

    def _code(self, phone: str) -> str:
        texts = self.engine.sms_to(phone)
        check(bool(texts), f"no SMS for {phone}")
        found = re.match(r"\d{6}", texts[-1])
        if not found:
            raise StepFailed("the SMS holds no code")
        return found[0]

    async def _row(self, message: str) -> dict[str, Any] | None:
        """Return the raw row, read without the project's code."""
        items = await asyncio.to_thread(self._scan)
        return next((item for item in items if message_text(item[InboxRow.ENVELOPE]["B"][:16]) == message), None)

    async def _expire(self, message: str) -> None:
        """Make the row of a message expire now."""
        row = await self._row(message)
        check(row is not None, "there is no row")
        if row is not None:
            await asyncio.to_thread(
                self.engine.client("dynamodb").update_item,
                TableName=self.deployment.tables["inbox"],
                Key={name: row[name] for name in (InboxRow.INBOX, InboxRow.ENVELOPE)},
                UpdateExpression=f"SET {InboxRow.EXPIRES_AT} = :now",
                ExpressionAttributeValues={":now": {"N": str(int(time.time()))}},
            )

    def _scan(self) -> list[dict[str, Any]]:
        pages = self.engine.client("dynamodb").get_paginator("scan").paginate(TableName=self.deployment.tables["inbox"])
        return [item for page in pages for item in page["Items"]]

    def _show(self, row: dict[str, Any] | None, sender: DeviceClient, text: str) -> None:
        if row is None:
            return
        names = {value: name.lower() for name, value in vars(InboxRow).items() if name.isupper() and name != "BODY"}
        stored = bytearray()
        for key, attribute in sorted(row.items()):
            ((_, value),) = attribute.items()
            raw = value if isinstance(value, bytes) else str(value).encode()
            stored += raw + b"\0"
            shown = base64url_text(value) if isinstance(value, bytes) else str(value)
            self.narrator.say(f"[dim]{names[key]:>16}[/]  {shown if len(shown) <= 72 else shown[:69] + '...'}")
        for hidden in (text.encode(), account_bytes(sender.address.account), ASHA.phone.encode(), RAVI.phone.encode()):
            check(hidden not in stored, "the row has something readable")
        self.narrator.say("no text, no sender, no phone number; only Ravi's phone has the key to open it")


async def _is_known(store: Store) -> bool:
    """Return whether the service still knows the profile's device."""
    device = DeviceClient(store)
    try:
        await device.api.me()
    except ApiError as refused:
        if refused.code not in {"token_invalid", "revoked"}:
            raise
        return False
    finally:
        await device.api.close()
    return True


def account_of(store: Store) -> str:
    account = store.profile.account()
    if account is None:
        raise StepFailed("the profile has no account")
    return str(account.address).partition(".")[0]


def _ids(store: Store, sender: str) -> list[str]:
    return [stored.received.id for stored in store.inbox.of_sender(parse_account(sender), limit=1000)]


async def _first_message(device: DeviceClient, id: str) -> MessageReceived:
    async for event in device.events():
        if isinstance(event, MessageReceived) and event.id == id:
            return event
    raise StepFailed("the connection ended before the message came")
