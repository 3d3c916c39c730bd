"""Tests what a device reports: acks, receipts, and the ping that asks whether envelopes wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cbor2
import pytest

from sandes.crypto.seal import Kind
from sandes.limits import Limit
from sandes.messaging import deliver
from sandes.model.ids import ConnectionId, EnvelopeId, MessageId, new_app_id, new_message_id
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Ack, Ping, Receipt
from tests.support.service import NOW, NOW_MS, Person, Service

PING = Ping(type="ping", ref="p")


@pytest.fixture
def ravi(service: Service) -> Person:
    return service.person()


# ack


def acked(service: Service, person: Person, ids: list[EnvelopeId], *, index: int = 0, receipts: Any = ()) -> None:
    frame = Ack(type="ack", ref="a", ids=tuple(ids), receipts=tuple(receipts))
    answer = deliver.ack(frame, person.principal(index), now=Instant(NOW_MS), deps=service.deliver_deps())
    assert (answer.ref, answer.ids) == ("a", tuple(ids))


@pytest.mark.parametrize("how_many", [1, 2, 60])
def test_what_is_acked_is_forgotten_and_the_rest_stays(service: Service, ravi: Person, how_many: int) -> None:
    ids = service.leave(ravi, how_many + 1)
    acked(service, ravi, ids[:how_many])
    assert [envelope.id for envelope in service.stored(ravi)] == ids[how_many:]


def test_an_ack_may_be_repeated_and_may_name_one_id_twice(service: Service, ravi: Person) -> None:
    ids = service.leave(ravi, 2)
    acked(service, ravi, [ids[0], ids[0]])
    acked(service, ravi, [ids[0]])
    assert [envelope.id for envelope in service.stored(ravi)] == ids[1:]


def test_an_ack_of_somebody_elses_id_deletes_nothing_of_theirs(service: Service, ravi: Person) -> None:
    asha = service.person(2)
    ids = service.leave(ravi, 2)
    acked(service, asha, ids)
    acked(service, asha, ids[:1])
    assert len(service.stored(ravi)) == 2
    own = service.leave(asha, 1)
    acked(service, asha, own, index=1)
    assert len(service.stored(asha)) == 1


# ping


def pinged(service: Service, person: Person, socket: ConnectionId) -> Any:
    return deliver.ping(PING, person.principal(), socket, now=Instant(NOW_MS), deps=service.deliver_deps())


def test_ping_on_the_live_socket_tells_epoch_time_and_what_waits(service: Service, ravi: Person) -> None:
    socket = service.online(ravi)
    service.leave(ravi, 2)
    service.leave(ravi, 1, expires_at=NOW)
    pong = pinged(service, ravi, socket)
    assert (pong.ref, pong.server_time, pong.epoch, pong.inbox.pending) == ("p", NOW_MS, 1, 2)


def test_ping_on_a_superseded_socket_is_refused(service: Service, ravi: Person) -> None:
    old = service.online(ravi)
    service.online(ravi, connected_at_ms=NOW_MS + 1)
    with pytest.raises(ProtocolError) as caught:
        pinged(service, ravi, old)
    assert caught.value.code is ErrorCode.SUPERSEDED


def test_ping_on_a_live_socket_that_was_forgotten_makes_it_known_again(service: Service, ravi: Person) -> None:
    socket = service.online(ravi)
    service.routing.disconnect(ravi.address(), socket, now_seconds=NOW)
    service.leave(ravi, 1)
    assert pinged(service, ravi, socket).inbox.pending == 1
    assert service.connection(ravi) == socket


def test_ping_of_an_unlinked_device_is_refused(service: Service, ravi: Person) -> None:
    socket = service.online(ravi)
    service.unlink(ravi, ravi.devices[0].number)
    with pytest.raises(ProtocolError) as caught:
        pinged(service, ravi, socket)
    assert caught.value.code is ErrorCode.REVOKED


def test_ping_of_a_replaced_registration_is_refused(service: Service, ravi: Person) -> None:
    principal = replace(ravi.principal(), registration=1)  # type: ignore[arg-type]
    with pytest.raises(ProtocolError) as caught:
        deliver.ping(PING, principal, service.online(ravi), now=Instant(NOW_MS), deps=service.deliver_deps())
    assert caught.value.code is ErrorCode.REVOKED


# receipts


def receipt(author: Person, *ids: MessageId, kind: Any = "delivered") -> Receipt:
    return Receipt(to=author.account, kind=kind, ids=ids)


@pytest.mark.parametrize(("kind", "number"), [("delivered", 1), ("read", 2)])
def test_a_receipt_reaches_every_device_of_the_author(service: Service, ravi: Person, kind: str, number: int) -> None:
    asha = service.person(2)
    message = new_message_id(NOW_MS)
    acked(service, ravi, [], receipts=[receipt(asha, message, kind=kind)])
    for index, keys in enumerate(asha.keys):
        (envelope,) = service.stored(asha, index)
        content = keys.open(envelope)
        assert (content.kind, content.sender, content.at_ms) == (Kind.RECEIPT, ravi.address(), NOW_MS)
        assert cbor2.loads(content.body) == {1: number, 2: [message]}


def test_a_receipt_to_an_author_who_blocks_the_reader_or_is_gone_is_dropped_without_a_word(
    service: Service, ravi: Person
) -> None:
    asha = service.person()
    service.directory.block(owner=asha.account, blocked=ravi.account)
    gone = replace(asha, account=b"\0" * 8)  # type: ignore[arg-type]
    acked(service, ravi, [], receipts=[receipt(asha, new_message_id(NOW_MS)), receipt(gone, new_message_id(NOW_MS))])
    assert service.stored(asha) == []


def test_a_receipt_to_the_own_account_skips_the_reading_device(service: Service) -> None:
    asha = service.person(2)
    acked(service, asha, [], receipts=[receipt(asha, new_message_id(NOW_MS), kind="read")])
    assert [len(service.stored(asha, index)) for index in range(2)] == [0, 1]


def test_an_unlinked_device_tells_no_app_and_its_ack_deletes_nothing(service: Service, ravi: Person) -> None:
    ids = service.leave(ravi, 1)
    service.unlink(ravi, ravi.devices[0].number)
    receipt = Receipt(app=new_app_id(), kind="read", ids=(new_message_id(NOW_MS),))
    with pytest.raises(ProtocolError) as refused:
        acked(service, ravi, ids, receipts=[receipt])
    assert refused.value.code is ErrorCode.REVOKED
    assert len(service.stored(ravi)) == 1


def test_an_unlinked_device_sends_no_receipts_and_its_ack_deletes_nothing(service: Service) -> None:
    asha, ravi = service.person(), service.person(2)
    ids = service.leave(ravi, 1)
    service.unlink(ravi, ravi.devices[0].number)
    with pytest.raises(ProtocolError) as caught:
        acked(service, ravi, ids, receipts=[receipt(asha, new_message_id(NOW_MS))])
    assert caught.value.code is ErrorCode.REVOKED
    assert service.stored(asha) == []
    assert len(service.stored(ravi)) == 1


def test_an_ack_whose_receipts_do_not_all_fit_the_limit_sends_none_and_goes_through_after_the_wait(
    service: Service, ravi: Person
) -> None:
    """If some were sent, a device that repeats the ack would send these again and again without progress."""
    asha, deps, principal = service.person(), service.deliver_deps(), ravi.principal()
    (id,) = service.leave(ravi, 1)
    ten = tuple(receipt(asha, new_message_id(NOW_MS)) for _ in range(10))
    for _ in range(Limit.RECEIPTS.burst // 10):
        deliver.ack(Ack(type="ack", ids=(), receipts=ten), principal, now=Instant(NOW_MS), deps=deps)
    frame, soon = Ack(type="ack", ids=(id,), receipts=ten), NOW_MS + Limit.RECEIPTS.interval_ms
    before = len(service.stored(asha))
    with pytest.raises(ProtocolError) as caught:
        deliver.ack(frame, principal, now=Instant(soon), deps=deps)
    wait_seconds = caught.value.retry_after_seconds
    assert (caught.value.code, wait_seconds) == (ErrorCode.RATE_LIMITED, 2)
    assert (len(service.stored(asha)), len(service.stored(ravi))) == (before, 1)
    deliver.ack(frame, principal, now=Instant(soon + 2_000), deps=deps)
    assert (len(service.stored(asha)), len(service.stored(ravi))) == (before + 10, 0)
