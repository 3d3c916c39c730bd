"""Runs a governance app that signs its own requests, so that tests can send requests that the SDK never would."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx
from nacl.signing import SigningKey

from sandes.crypto.app_tokens import SignedRequest
from sandes.model.ids import base64url_text
from tests.conftest import Deployed
from tests.support.app_keys import AppKeys
from tests.support.raw_device import ANSWER_SECONDS
from tests.support.service import DLT, LOGIN

Json = dict[str, Any]

ALL_SCOPES = ["otp", "msg", "batch", "group", "hook"]


def operate(deployed: Deployed, operation: str, **parameters: Any) -> Json:
    """Execute an operation of administrators backstage. Raises ProtocolError."""
    return deployed.backstage.operate(operation, **parameters)


@dataclass
class RawApp:
    """Holds a registered app with one of its keys (`id`: app id, full stop, key id)."""

    deployed: Deployed
    id: str
    key: SigningKey

    @property
    def app(self) -> str:
        return self.id.partition(".")[0]

    def token(
        self,
        method: str,
        path: str,
        body: bytes,
        idempotency_key: str | None,
        if_match: str | None = None,
        **changed: Any,
    ) -> str:
        """Make a token as docs/apps requires it. `changed` replaces claims, and also `header` and `signature`."""
        keys = AppKeys(self.id, self.deployed.stack.audience, self.key)
        signed = SignedRequest(method, path, body, idempotency_key, if_match)
        return keys.token(signed, now_seconds=int(time.time()), **changed)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        token: str | None = None,
        if_match: str | None = None,
    ) -> httpx.Response:
        """Make a signed request. `key` is the Idempotency-Key, by default a new one for each POST."""
        sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        key = key if key is not None or method != "POST" else secrets.token_urlsafe(12)
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        headers |= {"If-Match": if_match} if if_match else {}
        headers["Authorization"] = f"Bearer {token or self.token(method, path, sent, key or None, if_match or None)}"
        async with httpx.AsyncClient(base_url=self.deployed.stack.http_url, timeout=ANSWER_SECONDS) as client:
            return await client.request(method, path, content=sent, headers=headers)


def create_app(deployed: Deployed, *, test: bool = False, **changed: Any) -> RawApp:
    """Create a live app with all scopes, SMS and a `login` template, unless changed."""
    key = SigningKey.generate()
    keys = [{"public": base64url_text(bytes(key.verify_key)), "test": test}]
    terms = {"name": "Passport Seva", "organisation": "MEA", "scopes": ALL_SCOPES, "mode": "live", "sms": True}
    made = operate(deployed, "app.create", **terms | {"keys": keys} | changed)
    operate(deployed, "template.put", app=made["app"], name="login", kind="otp", texts=LOGIN, **DLT)
    return RawApp(deployed, made["keys"][0]["id"], key)
