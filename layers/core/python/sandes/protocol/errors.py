"""The closed registry of error codes. Clients switch on `code`; a code, once published, keeps its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sandes.protocol.faults import fault


class ErrorCode(StrEnum):
    """Each code with the HTTP status it travels under; over a websocket only the code travels."""

    http_status: int
    text: str

    def __new__(cls, code: str, http_status: int, text: str) -> ErrorCode:
        member = str.__new__(cls, code)
        member._value_ = code
        member.http_status = http_status
        member.text = text
        return member

    MALFORMED_JSON = "malformed_json", 400, "This is not a JSON object, sent as application/json."
    UNKNOWN_TYPE = "unknown_type", 400, "There is no frame of this type."
    INVALID_FRAME = "invalid_frame", 400, "The frame does not fit its description; see details.errors."
    INVALID_REQUEST = "invalid_request", 400, "The request does not fit its description; see errors."
    INVALID_PHONE = "invalid_phone", 400, "This is not a phone number in international form."
    PHONE_NOT_SERVED = "phone_not_served", 400, "No SMS is sent to numbers of this country or kind."
    BAD_KEY = "bad_key", 400, "This public key cannot be used."
    BAD_SIGNATURE = "bad_signature", 400, "The signature does not fit the key and what it should sign."
    SIGNATURE_REQUIRED = (
        "signature_required",
        403,
        "The device must sign this act with its identity key; see Sandes-Act.",
    )
    TOKEN_INVALID = "token_invalid", 401, "The token is missing or was not accepted."
    TOKEN_AUDIENCE = "token_audience", 401, "The token is for another service; see details."
    TOKEN_EXPIRED = "token_expired", 401, "The token has expired; make a new one on the server's time."
    NOT_PERMITTED = "not_permitted", 403, "You may not do this, or there is no such recipient."
    FRESH_SIGN_IN_REQUIRED = "fresh_sign_in_required", 403, "This takes a sign-in of the last minutes; sign in again."
    REVOKED = "revoked", 403, "This device was unlinked or replaced."
    SUSPENDED = "suspended", 403, "The account is suspended until whoever suspended it resumes it."
    NOT_FOUND = "not_found", 404, "There is nothing here."
    CODE_INCORRECT = "code_incorrect", 409, "The code is wrong."
    CODE_EXPIRED = "code_expired", 409, "The code has expired; ask for a new one."
    CODE_USED = "code_used", 409, "The code has already been used."
    CODE_LOCKED = "code_locked", 409, "Too many wrong codes; ask for a new one."
    LINK_INVALID = "link_invalid", 409, "The link secret is wrong, used or expired."
    TOO_MANY_DEVICES = "too_many_devices", 409, "The account has as many devices as it may have; unlink one first."
    PHONE_TAKEN = "phone_taken", 409, "The number belongs to another account."
    STALE_KEY = "stale_key", 409, "A key with this number or a higher one is already in use."
    DEVICE_MISMATCH = "device_mismatch", 409, "The copies do not match the recipient's devices; see details."
    SUPERSEDED = "superseded", 409, "A newer connection of this device is in use."
    HELLO_FIRST = "hello_first", 409, "This connection has not said hello yet; say hello, then repeat the frame."
    IDEMPOTENCY_KEY_MISSING = "idempotency_key_missing", 400, "Every POST needs an Idempotency-Key header."
    IDEMPOTENCY_KEY_INVALID = (
        "idempotency_key_invalid",
        400,
        "An Idempotency-Key has 1 to 64 printable ASCII characters, and no blanks.",
    )
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch", 422, "This idempotency key was used with another request."
    SCOPE_MISSING = "scope_missing", 403, "The app has no permission for this kind of call."
    ADDRESS_NOT_ALLOWED = "address_not_allowed", 403, "The key may not be used from this network address."
    NOT_A_GUEST = (
        "not_a_guest",
        403,
        "Trial apps and test keys send to guests only; magic numbers take a test key.",
    )
    UNKNOWN_TEMPLATE = "unknown_template", 400, "There is no approved template of this name, version and kind."
    TEMPLATE_VARIABLES = "template_variables", 400, "The variables are not those of the template; see errors."
    RECIPIENT_LIMITED = "recipient_limited", 429, "This recipient has been sent too many codes; wait for retry_after."
    RESEND_TOO_SOON = "resend_too_soon", 429, "Another code may be sent after retry_after seconds."
    QUOTA_EXCEEDED = "quota_exceeded", 429, "The app's quota is used up; wait for retry_after seconds."
    CODE_CANCELLED = "code_cancelled", 409, "The one-time password was cancelled."
    ALREADY_DELIVERED = "already_delivered", 409, "A device has the message already: it cannot be recalled."
    ALREADY_FINAL = (
        "already_final",
        409,
        "It cannot be recalled: it failed, expired, was recalled, or went to a group.",
    )
    BATCH_STATE = "batch_state", 409, "The batch is not in a state in which this can be done."
    UPLOAD_MISSING = "upload_missing", 409, "The file has not been uploaded yet."
    UPLOAD_INVALID = "upload_invalid", 422, "The uploaded file cannot be read as what it should be; see errors."
    WEBHOOK_ADDRESS = "webhook_address", 400, "Webhooks go to public https addresses only; see errors."
    TOO_MANY_WEBHOOKS = "too_many_webhooks", 409, "The app has as many webhooks as it may have; remove one first."
    WEBHOOK_DISABLED = "webhook_disabled", 409, "The webhook is paused or gone; set paused to false first."
    TOO_MANY_KEYS = "too_many_keys", 409, "The app has as many keys of this kind as it may have; revoke one first."
    APP_MODE = "app_mode", 409, "The app is not in the mode, trial or live, in which this can be done."
    INVALID_CURSOR = "invalid_cursor", 400, "This cursor was not given out for this list."
    POSTING_RESTRICTED = "posting_restricted", 403, "Only admins post to this group."
    GROUP_FULL = "group_full", 409, "The group has as many members as it may have."
    OWNER_STAYS = "owner_stays", 409, "Hand the group over to another member, or dissolve it, before you leave."
    TOO_MANY_ADMINS = "too_many_admins", 409, "The group has as many admins as it may have."
    ROSTER_BUSY = "roster_busy", 409, "A roster is still being applied to this group."
    UNIT_CYCLE = "unit_cycle", 409, "A unit cannot be moved below itself."
    UNIT_NOT_EMPTY = "unit_not_empty", 409, "There are units, officials, groups or apps in this unit."
    UNIT_NAME_TAKEN = "unit_name_taken", 409, "There is a unit of this name beside it already."
    UNIT_TOO_DEEP = "unit_too_deep", 409, "Units are nested as deep as they may be."
    VERIFIED_ELSEWHERE = "verified_elsewhere", 409, "The person is verified already; revoke that verification first."
    OWN_REQUEST = "own_request", 403, "Nobody approves what they have asked for themselves."
    SAME_UNIT = "same_unit", 403, "It takes two people of different units; this one works in the requester's."
    APPROVAL_STATE = "approval_state", 409, "It has been decided already, has lapsed, or may not be asked for any more."
    IMPORT_STATE = "import_state", 409, "The import is not in a state in which this can be done; it is checked first."
    OWN_ROLES = "own_roles", 403, "Nobody changes their own roles."
    ROLE_ABOVE_OWN = "role_above_own", 403, "You may not grant or take away this role."
    ROLES_APART = "roles_apart", 409, "One person may not hold this role beside another that they hold."
    OWN_ACCESS = "own_access", 403, "Nobody resets their own access, nor helps to; others do."
    ACCESS_RESET_PENDING = "access_reset_pending", 409, "The access of this administrator is being reset already."
    ACCESS_RESET_STATE = "access_reset_state", 409, "The reset has taken effect, or was confirmed already."
    MAIL_NOT_SET_UP = "mail_not_set_up", 409, "This stage sends no e-mail yet; its operators set `mail_from`."
    HAS_OFFICERS = "has_officers", 409, "The organisation has two nodal officers, who grant its roles themselves."
    LAST_OFFICER = "last_officer", 409, "An organisation keeps at least one nodal officer."
    ALREADY_ASSIGNED = "already_assigned", 409, "The administrator has this role at this place already."
    ALREADY_SUSPENDED = "already_suspended", 409, "The account is suspended already."
    VERIFIED_LATELY = (
        "verified_lately",
        409,
        "The person was verified without asking, less than seven days ago; revoke the verification instead.",
    )
    ALREADY_REQUESTED = "already_requested", 409, "You have asked this organisation already; take that request back."
    REQUEST_STATE = "request_state", 409, "It has been decided, taken back or has lapsed, or its device is gone."
    COMPLAINT_STATE = "complaint_state", 409, "The complaint has been resolved already."
    PRECONDITION_FAILED = "precondition_failed", 412, "It has been changed since; read it again."
    PRECONDITION_REQUIRED = "precondition_required", 428, "Say with If-Match which version you mean to change."
    CLOCK_SKEW = (
        "clock_skew",
        400,
        "A message id lies in the future, or an act was not signed just now; correct the clock by server_time.",
    )
    ID_TOO_OLD = "id_too_old", 400, "The message id is older than the time for which retries are recognised."
    TOO_LARGE = "too_large", 413, "This is larger than allowed; the details say how large it may be."
    RATE_LIMITED = "rate_limited", 429, "Too many; wait for retry_after seconds."
    SMS_LIMITED = "sms_limited", 429, "No more SMS are sent to numbers like this for now; wait for retry_after seconds."
    INTERNAL = "internal", 500, "Something failed on our side; quote the request id."
    SMS_UNAVAILABLE = "sms_unavailable", 503, "The SMS could not be handed over; try again."
    UNAVAILABLE = "unavailable", 503, "The service is overloaded; the request changed nothing or may be repeated."


class ProtocolError(Exception):
    """A refusal the caller is told about. `details` holds only what the caller may know."""

    def __init__(
        self,
        code: ErrorCode,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(code.value)
        self.code = code
        self.details = dict(details or {})
        self.retry_after_seconds = retry_after_seconds


def invalid(code: ErrorCode, pointer: str, reason: str, message: str | None = None) -> ProtocolError:
    """A refusal about one field, named by a JSON pointer (RFC 6901); the sentence is that of the reason if left out."""
    return ProtocolError(code, details={"errors": [fault(pointer, reason, message)]})


def missing(pointer: str, what: str) -> ProtocolError:
    """A `not_found` that says which of several things named is not there."""
    return invalid(ErrorCode.NOT_FOUND, pointer, "not_found", f"There is no such {what}.")
