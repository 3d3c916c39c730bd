"""Registers a device with a phone number, or with a link (docs/protocol/README.md, "Registration").

The keys are on disk before the server sees them, so after a lost answer the request is repeated with the same keys.
"""

from __future__ import annotations

import platform as machine
from types import TracebackType
from typing import Self

import httpx

from sandes_client.api import ClientApi, Registered, RegistrationStarted
from sandes_client.clock import Chance, Clock, ServerClock, SystemClock
from sandes_client.endpoints import Endpoints
from sandes_client.ids import DeviceAddress
from sandes_client.keys import IdentityKey, SealKey
from sandes_client.linking import LinkCode
from sandes_client.statements import JoiningDevice, NewDevice, joining_device, new_device
from sandes_client.store import Store


class AlreadyRegistered(Exception):
    """Reports a profile that has an account already. Another device needs another profile."""


class Enrolment:
    """Registers or links the device of one profile. The caller must close the store.

        async with Enrolment(store, endpoints) as enrolment:
            started = await enrolment.start("+91 98765 43210")
            address = await enrolment.verify(started.id, code)

    Its calls raise ApiError and Unreachable.
    """

    def __init__(
        self,
        store: Store,
        endpoints: Endpoints,
        *,
        name: str | None = None,
        platform: str = "python",
        clock: Clock | None = None,
        chance: Chance | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if store.profile.account() is not None:
            raise AlreadyRegistered
        self._store = store
        self._name = (name or machine.node() or "device")[:64]
        self._platform = platform
        self._chance = chance or Chance()
        self._clock = ServerClock(
            clock or SystemClock(),
            offset_ms=store.profile.clock_offset_ms(),
            remember=store.profile.set_clock_offset_ms,
        )
        store.profile.set_endpoints(endpoints)
        self._api = ClientApi(endpoints.http_url, clock=self._clock, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()

    async def start(self, phone: str) -> RegistrationStarted:
        """Send a code to `phone`."""
        return await self._api.start_registration(phone)

    async def resend(self, registration: str) -> RegistrationStarted:
        """Send another code. This works only after `resend_after` of the last answer."""
        return await self._api.resend_code(registration)

    async def verify(self, registration: str, code: str) -> DeviceAddress:
        """Check the code. After a lost answer, call it again with the same code."""
        return self._become(await self._api.verify(registration, code, self._new_device(registration)))

    async def join(self, link: str) -> DeviceAddress:
        """Add this device to the account that opened the link. `link` is the text of its QR code.

        Raise ValueError for another text.
        """
        code, (identity, key) = LinkCode.parse(link), self._keys()

        def sign(at_ms: int) -> JoiningDevice:
            return joining_device(
                identity,
                key,
                account=code.account,
                link=code.key,
                at_ms=at_ms,
                name=self._name,
                platform=self._platform,
            )

        return self._become(await self._api.join(sign))

    def _new_device(self, subject: str) -> NewDevice:
        identity, key = self._keys()
        return new_device(identity, key, subject=subject, name=self._name, platform=self._platform)

    def _keys(self) -> tuple[IdentityKey, SealKey]:
        identity, newest = self._store.profile.identity(), self._store.profile.newest_seal_key()
        if identity is not None and newest is not None:
            return identity, newest[0]
        identity = IdentityKey.new(self._chance.secret_bytes)
        key = SealKey.new(1, self._chance.secret_bytes)
        self._store.profile.begin(identity, key, now_ms=self._clock.now_ms())
        return identity, key

    def _become(self, registered: Registered) -> DeviceAddress:
        self._store.profile.become(registered.address, registered.registration_id, now_ms=self._clock.now_ms())
        return registered.address
