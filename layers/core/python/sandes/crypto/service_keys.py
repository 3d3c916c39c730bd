"""The keys by which devices know the service: they authenticate every envelope (docs/protocol/service-keys.md).

All of them come from one secret, which is kept outside the database: whoever can write rows cannot seal.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cbor2
from nacl import bindings
from nacl.exceptions import CryptoError

from sandes.model.envelope import MAX_SERVICE_KEY_NUMBER
from sandes.model.ids import parse_base64url

MAX_NUMBER = MAX_SERVICE_KEY_NUMBER
"""The number of a key is one byte of the header."""

_LABEL = b"SANDES1/service-key\0"
_MIN_SECRET_BYTES = 32
_SIGNATURE_BYTES = 64


class BadSealSecret(ValueError):
    """The secret of service keys is not one that tools/service_keys.py or the deployment writes."""


@dataclass(frozen=True, slots=True, repr=False)
class ServiceKey:
    """An X25519 key pair of the service. Seals from `in_force_from` (epoch seconds) on."""

    number: int
    private: bytes
    public: bytes
    in_force_from: int = 0

    @classmethod
    def of(cls, number: int, secret: bytes, *, in_force_from: int = 0) -> ServiceKey:
        private = _derive(secret, b"seal", number)
        return cls(number, private, bindings.crypto_scalarmult_base(private), in_force_from)


@dataclass(frozen=True, slots=True)
class Introduction:
    """A statement that introduces a key, and its signature by the key before; the first one has none."""

    statement: bytes
    signature: bytes | None


@dataclass(frozen=True, slots=True, repr=False)
class ServiceKeys:
    """The keys that this environment seals with, and what devices are told of them. Made with `ServiceKeys.of`.

    `oldest`: envelopes of keys below this number are refused by every device that has heard of it.
    """

    keys: tuple[ServiceKey, ...]
    introductions: tuple[Introduction, ...]
    oldest: int

    @classmethod
    def of(cls, secret: bytes) -> ServiceKeys:
        """Read the text of the secret: as the deployment made it, or as tools/service_keys.py wrote it after.

        Raises BadSealSecret.
        """
        return cls._read(secret) if secret.startswith(b"{") else cls._first(secret)

    def at(self, now_seconds: int) -> ServiceKey:
        """Return the newest key that is in force, or the first one before the time of every key."""
        return next((key for key in reversed(self.keys) if key.in_force_from <= now_seconds), self.keys[0])

    @classmethod
    def _first(cls, secret: bytes) -> ServiceKeys:
        if len(secret) < _MIN_SECRET_BYTES:
            raise BadSealSecret("the seal secret needs at least 32 bytes")
        key = ServiceKey.of(1, secret)
        statement = introduction_statement(1, key.public, succession_key(secret, 1)[0])
        return cls((key,), (Introduction(statement, None),), 1)

    @classmethod
    def _read(cls, secret: bytes) -> ServiceKeys:
        try:
            told = json.loads(secret)
            keys = tuple(
                ServiceKey.of(one["number"], one["secret"].encode(), in_force_from=one["in_force_from"])
                for one in told["keys"]
            )
            introductions = tuple(
                Introduction(
                    parse_base64url(one["statement"]),
                    parse_base64url(one["signature"]) if "signature" in one else None,
                )
                for one in told["introductions"]
            )
            oldest = int(told["oldest"])
            introduced = check_introductions(introductions)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadSealSecret("the seal secret is not in its form") from error
        numbers = [key.number for key in keys]
        if not keys or numbers != sorted(set(numbers)) or any(introduced.get(key.number) != key.public for key in keys):
            raise BadSealSecret("a key of the seal secret is not introduced")
        if not min(introduced) <= oldest <= numbers[0]:
            raise BadSealSecret("the seal secret ends a key that it seals with")
        return cls(keys, introductions, oldest)


def introduction_statement(number: int, public: bytes, successor: bytes) -> bytes:
    """Deterministic CBOR. `successor` is the Ed25519 key that signs the introduction of the next key."""
    if not 1 <= number <= MAX_NUMBER:
        raise ValueError(f"the number of a service key is between 1 and {MAX_NUMBER}")
    return cbor2.dumps({1: 1, 2: number, 3: public, 4: successor}, canonical=True)


def sign_introduction(statement: bytes, private: bytes) -> bytes:
    return bindings.crypto_sign(_LABEL + statement, private)[:_SIGNATURE_BYTES]


def succession_key(secret: bytes, number: int) -> tuple[bytes, bytes]:
    """Derive the Ed25519 key pair, public half first, that introduces the key after `number` by default."""
    return bindings.crypto_sign_seed_keypair(_derive(secret, b"succession", number))


def check_introductions(introductions: Sequence[Introduction]) -> dict[int, bytes]:
    """Read the public keys by number from introductions that follow one another.

    Raises ValueError: another form, a gap, or a signature that is not that of the key before.
    """
    public: dict[int, bytes] = {}
    successor, last = b"", 0
    for place, one in enumerate(introductions):
        number, key, next_successor = _read_statement(one.statement)
        if place:
            _check_signature(one, successor)
            if number != last + 1:
                raise ValueError("an introduction is missing")
        public[number] = key
        successor, last = next_successor, number
    if not public:
        raise ValueError("no key is introduced")
    return public


def _read_statement(statement: bytes) -> tuple[int, bytes, bytes]:
    try:
        said: Any = cbor2.loads(statement)
        number, public, successor = said[2], said[3], said[4]
        if introduction_statement(number, public, successor) != statement or {len(public), len(successor)} != {32}:
            raise ValueError("expected an introduction of format 1")
    except (cbor2.CBORDecodeError, KeyError, TypeError, IndexError) as error:
        raise ValueError("expected an introduction") from error
    return number, public, successor


def _check_signature(one: Introduction, successor: bytes) -> None:
    try:
        bindings.crypto_sign_open((one.signature or b"") + _LABEL + one.statement, successor)
    except (CryptoError, ValueError) as error:
        raise ValueError("an introduction is not signed by the key before") from error


def _derive(secret: bytes, use: bytes, number: int) -> bytes:
    """HKDF-SHA256 (RFC 5869), one block."""
    extracted = hmac.digest(b"SANDES1/service-key", secret, "sha256")
    return hmac.digest(extracted, use + bytes([number, 1]), "sha256")
