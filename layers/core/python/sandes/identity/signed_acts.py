"""Signatures of acts that outlive a token, by the device's identity key (docs/adr/0034-signed-acts.md).

A token only shows who calls. An act that stays in force after the token has expired, and that gives or takes control of
an account or group, needs a signature of its own. A stolen token therefore cannot perform such an act.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandes.crypto.statements import Act, Actor, act_statement, signed_by
from sandes.identity.devices import Caller
from sandes.model.ids import parse_base64url
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.protocol.faults import OTHER_FORM, SHAPES

ACT_HEADER = "Sandes-Act"
ACT_FORM = r"^[1-9][0-9]{0,14}\.[A-Za-z0-9_-]{86}$"
"""The form of the header's value, as in the specifications: epoch milliseconds, a full stop, 64 bytes in base64url."""

SKEW_MS = 120_000
"""The largest difference between the time of an act and the server's clock, in either direction."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Holds the time of an act, in epoch milliseconds by the device's clock, and the signature over the act and this
    time.
    """

    at_ms: int
    signature: bytes


def read_signed(header: str | None) -> Signed | None:
    """Parse the value of the header `Sandes-Act`. Return None without a header.

    Raises ProtocolError invalid_request for a value of another form, over HTTPS and in the handshake alike.
    """
    if header is None:
        return None
    at_ms, _, signature = header.partition(".")
    try:
        if not re.fullmatch(ACT_FORM, header):
            raise ValueError("not a time and a signature")
        return Signed(int(at_ms), parse_base64url(signature))
    except ValueError:
        raise invalid(ErrorCode.INVALID_REQUEST, f"/{ACT_HEADER}", OTHER_FORM, SHAPES[OTHER_FORM]) from None


def check_act(caller: Caller, act: Act, signed: Signed | None, *, now: Instant) -> None:
    """Check the signature of an act. Raises ProtocolError signature_required, bad_signature or clock_skew."""
    if signed is None:
        raise ProtocolError(ErrorCode.SIGNATURE_REQUIRED)
    device = caller.device
    by = Actor(caller.account.id, device.number, device.registration)
    if not signed_by(device.identity_key, act_statement(act, by, at_ms=signed.at_ms), signed.signature):
        raise invalid(ErrorCode.BAD_SIGNATURE, f"/{ACT_HEADER}", "not_accepted")
    check_time(signed.at_ms, now=now)


def check_time(at_ms: int, *, now: Instant) -> None:
    """Check that an act is recent. Raises ProtocolError clock_skew with the server's time."""
    if abs(at_ms - now.ms) > SKEW_MS:
        raise ProtocolError(ErrorCode.CLOCK_SKEW, details={"server_time": now.ms})
