"""Tests that the registry of error codes is closed, because clients branch on the codes."""

from __future__ import annotations

import pytest

from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.protocol.faults import json_pointer

PUBLISHED = {
    "malformed_json": 400,
    "unknown_type": 400,
    "invalid_frame": 400,
    "invalid_request": 400,
    "invalid_phone": 400,
    "phone_not_served": 400,
    "bad_key": 400,
    "bad_signature": 400,
    "signature_required": 403,
    "token_invalid": 401,
    "token_expired": 401,
    "token_audience": 401,
    "not_permitted": 403,
    "fresh_sign_in_required": 403,
    "revoked": 403,
    "suspended": 403,
    "already_suspended": 409,
    "verified_lately": 409,
    "already_requested": 409,
    "request_state": 409,
    "complaint_state": 409,
    "not_found": 404,
    "code_incorrect": 409,
    "code_expired": 409,
    "code_used": 409,
    "code_locked": 409,
    "link_invalid": 409,
    "too_many_devices": 409,
    "phone_taken": 409,
    "stale_key": 409,
    "device_mismatch": 409,
    "superseded": 409,
    "hello_first": 409,
    "idempotency_key_missing": 400,
    "idempotency_key_invalid": 400,
    "idempotency_mismatch": 422,
    "scope_missing": 403,
    "address_not_allowed": 403,
    "not_a_guest": 403,
    "unknown_template": 400,
    "template_variables": 400,
    "recipient_limited": 429,
    "resend_too_soon": 429,
    "quota_exceeded": 429,
    "code_cancelled": 409,
    "already_delivered": 409,
    "already_final": 409,
    "batch_state": 409,
    "upload_missing": 409,
    "upload_invalid": 422,
    "webhook_address": 400,
    "webhook_disabled": 409,
    "too_many_webhooks": 409,
    "too_many_keys": 409,
    "app_mode": 409,
    "invalid_cursor": 400,
    "posting_restricted": 403,
    "group_full": 409,
    "owner_stays": 409,
    "too_many_admins": 409,
    "roster_busy": 409,
    "unit_cycle": 409,
    "unit_not_empty": 409,
    "unit_too_deep": 409,
    "unit_name_taken": 409,
    "verified_elsewhere": 409,
    "own_request": 403,
    "same_unit": 403,
    "import_state": 409,
    "approval_state": 409,
    "own_roles": 403,
    "already_pending": 409,
    "too_many_pending": 409,
    "too_many_units": 409,
    "too_many_blocks": 409,
    "own_access": 403,
    "access_reset_pending": 409,
    "access_reset_state": 409,
    "mail_not_set_up": 409,
    "role_above_own": 403,
    "roles_apart": 409,
    "has_officers": 409,
    "last_officer": 409,
    "already_assigned": 409,
    "mail_domain_not_allowed": 409,
    "precondition_failed": 412,
    "precondition_required": 428,
    "clock_skew": 400,
    "id_too_old": 400,
    "too_large": 413,
    "rate_limited": 429,
    "sms_limited": 429,
    "internal": 500,
    "sms_unavailable": 503,
    "unavailable": 503,
}
"""A published code keeps its name and status, so this list only grows."""


def test_the_published_codes_stand_as_they_were_published() -> None:
    assert {code.value: code.http_status for code in ErrorCode} == PUBLISHED


def test_no_code_is_another_ones_alias() -> None:
    assert len(ErrorCode.__members__) == len(list(ErrorCode)) == len({code.value for code in ErrorCode})


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_is_a_snake_case_word_with_a_sentence_of_its_own(code: ErrorCode) -> None:
    assert code.value == code.name.lower()
    assert code.text.endswith(".")
    assert [other for other in ErrorCode if other.text == code.text] == [code]


def test_a_refusal_carries_its_code_and_details_of_its_own() -> None:
    details = {"a": 1}
    error = ProtocolError(ErrorCode.REVOKED, details=details)
    details["a"] = 2
    assert (str(error), error.details, error.retry_after_seconds) == ("revoked", {"a": 1}, None)


@pytest.mark.parametrize(
    ("location", "pointer"), [((), ""), (("a", 0, "b"), "/a/0/b"), (("a/b", "c~d"), "/a~1b/c~0d"), (("",), "/")]
)
def test_a_pointer_is_written_by_rfc_6901(location: tuple[int | str, ...], pointer: str) -> None:
    assert json_pointer(location) == pointer


def test_a_fault_names_the_field_and_the_reason() -> None:
    error = invalid(ErrorCode.INVALID_REQUEST, "/phone", "why")
    assert error.details == {"errors": [{"pointer": "/phone", "code": "why"}]}
