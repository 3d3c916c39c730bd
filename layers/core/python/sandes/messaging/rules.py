"""Rules of every frame that sends: whether the device may still speak, the message's time, and how long it is kept."""

from __future__ import annotations

from sandes.model.device import Routes
from sandes.model.ids import AccountId, MessageId, message_time_ms
from sandes.model.principal import Principal
from sandes.policy import Person
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.store.send_view import SendFacts

MAX_AHEAD_MS = 2 * 60 * 1000
"""A message id may lie this far in the future: clients make ids on the server's clock, learnt from `welcome`."""

MAX_AGE_MS = 7 * 24 * 3600 * 1000
"""Clients remember seen ids for 7 days; an older retry could be shown twice."""


def current(principal: Principal, own: Routes | None) -> Routes:
    """The account's own item, for a device that may speak.

    Raises ProtocolError revoked once it was unlinked or replaced, suspended while the account is: its open socket says
    nothing any more.
    """
    route = own.devices.get(principal.address.device) if own else None
    if own is None or route is None or route.registration != principal.registration:
        raise ProtocolError(ErrorCode.REVOKED)
    if own.suspended:
        raise ProtocolError(ErrorCode.SUSPENDED)
    return own


def time_of_message(message: MessageId, now_ms: int) -> int:
    """Give back the time at which everybody sees a message: the time in its id, epoch milliseconds.

    So a repetition has the time of the first try, without anything that is remembered, and one sender's messages keep
    their order whichever function environments accept them. Raises ProtocolError clock_skew or id_too_old.
    """
    made_at = message_time_ms(message)
    if made_at > now_ms + MAX_AHEAD_MS:
        raise ProtocolError(ErrorCode.CLOCK_SKEW, details={"server_time": now_ms})
    if made_at < now_ms - MAX_AGE_MS:
        raise ProtocolError(ErrorCode.ID_TOO_OLD, details={"server_time": now_ms})
    return made_at


def expiry(expires_in: int | None, max_expiry_seconds: int) -> int:
    """Seconds. Raises ProtocolError invalid_frame for more than the stage allows."""
    if expires_in is None:
        return max_expiry_seconds
    if expires_in > max_expiry_seconds:
        raise invalid(ErrorCode.INVALID_FRAME, "/expires_in", f"at_most_{max_expiry_seconds}_seconds")
    return expires_in


def recipient_of(facts: SendFacts, recipient: Routes, sender: AccountId) -> Person:
    """The recipient as policy sees them."""
    return Person(
        recipient.standing,
        is_viewer=recipient.account == sender,
        blocks=facts.blocked,
        invites=facts.invited,
    )
