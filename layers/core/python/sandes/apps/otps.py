"""One-time passwords for apps: send, check, resend, cancel (docs/apps/README.md, "One-time passwords").

The id of an OTP is the keyed hash of the request that made it: the row is its own record of the idempotency key.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sandes.apps.quotas import Quotas, Window
from sandes.apps.recipients import MAGIC_CODE, Address, check_reach, magic_outcome, read_address
from sandes.apps.templates import check_variables, render
from sandes.crypto.codes import new_code, same
from sandes.crypto.pepper import Pepper
from sandes.crypto.seal import Content, Kind, Sealing, Void, otp_body, void_body
from sandes.crypto.sender_hash import SenderHash
from sandes.crypto.service_keys import ServiceKeys
from sandes.identity.apps import AppCaller, AppRequest, identify
from sandes.messaging.envelopes import seal_for
from sandes.messaging.push import Push
from sandes.model.app import AppSender
from sandes.model.envelope import Envelope
from sandes.model.ids import AppId, app_text, new_message_id
from sandes.model.otp import Checked, Otp, OtpTargets, Resent
from sandes.model.phone import PhoneNumber
from sandes.model.template import Template
from sandes.ports.queues import Queue
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.sms import SmsRules
from sandes.store.app_view import AppView, Wanted
from sandes.store.dynamo import ConditionFailed
from sandes.store.inbox import InboxStore
from sandes.store.otps import OtpChanged, read_otp

CHECKS_PER_CODE = 3
MAX_SENDS = 5
"""Of one OTP: the first and four resends."""

MAX_TEXT_CHARS = 1_600
"""What SNS takes as one SMS, in several segments; the same for those who get it in the app."""

RESEND_AFTER_SECONDS = 30
"""Doubles with every further send: 30, 60, 120, 240 s."""

KEEP_SECONDS = 86_400
"""How long the state can be read after the last code has expired."""

SHORT_WINDOW_SECONDS, SHORT_WINDOW_SENDS = 15 * 60, 5
LONG_WINDOW_SECONDS, LONG_WINDOW_SENDS = 86_400, 10
"""Per app and recipient."""

ALL_APPS_SENDS = 30
"""Per recipient and day, over all apps."""

NO_DEVICE_DELAY_SECONDS = 1
"""The SMS to somebody without a device is queued before the OTP is stored: this long is enough to store it."""

_TRIES = 4
_LOG_ENTRY_BYTES = 12


@dataclass(frozen=True, slots=True)
class OtpDependencies:
    """`sms_after_seconds`: how long devices have to acknowledge before the SMS goes out."""

    view: AppView
    inbox: InboxStore
    quotas: Quotas
    push: Push
    sms_queue: Queue
    sms_rules: SmsRules
    pepper: Pepper
    sender_hash: SenderHash
    service_keys: ServiceKeys
    audience: str
    sms_after_seconds: int


def create(
    request: AppRequest, body: app_api.NewOtp, *, now_ms: int, deps: OtpDependencies
) -> tuple[app_api.Otp, list[Window]]:
    """Send a code, or answer a repeated request as before. The answer does not depend on who the recipient is.

    Also gives how the app's quotas stand (nothing for a repetition). Raises ProtocolError: what `identify` raises,
    invalid_phone, not_a_guest, unknown_template, template_variables, too_large, quota_exceeded, recipient_limited,
    idempotency_mismatch. Nothing is sent or stored then.
    """
    address = read_address(body.to, deps.pepper)
    id = request.request_hash(deps.pepper)
    wanted = Wanted(phone_index=address.index, template=(body.template, body.version), otp=id)
    caller = identify(request, wanted, scope="otp", audience=deps.audience, now_ms=now_ms, view=deps.view)
    if before := _first(request, caller, now_ms // 1000, deps):
        return _repeated(before, request.body_fingerprint(deps.pepper, before.fingerprint), caller), []
    fingerprint = request.body_fingerprint(deps.pepper)
    check_reach(caller, address)
    template = _otp_template(caller.facts.template)
    check_variables(template, body.variables)
    now_seconds = now_ms // 1000
    account = address.account or caller.facts.account
    subject = address.subjects(account)[0]
    private = json.dumps([address.phone, body.variables]).encode()
    new = Otp(
        id=id,
        app=caller.app.id,
        test=caller.key.test,
        subject=subject,
        account=account,
        private=deps.pepper.seal(private, id.encode()),
        fingerprint=fingerprint,
        purpose=body.purpose,
        template=template.name,
        template_version=template.version,
        language=template.language(body.language),
        digits=body.length,
        ttl_seconds=body.ttl,
        sms=_by_sms(caller, template, template.language(body.language), address, deps.sms_rules),
        client_ref=body.client_ref,
        hash=b"",
        attempts_left=CHECKS_PER_CODE,
        sends=1,
        created_at=now_seconds,
        code_expires_at=now_seconds + (0 if address.magic == "expired" else body.ttl),
        resend_after=now_seconds + RESEND_AFTER_SECONDS,
        expires_at=now_seconds + body.ttl + KEEP_SECONDS,
        state="pending",
        targets=None,
    )
    code = MAGIC_CODE[: body.length] if address.magic else new_code(body.length)
    sent, windows = _issue(
        new,
        code,
        template=template,
        variables=body.variables,
        address=address,
        caller=caller,
        replaces=None,
        now_ms=now_ms,
        deps=deps,
    )
    return _repeated(sent, fingerprint, caller), windows


def _first(request: AppRequest, caller: AppCaller, now_seconds: int, deps: OtpDependencies) -> Otp | None:
    """The OTP that this request has made before. One more read while the pepper is replaced."""
    for id in request.request_hashes(deps.pepper)[1:]:
        if caller.facts.otp is None:
            return deps.view.otps.read(id, now_seconds=now_seconds)
    return caller.facts.otp


def resend(request: AppRequest, id: str, *, now_ms: int, deps: OtpDependencies) -> tuple[app_api.Otp, list[Window]]:
    """Replace the code by a new one with attempts of its own; the bubble of the old one turns void.

    Raises ProtocolError: what `identify` raises, not_found, code_used, code_cancelled, not_a_guest, resend_too_soon,
    recipient_limited, quota_exceeded.
    """
    now_seconds = now_ms // 1000
    caller = identify(request, Wanted(otp=id), scope="otp", audience=deps.audience, now_ms=now_ms, view=deps.view)
    old = _own(caller)
    by = request.known_as(old.resends, deps.pepper)
    if by in old.resends:
        return _resent(old, old.resends[by]), []
    _check_pending(old)
    if now_seconds < old.resend_after:
        raise ProtocolError(ErrorCode.RESEND_TOO_SOON, retry_after_seconds=old.resend_after - now_seconds)
    if old.sends >= MAX_SENDS:
        raise ProtocolError(ErrorCode.RECIPIENT_LIMITED, retry_after_seconds=max(1, old.expires_at - now_seconds))
    phone, variables = json.loads(deps.pepper.open(old.private, id.encode()))
    address = Address(None, (), old.account, magic_outcome(old.subject))
    if phone:
        address = replace(Address.of_phone(PhoneNumber(phone), deps.pepper), account=old.account)
    check_reach(caller, address)
    template = _otp_template(deps.view.apps.template(caller.app.id, old.template, old.template_version))
    new = replace(
        old,
        attempts_left=CHECKS_PER_CODE,
        sends=old.sends + 1,
        code_expires_at=now_seconds + (0 if address.magic == "expired" else old.ttl_seconds),
        resend_after=now_seconds + RESEND_AFTER_SECONDS * 2**old.sends,
        expires_at=now_seconds + old.ttl_seconds + KEEP_SECONDS,
    )
    code = MAGIC_CODE[: old.digits] if address.magic else new_code(old.digits)
    sent, windows = _issue(
        new,
        code,
        template=template,
        variables=variables,
        address=address,
        caller=caller,
        replaces=(old, by),
        now_ms=now_ms,
        deps=deps,
    )
    return _resent(sent, sent.resends.get(by) or Resent(sent.sends, sent.code_expires_at, sent.resend_after)), windows


def _issue(
    otp: Otp,
    code: str,
    *,
    template: Template,
    variables: Mapping[str, str],
    address: Address,
    caller: AppCaller,
    replaces: tuple[Otp, str] | None,
    now_ms: int,
    deps: OtpDependencies,
) -> tuple[Otp, list[Window]]:
    """Store a code for every device of its recipient and queue its SMS: the OTP as it stands in the table then, and
    the app's quotas, which only count what is not refused.

    The SMS is queued first: whoever takes it from the queue looks for the OTP, so a crash between the two leaves an
    orphan that is dropped, never an OTP without its SMS. It names the hash of its code, since a request that is tried
    again makes another code for the same OTP and send.
    """
    now_seconds = now_ms // 1000
    hashed = deps.pepper.code_hash(code=code, challenge=otp.id, subject=otp.subject, purpose=otp.purpose)
    otp = replace(otp, hash=hashed)
    subjects = [] if address.magic else address.subjects(otp.account)
    routes, logs = deps.view.recipient(otp.account, subjects=subjects, test=otp.test, now_seconds=now_seconds)
    text = render(template, variables, language=otp.language, code=code)
    if len(text) > MAX_TEXT_CHARS:
        raise invalid(ErrorCode.TOO_LARGE, "/variables", f"at_most_{MAX_TEXT_CHARS}_characters")
    envelopes: list[Envelope] = []
    if routes and routes.devices:
        content = Content(
            new_message_id(now_ms),
            caller.app.sender,
            None,
            routes.account,
            Kind.OTP,
            now_ms,
            otp_body(text=text, code=code, expires_at=otp.code_expires_at, purpose=otp.purpose),
        )
        sealing = Sealing.by(deps.service_keys, now_ms=now_ms)
        envelopes = [
            seal_for(route, content, expires_at=otp.code_expires_at, sender_hash=deps.sender_hash, sealing=sealing)
            for route in routes.devices.values()
        ]
        ids = dict(zip(routes.devices, (envelope.id for envelope in envelopes), strict=True))
        otp = replace(otp, targets=OtpTargets(content.id, routes, ids))
    else:
        otp = replace(otp, targets=None)
    voids = _void(replaces[0], caller.app.sender, Void.REPLACED, now_ms, deps) if replaces else []
    new_logs = [_logged(log, otp.app, now_seconds) for log in logs]
    windows = deps.quotas.take(caller.app, 1, test=caller.key.test, now_seconds=now_seconds)
    if otp.sms and not address.magic:
        _queue_sms(otp, text, template, address=address, envelopes=envelopes, deps=deps)
    for _ in range(_TRIES):
        row = (
            deps.view.otps.renewing(replaces[0], otp, by=replaces[1])
            if replaces
            else deps.view.otps.creating(otp, now_seconds=now_seconds)
        )
        operations = [row, *(deps.inbox.adding(envelope) for envelope in (*voids, *envelopes))]
        keep = now_seconds + LONG_WINDOW_SECONDS
        operations += [
            deps.view.deliveries.logging_send(subject, old, new, test=otp.test, keep_until=keep)
            for subject, old, new in zip(subjects, logs, new_logs, strict=True)
        ]
        try:
            deps.view.otps.write(operations)
        except ConditionFailed as failed:
            if failed.items[0] is not None:
                windows = deps.quotas.give_back(caller.app, windows, 1, test=otp.test)
                return _as_it_stands(read_otp(failed.items[0]), replaces, now_seconds), windows
            _, logs = deps.view.recipient(
                None, subjects=subjects, test=otp.test, now_seconds=now_seconds, consistent=True
            )
            new_logs = [_logged(log, otp.app, now_seconds) for log in logs]
            continue
        if replaces and voids:
            _push_void(voids, replaces[0], now_seconds, deps)
        if routes and envelopes:
            deps.push(envelopes, routes, now_seconds=now_seconds)
        return otp, windows
    deps.quotas.give_back(caller.app, windows, 1, test=otp.test)
    raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)


def _as_it_stands(otp: Otp, replaces: tuple[Otp, str] | None, now_seconds: int) -> Otp:
    """Another copy of the request was faster: the same answer for both; another resend: too soon for this one."""
    if replaces and replaces[1] not in otp.resends:
        _check_pending(otp)
        raise ProtocolError(ErrorCode.RESEND_TOO_SOON, retry_after_seconds=max(1, otp.resend_after - now_seconds))
    return otp


def check(
    request: AppRequest, id: str, body: app_api.OtpCheck, *, now_ms: int, deps: OtpDependencies
) -> app_api.OtpChecked:
    """Whether the code is right: counted first, compared then, used up at most once.

    A repeated request gets the answer of the first and counts no attempt. Raises ProtocolError: what `identify`
    raises, not_found, idempotency_mismatch.
    """
    caller = identify(request, Wanted(otp=id), scope="otp", audience=deps.audience, now_ms=now_ms, view=deps.view)
    otp = _own(caller)
    by, now_seconds = request.known_as(otp.checks, deps.pepper), now_ms // 1000
    fingerprint = request.body_fingerprint(deps.pepper, otp.checks[by].fingerprint if by in otp.checks else None)
    for _ in range(_TRIES):
        counted = otp.checks.get(by)
        if counted:
            if not same(counted.fingerprint, fingerprint):
                raise ProtocolError(ErrorCode.IDEMPOTENCY_MISMATCH)
            return _answer_again(otp, counted, body, by, caller=caller, now_ms=now_ms, deps=deps)
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
            continue
        if not _fits(spent, body, deps):
            return _wrong(spent.attempts_left)
        return _consume(spent, by, spent.attempts_left, caller=caller, now_ms=now_ms, deps=deps)
    raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)


def _answer_again(
    otp: Otp,
    counted: Checked,
    body: app_api.OtpCheck,
    by: str,
    *,
    caller: AppCaller,
    now_ms: int,
    deps: OtpDependencies,
) -> app_api.OtpChecked:
    """Of a request that was counted before, whose answer may have got lost, or which ended before it consumed."""
    if otp.used_by == by:
        return app_api.OtpChecked(result="approved", attempts_left=counted.attempts_left)
    if counted.send != otp.sends or not _fits(otp, body, deps):
        return _wrong(counted.attempts_left)
    if otp.state != "pending" or otp.code_expires_at <= now_ms // 1000:
        return _refused(otp, now_ms // 1000) or _wrong(counted.attempts_left)
    return _consume(otp, by, counted.attempts_left, caller=caller, now_ms=now_ms, deps=deps)


def _consume(
    otp: Otp, by: str, attempts_left: int, *, caller: AppCaller, now_ms: int, deps: OtpDependencies
) -> app_api.OtpChecked:
    voids = _void(otp, caller.app.sender, Void.USED, now_ms, deps)
    try:
        deps.view.otps.write([deps.view.otps.consuming(otp, by=by), *(deps.inbox.adding(void) for void in voids)])
    except ConditionFailed as failed:
        now = read_otp(failed.items[0]) if failed.items[0] else otp
        if now.used_by == by:
            return app_api.OtpChecked(result="approved", attempts_left=attempts_left)
        return _refused(now, now_ms // 1000) or _wrong(attempts_left)  # replaced meanwhile: as its repetition will say
    _push_void(voids, otp, now_ms // 1000, deps)
    return app_api.OtpChecked(result="approved", attempts_left=attempts_left)


def _fits(otp: Otp, body: app_api.OtpCheck, deps: OtpDependencies) -> bool:
    """The purpose is the one that the check names: a code for another is as wrong as any."""
    return deps.pepper.is_code(otp.hash, code=body.code, challenge=otp.id, subject=otp.subject, purpose=body.purpose)


def _wrong(attempts_left: int) -> app_api.OtpChecked:
    return app_api.OtpChecked(result="incorrect" if attempts_left else "locked", attempts_left=attempts_left)


def _refused(otp: Otp, now_seconds: int) -> app_api.OtpChecked | None:
    """Why no attempt is counted, or None if there is no reason any more."""
    status = status_of(otp, now_seconds)
    return None if status == "pending" else app_api.OtpChecked(result=status, attempts_left=otp.attempts_left)


def state(request: AppRequest, id: str, *, now_ms: int, deps: OtpDependencies) -> app_api.Otp:
    """Raises ProtocolError: what `identify` raises, not_found."""
    caller = identify(request, Wanted(otp=id), scope="otp", audience=deps.audience, now_ms=now_ms, view=deps.view)
    otp = _own(caller)
    return _shown(otp, status_of(otp, now_ms // 1000), otp.attempts_left, otp.code_expires_at, otp.resend_after)


def cancel(request: AppRequest, id: str, *, now_ms: int, deps: OtpDependencies) -> None:
    """No code of it is accepted from now on; its bubble turns void. Cancelling twice does no harm.

    Raises ProtocolError: what `identify` raises, not_found, code_used.
    """
    caller = identify(request, Wanted(otp=id), scope="otp", audience=deps.audience, now_ms=now_ms, view=deps.view)
    otp = _own(caller)
    for _ in range(_TRIES):
        if otp.state == "cancelled":
            return
        _check_pending(otp)
        voids = _void(otp, caller.app.sender, Void.CANCELLED, now_ms, deps)
        try:
            deps.view.otps.write([deps.view.otps.cancelling(otp), *(deps.inbox.adding(void) for void in voids)])
        except ConditionFailed as failed:
            if failed.items[0] is None:
                raise ProtocolError(ErrorCode.NOT_FOUND) from None
            otp = read_otp(failed.items[0])
            continue
        _push_void(voids, otp, now_ms // 1000, deps)
        return
    raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)


# The SMS.


def _queue_sms(
    otp: Otp,
    text: str,
    template: Template,
    *,
    address: Address,
    envelopes: Sequence[Envelope],
    deps: OtpDependencies,
) -> None:
    """The text holds the code: it is queued sealed, and only functions that hold the pepper can read it."""
    if template.dlt is None:
        return
    secret = json.dumps([address.phone, text, template.dlt.entity_id, template.dlt.template_ids[otp.language]])
    deps.sms_queue.send(
        {
            "app": app_text(otp.app),
            "otp": otp.id,
            "send": otp.sends,
            "hash": _text(otp.hash),
            "sealed": _text(deps.pepper.seal(secret.encode(), otp.id.encode())),
            "envelopes": [[_text(envelope.inbox), _text(envelope.id)] for envelope in envelopes],
        },
        delay_seconds=deps.sms_after_seconds if envelopes else NO_DEVICE_DELAY_SECONDS,
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


# What the above is made of.


def _own(caller: AppCaller) -> Otp:
    """Another app's OTP, or a test one asked for with a live key, looks like none. Raises ProtocolError not_found."""
    otp = caller.facts.otp
    if otp is None or otp.app != caller.app.id or otp.test != caller.key.test:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return otp


def _check_pending(otp: Otp) -> None:
    if otp.state == "used":
        raise ProtocolError(ErrorCode.CODE_USED)
    if otp.state == "cancelled":
        raise ProtocolError(ErrorCode.CODE_CANCELLED)


def _otp_template(template: Template | None) -> Template:
    if template is None or template.kind != "otp":
        raise ProtocolError(ErrorCode.UNKNOWN_TEMPLATE)
    return template


def _by_sms(caller: AppCaller, template: Template, language: str, address: Address, rules: SmsRules) -> bool:
    """Decide only by the number that the app gave, never by what the app does not know."""
    if address.phone and not address.magic and not rules.allow(address.phone):
        return False
    return caller.app.sms and template.dlt is not None and language in template.dlt.template_ids


def status_of(otp: Otp, now_seconds: int) -> Any:
    """`pending`, `used`, `cancelled`, `expired` or `locked`."""
    if otp.state != "pending":
        return otp.state
    if otp.code_expires_at <= now_seconds:
        return "expired"
    return "pending" if otp.attempts_left else "locked"


def _shown(otp: Otp, status: Any, attempts_left: int, expires_at: int, resend_after: int) -> app_api.Otp:
    return app_api.Otp(
        id=otp.id,
        status=status,
        channel="app_then_sms" if otp.sms else "app",
        expires_at=datetime.fromtimestamp(expires_at, UTC),
        resend_after=datetime.fromtimestamp(resend_after, UTC),
        attempts_left=attempts_left,
        client_ref=otp.client_ref,
    )


def _repeated(otp: Otp, fingerprint: bytes, caller: AppCaller) -> app_api.Otp:
    """The first answer, whatever has become of the OTP since.

    Raises ProtocolError idempotency_mismatch, also where one came with a test key and the other with a live one.
    """
    if otp.test != caller.key.test or not same(otp.fingerprint, fingerprint):
        raise ProtocolError(ErrorCode.IDEMPOTENCY_MISMATCH)
    return _shown(
        otp, "pending", CHECKS_PER_CODE, otp.created_at + otp.ttl_seconds, otp.created_at + RESEND_AFTER_SECONDS
    )


def _resent(otp: Otp, resent: Resent) -> app_api.Otp:
    return _shown(otp, "pending", CHECKS_PER_CODE, resent.code_expires_at, resent.resend_after)


def _void(otp: Otp, sender: AppSender, reason: Void, now_ms: int, deps: OtpDependencies) -> list[Envelope]:
    """`control` envelopes for the devices that hold the code."""
    if otp.targets is None:
        return []
    content = Content(
        new_message_id(now_ms),
        sender,
        None,
        otp.targets.routes.account,
        Kind.CONTROL,
        now_ms,
        void_body((otp.targets.message,), reason),
    )
    sealing, expires_at = Sealing.by(deps.service_keys, now_ms=now_ms), now_ms // 1000 + KEEP_SECONDS
    return [
        seal_for(route, content, expires_at=expires_at, sender_hash=deps.sender_hash, sealing=sealing)
        for route in otp.targets.routes.devices.values()
    ]


def _push_void(voids: Sequence[Envelope], otp: Otp, now_seconds: int, deps: OtpDependencies) -> None:
    if voids and otp.targets:
        deps.push(voids, otp.targets.routes, now_seconds=now_seconds)


def _logged(log: bytes, app: AppId, now_seconds: int) -> bytes:
    """The log with this send. Raises ProtocolError recipient_limited with the seconds until one is allowed again."""
    entries = [log[start : start + _LOG_ENTRY_BYTES] for start in range(0, len(log), _LOG_ENTRY_BYTES)]
    sent = [(entry[:8], int.from_bytes(entry[8:], "big")) for entry in entries]
    recent = [(by, at) for by, at in sent if at > now_seconds - LONG_WINDOW_SECONDS]
    own = [at for by, at in recent if by == app]
    short = [at for at in own if at > now_seconds - SHORT_WINDOW_SECONDS]
    for times, most, seconds in (
        (short, SHORT_WINDOW_SENDS, SHORT_WINDOW_SECONDS),
        (own, LONG_WINDOW_SENDS, LONG_WINDOW_SECONDS),
        ([at for _, at in recent], ALL_APPS_SENDS, LONG_WINDOW_SECONDS),
    ):
        if len(times) >= most:
            wait = sorted(times)[-most] + seconds - now_seconds
            raise ProtocolError(ErrorCode.RECIPIENT_LIMITED, retry_after_seconds=max(1, wait))
    return b"".join(by + at.to_bytes(4, "big") for by, at in (*recent, (app, now_seconds)))
