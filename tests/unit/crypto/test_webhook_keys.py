"""Tests keys of webhooks: their derivation, their difference, and signatures that other libraries accept."""

from __future__ import annotations

import base64
import hashlib
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from sandes.crypto.webhook_keys import WebhookKeys

SECRET = b"an example secret of at least thirty-two bytes"
KEYS = WebhookKeys.of(SECRET)
HOOK, OTHER = "AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBA"
ID = "019a0000-0000-7000-8000-000000000001"
BODY = '{"type":"webhook.test","data":{"namaste":"नमस्ते"}}'.encode()


def parts(signature: str) -> dict[str, bytes]:
    return {version: base64.b64decode(value) for version, value in (part.split(",") for part in signature.split(" "))}


def test_a_known_webhook_has_known_keys_and_signatures() -> None:
    """These are known answers. A change would break every existing webhook."""
    assert KEYS.public_key(HOOK) == "whpk_MV8UtMplBT6UA4w8NPjwS/QQ7bmfo9wa/wStXceakkA="
    assert KEYS.secret(HOOK) == "whsec_qD6GKzUBi9GSV75ht4kcvMJLVuxTntyceGWgjhv67FU="
    assert KEYS.signature(HOOK, id=ID, timestamp=1_790_000_000, body=BODY) == (
        "v1a,CJRFinpkLEkh4z90lR9wBxn/U5UCp+YjNKae4QFO+jkaumy32ASJZLF4TS1XlbfbWT9URTxhOZ9qtXFoLehhAg== "
        "v1,bCQ6m5tK8ZjIN2DNmz0MdmyJKTCImcm7WzJ/QCjMOno="
    )


def test_a_second_implementation_derives_the_same_key_pair() -> None:
    pair_key = hashlib.blake2b(SECRET, digest_size=32, person=b"sandes-hook-pair").digest()
    seed = hashlib.blake2b(HOOK.encode(), key=pair_key, digest_size=32, person=b"sandes-hook-seed").digest()
    pair = Ed25519PrivateKey.from_private_bytes(seed)
    public = pair.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert KEYS.public_key(HOOK) == "whpk_" + base64.b64encode(public).decode()
    signed = f"{ID}.1790000000.".encode() + BODY
    assert parts(KEYS.signature(HOOK, id=ID, timestamp=1_790_000_000, body=BODY))["v1a"] == pair.sign(signed)


def test_the_library_of_standard_webhooks_accepts_a_signature_and_no_changed_body() -> None:
    now = int(time.time())
    headers = {"webhook-id": ID, "webhook-timestamp": str(now)}
    headers["webhook-signature"] = KEYS.signature(HOOK, id=ID, timestamp=now, body=BODY)
    library = Webhook(KEYS.secret(HOOK))
    assert library.verify(BODY, headers)["type"] == "webhook.test"
    with pytest.raises(WebhookVerificationError):
        library.verify(BODY + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(KEYS.secret(OTHER)).verify(BODY, headers)


def test_the_public_key_accepts_a_signature_of_its_webhook_only() -> None:
    signature = parts(KEYS.signature(HOOK, id=ID, timestamp=1, body=BODY))["v1a"]
    signed = f"{ID}.1.".encode() + BODY
    VerifyKey(base64.b64decode(KEYS.public_key(HOOK).removeprefix("whpk_"))).verify(signed, signature)
    with pytest.raises(BadSignatureError):
        VerifyKey(base64.b64decode(KEYS.public_key(OTHER).removeprefix("whpk_"))).verify(signed, signature)


def test_no_two_of_the_keys_are_alike() -> None:
    pairs = [keys for hook in (HOOK, OTHER) for keys in (KEYS.public_key(hook), KEYS.secret(hook))]
    others = [WebhookKeys.of(SECRET + b"!").secret(HOOK), WebhookKeys.of(SECRET + b"!").public_key(HOOK)]
    assert len({key.partition("_")[2] for key in (*pairs, *others)}) == 6


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        WebhookKeys.of(b"x" * 31)


def test_keys_do_not_show_in_a_traceback() -> None:
    assert base64.b64encode(KEYS.pair_key).decode() not in repr(KEYS)
    assert repr(KEYS.pair_key) not in repr(KEYS)
