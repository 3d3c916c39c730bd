"""The `send` frame: authorise, seal, store, push (docs/protocol/README.md, "Sending").

The answer is sent after the envelopes are stored for every device of the recipient, whatever becomes of the push.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sandes.counting.tally import Tally
from sandes.crypto.seal import Content, Kind, Sealing
from sandes.crypto.sender_hash import SenderHash
from sandes.crypto.service_keys import ServiceKeys
from sandes.limits import Limit, Meter
from sandes.messaging.envelopes import seal_for
from sandes.messaging.push import Push
from sandes.messaging.rules import current, expiry, recipient_of, time_of_message
from sandes.model.device import Route, Routes
from sandes.model.envelope import MAX_BODY_BYTES
from sandes.model.ids import DeviceNumber
from sandes.model.instant import Instant
from sandes.model.principal import Principal
from sandes.model.standing import class_of
from sandes.model.statistics import DIRECT_MESSAGES
from sandes.policy import Viewer, decide
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.protocol.frames import Accepted, Send
from sandes.store.inbox import InboxStore
from sandes.store.send_view import INVITED_SECONDS, SendView, inbox_subject


@dataclass(frozen=True, slots=True)
class SendDependencies:
    view: SendView
    inbox: InboxStore
    meter: Meter
    push: Push
    sender_hash: SenderHash
    service_keys: ServiceKeys
    tally: Tally
    max_expiry_seconds: int
    inboxes: Meter = field(default_factory=lambda: Meter(Limit.INBOX, store=None))


def send(frame: Send, principal: Principal, *, now: Instant, deps: SendDependencies) -> Accepted:
    """Store `frame` for every device of its recipient, then try to push it.

    Raises ProtocolError clock_skew, id_too_old, too_large, invalid_frame (expires_in), rate_limited, revoked,
    suspended, not_permitted (also for an unknown recipient), device_mismatch. Nothing is stored then, except if a
    mismatch is found only after the write. Sending the same id again with the right copies adds the missing ones.

    One read decides the sender's class and rights. A sender who loses them afterwards is refused from the next message
    on.
    """
    at_ms = time_of_message(frame.id, now)
    _check_sizes(frame)
    expires_in = expiry(frame.expires_in, deps.max_expiry_seconds)
    sender = principal.address
    deps.meter.refuse_if_empty(str(sender), now=now)
    facts = deps.view.read(
        sender, frame.to.account, limit=Limit.SENDS.label, inbox_limit=Limit.INBOX.label, now_seconds=now.seconds
    )
    deps.meter.take(str(sender), stored_full_at_ms=facts.bucket_full_at_ms, now=now)
    recipient, standing = facts.recipient, current(principal, facts.sender).standing
    if recipient is None:
        raise ProtocolError(ErrorCode.NOT_PERMITTED)
    viewer, person = Viewer(standing), recipient_of(facts, recipient, sender.account)
    if not decide(viewer, person, "message"):
        raise ProtocolError(ErrorCode.NOT_PERMITTED)
    targets = _targets(recipient, principal)
    if not targets and recipient.account != sender.account:
        raise ProtocolError(ErrorCode.NOT_PERMITTED)
    _check_copies(frame, targets)
    deps.inboxes.take(
        inbox_subject(recipient.account),
        now=now,
        stored_full_at_ms=facts.inbox_full_at_ms,
        weight=_write_units(frame),
    )
    if not targets:  # a note to oneself without another device
        return Accepted(ref=frame.ref, id=frame.id, at=at_ms)
    if not facts.has_invited and decide(viewer, person, "let_write"):  # the citizen may answer the official
        now_seconds = now.seconds
        deps.view.directory.invite(
            owner=sender.account,
            invited=recipient.account,
            now_seconds=now_seconds,
            until=now_seconds + INVITED_SECONDS,
        )
    sealing = Sealing.by(deps.service_keys, now_ms=now.ms)
    envelopes = [
        seal_for(
            targets[DeviceNumber(copy.device)],
            Content(frame.id, sender, class_of(standing), recipient.account, Kind.MESSAGE, at_ms, copy.body),
            expires_at=now.seconds + expires_in,
            sender_hash=deps.sender_hash,
            sealing=sealing,
            accepted_at_ms=now.ms,
        )
        for copy in frame.copies
    ]
    stored = deps.inbox.add(envelopes)
    if stored[0].accepted_at_ms == now.ms:  # a retry was counted the first time
        deps.tally.count(DIRECT_MESSAGES, standing.organisation if standing else None, now=now)
    alive = [envelope for envelope in stored if envelope.expires_at > now.seconds]  # a retry can find expired rows
    changed = deps.push(alive, recipient, now_seconds=now.seconds).changed
    if changed is not None:  # the device list was outdated when it was read
        _check_copies(frame, _targets(changed, principal))
    return Accepted(ref=frame.ref, id=frame.id, at=at_ms)


def _write_units(frame: Send) -> int:
    """Return the write units of the message's largest row. Rows of different devices are in different partitions."""
    return 1 + max((len(copy.body) for copy in frame.copies), default=0) // 1024


def _targets(recipient: Routes, principal: Principal) -> dict[DeviceNumber, Route]:
    """Return the devices that get a copy: all of the account's devices except the sending one."""
    return {number: route for number, route in recipient.devices.items() if route.inbox != principal.inbox}


def _check_sizes(frame: Send) -> None:
    for copy in frame.copies:
        if len(copy.body) > MAX_BODY_BYTES:
            raise ProtocolError(ErrorCode.TOO_LARGE, details={"max_body_bytes": MAX_BODY_BYTES})


def _check_copies(frame: Send, targets: dict[DeviceNumber, Route]) -> None:
    """Check that there is one copy for each device, made for its current registration."""
    given = {DeviceNumber(copy.device): copy.registration_id for copy in frame.copies}
    if len(given) != len(frame.copies):
        raise invalid(ErrorCode.INVALID_FRAME, "/copies", "device_named_twice")
    missing = sorted(targets.keys() - given.keys())
    extra = sorted(given.keys() - targets.keys())
    stale = sorted(number for number in targets.keys() & given.keys() if targets[number].registration != given[number])
    if missing or extra or stale:
        details: dict[str, Sequence[int]] = {"missing": missing, "extra": extra, "stale": stale}
        raise ProtocolError(ErrorCode.DEVICE_MISMATCH, details=details)
