"""Bodies of the HTTPS admin API about complaints (docs/admin/README.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from sandes.protocol.app_api import Printable
from sandes.protocol.fields import (
    AccountField,
    AdministratorField,
    Answer,
    AppField,
    GroupField,
    OrganisationField,
    UnitField,
    Wire,
)

Note = Annotated[str, Printable, Field(max_length=1000)]


class ComplaintEntry(Answer):
    """Describes a complaint about exactly one of `account`, `group` and `app`.

    `unit` is the unit that it belonged to at the time of the report. `reporter` is a pseudonym of the reporter. It is
    the same in all of their complaints about the same subject, and different in all others.
    """

    id: str
    organisation: OrganisationField
    unit: UnitField
    account: AccountField | None = None
    group: GroupField | None = None
    app: AppField | None = None
    category: Literal["spam", "abuse", "impersonation", "fraud", "other"]
    state: Literal["open", "assigned", "resolved"]
    reporter: str
    reported_at: datetime
    assigned_to: AdministratorField | None = None
    outcome: Literal["upheld", "dismissed", "not_ours"] | None = None
    resolved_at: datetime | None = None


class AdminComplaint(ComplaintEntry):
    """Describes a complaint with its text, and the note of the administrator who resolved it."""

    text: str
    note: str | None = None


class ComplaintPage(Answer):
    """Lists complaints, the newest first. A page can have fewer than requested, even none, and still have a cursor."""

    complaints: list[ComplaintEntry]
    cursor: str | None = None


class AssignComplaint(Wire):
    """Assigns a complaint to an administrator who may resolve it."""

    administrator: AdministratorField


class ResolveComplaint(Wire):
    """Resolves a complaint. `not_ours` means that another body is responsible. `note` is for other moderators."""

    outcome: Literal["upheld", "dismissed", "not_ours"]
    note: Note = ""
