"""Sends and resends the code of an OTP, to the devices of its recipient and by SMS."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sandes.apps.otps.cancelling import push_voids, void_envelopes
from sandes.apps.otps.caps import LONG_WINDOW_SECONDS, logged
from sandes.apps.otps.otp import CHECKS_PER_CODE, KEEP_SECONDS, OtpDependencies, check_pending, own_otp, shown
from sandes.apps.quotas import Window
from sandes.apps.recipients import MAGIC_CODE, Address, check_reach, magic_outcome, read_address
from sandes.apps.templates import check_variables, render
from sandes.crypto.codes import new_code, same
from sandes.crypto.seal import Content, Kind, Sealing, Void, otp_body
from sandes.identity.apps import AppCaller, AppRequest, identify
from sandes.messaging.envelopes import seal_for
from sandes.model.envelope import Envelope
from sandes.model.ids import app_text, new_message_id
from sandes.model.instant import Instant
from sandes.model.otp import Otp, OtpTargets, Resent
from sandes.model.phone import PhoneNumber
from sandes.model.template import Template
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.sms import SmsRules
from sandes.store.app_view import Wanted
from sandes.store.dynamo import ConditionFailed
from sandes.store.otps import OTP_STATE, read_otp

_TRIES = 4
MAX_SENDS = 5
"""The most codes of one OTP: the first and four resends."""

MAX_TEXT_CHARS = 1_600
"""The longest text that SNS sends as one SMS, in several segments. Texts for the app have the same limit."""

RESEND_AFTER_SECONDS = 30
"""The wait after the first send. It doubles with every further send: 30, 60, 120, 240 s."""

NO_DEVICE_DELAY_SECONDS = 1
"""The delay of the SMS to a recipient without a device. It is queued before the OTP, and this suffices to store the
OTP.
"""


def create(
    request: AppRequest, body: app_api.NewOtp, *, now: Instant, deps: OtpDependencies
) -> tuple[app_api.Otp, list[Window]]:
    """Send a code, or answer a repeated request as before. The answer does not depend on who the recipient is.

    Also return the app's quotas (none for a repetition). Raises ProtocolError invalid_phone, not_a_guest,
    unknown_template, template_variables, too_large, quota_exceeded, recipient_limited, idempotency_mismatch, and the
    errors of `identify`. Nothing is sent or stored then.
    """
    address = read_address(body.to, deps.pepper)
    id = request.request_hash(deps.pepper)
    wanted = Wanted(phone_index=address.index, template=(body.template, body.version), otp=id)
    caller = identify(request, wanted, scope="otp", audience=deps.audience, now=now, view=deps.view)
    if before := _first(request, caller, now.seconds, deps):
        return _repeated(before, request.body_fingerprint(deps.pepper, before.fingerprint), caller), []
    fingerprint = request.body_fingerprint(deps.pepper)
    check_reach(caller, address)
    template = _otp_template(caller.facts.template)
    check_variables(template, body.variables)
    now_seconds = now.seconds
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
        now=now,
        deps=deps,
    )
    return _repeated(sent, fingerprint, caller), windows


def _first(request: AppRequest, caller: AppCaller, now_seconds: int, deps: OtpDependencies) -> Otp | None:
    """Return the OTP that this request created earlier, if any. This costs one more read while the pepper is being
    replaced.
    """
    for id in request.request_hashes(deps.pepper)[1:]:
        if caller.facts.otp is None:
            return deps.view.otps.read(id, now_seconds=now_seconds)
    return caller.facts.otp


def resend(request: AppRequest, id: str, *, now: Instant, deps: OtpDependencies) -> tuple[app_api.Otp, list[Window]]:
    """Replace the code by a new one with new attempts. Devices mark the message with the old code as invalid.

    Raises ProtocolError not_found, code_used, code_cancelled, not_a_guest, resend_too_soon, recipient_limited,
    quota_exceeded, and the errors of `identify`.
    """
    now_seconds = now.seconds
    caller = identify(request, Wanted(otp=id), scope="otp", audience=deps.audience, now=now, view=deps.view)
    old = own_otp(caller)
    by = request.known_as(old.resends, deps.pepper)
    if by in old.resends:
        return _resent(old, old.resends[by]), []
    check_pending(old)
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
        now=now,
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
    now: Instant,
    deps: OtpDependencies,
) -> tuple[Otp, list[Window]]:
    """Store a code for every device of its recipient and queue its SMS. Return the stored OTP and the app's quotas.

    The quotas only count what is not refused. The SMS is queued first, and its worker looks for the OTP. A crash in
    between leaves an orphan that is dropped, but never an OTP without its SMS. The entry has the hash of its code,
    because a request that is tried again makes another code for the same OTP and send.
    """
    now_seconds = now.seconds
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
            new_message_id(now.ms),
            caller.app.sender,
            None,
            routes.account,
            Kind.OTP,
            now.ms,
            otp_body(text=text, code=code, expires_at=otp.code_expires_at, purpose=otp.purpose),
        )
        sealing = Sealing.by(deps.service_keys, now_ms=now.ms)
        envelopes = [
            seal_for(route, content, expires_at=otp.code_expires_at, sender_hash=deps.sender_hash, sealing=sealing)
            for route in routes.devices.values()
        ]
        ids = dict(zip(routes.devices, (envelope.id for envelope in envelopes), strict=True))
        otp = replace(otp, targets=OtpTargets(content.id, routes, ids))
    else:
        otp = replace(otp, targets=None)
    voids = void_envelopes(replaces[0], caller.app.sender, Void.REPLACED, now, deps) if replaces else []
    new_logs = [logged(log, otp.app, now_seconds) for log in logs]
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
            if (stands := failed.row(OTP_STATE)) is not None:
                windows = deps.quotas.give_back(caller.app, windows, 1, test=otp.test)
                return _as_it_stands(read_otp(stands), replaces, now_seconds), windows
            _, logs = deps.view.recipient(
                None, subjects=subjects, test=otp.test, now_seconds=now_seconds, consistent=True
            )
            new_logs = [logged(log, otp.app, now_seconds) for log in logs]
            continue
        if replaces and voids:
            push_voids(voids, replaces[0], now_seconds, deps)
        if routes and envelopes:
            deps.push(envelopes, routes, now_seconds=now_seconds)
        return otp, windows
    deps.quotas.give_back(caller.app, windows, 1, test=otp.test)
    raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)


def _as_it_stands(otp: Otp, replaces: tuple[Otp, str] | None, now_seconds: int) -> Otp:
    """Return the OTP that a concurrent copy of the request has stored. Raises resend_too_soon after another resend."""
    if replaces and replaces[1] not in otp.resends:
        check_pending(otp)
        raise ProtocolError(ErrorCode.RESEND_TOO_SOON, retry_after_seconds=max(1, otp.resend_after - now_seconds))
    return otp


def _queue_sms(
    otp: Otp,
    text: str,
    template: Template,
    *,
    address: Address,
    envelopes: Sequence[Envelope],
    deps: OtpDependencies,
) -> None:
    """Queue the SMS. Its text holds the code, so it is encrypted for the functions that hold the pepper."""
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


def _otp_template(template: Template | None) -> Template:
    if template is None or template.kind != "otp":
        raise ProtocolError(ErrorCode.UNKNOWN_TEMPLATE)
    return template


def _by_sms(caller: AppCaller, template: Template, language: str, address: Address, rules: SmsRules) -> bool:
    """Decide by the number that the app gave, never by facts that the app does not know."""
    if address.phone and not address.magic and not rules.allow(address.phone):
        return False
    return caller.app.sms and template.dlt is not None and language in template.dlt.template_ids


def _repeated(otp: Otp, fingerprint: bytes, caller: AppCaller) -> app_api.Otp:
    """Return the first answer, whatever has become of the OTP since.

    Raises ProtocolError idempotency_mismatch, also if one request used a test key and the other a live key.
    """
    if otp.test != caller.key.test or not same(otp.fingerprint, fingerprint):
        raise ProtocolError(ErrorCode.IDEMPOTENCY_MISMATCH)
    return shown(
        otp, "pending", CHECKS_PER_CODE, otp.created_at + otp.ttl_seconds, otp.created_at + RESEND_AFTER_SECONDS
    )


def _resent(otp: Otp, resent: Resent) -> app_api.Otp:
    return shown(otp, "pending", CHECKS_PER_CODE, resent.code_expires_at, resent.resend_after)
