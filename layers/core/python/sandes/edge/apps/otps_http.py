"""Routes of the app API about one-time passwords."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from sandes import runtime
from sandes.apps.otps import cancelling, checking, sending
from sandes.edge.apps.request import answer, described, signed_request
from sandes.edge.http import no_content
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
    request, now = signed_request(router), runtime.now()
    made, windows = sending.create(request, body, now=now, deps=wire_otp())
    return answer(made, HTTPStatus.ACCEPTED, windows, now_seconds=now.seconds)


@router.post(
    "/v1/otps/<id>/checks",
    **described("Check a code", scope="otp", post=True, refuses=(ErrorCode.IDEMPOTENCY_MISMATCH,)),
)
def check_otp(id: OtpPath, body: OtpCheck) -> OtpChecked:
    return checking.check(signed_request(router), id, body, now=runtime.now(), deps=wire_otp())


@router.post(
    "/v1/otps/<id>/resends",
    status_code=HTTPStatus.ACCEPTED,
    **described("Send another code", scope="otp", post=True, refuses=RESENDING),
)
def resend_otp(id: OtpPath) -> Response[Otp]:
    request, now = signed_request(router), runtime.now()
    sent, windows = sending.resend(request, id, now=now, deps=wire_otp())
    return answer(sent, HTTPStatus.ACCEPTED, windows, now_seconds=now.seconds)


@router.get("/v1/otps/<id>", **described("Get the state of an OTP", scope="otp"))
def otp_state(id: OtpPath) -> Otp:
    return checking.state(signed_request(router), id, now=runtime.now(), deps=wire_otp())


@router.delete(
    "/v1/otps/<id>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Cancel an OTP", scope="otp", refuses=(ErrorCode.CODE_USED,)),
)
def cancel_otp(id: OtpPath) -> Response[str]:
    cancelling.cancel(signed_request(router), id, now=runtime.now(), deps=wire_otp())
    return no_content()
