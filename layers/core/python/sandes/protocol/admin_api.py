"""Bodies of the HTTPS admin API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandes.model.administrator import Role
from sandes.protocol.fields import AdministratorField, Answer, OrganisationField, UnitField

MAX_PAGE = 250
"""The most entries of a list's page. The default is 50."""


def utc(seconds: int) -> datetime:
    """Convert epoch seconds to the time in answers."""
    return datetime.fromtimestamp(seconds, UTC)


class AdminPlace(Answer):
    """Names a unit of an organisation. The organisation itself is the unit with the same id. A deleted unit has no
    names.
    """

    organisation: OrganisationField
    unit: UnitField
    organisation_name: str | None = None
    unit_name: str | None = None


class OwnAssignment(Answer):
    """Describes a role of the caller. `may` lists its permissions by the rows of the matrix.

    Without `expires_at`, the role has no end.
    """

    role: Role
    place: AdminPlace
    granted_at: datetime
    expires_at: datetime | None = None
    may: dict[str, str]


class AdminMe(Answer):
    """Describes the caller. `home` is the unit where they work."""

    administrator: AdministratorField
    name: str
    email: str
    home: AdminPlace
    signed_in_at: datetime
    assignments: tuple[OwnAssignment, ...]


class AuditEntry(Answer):
    """Describes one act. `at_ms` is the signed time in epoch milliseconds.

    `role` is the role that allowed the act. `case` is the approval, import or complaint that led to it. `details` is
    absent if it is withheld. If `signed` is false, the key of the audit chains has not signed the row for this chain:
    somebody has written it without the service, so do not trust it.
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
    """Lists entries, the newest first. A page can be empty and still have a cursor."""

    entries: tuple[AuditEntry, ...]
    cursor: str | None = None


class PublicKey(Answer):
    """Holds an Ed25519 public key in base64url, and the `id` that names it."""

    key: str
    id: str
