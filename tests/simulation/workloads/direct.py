"""Messages between people with one to three devices: receipts, linking, unlinking, key rotation, crashes, bad networks.

What must hold after a period without faults: each device that was its account's before the message was posted, and
still is, has shown the message exactly once; all devices show it at one time; one device's messages are shown in the
order in which they were written; receipts have arrived; every client is connected and receives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from sandes_client import Store
from sandes_client.api import ApiError, Unreachable
from sandes_client.device import DeviceStopped
from sandes_client.events import State, Status
from tests.simulation.devices import Device
from tests.simulation.world import World

PEOPLE = 3
CHAOS_SECONDS = 240.0
HEALING_SECONDS = 900.0
LAST_WORD_SECONDS = 30.0
"""So long after the healing a last message may take to reach everybody."""


@dataclass
class Person:
    name: str
    phone: str
    devices: list[Device] = field(default_factory=list)
    """Those that are the account's, as far as is known."""
    linked_at: dict[str, float] = field(default_factory=dict)
    removed_at: dict[str, float] = field(default_factory=dict)

    @property
    def account(self) -> str:
        address = self.devices[0].address
        assert address is not None
        return address.account


@dataclass
class Posted:
    """A message as its author's device knows it. `at` is the second of the run at which it was written."""

    author: Device
    to: Person
    number: int
    body: bytes
    at: float


@dataclass
class Direct:
    world: World
    people: list[Person] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)

    async def run(self) -> None:
        world = self.world
        for number in range(PEOPLE):
            await self._join(number)
        world.faults.active = True
        world.lambdas.skewed = True
        ends = world.seconds + CHAOS_SECONDS
        while world.seconds < ends:
            await asyncio.sleep(world.random.expovariate(0.4))
            await self._act()
        world.faults.active = False
        for device in world.devices:
            device.network.is_up = True
            if not device.is_running and device.address is not None and not self._was_removed(device):
                await device.start()
        await asyncio.sleep(HEALING_SECONDS)
        await self._last_word()
        self._check()

    async def _join(self, number: int) -> None:
        person = Person(f"p{number}", f"+9198000000{number:02}")
        self.people.append(person)
        first = self.world.device(f"{person.name}.1", skew_ms=self._skew())
        await self.world.register(first, person.phone)
        person.devices.append(first)
        person.linked_at[first.name] = 0.0
        for extra in range(number % 3):
            await self._link(person, f"{person.name}.{extra + 2}")

    def _skew(self) -> int:
        return self.world.random.choice([0, 0, 0, 1500, -4000, 40_000, -90_000])

    # What people do

    async def _act(self) -> None:
        person = self.world.random.choice(self.people)
        device = self.world.random.choice(person.devices)
        chance = self.world.random.random()
        if chance < 0.72:
            self._post(device)
        elif chance < 0.80:
            await self._crash(device)
        elif chance < 0.90:
            self._lose_network(device)
        elif chance < 0.93:
            await self._try(self._link(person, f"{person.name}.{len(person.linked_at) + 1}"))
        elif chance < 0.95:
            await self._try(self._unlink(person))
        else:
            await self._try(self._rotate(device))

    def _post(self, device: Device) -> None:
        if device.client is None:
            return
        to = self.world.random.choice([one for one in self.people if device not in one.devices])
        body = f"{device.name} says {len(self.posted)}".encode() + b"." * self.world.random.choice([0, 0, 0, 3000])
        row = device.client.post(to.account, body)
        self.posted.append(Posted(device, to, row.number, body, self.world.seconds))

    async def _crash(self, device: Device) -> None:
        if not device.is_running:
            return
        await device.crash()
        pause = self.world.random.expovariate(1 / 20)
        self.world.queues.later(self._start_later(device, pause))

    async def _start_later(self, device: Device, pause: float) -> None:
        await asyncio.sleep(pause)
        if not device.is_running and not self._was_removed(device):
            await device.start()

    def _lose_network(self, device: Device) -> None:
        device.network.lose_sockets()
        if self.world.random.random() < 0.6:
            device.network.is_up = False
            self.world.loop.call_later(self.world.random.expovariate(1 / 60), self._network_is_back, device)

    def _network_is_back(self, device: Device) -> None:
        device.network.is_up = True

    async def _link(self, person: Person, name: str) -> None:
        opener = next((one for one in person.devices if one.client), None)
        if len(person.devices) >= 3 or opener is None or opener.client is None:
            return
        opened = await opener.client.api.open_link()
        joining = self.world.device(name, skew_ms=self._skew())
        store = Store.open(joining.profile)
        try:
            async with joining.enrolment(store) as enrolment:
                await enrolment.join(opened.code.text)
        except (ApiError, Unreachable):
            store.close()
            self.world.devices.remove(joining)
            raise
        store.close()
        await joining.start()
        person.devices.append(joining)
        person.linked_at[joining.name] = self.world.seconds

    async def _unlink(self, person: Person) -> None:
        running = [one for one in person.devices if one.client]
        if len(person.devices) < 2 or not running or running[0].client is None:
            return
        remover, leaving = running[0], person.devices[-1]
        if remover is leaving:
            return
        api = running[0].client.api
        rows = await api.devices()
        assert leaving.address is not None
        row = next((one for one in rows if one.device == leaving.address.device), None)
        person.devices.remove(leaving)
        person.removed_at[leaving.name] = self.world.seconds
        if row is None:
            return
        for _ in range(5):
            try:
                await api.unlink(row.device, row.registration_id)
                return
            except ApiError as error:
                if error.code == "not_found":
                    return
            except Unreachable:
                await asyncio.sleep(5)

    async def _rotate(self, device: Device) -> None:
        if device.client is not None:
            await device.client.seal_keys.rotate()

    async def _try(self, work: Awaitable[object]) -> None:
        try:
            await work
        except (ApiError, Unreachable, DeviceStopped):
            return

    def _was_removed(self, device: Device) -> bool:
        return any(device.name in person.removed_at for person in self.people)

    # What must hold

    async def _last_word(self) -> None:
        """Everybody writes to everybody once more, and gets it."""
        for person in self.people:
            for device in person.devices:
                self.world.check(device.state is State.CONNECTED, f"{device.name} is {device.state}, not connected")
                for to in self.people:
                    if to is not person and device.client is not None:
                        body = f"{device.name} says a last word to {to.name}".encode()
                        row = device.client.post(to.account, body)
                        self.posted.append(Posted(device, to, row.number, body, self.world.seconds))
        await asyncio.sleep(LAST_WORD_SECONDS)

    def _check(self) -> None:
        world = self.world
        for device in world.devices:
            seen = [(one.sender, one.id) for one in device.shown]
            world.check(len(set(seen)) == len(seen), f"{device.name} shows a message twice")
            bodies = [one.body for one in device.shown]
            world.check(len(set(bodies)) == len(bodies), f"{device.name} shows a text twice")
        for message in self.posted:
            self._check_message(message)
        for device in world.devices:
            if not self._was_removed(device):
                self._check_order(device)
        world.deliveries += sum(len(device.shown) for device in world.devices)

    def _check_message(self, message: Posted) -> None:
        world, author = self.world, message.author
        if self._was_removed(author) or author.client is None:
            return
        row = author.client.store.outbox.read(message.number)
        what = f"{message.body[:40]!r} of second {message.at:.0f}"
        if row.status is Status.FAILED:
            world.check(row.code not in {"internal", "unavailable"}, f"{what} failed with {row.code}")
            return
        world.check(row.at_ms is not None, f"{what} was never accepted")
        reached = False
        for device in message.to.devices:
            shown = [one for one in device.shown if one.body == message.body]
            if message.to.linked_at[device.name] < message.at:
                world.check(shown, f"{device.name} does not show {what}")
            for one in shown:
                reached = True
                world.check(one.at_ms == row.at_ms, f"{device.name} shows {what} at {one.at_ms}, not {row.at_ms}")
        if reached and row.at_ms is not None:
            said = row.status in {Status.DELIVERED, Status.READ}
            world.check(said, f"the author of {what} sees {row.status} although it was shown")

    def _check_order(self, device: Device) -> None:
        numbers: dict[str, list[tuple[int, int]]] = {}
        for message in self.posted:
            for one in device.shown:
                if one.body == message.body:
                    numbers.setdefault(message.author.name, []).append((one.at_ms, message.number))
        for author, pairs in numbers.items():
            ordered = [number for _, number in sorted(pairs)]
            self.world.check(ordered == sorted(ordered), f"{device.name} shows messages of {author} out of order")


async def run(world: World) -> None:
    await Direct(world).run()
