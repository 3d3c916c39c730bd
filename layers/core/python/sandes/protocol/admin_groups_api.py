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
    """Creates a group that a unit owns; by default, the organisation itself.

    In a group for citizens only admins can post. `admins` must be officials of the organisation. If `open` is true,
    everybody in the audience may join without being added.
    """

    organisation: OrganisationField
    unit: UnitField | None = None
    name: GroupName
    audience: OfficialAudience = "officials"
    posting: GroupPosting | None = None
    open: bool = False
    admins: Admins = Field(default_factory=list)


class ChangeOfficialGroup(Wire):
    """Changes a group. Absent fields stay unchanged."""

    name: GroupName | None = None
    posting: GroupPosting | None = None
    open: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.name is None and self.posting is None and self.open is None:
            raise ValueError("give name, posting or open")
        return self


class PutGroupAdmins(Wire):
    """Replaces all admins of a group. The previous admins stay members."""

    admins: Admins


class TransferOfficialGroup(Wire):
    unit: UnitField


class OfficialGroup(Answer):
    """Describes an official group. `app` is the app that manages it, if any.

    `version` rises with every change, also of members. It is the ETag.
    """

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
    """Lists live groups that no app manages, by unit.

    A page can have fewer than requested, even none, and still have a cursor.
    """

    groups: list[OfficialGroupEntry]
    cursor: str | None = None
