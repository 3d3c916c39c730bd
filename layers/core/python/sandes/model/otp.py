"""One-time passwords that apps have sent. A record is kept while the code can be checked, and one day longer."""

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
    """Holds the devices that got the code, with their routes at that time, and the id of the message.

    With it, no further read is needed to seal the `control` envelope that marks the message as invalid. A code lives
    for minutes, a seal key for a week.
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
    """Holds one counted check: the fingerprint of its body, the attempts left after it, and the number of the send."""

    fingerprint: bytes
    attempts_left: int
    send: int


@dataclass(frozen=True, slots=True)
class Resent:
    """Holds the answer to a resend, for repetitions of the same request. Times are epoch seconds."""

    send: int
    code_expires_at: int
    resend_after: int


@dataclass(frozen=True, slots=True)
class Otp:
    """Holds a one-time password. `hash` is the keyed hash of the current code. Times are epoch seconds.

    `private` holds the phone number and variables for a resend, encrypted by the server. `fingerprint` is that of the
    request that created it. `targets` is None if the recipient has no device. `checks` and `resends` are by keyed hash
    of the idempotency key. `sms_send` is the number of the send that also went out by SMS, or 0.
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
