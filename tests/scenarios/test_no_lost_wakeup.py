"""Tests every order of the steps of a sender and a connecting device: the message always arrives.

Sender and receiver run as the real use cases on the real stores, stopped before each call to DynamoDB and each post.
The broken variants at the end prove that the check notices the mistakes that it exists for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import pytest

from sandes.edge.authorizer import AuthorizerDependencies, disconnected
from sandes.messaging import deliver
from sandes.messaging.push import Push, Pushed
from sandes.messaging.send import send
from sandes.model.device import Routes
from sandes.model.envelope import Envelope
from sandes.model.ids import ConnectionId, base64url_text
from sandes.model.instant import Instant
from sandes.protocol.errors import ProtocolError
from sandes.protocol.frames import Drained, Hello, Inbox, Ping, Pong, Sync, bundle
from sandes.store.routing import RoutingStore
from tests.support.dynamodb import memory_dynamodb
from tests.support.interleaving import Side, Stepped, run_interleaved, schedules
from tests.support.service import Person, Service

SEND_STEPS = 4
HELLO_STEPS = 4
"""The calls of either side that matter between them. Later calls run in sequence."""


@pytest.fixture(scope="module")
def service() -> Service:
    client, tables, _ = memory_dynamodb()
    return Service(client, tables)


@pytest.fixture(scope="module")
def pair(service: Service) -> tuple[Person, Person]:
    """Make a sender and a receiver, the same for every order."""
    return service.person(), service.person()


@dataclass
class Meeting:
    """Holds the sender's message and the receiver's `hello` on a new socket before they meet. Times only rise."""

    service: Service
    sender: Person
    receiver: Person
    new_socket: ConnectionId
    number: int = 0

    def send_side(self, make_push: Callable[[Any, Any], Any] = Push) -> tuple[Side, Callable[[], object]]:
        side = Side("send")
        dependencies = self.service.send_deps(
            view=Stepped(self.service.view, side),
            inbox=Stepped(self.service.inbox, side),
            push=make_push(Stepped(self.service.routing, side), Stepped(self.service.gateway, side)),
        )
        frame = self.service.message(self.receiver)
        now_ms = self.service.now_ms
        return side, lambda: send(frame, self.sender.principal(), now=Instant(now_ms), deps=dependencies)

    def hello_side(self, hello: Callable[..., object] = deliver.hello) -> tuple[Side, Callable[[], object]]:
        side = Side("hello")
        dependencies = self.service.deliver_deps(
            routing=Stepped(self.service.routing, side),
            inbox=Stepped(self.service.inbox, side),
            pusher=Stepped(self.service.gateway, side),
        )
        now_ms = self.service.now_ms
        principal = self.receiver.principal(connected_at_ms=now_ms, socket=self.number)
        frame = Hello(type="hello", protocol=1)
        return side, lambda: hello(frame, principal, self.new_socket, now=Instant(now_ms), deps=dependencies)

    def frame_side(self, use_case: Callable[..., Any], told: list[Any]) -> tuple[Side, Callable[[], object]]:
        """Return the side of a frame from the receiver on its socket. The answer is added to `told`."""
        side = Side("frame")
        dependencies = self.service.deliver_deps(
            routing=Stepped(self.service.routing, side),
            inbox=Stepped(self.service.inbox, side),
            pusher=Stepped(self.service.gateway, side),
        )
        frame: Any = Sync(type="sync") if use_case is deliver.sync else Ping(type="ping")
        principal, now_ms = self.receiver.principal(), self.service.now_ms
        return side, lambda: told.append(
            use_case(frame, principal, self.new_socket, now=Instant(now_ms), deps=dependencies)
        )

    def arrived(self) -> bool:
        """Tell whether the one stored envelope was posted to the new socket, and remove it for the next meeting."""
        (stored,) = self.service.stored(self.receiver)
        self.service.inbox.remove(stored.inbox, [stored.id])
        return base64url_text(stored.id) in self.service.gateway.envelope_ids(self.new_socket)


def offline(service: Service, receiver: Person) -> None:
    """Start without a socket."""
    connection = service.connection(receiver)
    if connection:
        service.routing.disconnect(receiver.address(), connection, now_seconds=service.now_ms // 1000)


def gone(service: Service, receiver: Person) -> None:
    """Start with a row that names a socket which API Gateway no longer has."""
    service.gateway.open.discard(service.online(receiver))


def unread(service: Service, receiver: Person) -> None:
    """Start with a row that names a socket which accepts posts, but whose client is dead."""
    service.online(receiver)


BEFORE = [offline, gone, unread]


def meet(service: Service, pair: tuple[Person, Person], before: Callable[[Service, Person], None]) -> Meeting:
    service.now_ms += 1
    before(service, pair[1])
    service.now_ms += 1
    return Meeting(service, *pair, service.socket())


@pytest.mark.parametrize("before", BEFORE)
def test_message_and_hello_meet_in_every_order(
    service: Service, pair: tuple[Person, Person], before: Callable[[Service, Person], None]
) -> None:
    for schedule in schedules(SEND_STEPS, HELLO_STEPS):
        meeting = meet(service, pair, before)
        run_interleaved(meeting.send_side(), meeting.hello_side(), schedule)
        assert meeting.arrived(), f"lost with {before.__name__}: {schedule}"


def test_a_late_disconnect_of_the_old_socket_leaves_the_new_one_alone(
    service: Service, pair: tuple[Person, Person]
) -> None:
    for schedule in schedules(1, HELLO_STEPS):
        meeting = meet(service, pair, gone)
        old = service.connection(meeting.receiver)
        side = Side("disconnect")
        event = {"requestContext": {"connectionId": old, "authorizer": meeting.receiver.principal().to_context()}}
        dependencies = AuthorizerDependencies(service.directory, cast(RoutingStore, Stepped(service.routing, side)), "")
        run_interleaved((side, partial(disconnected, event, dependencies)), meeting.hello_side(), schedule)
        assert service.connection(meeting.receiver) == meeting.new_socket


@pytest.mark.parametrize("skew_ms", [1, -3_000])
def test_two_sockets_saying_hello_leave_the_newer_one_live_in_every_order(service: Service, skew_ms: int) -> None:
    """The clock of the newer socket's authorizer is `skew_ms` ahead of the older one's."""
    pair = service.person(), service.person()
    for schedule in schedules(2, 2):
        older = meet(service, pair, offline)
        older.number = service.routing.number_socket(pair[1].principal())
        older_side = older.hello_side()
        service.now_ms += skew_ms
        number = service.routing.number_socket(pair[1].principal())
        newer = Meeting(service, *pair, service.socket(), number)

        def say_hello(hello: Callable[[], object] = older_side[1]) -> None:
            with suppress(ProtocolError):  # the older one may be told that it is superseded
                hello()

        run_interleaved((older_side[0], say_hello), newer.hello_side(), schedule)
        assert service.connection(pair[1]) == newer.new_socket
        assert newer.new_socket in service.gateway.open


# A live socket sends a frame after a wrong 410 to a post had removed it


def live_but_forgotten(service: Service, pair: tuple[Person, Person]) -> Meeting:
    service.now_ms += 1
    socket = service.online(pair[1])
    service.routing.disconnect(pair[1].address(), socket, now_seconds=service.now_ms // 1000)
    return Meeting(service, *pair, socket)


@pytest.mark.parametrize("use_case", [deliver.sync, deliver.ping])
def test_message_and_frame_of_a_forgotten_socket_meet_in_every_order(
    service: Service, pair: tuple[Person, Person], use_case: Any
) -> None:
    """The message arrives, or the client learns that something waits."""
    assert lost_by(use_case, service, pair) == 0


def lost_by(use_case: Callable[..., Any], service: Service, pair: tuple[Person, Person]) -> int:
    """Return in how many of all orders nobody learns of the message."""
    lost = 0
    for schedule in schedules(SEND_STEPS, 3):
        meeting = live_but_forgotten(service, pair)
        told: list[Any] = []
        run_interleaved(meeting.send_side(), meeting.frame_side(use_case, told), schedule)
        (answer,) = told
        waits = isinstance(answer, Pong) and answer.inbox.pending > 0
        lost += not (meeting.arrived() or waits)
    return lost


# Mistakes that the check must notice


def ping_that_reads_before_it_reconnects(
    frame: Any, principal: Any, connection: Any, *, now: Instant, deps: Any
) -> Pong:
    pending = deps.inbox.pending(principal.inbox, now_seconds=now.seconds, consistent=True)
    deps.routing.reconnect(principal, connection, now_seconds=now.seconds)
    return Pong(server_time=now.ms, epoch=1, inbox=Inbox(pending=pending))


def sync_that_leaves_the_socket_forgotten(
    frame: Any, principal: Any, connection: Any, *, now: Instant, deps: Any
) -> Drained:
    for page in deps.inbox.pages(principal.inbox, now_seconds=now.seconds):
        for text in bundle(page):
            deps.pusher.post(connection, text)
    return Drained(more=False)


@pytest.mark.parametrize("broken", [ping_that_reads_before_it_reconnects, sync_that_leaves_the_socket_forgotten])
def test_the_check_notices_a_socket_that_stays_deaf(service: Service, pair: tuple[Person, Person], broken: Any) -> None:
    assert lost_by(broken, service, pair) > 0


class PushToKnownSocketsOnly(Push):
    """Omits the read of routing after the write."""

    def __call__(self, envelopes: Any, routes: Routes, *, now_seconds: int) -> Pushed:
        waiting: dict[Any, Envelope] = {envelope.inbox: envelope for envelope in envelopes}
        return Pushed(self._post(waiting, routes, now_seconds), None)


def hello_that_drains_before_it_connects(
    frame: Hello, principal: Any, connection: Any, *, now: Instant, deps: Any
) -> None:
    pages = list(deps.inbox.pages(principal.inbox, now_seconds=now.seconds))
    deps.routing.connect(principal, connection, now_seconds=now.seconds)
    for page in pages:
        for text in bundle(page):
            deps.pusher.post(connection, text)


def hello_that_closes_the_old_socket_last(
    frame: Hello, principal: Any, connection: Any, *, now: Instant, deps: Any
) -> None:
    connected = deps.routing.connect(principal, connection, now_seconds=now.seconds)
    for page in deps.inbox.pages(principal.inbox, now_seconds=now.seconds):
        for text in bundle(page):
            deps.pusher.post(connection, text)
    if connected.previous:
        deps.pusher.close(connected.previous)


@pytest.mark.parametrize(
    ("before", "broken"),
    [
        (offline, {"make_push": PushToKnownSocketsOnly}),
        (gone, {"make_push": PushToKnownSocketsOnly}),
        (offline, {"hello": hello_that_drains_before_it_connects}),
        (unread, {"hello": hello_that_closes_the_old_socket_last}),
    ],
)
def test_the_check_notices_a_broken_order(
    service: Service,
    pair: tuple[Person, Person],
    before: Callable[[Service, Person], None],
    broken: dict[str, Any],
) -> None:
    lost = 0
    for schedule in schedules(SEND_STEPS, HELLO_STEPS):
        meeting = meet(service, pair, before)
        send_side = meeting.send_side(broken.get("make_push", Push))
        hello_side = meeting.hello_side(broken.get("hello", deliver.hello))
        run_interleaved(send_side, hello_side, schedule)
        lost += not meeting.arrived()
    assert lost
