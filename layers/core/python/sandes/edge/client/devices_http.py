"""Routes of the client API about registration and devices."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from annotated_types import Ge, Le
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from sandes import runtime
from sandes.edge.client.caller import ActHeader, call, counted_call, described
from sandes.edge.http import no_content, source_address
from sandes.edge.paths import ONE_NUMBER
from sandes.edge.wiring.client import wire_client
from sandes.identity.signed_acts import read_signed
from sandes.model.challenge import Challenge
from sandes.model.ids import DeviceNumber
from sandes.model.instant import Instant
from sandes.people import accounts, codes, devices
from sandes.people.devices import DeviceDependencies
from sandes.protocol.client_api import (
    ChangePhone,
    DeviceList,
    LinkDevice,
    LinkOpened,
    Me,
    OpenLink,
    Registered,
    RegistrationStarted,
    SignedSealKey,
    StartRegistration,
    VerifyRegistration,
)
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out


OneTimeIdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]


DevicePath = Annotated[int, Ge(1), Le(255), ONE_NUMBER, Path()]


@router.post(
    "/v1/registrations",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Send a code to a phone number",
        signed=False,
        refuses=(
            *(ErrorCode.INVALID_PHONE, ErrorCode.PHONE_NOT_SERVED),
            *(ErrorCode.RATE_LIMITED, ErrorCode.SMS_LIMITED, ErrorCode.SMS_UNAVAILABLE),
        ),
    ),
)
def start_registration(body: StartRegistration) -> RegistrationStarted:
    now = runtime.now()
    deps, _ = wire_client()
    challenge = codes.send_first_code(
        codes.read_phone(body.phone),
        body.purpose,
        source_address=source_address(router),
        now=now,
        deps=deps.codes,
    )
    return _started(challenge, now, deps)


@router.post(
    "/v1/registrations/<id>/codes",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Send another code",
        signed=False,
        refuses=(
            *(ErrorCode.CODE_USED, ErrorCode.PHONE_NOT_SERVED),
            *(ErrorCode.RATE_LIMITED, ErrorCode.SMS_LIMITED, ErrorCode.SMS_UNAVAILABLE),
        ),
    ),
)
def resend_code(id: OneTimeIdPath) -> RegistrationStarted:
    now = runtime.now()
    deps, _ = wire_client()
    return _started(codes.send_next_code(id, now=now, deps=deps.codes), now, deps)


@router.put(
    "/v1/registrations/<id>/verification",
    **described(
        "Verify the code and register the device",
        signed=False,
        refuses=(
            ErrorCode.CODE_INCORRECT,
            ErrorCode.CODE_EXPIRED,
            ErrorCode.CODE_USED,
            ErrorCode.CODE_LOCKED,
            ErrorCode.BAD_KEY,
            ErrorCode.BAD_SIGNATURE,
            ErrorCode.SUSPENDED,
        ),
    ),
)
def verify_registration(id: OneTimeIdPath, body: VerifyRegistration) -> Registered:
    deps, _ = wire_client()
    return devices.register(id, body, now=runtime.now(), deps=deps)


@router.get("/v1/me", **described("Get the caller's account", refuses=(ErrorCode.RATE_LIMITED,)))
def get_me() -> Me:
    caller, now, deps = counted_call(router)
    return accounts.me(caller, now=now, deps=deps)


@router.put(
    "/v1/me/phone",
    status_code=HTTPStatus.NO_CONTENT,
    **described(
        "Move the account to another number",
        act=True,
        refuses=(
            ErrorCode.CODE_INCORRECT,
            ErrorCode.CODE_EXPIRED,
            ErrorCode.CODE_USED,
            ErrorCode.CODE_LOCKED,
            ErrorCode.PHONE_TAKEN,
            ErrorCode.NOT_FOUND,
        ),
    ),
)
def change_phone(body: ChangePhone, act: ActHeader = None) -> Response[str]:
    caller, now, deps = call(router)
    devices.change_phone(caller, body, read_signed(act), now=now, deps=deps)
    return no_content()


@router.get("/v1/devices", **described("List the devices of the account", refuses=(ErrorCode.RATE_LIMITED,)))
def list_devices() -> DeviceList:
    caller, _, _ = counted_call(router)
    return accounts.list_devices(caller)


@router.post(
    "/v1/devices/links",
    status_code=HTTPStatus.CREATED,
    **described(
        "Open a link for another device",
        act=True,
        refuses=(
            ErrorCode.LINK_INVALID,
            ErrorCode.RATE_LIMITED,
            ErrorCode.TOO_MANY_DEVICES,
        ),
    ),
)
def open_link(body: OpenLink, act: ActHeader = None) -> LinkOpened:
    caller, now, deps = call(router)
    return devices.open_link(caller, body, read_signed(act), now=now, deps=deps)


@router.post(
    "/v1/devices",
    status_code=HTTPStatus.CREATED,
    **described(
        "Link a new device to an account, with a link's secret key",
        signed=False,
        refuses=(
            ErrorCode.LINK_INVALID,
            ErrorCode.BAD_KEY,
            ErrorCode.BAD_SIGNATURE,
            ErrorCode.CLOCK_SKEW,
            ErrorCode.TOO_MANY_DEVICES,
            ErrorCode.SUSPENDED,
        ),
    ),
)
def link_device(body: LinkDevice) -> Registered:
    deps, _ = wire_client()
    return devices.link(body, now=runtime.now(), deps=deps)


@router.put(
    "/v1/devices/self/seal-key",
    status_code=HTTPStatus.NO_CONTENT,
    **described(
        "Rotate the seal key",
        refuses=(
            ErrorCode.RATE_LIMITED,
            ErrorCode.BAD_KEY,
            ErrorCode.BAD_SIGNATURE,
            ErrorCode.STALE_KEY,
        ),
    ),
)
def rotate_seal_key(body: SignedSealKey) -> Response[str]:
    caller, _, deps = counted_call(router)
    devices.rotate_seal_key(caller, body, deps=deps)
    return no_content()


@router.delete("/v1/devices/<number>", status_code=HTTPStatus.NO_CONTENT, **described("Unlink a device", act=True))
def unlink_device(number: DevicePath, act: ActHeader = None) -> Response[str]:
    caller, now, deps = call(router)
    devices.unlink(caller, DeviceNumber(number), read_signed(act), now=now, deps=deps)
    return no_content()


def _started(challenge: Challenge, now: Instant, deps: DeviceDependencies) -> RegistrationStarted:
    return RegistrationStarted(
        id=challenge.id,
        phone=codes.challenged_phone(challenge, deps.codes),
        code_expires_at=challenge.code_expires_at,
        resend_after=challenge.resend_after,
        attempts_left=challenge.attempts_left,
        server_time=now.ms,
    )
