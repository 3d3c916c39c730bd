"""A one-time password that an app has sent: what is kept of it while it can be checked, and a day longer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import cbor2

from sandes.model.device import Route, Routes, SealKey
from sandes.model.ids import (
    AccountId,
    AppId,
    ConnectionId,
    DeviceNumber,
    EnvelopeId,
    InboxId,
    MessageId,
    RegistrationId,
)

OtpState = Literal["pending", "used", "cancelled"]


@dataclass(frozen=True, slots=True)
class OtpTargets:
    """The devices that were given the code, as they were then, with the id of the message they hold.

    Sealing the `control` envelope that voids the bubble needs no further read: a code lives for minutes, seal keys for
    a week.
    """

    message: MessageId
    routes: Routes
    envelopes: Mapping[DeviceNumber, EnvelopeId]

    def encode(self) -> bytes:
        devices = [
            [
                route.device,
                route.inbox,
                self.envelopes[route.device],
                route.seal_key.number,
                route.seal_key.public,
                route.connection,
            ]
            for route in self.routes.devices.values()
        ]
        return cbor2.dumps([self.message, self.routes.account, devices])

    @classmethod
    def decode(cls, data: bytes) -> OtpTargets:
        message, account, devices = cbor2.loads(data)
        return cls(
            MessageId(message),
            Routes(
                AccountId(account),
                {
                    DeviceNumber(number): Route(
                        DeviceNumber(number),
                        RegistrationId(0),
                        InboxId(inbox),
                        SealKey(key_number, public),
                        0,
                        ConnectionId(connection) if connection else None,
                    )
                    for number, inbox, _, key_number, public, connection in devices
                },
            ),
            {DeviceNumber(number): EnvelopeId(envelope) for number, _, envelope, *_ in devices},
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """One check that was counted: `fingerprint` of its body, attempts left after it, and the send it belongs to."""

    fingerprint: bytes
    attempts_left: int
    send: int


@dataclass(frozen=True, slots=True)
class Resent:
    """The answer to a resend, for whoever repeats it. Times are epoch seconds."""

    send: int
    code_expires_at: int
    resend_after: int


@dataclass(frozen=True, slots=True)
class Otp:
    """`hash` is the keyed hash of the current code. Times are epoch seconds.

    `private` is sealed by the server: phone number and variables, needed for a resend. `fingerprint` is that of the
    request that made it. `targets` is None where the recipient has no device. `checks` and
    `resends` by keyed hash of the idempotency key.
    `sms_send` is the number of the send that went out by SMS as well, 0 for none.
    """

    id: str
    app: AppId
    test: bool
    subject: str
    account: AccountId | None
    private: bytes
    fingerprint: bytes
    purpose: str
    template: str
    template_version: int
    language: str
    digits: int
    ttl_seconds: int
    sms: bool
    client_ref: str | None
    hash: bytes
    attempts_left: int
    sends: int
    created_at: int
    code_expires_at: int
    resend_after: int
    expires_at: int
    state: OtpState
    targets: OtpTargets | None
    used_by: str | None = None
    sms_send: int = 0
    checks: Mapping[str, Checked] = field(default_factory=dict)
    resends: Mapping[str, Resent] = field(default_factory=dict)
