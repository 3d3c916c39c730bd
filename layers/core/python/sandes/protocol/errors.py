"""The closed registry of error codes. Clients switch on `code`; a code, once published, keeps its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sandes.protocol.faults import fault


class ErrorCode(StrEnum):
    """Lists each code with its HTTP status and its text. An `error` frame has the code and the text, but no status."""

    http_status: int
    text: str

    def __new__(cls, code: str, http_status: int, text: str) -> ErrorCode:
        member = str.__new__(cls, code)
        member._value_ = code
        member.http_status = http_status
        member.text = text
        return member

    MALFORMED_JSON = "malformed_json", 400, "The body is not a JSON object sent as application/json."
    UNKNOWN_TYPE = "unknown_type", 400, "No frame has this type."
    INVALID_FRAME = "invalid_frame", 400, "The frame does not match its schema; see details.errors."
    INVALID_REQUEST = "invalid_request", 400, "The request does not match its schema; see errors."
    INVALID_PHONE = "invalid_phone", 400, "This is not a phone number in international form."
    PHONE_NOT_SERVED = "phone_not_served", 400, "The service sends no SMS to numbers of this country or kind."
    BAD_KEY = "bad_key", 400, "This public key cannot be used."
    BAD_SIGNATURE = "bad_signature", 400, "The signature does not match the key and the signed data."
    SIGNATURE_REQUIRED = (
        "signature_required",
        403,
        "The device must sign this act with its identity key; see Sandes-Act.",
    )
    TOKEN_INVALID = "token_invalid", 401, "The token is missing or invalid."
    TOKEN_AUDIENCE = "token_audience", 401, "The token is for another service; see details."
    TOKEN_EXPIRED = "token_expired", 401, "The token has expired; make a new one with the server's time."
    NOT_PERMITTED = "not_permitted", 403, "You may not do this, or the recipient does not exist."
    FRESH_SIGN_IN_REQUIRED = "fresh_sign_in_required", 403, "You signed in more than five minutes ago; sign in again."
    REVOKED = "revoked", 403, "This device was unlinked or replaced."
    SUSPENDED = "suspended", 403, "The account is suspended until an administrator resumes it."
    NOT_FOUND = "not_found", 404, "It does not exist, or you may not see it."
    CODE_INCORRECT = "code_incorrect", 409, "The code is wrong."
    CODE_EXPIRED = "code_expired", 409, "The code has expired; request a new one."
    CODE_USED = "code_used", 409, "The code has already been used."
    CODE_LOCKED = "code_locked", 409, "There were too many wrong attempts; request a new code."
    LINK_INVALID = "link_invalid", 409, "The link is wrong, used or expired."
    TOO_MANY_DEVICES = "too_many_devices", 409, "The account has reached its limit of devices; unlink one first."
    PHONE_TAKEN = "phone_taken", 409, "The number belongs to another account."
    STALE_KEY = "stale_key", 409, "A key with this number or a higher number is already in use."
    DEVICE_MISMATCH = "device_mismatch", 409, "The copies do not match the recipient's devices; see details."
    SUPERSEDED = "superseded", 409, "A newer connection of this device is in use."
    HELLO_FIRST = "hello_first", 409, "This connection has not said hello yet; say hello, then repeat the frame."
    IDEMPOTENCY_KEY_MISSING = "idempotency_key_missing", 400, "Every POST needs an Idempotency-Key header."
    IDEMPOTENCY_KEY_INVALID = (
        "idempotency_key_invalid",
        400,
        "An Idempotency-Key has 1 to 64 printable ASCII characters without blanks.",
    )
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch", 422, "This idempotency key was used for a different request."
    SCOPE_MISSING = "scope_missing", 403, "The app does not have the scope for this call."
    ADDRESS_NOT_ALLOWED = "address_not_allowed", 403, "The key may not be used from this network address."
    NOT_A_GUEST = (
        "not_a_guest",
        403,
        "Trial apps and test keys can send to guests only; magic numbers need a test key.",
    )
    UNKNOWN_TEMPLATE = "unknown_template", 400, "No approved template has this name, version and kind."
    TEMPLATE_VARIABLES = "template_variables", 400, "The variables do not match the template; see errors."
    RECIPIENT_LIMITED = (
        "recipient_limited",
        429,
        "This recipient has received too many codes; wait for retry_after seconds.",
    )
    RESEND_TOO_SOON = "resend_too_soon", 429, "You can send another code after retry_after seconds."
    QUOTA_EXCEEDED = "quota_exceeded", 429, "The app's quota is used up; wait for retry_after seconds."
    CODE_CANCELLED = "code_cancelled", 409, "The one-time password was cancelled."
    ALREADY_DELIVERED = "already_delivered", 409, "A device has already received the message, so it cannot be recalled."
    ALREADY_FINAL = (
        "already_final",
        409,
        "The message cannot be recalled: it failed, expired, was recalled, or went to a group.",
    )
    BATCH_STATE = "batch_state", 409, "The state of the batch does not allow this."
    UPLOAD_MISSING = "upload_missing", 409, "The file has not been uploaded yet."
    UPLOAD_INVALID = "upload_invalid", 422, "The uploaded file cannot be read in the expected format; see errors."
    WEBHOOK_ADDRESS = "webhook_address", 400, "A webhook needs a public https address; see errors."
    TOO_MANY_WEBHOOKS = "too_many_webhooks", 409, "The app has reached its limit of webhooks; remove one first."
    WEBHOOK_DISABLED = "webhook_disabled", 409, "The webhook is paused or disabled; set paused to false first."
    TOO_MANY_KEYS = "too_many_keys", 409, "The app has reached its limit of keys of this kind; revoke one first."
    APP_MODE = "app_mode", 409, "The mode of the app, trial or live, does not allow this."
    INVALID_CURSOR = "invalid_cursor", 400, "The cursor does not belong to this list."
    POSTING_RESTRICTED = "posting_restricted", 403, "Only admins can post to this group."
    GROUP_FULL = "group_full", 409, "The group has reached its limit of members."
    OWNER_STAYS = "owner_stays", 409, "Hand the group over to another member or dissolve it before you leave."
    TOO_MANY_ADMINS = "too_many_admins", 409, "The group has reached its limit of admins."
    ROSTER_BUSY = "roster_busy", 409, "The service is still applying a roster to this group."
    UNIT_CYCLE = "unit_cycle", 409, "A unit cannot be moved below itself."
    UNIT_NOT_EMPTY = "unit_not_empty", 409, "The unit still has units, officials, groups or apps."
    UNIT_NAME_TAKEN = "unit_name_taken", 409, "Another unit under the same parent has this name."
    TOO_MANY_UNITS = "too_many_units", 409, "The organisation has reached its limit of units."
    TOO_MANY_BLOCKS = (
        "too_many_blocks",
        409,
        "The account has reached its limit of blocked accounts; unblock one first.",
    )
    UNIT_TOO_DEEP = "unit_too_deep", 409, "The units would be nested too deeply."
    VERIFIED_ELSEWHERE = "verified_elsewhere", 409, "The person is already verified; revoke that verification first."
    OWN_REQUEST = "own_request", 403, "You cannot approve your own request."
    SAME_UNIT = "same_unit", 403, "You work in the requester's unit; someone from another unit must approve."
    APPROVAL_STATE = (
        "approval_state",
        409,
        "The approval was decided or has lapsed, or the requester lost the right to ask for it.",
    )
    ALREADY_PENDING = "already_pending", 409, "A request for the same change is already pending; see approval."
    TOO_MANY_PENDING = "too_many_pending", 409, "You have too many pending requests; cancel one or have one decided."
    IMPORT_STATE = "import_state", 409, "The state of the import does not allow this; an import must be checked first."
    OWN_ROLES = "own_roles", 403, "You cannot change your own roles."
    ROLE_ABOVE_OWN = "role_above_own", 403, "You may not grant or remove this role."
    ROLES_APART = "roles_apart", 409, "The person holds a role that excludes this one."
    OWN_ACCESS = "own_access", 403, "You cannot reset your own access or approve its reset; other officers must."
    ACCESS_RESET_PENDING = "access_reset_pending", 409, "The access of this administrator is already being reset."
    ACCESS_RESET_STATE = (
        "access_reset_state",
        409,
        "The reset has taken effect or was confirmed, so it cannot be changed.",
    )
    MAIL_NOT_SET_UP = "mail_not_set_up", 409, "This stage cannot send e-mail; its operators must set `mail_from`."
    HAS_OFFICERS = "has_officers", 409, "The organisation has two nodal officers, who must grant its roles."
    LAST_OFFICER = "last_officer", 409, "An organisation must keep at least one nodal officer."
    MAIL_DOMAIN_NOT_ALLOWED = (
        "mail_domain_not_allowed",
        409,
        "The organisation accepts only e-mail addresses at its own domains; see mail_domains.",
    )
    ALREADY_ASSIGNED = "already_assigned", 409, "The administrator already has this role at this place."
    ALREADY_SUSPENDED = "already_suspended", 409, "The account is already suspended."
    VERIFIED_LATELY = (
        "verified_lately",
        409,
        "The person was verified without a request less than seven days ago; revoke the verification instead.",
    )
    ALREADY_REQUESTED = (
        "already_requested",
        409,
        "You already have an open request to this organisation; withdraw it first.",
    )
    REQUEST_STATE = (
        "request_state",
        409,
        "The request was decided or withdrawn, has lapsed, or its device is no longer linked.",
    )
    COMPLAINT_STATE = "complaint_state", 409, "The complaint is already resolved."
    PRECONDITION_FAILED = "precondition_failed", 412, "The object has changed since you read it; read it again."
    PRECONDITION_REQUIRED = "precondition_required", 428, "Send If-Match with the version that you want to change."
    CLOCK_SKEW = (
        "clock_skew",
        400,
        "The message id is in the future, or the signed act is not recent; set the clock to server_time.",
    )
    ID_TOO_OLD = "id_too_old", 400, "The message id is too old to be recognised as a retry."
    TOO_LARGE = "too_large", 413, "The frame, body or file is too large; the details give the limit."
    RATE_LIMITED = "rate_limited", 429, "There were too many requests; wait for retry_after seconds."
    SMS_LIMITED = "sms_limited", 429, "The SMS budget for numbers like this is used up; wait for retry_after seconds."
    INTERNAL = "internal", 500, "The service failed; report the request id."
    SMS_UNAVAILABLE = "sms_unavailable", 503, "The SMS could not be sent; try again."
    UNAVAILABLE = "unavailable", 503, "The service is overloaded; you can safely repeat the request."


class ProtocolError(Exception):
    """Refuses a request. The caller gets `code` and `details`, so `details` must hold only what the caller may know."""

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
    """Refuse one field, named by a JSON pointer (RFC 6901). Uses the text of `reason` without `message`."""
    return ProtocolError(code, details={"errors": [fault(pointer, reason, message)]})


def missing(pointer: str, what: str) -> ProtocolError:
    """Build a `not_found` that says which of several things in the request does not exist."""
    return invalid(ErrorCode.NOT_FOUND, pointer, "not_found", f"There is no such {what}.")
