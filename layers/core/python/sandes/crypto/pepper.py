"""Keys outside the database, derived from one secret (the pepper), with one key for each use.

Without this secret, nobody can test a phone number or a code against a dump of all tables. docs/adr/0046 describes how
to replace it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from nacl import bindings
from nacl.exceptions import CryptoError

from sandes.crypto.codes import code_hash, same
from sandes.model.ids import base64url_text
from sandes.model.phone import PhoneNumber

T = TypeVar("T")

_NONCE_BYTES = 24
_SECRET_BYTES = 32


def _derive(secret: bytes, use: bytes) -> bytes:
    return hashlib.blake2b(secret, digest_size=32, person=use).digest()


@dataclass(frozen=True, slots=True, repr=False)
class Pepper:
    """Holds the keys for pseudonyms of phone numbers, code hashes and data of apps. Create it with `Pepper.of`.

    The pepper has one value, except for the weeks in which it is replaced. `following` is the value that will be used
    next: rows about numbers are written under both values and read under the current one. `former` is the previous
    value: nothing is written under it any more, but existing rows can still be read. `since` is the epoch second of the
    last step. At most one of `following` and `former` is set.
    """

    index_key: bytes
    phone_key: bytes
    code_key: bytes
    app_key: bytes
    app_seal_key: bytes
    number: int = 1
    following: Pepper | None = None
    former: Pepper | None = None
    since: int = 0

    @classmethod
    def of(cls, text: bytes) -> Pepper:
        """Parse the secret: one value as the deployment made it, or the JSON object that tools/pepper.py writes.

        Raises ValueError if it is neither, or if a value has fewer than 32 bytes.
        """
        if not text.startswith(b"{"):
            return cls._of(text, 1)
        try:
            told: dict[str, Any] = json.loads(text)
            values = {int(one["number"]): str(one["secret"]).encode() for one in told["values"]}
            in_use, since = int(told["in_use"]), int(told["since"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError("the pepper is neither one value nor the object that tools/pepper.py writes") from error
        if in_use not in values or len(values) > 2 or len(set(values.values())) != len(values):
            raise ValueError("the pepper needs the value that is in use, and one other at most")
        used = replace(cls._of(values.pop(in_use), in_use), since=since)
        for number, secret in values.items():
            other = cls._of(secret, number)
            return replace(used, following=other) if number > in_use else replace(used, former=other)
        return used

    @classmethod
    def _of(cls, secret: bytes, number: int) -> Pepper:
        if len(secret) < _SECRET_BYTES:
            raise ValueError("the pepper needs at least 32 bytes")
        uses = (b"sandes-index", b"sandes-phone", b"sandes-code", b"sandes-app", b"sandes-app-seal")
        index, phone, code, app, app_seal = (_derive(secret, use) for use in uses)
        return cls(index, phone, code, app, app_seal, number=number)

    @property
    def values(self) -> tuple[Pepper, ...]:
        """Return the current value, followed by the other one if there is one."""
        other = self.following or self.former
        return (self, other) if other else (self,)

    def index(self, kind: str, value: str) -> str:
        """Return a stable pseudonym of 22 characters for a phone number or network address."""
        digest = hmac.new(self.index_key, f"{kind}\0{value}".encode(), hashlib.sha256).digest()
        return base64url_text(digest[:16])

    def indexes(self, kind: str, value: str) -> tuple[str, ...]:
        """Return the pseudonyms under all values, the current one first."""
        return tuple(one.index(kind, value) for one in self.values)

    def written(self, kind: str, value: str) -> tuple[str, ...]:
        """Return the pseudonyms under which rows are written: the current one, then that of a following value."""
        return tuple(one.index(kind, value) for one in (self, self.following) if one)

    def fingerprint(self, use: str, *parts: bytes) -> bytes:
        """Return a keyed hash of 16 bytes over guessable parts, such as idempotency keys and bodies with codes or
        numbers.

        Each part follows its length (4 bytes), so that no two splits give the same input.
        """
        message = b"".join(len(part).to_bytes(4, "big") + part for part in (use.encode(), *parts))
        return hmac.new(self.app_key, message, hashlib.sha256).digest()[:16]

    def fingerprints(self, use: str, *parts: bytes) -> tuple[bytes, ...]:
        """Return the fingerprints under all values, the current one first."""
        return tuple(one.fingerprint(use, *parts) for one in self.values)

    def code_hash(self, *, code: str, challenge: str, subject: str, purpose: str) -> bytes:
        """Return the hash that is stored for a code (crypto/codes.py)."""
        return code_hash(self.code_key, code=code, challenge=challenge, subject=subject, purpose=purpose)

    def is_code(self, kept: bytes, *, code: str, challenge: str, subject: str, purpose: str) -> bool:
        """Tell whether `kept` is the hash of `code` under any value."""
        hashes = [
            one.code_hash(code=code, challenge=challenge, subject=subject, purpose=purpose) for one in self.values
        ]
        return sum(same(given, kept) for given in hashes) > 0  # comparing all hides which one matched

    def seal(self, plain: bytes, owner: bytes) -> bytes:
        """Encrypt for the server's own later use with XChaCha20-Poly1305, bound to the owner's id. Adds 40 bytes to
        `plain`.
        """
        return _seal(plain, owner, self.app_seal_key)

    def open(self, sealed: bytes, owner: bytes) -> bytes:
        """Decrypt. Raises nacl's CryptoError if the data was encrypted for another owner or under another secret."""
        return self._first(lambda one: _open(sealed, owner, one.app_seal_key))

    def seal_phone(self, phone: PhoneNumber, owner: bytes) -> bytes:
        """Encrypt a number with XChaCha20-Poly1305, bound to the owner's id. Adds 40 bytes to the number."""
        return _seal(phone.encode(), owner, self.phone_key)

    def open_phone(self, sealed: bytes, owner: bytes) -> PhoneNumber:
        """Decrypt a number. Raises nacl's CryptoError if it was encrypted for another owner or under another secret."""
        return PhoneNumber(self._first(lambda one: _open(sealed, owner, one.phone_key)).decode())

    def is_own(self, sealed: bytes, owner: bytes) -> bool:
        """Tell whether a number or text was encrypted under the current value."""
        for key in (self.phone_key, self.app_seal_key):
            try:
                _open(sealed, owner, key)
            except CryptoError:
                continue
            return True
        return False

    def _first(self, attempt: Callable[[Pepper], T]) -> T:
        """Try the current value, then the other one."""
        for one in self.values[:-1]:
            try:
                return attempt(one)
            except CryptoError:
                continue
        return attempt(self.values[-1])

    @property
    def proof(self) -> str:
        """Return the proof that all rows were rewritten for the next step; tools/pepper.py asks for it.

        Computing it needs both values.
        """
        key = b"".join(one.index_key for one in self.values)
        step = f"rekeyed {' '.join(str(one.number) for one in self.values)}"
        return base64url_text(hmac.new(key, step.encode(), hashlib.sha256).digest()[:16])


def _seal(plain: bytes, owner: bytes, key: bytes) -> bytes:
    nonce = bindings.randombytes(_NONCE_BYTES)
    return nonce + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, owner, nonce, key)


def _open(sealed: bytes, owner: bytes, key: bytes) -> bytes:
    return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed[_NONCE_BYTES:], owner, sealed[:_NONCE_BYTES], key)
