"""Bodies of the HTTPS admin API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandes.model.administrator import Role
from sandes.protocol.fields import AdministratorField, Answer, OrganisationField, UnitField

MAX_PAGE = 250
"""Entries of a page of a list; 50 if the caller does not say."""


def utc(seconds: int) -> datetime:
    """A time as it stands in answers, of epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


class AdminPlace(Answer):
    """A unit of an organisation; the organisation itself as the unit of the same id. Without names if it is gone."""

    organisation: OrganisationField
    unit: UnitField
    organisation_name: str | None = None
    unit_name: str | None = None


class OwnAssignment(Answer):
    """`may`: what it gives, by the rows of the matrix. Without `expires_at` it stays."""

    role: Role
    place: AdminPlace
    granted_at: datetime
    expires_at: datetime | None = None
    may: dict[str, str]


class AdminMe(Answer):
    """`home`: where they work."""

    administrator: AdministratorField
    name: str
    email: str
    home: AdminPlace
    signed_in_at: datetime
    assignments: tuple[OwnAssignment, ...]


class AuditEntry(Answer):
    """One act. `role`: by which it was allowed. `case`: the approval, import or complaint it came of. `details` is left
    out where it is withheld. `signed`: false of a row that the key of audit chains has not signed for this chain, which
    somebody has put there around the service: believe nothing of it. `at_ms`: epoch milliseconds, as it is signed.
    """

    organisation: OrganisationField
    seq: int
    at_ms: int
    actor: str
    role: str | None = None
    action: str
    unit: UnitField | None = None
    subject: str | None = None
    case: str | None = None
    details: dict[str, Any] | None = None
    signed: bool


class AuditPage(Answer):
    """Newest first. A page may be empty and still have a cursor."""

    entries: tuple[AuditEntry, ...]
    cursor: str | None = None


class PublicKey(Answer):
    """Ed25519, base64url. `id`: by which it is named."""

    key: str
    id: str
