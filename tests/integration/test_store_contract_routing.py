"""Tests what use cases rely on in the routing table, the view of a send, and the limits table."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from sandes.limits import Limit
from sandes.model.device import SealKey
from sandes.model.ids import ConnectionId, DeviceAddress, DeviceNumber, RegistrationId, new_account_id, new_inbox_id
from sandes.store import dynamo
from sandes.store.directory import DirectoryStore
from sandes.store.dynamo import BATCH_TRIES, StoreUnavailable
from sandes.store.enrolment import EnrolmentRaced
from sandes.store.limits import LimitStore
from sandes.store.routing import (
    CONNECTION_SECONDS,
    DRAIN_LEASE_MS,
    DeviceGone,
    DrainUnderWay,
    HelloMissing,
    RoutingStore,
    SocketSuperseded,
)
from sandes.store.send_view import SendView
from tests.support.dynamodb import FlakyClient
from tests.support.service import Person, Service

OLD, NEW = ConnectionId("old"), ConnectionId("new")


@pytest.fixture
def asha(store_backend: Service) -> Person:
    return store_backend.person()


def connect(service: Service, person: Person, connection: ConnectionId, *, at: int = 0, **changed: Any) -> Any:
    principal = replace(person.principal(connected_at_ms=service.now_ms + at, socket=at), **changed)
    return service.routing.connect(principal, connection, now_seconds=service.now_ms // 1000)


def disconnect(service: Service, address: DeviceAddress, connection: ConnectionId, *, later_seconds: int = 0) -> bool:
    return service.routing.disconnect(address, connection, now_seconds=service.now_ms // 1000 + later_seconds)


def live(service: Service, person: Person, index: int = 0, *, later_seconds: int = 0) -> ConnectionId | None:
    routes = service.routes(person, now_ms=service.now_ms + later_seconds * 1000)
    return routes.devices[person.devices[index].number].connection


def all_at_once(how_many: int, call: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(how_many) as pool:
        return list(pool.map(call, range(how_many)))


# Connections


def test_a_device_is_offline_until_it_connects_and_after_its_socket_ran_out(
    store_backend: Service, asha: Person
) -> None:
    assert live(store_backend, asha) is None
    connect(store_backend, asha, OLD)
    assert live(store_backend, asha) == OLD
    assert live(store_backend, asha, later_seconds=CONNECTION_SECONDS - 1) == OLD
    assert live(store_backend, asha, later_seconds=CONNECTION_SECONDS) is None


def test_connecting_counts_up_and_names_the_socket_before(store_backend: Service, asha: Person) -> None:
    first = connect(store_backend, asha, OLD)
    second = connect(store_backend, asha, NEW, at=1)
    third = connect(store_backend, asha, NEW, at=1)
    assert [(made.epoch, made.previous) for made in (first, second, third)] == [(1, None), (2, OLD), (3, None)]


def test_an_older_socket_does_not_take_over_from_a_newer_one_even_after_that_has_gone(
    store_backend: Service, asha: Person
) -> None:
    connect(store_backend, asha, NEW, at=1)
    with pytest.raises(SocketSuperseded):
        connect(store_backend, asha, OLD, at=0)
    disconnect(store_backend, asha.address(), NEW)
    with pytest.raises(SocketSuperseded):
        connect(store_backend, asha, OLD, at=0)
    assert live(store_backend, asha) is None


def test_sockets_are_numbered_in_the_order_of_their_handshakes(store_backend: Service) -> None:
    asha, other = store_backend.person(2), store_backend.person()
    number = store_backend.routing.number_socket
    assert [number(asha.principal()), number(asha.principal()), number(asha.principal(1))] == [1, 2, 1]
    assert number(other.principal()) == 1
    assert sorted(all_at_once(8, lambda _: number(other.principal()))) == list(range(2, 10))
    for gone in (
        replace(asha.principal(), registration=RegistrationId(asha.devices[0].registration ^ 1)),
        replace(asha.principal(), address=replace(asha.address(), device=DeviceNumber(77))),
        replace(asha.principal(), address=replace(asha.address(), account=new_account_id())),
    ):
        with pytest.raises(DeviceGone):
            number(gone)


@pytest.mark.parametrize("skew_ms", [-5_000, -3_000, 0, 3_000])
def test_the_newer_socket_wins_whatever_the_clock_of_its_authorizer(
    store_backend: Service, asha: Person, skew_ms: int
) -> None:
    first = asha.principal(connected_at_ms=store_backend.now_ms, socket=1)
    second = asha.principal(connected_at_ms=store_backend.now_ms + skew_ms, socket=2)
    now = store_backend.now_ms // 1000
    store_backend.routing.connect(first, OLD, now_seconds=now)
    store_backend.routing.connect(second, NEW, now_seconds=now)
    with pytest.raises(SocketSuperseded):
        store_backend.routing.connect(first, OLD, now_seconds=now)
    assert live(store_backend, asha) == NEW


# Drains


def begin(service: Service, person: Person, connection: ConnectionId, *, at: int = 0, later_ms: int = 0) -> int:
    principal = person.principal(socket=at)
    return service.routing.begin_drain(principal, connection, now_ms=service.now_ms + later_ms)


def test_one_drain_of_a_device_is_under_way_at_a_time(store_backend: Service) -> None:
    asha = store_backend.person(2)
    connect(store_backend, asha, OLD)
    until_ms = begin(store_backend, asha, OLD)
    assert until_ms == store_backend.now_ms + DRAIN_LEASE_MS
    with pytest.raises(DrainUnderWay) as caught:
        begin(store_backend, asha, OLD, later_ms=DRAIN_LEASE_MS - 1)
    assert caught.value.until_ms == until_ms
    store_backend.routing.end_drain(asha.principal(), until_ms)
    assert begin(store_backend, asha, OLD, later_ms=1) == until_ms + 1
    store_backend.routing.end_drain(asha.principal(), until_ms)  # it belongs to another drain now
    with pytest.raises(DrainUnderWay):
        begin(store_backend, asha, OLD, later_ms=2)
    later = begin(store_backend, asha, OLD, later_ms=DRAIN_LEASE_MS + 1)  # the previous drain was interrupted
    assert later == until_ms + DRAIN_LEASE_MS + 1


def test_of_many_drains_that_begin_at_once_one_does(store_backend: Service, asha: Person) -> None:
    connect(store_backend, asha, OLD)

    def one(number: int) -> bool:
        try:
            begin(store_backend, asha, OLD, later_ms=number)
        except DrainUnderWay:
            return False
        return True

    assert sum(all_at_once(12, one)) == 1


def test_a_drain_is_for_the_newest_socket_that_said_hello(store_backend: Service, asha: Person) -> None:
    with pytest.raises(HelloMissing):
        begin(store_backend, asha, OLD, at=1)
    connect(store_backend, asha, OLD, at=1)
    with pytest.raises(HelloMissing):
        begin(store_backend, asha, NEW, at=2)
    connect(store_backend, asha, NEW, at=2)
    with pytest.raises(SocketSuperseded):
        begin(store_backend, asha, OLD, at=1)
    assert live(store_backend, asha) == NEW
    gone = replace(asha.principal(socket=2), registration=RegistrationId(asha.devices[0].registration ^ 1))
    with pytest.raises(DeviceGone):
        store_backend.routing.begin_drain(gone, NEW, now_ms=store_backend.now_ms)


def test_a_live_socket_that_was_forgotten_is_known_again_and_one_that_was_superseded_is_not(
    store_backend: Service, asha: Person
) -> None:
    connect(store_backend, asha, OLD, at=1)
    disconnect(store_backend, asha.address(), OLD)
    until_ms = begin(store_backend, asha, OLD, at=1)
    assert live(store_backend, asha) == OLD
    assert live(store_backend, asha, later_seconds=CONNECTION_SECONDS) is None
    store_backend.routing.end_drain(asha.principal(), until_ms)
    disconnect(store_backend, asha.address(), OLD)
    now = store_backend.now_ms // 1000
    assert store_backend.routing.reconnect(asha.principal(socket=1), OLD, now_seconds=now) is True
    assert live(store_backend, asha) == OLD
    connect(store_backend, asha, NEW, at=2)
    disconnect(store_backend, asha.address(), NEW)
    assert store_backend.routing.reconnect(asha.principal(socket=1), OLD, now_seconds=now) is False
    with pytest.raises(SocketSuperseded):
        begin(store_backend, asha, OLD, at=1)
    assert live(store_backend, asha) is None


def test_a_device_that_is_not_there_cannot_connect(store_backend: Service, asha: Person) -> None:
    with pytest.raises(DeviceGone):
        connect(store_backend, asha, NEW, registration=RegistrationId(asha.devices[0].registration ^ 1))
    stranger = replace(asha.address(), account=new_account_id())
    with pytest.raises(DeviceGone):
        connect(store_backend, asha, NEW, address=stranger)
    with pytest.raises(DeviceGone):
        connect(store_backend, asha, NEW, address=replace(asha.address(), device=DeviceNumber(77)))


def test_disconnecting_forgets_only_the_socket_that_is_named(store_backend: Service, asha: Person) -> None:
    connect(store_backend, asha, NEW)
    assert disconnect(store_backend, asha.address(), OLD) is False
    assert live(store_backend, asha) == NEW
    assert disconnect(store_backend, asha.address(), NEW) is True
    assert live(store_backend, asha) is None
    assert disconnect(store_backend, asha.address(), NEW) is False
    assert disconnect(store_backend, replace(asha.address(), account=new_account_id()), NEW) is False


def test_a_person_is_seen_last_when_the_last_socket_went_and_now_while_one_is_there(
    store_backend: Service,
) -> None:
    person, now = store_backend.person(2), store_backend.now_ms // 1000

    def seen(later_seconds: int) -> int | None:
        routes = store_backend.routes(person, now_ms=(now + later_seconds) * 1000)
        last = routes.last_seen(now + later_seconds)
        return None if last is None else last - now

    assert seen(0) is None
    connect(store_backend, person, OLD)
    assert seen(50) == 50
    disconnect(store_backend, person.address(), OLD, later_seconds=60)
    assert seen(100) == 60
    second = person.principal(1, connected_at_ms=store_backend.now_ms + 70_000)
    store_backend.routing.connect(second, NEW, now_seconds=now + 70)
    assert seen(100) == 100
    assert seen(70 + CONNECTION_SECONDS) == 70  # nobody has reported its end
    disconnect(store_backend, person.address(1), OLD, later_seconds=200)
    assert seen(70 + CONNECTION_SECONDS) == 70


def test_of_many_sockets_connecting_at_once_the_latest_is_live(store_backend: Service, asha: Person) -> None:
    def one(number: int) -> bool:
        try:
            connect(store_backend, asha, ConnectionId(f"c{number}"), at=number)
        except SocketSuperseded:
            return False
        return True

    outcomes = all_at_once(12, one)
    assert live(store_backend, asha) == "c11"
    assert outcomes[11] is True
    assert store_backend.routes(asha).devices[asha.devices[0].number].epoch == sum(outcomes)


# Devices


def test_a_device_is_unlinked_once_at_its_own_registration_and_cannot_return(store_backend: Service) -> None:
    asha = store_backend.person(2)
    connect(store_backend, asha, OLD)
    device = asha.devices[0]
    with pytest.raises(EnrolmentRaced):
        store_backend.enrolment.unlink(replace(device, registration=RegistrationId(device.registration ^ 1)))
    assert live(store_backend, asha) == OLD
    store_backend.enrolment.unlink(device)
    with pytest.raises(EnrolmentRaced):
        store_backend.enrolment.unlink(device)
    assert list(store_backend.account(asha.account).devices) == [asha.devices[1].number]
    assert list(store_backend.routes(asha).devices) == [asha.devices[1].number]
    with pytest.raises(DeviceGone):
        connect(store_backend, asha, NEW, at=5)


def test_a_seal_key_only_ever_gets_a_higher_number(store_backend: Service, asha: Person) -> None:
    device = asha.devices[0]

    def rotate(number: int, registration: RegistrationId = device.registration, *, byte: int | None = None) -> bool:
        key = SealKey(number, bytes([byte or number] * 32))
        return store_backend.routing.rotate_seal_key(asha.address(), registration, key)

    assert [rotate(number) for number in (1, 3, 2)] == [False, True, False]
    assert rotate(3) is True, "the answer to the first was lost"
    assert rotate(3, byte=9) is False, "another key under a number that is in use"
    assert rotate(4) is True
    assert rotate(9, RegistrationId(device.registration ^ 1)) is False
    assert store_backend.routes(asha).devices[device.number].seal_key == SealKey(4, bytes([4] * 32))


def test_an_unknown_account_has_no_routes(store_backend: Service) -> None:
    assert store_backend.routing.read(new_account_id(), now_seconds=0) is None


# The view of a send


def test_the_view_gives_both_sides_the_block_and_the_bucket(store_backend: Service, asha: Person) -> None:
    ravi, now = store_backend.person(2), store_backend.now_ms // 1000

    def view() -> Any:
        return store_backend.view.read(asha.address(), ravi.account, limit=Limit.SENDS.label, now_seconds=now)

    before = view()
    assert before.sender == store_backend.routes(asha)
    assert before.recipient == store_backend.routes(ravi)
    assert (before.blocked, before.bucket_full_at_ms) == (False, 0)
    store_backend.directory.block(owner=asha.account, blocked=ravi.account)  # the other direction has no effect
    assert view().blocked is False
    store_backend.directory.block(owner=ravi.account, blocked=asha.account)
    full_at = now * 1000 + 5_000
    store_backend.limits.take(
        str(asha.address()), Limit.SENDS.label, now_ms=now * 1000, cost_ms=5_000, latest_ms=full_at
    )
    assert (view().blocked, view().bucket_full_at_ms) == (True, full_at)


def test_the_view_of_oneself_and_of_nobody(store_backend: Service, asha: Person) -> None:
    read = store_backend.view.read
    own = read(asha.address(), asha.account, limit="sends", now_seconds=0)
    assert own.sender == own.recipient
    assert own.sender is not None
    nobody = read(asha.address(), new_account_id(), limit="sends", now_seconds=0)
    assert nobody.recipient is None
    assert nobody.sender == own.sender


def flaky_view(service: Service, failures: int) -> tuple[SendView, Any]:
    client: Any = FlakyClient(service.client, {"batch_get_item": failures})
    tables = service.tables
    return (
        SendView(
            RoutingStore(client, tables["routing"]),
            DirectoryStore(client, tables["directory"]),
            LimitStore(client, tables["limits"]),
        ),
        client,
    )


def test_keys_left_unread_are_asked_for_again(
    store_backend: Service, asha: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    whole = dynamo.waits
    monkeypatch.setattr(dynamo, "waits", lambda **more: whole(slept.append, **more))
    ravi = store_backend.person()
    store_backend.directory.block(owner=ravi.account, blocked=asha.account)
    view, client = flaky_view(store_backend, failures=2)
    facts = view.read(asha.address(), ravi.account, limit="sends", now_seconds=store_backend.now_ms // 1000)
    assert facts.recipient == store_backend.routes(ravi)
    assert facts.blocked is True
    assert len(client.calls) == 3
    assert len(slept) == 2


def test_keys_that_stay_unread_are_an_error_and_not_an_unknown_recipient(
    store_backend: Service, asha: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ReadsNothing:
        calls = 0

        def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803  # boto3's name
            self.calls += 1
            return {"Responses": {}, "UnprocessedKeys": RequestItems}

    whole = dynamo.waits
    monkeypatch.setattr(dynamo, "waits", lambda **more: whole(lambda _: None, **more))
    client = ReadsNothing()
    view = replace(store_backend.view, routing=RoutingStore(client, store_backend.tables["routing"]))  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        view.read(asha.address(), asha.account, limit="sends", now_seconds=0)
    assert client.calls == BATCH_TRIES


# Limits


def test_sixteen_threads_are_admitted_exactly_the_burst(store_backend: Service) -> None:
    now_ms, burst, interval_ms, who = store_backend.now_ms, 10, 1_000, f"s{new_inbox_id().hex()}"

    def take(_: int) -> bool:
        while True:
            try:
                refused = store_backend.limits.take(
                    who, "test", now_ms=now_ms, cost_ms=interval_ms, latest_ms=now_ms + burst * interval_ms
                )
            except StoreUnavailable:  # too many at the same time: nothing was taken, so ask again
                continue
            return refused is None

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(take, range(48)))
    assert outcomes.count(True) == burst


def test_a_refused_take_moves_nothing_and_tells_when_the_bucket_is_full(store_backend: Service) -> None:
    now_ms, who = store_backend.now_ms, f"s{new_inbox_id().hex()}"

    def take(at_ms: int) -> int | None:
        return store_backend.limits.take(who, "test", now_ms=at_ms, cost_ms=100, latest_ms=at_ms + 200)

    assert [take(now_ms) for _ in range(4)] == [None, None, now_ms + 200, now_ms + 200]
    assert take(now_ms + 99) == now_ms + 200
    assert take(now_ms + 100) is None
    assert take(now_ms + 100_000) is None
