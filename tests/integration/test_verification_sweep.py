"""Tests the sweep: memberships end after each verification, whatever interrupts the sweep."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import pytest

from sandes.administration.people.verification_sweep import AGAIN_SECONDS, SWEEP_SECONDS, SweepDependencies, end_due
from sandes.model.ids import OrganisationId, UnitId, account_text, id_text, parse_account, parse_organisation
from sandes.model.instant import Instant
from sandes.ports.queues import Queue
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.dynamo import StoreUnavailable
from sandes.store.verification_endings import SHARDS
from tests.support.dynamodb import FlakyClient, OvertakenClient
from tests.support.keys import DeviceKeys
from tests.support.queue import FakeQueue
from tests.support.service import Person, Service

HOUR, YEAR = 3_600, 365 * 86_400
Job = tuple[str, str]


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


@pytest.fixture
def service(store_backend: Service, queue: FakeQueue) -> Service:
    """Make a service without leftovers of earlier tests, which use the same tables."""
    sweep(store_backend, queue, at=store_backend.now_ms // 1000 + 6 * 366 * 86_400)
    finish(store_backend, queue)
    return store_backend


def finish(service: Service, queue: FakeQueue) -> None:
    """Process the queue as far as the sweep is concerned: all memberships have ended."""
    for body, _ in queue.sent:
        account, organisation = parse_account(body["account"]), parse_organisation(body["organisation"])
        service.verifications.done(account, organisation, body["version"])
    queue.sent.clear()


def sweep(service: Service, queue: Queue, *, at: int, client: Any = None, elapsed: Any = None) -> int:
    store = service.verifications
    if client:
        store = replace(store, client=client)
    deps = SweepDependencies(store, queue)
    return end_due(now=Instant(at * 1000), deps=deps, elapsed=elapsed or (lambda: 0.0))


def jobs(queue: FakeQueue) -> list[Job]:
    assert all(body["job"] == "end_memberships" and delay == 0 for body, delay in queue.sent)
    return [(body["account"], body["organisation"]) for body, _ in queue.sent]


def job(person: Person, organisation: OrganisationId) -> Job:
    return account_text(person.account), id_text(organisation)


def now_of(service: Service) -> int:
    return service.now_ms // 1000


def state(service: Service, person: Person) -> str | None:
    verification = service.verifications.read(person.account)
    return verification.ended if verification else None


def test_a_verification_expires_without_anybodys_doing(service: Service, queue: FakeQueue) -> None:
    of, person, now = service.organisation(), service.person(), now_of(service)
    service.verify(person, of, expires_in_seconds=HOUR)
    assert sweep(service, queue, at=now + HOUR - 1) == 0
    assert service.account(person.account).standing_at(now + HOUR - 1)
    assert service.account(person.account).standing_at(now + HOUR) is None  # before any sweep
    assert sweep(service, queue, at=now + HOUR) == 1
    assert jobs(queue) == [job(person, of)]
    ended = service.verifications.read(person.account)
    assert ended is not None
    assert (ended.ended, ended.ended_at, ended.words) == ("expired", now + HOUR, ())
    assert service.account(person.account).standing is None
    unit = service.organisations.unit(of, UnitId(of))
    assert unit is not None
    assert unit[1].officials == 0
    assert found_by(service, of) == []


def found_by(service: Service, organisation: OrganisationId) -> list[str]:
    answer = service.client.query(
        TableName=service.tables["directory"],
        KeyConditionExpression="p = :p",
        ExpressionAttributeValues={":p": {"S": f"S#{id_text(organisation)}"}},
    )
    return [item["s"]["S"] for item in answer["Items"]]


def test_nothing_is_passed_over_after_a_year_without_a_sweep(service: Service, queue: FakeQueue) -> None:
    of, person = service.organisation(), service.person()
    service.verify(person, of, expires_in_seconds=HOUR)
    assert sweep(service, queue, at=now_of(service) + 366 * 86_400) == 1
    assert jobs(queue) == [job(person, of)]


@pytest.mark.parametrize("how", ["revoked", "replaced"])
def test_memberships_end_after_a_revocation_and_after_registering_anew(
    service: Service, queue: FakeQueue, how: str
) -> None:
    of, person, now = service.organisation(), service.person(), now_of(service)
    service.verify(person, of)
    if how == "revoked":
        service.revoke(person)
    else:
        service.register(person.phone, DeviceKeys())
    assert sweep(service, queue, at=now) == 1
    assert jobs(queue) == [job(person, of)]
    assert state(service, person) == how
    assert sweep(service, queue, at=now + AGAIN_SECONDS - 1) == 0
    assert sweep(service, queue, at=now + AGAIN_SECONDS) == 1
    assert jobs(queue) == [job(person, of)] * 2
    finish(service, queue)
    assert sweep(service, queue, at=now + HOUR) == 0


def test_who_is_verified_again_by_the_same_organisation_keeps_memberships(service: Service, queue: FakeQueue) -> None:
    of, person = service.organisation(), service.person()
    service.verify(person, of)
    service.revoke(person, "a mistake")
    service.verify(person, of)
    assert sweep(service, queue, at=now_of(service)) == 0
    assert state(service, person) is None


@pytest.mark.parametrize("swept", [False, True], ids=["before any sweep", "swept"])
def test_a_second_organisation_vouches_once_memberships_of_the_first_have_ended(
    service: Service, queue: FakeQueue, swept: bool
) -> None:
    of, other, person, now = service.organisation(), service.organisation(), service.person(), now_of(service)
    service.verify(person, of, expires_in_seconds=HOUR)
    if swept:
        sweep(service, queue, at=now + HOUR)
    with pytest.raises(ProtocolError) as caught:
        service.verify(person, other, now_ms=(now + HOUR) * 1000)
    assert (caught.value.code, caught.value.retry_after_seconds) == (ErrorCode.UNAVAILABLE, 60)
    sweep(service, queue, at=now + HOUR)
    assert jobs(queue) == [job(person, of)]
    finish(service, queue)
    service.verify(person, other, now_ms=(now + HOUR) * 1000)
    assert state(service, person) is None
    standing = service.account(person.account).standing
    assert standing is not None
    assert standing.organisation == other


# What goes wrong


def test_what_could_not_be_queued_is_queued_by_the_next_sweep(service: Service, queue: FakeQueue) -> None:
    of, person, now = service.organisation(), service.person(), now_of(service)
    service.verify(person, of, expires_in_seconds=HOUR)
    queue.failing = True
    with pytest.raises(StoreUnavailable):
        sweep(service, queue, at=now + HOUR)
    assert state(service, person) == "expired"
    queue.failing = False
    assert sweep(service, queue, at=now + HOUR + 60) == 1
    assert jobs(queue) == [job(person, of)]


def test_what_was_queued_and_not_marked_is_queued_again(service: Service, queue: FakeQueue) -> None:
    of, person, now = service.organisation(), service.person(), now_of(service)
    service.verify(person, of)
    service.revoke(person)
    client = FlakyClient(service.client, {"update_item": 1})
    with pytest.raises(Exception, match="slow down"):
        sweep(service, queue, at=now, client=client)
    assert sweep(service, queue, at=now) == 1
    assert jobs(queue) == [job(person, of)] * 2
    assert sweep(service, queue, at=now) == 0


@dataclass
class Interrupted:
    """Takes a part of its input, then fails."""

    queue: FakeQueue
    room: int

    def send(self, body: dict[str, Any], *, delay_seconds: int = 0) -> None:
        if not self.room:
            raise StoreUnavailable
        self.room -= 1
        self.queue.send(body, delay_seconds=delay_seconds)

    def send_many(self, bodies: Any, *, delay_seconds: int = 0) -> None:
        for body in bodies:
            self.send(body, delay_seconds=delay_seconds)


def test_a_sweep_that_breaks_off_half_way_leaves_nobody_out(service: Service, queue: FakeQueue) -> None:
    of, now = service.organisation(), now_of(service)
    people = [service.person() for _ in range(3)]
    for person in people:
        service.verify(person, of, expires_in_seconds=HOUR)
    with pytest.raises(StoreUnavailable):
        sweep(service, Interrupted(queue, room=2), at=now + HOUR)
    sweep(service, queue, at=now + HOUR)
    assert set(jobs(queue)) == {job(person, of) for person in people}


def test_two_sweeps_at_once_leave_nobody_out_and_count_nobody_twice(service: Service, queue: FakeQueue) -> None:
    of, person, now = service.organisation(), service.person(), now_of(service)
    service.verify(person, of, expires_in_seconds=HOUR)
    client = OvertakenClient(service.client, "transact_write_items", lambda: sweep(service, queue, at=now + HOUR))
    sweep(service, queue, at=now + HOUR, client=client)
    assert set(jobs(queue)) == {job(person, of)}
    unit = service.organisations.unit(of, UnitId(of))
    assert unit is not None
    assert unit[1].officials == 0


def test_who_is_renewed_while_the_sweep_comes_by_stays_verified(service: Service, queue: FakeQueue) -> None:
    of, person, now = service.organisation(), service.person(), now_of(service)
    service.verify(person, of, expires_in_seconds=HOUR)
    later = (now + HOUR) * 1000
    client = OvertakenClient(service.client, "transact_write_items", lambda: service.verify(person, of, now_ms=later))
    assert sweep(service, queue, at=now + HOUR, client=client) == 0
    assert client.overtaken
    assert jobs(queue) == []
    assert service.account(person.account).standing_at(now + HOUR)
    assert sweep(service, queue, at=now + 2 * HOUR) == 0


def test_who_is_verified_again_after_being_queued_is_not_put_off(service: Service, queue: FakeQueue) -> None:
    """Otherwise the person's next ending would be lost."""
    of, person, now = service.organisation(), service.person(), now_of(service)
    service.verify(person, of)
    service.revoke(person)
    client = OvertakenClient(service.client, "update_item", lambda: service.verify(person, of))
    sweep(service, queue, at=now, client=client)
    assert client.overtaken
    finish(service, queue)
    assert sweep(service, queue, at=now + YEAR) == 1
    assert jobs(queue) == [job(person, of)]


def test_a_busy_shard_does_not_keep_the_others_from_being_swept(service: Service, queue: FakeQueue) -> None:
    of, now = service.organisation(), now_of(service)
    people = [service.person() for _ in range(2)]
    while people[0].account[-1] % SHARDS == people[1].account[-1] % SHARDS:
        people[1] = service.person()
    for person in people:
        service.verify(person, of)
        service.revoke(person)
    for person in people:
        clock = itertools.count(step=SWEEP_SECONDS + 1)
        deps = SweepDependencies(service.verifications, queue, any_below=lambda _, p=person: p.account[-1] % SHARDS)  # type: ignore[misc]
        assert end_due(now=Instant(now * 1000), deps=deps, elapsed=lambda clock=clock: float(next(clock))) == 1  # type: ignore[misc]
        assert jobs(queue)[-1] == job(person, of)


@dataclass
class OneByOne:
    """Wraps a client whose queries return one row in each page."""

    client: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def query(self, **arguments: Any) -> Any:
        return self.client.query(**arguments, Limit=1)


def test_a_sweep_ends_before_its_time_does_and_the_next_goes_on(service: Service, queue: FakeQueue) -> None:
    of, now = service.organisation(), now_of(service)
    people = [service.person() for _ in range(3)]
    for person in people:
        service.verify(person, of)
        service.revoke(person)
    clock = itertools.count(step=SWEEP_SECONDS + 1)
    for _ in range(3):
        assert sweep(service, queue, at=now, client=OneByOne(service.client), elapsed=lambda: float(next(clock))) == 1
    assert set(jobs(queue)) == {job(person, of) for person in people}


def test_many_ends_are_read_page_by_page(service: Service, queue: FakeQueue) -> None:
    of, now = service.organisation(), now_of(service)
    people = [service.person() for _ in range(8)]
    for person in people:
        service.verify(person, of)
        service.revoke(person)

    assert sweep(service, queue, at=now, client=OneByOne(service.client)) == 8
    assert set(jobs(queue)) == {job(person, of) for person in people}
