"""Tests the fan-out by the queue: chunks, markers, recipients while members change, and crashes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandes.crypto.fanout_keys import FanoutKeys
from sandes.crypto.seal import Content, GroupChange, Kind, group_event_body
from sandes.groups import fanout as module
from sandes.groups.fanout import CHUNK_MEMBERS, INLINE_MEMBERS, NobodyFound
from sandes.model.app import AppSender
from sandes.model.group import Group
from sandes.model.ids import (
    DeviceAddress,
    DeviceNumber,
    GroupId,
    account_text,
    new_app_id,
    new_message_id,
    parse_base64url,
)
from sandes.model.instant import Instant
from sandes.store.dynamo import StoreUnavailable
from tests.support.batches import Crash, Crashing
from tests.support.dynamodb import FlakyClient
from tests.support.fanouts import SECRET, Groups, verified
from tests.support.service import NOW, NOW_MS, Person, Service

MANY = INLINE_MEMBERS + 8


@pytest.fixture
def groups(service: Service) -> Groups:
    return Groups(service)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce the limits so that every order and every crash can be tried: posts to more than one member use the queue,
    with chunks of three.
    """
    monkeypatch.setattr(module, "INLINE_MEMBERS", 1)
    monkeypatch.setattr(module, "CHUNK_MEMBERS", 3)


def counts(groups: Groups, people: Sequence[Person]) -> list[int]:
    """Return how many envelopes wait for the first device of each person."""
    return [len(groups.contents(person)) for person in people]


def markers(groups: Groups, group: Group, author: Person, message: bytes) -> Any:
    fanout = groups.fanout()
    post = fanout.keys.post(group.id, message, author.account)  # type: ignore[arg-type]
    return fanout.store.read(post, now_seconds=NOW)


# Chunks


def test_members_are_cut_into_chunks_of_a_hundred_and_each_is_stored_for_once(groups: Groups) -> None:
    people = sorted(groups.people(250), key=lambda person: account_text(person.account))
    group = groups.group(people)
    frame = groups.frame(group)
    groups.send(frame, people[0])
    assert groups.work_all() == ["planned"] + ["delivered"] * 3
    assert counts(groups, people) == [0] + [1] * 249
    record, done = markers(groups, group, people[0], frame.id)
    assert set(record.chunks) == set(done)
    assert sorted(chunk.devices for chunk in done.values()) == [50, 99, 100]  # the author is one of the first hundred
    assert CHUNK_MEMBERS == 100


def test_a_group_at_the_boundary_goes_out_before_it_is_accepted(groups: Groups) -> None:
    people = groups.people(INLINE_MEMBERS)
    groups.send(groups.frame(groups.group(people)), people[0])
    assert groups.queue.sent == []
    assert counts(groups, people) == [0] + [1] * (INLINE_MEMBERS - 1)


def test_live_members_get_it_by_their_sockets_and_the_marker_counts_them(groups: Groups) -> None:
    people = groups.people(MANY)
    group = groups.group(people)
    sockets = [groups.service.online(person) for person in people[1:6]]
    frame = groups.frame(group)
    groups.send(frame, people[0])
    groups.work_one()
    groups.work_one(groups.fanout(at_once=4))
    assert [len(groups.service.gateway.envelope_ids(socket)) for socket in sockets] == [1] * 5
    _, done = markers(groups, group, people[0], frame.id)
    assert [(chunk.devices, chunk.live) for chunk in done.values()] == [(MANY - 1, 5)]


def test_a_device_that_comes_online_between_reading_and_writing_is_woken(groups: Groups) -> None:
    """This is the lost wake-up: the device said `hello` after the sender had read that it was offline, and found no
    message.
    """
    people = groups.people(MANY)
    groups.send(groups.frame(groups.group(people)), people[0])
    groups.work_one()
    sockets: list[Any] = []

    class Overtaken:
        def __init__(self, client: Any) -> None:
            self.client = client

        def __getattr__(self, name: str) -> Any:
            if name == "batch_write_item" and not sockets:
                sockets.append(groups.service.online(people[3]))
            return getattr(self.client, name)

    through: Any = lambda target: Overtaken(target) if target is groups.service.client else target  # noqa: E731
    groups.work_one(groups.fanout(through))
    assert len(groups.service.gateway.envelope_ids(sockets[0])) == 1


def test_a_socket_that_is_gone_is_forgotten_and_the_envelope_kept(groups: Groups) -> None:
    people = groups.people(MANY)
    socket = groups.service.online(people[1])
    groups.service.gateway.open.discard(socket)
    groups.send(groups.frame(groups.group(people)), people[0])
    groups.work_all()
    assert groups.service.connection(people[1]) is None
    assert counts(groups, people[1:2]) == [1]


def test_apps_and_events_are_told_from_messages_of_people(groups: Groups) -> None:
    people = groups.people(MANY)
    group = groups.group(people)
    app = AppSender(new_app_id(), "Passport Seva")
    groups.fanout()(groups.post(group, app, b"notice"), now=Instant(NOW_MS))
    event = group_event_body(group.id, 8, GroupChange.CHANGED, name="New name")
    groups.fanout()(groups.post(group, people[0].address(), event, event=True), now=Instant(NOW_MS))
    groups.work_all()
    by_kind = {content.kind: content for content in groups.contents(people[1])}
    assert (by_kind[Kind.GROUP_MESSAGE].sender, by_kind[Kind.GROUP_MESSAGE].sender_class) == (app, None)
    assert by_kind[Kind.GROUP_EVENT].body == event
    assert counts(groups, people[:1]) == [1]  # the app's, but not the event of its own device


@pytest.mark.parametrize("count", [2, MANY])
def test_an_event_to_some_goes_to_them_alone_members_or_not(groups: Groups, count: int) -> None:
    people = groups.people(MANY + 3)
    group = groups.group(people[:3])
    event = group_event_body(group.id, 8, GroupChange.REMOVED, subject=people[4].account)
    to = [person.account for person in people[3 : 3 + count]]
    groups.fanout()(groups.post(group, people[0].address(), event, event=True), to=[*to, to[0]], now=Instant(NOW_MS))
    groups.work_all()
    assert counts(groups, people) == [0, 0, 0] + [1] * count + [0] * (MANY - count)


@pytest.mark.parametrize("audience", ["officials", "citizens"])
def test_an_event_that_names_members_reaches_admins_whose_verification_holds_and_whom_it_is_about(
    groups: Groups, audience: str
) -> None:
    official, former = groups.people(2, standing=verified())
    citizen, other = groups.people(2)
    group = groups.group([official, former, citizen, other], roles={0: "admin", 1: "admin"}, audience=audience)
    groups.stand(former, None)
    body = group_event_body(group.id, 8, GroupChange.JOINED, subject=citizen.account)
    event = groups.post(group, AppSender(new_app_id(), "Sandes"), body, event=True, concerns=citizen.account)
    groups.fanout()(event, to=[person.account for person in (official, former, citizen, other)], now=Instant(NOW_MS))
    assert counts(groups, [official, former, citizen, other]) == [1, 0, 1, 0]
    renamed = groups.post(group, AppSender(new_app_id(), "Sandes"), body, event=True)  # it names nobody
    groups.fanout()(renamed, to=[person.account for person in (official, former, citizen)], now=Instant(NOW_MS))
    receives = int(audience == "citizens")
    assert counts(groups, [official, former, citizen, other]) == [2, receives, 1 + receives, 0]


def test_one_event_may_go_to_some_and_then_to_others(groups: Groups) -> None:
    people = groups.people(3)
    group = groups.group(people)
    event = groups.post(group, people[0].address(), b"event", event=True)
    groups.fanout()(event, to=[people[1].account], now=Instant(NOW_MS))
    groups.fanout()(event, to=[people[2].account], now=Instant(NOW_MS))
    groups.fanout()(event, to=[], now=Instant(NOW_MS))
    assert counts(groups, people) == [0, 1, 1]


def test_a_large_body_is_stored_once_for_a_hundred_and_fifty_members(groups: Groups) -> None:
    people, body = groups.people(150), bytes(range(256)) * 8
    before = groups.stored_bodies()
    groups.send(groups.frame(groups.group(people), body), people[0])
    groups.work_all()
    assert groups.stored_bodies() == before + 1
    for person in people[1:]:
        assert groups.bodies(person) == [body]
        (envelope,) = groups.service.stored(person)
        assert len(envelope.sealed) < 300


def test_a_chunk_has_an_ephemeral_key_of_its_own_and_a_repeated_one_another(groups: Groups) -> None:
    """Otherwise a repetition that seals another text would reuse a key."""
    (crowd,) = groups.people(1, devices=6)
    people = [*groups.people(140), crowd]
    groups.send(groups.frame(groups.group(people)), people[0])
    assert groups.work_one() == "planned"
    entries = [entry[0] for entry in groups.queue.sent]

    def sealed() -> list[bytes]:
        inboxes = [(person, index) for person in people for index in range(len(person.devices))]
        return [one.sealed for person, index in inboxes for one in groups.service.stored(person, index)]

    groups.work_all()
    first = sealed()
    assert len(first) == len({data[32:] for data in first}) == 145
    assert len({data[:32] for data in first}) == len(entries) == 2
    deps = groups.fanout()
    for entry in entries:
        job = module._decode(deps.keys.open(parse_base64url(entry["post"])))
        deps._deliver(job, job.members or (), now=Instant(NOW_MS))
    second = sealed()
    assert len(second) == 145
    assert len({data[:32] for data in second}) == 2
    assert not {data[:32] for data in first} & {data[:32] for data in second}


# Whom it is for


def test_who_joined_after_the_post_does_not_get_it(groups: Groups) -> None:
    """This holds whatever the clocks of the joining and sending functions say."""
    people = groups.people(MANY + 4)
    *members, early, early_by_a_fast_clock, late, late_by_a_slow_clock = people
    group = groups.group(members)
    groups.join(group, early, at_ms=NOW_MS - 1, version=group.version)
    groups.join(group, early_by_a_fast_clock, at_ms=NOW_MS + 2_000, version=group.version)
    groups.send(groups.frame(group), members[0])
    groups.join(group, late, at_ms=NOW_MS + 1)
    groups.join(group, late_by_a_slow_clock, at_ms=NOW_MS - 2_000)
    groups.work_all()
    assert counts(groups, [early, early_by_a_fast_clock, late, late_by_a_slow_clock]) == [1, 1, 0, 0]


def test_who_was_removed_before_the_plan_does_not_get_it_and_nobody_else_misses_it(groups: Groups) -> None:
    people = groups.people(MANY)
    group = groups.group(people)
    groups.send(groups.frame(group), people[0])
    groups.leave(group, people[5])
    groups.work_all()
    assert counts(groups, people) == [0] + [1] * 4 + [0] + [1] * (MANY - 6)


def test_a_verification_that_ends_between_plan_and_chunk_ends_receiving_in_a_group_of_officials(
    groups: Groups,
) -> None:
    people = groups.people(MANY, standing=verified(expires_at=NOW + 60))
    group = groups.group(people, audience="officials")
    groups.stand(people[2], verified(expires_at=NOW + 10_000))
    groups.send(groups.frame(group), people[0])
    groups.work_one()
    groups.stand(people[3], None)
    groups.work_all()
    assert counts(groups, people[1:5]) == [1, 1, 0, 1]
    groups.send(groups.frame(group), people[0])
    groups.work_all(now_ms=NOW_MS + 61_000)
    assert counts(groups, people[1:5]) == [1, 2, 0, 1]


def test_a_citizen_receives_in_a_group_for_citizens(groups: Groups) -> None:
    (official,) = groups.people(1, standing=verified())
    citizens = groups.people(3)
    group = groups.group([official, *citizens], roles={0: "admin"}, audience="citizens", posting="admins")
    groups.send(groups.frame(group), official)
    assert counts(groups, citizens) == [1, 1, 1]


def test_a_post_whose_time_is_over_is_stored_for_nobody(groups: Groups) -> None:
    people = groups.people(MANY)
    groups.send(groups.frame(groups.group(people), expires_in=60), people[0])
    rows = groups.rows_in_inbox()
    assert groups.work_all(now_ms=NOW_MS + 60_000) == ["expired"]
    assert groups.rows_in_inbox() == rows


def test_members_without_any_device_left_are_passed_over(groups: Groups) -> None:
    people = groups.people(MANY)
    key = {"a": {"B": people[4].account}}
    groups.service.client.delete_item(TableName=groups.service.tables["routing"], Key=key)
    groups.send(groups.frame(groups.group(people)), people[0])
    assert groups.work_all() == ["planned", "delivered"]
    assert sum(counts(groups, people)) == MANY - 2


# Anything may come again


def test_entries_that_come_twice_change_nothing(groups: Groups) -> None:
    people = groups.people(150)
    group = groups.group(people)
    groups.send(groups.frame(group), people[0])
    plan = groups.queue.sent[0]
    groups.work_one()
    chunks = list(groups.queue.sent)
    assert groups.work_all() == ["delivered"] * 2
    rows = groups.rows_in_inbox()
    for person in people[1:75]:
        groups.service.inbox.remove(person.devices[0].inbox, [groups.service.stored(person)[0].id])
    groups.queue.sent = [plan, *chunks, *chunks]
    done = groups.work_all()
    assert sorted(done) == ["done_before"] * 4 + ["planned_before"]
    assert groups.rows_in_inbox() == rows - 74


def test_a_plan_that_was_made_is_not_made_again_for_who_is_a_member_now(groups: Groups, few: None) -> None:
    """Its chunks would have other names, and members who have acknowledged the message would get it again."""
    people = sorted(groups.people(11), key=lambda person: account_text(person.account))
    group = groups.group(people)
    groups.send(groups.frame(group), people[5])
    plan = groups.queue.sent[0]
    groups.work_all()
    for person in people:
        groups.service.inbox.remove(person.devices[0].inbox, [row.id for row in groups.service.stored(person)])
    groups.leave(group, people[0])
    groups.queue.sent = [plan]
    assert groups.work_all() == ["planned_before"]
    assert counts(groups, people) == [0] * 11


def test_a_plan_that_finds_nobody_is_not_taken_for_done(groups: Groups) -> None:
    people = groups.people(MANY)
    group = groups.group(people)
    frame = groups.frame(group)
    groups.send(frame, people[0])
    for person in people:
        groups.leave(group, person)
    with pytest.raises(NobodyFound):
        groups.work_all()
    record, _ = markers(groups, group, people[0], frame.id)
    assert (record.chunks, record.delivered) == (None, None)


def test_a_plan_that_is_made_again_after_members_came_and_went_loses_nobody(groups: Groups, few: None) -> None:
    people = sorted(groups.people(11), key=lambda person: account_text(person.account))
    author, *members = people
    group = groups.group([author, *members[1:]])
    frame = groups.frame(group)
    groups.send(frame, author)
    plan = groups.queue.sent[0]
    flaky = FlakyClient(groups.service.client, {"update_item": 1})  # ends before the chunks are recorded
    with pytest.raises(ClientError):
        groups.work_one(groups.fanout(lambda target: flaky if target is groups.service.client else target))
    first = groups.queue.sent.pop(0)
    groups.leave(group, members[4])
    groups.join(group, members[0], at_ms=NOW_MS - 1, version=group.version)
    groups.queue.sent = [plan, *groups.queue.sent]
    groups.work_all()
    groups.queue.sent = [first]
    groups.work_all()
    for person in (*members[:4], *members[5:]):
        assert len(groups.contents(person)) == 1
    record, done = markers(groups, group, author, frame.id)
    assert set(record.chunks) <= set(done)


def test_a_chunk_has_the_same_name_in_whatever_order_its_members_are_and_another_for_other_members() -> None:
    keys, sender = FanoutKeys.of(SECRET), DeviceAddress(b"a" * 8, DeviceNumber(1))  # type: ignore[arg-type]
    members: Any = [bytes([number]) * 8 for number in range(4)]
    names = {keys.chunk("post", sender, order) for order in itertools.permutations(members)}
    assert len(names) == 1
    others = {
        keys.chunk("post", sender, members[:3]),
        keys.chunk("tsop", sender, members),
        keys.chunk("post", DeviceAddress(sender.account, DeviceNumber(2)), members),
    }
    assert len(names | others) == 4


def test_posts_have_the_same_name_only_if_group_message_author_and_recipients_are_the_same() -> None:
    keys, app = FanoutKeys.of(SECRET), AppSender(new_app_id(), "x")
    message, group, account = new_message_id(NOW_MS), GroupId(b"g" * 8), app.app
    names = [
        keys.post(group, message, account),  # type: ignore[arg-type]
        keys.post(group, message, app),
        keys.post(GroupId(b"h" * 8), message, app),
        keys.post(group, new_message_id(NOW_MS), app),
        keys.post(group, message, app, []),
        keys.post(group, message, app, [b"a" * 8]),  # type: ignore[list-item]
        FanoutKeys.of(b"t" * 32).post(group, message, app),
    ]
    assert len(set(names)) == len(names)
    assert keys.post(group, message, AppSender(app.app, "renamed")) == names[1]
    assert keys.post(group, message, app, [b"b" * 8, b"a" * 8]) == keys.post(group, message, app, [b"a" * 8, b"b" * 8])  # type: ignore[list-item]


@pytest.mark.parametrize("size", [4, MANY])
def test_an_event_told_twice_is_delivered_once_even_to_who_has_acked_it(groups: Groups, size: int) -> None:
    people = groups.people(size)
    event = groups.post(groups.group(people), people[0].address(), b"event", event=True)
    for now_ms, is_first in ((NOW_MS, True), (NOW_MS + 5_000, False)):
        assert groups.fanout()(event, now=Instant(now_ms)) is is_first
        groups.work_all()
        for person in people[1:]:
            stored = groups.service.stored(person)
            assert len(stored) == (now_ms == NOW_MS)
            groups.service.inbox.remove(person.devices[0].inbox, [envelope.id for envelope in stored])


def test_a_plan_of_which_chunks_are_not_queued_is_not_noted_and_is_made_again(groups: Groups) -> None:
    people = groups.people(MANY)
    group = groups.group(people)
    frame = groups.frame(group)
    groups.send(frame, people[0])
    (plan,) = groups.queue.sent
    groups.queue.failing = True
    with pytest.raises(StoreUnavailable):
        groups.work_one()
    groups.queue.failing = False
    record, _ = markers(groups, group, people[0], frame.id)
    assert record.chunks is None
    groups.queue.sent = [plan]
    assert groups.work_all() == ["planned", "delivered"]


# Failures


OPERATIONS = [
    ("get_item", 1),  # marker
    ("batch_get_item", 1),  # routing, left partly unprocessed
    ("batch_write_item", 1),
    ("put_item", 1),  # marker
]


@pytest.mark.parametrize(("operation", "times"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_a_chunk_that_fails_comes_again_and_everybody_has_it_once(groups: Groups, operation: str, times: int) -> None:
    people = groups.people(MANY)
    group = groups.group(people)
    frame = groups.frame(group)
    groups.send(frame, people[0])
    groups.work_one()
    flaky = FlakyClient(groups.service.client, {operation: times})
    deps = groups.fanout(lambda target: flaky if target is groups.service.client else target)
    entry = groups.queue.sent[0]
    try:
        groups.work_one(deps)
    except ClientError:  # throttling reaches the queue; unfinished batches are continued immediately
        groups.queue.sent.append(entry)
        assert groups.work_one(deps) == "delivered"
    assert flaky.failures[operation] == 0
    assert counts(groups, people) == [0] + [1] * (MANY - 1)
    record, done = markers(groups, group, people[0], frame.id)
    assert list(done) == list(record.chunks)


def test_a_chunk_of_which_rows_are_left_over_for_good_is_not_marked_as_done(
    groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandes.store.dynamo._FIRST_WAIT_SECONDS", 0.0)
    people = groups.people(MANY)
    frame = groups.frame(groups.group(people))
    groups.send(frame, people[0])
    groups.work_one()
    flaky = FlakyClient(groups.service.client, {"batch_write_item": 8})
    entry = groups.queue.sent[0]
    with pytest.raises(StoreUnavailable):
        groups.work_one(groups.fanout(lambda target: flaky if target is groups.service.client else target))
    groups.queue.sent = [entry]
    assert groups.work_all() == ["delivered"]
    assert counts(groups, people) == [0] + [1] * (MANY - 1)


def run_with_a_crash(groups: Groups, people: Sequence[Person], frame: Any, crashing: Crashing) -> int:
    """Restart sender and queue whenever they are interrupted, as a client and SQS do. Return the answered time."""
    for now_ms in itertools.count(NOW_MS, 5_000):
        try:
            accepted = groups.send(frame, people[0], deps=groups.send_deps(crashing), now_ms=now_ms)
            break
        except Crash:
            crashing.at = 0
    while groups.queue.sent:
        entry = groups.queue.sent[0]
        try:
            groups.work_one(groups.fanout(crashing))
        except Crash:
            crashing.at = 0
            assert entry in groups.queue.sent
    return accepted.at


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("size", [4, 20], ids=["at once", "by the queue"])
def test_a_function_that_ends_at_any_call_loses_nobody_and_keeps_the_time(
    groups: Groups, monkeypatch: pytest.MonkeyPatch, size: int, after: bool
) -> None:
    monkeypatch.setattr(module, "INLINE_MEMBERS", 4)
    monkeypatch.setattr(module, "CHUNK_MEMBERS", 8)
    for at in itertools.count(1):
        people = groups.people(size)
        group, body = groups.group(people), b"b" * 1_000
        groups.service.online(people[1])
        frame = groups.frame(group, body)
        crashing = Crashing(at=at, after=after)
        at_ms = run_with_a_crash(groups, people, frame, crashing)
        assert counts(groups, people) == [0] + [1] * (size - 1), f"crash at call {at}"
        assert {content.at_ms for person in people for content in groups.contents(person)} == {at_ms}
        assert groups.bodies(people[-1]) == [body]
        record, done = markers(groups, group, people[0], frame.id)
        assert record.delivered == (size - 1, record.delivered[1]) if size == 4 else set(record.chunks) <= set(done)
        if crashing.calls < at:
            assert at >= 10
            break


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_in_whatever_order_entries_come_and_however_often_everybody_who_stays_has_it_once(
    groups: Groups, few: None, data: st.DataObject
) -> None:
    people = groups.people(8)
    author, *members = people
    group = groups.group([author, *members[:6]])
    frame = groups.frame(group, b"x" * data.draw(st.sampled_from([10, 900])))
    left: set[int] = set()
    acked: set[int] = set()
    every: list[Any] = []
    groups.queue.sent.clear()
    groups.send(frame, author)
    for step in range(data.draw(st.integers(2, 12))):
        every += [entry for entry in groups.queue.sent if entry not in every]
        match data.draw(st.sampled_from(["take", "take", "again", "leave", "join", "resend", "ack"])):
            case "take" if groups.queue.sent:
                index = data.draw(st.integers(0, len(groups.queue.sent) - 1))
                groups.fanout().work(groups.queue.sent.pop(index)[0], now=Instant(NOW_MS + step))
            case "again":
                groups.fanout().work(data.draw(st.sampled_from(every))[0], now=Instant(NOW_MS + step))
            case "leave":
                index = data.draw(st.integers(0, 5))
                left.add(index)
                groups.leave(group, members[index])
            case "join":
                groups.join(group, members[6], at_ms=NOW_MS + 1)
            case "resend":
                assert groups.send(frame, author, now_ms=NOW_MS + step).at == NOW_MS
            case "ack":
                index = data.draw(st.integers(0, 5))
                for envelope in groups.service.stored(members[index]):
                    groups.service.inbox.remove(members[index].devices[0].inbox, [envelope.id])
                    acked.add(index)
            case _:
                pass
    groups.work_all()
    for index, member in enumerate(members[:6]):
        if index in acked:
            assert groups.bodies(member) == []
        elif index not in left:
            assert groups.bodies(member) == [frame.body]
    assert counts(groups, [author, members[6]]) == [0, 0]


def test_what_is_sealed_opens_as_any_content_does(groups: Groups) -> None:
    """The parts around the recipient are made once. With the recipient in between they equal the result of `encode`."""
    address = DeviceAddress(groups.people(1)[0].account, DeviceNumber(3))
    for sender, sender_class in ((address, "verified"), (AppSender(new_app_id(), "An app ₹"), None)):
        for body in (b"", b"x" * 23, b"x" * 300, b"x" * 70_000):
            content = Content(
                new_message_id(NOW_MS), sender, sender_class, address.account, Kind.GROUP_MESSAGE, NOW_MS, body  # type: ignore[arg-type]
            )  # fmt: skip
            before, behind = content.around_recipient()
            assert before + content.to + behind == content.encode()
