"""Demonstrates officials and groups: hidden officials, a badge that is verified, an announcement to a
thousand people.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from sandes.model.ids import parse_group
from sandes_client import (
    ApiError,
    DeviceClient,
    Group,
    GroupMessageReceived,
    MessageReceived,
    SendFailed,
    Store,
)
from sandes_client.cli.display import person_label
from tools.backstage import Backstage
from tools.demonstration.narrator import Narrator, StepFailed, check
from tools.demonstration.people import ASHA, People, Person
from tools.engine import Deployment, Engine
from tools.seeding import seed_citizens, seed_members

MEMBERS = 1_000
MEENA = Person("meena", "+919810000004")
JOSEPH = Person("joseph", "+919810000005")
GROUP = "Monsoon alerts, Pune"
ANNOUNCEMENT = (
    "भारी वर्षा की चेतावनी। Heavy rain is expected in Pune district from Monday noon until Wednesday morning. "
    "Keep away from river banks and low bridges; the relief camp at the Zilla Parishad school is open day and night. "
) * 8
KEPT_SECONDS = 900
"""Seconds for which posts to the seeded members are kept. It is short because nobody will fetch them."""

VERIFIED_SECONDS = 365 * 86_400


@dataclass(slots=True)
class Groups:
    """Plays after the apps, with the phones of Asha, Ravi and two more. Later runs use what it creates again."""

    engine: Engine
    deployment: Deployment
    backstage: Backstage
    people: People
    asha: Store
    ravi: Store
    narrator: Narrator

    async def play(self) -> None:
        """Play all steps. Raise StepFailed with the step that failed."""
        step, say = self.narrator.step, self.narrator.say
        async with step("Operators create an organisation with its units, and verify Asha as an official of it"):
            organisation = await asyncio.to_thread(self._verified_asha)
        async with DeviceClient.open(self.asha) as asha, DeviceClient.open(self.ravi) as ravi:
            async with step("Asha's post is not listed: Ravi, a citizen, cannot find her or write to her"):
                await self._be_strangers(asha, ravi)
                await self._find_nobody(asha, ravi)
            async with step("Asha writes first; Ravi's phone verifies her badge, and he answers"):
                await self._get_to_know(asha, ravi)
            async with step(f"An official group of {MEMBERS:,} citizens, of whom three have phones that are online"):
                meena, joseph = await self.people.enrol(MEENA), await self.people.enrol(JOSEPH)
                group = await self._group(asha, organisation)
            async with AsyncExitStack() as on:
                phones = [ravi] + [await on.enter_async_context(DeviceClient.open(one)) for one in (meena, joseph)]
                async with step("They join by themselves; it is open to every citizen"):
                    for phone in phones:
                        joined = await phone.groups.join(group.group)
                    say(f'"{joined.name}", for {joined.audience}, {joined.members:,} members; they only receive')
                    await self._check_receive_only(ravi, group)
                async with step(f"Asha announces {len(ANNOUNCEMENT.encode()):,} bytes to all of them", seconds=180):
                    await self._announce(asha, phones, joined)

    def _verified_asha(self) -> str:
        """Return the organisation's id. The first run creates it."""
        operate, say = self.backstage.operate, self.narrator.say
        shown = operate("person.show", phone=ASHA.phone)
        if shown["state"] == "verified":
            say(f"{shown['name']}, {shown['post']}, is verified from the last time")
            return str(shown["organisation"])
        made = operate("organisation.create", name="Ministry of Earth Sciences")
        organisation = str(made["organisation"])
        department = operate(
            "unit.create", organisation=organisation, name="Meteorological Department", kind="department"
        )
        office = operate(
            "unit.create", organisation=organisation, name="Pune Office", kind="office", parent=department["unit"]
        )
        say(" / ".join(unit["name"] for unit in office["units"]))
        shown = operate(
            "person.verify",
            phone=ASHA.phone,
            organisation=organisation,
            unit=office["unit"],
            name="Asha Rao",
            post="Director",
            expires_at=int(time.time()) + VERIFIED_SECONDS,
        )
        check(shown["state"] == "verified", f"the verification is {shown}")
        say(f"{shown['name']}, {shown['post']}, Pune Office: signed by the platform, for a year unless revoked")
        return organisation

    async def _be_strangers(self, asha: DeviceClient, ravi: DeviceClient) -> None:
        """Remove invitations, so that neither knows the other."""
        await asha.people.withdraw(ravi.address.account)

    async def _find_nobody(self, asha: DeviceClient, ravi: DeviceClient) -> None:
        for what, call in (
            ("looks the number up", ravi.people.lookup(ASHA.phone)),
            ("asks for the profile", ravi.people.profile(asha.address.account, max_age_seconds=0)),
        ):
            try:
                found: Any = await call
            except ApiError as refused:
                check(refused.code == "not_found", f"the answer is {refused.code}")
                self.narrator.say(f"Ravi {what}: {refused.code}, as for a number that nobody has")
            else:
                raise StepFailed(f"Ravi {what} and finds {found}")
        try:
            await ravi.send(asha.address.account, b"Madam, about my well ...")
        except SendFailed as refused:
            check(refused.code == "not_permitted", f"the answer is {refused.code}")
            self.narrator.say(f"Ravi writes nevertheless: {refused.code}, as to somebody who does not exist")
        else:
            raise StepFailed("Ravi's message was accepted")

    async def _get_to_know(self, asha: DeviceClient, ravi: DeviceClient) -> None:
        to_ravi, to_asha = ravi.events(), asha.events()
        sent = await asha.send(ravi.address.account, b"Shri Ravi, your well will be tested on Monday.")
        received = await _message(to_ravi, sent.id)
        check(received.sender_class == "verified", "the message is not marked as an official's")
        profile = await ravi.people.profile(asha.address.account, max_age_seconds=0)
        check(profile.verified, "the attestation is not valid")
        self.narrator.say(f'Ravi reads, from {person_label(profile, "?")}: "{received.body.decode()}"')
        self.narrator.say("his phone verified signature, account, expiry and each part with the pinned key")
        answer = await ravi.send(asha.address.account, b"Thank you, I will be there.")
        back = await _message(to_asha, answer.id)
        about_ravi = person_label(await asha.people.profile(ravi.address.account), "Ravi")
        self.narrator.say(f'Asha reads, from {about_ravi}: "{back.body.decode()}"')

    async def _group(self, asha: DeviceClient, organisation: str) -> Group:
        for entry in await asha.groups.mine():
            if entry.name == GROUP and entry.role == "admin":
                group = await asha.groups.show(entry.group)
                if group.members > MEMBERS - 3:  # there are fewer if the last run was interrupted
                    self.narrator.say("its members exist from the last run")
                    return group
        made = await asyncio.to_thread(self._seeded_group, organisation, asha.address.account)
        return await asha.groups.show(made)

    def _seeded_group(self, organisation: str, admin: str) -> str:
        made = self.backstage.operate(
            "group.create",
            organisation=organisation,
            name=GROUP,
            audience="citizens",
            open=True,
            admins=[admin],
        )
        started = time.monotonic()
        client, tables = self.engine.client("dynamodb"), self.deployment.tables
        citizens = seed_citizens(client, tables, MEMBERS - 3)
        seed_members(client, tables, parse_group(made["group"]), citizens)
        self.narrator.say(f"{len(citizens)} members written into the tables in {time.monotonic() - started:.1f} s")
        return str(made["group"])

    async def _check_receive_only(self, ravi: DeviceClient, group: Group) -> None:
        try:
            await ravi.wait_for(ravi.groups.post(group.group, b"Is anybody there?").number)
        except SendFailed as refused:
            self.narrator.say(f"Ravi posts to it nevertheless: {refused.code}")
        else:
            raise StepFailed("a citizen's post was accepted")

    async def _announce(self, asha: DeviceClient, phones: list[DeviceClient], group: Group) -> None:
        streams = [phone.events() for phone in phones]
        started = time.monotonic()
        body = ANNOUNCEMENT.encode()
        sent = await asha.wait_for(asha.groups.post(group.group, body, expires_in=KEPT_SECONDS).number)
        self.narrator.say(f"accepted as {sent.id} after {time.monotonic() - started:.2f} s")
        shown = asyncio.gather(*(_post(stream, sent.id) for stream in streams))
        await self._follow(asha, group, sent.id)
        received = await shown
        for phone in phones:
            await phone.settled()
        check(all(one.body == body for one in received), "another text came")
        self.narrator.say(f'on {len(received)} phones, each once, fetched and opened there: "{ANNOUNCEMENT[:40]} ..."')
        delivery = await asha.groups.delivery(group.group, sent.id)
        waiting = delivery.devices - len(phones)
        self.narrator.say(
            f"{delivery.members:,} members: stored for {delivery.devices:,} devices, {delivery.waiting:,} have not "
            f"fetched it; {time.monotonic() - started:.1f} s"
        )
        check(delivery.devices == MEMBERS, f"it was stored for {delivery.devices} devices instead of {MEMBERS}")
        check(delivery.waiting == waiting, f"{delivery.waiting} wait instead of {waiting}")

    async def _follow(self, asha: DeviceClient, group: Group, message: str) -> None:
        """Report the progress until the post is stored for all."""
        stored = 0
        while not (delivery := await asha.groups.delivery(group.group, message)).complete:
            if delivery.devices > stored:
                stored = delivery.devices
                self.narrator.say(f"stored for {stored:,} devices so far")
            await asyncio.sleep(2)


async def _message(events: AsyncIterator[Any], id: str) -> MessageReceived:
    async for event in events:
        if isinstance(event, MessageReceived) and event.id == id:
            return event
    raise StepFailed("the connection ended before the message came")


async def _post(events: AsyncIterator[Any], id: str) -> GroupMessageReceived:
    async for event in events:
        if isinstance(event, GroupMessageReceived) and event.id == id:
            return event
    raise StepFailed("the connection ended before the announcement came")
