"""Webhooks are believed only with a fresh signature of the right key over exactly what came."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime
from typing import Any

import pytest
from nacl.signing import SigningKey
from standardwebhooks.webhooks import Webhook as SymmetricWebhook

from sandes.protocol import app_api
from sandes_client.app import WebhookInvalid, verify_webhook

NOW = 1_800_000_000
KEY = SigningKey(bytes(32))
PUBLIC = "whpk_" + base64.b64encode(bytes(KEY.verify_key)).decode()
ID = "01890000-0000-7000-8000-000000000000"
EVENT = app_api.Event(
    id=ID, type="message.read", timestamp=datetime.fromtimestamp(NOW, UTC), data={"id": "m", "status": "read", "seq": 5}
)
BODY = EVENT.model_dump_json().encode()


def signature(key: SigningKey = KEY, id: str = ID, at: int = NOW, body: bytes = BODY) -> str:
    return "v1a," + base64.b64encode(key.sign(f"{id}.{at}.".encode() + body).signature).decode()


def headers(**changed: Any) -> dict[str, str]:
    named = {"Webhook-Id": ID, "webhook-timestamp": str(NOW), "WEBHOOK-SIGNATURE": signature()}
    return named | {name.replace("_", "-"): value for name, value in changed.items()}


def verify(body: bytes = BODY, given: dict[str, str] | None = None, *, now: int = NOW) -> Any:
    return verify_webhook(body, given or headers(), public_key=PUBLIC, now_seconds=now)


@pytest.mark.parametrize("now", [NOW - 300, NOW, NOW + 300])
def test_a_fresh_signed_event_is_read(now: int) -> None:
    event = verify(now=now)
    assert (event.id, event.type, event.data["status"]) == (ID, "message.read", "read")


def test_one_right_signature_among_several_is_enough() -> None:
    other = SigningKey.generate()
    symmetric = SymmetricWebhook(secrets.token_bytes(32)).sign(ID, datetime.fromtimestamp(NOW, UTC), BODY.decode())
    several = " ".join([symmetric, "v1a,rubbish", signature(other), signature()])
    assert verify(given={**headers(), "WEBHOOK-SIGNATURE": several}).id == ID


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"WEBHOOK-SIGNATURE": signature(SigningKey.generate())}, "no signature"),
        ({"WEBHOOK-SIGNATURE": signature(at=NOW - 1)}, "no signature"),
        ({"WEBHOOK-SIGNATURE": signature(id="other")}, "no signature"),
        ({"WEBHOOK-SIGNATURE": signature().replace("v1a,", "v1,")}, "no signature"),
        ({"WEBHOOK-SIGNATURE": signature().replace("v1a,", "v2a,")}, "no signature"),
        ({"WEBHOOK-SIGNATURE": ""}, "no signature"),
        ({"WEBHOOK-SIGNATURE": "v1a,ä"}, "no signature"),
        ({"WEBHOOK-SIGNATURE": "v1a"}, "no signature"),
        ({"webhook-timestamp": "soon"}, "seconds"),
        ({"webhook-timestamp": f"-{NOW}"}, "seconds"),
        ({"webhook-timestamp": "1" * 5000}, "seconds"),
        ({"Webhook-Id": "other", "WEBHOOK-SIGNATURE": signature(id="other")}, "id of the event"),
    ],
)
def test_what_is_not_signed_so_is_refused(given: dict[str, str], reason: str) -> None:
    with pytest.raises(WebhookInvalid, match=reason):
        verify(given=headers() | given)


def test_a_changed_body_is_refused() -> None:
    with pytest.raises(WebhookInvalid, match="no signature"):
        verify(BODY.replace(b"read", b"sent"))


@pytest.mark.parametrize("now", [NOW - 301, NOW + 301])
def test_an_old_or_future_webhook_is_refused(now: int) -> None:
    with pytest.raises(WebhookInvalid, match="five minutes"):
        verify(now=now)


@pytest.mark.parametrize("missing", ["Webhook-Id", "webhook-timestamp", "WEBHOOK-SIGNATURE"])
def test_a_missing_header_is_refused(missing: str) -> None:
    with pytest.raises(WebhookInvalid, match="missing"):
        verify(given={name: value for name, value in headers().items() if name != missing})


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", json.dumps({"id": ID}).encode()])
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookInvalid, match="not an event"):
        verify(body, headers() | {"WEBHOOK-SIGNATURE": signature(body=body)})


@pytest.mark.parametrize("key", ["", "whsec_" + PUBLIC[5:], PUBLIC[5:], "whpk_AAAA", "whpk_ä", "whpk_" + "A" * 44])
def test_a_key_of_another_kind_is_the_callers_error(key: str) -> None:
    with pytest.raises(ValueError, match="whpk_"):
        verify_webhook(BODY, headers(), public_key=key)
