"""Routes of the app API about one-time passwords."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from sandes.apps.otps import cancelling, checking, sending
from sandes.edge.apps.request import answer, described, signed_request
from sandes.edge.http import no_content, now_milliseconds
from sandes.edge.wiring.otps import wire_otp
from sandes.protocol.app_api import NewOtp, Otp, OtpCheck, OtpChecked
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out


SENDING = (
    *(ErrorCode.UNKNOWN_TEMPLATE, ErrorCode.TEMPLATE_VARIABLES, ErrorCode.INVALID_PHONE, ErrorCode.NOT_A_GUEST),
    *(ErrorCode.QUOTA_EXCEEDED, ErrorCode.RECIPIENT_LIMITED, ErrorCode.IDEMPOTENCY_MISMATCH),
    ErrorCode.TOO_LARGE,
)


RESENDING = (
    *(ErrorCode.CODE_USED, ErrorCode.CODE_CANCELLED, ErrorCode.UNKNOWN_TEMPLATE),
    *(ErrorCode.RESEND_TOO_SOON, ErrorCode.RECIPIENT_LIMITED, ErrorCode.QUOTA_EXCEEDED),
    ErrorCode.TOO_LARGE,
)


OtpPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]


@router.post(
    "/v1/otps", status_code=HTTPStatus.ACCEPTED, **described("Send a code", scope="otp", post=True, refuses=SENDING)
)
def create_otp(body: NewOtp) -> Response[Otp]:
    request, now_ms = signed_request(router), now_milliseconds()
    made, windows = sending.create(request, body, now_ms=now_ms, deps=wire_otp())
    return answer(made, HTTPStatus.ACCEPTED, windows, now_seconds=now_ms // 1000)


@router.post(
    "/v1/otps/<id>/checks",
    **described("Check a code", scope="otp", post=True, refuses=(ErrorCode.IDEMPOTENCY_MISMATCH,)),
)
def check_otp(id: OtpPath, body: OtpCheck) -> OtpChecked:
    return checking.check(signed_request(router), id, body, now_ms=now_milliseconds(), deps=wire_otp())


@router.post(
    "/v1/otps/<id>/resends",
    status_code=HTTPStatus.ACCEPTED,
    **described("Send another code", scope="otp", post=True, refuses=RESENDING),
)
def resend_otp(id: OtpPath) -> Response[Otp]:
    request, now_ms = signed_request(router), now_milliseconds()
    sent, windows = sending.resend(request, id, now_ms=now_ms, deps=wire_otp())
    return answer(sent, HTTPStatus.ACCEPTED, windows, now_seconds=now_ms // 1000)


@router.get("/v1/otps/<id>", **described("Get the state of an OTP", scope="otp"))
def otp_state(id: OtpPath) -> Otp:
    return checking.state(signed_request(router), id, now_ms=now_milliseconds(), deps=wire_otp())


@router.delete(
    "/v1/otps/<id>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Cancel an OTP", scope="otp", refuses=(ErrorCode.CODE_USED,)),
)
def cancel_otp(id: OtpPath) -> Response[str]:
    cancelling.cancel(signed_request(router), id, now_ms=now_milliseconds(), deps=wire_otp())
    return no_content()
