"""Tests the progress of a message to a group, which only its author gets."""

from __future__ import annotations

from typing import Any

import pytest

from sandes.groups import group_delivery
from sandes.groups.fanout import INLINE_MEMBERS
from sandes.groups.group_delivery import GroupDeliveryDependencies, delivery
from sandes.identity.devices import Caller
from sandes.limits import Limit
from sandes.model.device import Account
from sandes.model.group import Group
from sandes.model.ids import DeviceNumber, MessageId, new_message_id
from sandes.model.instant import Instant
from sandes.protocol.client_api import GroupDelivery
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.fanouts import Groups, verified
from tests.support.service import NOW, NOW_MS, PEPPER, Person, Service


@pytest.fixture
def groups(service: Service) -> Groups:
    return Groups(service)


def caller(person: Person, index: int = 0) -> Caller:
    devices = {device.number: device for device in person.devices}
    account = Account(person.account, "", b"", NOW, DeviceNumber(len(devices)), devices)
    return Caller(account, person.devices[index])


def asked(groups: Groups, person: Person, group: Group, message: MessageId, **how: Any) -> GroupDelivery:
    fanout = groups.fanout()
    deps = GroupDeliveryDependencies(
        groups=fanout.groups,
        posts=fanout.store,
        routing=fanout.routing,
        inbox=fanout.inbox,
        limits=groups.service.limits,
        keys=fanout.keys,
        sender_hash=fanout.sender_hash,
        pepper=PEPPER,
    )
    terms = {"after": None, "now": Instant(NOW_MS)} | how
    who = caller(person, terms.pop("index", 0))
    return delivery(who, group.id, message, deps=deps, **terms)


def counts(answer: GroupDelivery) -> tuple[int, int, int, bool]:
    return answer.members, answer.devices, answer.waiting, answer.complete


def ack(groups: Groups, person: Person, index: int = 0) -> None:
    ids = [envelope.id for envelope in groups.service.stored(person, index)]
    groups.service.inbox.remove(person.devices[index].inbox, ids)


def test_devices_are_counted_once_stored_and_waiting_ones_until_they_ack(groups: Groups) -> None:
    author, *others = groups.people(5, devices=2)
    group = groups.group([author, *others])
    frame = groups.frame(group)
    groups.send(frame, author)
    assert counts(asked(groups, author, group, frame.id)) == (5, 9, 9, True)
    ack(groups, others[0], 1)
    ack(groups, author, 1)
    assert counts(asked(groups, author, group, frame.id, index=1)) == (5, 9, 7, True)
    assert asked(groups, author, group, frame.id).cursor is None


def test_a_large_message_is_complete_once_every_chunk_is(groups: Groups) -> None:
    people = groups.people(130)
    group = groups.group(people)
    frame = groups.frame(group)
    groups.send(frame, people[0])
    assert counts(asked(groups, people[0], group, frame.id)) == (130, 0, 0, False)
    groups.work_one()
    groups.work_one()
    answer = asked(groups, people[0], group, frame.id)
    assert answer.complete is False
    assert 0 < answer.devices == answer.waiting <= 100
    groups.work_one()
    assert counts(asked(groups, people[0], group, frame.id)) == (130, 129, 129, True)


def test_waiting_is_counted_by_pages_that_add_up(groups: Groups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_delivery, "PAGE", 20)
    people = groups.people(INLINE_MEMBERS + 13)
    group = groups.group(people)
    frame = groups.frame(group)
    groups.send(frame, people[0])
    groups.work_all()
    ack(groups, people[3])
    pages = [asked(groups, people[0], group, frame.id)]
    while pages[-1].cursor:
        pages.append(asked(groups, people[0], group, frame.id, after=pages[-1].cursor))
    assert len(pages) == 3
    assert sum(page.waiting for page in pages) == len(people) - 2
    assert {page.devices for page in pages} == {len(people) - 1}


def test_what_has_expired_waits_no_more_though_its_row_is_still_there(groups: Groups) -> None:
    author, other = groups.people(2)
    group = groups.group([author, other])
    frame = groups.frame(group, expires_in=60)
    groups.send(frame, author)
    assert counts(asked(groups, author, group, frame.id, now=Instant(NOW_MS + 59_000))) == (2, 1, 1, True)
    assert counts(asked(groups, author, group, frame.id, now=Instant(NOW_MS + 60_000))) == (2, 1, 0, True)


def test_others_the_authors_own_after_leaving_and_unknown_ids_are_all_not_found(groups: Groups) -> None:
    author, other, outsider = groups.people(3)
    group, elsewhere = groups.group([author, other]), groups.group([author, other])
    frame = groups.frame(group)
    groups.send(frame, author)
    groups.leave(group, author)
    refused: list[tuple[Person, Group, MessageId]] = [
        (other, group, frame.id),
        (outsider, group, frame.id),
        (author, elsewhere, frame.id),
        (author, group, frame.id),
        (other, group, new_message_id(NOW_MS)),
    ]
    for person, where, message in refused:
        with pytest.raises(ProtocolError) as caught:
            asked(groups, person, where, message)
        assert caught.value.code is ErrorCode.NOT_FOUND


def test_an_official_whose_verification_has_ended_learns_nothing_of_a_group_of_officials(groups: Groups) -> None:
    author, other = groups.people(2, standing=verified())
    group = groups.group([author, other], audience="officials")
    frame = groups.frame(group)
    groups.send(frame, author)
    with pytest.raises(ProtocolError, match="not_found"):
        asked(groups, author, group, frame.id)  # whose account has no standing


def test_a_cursor_is_of_use_for_its_message_and_account_only(groups: Groups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_delivery, "PAGE", 1)
    author, other = groups.people(2)
    group = groups.group([author, other])
    first, second = groups.frame(group), groups.frame(group)
    groups.send(first, author)
    groups.send(second, author)
    cursor = asked(groups, author, group, first.id).cursor
    assert cursor
    for wrong in (cursor[:-2], "x" * 40):
        with pytest.raises(ProtocolError, match="invalid_cursor"):
            asked(groups, author, group, first.id, after=wrong)
    with pytest.raises(ProtocolError, match="invalid_cursor"):
        asked(groups, author, group, second.id, after=cursor)


def test_asking_is_limited(groups: Groups) -> None:
    author, other = groups.people(2)
    group = groups.group([author, other])
    for _ in range(Limit.GROUP_DELIVERIES.burst):
        with pytest.raises(ProtocolError, match="not_found"):
            asked(groups, author, group, new_message_id(NOW_MS))
    with pytest.raises(ProtocolError, match="rate_limited"):
        asked(groups, author, group, new_message_id(NOW_MS))
    with pytest.raises(ProtocolError, match="not_found"):
        asked(groups, other, group, new_message_id(NOW_MS))
