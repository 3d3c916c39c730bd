"""Administrative acts and the entries of an organisation's audit chain (docs/protocol/audit.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandes.model.ids import OrganisationId, UnitId, parse_base64url, parse_organisation, parse_unit

OPERATOR, SYSTEM = "operator", "system"
"""Actors that are not administrators and have no role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Describes one administrative act. `organisation` owns the audit chain that the act belongs to.

    `action` is a name such as `unit.create`. `actor` is an administrator's id, OPERATOR or SYSTEM. `subject` is the
    text of the id that the act is about. `case` is the id of the approval, import or complaint that led to the act.
    `details` must be serialisable as JSON. They hold ids and changes, but no phone numbers and no secrets.
    """

    action: str
    actor: str
    role: str | None
    organisation: OrganisationId
    unit: UnitId | None = None
    subject: str | None = None
    case: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """Holds one entry of a chain. `seq` counts from 1 without gaps; each `at_ms` is later than the one before.

    `statement` holds the signed bytes, from which the other fields are read. `signature` has 64 bytes and was made with
    the key whose id is `key`. `prev` is the hash of the previous entry. `body` is the JSON that `body_hash` binds; it
    is None if the body is withheld or was erased.
    """

    chain: OrganisationId
    seq: int
    at_ms: int
    actor: str
    role: str | None
    action: str
    unit: UnitId | None
    subject: str | None
    case: str | None
    body_hash: bytes
    prev: bytes
    key: str
    statement: bytes
    signature: bytes
    body: bytes | None


def read_entry(statement: bytes, signature: bytes, body: bytes | None) -> Entry:
    """Parse a statement into an entry, without checking the signature or the hashes."""
    said = json.loads(statement + b"}")
    unit = said["unit"]
    return Entry(
        chain=parse_organisation(said["chain"]),
        seq=said["seq"],
        at_ms=said["at"],
        actor=said["actor"],
        role=said["role"],
        action=said["action"],
        unit=parse_unit(unit) if unit is not None else None,
        subject=said["subject"],
        case=said["case"],
        body_hash=parse_base64url(said["body"]),
        prev=parse_base64url(said["prev"]),
        key=said["key"],
        statement=statement,
        signature=signature,
        body=body,
    )


@dataclass(frozen=True, slots=True)
class Head:
    """Holds the end of a chain. The hash of the last entry stands for the whole chain."""

    chain: OrganisationId
    seq: int
    at_ms: int
    hash: bytes
