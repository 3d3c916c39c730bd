"""Implements the formats a second time, from their specification and with another library than the server's.

It shares no code with `sandes`: X25519, ChaCha20-Poly1305 and Ed25519 come from OpenSSL, CBOR is written out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SERVICE_KEY, ATTESTATION_KEY = b"SANDES1/service-key", b"SANDES1/attestation-key"
PERSON = b"sandes-seal-v1"


SEEDS = "every secret here is BLAKE2b, 32 bytes out, of 'sandes vector: ' and the label given with it"


def seed(label: str) -> bytes:
    """Return the 32 bytes that a vector uses as a secret: BLAKE2b-256 of a text that names their purpose."""
    return hashlib.blake2b(f"sandes vector: {label}".encode(), digest_size=32).digest()


def cbor(value: Any) -> bytes:
    """Encode in deterministic CBOR (RFC 8949 section 4.2.1) the types that the formats use: numbers, bytes, text, truth
    values, arrays, and maps with numbers as keys.
    """
    if isinstance(value, bool):
        return bytes([0xF5 if value else 0xF4])
    if isinstance(value, int):
        return _head(0, value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(cbor(entry) for entry in value)
    if isinstance(value, dict):
        entries = sorted((cbor(key), cbor(entry)) for key, entry in value.items())
        return _head(5, len(value)) + b"".join(key + entry for key, entry in entries)
    raise TypeError(f"the formats have no {type(value).__name__}")


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for size, code in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | code]) + number.to_bytes(size, "big")
    raise ValueError("more than 64 bits")


def act(
    kind: int, object: bytes, *, account: bytes, device: int, registration: int, at_ms: int, chain: bytes = bytes(36)
) -> bytes:
    """Build the statement of an act of a device. `chain` holds sequence number and previous hash, zeros for now."""
    return b"".join(
        (
            b"SANDES1/act\0",
            bytes([1]),
            account,
            chain,
            bytes([kind]),
            at_ms.to_bytes(8, "big"),
            bytes([device]),
            registration.to_bytes(4, "big"),
            object,
        )
    )


def link_id(link_key: bytes) -> str:
    """Return 16 bytes of SHA-256 of the link's public key, as base64url."""
    digest = hashlib.sha256(b"SANDES1/link-id\0" + link_key).digest()[:16]
    return base64url(digest)


def header(*, message: bytes, inbox: bytes, key_number: int, expires_at: int, version: int = 1) -> bytes:
    return struct.pack(">B16s16sIQ", version, message, inbox, key_number, expires_at)


def header2(*, message: bytes, inbox: bytes, key_number: int, expires_at: int, service_key: int) -> bytes:
    return header(message=message, inbox=inbox, key_number=key_number, expires_at=expires_at, version=2) + bytes(
        [service_key]
    )


def public_of(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def seal_key_of(secret: bytes, other: bytes, share: bytes, seal_public: bytes) -> tuple[bytes, bytes]:
    """Return the X25519 result and the key derived from it. Raises ValueError if the result is all zero."""
    shared = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(other))
    return shared, hashlib.blake2b(shared + share + seal_public, digest_size=32, person=PERSON).digest()


def seal(plaintext: bytes, *, ephemeral: bytes, seal_public: bytes, associated: bytes) -> bytes:
    share = public_of(ephemeral)
    _, key = seal_key_of(ephemeral, seal_public, share, seal_public)
    return share + ChaCha20Poly1305(key).encrypt(bytes(12), plaintext, associated)


def unseal(sealed: bytes, *, seal_secret: bytes, associated: bytes) -> bytes:
    """Open an envelope. Raises ValueError or InvalidTag."""
    share = sealed[:32]
    _, key = seal_key_of(seal_secret, share, share, public_of(seal_secret))
    return ChaCha20Poly1305(key).decrypt(bytes(12), sealed[32:], associated)


def body(plaintext: bytes, *, key: bytes, id: bytes) -> bytes:
    """Encrypt a body that is stored separately from its message."""
    return ChaCha20Poly1305(key).encrypt(bytes(12), plaintext, id)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def sign(identity_seed: bytes, data: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(identity_seed).sign(data)


def identity_public(identity_seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(identity_seed).public_key().public_bytes_raw()


def hkdf(secret: bytes, *, salt: bytes, info: bytes) -> bytes:
    """Derive 32 bytes by HKDF (RFC 5869) with SHA-256."""
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)


def exchange(secret: bytes, public: bytes) -> bytes:
    """Compute X25519. Raises ValueError if the result is all zero."""
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))


def seal2_key(first: bytes, second: bytes, *, share: bytes, device: bytes, service: bytes, header: bytes) -> bytes:
    """Derive the key. `first` and `second` are the X25519 results, of the ephemeral key and of the service's."""
    return hkdf(first + second, salt=b"SANDES1/seal2", info=share + device + service + header)


def seal2(plaintext: bytes, *, ephemeral: bytes, service_secret: bytes, seal_public: bytes, header: bytes) -> bytes:
    share = public_of(ephemeral)
    key = seal2_key(
        exchange(ephemeral, seal_public),
        exchange(service_secret, seal_public),
        share=share,
        device=seal_public,
        service=public_of(service_secret),
        header=header,
    )
    return share + encrypt(plaintext, key=key)


def encrypt(plaintext: bytes, *, key: bytes) -> bytes:
    """Encrypt with ChaCha20-Poly1305, nonce 0 and no associated data, as seal2 does."""
    return ChaCha20Poly1305(key).encrypt(bytes(12), plaintext, None)


def unseal2(sealed: bytes, *, seal_secret: bytes, service_public: bytes, header: bytes) -> bytes:
    """Open an envelope. Raises ValueError or InvalidTag."""
    if len(sealed) < 48:
        raise ValueError("too short")
    share = sealed[:32]
    key = seal2_key(
        exchange(seal_secret, share),
        exchange(seal_secret, service_public),
        share=share,
        device=public_of(seal_secret),
        service=service_public,
        header=header,
    )
    return ChaCha20Poly1305(key).decrypt(bytes(12), sealed[32:], None)


def service_key_secret(secret: bytes, number: int) -> bytes:
    return hkdf(secret, salt=SERVICE_KEY, info=b"seal" + bytes([number]))


def attestation_seed(secret: bytes, number: int = 1) -> bytes:
    return hkdf(secret, salt=ATTESTATION_KEY, info=b"attest" + bytes([number]))


def succession_seed(secret: bytes, number: int, label: bytes = SERVICE_KEY) -> bytes:
    return hkdf(secret, salt=label, info=b"succession" + bytes([number]))


def introduction(number: int, public: bytes, successor: bytes) -> bytes:
    return cbor({1: 1, 2: number, 3: public, 4: successor})


def sign_introduction(seed: bytes, statement: bytes, label: bytes = SERVICE_KEY) -> bytes:
    return sign(seed, label + b"\0" + statement)


def jws_part(value: Any) -> str:
    return base64url(json.dumps(value, separators=(",", ":")).encode())


def jws(identity_seed: bytes, head: dict[str, Any], claims: dict[str, Any]) -> str:
    signed = f"{jws_part(head)}.{jws_part(claims)}"
    return f"{signed}.{base64url(sign(identity_seed, signed.encode()))}"


def commitment(value: str, salt: bytes) -> bytes:
    return hashlib.blake2b(value.encode(), digest_size=32, key=salt).digest()


def attestation_statement(
    account: bytes, organisation: bytes, name: str, *, issued_at: int, expires_at: int, commitments: list[bytes]
) -> bytes:
    """Build a statement. `commitments` holds those of name, post and unit."""
    return cbor(
        {
            1: 1,
            2: account,
            3: organisation,
            4: name,
            5: issued_at,
            6: expires_at,
            7: dict(enumerate(commitments, start=1)),
        }
    )


def sign_attestation(secret: bytes, statement: bytes) -> bytes:
    return sign(attestation_seed(secret), b"SANDES1/attestation\0" + statement)
