"""Bodies of the HTTPS admin API about official groups (docs/admin/README.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sandes.model.group import MAX_ADMINS
from sandes.protocol.fields import AccountField, Answer, AppField, GroupField, Name, OrganisationField, UnitField, Wire

GroupName = Annotated[str, Name, Field(min_length=1, max_length=100)]
Admins = Annotated[list[AccountField], Field(max_length=MAX_ADMINS)]
OfficialAudience = Literal["officials", "citizens"]
GroupPosting = Literal["all", "admins"]


class NewOfficialGroup(Wire):
    """Owned by a unit, the organisation itself if left out. Citizens only receive: there, admins post.

    `admins`: officials of the organisation. `open`: whoever belongs to its audience may join without being added.
    """

    organisation: OrganisationField
    unit: UnitField | None = None
    name: GroupName
    audience: OfficialAudience = "officials"
    posting: GroupPosting | None = None
    open: bool = False
    admins: Admins = Field(default_factory=list)


class ChangeOfficialGroup(Wire):
    """What is left out stays as it is."""

    name: GroupName | None = None
    posting: GroupPosting | None = None
    open: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.name is None and self.posting is None and self.open is None:
            raise ValueError("give name, posting or open")
        return self


class PutGroupAdmins(Wire):
    """All of them: they take the place of those before, who stay members."""

    admins: Admins


class TransferOfficialGroup(Wire):
    unit: UnitField


class OfficialGroup(Answer):
    """`app`: the one that manages it, if any. `version` rises with every change, of members too; it is the ETag."""

    group: GroupField
    organisation: OrganisationField
    unit: UnitField | None = None
    app: AppField | None = None
    name: str
    audience: OfficialAudience
    posting: GroupPosting
    open: bool
    state: Literal["live", "dissolved"]
    members: int
    limit: int
    admins: list[AccountField]
    version: int
    created_at: datetime


class OfficialGroupEntry(Answer):
    group: GroupField
    unit: UnitField
    name: str
    audience: OfficialAudience


class OfficialGroupPage(Answer):
    """Live ones that no app manages, by unit. A page may hold fewer than were asked for, even none, with a cursor."""

    groups: list[OfficialGroupEntry]
    cursor: str | None = None
