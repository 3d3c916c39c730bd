"""The frames with which a device receives: `hello`, `sync`, `ack`, `fetch`, `ping`, and the end of a socket.

This module implements docs/protocol/README.md, "Receiving".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from sandes import runtime
from sandes.counting.tally import Tally
from sandes.crypto.seal import Content, Kind, ReceiptKind, Sealing, receipt_body
from sandes.crypto.sender_hash import SenderHash
from sandes.crypto.service_keys import ServiceKeys
from sandes.limits import Limit, Meter
from sandes.messaging.envelopes import seal_for
from sandes.messaging.push import Push
from sandes.messaging.rules import current, recipient_of
from sandes.model.delivery import Status
from sandes.model.device import MAX_DEVICES, Route
from sandes.model.envelope import MAX_BODY_BYTES, Envelope
from sandes.model.ids import AccountId, AppId, ConnectionId, EnvelopeId, new_message_id
from sandes.model.instant import Instant
from sandes.model.principal import Principal
from sandes.model.standing import class_of
from sandes.model.statistics import ACTIVE
from sandes.policy import Viewer, decide
from sandes.ports.notices import AppReceipts
from sandes.ports.sockets import Posted, Pusher
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import (
    MAX_ACK_IDS,
    MAX_FRAME_BYTES,
    Ack,
    Acked,
    Body,
    ClientFrame,
    Drained,
    Fetch,
    Hello,
    Inbox,
    Limits,
    Ping,
    Pong,
    Receipt,
    ServerFrame,
    ServiceKeyIntroduction,
    ServiceKeyList,
    Superseded,
    Sync,
    Welcome,
    bundle,
    render,
)
from sandes.store.inbox import InboxStore
from sandes.store.routing import (
    AccountSuspended,
    DeviceGone,
    DrainUnderWay,
    HelloMissing,
    RoutingStore,
    SocketSuperseded,
    check_socket,
)
from sandes.store.send_view import SendView

DRAIN_ENVELOPES = 500
"""The most envelopes that one `hello` or `sync` sends before it answers `more`."""

DRAIN_PAGES = 20
"""The most pages of 100 rows that one `hello` or `sync` reads, even if the rows have expired."""

DRAIN_SECONDS = 15.0
"""The longest duration of a drain. API Gateway ends an integration after 29 s."""

RECONNECT_AFTER_SECONDS = 105 * 60
"""The time after which clients rotate the socket. API Gateway closes it after two hours."""


@dataclass(frozen=True, slots=True)
class DeliverDependencies:
    routing: RoutingStore
    inbox: InboxStore
    view: SendView
    frames: Meter
    receipts: Meter
    tally: Tally
    push: Push
    pusher: Pusher
    sender_hash: SenderHash
    service_keys: ServiceKeys
    max_expiry_seconds: int
    app_receipts: AppReceipts
    elapsed: Callable[[], float] = runtime.elapsed


def receive(
    frame: ClientFrame, principal: Principal, connection: ConnectionId, *, now: Instant, deps: DeliverDependencies
) -> ServerFrame:
    """Answer one frame of a receiving device.

    Raises ProtocolError rate_limited for a device that floods, unknown_type for other frames, and the errors of each
    frame.
    """
    deps.frames.take(str(principal.address), now=now)
    match frame:
        case Hello():
            return hello(frame, principal, connection, now=now, deps=deps)
        case Sync():
            return sync(frame, principal, connection, now=now, deps=deps)
        case Ack():
            return ack(frame, principal, now=now, deps=deps)
        case Fetch():
            return fetch(frame, principal, connection, now=now, deps=deps)
        case Ping():
            return ping(frame, principal, connection, now=now, deps=deps)
        case _:
            raise ProtocolError(ErrorCode.UNKNOWN_TYPE)


def hello(
    frame: Hello, principal: Principal, connection: ConnectionId, *, now: Instant, deps: DeliverDependencies
) -> Welcome | Drained:
    """Make this socket the device's live one, then send the stored envelopes.

    The steps have this order, so that no message is missed: write the connection, close the previous socket, read the
    inbox. One page is read before `welcome`, however many of its rows have expired. If the inbox is empty, the answer
    is `welcome`. Otherwise `welcome` and the envelopes are posted and the answer is `drained`. While another drain of
    the device is running, this one sends nothing and answers `more`. Raises ProtocolError revoked, suspended or
    superseded.
    """
    now_seconds = now.seconds
    with _refusing():
        connected = deps.routing.connect(principal, connection, now_seconds=now_seconds)
    if connected.first_of_day:
        standing = connected.standing
        deps.tally.count(ACTIVE, standing.organisation if standing else None, now=Instant(principal.connected_at_ms))
    if connected.previous:
        deps.pusher.post(connected.previous, render(Superseded()))
        deps.pusher.close(connected.previous)
    expired: list[EnvelopeId] = []
    pages = deps.inbox.pages(principal.inbox, now_seconds=now_seconds, expired=expired)
    first = [] if connected.draining else next(pages, None)
    welcome = Welcome(
        ref=frame.ref,
        server_time=now.ms,
        epoch=connected.epoch,
        inbox=Inbox(pending=0 if first is None else max(1, len(first))),
        limits=Limits(
            max_body_bytes=MAX_BODY_BYTES,
            max_expiry_seconds=deps.max_expiry_seconds,
            max_ack_ids=MAX_ACK_IDS,
            max_devices=MAX_DEVICES,
            max_frame_bytes=MAX_FRAME_BYTES,
        ),
        service_keys=_introduced(deps.service_keys),
        reconnect_after=RECONNECT_AFTER_SECONDS,
    )
    if first is None:
        deps.inbox.remove_expired(principal.inbox, expired, now_seconds=now_seconds)
        return welcome
    outcome = deps.pusher.post(connection, render(welcome))
    if outcome is Posted.FAILED:
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)
    if outcome is Posted.GONE:  # the device closed it: nothing failed, and nobody gets this answer
        deps.routing.disconnect(principal.address, connection, now_seconds=now_seconds)
        return Drained(ref=frame.ref, more=True)
    if connected.draining:
        return Drained(ref=frame.ref, more=True)
    try:
        until_ms = _begin_drain(principal, connection, now=now, deps=deps)
    except ProtocolError as error:
        if error.code is ErrorCode.RATE_LIMITED:
            return Drained(ref=frame.ref, more=True)
        raise
    try:
        return _drain(
            frame.ref,
            chain([first], pages),
            expired,
            limit=DRAIN_ENVELOPES,
            principal=principal,
            connection=connection,
            now=now,
            deps=deps,
        )
    finally:
        deps.routing.end_drain(principal, until_ms)


def _introduced(keys: ServiceKeys) -> ServiceKeyList:
    introductions = [
        ServiceKeyIntroduction(statement=one.statement, signature=one.signature) for one in keys.introductions
    ]
    return ServiceKeyList(oldest=keys.oldest, introductions=tuple(introductions))


def sync(
    frame: Sync, principal: Principal, connection: ConnectionId, *, now: Instant, deps: DeliverDependencies
) -> Drained:
    """Send up to `limit` stored envelopes, the oldest first, without the acknowledged ones.

    Raises ProtocolError rate_limited while another drain of the device is running, revoked, suspended, hello_first or
    superseded.
    """
    until_ms = _begin_drain(principal, connection, now=now, deps=deps)
    expired: list[EnvelopeId] = []
    try:
        return _drain(
            frame.ref,
            deps.inbox.pages(principal.inbox, now_seconds=now.seconds, expired=expired),
            expired,
            limit=frame.limit,
            principal=principal,
            connection=connection,
            now=now,
            deps=deps,
        )
    finally:
        deps.routing.end_drain(principal, until_ms)


def _begin_drain(principal: Principal, connection: ConnectionId, *, now: Instant, deps: DeliverDependencies) -> int:
    """Reserve the device's inbox for one drain (docs/adr/0033), and register a live socket again if it was forgotten.

    Raises ProtocolError rate_limited, revoked, suspended, hello_first or superseded.
    """
    with _refusing():
        return deps.routing.begin_drain(principal, connection, now_ms=now.ms)


@contextmanager
def _refusing() -> Iterator[None]:
    """Convert the routing store's exceptions to the refusal that the device gets."""
    try:
        yield
    except DeviceGone:
        raise ProtocolError(ErrorCode.REVOKED) from None
    except AccountSuspended:
        raise ProtocolError(ErrorCode.SUSPENDED) from None
    except HelloMissing:
        raise ProtocolError(ErrorCode.HELLO_FIRST) from None
    except SocketSuperseded:
        raise ProtocolError(ErrorCode.SUPERSEDED) from None
    except DrainUnderWay:
        raise ProtocolError(ErrorCode.RATE_LIMITED, retry_after_seconds=1) from None


def _drain(
    ref: str | None,
    pages: Iterator[list[Envelope]],
    expired: list[EnvelopeId],
    *,
    limit: int,
    principal: Principal,
    connection: ConnectionId,
    now: Instant,
    deps: DeliverDependencies,
) -> Drained:
    """Post envelopes until all are sent, the socket is gone, or a bound is reached: `limit`, the pages, the time.

    Unexpired envelopes stay until they are acknowledged. The expired envelopes of each page are deleted before the next
    page is read, so that an interrupted drain gets further the next time.
    """
    now_seconds, stop_at = now.seconds, deps.elapsed() + DRAIN_SECONDS
    left = DRAIN_PAGES
    for page in pages:
        for text in bundle(page[:limit]):
            outcome = deps.pusher.post(connection, text)
            if outcome is Posted.GONE:
                deps.routing.disconnect(principal.address, connection, now_seconds=now_seconds)
            if outcome is not Posted.YES or deps.elapsed() > stop_at:
                return Drained(ref=ref, more=True)
        left -= 1
        deps.inbox.remove_expired(principal.inbox, expired, now_seconds=now_seconds)
        expired.clear()
        if len(page) > limit or left == 0 or deps.elapsed() > stop_at:
            return Drained(ref=ref, more=True)
        limit -= len(page)
    deps.inbox.remove_expired(principal.inbox, expired, now_seconds=now_seconds)
    return Drained(ref=ref, more=False)


def ack(frame: Ack, principal: Principal, *, now: Instant, deps: DeliverDependencies) -> Acked:
    """Send the receipts, then delete the envelopes. A device that gets no `acked` may safely repeat both.

    Raises ProtocolError rate_limited, revoked or suspended; nothing is deleted then.
    """
    if frame.receipts:
        deps.receipts.refuse_if_empty(str(principal.address), now=now, wanted=len(frame.receipts))
    if any(receipt.app for receipt in frame.receipts):
        own = deps.routing.read(principal.address.account, now_seconds=now.seconds)
        current(principal, own)
    for receipt in frame.receipts:
        if receipt.app is not None:
            _tell_app(receipt, receipt.app, principal, now=now, deps=deps)
        elif receipt.to is not None:
            _send_receipt(receipt, receipt.to, principal, now=now, deps=deps)
    if frame.ids:
        deps.inbox.remove(principal.inbox, frame.ids)
    return Acked(ref=frame.ref, ids=frame.ids)


def _tell_app(receipt: Receipt, app: AppId, principal: Principal, *, now: Instant, deps: DeliverDependencies) -> None:
    deps.receipts.take(str(principal.address), now=now)
    to = Status.READ if receipt.kind == "read" else Status.DELIVERED
    deps.app_receipts(app, principal.address.account, to, receipt.ids, now=now)


def _send_receipt(
    receipt: Receipt, author_id: AccountId, principal: Principal, *, now: Instant, deps: DeliverDependencies
) -> None:
    """Seal the receipt to every device of the author. Do nothing if the author is gone or blocks the reader."""
    reader = principal.address
    facts = deps.view.read(reader, author_id, limit=Limit.RECEIPTS.label, now_seconds=now.seconds)
    deps.receipts.take(str(reader), stored_full_at_ms=facts.bucket_full_at_ms, now=now)
    author, standing = facts.recipient, current(principal, facts.sender).standing
    if author is None or not decide(Viewer(standing), recipient_of(facts, author, reader.account), "message"):
        return
    content = Content(
        new_message_id(now.ms),
        reader,
        class_of(standing),
        author_id,
        Kind.RECEIPT,
        now.ms,
        receipt_body(ReceiptKind[receipt.kind.upper()], receipt.ids),
    )
    sealing = Sealing.by(deps.service_keys, now_ms=now.ms)
    envelopes = [
        seal_for(
            route,
            content,
            expires_at=now.seconds + deps.max_expiry_seconds,
            sender_hash=deps.sender_hash,
            sealing=sealing,
        )
        for route in author.devices.values()
        if route.inbox != principal.inbox
    ]
    if envelopes:
        deps.push(deps.inbox.add(envelopes), author, now_seconds=now.seconds)


def fetch(
    frame: Fetch, principal: Principal, connection: ConnectionId, *, now: Instant, deps: DeliverDependencies
) -> Body:
    """Return the ciphertext of a body that a group message points to. Only sealed envelopes contain its secret id.

    Raises ProtocolError not_found (also after its expiry), revoked, suspended, hello_first or superseded.
    """
    _live_route(principal, connection, now=now, deps=deps)
    data = deps.inbox.body(frame.body, now_seconds=now.seconds)
    if data is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return Body(ref=frame.ref, id=frame.body, data=data)


def ping(
    frame: Ping, principal: Principal, connection: ConnectionId, *, now: Instant, deps: DeliverDependencies
) -> Pong:
    """Answer whether the device is reached on this socket, and whether envelopes wait.

    A live socket that was forgotten is registered again before the inbox is read, as by `hello`. Raises ProtocolError
    revoked, suspended, hello_first before the socket's `hello`, or superseded after that of a newer socket.
    """
    now_seconds = now.seconds
    route = _live_route(principal, connection, now=now, deps=deps)
    forgotten = route.connection is None
    if forgotten and not deps.routing.reconnect(principal, connection, now_seconds=now_seconds):
        raise ProtocolError(ErrorCode.SUPERSEDED)
    return Pong(
        ref=frame.ref,
        server_time=now.ms,
        epoch=route.epoch,
        inbox=Inbox(pending=deps.inbox.pending(principal.inbox, now_seconds=now_seconds, consistent=forgotten)),
    )


def _live_route(principal: Principal, connection: ConnectionId, *, now: Instant, deps: DeliverDependencies) -> Route:
    """Read the device's own row, and check that no newer socket has taken this one's place.

    Raises ProtocolError revoked, suspended, hello_first or superseded.
    """
    own = current(principal, deps.routing.read(principal.address.account, now_seconds=now.seconds))
    route = own.devices[principal.address.device]
    with _refusing():
        check_socket(route, principal, connection)
    return route
