"""Rules of every frame that sends: the device's right to send, the message's time, and its expiry."""

from __future__ import annotations

from sandes.model.device import Routes
from sandes.model.ids import AccountId, MessageId, message_time_ms
from sandes.model.instant import Instant
from sandes.model.principal import Principal
from sandes.policy import Person
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.store.send_view import SendFacts

MAX_AHEAD_MS = 2 * 60 * 1000
"""How far a message id may be in the future. Clients make ids by the server's clock, which `welcome` tells them."""

MAX_AGE_MS = 7 * 24 * 3600 * 1000
"""The oldest message id. Clients remember seen ids for 7 days, so an older retry could be shown twice."""


def current(principal: Principal, own: Routes | None) -> Routes:
    """Return the routing of the account if the device may send.

    Raises ProtocolError revoked after the device was unlinked or replaced, and suspended while the account is
    suspended, since its sockets may still be open.
    """
    route = own.devices.get(principal.address.device) if own else None
    if own is None or route is None or route.registration != principal.registration:
        raise ProtocolError(ErrorCode.REVOKED)
    if own.suspended:
        raise ProtocolError(ErrorCode.SUSPENDED)
    return own


def time_of_message(message: MessageId, now: Instant) -> int:
    """Return the time that everybody sees for a message: the time in its id, in epoch milliseconds.

    A retry therefore has the time of the first attempt without any stored state, and one sender's messages keep their
    order in whichever environment they are accepted. Raises ProtocolError clock_skew or id_too_old.
    """
    made_at = message_time_ms(message)
    if made_at > now.ms + MAX_AHEAD_MS:
        raise ProtocolError(ErrorCode.CLOCK_SKEW, details={"server_time": now.ms})
    if made_at < now.ms - MAX_AGE_MS:
        raise ProtocolError(ErrorCode.ID_TOO_OLD, details={"server_time": now.ms})
    return made_at


def expiry(expires_in: int | None, max_expiry_seconds: int) -> int:
    """Return the lifetime in seconds. Raises ProtocolError invalid_frame if it is longer than the stage allows."""
    if expires_in is None:
        return max_expiry_seconds
    if expires_in > max_expiry_seconds:
        raise invalid(ErrorCode.INVALID_FRAME, "/expires_in", f"at_most_{max_expiry_seconds}_seconds")
    return expires_in


def recipient_of(facts: SendFacts, recipient: Routes, sender: AccountId) -> Person:
    """Build the policy's view of the recipient."""
    return Person(
        recipient.standing,
        is_viewer=recipient.account == sender,
        blocks=facts.blocked,
        invites=facts.invited,
    )
