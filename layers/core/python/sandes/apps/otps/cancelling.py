"""Cancels an OTP, and marks the messages that hold a code as invalid."""

from __future__ import annotations

from collections.abc import Sequence

from sandes.apps.otps.otp import KEEP_SECONDS, OtpDependencies, check_pending, own_otp
from sandes.crypto.seal import Content, Kind, Sealing, Void, void_body
from sandes.identity.apps import AppRequest, identify
from sandes.messaging.envelopes import seal_for
from sandes.model.app import AppSender
from sandes.model.envelope import Envelope
from sandes.model.ids import new_message_id
from sandes.model.instant import Instant
from sandes.model.otp import Otp
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.races import Raced, retry_raced
from sandes.store.app_view import Wanted
from sandes.store.dynamo import ConditionFailed
from sandes.store.otps import OTP_STATE, read_otp


def cancel(request: AppRequest, id: str, *, now: Instant, deps: OtpDependencies) -> None:
    """Cancel an OTP: no code of it is accepted any more, and devices mark its message as invalid.

    Repeating it is harmless. Raises ProtocolError not_found, code_used, and the errors of `identify`.
    """
    caller = identify(request, Wanted(otp=id), scope="otp", audience=deps.audience, now=now, view=deps.view)
    otp = own_otp(caller)

    def attempt() -> None:
        nonlocal otp
        if otp.state == "cancelled":
            return
        check_pending(otp)
        voids = void_envelopes(otp, caller.app.sender, Void.CANCELLED, now, deps)
        try:
            deps.view.otps.write([deps.view.otps.cancelling(otp), *(deps.inbox.adding(void) for void in voids)])
        except ConditionFailed as failed:
            if (stands := failed.row(OTP_STATE)) is None:
                raise ProtocolError(ErrorCode.NOT_FOUND) from None
            otp = read_otp(stands)
            raise Raced from None
        push_voids(voids, otp, now.seconds, deps)

    retry_raced(attempt)


def void_envelopes(otp: Otp, sender: AppSender, reason: Void, now: Instant, deps: OtpDependencies) -> list[Envelope]:
    """Build the `control` envelopes for the devices that hold the code."""
    if otp.targets is None:
        return []
    content = Content(
        new_message_id(now.ms),
        sender,
        None,
        otp.targets.routes.account,
        Kind.CONTROL,
        now.ms,
        void_body((otp.targets.message,), reason),
    )
    sealing, expires_at = Sealing.by(deps.service_keys, now_ms=now.ms), now.seconds + KEEP_SECONDS
    return [
        seal_for(route, content, expires_at=expires_at, sender_hash=deps.sender_hash, sealing=sealing)
        for route in otp.targets.routes.devices.values()
    ]


def push_voids(voids: Sequence[Envelope], otp: Otp, now_seconds: int, deps: OtpDependencies) -> None:
    if voids and otp.targets:
        deps.push(voids, otp.targets.routes, now_seconds=now_seconds)
