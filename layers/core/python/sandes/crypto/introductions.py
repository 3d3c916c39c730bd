"""Keys that clients pin. Each key is introduced by the previous one (docs/protocol/service-keys.md).

All keys of one purpose come from one secret, which is stored outside the database.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import cbor2
from nacl import bindings
from nacl.exceptions import CryptoError

from sandes.model.envelope import MAX_SERVICE_KEY_NUMBER
from sandes.model.introduction import Introduction, Introductions

MAX_NUMBER = MAX_SERVICE_KEY_NUMBER
"""The largest number of a key. It is one byte in envelopes and in the derivation of keys."""

_MIN_SECRET_BYTES = 32
_SIGNATURE_BYTES = 64


class BadKeySecret(ValueError):
    """Reports a secret that neither tools/service_keys.py nor the deployment has written."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """Describes the purpose of a list of keys. An introduction is valid for one purpose only, even under the same root
    key.

    `label` begins the signed bytes of introductions and is the salt of every derivation. `info` derives the private
    keys.
    """

    label: bytes
    info: bytes
    public_of: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """Holds a key pair. It is used from `in_force_from` (epoch seconds) until the next key is in force."""

    number: int
    private: bytes
    public: bytes
    in_force_from: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """Holds the keys that this environment uses, and their introductions for clients. Each purpose has a class of its
    own.
    """

    purpose: ClassVar[Purpose]

    keys: tuple[Key, ...]
    introductions: tuple[Introduction, ...]
    oldest: int

    @classmethod
    def of(cls, secret: bytes) -> Self:
        """Parse the secret, as the deployment made it or as tools/service_keys.py wrote it later. Raises
        BadKeySecret.
        """
        return cls._read(secret) if secret.startswith(b"{") else cls._first(secret)

    @classmethod
    def key(cls, number: int, secret: bytes, *, in_force_from: int = 0) -> Key:
        """Derive the key with this number from its secret."""
        private = derive(secret, cls.purpose, cls.purpose.info, number)
        return Key(number, private, cls.purpose.public_of(private), in_force_from)

    def at(self, now_seconds: int) -> Key:
        """Return the newest key that is in force. Return the first key if none is in force yet."""
        return next((key for key in reversed(self.keys) if key.in_force_from <= now_seconds), self.keys[0])

    @property
    def told(self) -> Introductions:
        return Introductions(self.introductions, self.oldest)

    @classmethod
    def _first(cls, secret: bytes) -> Self:
        if len(secret) < _MIN_SECRET_BYTES:
            raise BadKeySecret("a secret of keys needs at least 32 bytes")
        key = cls.key(1, secret)
        statement = introduction_statement(1, key.public, succession_key(secret, 1, cls.purpose)[0])
        return cls((key,), (Introduction(statement, None),), 1)

    @classmethod
    def _read(cls, secret: bytes) -> Self:
        try:
            told = json.loads(secret)
            keys = tuple(
                cls.key(one["number"], one["secret"].encode(), in_force_from=one["in_force_from"])
                for one in told["keys"]
            )
            introductions = tuple(Introduction.read(one) for one in told["introductions"])
            oldest = int(told["oldest"])
            introduced = check_introductions(introductions, cls.purpose)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadKeySecret("the secret of keys is not in its form") from error
        numbers = [key.number for key in keys]
        if not keys or numbers != sorted(set(numbers)) or any(introduced.get(key.number) != key.public for key in keys):
            raise BadKeySecret("a key of the secret is not introduced")
        if not min(introduced) <= oldest <= numbers[0]:
            raise BadKeySecret("the secret ends a key that it uses")
        return cls(keys, introductions, oldest)


def introduction_statement(number: int, public: bytes, successor: bytes) -> bytes:
    """Encode an introduction as deterministic CBOR. `successor` is the Ed25519 key that signs the next introduction."""
    if not 1 <= number <= MAX_NUMBER:
        raise ValueError(f"the number of a key is between 1 and {MAX_NUMBER}")
    return cbor2.dumps({1: 1, 2: number, 3: public, 4: successor}, canonical=True)


def sign_introduction(statement: bytes, private: bytes, purpose: Purpose) -> bytes:
    return bindings.crypto_sign(_signed(statement, purpose), private)[:_SIGNATURE_BYTES]


def succession_key(secret: bytes, number: int, purpose: Purpose) -> tuple[bytes, bytes]:
    """Derive the Ed25519 key pair, public half first, that by default introduces the key after `number`."""
    return bindings.crypto_sign_seed_keypair(derive(secret, purpose, b"succession", number))


def check_introductions(introductions: Sequence[Introduction], purpose: Purpose) -> dict[int, bytes]:
    """Return the public keys by number, from a sequence of introductions.

    Raises ValueError if the form is wrong, a number is missing, or a signature is not that of the previous key.
    """
    public: dict[int, bytes] = {}
    successor, last = b"", 0
    for place, one in enumerate(introductions):
        number, key, next_successor = read_statement(one.statement)
        if place:
            _check_signature(one, successor, purpose)
            if number != last + 1:
                raise ValueError("an introduction is missing")
        public[number] = key
        successor, last = next_successor, number
    if not public:
        raise ValueError("no key is introduced")
    return public


def read_statement(statement: bytes) -> tuple[int, bytes, bytes]:
    """Return the number, public key and successor key. Raises ValueError for anything but a statement of format 1."""
    try:
        said: Any = cbor2.loads(statement)
        number, public, successor = said[2], said[3], said[4]
        if introduction_statement(number, public, successor) != statement or {len(public), len(successor)} != {32}:
            raise ValueError("expected an introduction of format 1")
    except (cbor2.CBORDecodeError, KeyError, TypeError, IndexError) as error:
        raise ValueError("expected an introduction") from error
    return number, public, successor


def derive(secret: bytes, purpose: Purpose, use: bytes, number: int) -> bytes:
    """Return one block of HKDF-SHA256 (RFC 5869)."""
    extracted = hmac.digest(purpose.label, secret, "sha256")
    return hmac.digest(extracted, use + bytes([number, 1]), "sha256")


def _check_signature(one: Introduction, successor: bytes, purpose: Purpose) -> None:
    try:
        bindings.crypto_sign_open((one.signature or b"") + _signed(one.statement, purpose), successor)
    except (CryptoError, ValueError) as error:
        raise ValueError("an introduction is not signed by the key before") from error


def _signed(statement: bytes, purpose: Purpose) -> bytes:
    return purpose.label + b"\0" + statement
