"""Makes requests about one-time passwords in process: signed, but without HTTP."""

from __future__ import annotations

import json
import secrets
from typing import Any

import cbor2

from sandes.apps import otp_sms
from sandes.apps.otp_sms import SmsDependencies
from sandes.apps.otps import cancelling, checking, sending
from sandes.apps.otps.otp import OtpDependencies
from sandes.crypto.seal import Kind
from sandes.model.ids import account_text
from sandes.model.instant import Instant
from sandes.protocol import app_api
from tests.support.app_keys import AppKeys
from tests.support.service import Person, Service

Json = dict[str, Any]


def by_account(person: Person) -> Json:
    return {"account": account_text(person.account)}


def new_otp(to: str | Person | Json, **changed: Any) -> Json:
    """Build the body of a request. The recipient is a phone number, or a person who is addressed by number."""
    recipient = to if isinstance(to, dict) else {"phone": to.phone if isinstance(to, Person) else to}
    return {"to": recipient, "template": "login", "variables": {"service": "passports"}} | changed


def send(
    service: Service,
    app: AppKeys,
    to: str | Person | Json,
    *,
    key: str | None = None,
    at: int = 0,
    deps: OtpDependencies | None = None,
    **changed: Any,
) -> app_api.Otp:
    """Send a code, `at` seconds after the time of the service's clock."""
    body = json.dumps(new_otp(to, **changed)).encode()
    now_ms = service.now_ms + at * 1000
    request = app.request("POST", "/v1/otps", body, key=key or secrets.token_urlsafe(12), now_ms=now_ms)
    return sending.create(
        request, app_api.NewOtp.model_validate_json(body), now=Instant(now_ms), deps=deps or service.otp_deps()
    )[0]


def check(
    service: Service,
    app: AppKeys,
    id: str,
    code: str,
    *,
    key: str | None = None,
    at: int = 0,
    deps: OtpDependencies | None = None,
    **changed: Any,
) -> tuple[str, int]:
    """Return the result of a check and the remaining attempts."""
    body = json.dumps({"code": code} | changed).encode()
    now_ms = service.now_ms + at * 1000
    path = f"/v1/otps/{id}/checks"
    request = app.request("POST", path, body, key=key or secrets.token_urlsafe(12), now_ms=now_ms)
    parsed = app_api.OtpCheck.model_validate_json(body)
    answer = checking.check(request, id, parsed, now=Instant(now_ms), deps=deps or service.otp_deps())
    return answer.result, answer.attempts_left


def resend(
    service: Service,
    app: AppKeys,
    id: str,
    *,
    key: str | None = None,
    at: int = 0,
    deps: OtpDependencies | None = None,
) -> app_api.Otp:
    now_ms = service.now_ms + at * 1000
    request = app.request("POST", f"/v1/otps/{id}/resends", key=key or secrets.token_urlsafe(12), now_ms=now_ms)
    return sending.resend(request, id, now=Instant(now_ms), deps=deps or service.otp_deps())[0]


def state(service: Service, app: AppKeys, id: str, *, at: int = 0) -> app_api.Otp:
    now_ms = service.now_ms + at * 1000
    request = app.request("GET", f"/v1/otps/{id}", key=None, now_ms=now_ms)
    return checking.state(request, id, now=Instant(now_ms), deps=service.otp_deps())


def cancel(service: Service, app: AppKeys, id: str, *, at: int = 0, deps: OtpDependencies | None = None) -> None:
    now_ms = service.now_ms + at * 1000
    request = app.request("DELETE", f"/v1/otps/{id}", key=None, now_ms=now_ms)
    cancelling.cancel(request, id, now=Instant(now_ms), deps=deps or service.otp_deps())


def bubbles(service: Service, person: Person, index: int = 0) -> list[Json]:
    """Return the codes in a device's inbox as a client shows them: each with the `message` that brought it, and the
    reason if it is `void`.
    """
    contents = [person.keys[index].open(envelope) for envelope in service.stored(person, index)]
    codes = [(content.id, cbor2.loads(content.body)) for content in contents if content.kind is Kind.OTP]
    controls = [cbor2.loads(content.body) for content in contents if content.kind is Kind.CONTROL]
    reasons = {id: control[3] for control in controls for id in control[2]}
    return [{"message": id, "code": body[2], "text": body[1], "void": reasons.get(id)} for id, body in codes]


def code_for(service: Service, person: Person) -> str:
    """Return the only code in the inbox that is not void."""
    (code,) = [bubble["code"] for bubble in bubbles(service, person) if bubble["void"] is None]
    return str(code)


def other(code: str) -> str:
    """Return a code of the same form that is not `code`."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def work_off(
    service: Service, *, at: int = 0, queued_at: int = 0, deps: SmsDependencies | None = None, again: bool = False
) -> list[str]:
    """Process the SMS queue as the function does. Return the outcomes, with `not yet` for entries that stay in the
    queue. If `again` is true, all entries stay, as if SQS delivered them twice.
    """
    waiting, left, outcomes = list(service.sms_queue.sent), [], []
    for body, delay in waiting:
        try:
            outcomes.append(
                otp_sms.send_sms(
                    body,
                    queued_at=service.now_ms // 1000 + queued_at,
                    now=Instant(service.now_ms + at * 1000),
                    deps=deps or service.sms_deps(),
                )
            )
        except otp_sms.NotYet:
            outcomes.append("not yet")
            left.append((body, delay))
    service.sms_queue.sent[:] = waiting if again else left
    return outcomes
