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
    """About exactly one of `account`, `group`, `app`. `unit`: where that stood when it was reported.

    `reporter`: a name for whoever reported it that is the same in all complaints about the same, and in no others.
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
    """With what was said, and the note of whoever resolved it."""

    text: str
    note: str | None = None


class ComplaintPage(Answer):
    """The newest first. A page may hold fewer than were asked for, even none, with a cursor."""

    complaints: list[ComplaintEntry]
    cursor: str | None = None


class AssignComplaint(Wire):
    """To somebody who may resolve it."""

    administrator: AdministratorField


class ResolveComplaint(Wire):
    """`not_ours`: somebody else is to look into it. `note` is for those who look after complaints."""

    outcome: Literal["upheld", "dismissed", "not_ours"]
    note: Note = ""
