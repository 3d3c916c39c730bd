"""Tests the frames of receiving devices: hello, sync, ack, ping and receipts."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandes.limits import FRAMES_PER_WRITE, Limit
from sandes.messaging import deliver
from sandes.messaging.push import Push
from sandes.messaging.send import send
from sandes.model.envelope import MAX_BODY_BYTES, Envelope, envelope_id
from sandes.model.ids import BodyId, ConnectionId, EnvelopeId, base64url_text, new_body_id, new_message_id
from sandes.model.instant import Instant
from sandes.ports.sockets import Posted
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import MAX_FRAME_BYTES, Body, Drained, Fetch, Hello, Ping, Sync, Welcome, render
from sandes.store.inbox import InboxStore
from sandes.store.routing import CONNECTION_SECONDS
from sandes.store.transaction import transact
from tests.support.dynamodb import FlakyClient
from tests.support.gateway import FakeGateway
from tests.support.keys import DeviceKeys
from tests.support.service import MAX_EXPIRY_SECONDS, NOW, NOW_MS, Person, Service

HELLO = Hello(type="hello", ref="h", protocol=1)
SYNC = Sync(type="sync", ref="s")
PING = Ping(type="ping", ref="p")


@pytest.fixture
def ravi(service: Service) -> Person:
    return service.person()


def texts(ids: list[EnvelopeId]) -> list[str]:
    return [base64url_text(id) for id in ids]


def say_hello(
    service: Service, person: Person, socket: ConnectionId, *, now_ms: int = NOW_MS, number: int = 0, **replaced: Any
) -> Welcome | Drained:
    principal = person.principal(connected_at_ms=now_ms, socket=number)
    return deliver.hello(HELLO, principal, socket, now=Instant(now_ms), deps=service.deliver_deps(**replaced))


def drained(answer: Welcome | Drained) -> Drained:
    assert isinstance(answer, Drained)
    return answer


# hello


def test_hello_to_an_empty_inbox_is_answered_by_welcome_alone(service: Service, ravi: Person) -> None:
    socket = service.socket()
    welcome = say_hello(service, ravi, socket)
    assert isinstance(welcome, Welcome)
    assert (welcome.ref, welcome.server_time, welcome.epoch, welcome.inbox.pending) == ("h", NOW_MS, 1, 0)
    assert welcome.limits.max_expiry_seconds == MAX_EXPIRY_SECONDS
    assert service.connection(ravi) == socket
    assert service.gateway.received[socket] == []


def test_hello_sends_what_is_stored_oldest_first_between_welcome_and_drained(service: Service, ravi: Person) -> None:
    ids, socket = service.leave(ravi, 3), service.socket()
    answer = drained(say_hello(service, ravi, socket))
    assert (answer.ref, answer.more) == ("h", False)
    welcome, *_ = service.gateway.received[socket]
    assert (welcome["type"], welcome["inbox"]) == ("welcome", {"pending": 3})
    assert service.gateway.envelope_ids(socket) == texts(ids)
    assert len(service.stored(ravi)) == 3


def test_each_hello_raises_the_epoch(service: Service, ravi: Person) -> None:
    epochs = []
    for step in range(3):
        welcome = say_hello(service, ravi, service.socket(), now_ms=NOW_MS + step)
        assert isinstance(welcome, Welcome)
        epochs.append(welcome.epoch)
    assert epochs == [1, 2, 3]


def test_a_new_socket_supersedes_the_old_one_which_is_told_and_closed(service: Service, ravi: Person) -> None:
    old, new = service.socket(), service.socket()
    say_hello(service, ravi, old)
    say_hello(service, ravi, new, now_ms=NOW_MS + 1)
    assert service.gateway.received[old] == [{"type": "superseded"}]
    assert service.gateway.closed == [old]
    assert service.connection(ravi) == new


def test_hello_repeated_on_one_socket_does_not_close_it(service: Service, ravi: Person) -> None:
    socket = service.socket()
    say_hello(service, ravi, socket)
    say_hello(service, ravi, socket)
    assert service.gateway.closed == []


def test_hello_on_a_socket_older_than_the_live_one_is_refused_and_changes_nothing(
    service: Service, ravi: Person
) -> None:
    old, new = service.socket(), service.socket()
    say_hello(service, ravi, new, number=2)
    with pytest.raises(ProtocolError) as caught:
        say_hello(service, ravi, old, number=1)
    assert caught.value.code is ErrorCode.SUPERSEDED
    assert service.connection(ravi) == new


def test_hello_of_an_unlinked_device_is_refused(service: Service) -> None:
    asha = service.person(2)
    service.unlink(asha, asha.devices[0].number)
    with pytest.raises(ProtocolError) as caught:
        say_hello(service, asha, service.socket())
    assert caught.value.code is ErrorCode.REVOKED


def test_hello_of_a_device_replaced_by_a_new_registration_is_refused(service: Service, ravi: Person) -> None:
    service.register(ravi.phone, DeviceKeys(), now_ms=NOW_MS + 60_000)
    with pytest.raises(ProtocolError) as caught:
        say_hello(service, ravi, service.socket())
    assert caught.value.code is ErrorCode.REVOKED


def test_a_socket_row_older_than_a_socket_can_live_counts_as_offline(service: Service, ravi: Person) -> None:
    say_hello(service, ravi, service.socket())
    assert service.connection(ravi, now_ms=NOW_MS + CONNECTION_SECONDS * 1000 - 1) is not None
    later = NOW_MS + CONNECTION_SECONDS * 1000
    assert service.connection(ravi, now_ms=later) is None
    say_hello(service, ravi, service.socket(), now_ms=later)
    assert service.gateway.closed == []


# Expiry and length of a drain


def test_expired_envelopes_are_never_sent(service: Service, ravi: Person) -> None:
    service.leave(ravi, 2, expires_at=NOW)
    (kept,) = service.leave(ravi, 1, expires_at=NOW + 1)
    socket = service.socket()
    say_hello(service, ravi, socket)
    assert service.gateway.envelope_ids(socket) == texts([kept])


def test_an_inbox_of_expired_envelopes_only_is_empty(service: Service, ravi: Person) -> None:
    service.leave(ravi, 2, expires_at=NOW)
    assert isinstance(say_hello(service, ravi, service.socket()), Welcome)


def test_a_drain_goes_past_the_first_page_of_a_hundred(service: Service, ravi: Person) -> None:
    ids, socket = service.leave(ravi, 130), service.socket()
    assert drained(say_hello(service, ravi, socket)).more is False
    assert service.gateway.envelope_ids(socket) == texts(ids)


@pytest.mark.parametrize(("limit", "more"), [(1, True), (2, True), (3, False), (4, False)])
def test_sync_sends_as_many_as_asked_and_says_whether_there_are_more(
    service: Service, ravi: Person, limit: int, more: bool
) -> None:
    ids, socket = service.leave(ravi, 3), service.online(ravi)
    frame = Sync(type="sync", ref="s", limit=limit)
    answer = deliver.sync(frame, ravi.principal(), socket, now=Instant(NOW_MS), deps=service.deliver_deps())
    assert answer == Drained(ref="s", more=more)
    assert service.gateway.envelope_ids(socket) == texts(ids[:limit])


def test_a_drain_that_takes_too_long_stops_and_says_there_is_more(service: Service, ravi: Person) -> None:
    service.leave(ravi, 3, sealed=bytes(30_000))
    socket, clock = service.online(ravi), count(step=10)
    answer = deliver.sync(
        SYNC,
        ravi.principal(),
        socket,
        now=Instant(NOW_MS),
        deps=service.deliver_deps(elapsed=lambda: float(next(clock))),
    )
    assert answer.more is True
    assert len(service.gateway.envelope_ids(socket)) == 2
    assert len(service.stored(ravi)) == 3


class ClosesAfter(FakeGateway):
    """Closes its sockets after a number of posts."""

    left = 1

    def post(self, connection: ConnectionId, text: str) -> Posted:
        self.left -= 1
        if self.left < 0:
            self.open.discard(connection)
        return super().post(connection, text)


def test_a_drain_stops_when_the_socket_is_gone_and_deletes_nothing(service: Service, ravi: Person) -> None:
    service.leave(ravi, 4, sealed=bytes(30_000))
    gateway = service.gateway = ClosesAfter()
    socket = service.online(ravi)
    answer = deliver.sync(SYNC, ravi.principal(), socket, now=Instant(NOW_MS), deps=service.deliver_deps())
    assert answer.more is True
    assert len(gateway.envelope_ids(socket)) == 1
    assert gateway.left == -1
    assert len(service.stored(ravi)) == 4
    assert service.connection(ravi) is None


def test_a_socket_that_is_gone_before_the_welcome_is_forgotten_and_no_failure(service: Service, ravi: Person) -> None:
    service.leave(ravi, 1)
    gone = ConnectionId("gone")
    answer = deliver.hello(HELLO, ravi.principal(), gone, now=Instant(NOW_MS), deps=service.deliver_deps())
    assert answer == Drained(ref=HELLO.ref, more=True)
    assert service.connection(ravi) is None
    assert len(service.stored(ravi)) == 1


def test_a_welcome_that_is_throttled_is_unavailable_and_keeps_the_socket(service: Service, ravi: Person) -> None:
    service.leave(ravi, 1)
    socket = service.socket()
    service.gateway.failing.add(socket)
    with pytest.raises(ProtocolError, match="unavailable"):
        deliver.hello(HELLO, ravi.principal(), socket, now=Instant(NOW_MS), deps=service.deliver_deps())
    assert service.connection(ravi) == socket


def test_a_drain_over_a_dead_socket_leaves_a_newer_ones_row_alone(service: Service, ravi: Person) -> None:
    service.leave(ravi, 1)
    dead = service.online(ravi)
    service.gateway.open.discard(dead)
    new = service.online(ravi, connected_at_ms=NOW_MS + 1)
    with pytest.raises(ProtocolError, match="superseded"):
        deliver.sync(SYNC, ravi.principal(), dead, now=Instant(NOW_MS), deps=service.deliver_deps())
    assert service.connection(ravi) == new


def test_a_throttled_post_stops_the_drain_but_keeps_the_socket(service: Service, ravi: Person) -> None:
    service.leave(ravi, 2)
    socket = service.online(ravi)
    service.gateway.failing.add(socket)
    answer = deliver.sync(SYNC, ravi.principal(), socket, now=Instant(NOW_MS), deps=service.deliver_deps())
    assert answer.more is True
    assert service.connection(ravi) == socket


# push


def test_a_socket_that_is_gone_is_forgotten_on_the_first_push(service: Service, ravi: Person) -> None:
    socket = service.online(ravi)
    service.gateway.open.discard(socket)
    send(service.message(ravi), service.person().principal(), now=Instant(NOW_MS), deps=service.send_deps())
    assert service.connection(ravi) is None
    assert len(service.stored(ravi)) == 1


def test_a_socket_found_gone_does_not_remove_the_one_that_replaced_it(service: Service, ravi: Person) -> None:
    old = service.online(ravi)
    known = service.routes(ravi)
    service.gateway.open.discard(old)
    new = service.online(ravi, connected_at_ms=NOW_MS + 1)
    ids = service.leave(ravi, 1)
    push = Push(service.routing, service.gateway)
    push(service.stored(ravi), known, now_seconds=NOW)
    assert service.connection(ravi) == new
    assert service.gateway.envelope_ids(new) == texts(ids)


def test_a_device_that_connected_after_routing_was_read_is_still_reached(service: Service, ravi: Person) -> None:
    known = service.routes(ravi)
    socket = service.online(ravi)
    ids = service.leave(ravi, 1)
    Push(service.routing, service.gateway)(service.stored(ravi), known, now_seconds=NOW)
    assert service.gateway.envelope_ids(socket) == texts(ids)


def test_a_post_that_failed_is_not_tried_on_the_same_socket_again(service: Service, ravi: Person) -> None:
    socket = service.online(ravi)
    service.gateway.failing.add(socket)
    service.leave(ravi, 1)
    Push(service.routing, service.gateway)(service.stored(ravi), service.routes(ravi), now_seconds=NOW)
    assert not service.gateway.received[socket]
    assert service.connection(ravi) == socket


def test_a_device_that_floods_is_refused_for_a_while_and_others_are_not(service: Service) -> None:
    flooding, other = service.person(), service.person()
    deps = service.deliver_deps()
    connection = service.online(flooding)

    def ping(person: Person, connection: ConnectionId, at_ms: int) -> str:
        try:
            answer = deliver.receive(PING, person.principal(), connection, now=Instant(at_ms), deps=deps)
        except ProtocolError as error:
            return f"{error.code} {error.retry_after_seconds}"
        return answer.type

    outcomes = [ping(flooding, connection, service.now_ms) for _ in range(Limit.FRAMES.burst + 1)]
    assert outcomes == ["pong"] * Limit.FRAMES.burst + ["rate_limited 1"]
    assert ping(flooding, connection, service.now_ms + 1_000) == "pong"
    assert ping(other, service.online(other), service.now_ms) == "pong"


@pytest.mark.parametrize("frame", [PING, Fetch(type="fetch", ref="f", body=BodyId(bytes(16))), SYNC, HELLO])
def test_a_device_that_floods_cannot_hold_many_function_environments(service: Service, frame: Any) -> None:
    """Each environment allows a few frames before the table tells it that the device has used its share."""
    flooding = service.person()
    connection = service.online(flooding)
    answered = 0
    for _ in range(10):
        deps = service.deliver_deps()
        for _ in range(Limit.FRAMES.burst // 4):
            with suppress(ProtocolError):
                deps.frames.take(str(flooding.principal().address), now=Instant(NOW_MS))
                answered += 1
    assert answered <= Limit.FRAMES.burst + 10 * FRAMES_PER_WRITE
    with pytest.raises(ProtocolError, match="rate_limited"):
        deliver.receive(frame, flooding.principal(), connection, now=Instant(NOW_MS), deps=deps)


def test_a_frame_of_the_sending_kind_is_not_for_this_function(service: Service) -> None:
    person = service.person()
    with pytest.raises(ProtocolError, match="unknown_type"):
        deliver.receive(
            service.message(person),
            person.principal(),
            service.socket(),
            now=Instant(service.now_ms),
            deps=service.deliver_deps(),
        )


RECEIVING = [SYNC, PING, Fetch(type="fetch", ref="f", body=BodyId(bytes(16)))]


def refused(service: Service, frame: Any, person: Person, socket: ConnectionId, number: int) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        deliver.receive(
            frame, person.principal(socket=number), socket, now=Instant(NOW_MS), deps=service.deliver_deps()
        )
    return caught.value.code


@pytest.mark.parametrize("frame", RECEIVING, ids=lambda frame: frame.type)
def test_what_a_socket_is_answered_before_its_hello_and_after_a_newer_ones(service: Service, frame: Any) -> None:
    ravi = service.person(2)
    service.leave(ravi, 1)
    old, new = service.socket(), service.socket()
    assert refused(service, frame, ravi, old, 1) is ErrorCode.HELLO_FIRST
    say_hello(service, ravi, old, number=1)
    assert refused(service, frame, ravi, new, 2) is ErrorCode.HELLO_FIRST
    say_hello(service, ravi, new, number=2)
    assert refused(service, frame, ravi, old, 1) is ErrorCode.SUPERSEDED
    service.routing.disconnect(ravi.address(), new, now_seconds=NOW)
    assert refused(service, frame, ravi, old, 1) is ErrorCode.SUPERSEDED
    service.unlink(ravi, ravi.devices[0].number, 1)
    assert refused(service, frame, ravi, new, 2) is ErrorCode.REVOKED
    assert refused(service, frame, ravi, old, 1) is ErrorCode.REVOKED


class GoneOnce(FakeGateway):
    """Answers one post of envelopes as if its socket were gone, as API Gateway may do for a live one."""

    mistakes = 1

    def post(self, connection: ConnectionId, text: str) -> Posted:
        if self.mistakes and '"envelopes"' in text:
            self.mistakes -= 1
            return Posted.GONE
        return super().post(connection, text)


def test_a_live_socket_that_was_taken_for_gone_is_not_deaf(service: Service, ravi: Person) -> None:
    """After one 410 to the post after `hello`, the client gets `more`, syncs, and is reached on its socket again."""
    (waiting,) = service.leave(ravi, 1)
    gateway = service.gateway = GoneOnce()
    socket = service.socket()
    assert drained(say_hello(service, ravi, socket)).more is True
    assert service.connection(ravi) is None
    answer = deliver.sync(SYNC, ravi.principal(), socket, now=Instant(NOW_MS), deps=service.deliver_deps())
    assert answer.more is False
    assert gateway.envelope_ids(socket) == texts([waiting])
    send(service.message(ravi), service.person().principal(), now=Instant(NOW_MS), deps=service.send_deps())
    assert len(gateway.envelope_ids(socket)) == 2


def test_a_second_drain_of_a_device_is_refused_while_one_is_under_way(service: Service, ravi: Person) -> None:
    service.leave(ravi, 2)
    socket = service.online(ravi)
    outcomes: list[Any] = []

    class Flooding(FakeGateway):
        """Lets the device flood while its inbox is being sent."""

        def post(self, connection: ConnectionId, text: str) -> Posted:
            if '"envelopes"' in text:
                outcomes.append(refused(service, SYNC, ravi, socket, 0))
                outcomes.append(say_hello(service, ravi, socket))
            return super().post(connection, text)

    flooding = Flooding(open={socket})
    deps = service.deliver_deps(pusher=flooding)
    assert deliver.sync(SYNC, ravi.principal(), socket, now=Instant(NOW_MS), deps=deps).more is False
    assert outcomes == [ErrorCode.RATE_LIMITED, Drained(ref="h", more=True)]
    assert [frame["type"] for frame in service.gateway.received[socket]] == ["welcome"]
    assert deliver.sync(SYNC, ravi.principal(), socket, now=Instant(NOW_MS), deps=service.deliver_deps()).more is False
    assert len(service.gateway.envelope_ids(socket)) == 2


def test_a_drain_that_fails_lets_the_next_one_begin(service: Service, ravi: Person) -> None:
    service.leave(ravi, 1)
    socket = service.online(ravi)
    flaky: Any = FlakyClient(service.client, {"query": 1})
    deps = service.deliver_deps(inbox=InboxStore(flaky, service.tables["inbox"]))
    with pytest.raises(ClientError):
        deliver.sync(SYNC, ravi.principal(), socket, now=Instant(NOW_MS), deps=deps)
    assert deliver.sync(SYNC, ravi.principal(), socket, now=Instant(NOW_MS), deps=deps).more is False
    assert len(service.gateway.envelope_ids(socket)) == 1


def test_a_welcome_that_cannot_be_posted_ends_the_hello(service: Service, ravi: Person) -> None:
    service.leave(ravi, 1)
    socket = service.socket()
    service.gateway.failing.add(socket)
    with pytest.raises(ProtocolError, match="unavailable"):
        say_hello(service, ravi, socket)
    assert len(service.stored(ravi)) == 1


# fetch


def fetched(service: Service, person: Person, id: BodyId, socket: ConnectionId, *, now_ms: int = NOW_MS) -> Body:
    frame = Fetch(type="fetch", ref="f", body=id)
    answer = deliver.receive(frame, person.principal(), socket, now=Instant(now_ms), deps=service.deliver_deps())
    assert isinstance(answer, Body)
    return answer


def test_a_body_is_fetched_until_it_expires_however_often(service: Service, ravi: Person) -> None:
    socket, id = service.online(ravi), new_body_id()
    service.inbox.put_body(id, b"ciphertext", expires_at=NOW + 60)
    for _ in range(2):
        answer = fetched(service, ravi, id, socket, now_ms=NOW_MS + 59_000)
        assert (answer.ref, answer.id, answer.data) == ("f", id, b"ciphertext")
    for unknown, now_ms in ((id, NOW_MS + 60_000), (new_body_id(), NOW_MS)):
        with pytest.raises(ProtocolError) as caught:
            fetched(service, ravi, unknown, socket, now_ms=now_ms)
        assert caught.value.code is ErrorCode.NOT_FOUND


def test_a_body_of_64_kib_fits_into_one_frame(service: Service, ravi: Person) -> None:
    socket, id = service.online(ravi), new_body_id()
    service.inbox.put_body(id, bytes(MAX_BODY_BYTES + 16), expires_at=NOW + 60)
    assert len(render(fetched(service, ravi, id, socket))) < MAX_FRAME_BYTES


def test_an_envelope_is_not_to_be_had_by_fetch(service: Service, ravi: Person) -> None:
    """Bodies have rows of their own, although they are in the same table."""
    socket = service.online(ravi)
    service.leave(ravi, 1)
    with pytest.raises(ProtocolError) as caught:
        fetched(service, ravi, BodyId(ravi.devices[0].inbox), socket)
    assert caught.value.code is ErrorCode.NOT_FOUND


def test_an_unlinked_device_and_a_superseded_socket_fetch_nothing(service: Service, ravi: Person) -> None:
    old, id = service.online(ravi), new_body_id()
    service.inbox.put_body(id, b"ciphertext", expires_at=NOW + 60)
    new = service.online(ravi, connected_at_ms=NOW_MS + 1)
    with pytest.raises(ProtocolError) as caught:
        fetched(service, ravi, id, old)
    assert caught.value.code is ErrorCode.SUPERSEDED
    transact(service.client, [service.routing.removing(ravi.devices[0])])
    with pytest.raises(ProtocolError) as caught:
        fetched(service, ravi, id, new)
    assert caught.value.code is ErrorCode.REVOKED


# Expired rows (time to live deletes them days late)


class Counted:
    """Counts the calls to the inbox table that a use case makes."""

    def __init__(self, service: Service) -> None:
        client: Any = FlakyClient(service.client)
        self.client = client
        self.inbox = InboxStore(client, service.tables["inbox"])


def rows(service: Service, person: Person) -> int:
    """Return the number of all rows of an inbox, expired or not."""
    return sum(len(page) for page in service.inbox.pages(person.devices[0].inbox, now_seconds=0))


def leave_expired(service: Service, person: Person, how_many: int) -> None:
    inbox = person.devices[0].inbox
    service.inbox.put_many(
        [
            Envelope(inbox, envelope_id(id, number.to_bytes(8, "big")), 1, 1, NOW, 0, b"x")
            for number in range(how_many)
            for id in [new_message_id(NOW_MS - 60_000 + number)]
        ]
    )


@pytest.fixture
def crowded(service: Service, ravi: Person, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Make more expired rows before one message than a drain with fewer pages than usual can read."""
    monkeypatch.setattr(deliver, "DRAIN_PAGES", 3)
    leave_expired(service, ravi, 450)
    service.leave(ravi, 1)
    return Counted(service)


def test_a_hello_before_many_expired_rows_welcomes_after_one_page_and_reads_a_bounded_number(
    service: Service, ravi: Person, crowded: Counted
) -> None:
    socket = service.socket()
    seen_at_welcome: list[int] = []

    class Watching(FakeGateway):
        def post(self, connection: ConnectionId, text: str) -> Posted:
            if '"welcome"' in text:
                seen_at_welcome.append(len(crowded.client.calls))
            return super().post(connection, text)

    gateway = Watching(open={socket})
    answer = say_hello(service, ravi, socket, inbox=crowded.inbox, pusher=gateway)
    assert seen_at_welcome == [1]
    assert gateway.received[socket][0]["inbox"]["pending"] > 0
    assert drained(answer).more is True
    assert crowded.client.calls.count("query") == deliver.DRAIN_PAGES
    assert len(crowded.client.calls) <= 2 * deliver.DRAIN_PAGES
    assert rows(service, ravi) == 451 - 100 * deliver.DRAIN_PAGES


def test_drains_that_meet_nothing_but_expired_rows_get_further_each_time(
    service: Service, ravi: Person, crowded: Counted
) -> None:
    socket = service.online(ravi)
    deps = service.deliver_deps(inbox=crowded.inbox)
    answers = [deliver.sync(SYNC, ravi.principal(), socket, now=Instant(NOW_MS), deps=deps).more for _ in range(2)]
    assert answers == [True, False]
    assert len(service.gateway.envelope_ids(socket)) == 1
    assert rows(service, ravi) == 1


def test_a_ping_reads_one_page_whatever_has_expired(service: Service, ravi: Person, crowded: Counted) -> None:
    socket = service.online(ravi)
    deps = service.deliver_deps(inbox=crowded.inbox)
    pong = deliver.ping(PING, ravi.principal(), socket, now=Instant(NOW_MS), deps=deps)
    assert crowded.client.calls.count("query") == 1
    assert pong.inbox.pending == 1


def test_a_hello_deletes_the_few_expired_rows_that_it_meets(service: Service, ravi: Person) -> None:
    leave_expired(service, ravi, 3)
    assert isinstance(say_hello(service, ravi, service.socket()), Welcome)
    assert rows(service, ravi) == 0


def test_a_message_between_expired_rows_is_sent_and_they_are_deleted(service: Service, ravi: Person) -> None:
    leave_expired(service, ravi, 150)
    (kept,) = service.leave(ravi, 1)
    socket = service.socket()
    assert drained(say_hello(service, ravi, socket)).more is False
    assert service.gateway.envelope_ids(socket) == texts([kept])
    assert rows(service, ravi) == 1


def test_overload_while_expired_rows_are_deleted_keeps_no_message_back(service: Service, ravi: Person) -> None:
    leave_expired(service, ravi, 150)
    (kept,) = service.leave(ravi, 1)
    socket = service.socket()
    client: Any = FlakyClient(service.client, {"transact_write_items": 9})
    answer = say_hello(service, ravi, socket, inbox=InboxStore(client, service.tables["inbox"]))
    assert drained(answer).more is False
    assert service.gateway.envelope_ids(socket) == texts([kept])
    assert rows(service, ravi) == 151
