"""A governance app that signs its own requests, so that tests can send what the SDK never would."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx
from nacl.signing import SigningKey

from sandes.model.ids import base64url_text
from tests.conftest import Deployed
from tests.support.raw_device import ANSWER_SECONDS

Json = dict[str, Any]

ALL_SCOPES = ["otp", "msg", "batch", "group", "hook"]
LOGIN = {
    "en": "{{ code }} is your code for {{ service }}. Tell it to nobody.",
    "hi": "{{ service }} के लिए आपका कोड {{ code }} है। किसी को न बताएँ।",
}
DLT = {"dlt_entity": "1101000000000000001", "dlt_templates": {"en": "1107000000000000001"}}


class OperatorRefused(AssertionError):
    """The operator's call was refused; `error` is what it said."""

    def __init__(self, error: Json) -> None:
        super().__init__(str(error))
        self.error = error


def operate(deployed: Deployed, operation: str, **parameters: Any) -> Json:
    """An operator's call, through Lambda's own API. Raises OperatorRefused."""
    payload = json.dumps({"operation": operation} | parameters)
    answer = deployed.engine.client("lambda").invoke(FunctionName=deployed.stack.operator, Payload=payload)
    said = json.loads(answer["Payload"].read())
    if "ok" not in said:
        raise OperatorRefused(said.get("error", said))
    return dict(said["ok"])


@dataclass
class RawApp:
    """A registered app with one of its keys (`id`: app id, full stop, key id)."""

    deployed: Deployed
    id: str
    key: SigningKey

    @property
    def app(self) -> str:
        return self.id.partition(".")[0]

    def token(self, method: str, path: str, body: bytes, idempotency_key: str | None, **changed: Any) -> str:
        """A token as docs/apps asks for; `changed` replaces claims, `header` and `signature` included."""
        issued = int(time.time())
        header = {"alg": "EdDSA", "kid": self.id, "typ": "JWT"} | changed.pop("header", {})
        signature = changed.pop("signature", None)
        claims: Json = {"iss": self.app, "aud": self.deployed.stack.audience, "iat": issued, "exp": issued + 60}
        claims |= {"htm": method, "htu": path, "bh": base64url_text(hashlib.sha256(body).digest())}
        if idempotency_key is not None:
            claims["ik"] = idempotency_key
        signed = ".".join(base64url_text(json.dumps(part).encode()) for part in (header, claims | changed))
        return f"{signed}.{base64url_text(signature or self.key.sign(signed.encode()).signature)}"

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, token: str | None = None
    ) -> httpx.Response:
        """A signed request; `key` is the Idempotency-Key, made anew for each POST if left out."""
        sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        key = key if key is not None or method != "POST" else secrets.token_urlsafe(12)
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        headers["Authorization"] = f"Bearer {token or self.token(method, path, sent, key or None)}"
        async with httpx.AsyncClient(base_url=self.deployed.stack.http_url, timeout=ANSWER_SECONDS) as client:
            return await client.request(method, path, content=sent, headers=headers)


def create_app(deployed: Deployed, *, test: bool = False, **changed: Any) -> RawApp:
    """A live app with all scopes, SMS and a `login` template, unless changed."""
    key = SigningKey.generate()
    keys = [{"public": base64url_text(bytes(key.verify_key)), "test": test}]
    terms = {"name": "Passport Seva", "organisation": "MEA", "scopes": ALL_SCOPES, "mode": "live", "sms": True}
    made = operate(deployed, "app.create", **terms | {"keys": keys} | changed)
    operate(deployed, "template.put", app=made["app"], name="login", kind="otp", texts=LOGIN, **DLT)
    return RawApp(deployed, made["keys"][0]["id"], key)
