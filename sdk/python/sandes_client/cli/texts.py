"""Builds the error lines of the command: `<code>: <text>`, with the reasons that the server gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandes_client.admin import AdminApiError
from sandes_client.api import ApiError
from sandes_client.app import AppApiError
from sandes_client.device import SendFailed
from sandes_client.events import (
    AttestationKeysRejected,
    ConnectionChanged,
    EnvelopeRefused,
    Event,
    GroupEvent,
    GroupMessageReceived,
    GroupRefreshed,
    MessageReceived,
    NoticeReceived,
    OtpReceived,
    Revoked,
    ServiceKeysRejected,
    State,
    StatusChanged,
    Superseded,
    Voided,
)

UNLINKED = "this device was unlinked or replaced; register or link again"

_WRONG_SERVICE = (
    "this profile is registered with another service than that of the endpoints; use the endpoints of its "
    "service, or another profile"
)

_NOT_ACCEPTED = "the service does not know this device; check that the endpoints lead to the service of this profile"

_SUSPENDED = "this account is suspended; the organisation or platform that suspended it can resume it"

STOPPED = {
    State.SUPERSEDED: "another program is connected as this device; close it first",
    State.REVOKED: UNLINKED,
    State.WRONG_SERVICE: _WRONG_SERVICE,
    State.CLOSED: "the client was closed",
    State.FAILED: "the client failed; see its log",
}

GOING_ON = {
    State.CONNECTING: "",
    State.CONNECTED: "",
    State.WAITING: "",
    State.STORE_FAILED: (
        "this profile cannot be written to, so nothing is sent or received: free space on the disk, or make "
        "its file writable; the client then continues by itself"
    ),
}
"""Tells the user what to know and do, for each state in which the client continues. Empty if there is nothing."""

SHOWN_AS_THEY_ARE = (
    *(MessageReceived, NoticeReceived, OtpReceived, Voided, GroupMessageReceived, GroupEvent, GroupRefreshed),
    *(StatusChanged, EnvelopeRefused),
    *(Revoked, Superseded),  # the next state reports them
)
"""Lists events that inbox, chat and send show in their own way, or that another event repeats."""


def warning_of(event: Event) -> str | None:
    """Return the line `<code>: <text>` for an event that every command must report, or None."""
    match event:
        case ConnectionChanged() if GOING_ON.get(event.state):
            return f"{event.state}: {GOING_ON[event.state]}"
        case ServiceKeysRejected():
            return (
                f"service_keys_rejected: {_keys_rejected('messages that other keys have sealed are not shown', event)}"
            )
        case AttestationKeysRejected():
            consequence = "officials whose attestations other keys have signed are not shown as verified"
            return f"attestation_keys_rejected: {_keys_rejected(consequence, event)}"
    return None


def _keys_rejected(consequence: str, event: ServiceKeysRejected | AttestationKeysRejected) -> str:
    return (
        f"the service names keys that do not follow from those this profile knows ({event.reason}), and "
        f"{consequence}; check that the endpoints lead to your service, then ask its operator whether its "
        "keys were replaced"
    )


_LIMITS = {
    "quota_exceeded": "the app's quota is used up",
    "rate_limited": "too many",
    "recipient_limited": "this recipient has received too many codes",
    "resend_too_soon": "another code cannot be sent yet",
    "sms_limited": "the SMS budget for numbers like this is used up",
}
"""Texts that are followed by the time to wait, which has its own field."""

_REQUESTS = _LIMITS | {
    "invalid_request": "the service does not accept this request",
    "not_permitted": "you may not do this",
    "already_requested": "you have asked this organisation already; `sandes verification list` shows it",
    "revoked": UNLINKED,
    "suspended": _SUSPENDED,
    "token_invalid": _NOT_ACCEPTED,
    "token_audience": _WRONG_SERVICE,
}
"""Texts that replace the server's title."""

_APP_REQUESTS = _LIMITS | {
    "invalid_request": "the service does not accept this request",
    "too_large": "the request is larger than allowed; a roster has at most 100,000 rows and 5,000,000 bytes",
    "token_invalid": "the service does not know this key: revoked, or the credentials are for another service",
    "token_audience": "the credentials are for another service",
    "token_expired": "this machine's clock is wrong, and a correction by the service did not help",
    "webhook_disabled": "the webhook is paused or disabled; `sandes app webhook change WEBHOOK --resume` resumes it",
}

_ADMIN_REQUESTS = _LIMITS | {
    "fresh_sign_in_required": "this needs a sign-in within the last five minutes: run `sandes-admin login`, then "
    "try again",
    "invalid_request": "the service does not accept this request",
    "not_found": "There is nothing here, or none of your roles reaches it (see sandes-admin whoami).",
    "token_invalid": "the person who is signed in is not an administrator",
}

_ASK_FIRST = "ask the recipient before you send it again"

_MESSAGES = {
    "bad_key": "a key of the recipient cannot be used",
    "clock_skew": f"it was written with a wrong clock, and the service may have it already; {_ASK_FIRST}",
    "id_too_old": f"it waited so long that its arrival cannot be checked; {_ASK_FIRST}",
    "invalid_frame": "the service does not accept the message",
    "not_permitted": "there is no such recipient or group, or you may not write to it",
    "posting_restricted": "only admins post to this group",
    "revoked": UNLINKED,
    "suspended": _SUSPENDED,
    "token_invalid": _NOT_ACCEPTED,
    "token_audience": _WRONG_SERVICE,
    "too_large": "the message is larger than allowed",
}

_FAULTS = {
    "no_good_row": "no row is valid",
    "not_a_member": "this account is not in the group",
    "not_jpeg_png_or_webp": "not a JPEG, PNG or WebP picture",
    "receive_only": "citizens can only receive; use `admins` for posting in a group for citizens",
}
"""Explains faults for which the server gives only the code."""

_WITH_POINTER = ("invalid_frame", "invalid_request", "template_variables")
"""Codes that are meaningless without the place of the fault."""


def refusal_line(error: ApiError) -> str:
    """Return the line for a refusal of the client API, the app API or the admin API."""
    texts = {AppApiError: _APP_REQUESTS, AdminApiError: _ADMIN_REQUESTS}.get(type(error), _REQUESTS)
    own = texts.get(error.code)
    line = f"{error.code}: {_reasons(error.code, error.errors) or own or error.title or 'refused'}"
    if error.approval is not None:
        line = f"{error.code}: the same change is requested already: `sandes-admin approval show {error.approval}`"
    if error.attempts_left is not None:
        line += f" Attempts left: {error.attempts_left}."
    if error.retry_after is not None:
        line += f"; wait {error.retry_after} s" if not line.endswith(".") else f" Wait {error.retry_after} s."
    if error.code == "internal" or (isinstance(error, AdminApiError) and error.request_id):
        line += f"{'' if line.endswith('.') else '.'} Request id: {error.request_id}."
    return line


def failure_line(error: SendFailed) -> str:
    """Return the line for a message that the service refuses."""
    text = failure_text(error.code)
    reasons = _reasons(error.code, error.errors)
    return f"{error.code}: {text}: {reasons}" if reasons else f"{error.code}: {text}"


def failure_text(code: str) -> str:
    """Return why the service refuses a message."""
    return _MESSAGES.get(code, "the service refuses the message")


def _reasons(code: str, errors: Sequence[dict[str, Any]]) -> str:
    """Return the fault of each field, or an empty text if the server gave only the code."""
    if code not in _WITH_POINTER:
        return str(errors[0].get("message") or "") if errors else ""
    return "; ".join(f"{fault.get('pointer')}: {_fault(fault)}" for fault in errors)


def _fault(fault: dict[str, Any]) -> str:
    code = str(fault.get("code"))
    return str(fault.get("message") or _FAULTS.get(code, code))
