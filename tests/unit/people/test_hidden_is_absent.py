"""Tests that hidden and absent things get the same answer, after the same calls to AWS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from sandes.crypto.fanout_keys import FanoutKeys
from sandes.groups import group_delivery
from sandes.groups.group_delivery import GroupDeliveryDependencies
from sandes.limits import Limit, Meter
from sandes.messaging import deliver
from sandes.messaging.send import send
from sandes.model.group import INVITATION_SECONDS, Member
from sandes.model.ids import AccountId, GroupId, new_account_id, new_group_id, new_message_id
from sandes.model.instant import Instant
from sandes.model.phone import PhoneNumber
from sandes.people import accounts, invitations, people_search, profiles
from sandes.people.devices import DeviceDependencies
from sandes.protocol.client_api import ChangeProfile, Search
from sandes.protocol.errors import ProtocolError
from sandes.protocol.frames import Ack, Copy, Receipt
from sandes.store.directory import DirectoryStore
from sandes.store.fanouts import FanoutStore
from sandes.store.groups import GroupStore
from sandes.store.inbox import InboxStore
from sandes.store.limits import LimitStore
from sandes.store.routing import RoutingStore
from sandes.store.send_view import SendView
from tests.support.dynamodb import CountingClient
from tests.support.groups import Groups
from tests.support.service import NOW_MS, PEPPER, Person, Service, new_phone

Calls = list[tuple[str, tuple[tuple[str, int], ...]]]


def deps_on(service: Service, client: Any) -> DeviceDependencies:
    return replace(
        service.device_deps,
        directory=DirectoryStore(client, service.tables["directory"]),
        routing=RoutingStore(client, service.tables["routing"]),
        codes=replace(service.code_deps, limits=LimitStore(client, service.tables["limits"])),
    )


@dataclass(frozen=True)
class Target:
    account: AccountId
    phone: PhoneNumber


def absent_and_hidden(service: Service, viewer: Person) -> dict[str, Target]:
    """Return an account that does not exist, and everybody whom a citizen may not reach."""

    def target(person: Person) -> Target:
        return Target(person.account, person.phone)

    blocking, blocking_official, unlisted, uninvited = (service.person() for _ in range(4))
    service.directory.block(owner=blocking.account, blocked=viewer.account)
    service.verify(blocking_official, listed=True)
    service.directory.block(owner=blocking_official.account, blocked=viewer.account)
    service.verify(unlisted)
    service.verify(uninvited)
    service.directory.invite(owner=uninvited.account, invited=viewer.account, now_seconds=1)
    service.directory.uninvite(owner=uninvited.account, invited=viewer.account)
    return {
        "absent": Target(new_account_id(), new_phone()),
        "blocking": target(blocking),
        "a listed official, blocking": target(blocking_official),
        "unlisted": target(unlisted),
        "no longer inviting": target(uninvited),
    }


def outcome(service: Service, call: Callable[[Any], Any]) -> tuple[Any, Calls]:
    client = CountingClient(service.client)
    try:
        answer = call(client)
    except ProtocolError as error:
        return (error.code, error.details, error.retry_after_seconds), client.calls
    return answer, client.calls


def assert_all_alike(outcomes: dict[str, tuple[Any, Calls]]) -> None:
    answer, calls = outcomes.pop("absent")
    assert calls
    for name, (other_answer, other_calls) in outcomes.items():
        assert other_answer == answer, name
        assert other_calls == calls, name


ASKED: dict[str, Callable[[Service, Person, Target, Any], Any]] = {
    "profile": lambda service, viewer, target, client: profiles.profile(
        service.caller(viewer), target.account, now=Instant(NOW_MS), deps=deps_on(service, client)
    ),
    "keys": lambda service, viewer, target, client: accounts.keys(
        service.caller(viewer), target.account, now=Instant(NOW_MS), deps=deps_on(service, client)
    ),
    "lookup": lambda service, viewer, target, client: accounts.lookup(
        service.caller(viewer), target.phone, now=Instant(NOW_MS), deps=deps_on(service, client)
    ),
    "invite": lambda service, viewer, target, client: invitations.invite(
        service.caller(viewer), target.account, now=Instant(NOW_MS), deps=deps_on(service, client)
    ),
}


@pytest.mark.parametrize("asked", ASKED)
def test_asked_over_https_the_hidden_and_the_absent_cannot_be_told_apart(service: Service, asked: str) -> None:
    viewer = service.person()
    outcomes = {
        name: outcome(service, partial(ASKED[asked], service, viewer, target))
        for name, target in absent_and_hidden(service, viewer).items()
    }
    assert len(outcomes) == 5
    assert_all_alike(fresh_buckets(outcomes))


def fresh_buckets(outcomes: dict[str, tuple[Any, Calls]]) -> dict[str, tuple[Any, Calls]]:
    """Return the outcomes without the limiter's writes: one call for a full bucket, two for any other."""
    return {name: (answer, [c for c in calls if c[1][0][0] != "limits"]) for name, (answer, calls) in outcomes.items()}


def tables(calls: Calls) -> list[str]:
    return [name for _, sizes in calls for name, _ in sizes]


@pytest.mark.parametrize("asked", ["lookup", "invite"])
def test_the_limiter_is_asked_before_anybody_is_looked_at(service: Service, asked: str) -> None:
    for name, target in absent_and_hidden(service, service.person()).items():
        _, calls = outcome(service, partial(ASKED[asked], service, service.person(), target))
        assert tables(calls)[0] == "limits", name
        assert tables(calls).count("limits") == 1, name


def send_deps(service: Service, client: Any) -> Any:
    routing = RoutingStore(client, service.tables["routing"])
    limits = LimitStore(client, service.tables["limits"])
    return service.send_deps(
        view=SendView(routing, DirectoryStore(client, service.tables["directory"]), limits),
        inbox=InboxStore(client, service.tables["inbox"]),
        meter=Meter(Limit.SENDS, limits),
    )


def test_a_message_to_the_hidden_and_to_the_absent_cannot_be_told_apart(service: Service) -> None:
    sender = service.person()
    guessed = (Copy(device=1, registration_id=1, body=b"x"),)

    def sent(target: Target) -> Callable[[Any], Any]:
        frame = service.message(Person(target.account, target.phone), copies=guessed)
        return lambda client: send(frame, sender.principal(), now=Instant(NOW_MS), deps=send_deps(service, client))

    targets = absent_and_hidden(service, sender)
    assert_all_alike({name: outcome(service, sent(target)) for name, target in targets.items()})


def test_a_receipt_to_the_hidden_and_to_the_absent_cannot_be_told_apart(service: Service) -> None:
    reader = service.person()

    def told(target: Target) -> Callable[[Any], Any]:
        receipt = Receipt(to=target.account, kind="read", ids=(service.message(reader).id,))
        frame = Ack(type="ack", ids=(), receipts=(receipt,))
        return lambda client: deliver.ack(
            frame,
            reader.principal(),
            now=Instant(NOW_MS),
            deps=service.deliver_deps(view=send_deps(service, client).view, inbox=send_deps(service, client).inbox),
        )

    targets = absent_and_hidden(service, reader)
    assert_all_alike({name: outcome(service, told(target)) for name, target in targets.items()})


def test_a_search_that_finds_only_the_hidden_and_one_that_finds_nobody_cannot_be_told_apart(service: Service) -> None:
    organisation = service.organisation()
    viewer, hiding, blocking, nameless = (service.person() for _ in range(4))
    for person, name in ((viewer, "Ravi"), (hiding, "Meena"), (blocking, "Farida"), (nameless, "Joseph")):
        service.verify(person, organisation, name=f"{name} Rao", post="Clerk")
    for person in (hiding, nameless):
        choices = ChangeProfile(choices={"name": "nobody"})
        profiles.change_profile(service.caller(person), choices, now=Instant(NOW_MS), deps=service.device_deps)
    service.directory.block(owner=blocking.account, blocked=viewer.account)

    def searched(query: str) -> Callable[[Any], Any]:
        return lambda client: people_search.search(
            service.caller(viewer), Search(query=query), now=Instant(NOW_MS), deps=deps_on(service, client)
        )

    queries = {"absent": "zubin", "hiding": "meena", "blocking": "farida", "hiding, by a beginning": "jos"}
    outcomes = {name: outcome(service, searched(query)) for name, query in queries.items()}
    assert outcomes["absent"][0].people == []
    assert_all_alike(fresh_buckets(outcomes))


# Groups


def absent_and_hidden_groups(groups: Groups, viewer: Person) -> dict[str, GroupId]:
    """Return a group that does not exist, and every group that `viewer` may not see."""
    ministry = groups.organisation()
    owner, admin, now_ms = groups.service.person(), groups.official(ministry), groups.now_ms

    def invited_at(at_ms: int, by: Person) -> GroupId:
        groups.now_ms = at_ms
        group = groups.create(by)
        groups.put(by, group, viewer)
        groups.now_ms = now_ms
        return group

    long_ago = now_ms - (INVITATION_SECONDS + 60) * 1000
    withdrawn, dissolved = invited_at(now_ms, owner), groups.create(owner, viewer)
    groups.remove(owner, withdrawn, viewer)
    groups.dissolve(owner, dissolved)
    was_official = groups.official_group(ministry, admin)
    groups.changes.add(was_official, Member(viewer.account, "member", 1), "added", now_seconds=0, event=None)
    return {
        "absent": new_group_id(),
        "of others": groups.create(owner),
        "no longer invited": withdrawn,
        "with an invitation that has run out": invited_at(long_ago, groups.service.person()),
        "dissolved": dissolved,
        "for officials": groups.official_group(ministry, admin),
        "open to officials": groups.official_group(ministry, admin, open=True),
        "for citizens who are invited": groups.official_group(ministry, admin, audience="citizens", posting="admins"),
        "for officials, which the viewer was once": was_official,
    }


def group_delivery_of(service: Service, groups: GroupStore) -> GroupDeliveryDependencies:
    client: Any = groups.client
    return GroupDeliveryDependencies(
        groups=groups,
        posts=FanoutStore(client, service.tables["deliveries"]),
        routing=RoutingStore(client, service.tables["routing"]),
        inbox=InboxStore(client, service.tables["inbox"]),
        limits=service.limits,
        keys=FanoutKeys.of(b"s" * 32),
        sender_hash=service.sender_hash,
        pepper=PEPPER,
    )


ASKED_OF_GROUPS: dict[str, Callable[[Groups, Person, GroupId, Person], Any]] = {
    "GET": lambda groups, viewer, group, _: groups.read(viewer, group),
    "PATCH": lambda groups, viewer, group, _: groups.change(viewer, group, name="Mine"),
    "PATCH with If-Match": lambda groups, viewer, group, _: groups.change(viewer, group, name="Mine", version=1),
    "DELETE": lambda groups, viewer, group, _: groups.dissolve(viewer, group),
    "GET members": lambda groups, viewer, group, _: groups.members(viewer, group),
    "PUT oneself": lambda groups, viewer, group, _: groups.put(viewer, group, viewer),
    "PUT oneself as an admin": lambda groups, viewer, group, _: groups.put(viewer, group, viewer, "admin"),
    "PUT another": lambda groups, viewer, group, other: groups.put(viewer, group, other),
    "DELETE oneself": lambda groups, viewer, group, _: groups.remove(viewer, group, viewer),
    "DELETE another": lambda groups, viewer, group, other: groups.remove(viewer, group, other),
    "GET message": lambda groups, viewer, group, _: group_delivery.delivery(
        groups.service.caller(viewer),
        group,
        new_message_id(NOW_MS),
        after=None,
        now=Instant(NOW_MS),
        deps=group_delivery_of(groups.service, groups.store),
    ),
}


@pytest.mark.parametrize("asked", ASKED_OF_GROUPS)
def test_a_hidden_group_and_an_absent_one_cannot_be_told_apart(service: Service, asked: str) -> None:
    viewer, other = service.person(), service.person()
    targets = absent_and_hidden_groups(Groups(service), viewer)
    if asked == "DELETE oneself":  # a member who may no longer see the group may leave it
        del targets["for officials, which the viewer was once"]

    def call(group: GroupId) -> Callable[[Any], Any]:
        return lambda client: ASKED_OF_GROUPS[asked](Groups(service, client), viewer, group, other)

    outcomes = {name: outcome(service, call(group)) for name, group in targets.items()}
    assert outcomes["absent"][0][0] == "not_found"
    assert_all_alike(outcomes)
