"""The keys by which this device knows the service: pinned, and replaced only by keys that they introduce
(docs/protocol/service-keys.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cbor2
from nacl import bindings
from nacl.exceptions import CryptoError

from sandes_client.clock import Clock
from sandes_client.fields import cbor_map, number_of, sized
from sandes_client.ids import parse_base64url
from sandes_client.seal import NotFromService
from sandes_client.store import Store

MAX_NUMBER = 255
FRESH_MS = 60_000
"""An envelope of an unknown key is refused if the service said less than a minute ago which keys it has."""

_LABEL = b"SANDES1/service-key\0"
_SIGNATURE_BYTES = 64


class ServiceKeysRefused(Exception):
    """The keys that the service names do not follow from those that are pinned. The text says why."""


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """`public` opens envelopes; `successor` checks the introduction of the next key."""

    number: int
    public: bytes
    successor: bytes
    statement: bytes


class ServiceKeys:
    """The pinned keys. `learn` is given what each `welcome` says of them."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._heard_at_ms: int | None = None
        self._accepted = False
        self.stale = asyncio.Event()
        """Set when an envelope names a key that is not known: a new socket hears of the keys there are now."""

    @property
    def is_fresh(self) -> bool:
        """Note that the service has just named its keys, and that they were accepted."""
        return self._accepted and self._heard_lately()

    def public(self, number: int) -> bytes | None:
        """Return the key of this number, or None if it is unknown. Raises NotFromService if it was ended."""
        if number < self._store.service_keys.oldest():
            raise NotFromService(f"key {number} of the service was ended")
        statement = self._store.service_keys.statements().get(number)
        return read_introduction(statement).public if statement is not None else None

    def learn(self, told: Any) -> None:
        """Take the `service_keys` of a `welcome`. The first time, they are pinned as they are.

        Raises ServiceKeysRefused: a pinned key differs, or a new one is not introduced by the one before. Nothing is
        changed then.
        """
        self._heard_at_ms, self._accepted = self._clock.now_ms(), False
        self.stale.clear()
        try:
            oldest = number_of(told["oldest"])
            given = [_parsed(one) for one in told["introductions"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceKeysRefused("the service does not name its keys in a form that is known here") from error
        pinned = self._store.service_keys.statements()
        chain = _follow(given, [read_introduction(pinned[number]) for number in sorted(pinned)])
        if oldest > chain[-1].number:
            raise ServiceKeysRefused("every key has been ended")
        self._store.service_keys.pin({key.number: key.statement for key in chain}, oldest=oldest)
        self._accepted = True

    def needs_news(self) -> None:
        """Note an envelope with an unknown key. The client asks the service for its keys at most once a minute."""
        if not self._heard_lately():
            self.stale.set()

    def _heard_lately(self) -> bool:
        return self._heard_at_ms is not None and self._clock.now_ms() - self._heard_at_ms < FRESH_MS


def _parsed(one: Any) -> tuple[ServiceKey, bytes | None]:
    signature = one.get("signature")
    return read_introduction(parse_base64url(one["statement"])), (
        None if signature is None else parse_base64url(signature)
    )


def _follow(given: Sequence[tuple[ServiceKey, bytes | None]], pinned: Sequence[ServiceKey]) -> list[ServiceKey]:
    """Return the pinned keys and those that follow them."""
    known = {key.number: key for key in pinned}
    newest = pinned[-1] if pinned else None
    chain: list[ServiceKey] = []
    for key, signature in given:
        if chain and key.number != chain[-1].number + 1:
            raise ServiceKeysRefused("an introduction is missing")
        if key.number in known:
            if known[key.number].statement != key.statement:
                raise ServiceKeysRefused(f"key {key.number} is not the one that is pinned")
        elif newest is None or key.number > newest.number:
            before = chain[-1] if chain else newest
            if before is not None:
                if key.number != before.number + 1:
                    raise ServiceKeysRefused("an introduction is missing")
                _check_signature(key, signature, before)
        chain.append(key)
    if not chain:
        raise ServiceKeysRefused("the service names no key")
    if newest is not None and chain[-1].number < newest.number:
        raise ServiceKeysRefused("the service names only keys of before")
    return chain


def _check_signature(key: ServiceKey, signature: bytes | None, before: ServiceKey) -> None:
    try:
        if signature is None or len(signature) != _SIGNATURE_BYTES:
            raise ValueError("expected a signature")
        bindings.crypto_sign_open(signature + _LABEL + key.statement, before.successor)
    except (CryptoError, ValueError) as error:
        raise ServiceKeysRefused(f"key {key.number} is not introduced by the key before") from error


def read_introduction(statement: bytes) -> ServiceKey:
    """Raises ValueError for anything but a statement of format 1."""
    try:
        said = cbor_map(cbor2.loads(statement))
        number, public, successor = number_of(said[2]), sized(said[3], 32), sized(said[4], 32)
        if said[1] != 1 or cbor2.dumps(said, canonical=True) != statement or set(said) != {1, 2, 3, 4}:
            raise ValueError("expected format 1")
    except (cbor2.CBORDecodeError, KeyError, TypeError) as error:
        raise ValueError("not an introduction") from error
    if not 1 <= number <= MAX_NUMBER:
        raise ValueError(f"expected a number between 1 and {MAX_NUMBER}")
    return ServiceKey(number, public, successor, statement)
