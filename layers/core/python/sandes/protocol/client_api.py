"""Bodies of the HTTPS client API (docs/protocol/client-openapi.json is generated from them)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sandes.protocol.fields import AccountField, Key32, Signature64, Wire

PhoneText = Annotated[str, Field(min_length=1, max_length=32, description="international form, +91 98765 43210")]
CodeText = Annotated[str, Field(pattern=r"^[0-9]{6}$", description="the six digits of the SMS")]
EpochSeconds = Annotated[int, Field(description="epoch seconds, UTC")]
DeviceNumberField = Annotated[int, Field(ge=1, le=255)]
KeyNumber = Annotated[int, Field(ge=1, le=2**32 - 1)]
OneTimeId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22}$")]


class StartRegistration(Wire):
    phone: PhoneText
    purpose: Literal["register", "change_phone"] = "register"


class RegistrationStarted(Wire):
    """The same answer whether or not the number has an account."""

    id: OneTimeId
    code_expires_at: EpochSeconds
    resend_after: EpochSeconds
    attempts_left: int
    server_time: Annotated[int, Field(description="epoch milliseconds")]


class SignedSealKey(Wire):
    """`signature`: Ed25519 by the device key over `SANDES1/seal-key` 00, number (4 bytes), public (32 bytes)."""

    number: KeyNumber
    public: Key32
    signature: Signature64


class NewDevice(Wire):
    """A device's public halves.

    `proof`: Ed25519 by the device key over `SANDES1/register` 00, the registration's or link's id (22 characters),
    identity_key (32 bytes): shows that the caller holds the key and made this call for this registration.
    """

    identity_key: Key32
    seal_key: SignedSealKey
    name: Annotated[str, Field(min_length=1, max_length=64)]
    platform: Annotated[str, Field(min_length=1, max_length=32)]
    proof: Signature64


class VerifyRegistration(Wire):
    code: CodeText
    device: NewDevice


class Registered(Wire):
    account: AccountField
    device: DeviceNumberField
    registration_id: int


class LinkOpened(Wire):
    """`secret` is shown once, as a QR code, and never again; `id` and `secret` together link one device."""

    id: OneTimeId
    secret: OneTimeId
    expires_at: EpochSeconds


class LinkDevice(Wire):
    id: OneTimeId
    secret: OneTimeId
    device: NewDevice


class DeviceEntry(Wire):
    device: DeviceNumberField
    registration_id: int
    name: str
    platform: str
    linked_at: EpochSeconds
    current: bool


class DeviceList(Wire):
    devices: list[DeviceEntry]


class Me(Wire):
    account: AccountField
    device: DeviceNumberField
    phone: str
    account_class: Literal["public", "verified"]
    created_at: EpochSeconds
    seal_key_number: int


class ChangePhone(Wire):
    registration: OneTimeId
    code: CodeText


class Lookup(Wire):
    phone: PhoneText


class Found(Wire):
    account: AccountField


class DeviceKeys(Wire):
    device: DeviceNumberField
    registration_id: int
    identity_key: Key32


class AccountKeys(Wire):
    """Every device of an account, with the key that signs for it."""

    account: AccountField
    devices: list[DeviceKeys]


class Fault(Wire):
    pointer: str
    code: str
    message: str | None = None


class Problem(Wire):
    """RFC 9457 problem details; switch on `code`."""

    type: str
    title: str
    status: int
    code: str
    request_id: str
    detail: str | None = None
    retry_after: int | None = None
    server_time: Annotated[int, Field(description="epoch milliseconds")] | None = None
    attempts_left: int | None = None
    errors: list[Fault] | None = None
