"""Posts events of the feed to a program on the developer's machine, signed as the service signs webhooks.

It implements docs/apps/webhooks-on-your-machine.md and is for development. The service posts to public addresses only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from nacl import bindings

from sandes_client.app.answers import Event, plain
from sandes_client.app.webhook_signature import KEY_PREFIX
from sandes_client.unreachable import why_unreachable

SECRET_PREFIX = "whsec_"  # noqa: S105  the prefix of Standard Webhooks, no secret
TIMEOUT_SECONDS = 15.0
"""Timeout of a post. The service waits as long for an answer (docs/apps/webhooks.md)."""


@dataclass(frozen=True, slots=True)
class RelayKeys:
    """Holds a key pair and a secret for one receiver.

    `RelayKeys.new` makes them, also from the `secret` of an earlier run.
    """

    secret: str = field(repr=False)

    @classmethod
    def new(cls) -> RelayKeys:
        return cls(SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii"))

    def __post_init__(self) -> None:
        """Check the secret. Raise ValueError for one that is not `whsec_` and 24 to 64 bytes of base64."""
        try:
            length = len(self._raw())
        except binascii.Error:
            length = 0
        if not self.secret.startswith(SECRET_PREFIX) or not 24 <= length <= 64:
            raise ValueError(f"a secret is {SECRET_PREFIX} and 24 to 64 bytes of base64")

    @property
    def public_key(self) -> str:
        """Return `whpk_` and the Ed25519 public key, for `verify_webhook`."""
        return KEY_PREFIX + base64.b64encode(self._pair()[0]).decode("ascii")

    def headers(self, id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """Build the headers of Standard Webhooks for one post. `timestamp` is in epoch seconds."""
        signed = f"{id}.{timestamp}.".encode() + body
        ed25519 = bindings.crypto_sign(signed, self._pair()[1])[: bindings.crypto_sign_BYTES]
        hmac_sha256 = hmac.new(self._raw(), signed, hashlib.sha256).digest()
        v1a, v1 = (base64.b64encode(raw).decode("ascii") for raw in (ed25519, hmac_sha256))
        return {
            "Content-Type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": f"v1a,{v1a} v1,{v1}",
        }

    def _raw(self) -> bytes:
        return base64.b64decode(self.secret.removeprefix(SECRET_PREFIX), validate=True)

    def _pair(self) -> tuple[bytes, bytes]:
        return bindings.crypto_sign_seed_keypair(hashlib.sha256(b"sandes-relay\0" + self._raw()).digest())


def forward(event: Event, url: str, keys: RelayKeys, *, http: httpx.Client, now: Callable[[], float]) -> str:
    """Post one event to `url`. Return the receiver's answer, or why there was none."""
    body = json.dumps(plain(event), ensure_ascii=False, separators=(",", ":")).encode()
    try:
        answer = http.post(url, content=body, headers=keys.headers(event.id, int(now()), body), timeout=TIMEOUT_SECONDS)
    except httpx.TransportError as error:
        return why_unreachable(error)
    return str(answer.status_code)
