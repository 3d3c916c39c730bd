"""Checks the code of an OTP, and reads its state."""

from __future__ import annotations

from sandes.apps.otps.cancelling import push_voids, void_envelopes
from sandes.apps.otps.otp import OtpDependencies, own_otp, shown, status_of
from sandes.crypto.codes import same
from sandes.crypto.seal import Void
from sandes.identity.apps import AppCaller, AppRequest, identify
from sandes.model.instant import Instant
from sandes.model.otp import Checked, Otp
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.races import Raced, retry_raced
from sandes.store.app_view import Wanted
from sandes.store.dynamo import ConditionFailed
from sandes.store.otps import OTP_STATE, OtpChanged, read_otp


def check(
    request: AppRequest, id: str, body: app_api.OtpCheck, *, now: Instant, deps: OtpDependencies
) -> app_api.OtpChecked:
    """Count an attempt, compare the code, and mark a right code as used, at most once.

    A repeated request gets the answer of the first and counts no attempt. Raises ProtocolError not_found,
    idempotency_mismatch, and the errors of `identify`.
    """
    caller = identify(request, Wanted(otp=id), scope="otp", audience=deps.audience, now=now, view=deps.view)
    otp = own_otp(caller)
    by, now_seconds = request.known_as(otp.checks, deps.pepper), now.seconds
    fingerprint = request.body_fingerprint(deps.pepper, otp.checks[by].fingerprint if by in otp.checks else None)

    def attempt() -> app_api.OtpChecked:
        nonlocal otp
        counted = otp.checks.get(by)
        if counted:
            if not same(counted.fingerprint, fingerprint):
                raise ProtocolError(ErrorCode.IDEMPOTENCY_MISMATCH)
            return _answer_again(otp, counted, body, by, caller=caller, now=now, deps=deps)
        try:
            spent = deps.view.otps.spend_attempt(
                id, app=caller.app.id, by=by, fingerprint=fingerprint, sends=otp.sends, now_seconds=now_seconds
            )
        except OtpChanged as changed:
            if changed.otp is None:
                raise ProtocolError(ErrorCode.NOT_FOUND) from None
            otp = changed.otp
            if by not in otp.checks and (refused := _refused(otp, now_seconds)):
                return refused
            raise Raced from None
        if not _fits(spent, body, deps):
            return _wrong(spent.attempts_left)
        return _consume(spent, by, spent.attempts_left, caller=caller, now=now, deps=deps)

    return retry_raced(attempt)


def _answer_again(
    otp: Otp,
    counted: Checked,
    body: app_api.OtpCheck,
    by: str,
    *,
    caller: AppCaller,
    now: Instant,
    deps: OtpDependencies,
) -> app_api.OtpChecked:
    """Answer a request that was counted before. Its answer was lost, or it ended before it used the code."""
    if otp.used_by == by:
        return app_api.OtpChecked(result="approved", attempts_left=counted.attempts_left)
    if counted.send != otp.sends or not _fits(otp, body, deps):
        return _wrong(counted.attempts_left)
    if otp.state != "pending" or otp.code_expires_at <= now.seconds:
        return _refused(otp, now.seconds) or _wrong(counted.attempts_left)
    return _consume(otp, by, counted.attempts_left, caller=caller, now=now, deps=deps)


def _consume(
    otp: Otp, by: str, attempts_left: int, *, caller: AppCaller, now: Instant, deps: OtpDependencies
) -> app_api.OtpChecked:
    voids = void_envelopes(otp, caller.app.sender, Void.USED, now, deps)
    try:
        deps.view.otps.write([deps.view.otps.consuming(otp, by=by), *(deps.inbox.adding(void) for void in voids)])
    except ConditionFailed as failed:
        current = read_otp(stands) if (stands := failed.row(OTP_STATE)) else otp
        if current.used_by == by:
            return app_api.OtpChecked(result="approved", attempts_left=attempts_left)
        return _refused(current, now.seconds) or _wrong(attempts_left)  # replaced meanwhile; a repetition gets the same
    push_voids(voids, otp, now.seconds, deps)
    return app_api.OtpChecked(result="approved", attempts_left=attempts_left)


def _fits(otp: Otp, body: app_api.OtpCheck, deps: OtpDependencies) -> bool:
    """Tell whether code and purpose are right. A code for another purpose is wrong."""
    return deps.pepper.is_code(otp.hash, code=body.code, challenge=otp.id, subject=otp.subject, purpose=body.purpose)


def _wrong(attempts_left: int) -> app_api.OtpChecked:
    return app_api.OtpChecked(result="incorrect" if attempts_left else "locked", attempts_left=attempts_left)


def _refused(otp: Otp, now_seconds: int) -> app_api.OtpChecked | None:
    """Return the reason why no attempt is counted, or None if there is none."""
    status = status_of(otp, now_seconds)
    return None if status == "pending" else app_api.OtpChecked(result=status, attempts_left=otp.attempts_left)


def state(request: AppRequest, id: str, *, now: Instant, deps: OtpDependencies) -> app_api.Otp:
    """Return the state of an OTP. Raises ProtocolError not_found, and the errors of `identify`."""
    caller = identify(request, Wanted(otp=id), scope="otp", audience=deps.audience, now=now, view=deps.view)
    otp = own_otp(caller)
    return shown(otp, status_of(otp, now.seconds), otp.attempts_left, otp.code_expires_at, otp.resend_after)
