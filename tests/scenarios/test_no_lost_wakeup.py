"""A message sent while its device connects is never left lying: every order of the two sides' steps is tried.

Sender and receiver run as the real use cases on the real stores, stopped before each call to DynamoDB and each post.
The broken variants at the end prove that the check notices the mistakes it is there for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from sandes import deliver
from sandes.edge.authorizer import AuthorizerDependencies, disconnected
from sandes.model.device import Routes
from sandes.model.envelope import Envelope
from sandes.model.ids import ConnectionId, base64url_text
from sandes.protocol.errors import ProtocolError
from sandes.protocol.frames import Hello, bundle
from sandes.push import Push
from sandes.send import send
from tests.support.interleaving import Side, Stepped, run_interleaved, schedules
from tests.support.world import NOW_MS, Person, World, world

SEND_STEPS = 4
HELLO_STEPS = 4
"""Calls of either side until all that matters between them has happened; what comes after runs unmixed."""


@pytest.fixture
def here() -> Iterator[World]:
    with world() as made:
        yield made


@dataclass
class Meeting:
    """One sender, one receiver who is about to say `hello` on a new socket."""

    here: World
    sender: Person
    receiver: Person
    new_socket: ConnectionId

    def send_side(self, make_push: Callable[[Any, Any], Any] = Push) -> tuple[Side, Callable[[], object]]:
        side = Side("send")
        dependencies = self.here.send_dependencies(
            view=Stepped(self.here.send_dependencies().view, side),
            inbox=Stepped(self.here.inbox, side),
            push=make_push(Stepped(self.here.routing, side), Stepped(self.here.gateway, side)),
        )
        frame = self.here.message(self.receiver)
        return side, lambda: send(frame, self.sender.principal(), now_ms=NOW_MS, deps=dependencies)

    def hello_side(self, hello: Callable[..., object] = deliver.hello) -> tuple[Side, Callable[[], object]]:
        side = Side("hello")
        dependencies = self.here.deliver_dependencies(
            routing=Stepped(self.here.routing, side),
            inbox=Stepped(self.here.inbox, side),
            pusher=Stepped(self.here.gateway, side),
        )
        principal = self.receiver.principal(connected_at_ms=NOW_MS + 1)
        frame = Hello(type="hello", protocol=1)
        return side, lambda: hello(frame, principal, self.new_socket, now_ms=NOW_MS + 1, deps=dependencies)

    def arrived(self) -> bool:
        """The one stored envelope was posted to the new socket."""
        (stored,) = self.here.stored(self.receiver)
        return base64url_text(stored.id) in self.here.gateway.envelope_ids(self.new_socket)


def offline(here: World, receiver: Person) -> None:
    """No socket before."""


def gone(here: World, receiver: Person) -> None:
    """The row names a socket that API Gateway no longer has."""
    here.gateway.open.discard(here.connect(receiver))


def unread(here: World, receiver: Person) -> None:
    """The row names a socket that still takes posts, but whose client is dead: nobody reads them."""
    here.connect(receiver)


BEFORE = [offline, gone, unread]


def meet(here: World, before: Callable[[World, Person], None]) -> Meeting:
    sender, receiver = here.person(), here.person()
    before(here, receiver)
    return Meeting(here, sender, receiver, here.socket())


@pytest.mark.parametrize("before", BEFORE)
def test_message_and_hello_meet_in_every_order(here: World, before: Callable[[World, Person], None]) -> None:
    for schedule in schedules(SEND_STEPS, HELLO_STEPS):
        meeting = meet(here, before)
        run_interleaved(meeting.send_side(), meeting.hello_side(), schedule)
        assert meeting.arrived(), f"lost with {before.__name__}: {schedule}"


def test_a_late_disconnect_of_the_old_socket_leaves_the_new_one_alone(here: World) -> None:
    for schedule in schedules(1, HELLO_STEPS):
        receiver = here.person()
        old = here.connect(receiver)
        meeting = Meeting(here, here.person(), receiver, here.socket())
        here.gateway.open.discard(old)
        side = Side("disconnect")
        event = {"requestContext": {"connectionId": old, "authorizer": receiver.principal().to_context()}}
        dependencies = AuthorizerDependencies(here.directory, Stepped(here.routing, side), "")  # type: ignore[arg-type]
        run_interleaved((side, lambda e=event, d=dependencies: disconnected(e, d)), meeting.hello_side(), schedule)  # type: ignore[misc]
        routes = here.routing.read(receiver.account, now_seconds=NOW_MS // 1000)
        assert routes is not None
        assert [route.connection for route in routes.devices.values()] == [meeting.new_socket]


def test_two_sockets_saying_hello_leave_the_newer_one_live_in_every_order(here: World) -> None:
    for schedule in schedules(2, 2):
        receiver = here.person()
        older, newer = here.socket(), here.socket()

        def say_hello(connection: ConnectionId, at_ms: int, person: Person = receiver) -> tuple[Side, Any]:
            side = Side(connection)
            dependencies = here.deliver_dependencies(
                routing=Stepped(here.routing, side), pusher=Stepped(here.gateway, side)
            )

            def run() -> None:
                with suppress(ProtocolError):  # the older one may be told that it is superseded
                    deliver.hello(
                        Hello(type="hello", protocol=1),
                        person.principal(connected_at_ms=at_ms),
                        connection,
                        now_ms=NOW_MS,
                        deps=dependencies,
                    )

            return side, run

        run_interleaved(say_hello(older, NOW_MS), say_hello(newer, NOW_MS + 5), schedule)
        routes = here.routing.read(receiver.account, now_seconds=NOW_MS // 1000)
        assert routes is not None
        assert [route.connection for route in routes.devices.values()] == [newer]
        assert newer in here.gateway.open


# What the check must notice.


class PushToKnownSocketsOnly(Push):
    """Forgets to read routing again after the write."""

    def __call__(self, envelopes: Any, routes: Routes, *, now_seconds: int) -> int:
        waiting: dict[Any, Envelope] = {envelope.inbox: envelope for envelope in envelopes}
        return self._post(waiting, routes)


def hello_that_drains_before_it_connects(
    frame: Hello, principal: Any, connection: Any, *, now_ms: int, deps: Any
) -> None:
    pages = list(deps.inbox.pages(principal.inbox, now_seconds=now_ms // 1000))
    deps.routing.connect(principal, connection, now_seconds=now_ms // 1000)
    for page in pages:
        for text in bundle(page):
            deps.pusher.post(connection, text)


def hello_that_closes_the_old_socket_last(
    frame: Hello, principal: Any, connection: Any, *, now_ms: int, deps: Any
) -> None:
    connected = deps.routing.connect(principal, connection, now_seconds=now_ms // 1000)
    for page in deps.inbox.pages(principal.inbox, now_seconds=now_ms // 1000):
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
    here: World, before: Callable[[World, Person], None], broken: dict[str, Any]
) -> None:
    lost = 0
    for schedule in schedules(SEND_STEPS, HELLO_STEPS):
        meeting = meet(here, before)
        send_side = meeting.send_side(broken.get("make_push", Push))
        hello_side = meeting.hello_side(broken.get("hello", deliver.hello))
        run_interleaved(send_side, hello_side, schedule)
        lost += not meeting.arrived()
    assert lost
