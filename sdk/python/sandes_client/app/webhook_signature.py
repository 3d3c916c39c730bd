"""Verifies that a webhook came from Sandes (docs/apps/README.md, "Webhooks"; Standard Webhooks, asymmetric `v1a`)."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping

from nacl import bindings
from nacl.exceptions import BadSignatureError

from sandes_client.api import Unreachable
from sandes_client.app.answers import Event, read_answer

TOLERANCE_SECONDS = 300
KEY_PREFIX = "whpk_"


class WebhookInvalid(Exception):
    """Reports a webhook that must not be acted on. Answer it with status 400. The message gives the reason."""


def verify_webhook(
    body: bytes, headers: Mapping[str, str], *, public_key: str, now_seconds: float | None = None
) -> Event:
    """Return the event in `body` if its signature is valid and at most five minutes old.

    `body` must be the received bytes, unchanged. `public_key` is the webhook's, `whpk_` and base64. Events may come
    twice, so act once for each `Event.id`. Raise WebhookInvalid, or ValueError if `public_key` is malformed.
    """
    key = _public_key(public_key)
    given = {name.lower(): value for name, value in headers.items()}
    try:
        id, timestamp, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise WebhookInvalid(f"the header {error.args[0]} is missing") from None
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise WebhookInvalid("webhook-timestamp is not in seconds")
    now = time.time() if now_seconds is None else now_seconds
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise WebhookInvalid("webhook-timestamp is more than five minutes off: a replay, or a wrong clock")
    signed = f"{id}.{timestamp}.".encode() + body
    if not any(_signed(signed, signature, key) for signature in signatures.split(" ")):
        raise WebhookInvalid("no signature is valid")
    try:
        event = read_answer(Event, json.loads(body))
    except (Unreachable, ValueError):
        raise WebhookInvalid("the body is not an event") from None
    if event.id != id:
        raise WebhookInvalid("webhook-id is not the id of the event")
    return event


def _public_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not text.startswith(KEY_PREFIX) or len(key) != bindings.crypto_sign_PUBLICKEYBYTES:
        raise ValueError("a webhook's public key is whpk_ and 32 bytes of base64")
    return key


def _signed(signed: bytes, signature: str, key: bytes) -> bool:
    version, _, text = signature.partition(",")
    if version != "v1a":
        return False
    try:
        raw = base64.b64decode(text, validate=True)
        if len(raw) != bindings.crypto_sign_BYTES:
            return False
        bindings.crypto_sign_open(raw + signed, key)
    except (ValueError, BadSignatureError):
        return False
    return True
