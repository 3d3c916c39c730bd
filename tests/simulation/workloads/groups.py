"""Messages to groups: a small one, a large one that the queue delivers, and brief ones that are made and dissolved.

What must hold after a period without faults: each device of an account that was a member before a post was written, and
has been one since, has shown the post exactly once, in the order of its author's device; no device of an account that
was not a member at the accepted version has shown it; rows of members, of memberships and the counts agree; all devices
know the newest version; the queues are empty, also after their dead letters have been redriven.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from sandes.model.ids import account_text, parse_account, parse_group
from sandes.store.groups import group_key, is_member, member_key, membership_key, read_group, read_member
from sandes_client import DeviceClient, Store
from sandes_client.api import ApiError, Unreachable
from sandes_client.device import DeviceStopped
from sandes_client.events import State, Status
from sandes_client.group_calls import Role
from sandes_client.ids import AccountId, GroupId
from tests.simulation.devices import Device
from tests.simulation.world import World

PEOPLE = 4
CROWD = 30
"""So many more people are in the large group, which therefore has more members than are delivered to immediately."""

CHAOS_SECONDS = 180.0
HEALING_SECONDS = 1200.0
REDRIVE_SECONDS = 600.0
LAST_WORD_SECONDS = 60.0
TABLE = "directory"
ROLES: tuple[Role, ...] = ("admin", "member")


@dataclass
class Person:
    name: str
    phone: str
    devices: list[Device] = field(default_factory=list)

    @property
    def account(self) -> AccountId:
        address = self.devices[0].address
        assert address is not None
        return address.account


@dataclass
class Truth:
    """Holds the true members of one group at each of its versions, which the simulation reads from the table."""

    versions: dict[int, frozenset[str]] = field(default_factory=dict)
    is_dissolved: bool = False

    @property
    def newest(self) -> int:
        return max(self.versions)


@dataclass
class Posted:
    """A post as its author's device knows it. `since` is the group's version when it was written."""

    author: Device
    group: GroupId
    number: int
    body: bytes
    at: float
    since: int


@dataclass
class Groups:
    world: World
    people: list[Person] = field(default_factory=list)
    crowd: list[Person] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    truths: dict[GroupId, Truth] = field(default_factory=dict)
    lasting: list[GroupId] = field(default_factory=list)
    """The groups that nobody dissolves."""

    async def run(self) -> None:
        world = self.world
        for number in range(PEOPLE + CROWD):
            await self._register(number)
        self._watch()
        await self._found()
        world.faults.active = True
        world.lambdas.skewed = True
        ends = world.seconds + CHAOS_SECONDS
        while world.seconds < ends:
            await asyncio.sleep(world.random.expovariate(0.4))
            await self._act()
        world.faults.active = False
        for device in world.devices:
            device.network.is_up = True
            if not device.is_running:
                await device.start()
        await asyncio.sleep(HEALING_SECONDS)
        if sum(queue.redrive() for queue in world.queues.by_name.values()):
            await asyncio.sleep(REDRIVE_SECONDS)
        await self._last_word()
        self._check()

    async def _register(self, number: int) -> None:
        person = Person(f"p{number}", f"+9198000001{number:02}")
        skew_ms = self.world.random.choice([0, 0, 0, 1500, -4000, 40_000, -90_000])
        first = self.world.device(f"{person.name}.1", skew_ms=skew_ms)
        await self.world.register(first, person.phone)
        person.devices.append(first)
        if number >= PEOPLE:
            self.crowd.append(person)
            return
        self.people.append(person)
        if number % 2 and first.client is not None:
            opened = await first.client.api.open_link()
            second = self.world.device(f"{person.name}.2")
            store = Store.open(second.profile)
            async with second.enrolment(store) as enrolment:
                await enrolment.join(opened.code.text)
            store.close()
            await second.start()
            person.devices.append(second)

    def _watch(self) -> None:
        """Read the members of every group after each transaction."""

        def observe_all(operation: str) -> None:
            if operation == "TransactWriteItems":
                for group in self.truths:
                    self._observe(group)

        self.world.watchers.append(observe_all)

    def _row(self, key: dict[str, Any]) -> Any:
        rows = self.world.dynamo.tables[TABLE]
        return rows.current(rows.key(key))

    def _members(self, group: GroupId) -> list[Any]:
        rows = self.world.dynamo.tables[TABLE]
        partition, _ = rows.key(group_key(parse_group(group)))
        items = [row.item for row in rows.partitions.get(partition, {}).values()]
        return [read_member(item) for item in items if item is not None and is_member(item)]

    def _observe(self, group: GroupId) -> None:
        truth, item = self.truths[group], self._row(group_key(parse_group(group)))
        if item is None:
            truth.is_dissolved = True
            return
        read = read_group(parse_group(group), item)
        version, truth.is_dissolved = read.version, not read.live
        if version not in truth.versions:
            truth.versions[version] = frozenset(account_text(member.account) for member in self._members(group))

    # What people do

    async def _found(self) -> None:
        owner = self.people[0].devices[0]
        for name, members in (("small", self.people[1:]), ("large", self.people[1:] + self.crowd)):
            group = await self._create(owner, name)
            self.lasting.append(group)
            for person in members:
                await asyncio.sleep(10)
                await self._client(owner).groups.invite(group, person.account)
                await self._client(person.devices[0]).groups.join(group)
        for person in self.crowd:
            if self.world.random.random() < 0.8:
                await person.devices[0].crash()

    async def _create(self, device: Device, name: str) -> GroupId:
        made = await self._client(device).groups.create(name)
        self.truths[made.group] = Truth()
        self._observe(made.group)
        return made.group

    def _client(self, device: Device) -> DeviceClient:
        if device.client is None:
            raise DeviceStopped(State.CLOSED)
        return device.client

    async def _act(self) -> None:
        device = self.world.random.choice(self.world.random.choice(self.people).devices)
        group = self.world.random.choice(list(self.truths))
        other = self.world.random.choice(self.people + self.crowd[:3])
        chance = self.world.random.random()
        if chance < 0.6:
            self._post(device, group)
        elif chance < 0.68:
            await self._crash(device)
        elif chance < 0.76:
            self._lose_network(device)
        elif not device.is_running:
            return
        elif chance < 0.82:
            await self._try(self._client(device).groups.remove(group, other.account))
        elif chance < 0.84:
            await self._try(self._client(device).groups.leave(group))
        elif chance < 0.94:
            await self._try(self._admit(device, group, other))
        elif chance < 0.96:
            role: Role = self.world.random.choice(ROLES)
            await self._try(self._client(device).groups.set_role(group, other.account, role))
        elif chance < 0.98:
            await self._try(self._create(device, f"brief {len(self.truths)}"))
        elif group not in self.lasting:
            await self._try(self._client(device).groups.dissolve(group))

    async def _admit(self, device: Device, group: GroupId, other: Person) -> None:
        await self._client(device).groups.invite(group, other.account)
        await self._client(other.devices[0]).groups.join(group)

    def _post(self, device: Device, group: GroupId) -> None:
        if device.client is None or self.truths[group].is_dissolved:
            return
        body = f"{device.name} says {len(self.posted)}".encode() + b"." * self.world.random.choice([0, 0, 0, 3000])
        row = device.client.groups.post(group, body)
        since = self.truths[group].newest
        self.posted.append(Posted(device, group, row.number, body, self.world.seconds, since))

    async def _crash(self, device: Device) -> None:
        if device.is_running:
            await device.crash()
            self.world.queues.later(self._start_later(device, self.world.random.expovariate(1 / 20)))

    async def _start_later(self, device: Device, pause: float) -> None:
        await asyncio.sleep(pause)
        if not device.is_running:
            await device.start()

    def _lose_network(self, device: Device) -> None:
        device.network.lose_sockets()
        if self.world.random.random() < 0.6:
            device.network.is_up = False
            self.world.loop.call_later(self.world.random.expovariate(1 / 60), self._network_is_back, device)

    def _network_is_back(self, device: Device) -> None:
        device.network.is_up = True

    async def _try(self, work: Awaitable[object]) -> None:
        try:
            await work
        except (ApiError, Unreachable, DeviceStopped):
            return

    # What must hold

    async def _last_word(self) -> None:
        for device in self.world.devices:
            self.world.check(device.state is State.CONNECTED, f"{device.name} is {device.state}, not connected")
        for group in self.lasting:
            members = {account_text(member.account) for member in self._members(group)}
            for person in self.people:
                if person.account in members:
                    self._post(person.devices[0], group)
        await asyncio.sleep(LAST_WORD_SECONDS)

    def _check(self) -> None:
        world = self.world
        for device in world.devices:
            seen = [(one.sender, one.id) for one in device.group_shown]
            world.check(len(set(seen)) == len(seen), f"{device.name} shows a post twice")
            bodies = [one.body for one in device.group_shown]
            world.check(len(set(bodies)) == len(bodies), f"{device.name} shows a text twice")
            world.check(None not in bodies, f"{device.name} shows a post without its body")
        for group in self.truths:
            self._check_rows(group)
        for post in self.posted:
            self._check_post(post)
        for person in self.people + self.crowd:
            for device in person.devices:
                self._check_order(device)
        for queue in world.queues.by_name.values():
            world.check(queue.is_empty, f"the queue {queue.name} has work left")
            may_stay = any(truth.is_dissolved for truth in self.truths.values())
            world.check(may_stay or not queue.dead, f"the queue {queue.name} has dead letters after a redrive")
        world.deliveries += sum(len(device.group_shown) for device in world.devices)

    def _check_rows(self, group: GroupId) -> None:
        world, server_group = self.world, parse_group(group)
        item, members = self._row(group_key(server_group)), self._members(group)
        accounts = {account_text(member.account) for member in members}
        for person in self.people + self.crowd:
            account = parse_account(person.account)
            row, mirror = self._row(member_key(server_group, account)), self._row(membership_key(account, server_group))
            world.check((row is None) == (mirror is None), f"the two rows of {person.name} as a member disagree")
        if item is None:
            world.check(not members, "a group that is gone has members")
            return
        read = read_group(server_group, item)
        if read.live:
            world.check(read.members == len(members), f"{read.name} counts {read.members} of {len(members)} members")
        else:
            accounts.clear()  # the rows expire later
        for person in self.people + self.crowd:
            for device in person.devices:
                known = self._client(device).groups.known(group)
                if person.account in accounts:
                    version = known.version if known else None
                    world.check(version == read.version, f"{device.name} knows {read.name} as of {version}")
                else:
                    world.check(known is None or known.role is None, f"{device.name} believes to be in {read.name}")

    def _check_post(self, post: Posted) -> None:
        world, truth = self.world, self.truths[post.group]
        row = self._client(post.author).store.outbox.read(post.number)
        what = f"{post.body[:40]!r} of second {post.at:.0f}"
        if row.status is Status.FAILED:
            world.check(row.code not in {"internal", "unavailable"}, f"{what} failed with {row.code}")
            return
        world.check(row.at_ms is not None, f"{what} was never accepted")
        joined = {account_text(member.account): member.joined_version for member in self._members(post.group)}
        for person in self.people + self.crowd:
            for device in person.devices:
                shown = [one for one in device.group_shown if one.body == post.body]
                must = person.account in joined and joined[person.account] <= post.since
                if must and device is not post.author:
                    world.check(shown, f"{device.name} does not show {what}")
                for one in shown:
                    world.check(one.group == post.group, f"{device.name} shows {what} in another group")
                    world.check(one.at_ms == row.at_ms, f"{device.name} shows {what} at {one.at_ms}, not {row.at_ms}")
                    was_member = person.account in truth.versions.get(one.version, frozenset())
                    world.check(was_member, f"{device.name} shows {what} but was no member at version {one.version}")

    def _check_order(self, device: Device) -> None:
        by_body = {post.body: post for post in self.posted}
        numbers: dict[tuple[str, GroupId], list[tuple[int, int]]] = {}
        for one in device.group_shown:
            if one.body is not None and one.body in by_body:
                post = by_body[one.body]
                numbers.setdefault((post.author.name, post.group), []).append((one.at_ms, post.number))
        for (author, _), pairs in numbers.items():
            ordered = [number for _, number in sorted(pairs)]
            self.world.check(ordered == sorted(ordered), f"{device.name} shows posts of {author} out of order")


async def run(world: World) -> None:
    await Groups(world).run()
