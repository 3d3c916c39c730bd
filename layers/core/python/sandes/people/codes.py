"""Codes: sending them, counting attempts, and telling wrong, expired and used codes apart.

This module implements docs/protocol/README.md, "Codes". Only a keyed hash of a code is stored. An attempt is counted
before the code is compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from sandes.crypto.codes import new_code
from sandes.crypto.pepper import Pepper
from sandes.limits import Limit, PerHour, enforce, network_of
from sandes.model.challenge import Challenge, Purpose
from sandes.model.ids import new_one_time_id
from sandes.model.instant import Instant
from sandes.model.phone import PhoneNumber, parse_phone
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.sms import SmsBudget, SmsRules
from sandes.store.codes import ChallengeChanged, CodeStore
from sandes.store.limits import LimitStore

CODE_DIGITS = 6
CODE_SECONDS = 300
ATTEMPTS = 3
MAX_SENDS = 5
RESEND_AFTER_SECONDS = 30
"""The wait after the first code. It doubles with every further code: 30, 60, 120, 240 s."""

KEEP_SECONDS = 24 * 3600
"""The time for which the row is kept after the code, so that a late caller learns whether the code was used or
expired.
"""


class SmsSender(Protocol):
    def send_code(self, phone: PhoneNumber, code: str) -> None:
        """Send a code by SMS. Raises ProtocolError sms_unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class CodeDependencies:
    """Holds the dependencies. `addresses` limits the registrations that one network may start in an hour."""

    codes: CodeStore
    limits: LimitStore
    pepper: Pepper
    sms: SmsSender
    sms_rules: SmsRules
    sms_budget: SmsBudget
    addresses: PerHour


def read_phone(text: str) -> PhoneNumber:
    """Parse a phone number. Raises ProtocolError invalid_phone with the reason."""
    try:
        return parse_phone(text)
    except ValueError as error:
        raise ProtocolError(
            ErrorCode.INVALID_PHONE,
            details={"errors": [{"pointer": "/phone", "code": "invalid_phone", "message": str(error)}]},
        ) from None


def send_first_code(
    phone: PhoneNumber, purpose: Purpose, *, source_address: str, now: Instant, deps: CodeDependencies
) -> Challenge:
    """Create a challenge and send its code. Nothing depends on whether the number has an account.

    Raises ProtocolError phone_not_served, rate_limited (by network, by number from one network, and by number),
    sms_limited or sms_unavailable.
    """
    deps.sms_rules.check(phone)
    subjects = deps.pepper.indexes("phone", phone)
    subject, networks = subjects[0], deps.pepper.indexes("address", network_of(source_address))
    for number, network in zip(subjects, networks, strict=True):
        enforce(deps.limits, deps.addresses, f"address:{network}", now=now)
        enforce(deps.limits, Limit.CODES_FROM_NETWORK, f"phone:{number}:{network}", now=now)
    _count_code(phone, now, deps)
    now_seconds = now.seconds
    deps.sms_budget.take_or_fail(phone, now_seconds=now_seconds)
    id, code = new_one_time_id(), new_code(CODE_DIGITS)
    challenge = Challenge(
        id=id,
        purpose=purpose,
        subject=subject,
        phone_sealed=deps.pepper.seal_phone(phone, id.encode()),
        hash=deps.pepper.code_hash(code=code, challenge=id, subject=subject, purpose=purpose),
        attempts_left=ATTEMPTS,
        sends=1,
        code_expires_at=now_seconds + CODE_SECONDS,
        resend_after=now_seconds + RESEND_AFTER_SECONDS,
        expires_at=now_seconds + KEEP_SECONDS,
    )
    deps.codes.create(challenge)
    deps.sms.send_code(phone, code)
    return challenge


def _count_code(phone: PhoneNumber, now: Instant, deps: CodeDependencies) -> None:
    """Count a code under every value of the pepper, so that a change of the value refills no bucket."""
    for number in deps.pepper.indexes("phone", phone):
        enforce(deps.limits, Limit.CODES_TO_NUMBER, f"phone:{number}", now=now)


def challenged_phone(challenge: Challenge, deps: CodeDependencies) -> PhoneNumber:
    """Return the number that a challenge of purpose `register` or `change_phone` was made for."""
    if challenge.phone_sealed is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return deps.pepper.open_phone(challenge.phone_sealed, challenge.id.encode())


def send_next_code(id: str, *, now: Instant, deps: CodeDependencies) -> Challenge:
    """Replace the code by a new one with new attempts, and send it.

    Raises ProtocolError not_found, code_used, rate_limited, phone_not_served, sms_limited, sms_unavailable.
    """
    now_seconds = now.seconds
    old = deps.codes.read(id, purpose="register", now_seconds=now_seconds)
    if old is None or old.phone_sealed is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    if old.used:
        raise ProtocolError(ErrorCode.CODE_USED)
    if now_seconds < old.resend_after:
        raise ProtocolError(ErrorCode.RATE_LIMITED, retry_after_seconds=old.resend_after - now_seconds)
    if old.sends >= MAX_SENDS:
        raise ProtocolError(ErrorCode.RATE_LIMITED, retry_after_seconds=max(1, old.expires_at - now_seconds))
    phone = challenged_phone(old, deps)
    deps.sms_rules.check(phone)
    _count_code(phone, now, deps)
    deps.sms_budget.take_or_fail(phone, now_seconds=now_seconds)
    code = new_code(CODE_DIGITS)
    new = replace(
        old,
        hash=deps.pepper.code_hash(code=code, challenge=id, subject=old.subject, purpose=old.purpose),
        attempts_left=ATTEMPTS,
        sends=old.sends + 1,
        code_expires_at=now_seconds + CODE_SECONDS,
        resend_after=now_seconds + RESEND_AFTER_SECONDS * 2**old.sends,
        expires_at=now_seconds + KEEP_SECONDS,
    )
    try:
        deps.codes.renew(old, new)
    except ChallengeChanged:
        raise ProtocolError(ErrorCode.RATE_LIMITED, retry_after_seconds=RESEND_AFTER_SECONDS) from None
    deps.sms.send_code(phone, code)
    return new


def check_code(id: str, code: str, purpose: Purpose, *, now: Instant, deps: CodeDependencies) -> Challenge:
    """Return the challenge if `code` is right. The change that it allows consumes it later, in one transaction.

    A used challenge (`used` is true) is returned if it was used with this code, because the caller may repeat a request
    whose answer was lost. Raises ProtocolError not_found, code_incorrect with attempts_left, code_locked, code_expired
    or code_used.
    """
    now_seconds = now.seconds
    try:
        challenge = deps.codes.spend_attempt(id, purpose=purpose, now_seconds=now_seconds)
    except ChallengeChanged as changed:
        return _why_not(changed.challenge, code, purpose, now_seconds, deps)
    if not _fits(challenge, code, deps):
        if challenge.attempts_left == 0:
            raise ProtocolError(ErrorCode.CODE_LOCKED, details={"attempts_left": 0})
        raise ProtocolError(ErrorCode.CODE_INCORRECT, details={"attempts_left": challenge.attempts_left})
    return challenge


def _fits(challenge: Challenge, code: str, deps: CodeDependencies) -> bool:
    return deps.pepper.is_code(
        challenge.hash, code=code, challenge=challenge.id, subject=challenge.subject, purpose=challenge.purpose
    )


def _why_not(
    challenge: Challenge | None, code: str, purpose: Purpose, now_seconds: int, deps: CodeDependencies
) -> Challenge:
    if challenge is None or challenge.purpose != purpose or challenge.expires_at <= now_seconds:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    if challenge.used:
        if challenge.code_expires_at > now_seconds and _fits(challenge, code, deps):
            return challenge
        raise ProtocolError(ErrorCode.CODE_USED)
    if challenge.code_expires_at <= now_seconds:
        raise ProtocolError(ErrorCode.CODE_EXPIRED)
    raise ProtocolError(ErrorCode.CODE_LOCKED, details={"attempts_left": 0})
