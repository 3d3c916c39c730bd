"""The app API in this process: tokens checked and bodies read by the server's own code, answers as a test says."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import BaseModel

from sandes.crypto.app_tokens import SignedRequest, claimed_app, verify_app_token
from sandes.crypto.jws import TokenExpired
from sandes.protocol import app_api
from sandes_client.app import AppCredentials
from sandes_client.keys import IdentityKey
from tests.unit.sdk.service import AUDIENCE, START_MS, problem

APP, KEY = "aaaaaaaaaaaaa", "abcdefgh"
ID = "i" * 21 + "A"
NOW = datetime.fromtimestamp(START_MS / 1000, UTC)

OTP = app_api.Otp(id=ID, status="pending", channel="app", expires_at=NOW, resend_after=NOW, attempts_left=3)

Answer = httpx.Response | Exception


@dataclass
class AppService:
    """Gives the answers in `script` one after the other, then those of `routes`, and checks every request."""

    private_key: IdentityKey = field(default_factory=lambda: IdentityKey.new(secrets.token_bytes))
    routes: dict[tuple[str, str], Callable[[httpx.Request], Answer]] = field(default_factory=dict)
    script: list[Answer] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    client_ms: int = START_MS
    server_ahead_ms: int = 0

    @property
    def credentials(self) -> AppCredentials:
        return AppCredentials(APP, KEY, self.private_key, "https://apps.test/stage", AUDIENCE)

    def now_ms(self) -> int:
        return self.client_ms

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.client_ms += round(seconds * 1000)

    def on(self, method: str, path: str, body: BaseModel | None = None, status: int = 200) -> None:
        self.routes[method, path] = lambda _: answer(body, status)

    def http(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        refused = self._refused(request)
        if refused:
            return refused
        found = self.script.pop(0) if self.script else self.routes[request.method, self.path(request)](request)
        if isinstance(found, Exception):
            raise found
        return found

    @staticmethod
    def path(request: httpx.Request) -> str:
        return request.url.path.removeprefix("/stage")

    def _refused(self, request: httpx.Request) -> httpx.Response | None:
        target = request.url.raw_path.decode().removeprefix("/stage")
        key = request.headers.get("Idempotency-Key")
        assert (key is not None) == (request.method == "POST")
        token = request.headers["Authorization"].removeprefix("Bearer ")
        try:
            verify_app_token(
                token,
                SignedRequest(request.method, target, request.content, key, request.headers.get("If-Match")),
                app=claimed_app(token)[0],
                public_key=self.private_key.public,
                audience=AUDIENCE,
                now_seconds=(self.client_ms + self.server_ahead_ms) // 1000,
            )
        except TokenExpired:
            return problem("token_expired", 401, server_time=self.client_ms + self.server_ahead_ms)
        return None

    @property
    def keys(self) -> list[str]:
        return [request.headers["Idempotency-Key"] for request in self.requests]

    @property
    def tokens(self) -> list[str]:
        return [request.headers["Authorization"] for request in self.requests]


def answer(body: BaseModel | None, status: int = 200) -> httpx.Response:
    if body is None:
        return httpx.Response(204)
    content = body.model_dump_json(exclude_none=True)
    return httpx.Response(status, content=content, headers={"content-type": "application/json"})


def refused(code: str, status: int, *, retry_after: int | None = None, **fields: Any) -> httpx.Response:
    response = problem(code, status, **fields | ({"retry_after": retry_after} if retry_after else {}))
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response
