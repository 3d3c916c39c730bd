"""Follows the introductions by which a pinned key is replaced (docs/protocol/service-keys.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cbor2
from nacl import bindings
from nacl.exceptions import CryptoError

from sandes_client.fields import cbor_map, number_of, sized
from sandes_client.ids import parse_base64url

MAX_NUMBER = 255
SEALING = b"SANDES1/service-key"
"""Prefix of the statements that keys for sealing envelopes sign as introductions."""
ATTESTING = b"SANDES1/attestation-key"
"""Prefix of the statements that keys for signing attestations sign as introductions."""

_SIGNATURE_BYTES = 64


class KeysRefused(Exception):
    """Reports that the service's keys do not follow from the pinned ones. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class IntroducedKey:
    """Holds an introduced key. `public` is the key; `successor` checks the introduction of the next key."""

    number: int
    public: bytes
    successor: bytes
    statement: bytes


@dataclass(frozen=True, slots=True)
class Followed:
    """Holds the keys of an accepted list by number, and the number below which keys were ended."""

    statements: Mapping[int, bytes]
    oldest: int


def follow(told: Any, pinned: Mapping[int, bytes], *, label: bytes) -> Followed:
    """Check a list of introductions against the pinned ones.

    The first list has to follow only from its own first key.

    Raise KeysRefused if a pinned key differs, or if a new one is not introduced by the one before.
    """
    try:
        oldest = number_of(told["oldest"])
        given = [_parsed(one) for one in told["introductions"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise KeysRefused("the service's list of keys has an unknown form") from error
    chain = _chain(given, [read_introduction(pinned[number]) for number in sorted(pinned)], label)
    if oldest > chain[-1].number:
        raise KeysRefused("every key has been ended")
    return Followed({key.number: key.statement for key in chain}, oldest)


def read_introduction(statement: bytes) -> IntroducedKey:
    """Read a statement. Raise ValueError for anything but a statement of format 1."""
    try:
        said = cbor_map(cbor2.loads(statement))
        number, public, successor = number_of(said[2]), sized(said[3], 32), sized(said[4], 32)
        if said[1] != 1 or cbor2.dumps(said, canonical=True) != statement or set(said) != {1, 2, 3, 4}:
            raise ValueError("expected format 1")
    except (cbor2.CBORDecodeError, KeyError, TypeError) as error:
        raise ValueError("not an introduction") from error
    if not 1 <= number <= MAX_NUMBER:
        raise ValueError(f"expected a number between 1 and {MAX_NUMBER}")
    return IntroducedKey(number, public, successor, statement)


def _parsed(one: Any) -> tuple[IntroducedKey, bytes | None]:
    signature = one.get("signature")
    return read_introduction(parse_base64url(one["statement"])), (
        None if signature is None else parse_base64url(signature)
    )


def _chain(
    given: Sequence[tuple[IntroducedKey, bytes | None]], pinned: Sequence[IntroducedKey], label: bytes
) -> list[IntroducedKey]:
    """Return the keys of the list. Those that are not pinned follow from the pinned ones."""
    known = {key.number: key for key in pinned}
    newest = pinned[-1] if pinned else None
    chain: list[IntroducedKey] = []
    for key, signature in given:
        if chain and key.number != chain[-1].number + 1:
            raise KeysRefused("an introduction is missing")
        if key.number in known:
            if known[key.number].statement != key.statement:
                raise KeysRefused(f"key {key.number} differs from the pinned one")
        elif newest is not None and key.number < newest.number:
            raise KeysRefused(f"key {key.number} is older than the pinned ones, which do not introduce it")
        else:
            before = chain[-1] if chain else newest
            if before is not None:
                if key.number != before.number + 1:
                    raise KeysRefused("an introduction is missing")
                _check_signature(key, signature, before, label)
        chain.append(key)
    if not chain:
        raise KeysRefused("the service names no key")
    if newest is not None and chain[-1].number < newest.number:
        raise KeysRefused("the service names only older keys")
    return chain


def _check_signature(key: IntroducedKey, signature: bytes | None, before: IntroducedKey, label: bytes) -> None:
    try:
        if signature is None or len(signature) != _SIGNATURE_BYTES:
            raise ValueError("expected a signature")
        bindings.crypto_sign_open(signature + label + b"\0" + key.statement, before.successor)
    except (CryptoError, ValueError) as error:
        raise KeysRefused(f"key {key.number} is not introduced by the key before") from error
