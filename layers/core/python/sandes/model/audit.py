"""What administrators do, as it stands in the audit chain of an organisation (docs/protocol/audit.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandes.model.ids import OrganisationId, UnitId, parse_base64url, parse_organisation, parse_unit

OPERATOR, SYSTEM = "operator", "system"
"""Actors that are no administrators, and have no role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One administrative act. `organisation` is the one whose chain it belongs to.

    `action` is like `unit.create`; `actor` an administrator's id, OPERATOR or SYSTEM; `subject` the text of the id of
    whom or what it is about; `case` the id of the approval, import or complaint it came of. `details` can be written as
    JSON, and hold ids and what has changed: no phone numbers, no secrets.
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
    """One line of a chain, `seq` from 1 without gaps, `at_ms` later than the one before.

    `statement`: the bytes that are signed, from which all the rest is read. `signature`: 64 bytes, by the key whose id
    is `key`. `prev`: the hash of the entry before. `body`: the JSON that `body_hash` binds; None where it is withheld
    or was erased.
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
    """What the statement says, unchecked."""
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
    """Where a chain ends: the hash of its last entry stands for all of it."""

    chain: OrganisationId
    seq: int
    at_ms: int
    hash: bytes
