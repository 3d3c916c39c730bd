"""Tests the `send` frame to a group: refusals, recipients, and answers to repetitions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sandes.counting.tally import Tally
from sandes.crypto.seal import Kind
from sandes.groups.fanout import INLINE_MEMBERS, MAX_INLINE_BODY_BYTES
from sandes.groups.group_send import send_to_group
from sandes.limits import Limit
from sandes.messaging.rules import MAX_AGE_MS, MAX_AHEAD_MS
from sandes.model.envelope import MAX_BODY_BYTES
from sandes.model.group import Group
from sandes.model.ids import DeviceNumber, UnitId, id_text, new_group_id, new_message_id
from sandes.model.instant import Instant
from sandes.model.suspension import Suspension
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import GroupRecipient, GroupSend
from sandes.store.directory import DirectoryStore
from sandes.store.limits import LimitStore
from sandes.store.routing import RoutingStore
from sandes.store.schema import StatisticRow
from sandes.store.send_view import SendView
from sandes.store.statistics import StatisticsStore
from sandes.store.suspensions import SuspensionStore
from sandes.store.transaction import transact
from tests.support.dynamodb import StaleClient
from tests.support.fanouts import Groups, read, verified
from tests.support.service import MAX_EXPIRY_SECONDS, NOW, NOW_MS, Person, Service


@pytest.fixture
def groups(service: Service) -> Groups:
    return Groups(service)


@pytest.fixture
def people(groups: Groups) -> list[Person]:
    return groups.people(3)


@pytest.fixture
def group(groups: Groups, people: list[Person]) -> Group:
    return groups.group(people)


def refused(groups: Groups, frame: GroupSend, sender: Person, **how: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        groups.send(frame, sender, **how)
    return caught.value


def test_a_message_to_a_group_reaches_every_other_member_sealed_and_stamped_by_the_server(
    groups: Groups, people: list[Person], group: Group
) -> None:
    asha, *others = people
    frame = groups.frame(group, b"namaste")
    accepted = groups.send(frame, asha)
    assert (accepted.ref, accepted.id, accepted.at) == ("r1", frame.id, NOW_MS)
    assert groups.contents(asha) == []
    for member in others:
        (content,) = groups.contents(member)
        assert content.kind is Kind.GROUP_MESSAGE
        assert content.sender == asha.address()
        assert (content.sender_class, content.to, content.at_ms) == ("public", member.account, NOW_MS)
        received = read(content)
        assert (received.group, received.version, received.body) == (group.id, group.version, b"namaste")
        (envelope,) = groups.service.stored(member)
        assert envelope.expires_at == NOW + MAX_EXPIRY_SECONDS
    assert groups.queue.sent == []


def test_an_official_is_named_as_one(groups: Groups) -> None:
    asha, ravi = groups.people(2, standing=verified())
    group = groups.group([asha, ravi], audience="officials")
    groups.send(groups.frame(group), asha)
    assert groups.contents(ravi)[0].sender_class == "verified"


def test_the_senders_other_devices_get_it_and_the_sending_one_does_not(groups: Groups) -> None:
    (asha,) = groups.people(1, devices=3)
    (ravi,) = groups.people(1, devices=2)
    group = groups.group([asha, ravi])
    groups.send(groups.frame(group), asha, index=1)
    assert [len(groups.contents(asha, index)) for index in range(3)] == [1, 0, 1]
    assert [len(groups.contents(ravi, index)) for index in range(2)] == [1, 1]


def test_a_live_socket_gets_it_at_once_and_the_inbox_keeps_it(
    groups: Groups, people: list[Person], group: Group
) -> None:
    socket = groups.service.online(people[1])
    groups.send(groups.frame(group), people[0])
    assert len(groups.service.gateway.envelope_ids(socket)) == 1
    assert len(groups.contents(people[1])) == 1


def test_nothing_that_is_stored_names_the_group_its_sender_or_the_body(
    groups: Groups, people: list[Person], group: Group
) -> None:
    body = b"a body of some length"
    groups.send(groups.frame(group, body), people[0])
    groups.send(groups.frame(group, body * 100), people[0])
    client, tables = groups.service.client, groups.service.tables
    stored = repr([client.scan(TableName=tables[name])["Items"] for name in ("inbox", "deliveries")])
    rows = stored.encode("latin-1").decode("unicode_escape").encode("latin-1")
    for secret in (group.id, people[0].account, people[1].account, body):
        assert secret not in rows
    from sandes.model.ids import account_text, id_text

    for text in (id_text(group.id), account_text(people[0].account)):
        assert text not in stored


# Refusals


def test_an_unknown_group_a_dissolved_one_and_one_of_others_look_the_same(
    groups: Groups, people: list[Person], group: Group
) -> None:
    (stranger,) = groups.people(1)
    unknown = groups.frame(group, to=GroupRecipient(group=new_group_id()))
    errors = [refused(groups, unknown, people[0]), refused(groups, groups.frame(group), stranger)]
    groups.dissolve(group)
    errors.append(refused(groups, groups.frame(group), people[0]))
    assert {(error.code, str(error.details)) for error in errors} == {(ErrorCode.NOT_PERMITTED, "{}")}
    assert groups.contents(people[1]) == []


def test_a_member_who_may_only_read_is_told_so(groups: Groups, people: list[Person]) -> None:
    group = groups.group(people, roles={0: "owner", 1: "admin"}, posting="admins")
    assert refused(groups, groups.frame(group), people[2]).code is ErrorCode.POSTING_RESTRICTED
    for may_post in people[:2]:
        groups.send(groups.frame(group), may_post)
    assert len(groups.contents(people[2])) == 2


def test_an_official_whose_verification_has_ended_is_no_member_of_a_group_of_officials(groups: Groups) -> None:
    asha, ravi = groups.people(2, standing=verified(expires_at=NOW))
    group = groups.group([asha, ravi], audience="officials")
    assert refused(groups, groups.frame(group), asha).code is ErrorCode.NOT_PERMITTED


def test_a_verification_that_ended_a_moment_ago_is_not_read_from_a_replica_that_lags(groups: Groups) -> None:
    asha, ravi = groups.people(2, standing=verified())
    group = groups.group([asha, ravi], audience="officials")
    stale: Any = StaleClient(groups.service.client, groups.service.tables["routing"])
    groups.stand(asha, None)
    deps = groups.send_deps(lambda target: stale if target is groups.service.client else target)
    assert refused(groups, groups.frame(group), asha, deps=deps).code is ErrorCode.NOT_PERMITTED
    tables = groups.service.tables
    view = SendView(
        RoutingStore(stale, tables["routing"]),
        DirectoryStore(stale, tables["directory"]),
        LimitStore(stale, tables["limits"]),
    )
    facts = view.read(asha.address(), ravi.account, limit="sends", now_seconds=NOW)
    assert facts.sender is not None
    assert facts.recipient is not None
    assert (facts.sender.standing, facts.recipient.standing) == (None, verified())


def test_ids_of_the_future_or_of_long_ago_are_refused(groups: Groups, people: list[Person], group: Group) -> None:
    ahead = groups.frame(group, id=new_message_id(NOW_MS + MAX_AHEAD_MS + 1))
    assert refused(groups, ahead, people[0]).code is ErrorCode.CLOCK_SKEW
    old = groups.frame(group, id=new_message_id(NOW_MS - MAX_AGE_MS - 1))
    assert refused(groups, old, people[0]).code is ErrorCode.ID_TOO_OLD


def test_a_body_of_64_kib_is_taken_and_a_byte_more_is_not(groups: Groups, people: list[Person], group: Group) -> None:
    largest = bytes(MAX_BODY_BYTES)
    groups.send(groups.frame(group, largest), people[0])
    assert groups.bodies(people[1]) == [largest]
    error = refused(groups, groups.frame(group, largest + b"x"), people[0])
    assert (error.code, error.details) == (ErrorCode.TOO_LARGE, {"max_body_bytes": MAX_BODY_BYTES})


def test_expiry_is_the_senders_wish_within_the_stages_maximum(
    groups: Groups, people: list[Person], group: Group
) -> None:
    groups.send(groups.frame(group, expires_in=60), people[0])
    assert [envelope.expires_at for envelope in groups.service.stored(people[1])] == [NOW + 60]
    error = refused(groups, groups.frame(group, expires_in=MAX_EXPIRY_SECONDS + 1), people[0])
    assert error.code is ErrorCode.INVALID_FRAME


def test_a_device_that_was_unlinked_posts_no_more(groups: Groups, people: list[Person], group: Group) -> None:
    device = people[0].devices[0]
    operation = groups.service.routing.removing(device)
    transact(groups.service.client, [operation])
    assert refused(groups, groups.frame(group), people[0]).code is ErrorCode.REVOKED


def test_posts_of_one_device_are_limited(groups: Groups, people: list[Person], group: Group) -> None:
    deps = groups.send_deps()
    for _ in range(Limit.GROUP_POSTS.burst):
        groups.send(groups.frame(group), people[0], deps=deps)
    error = refused(groups, groups.frame(group), people[0], deps=deps)
    assert error.code is ErrorCode.RATE_LIMITED
    assert len(groups.contents(people[1])) == Limit.GROUP_POSTS.burst
    groups.send(groups.frame(group), people[1], deps=deps)


def test_a_suspended_account_posts_to_no_group(groups: Groups, people: list[Person]) -> None:
    tables = groups.service.tables
    suspensions = SuspensionStore(groups.service.client, tables["directory"], tables["routing"])
    of, asha = groups.service.organisation(), groups.service.person()
    group, made = groups.group([asha, *people]), Suspension(of, UnitId(of), NOW, "the device was stolen")
    suspensions.suspend(asha.account, made)
    assert refused(groups, groups.frame(group), asha).code is ErrorCode.SUSPENDED
    suspensions.resume(asha.account, made)
    groups.send(groups.frame(group), asha)
    assert len(groups.contents(people[0])) == 1


# Bodies


def test_what_large_posts_cost_is_limited_for_each_account_by_the_members_they_reach(groups: Groups) -> None:
    asha, ravi = groups.people(2, devices=2)
    group = groups.group([asha, ravi], members=100_000)
    first = groups.frame(group)
    groups.send(first, asha)
    groups.send(groups.frame(group), asha, index=1)
    error = refused(groups, groups.frame(group), asha)
    assert (error.code, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, 500)
    assert groups.send(first, asha).at == NOW_MS
    groups.send(groups.frame(group), ravi)
    assert len(groups.queue.sent) == 3
    small = groups.group([asha, ravi], members=INLINE_MEMBERS)
    groups.send(groups.frame(small), asha)
    groups.send(groups.frame(group), asha, now_ms=NOW_MS + 500_000)


def test_a_post_that_begins_a_hundred_more_costs_a_whole_chunk(groups: Groups) -> None:
    people = groups.people(1)
    for members in (INLINE_MEMBERS + 1, 100, 101):
        groups.send(groups.frame(groups.group(people, members=members)), people[0])
    assert groups.chunks_taken(people[0]) == 1 + 1 + 2


def test_a_body_of_700_bytes_travels_in_the_envelope_and_a_longer_one_is_stored_once(
    groups: Groups, people: list[Person], group: Group
) -> None:
    before = groups.stored_bodies()
    small, large = b"a" * MAX_INLINE_BODY_BYTES, b"b" * (MAX_INLINE_BODY_BYTES + 1)
    groups.send(groups.frame(group, small), people[0])
    assert groups.stored_bodies() == before
    groups.send(groups.frame(group, large, id=new_message_id(NOW_MS + 1)), people[0])
    assert groups.stored_bodies() == before + 1
    for member in people[1:]:
        first, second = (read(content) for content in groups.contents(member))
        assert (first.pointer, second.body) == (None, None)
        assert second.pointer is not None
        assert second.pointer.size == len(large)
        assert [groups.body(first), groups.body(second)] == [small, large]


def test_a_stored_body_outlives_its_pointers_by_a_day(groups: Groups, people: list[Person], group: Group) -> None:
    groups.send(groups.frame(group, bytes(2_000), expires_in=60), people[0])
    pointer = read(groups.contents(people[1])[0]).pointer
    assert pointer is not None
    inbox, last = groups.service.inbox, NOW + 60 + 86_400
    assert inbox.body(pointer.id, now_seconds=last - 1) is not None
    assert inbox.body(pointer.id, now_seconds=last) is None


# Repetition


def test_a_repetition_is_answered_with_the_first_time_and_delivers_nothing_more(
    groups: Groups, people: list[Person], group: Group
) -> None:
    frame = groups.frame(group)
    groups.send(frame, people[0])
    groups.service.inbox.remove(people[1].devices[0].inbox, [groups.service.stored(people[1])[0].id])
    again = groups.send(frame, people[0], now_ms=NOW_MS + 5_000)
    assert again.at == NOW_MS
    assert groups.contents(people[1]) == []


def test_a_repetition_is_answered_though_the_sender_has_left_or_the_group_is_gone(
    groups: Groups, people: list[Person], group: Group
) -> None:
    frame = groups.frame(group)
    groups.send(frame, people[0])
    groups.leave(group, people[0])
    groups.dissolve(group)
    assert groups.send(frame, people[0], now_ms=NOW_MS + 5_000).at == NOW_MS


def test_a_repetition_is_answered_though_the_sender_was_removed_while_the_post_was_in_the_queue(
    groups: Groups,
) -> None:
    people = groups.people(INLINE_MEMBERS + 1)
    group = groups.group(people)
    frame = groups.frame(group)
    groups.send(frame, people[0])
    groups.leave(group, people[0])
    assert groups.send(frame, people[0], now_ms=NOW_MS + 5_000).at == NOW_MS
    assert len(groups.queue.sent) == 1
    groups.work_all()
    assert [len(groups.contents(person)) for person in people[1:]] == [1] * INLINE_MEMBERS


def test_two_members_may_use_the_same_message_id(groups: Groups, people: list[Person], group: Group) -> None:
    id = new_message_id(NOW_MS)
    groups.send(groups.frame(group, b"of asha", id=id), people[0])
    groups.send(groups.frame(group, b"of ravi", id=id), people[1])
    assert sorted(groups.bodies(people[2])) == [b"of asha", b"of ravi"]


def test_a_large_group_is_accepted_once_the_queue_has_it(groups: Groups) -> None:
    people = groups.people(INLINE_MEMBERS + 1)
    group = groups.group(people)
    accepted = groups.send(groups.frame(group), people[0])
    assert accepted.at == NOW_MS
    assert len(groups.queue.sent) == 1
    assert groups.contents(people[1]) == []
    assert groups.work_all() == ["planned", "delivered"]
    assert [len(groups.contents(member)) for member in people] == [0] + [1] * INLINE_MEMBERS


def test_nothing_is_accepted_that_the_queue_does_not_take(groups: Groups) -> None:
    from sandes.store.dynamo import StoreUnavailable

    people = groups.people(INLINE_MEMBERS + 1)
    frame = groups.frame(groups.group(people))
    groups.queue.failing = True
    with pytest.raises(StoreUnavailable):
        groups.send(frame, people[0])
    groups.queue.failing = False
    assert groups.send(frame, people[0], now_ms=NOW_MS + 1_000).at == NOW_MS
    assert groups.work_all() == ["planned", "delivered"]
    assert groups.contents(people[1])[0].at_ms == NOW_MS


def test_an_entry_of_the_queue_shows_nothing_of_the_post(groups: Groups) -> None:
    people = groups.people(INLINE_MEMBERS + 1)
    group = groups.group(people)
    groups.send(groups.frame(group, b"a body of some length"), people[0])
    groups.work_one()
    from sandes.model.ids import parse_base64url

    (entry,) = (parse_base64url(body["post"]) for body, _ in groups.queue.sent)
    for secret in (group.id, people[0].account, people[1].account, b"a body of some length"):
        assert secret not in entry


def test_a_device_number_of_another_account_gets_its_copy(groups: Groups, people: list[Person], group: Group) -> None:
    """Both devices have number 1. Only the sending device of the sending account is left out, not every first
    device.
    """
    assert people[0].devices[0].number == people[1].devices[0].number == DeviceNumber(1)
    groups.send(groups.frame(group), people[0])
    assert len(groups.contents(people[1])) == 1


def test_a_message_is_counted_once_for_the_organisation_of_who_wrote_it(groups: Groups) -> None:
    official, other = groups.people(2, standing=verified())
    frame = groups.frame(groups.group([official, other]), b"namaste")
    store = StatisticsStore(groups.service.client, groups.service.tables["statistics"])
    deps = replace(groups.send_deps(), tally=Tally(store))
    for at_ms in (NOW_MS, NOW_MS + 90_000):  # the second is a repetition, which would be written immediately
        send_to_group(frame, official.principal(), now=Instant(at_ms), deps=deps)
    rows = groups.service.client.scan(TableName=store.table)["Items"]
    tallies = [json.loads(row[StatisticRow.TALLY]["S"]) for row in rows if StatisticRow.TALLY in row]
    assert tallies == [[[id_text(verified().organisation), NOW // 3600, "group_messages", 1]]]
