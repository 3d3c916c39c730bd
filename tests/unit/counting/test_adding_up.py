"""Tests counting from the acts of people and apps, by the records of the tables' streams, to the numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandes.apps.app_status import StatusDependencies, expire_due, take_receipt
from sandes.counting.adding_up import Added, AddingDependencies, add_up
from sandes.counting.tally import Tally
from sandes.messaging.deliver import hello
from sandes.messaging.send import send as send_message
from sandes.model import statistics as counters
from sandes.model.delivery import AppMessage, Envelopes, Status
from sandes.model.ids import (
    AppId,
    OrganisationId,
    id_text,
    new_account_id,
    new_group_id,
    new_message_id,
    parse_app,
)
from sandes.model.instant import Instant
from sandes.model.statistics import Step, app_scope, hour_of, organisation_scope, period, took
from sandes.protocol.frames import Hello
from sandes.store.deliveries import DeliveryStore
from sandes.store.dynamo import StoreUnavailable
from sandes.store.statistics import StatisticsStore
from tests.support.app_keys import AppKeys
from tests.support.dynamodb import FlakyClient, memory_dynamodb
from tests.support.keys import DeviceKeys
from tests.support.otps import cancel, check, code_for, other, resend
from tests.support.otps import send as send_otp
from tests.support.queue import FakeQueue
from tests.support.service import NOW, NOW_MS, Person, Service, new_phone
from tests.support.streams import Record, Streams, adding_deps

SOURCES = ("directory", "codes", "deliveries", "statistics")


class Counting:
    """Holds a service whose tables' streams are read incrementally, as by Lambda."""

    def __init__(self) -> None:
        client, tables, database = memory_dynamodb()
        self.streams = Streams(database)
        self.service = Service(client, tables)
        self.deps = adding_deps(client, tables)
        self._read = dict.fromkeys(SOURCES, 0)

    @property
    def store(self) -> StatisticsStore:
        return self.deps.store

    def new_records(self, table: str) -> list[Record]:
        records = self.streams.records(table)[self._read[table] :]
        self._read[table] += len(records)
        return records

    def count(self) -> None:
        for table in SOURCES:
            if records := self.new_records(table):
                assert add(table, records, self.deps).skipped == 0

    def of(self, scope: str, step: Step = "day") -> dict[str, int]:
        """Return all counts ever made, at any time of the database's clock."""
        rows = self.store.read(scope, f"{step}#", f"{step}#~")
        total: dict[str, int] = {}
        for counts in rows.values():
            for counter, times in counts.items():
                total[counter] = total.get(counter, 0) + times
        return {counter: times for counter, times in total.items() if times}


def add(table: str, records: list[Record], deps: AddingDependencies) -> Added:
    return add_up(table, records, now_seconds=NOW, deps=deps)


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def ministry(counting: Counting) -> OrganisationId:
    return counting.service.organisation()


@pytest.fixture
def app(counting: Counting, ministry: OrganisationId) -> AppKeys:
    return counting.service.app(organisation_id=id_text(ministry))


@pytest.fixture
def platform(counting: Counting) -> Any:
    def read() -> dict[str, int]:
        counting.count()
        return counting.of(counters.PLATFORM)

    return read


# People


def test_accounts_are_counted_once_however_many_devices_and_numbers_they_come_to_have(
    counting: Counting, platform: Any
) -> None:
    person = counting.service.person(device_count=2)
    counting.service.person()
    counting.service.register(person.phone, DeviceKeys())
    assert platform() == {"registered": 2}


def test_officials_are_counted_by_their_organisation_when_it_begins_and_ends_to_vouch_for_them(
    counting: Counting, ministry: OrganisationId
) -> None:
    first, second = counting.service.person(), counting.service.person()
    for person in (first, second):
        counting.service.verify(person, ministry)
    counting.service.verify(first, ministry, post="Director")  # renewed
    counting.service.revoke(second)
    counting.count()
    assert counting.of(organisation_scope(ministry)) == {"verified": 2}
    counting.service.memberships_have_ended(second)
    counting.count()
    assert counting.of(organisation_scope(ministry)) == {"verified": 2, "verification_ended": 1}


def test_nothing_of_groups_profiles_and_words_is_taken_for_people(counting: Counting, ministry: OrganisationId) -> None:
    official = counting.service.person()
    counting.service.verify(official, ministry)
    counting.service.directory.block(owner=official.account, blocked=new_account_id())
    counting.service.directory.invite(owner=official.account, invited=new_account_id(), now_seconds=NOW)
    counting.count()
    assert counting.of(counters.PLATFORM) == {"registered": 1, "verified": 1}


# Messages between people, and who is active


def test_messages_of_officials_count_for_their_organisation_and_all_for_the_platform(
    counting: Counting, ministry: OrganisationId
) -> None:
    official, citizen = counting.service.person(), counting.service.person()
    counting.service.verify(official, ministry)
    deps = counting.service.send_deps(tally=Tally(counting.store))
    to_citizen, to_official = counting.service.message(citizen), counting.service.message(official)
    send_message(to_citizen, official.principal(), now=Instant(NOW_MS), deps=deps)
    send_message(to_official, citizen.principal(), now=Instant(NOW_MS), deps=deps)
    send_message(to_citizen, official.principal(), now=Instant(NOW_MS + 5), deps=deps)  # a retry
    send_message(counting.service.message(citizen), official.principal(), now=Instant(NOW_MS + 60_000), deps=deps)
    counting.count()
    assert counting.of(organisation_scope(ministry))["direct_messages"] == 2
    assert counting.of(counters.PLATFORM)["direct_messages"] == 3


def says_hello(counting: Counting, person: Person, at_ms: int, tally: Tally, index: int = 0) -> None:
    connection = counting.service.socket()
    principal = person.principal(index, connected_at_ms=at_ms)
    hello(
        Hello(type="hello", ref="r", protocol=1),
        principal,
        connection,
        now=Instant(at_ms),
        deps=counting.service.deliver_deps(tally=tally),
    )


def test_an_account_is_active_once_a_day_however_often_and_by_whatever_device_it_connects(
    counting: Counting, ministry: OrganisationId
) -> None:
    official = counting.service.person(device_count=2)
    counting.service.verify(official, ministry)
    day, midnight = 86_400_000, NOW_MS - NOW_MS % 86_400_000
    for at_ms, index in ((0, 0), (60_000, 1), (day - 1, 0), (day, 0), (day + 5, 0), (2 * day, 1)):
        says_hello(counting, official, midnight + at_ms, Tally(counting.store), index)
    counting.count()
    by_day = counting.store.read(organisation_scope(ministry), "day#", "day#~")
    active = {name: counts["active"] for name, counts in by_day.items() if "active" in counts}
    assert active == {period("day", hour_of((midnight + more * day) // 1000)): 1 for more in range(3)}


# Messages of apps


def status_deps(counting: Counting) -> StatusDependencies:
    view = counting.service.app_view()
    return StatusDependencies(view.apps, view.deliveries, FakeQueue())


def message(counting: Counting, app: AppId, **changed: Any) -> AppMessage:
    """Build an app's message as it is stored when it is accepted."""
    terms: dict[str, Any] = {
        "app": app,
        "id": new_message_id(NOW_MS),
        "status": Status.QUEUED,
        "account": new_account_id(),
        "envelopes": Envelopes(()),
        "deadline": NOW + 60,
        "category": "notice",
        "language": "en",
        "template": None,
        "client_ref": None,
        "batch": None,
        "failure": None,
        "test": False,
        "times_ms": {Status.ACCEPTED: NOW_MS, Status.QUEUED: NOW_MS},
    }
    made = AppMessage(**terms | changed)
    store: DeliveryStore = counting.service.app_view().deliveries
    store.write([store.creating(made)])
    return made


def arrives(counting: Counting, one: AppMessage, to: Status, *, after_ms: int) -> None:
    assert one.account
    take_receipt(one.app, one.account, to, [one.id], now=Instant(NOW_MS + after_ms), deps=status_deps(counting))


def test_messages_of_apps_are_counted_in_each_status_for_app_organisation_and_platform(
    counting: Counting, app: AppKeys, ministry: OrganisationId
) -> None:
    id = parse_app(app.app)
    first, second = message(counting, id), message(counting, id, category="alert")
    arrives(counting, first, Status.DELIVERED, after_ms=400)
    arrives(counting, first, Status.DELIVERED, after_ms=900)
    arrives(counting, first, Status.READ, after_ms=60_000)
    arrives(counting, second, Status.READ, after_ms=30_000)
    message(counting, id, status=Status.FAILED, failure="not_registered", account=None)
    message(counting, id)
    expire_due(now=Instant(NOW_MS + 61_000), deps=status_deps(counting), elapsed=lambda: 0.0)
    counting.count()
    expected = {
        "notice_accepted": 3,
        "notice_delivered": 1,
        "notice_read": 1,
        "notice_failed": 1,
        "notice_expired": 1,
        "alert_accepted": 1,
        "alert_delivered": 1,
        "alert_read": 1,
    }
    for scope in (app_scope(id), organisation_scope(ministry), counters.PLATFORM):
        counts = counting.of(scope)
        assert {name: times for name, times in counts.items() if name in expected} == expected
        times = took(counts)
        assert times.count == 2
        assert times.p50_ms == pytest.approx(400, rel=0.19)
        assert times.p99_ms == pytest.approx(30_000, rel=0.19)


def test_messages_with_test_keys_and_to_groups_are_not_counted_among_those_to_people(
    counting: Counting, app: AppKeys
) -> None:
    id = parse_app(app.app)
    message(counting, id, test=True)
    message(counting, id, group=new_group_id(), account=None)
    counting.count()
    assert counting.of(app_scope(id)) == {"app_group_messages": 1}


def test_an_app_of_no_organisation_counts_for_itself_and_the_platform(counting: Counting) -> None:
    app = counting.service.app()
    message(counting, parse_app(app.app))
    counting.count()
    assert counting.of(app_scope(parse_app(app.app))) == {"notice_accepted": 1}
    assert counting.of(counters.PLATFORM)["notice_accepted"] == 1


# One-time passwords


def test_one_time_passwords_are_counted_by_what_becomes_of_them(counting: Counting, app: AppKeys) -> None:
    service, people = counting.service, [counting.service.person() for _ in range(6)]
    used, wrong, locked, last_attempt, cancelled, resent = (send_otp(service, app, person).id for person in people)
    codes = [code_for(service, person) for person in people]
    assert check(service, app, used, codes[0])[0] == "approved"
    check(service, app, wrong, other(codes[1]))
    for _ in range(4):
        check(service, app, locked, other(codes[2]))
    for _ in range(2):
        check(service, app, last_attempt, other(codes[3]))
    assert check(service, app, last_attempt, codes[3]) == ("approved", 0)
    cancel(service, app, cancelled)
    resend(service, app, resent, at=31)
    check(service, app, resent, other(code_for(service, people[5])), at=32)
    counting.count()
    assert counting.of(app_scope(parse_app(app.app))) == {
        "otps": 6,
        "otp_resends": 1,
        "otps_used": 2,
        "otps_cancelled": 1,
        "otps_locked": 1,
    }


def test_an_sms_beside_a_code_and_beside_its_resend_is_no_resend(counting: Counting, app: AppKeys) -> None:
    service = counting.service
    id = send_otp(service, app, new_phone()).id
    view = service.app_view()
    sent = view.otps.read(id, now_seconds=NOW)
    assert sent
    view.otps.sent_by_sms(sent)
    resend(service, app, id, at=31)
    again = view.otps.read(id, now_seconds=NOW)
    assert again
    view.otps.sent_by_sms(again)
    counting.count()
    assert counting.of(app_scope(parse_app(app.app))) == {"otps": 1, "otp_resends": 1}


def test_codes_of_registrations_are_not_counted(counting: Counting) -> None:
    counting.service.start(new_phone())
    counting.count()
    assert counting.of(counters.PLATFORM) == {}


# Batches


def test_a_batch_that_comes_again_is_counted_once(counting: Counting, app: AppKeys) -> None:
    for _ in range(3):
        message(counting, parse_app(app.app))
    records = counting.new_records("deliveries")
    assert not add("deliveries", records, counting.deps).repeated
    again = add("deliveries", records, adding_deps(counting.service.client, counting.service.tables))
    assert (again.repeated, list(again.occurrences)) == (True, [])
    assert counting.of(counters.PLATFORM)["notice_accepted"] == 3


def test_a_batch_for_more_rows_than_a_transaction_takes_is_counted_once_though_it_ends_half_way(
    counting: Counting,
) -> None:
    apps = [parse_app(counting.service.app().app) for _ in range(60)]  # two rows each, and two of the platform
    for app in apps:
        message(counting, app)
    records = counting.new_records("deliveries")
    original = counting.service.client.transact_write_items
    calls: list[int] = []

    def counted_call(**request: Any) -> Any:
        calls.append(len(request["TransactItems"]))
        if len(calls) == 2:
            raise StoreUnavailable
        return original(**request)

    deps = adding_deps(_Replaced(counting.service.client, counted_call), counting.service.tables)
    with pytest.raises(StoreUnavailable):
        add("deliveries", records, deps)
    assert not add("deliveries", records, deps).repeated
    assert calls == [100, 24, 100, 24]
    assert {app: counting.of(app_scope(app)) for app in apps} == {app: {"notice_accepted": 1} for app in apps}
    assert counting.of(counters.PLATFORM)["notice_accepted"] == 60


class _Replaced:
    """Replaces `transact_write_items` of a client."""

    def __init__(self, client: Any, transact: Any) -> None:
        self._client = client
        self.transact_write_items = transact

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_a_record_that_cannot_be_read_keeps_no_other_from_being_counted(counting: Counting, app: AppKeys) -> None:
    for _ in range(2):
        message(counting, parse_app(app.app))
    first, last = counting.new_records("deliveries")
    broken = json.loads(json.dumps(first))
    del broken["dynamodb"]["NewImage"]["z"]
    nonsense = {**first, "dynamodb": {**first["dynamodb"], "Keys": {"p": {"S": "M#no-app"}, "s": {"S": "x"}}}}
    added = add("deliveries", [first, broken, nonsense, last], counting.deps)
    assert (added.records, added.skipped) == (4, 2)
    assert counting.of(counters.PLATFORM)["notice_accepted"] == 2


def test_whose_an_app_is_is_read_once_in_ten_minutes(counting: Counting, app: AppKeys) -> None:
    client = FlakyClient(counting.service.client)
    deps = adding_deps(client, counting.service.tables)
    for at in (0, 599, 600):
        message(counting, parse_app(app.app))
        add_up("deliveries", counting.new_records("deliveries"), now_seconds=NOW + at, deps=deps)
    assert client.calls.count("get_item") == 2


def test_the_streams_hold_no_row_as_it_was_before_and_none_of_what_is_deleted(counting: Counting, app: AppKeys) -> None:
    service = counting.service
    person = service.person()
    send_otp(service, app, person)
    key = {"i": {"S": counting.streams.records("codes")[-1]["dynamodb"]["Keys"]["i"]["S"]}}
    service.client.delete_item(TableName="codes", Key=key)
    for table in SOURCES:
        for record in counting.streams.records(table):
            assert "OldImage" not in record["dynamodb"]
            assert table != "directory" or "NewImage" not in record["dynamodb"]
    assert counting.streams.records("codes")[-1]["eventName"] == "REMOVE"
