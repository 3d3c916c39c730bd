"""Calls the HTTPS client API (docs/protocol/client-openapi.json): registration, devices, keys, look-up, blocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlencode

import httpx

from sandes_client import statements
from sandes_client.cipher import RecipientDevice
from sandes_client.clock import Chance, ServerClock
from sandes_client.ids import AccountId, DeviceAddress, base64url_text, parse_account, parse_base64url
from sandes_client.keys import IdentityKey
from sandes_client.linking import LinkCode
from sandes_client.statements import ACT_HEADER, Act, JoiningDevice, NewDevice, SignedSealKey, Signer
from sandes_client.unreachable import why_unreachable

T = TypeVar("T")

TIMEOUT_SECONDS = 30.0


class ApiError(Exception):
    """Reports a refusal (RFC 9457 problem details).

    Switch on `code`. `retry_after` is seconds, `server_time` epoch ms.
    """

    def __init__(self, code: str, status: int, problem: dict[str, Any]) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.title: str | None = problem.get("title")
        self.detail: str | None = problem.get("detail")
        self.request_id: str | None = problem.get("request_id")
        self.retry_after: int | None = problem.get("retry_after")
        self.server_time: int | None = problem.get("server_time")
        self.attempts_left: int | None = problem.get("attempts_left")
        self.reason: str | None = problem.get("reason")
        self.approval: str | None = problem.get("approval")
        self.errors: list[dict[str, Any]] = problem.get("errors") or []


class Unreachable(Exception):
    """Reports that the service did not answer in a form that this client knows. Try again later."""


@dataclass(frozen=True, slots=True)
class RegistrationStarted:
    """Holds a started registration. `phone` is in E.164. `code_expires_at` and `resend_after` are epoch seconds."""

    id: str
    phone: str
    code_expires_at: int
    resend_after: int
    attempts_left: int


@dataclass(frozen=True, slots=True)
class Registered:
    address: DeviceAddress
    registration_id: int


@dataclass(frozen=True, slots=True, repr=False)
class LinkOpened:
    """Holds an open link. The new device needs `code`; show it to nobody else. `expires_at` is epoch seconds."""

    code: LinkCode
    expires_at: int


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    device: int
    registration_id: int
    name: str
    platform: str
    linked_at: int
    current: bool


@dataclass(frozen=True, slots=True)
class Me:
    account: AccountId
    device: int
    phone: str
    account_class: str
    created_at: int
    seal_key_number: int


class ClientApi:
    """Calls the client API, with one method per route. Each raises ApiError or Unreachable.

    `token` makes a fresh device token and `signer` signs acts. Both are None for a device that has no account yet.
    `transport` is for tests.
    """

    def __init__(
        self,
        http_url: str,
        *,
        clock: ServerClock,
        token: Callable[[], str] | None = None,
        signer: Signer | None = None,
        chance: Chance | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._clock = clock
        self._token = token
        self._signer = signer
        self._chance = chance or Chance()
        self._http = httpx.AsyncClient(
            base_url=http_url.rstrip("/") + "/",
            timeout=TIMEOUT_SECONDS,
            transport=transport,
            headers={"User-Agent": "sandes-client", "Accept": "application/json"},
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def start_registration(
        self, phone: str, purpose: Literal["register", "change_phone"] = "register"
    ) -> RegistrationStarted:
        """Send a code to `phone`. The answer does not tell whether the number has an account."""
        return _started(await self._call("POST", "v1/registrations", {"phone": phone, "purpose": purpose}))

    async def resend_code(self, registration: str) -> RegistrationStarted:
        """Send another code. The code before becomes invalid."""
        return _started(await self._call("POST", f"v1/registrations/{path_part(registration)}/codes"))

    async def verify(self, registration: str, code: str, device: NewDevice) -> Registered:
        """Register the device. The call may be repeated with the same code and device until it is answered."""
        body = {"code": code, "device": device.to_json()}
        return _registered(await self._call("PUT", f"v1/registrations/{path_part(registration)}/verification", body))

    async def join(self, sign: Callable[[int], JoiningDevice]) -> Registered:
        """Add this device to the account that opened the link. `sign` makes the request for a time of the server."""
        try:
            return _registered(await self._call("POST", "v1/devices", sign(self._clock.now_ms()).to_json()))
        except ApiError as error:
            if error.code != "clock_skew":
                raise
            return _registered(await self._call("POST", "v1/devices", sign(self._clock.now_ms()).to_json()))

    async def me(self) -> Me:
        answer = await self.signed("GET", "v1/me")
        return read_answer(lambda: Me(**{name: answer[name] for name in Me.__dataclass_fields__}))

    async def change_phone(self, started: RegistrationStarted, code: str) -> None:
        """Move the account to the number of a registration started with purpose `change_phone`."""
        body = {"registration": started.id, "phone": started.phone, "code": code}
        await self.signed("PUT", "v1/me/phone", body, act=statements.change_phone(started.id, started.phone))

    async def devices(self) -> list[DeviceEntry]:
        answer = await self.signed("GET", "v1/devices")
        fields = DeviceEntry.__dataclass_fields__
        return read_answer(lambda: [DeviceEntry(**{name: row[name] for name in fields}) for row in answer["devices"]])

    async def open_link(self) -> LinkOpened:
        """Open a link with a new key, with which one more device can join within ten minutes."""
        if self._signer is None:
            raise RuntimeError("this call needs a registered device")
        code = LinkCode(self._signer.address.account, IdentityKey.new(self._chance.secret_bytes))
        public = code.key.public
        body = {"link": base64url_text(public)}
        answer = await self.signed("POST", "v1/devices/links", body, act=statements.open_link(public))
        return read_answer(lambda: LinkOpened(code, int(answer["expires_at"])))

    async def unlink(self, device: int, registration_id: int) -> None:
        """Unlink this very registration of a device of the account, as `devices` lists it."""
        act = statements.remove_device(device, registration_id)
        await self.signed("DELETE", f"v1/devices/{device}", act=act)

    async def rotate_seal_key(self, key: SignedSealKey) -> None:
        await self.signed("PUT", "v1/devices/self/seal-key", key.to_json())

    async def lookup(self, phone: str) -> AccountId:
        """Return the account of a phone number in international form."""
        answer = await self.signed("POST", "v1/accounts/lookup", {"phone": phone})
        return read_answer(lambda: parse_account(answer["account"]))

    async def keys(self, account: AccountId) -> tuple[RecipientDevice, ...]:
        """Return the devices of an account, for which a sender makes copies."""
        answer = await self.signed("GET", f"v1/accounts/{path_part(account)}/keys")
        return read_answer(
            lambda: tuple(
                RecipientDevice(
                    int(row["device"]), int(row["registration_id"]), parse_base64url(str(row["identity_key"]))
                )
                for row in answer["devices"]
            )
        )

    async def block(self, account: AccountId) -> None:
        await self.signed("PUT", f"v1/blocks/{path_part(account)}")

    async def unblock(self, account: AccountId) -> None:
        await self.signed("DELETE", f"v1/blocks/{path_part(account)}")

    async def signed(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        query: dict[str, str] | None = None,
        version: int | None = None,
        act: Act | None = None,
    ) -> Any:
        """Make a call with a token. Repeat it once if token or act were signed with a wrong clock.

        With `version`, the service changes the thing only if it still has this version. The device signs `act`.
        """
        if self._token is None:
            raise RuntimeError("this call needs a registered device")
        target = f"{path}?{urlencode(query)}" if query else path
        headers = {"If-Match": f'"{version}"'} if version is not None else {}
        try:
            return await self._call(method, target, body, headers | _bearer(self._token()) | self._acting(act))
        except ApiError as error:
            if error.code not in ("token_expired", "clock_skew"):
                raise
            return await self._call(method, target, body, headers | _bearer(self._token()) | self._acting(act))

    def _acting(self, act: Act | None) -> dict[str, str]:
        if act is None:
            return {}
        if self._signer is None:
            raise RuntimeError("this call needs a registered device")
        return {ACT_HEADER: self._signer.header(act, at_ms=self._clock.now_ms())}

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> Any:
        try:
            response = await self._http.request(method, path, json=body, headers=headers)
        except httpx.TransportError as error:
            raise Unreachable(why_unreachable(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{self._http.base_url.host}: {error}") from error
        answer = _json(response)
        self._learn_time(response, answer)
        if response.is_success:
            return answer
        raise _refusal(response, answer)

    def _learn_time(self, response: httpx.Response, answer: Any) -> None:
        server_time = answer.get("server_time") if isinstance(answer, dict) else None
        if isinstance(server_time, int):
            self._clock.learn(server_time)
        else:
            learn_date(self._clock, response.headers.get("Date"))


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def learn_date(clock: ServerClock, date: str | None) -> bool:
    """Correct `clock` by an HTTP `Date`, whose unit is a second, if it is off by more than 5 s.

    Return whether it was.
    """
    try:
        server_ms = int(parsedate_to_datetime(date or "").timestamp() * 1000)
    except ValueError:
        return False
    if abs(server_ms - clock.now_ms()) <= 5000:
        return False
    clock.learn(server_ms)
    return True


def _json(response: httpx.Response) -> Any:
    try:
        return response.json() if response.content else None
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None


def _refusal(response: httpx.Response, answer: Any) -> ApiError | Unreachable:
    if isinstance(answer, dict) and isinstance(answer.get("code"), str):
        return ApiError(answer["code"], response.status_code, answer)
    if response.status_code == 429:  # the gateway's own limit
        return ApiError("rate_limited", 429, {"retry_after": 1})
    return Unreachable(f"HTTP {response.status_code} without a reason")


def read_answer(build: Callable[[], T]) -> T:
    """Return the result of `build`. Raise Unreachable if the answer does not have the expected form."""
    try:
        return build()
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable("the answer does not fit its description") from error


def _started(answer: Any) -> RegistrationStarted:
    fields = RegistrationStarted.__dataclass_fields__
    return read_answer(lambda: RegistrationStarted(**{name: answer[name] for name in fields}))


def _registered(answer: Any) -> Registered:
    return read_answer(
        lambda: Registered(
            DeviceAddress(parse_account(answer["account"]), int(answer["device"])), int(answer["registration_id"])
        )
    )


def path_part(text: str) -> str:
    """Quote `text` as one segment of a path."""
    return quote(text, safe="")
