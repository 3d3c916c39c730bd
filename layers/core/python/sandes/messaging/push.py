"""Pushes stored envelopes to live sockets (README.md, "The life of a message"). A failed push loses nothing.

A posted envelope stays in the inbox until the device acknowledges it. The order of the steps prevents lost wake-ups:
the sender writes the envelope, then reads routing consistently for every device that it has not reached. A device
writes its connection, has the previous one closed, then reads its inbox. One of the two sides always sees the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandes import runtime
from sandes.model.device import Routes
from sandes.model.envelope import Envelope
from sandes.model.ids import DeviceAddress, InboxId
from sandes.ports.sockets import Posted, Pusher
from sandes.protocol.frames import Envelopes, render, sealed_envelope
from sandes.store.routing import RoutingStore


@dataclass(frozen=True, slots=True)
class Pushed:
    """Holds the result of a push. `posted` counts the sockets that accepted the envelope.

    `changed` is the current routing if a device was linked since routing was read, or if an envelope was stored for a
    device that has been unlinked or replaced and will never fetch it. Otherwise it is None.
    """

    posted: int
    changed: Routes | None


@dataclass(frozen=True, slots=True)
class Push:
    """Pushes envelopes. `many` posts to `at_once` accounts concurrently, since a post is mostly waiting."""

    routing: RoutingStore
    pusher: Pusher
    at_once: int = 1

    def __call__(self, envelopes: Sequence[Envelope], routes: Routes, *, now_seconds: int) -> Pushed:
        """Post each envelope to its device's live socket. `routes` is the routing known before the write."""
        waiting = {envelope.inbox: envelope for envelope in envelopes}
        posted = self._post(waiting, routes, now_seconds)
        fresh = self.routing.read(routes.account, now_seconds=now_seconds) if waiting else None
        if fresh is None:
            return Pushed(posted, None)
        posted += self._post(waiting, _changed(fresh, routes), now_seconds)
        before, now = ({route.inbox for route in known.devices.values()} for known in (routes, fresh))
        return Pushed(posted, fresh if waiting.keys() - now or now - before else None)

    def many(self, deliveries: Sequence[tuple[Sequence[Envelope], Routes]], *, now_seconds: int) -> list[int]:
        """Push to many recipients, and read their routing again in one batch. Return the posted sockets of each."""
        waiting = [{envelope.inbox: envelope for envelope in envelopes} for envelopes, _ in deliveries]
        posted = self._post_each(
            [(left, routes) for left, (_, routes) in zip(waiting, deliveries, strict=True)], now_seconds
        )
        missed = [routes.account for left, (_, routes) in zip(waiting, deliveries, strict=True) if left]
        fresh = self.routing.read_many(missed, now_seconds=now_seconds)
        again = [
            (left, _changed(fresh[routes.account], routes) if left and routes.account in fresh else _nobody(routes))
            for left, (_, routes) in zip(waiting, deliveries, strict=True)
        ]
        return [first + second for first, second in zip(posted, self._post_each(again, now_seconds), strict=True)]

    def _post_each(self, left: Sequence[tuple[dict[InboxId, Envelope], Routes]], now_seconds: int) -> list[int]:
        """Post to each account's live sockets. Return how many sockets accepted an envelope."""
        live = [any(route.connection for route in routes.devices.values()) for _, routes in left]
        if self.at_once == 1 or sum(live) < 2:
            return [self._post(*one, now_seconds) if online else 0 for one, online in zip(left, live, strict=True)]
        reached = [one for one, online in zip(left, live, strict=True) if online]
        posted = iter(
            runtime.together(
                lambda one: self._post(*one, now_seconds), reached, at_once=min(self.at_once, len(reached))
            )
        )
        return [next(posted) if online else 0 for online in live]

    def _post(self, waiting: dict[InboxId, Envelope], routes: Routes, now_seconds: int) -> int:
        posted = 0
        for route in routes.devices.values():
            envelope = waiting.get(route.inbox)
            if envelope is None or route.connection is None:
                continue
            frame = render(Envelopes(envelopes=(sealed_envelope(envelope),)))
            outcome = self.pusher.post(route.connection, frame)
            if outcome is Posted.GONE:
                address = DeviceAddress(routes.account, route.device)
                self.routing.disconnect(address, route.connection, now_seconds=now_seconds)
            else:
                del waiting[route.inbox]
                posted += outcome is Posted.YES
        return posted


def _nobody(routes: Routes) -> Routes:
    return Routes(routes.account, {}, routes.standing)


def _changed(fresh: Routes, tried: Routes) -> Routes:
    """Return the devices of `fresh` that are on another socket than the one tried before."""
    before = {route.inbox: route.connection for route in tried.devices.values()}
    return Routes(
        fresh.account,
        {
            number: route
            for number, route in fresh.devices.items()
            if route.connection is not None and route.connection != before.get(route.inbox)
        },
        fresh.standing,
    )
