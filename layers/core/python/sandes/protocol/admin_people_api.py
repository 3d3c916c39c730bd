"""Bodies of the HTTPS admin API about people (docs/admin/README.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sandes.protocol.client_api import Audience, PhoneText, ProfileFieldName
from sandes.protocol.fields import (
    AccountField,
    Answer,
    Email,
    EmailOrNone,
    Moment,
    Name,
    OneLine,
    OrganisationField,
    UnitField,
    Wire,
    Written,
)

PersonName = Annotated[str, Name, Written, Field(min_length=1, max_length=64)]
Post = Annotated[str, Name, Written, Field(min_length=1, max_length=128)]
Reason = Annotated[str, OneLine, Field(min_length=1, max_length=256)]
Until = Annotated[Moment, Field(description="RFC 3339; at most five years ahead")]


class VerifyPerson(Wire):
    """Verifies the holder of `account` or `phone`, exactly one of the two, or renews or changes their verification.

    By default, `organisation` is the caller's, and `unit` the organisation itself. If `listed` is true, citizens may
    find and write to the holder of the post.
    """

    account: AccountField | None = None
    phone: PhoneText | None = None
    organisation: OrganisationField | None = None
    unit: UnitField | None = None
    name: PersonName
    post: Post
    email: Email | None = None
    listed: bool = False
    expires_at: Until

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.account is None) == (self.phone is None):
            raise ValueError("give either the account or the phone number")
        return self


class ChangePerson(Wire):
    """Changes a verification. Absent fields stay unchanged."""

    name: PersonName | None = None
    post: Post | None = None
    email: EmailOrNone | None = None
    listed: bool | None = None
    expires_at: Until | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if all(value is None for value in (self.name, self.post, self.email, self.listed, self.expires_at)):
            raise ValueError("give at least one field")
        return self


class BecauseOf(Wire):
    """Gives a reason, which is stored and recorded in the audit chain. It must not name anybody."""

    reason: Reason


class TransferPerson(Wire):
    """Moves a person to another unit of the same organisation."""

    unit: UnitField


class HidePerson(Wire):
    """Sets the widest audience of fields of this person. null restores the organisation's setting.

    Absent fields stay unchanged. An audience can only be stricter than the organisation's setting for all.
    """

    fields: Annotated[dict[ProfileFieldName, Audience | None], Field(min_length=1)]


class FindPerson(Wire):
    """Searches for the account of a number. The caller must have the right to verify people in the unit.

    By default, that is the organisation itself.
    """

    phone: PhoneText
    organisation: OrganisationField | None = None
    unit: UnitField | None = None


class FoundPerson(Answer):
    """Describes the account found. `state` says whether this organisation, another one or none has verified it."""

    account: AccountField
    state: Literal["here", "elsewhere", "none"]


class OfficialEntry(Answer):
    account: AccountField
    unit: UnitField
    name: str
    post: str
    listed: bool
    expires_at: datetime


class OfficialPage(Answer):
    """Lists verified people by unit. A page can have fewer than requested, even none, and still have a cursor."""

    people: list[OfficialEntry]
    cursor: str | None = None


class SuspensionShown(Answer):
    """Says which unit suspended the account, when and why."""

    organisation: OrganisationField
    unit: UnitField
    at: datetime
    reason: str


class SuspensionState(Answer):
    """Says whether an account is suspended. `suspended` is absent if it is not."""

    account: AccountField
    suspended: SuspensionShown | None = None


class DevicesReset(Answer):
    """Says how many `devices` were unlinked."""

    account: AccountField
    devices: int


class AdminPerson(Answer):
    """Describes the organisation's current or last verification of a person.

    `version` rises with every change; it is the ETag. `state` `none`: the caller sees the person only because of the
    person's request. `hidden` holds the widest audiences set for this person. `devices`, and `suspended` for
    suspensions by this organisation, are present only if the person is verified now.
    """

    account: AccountField
    state: Literal["none", "verified", "expired", "revoked", "replaced"]
    organisation: OrganisationField | None = None
    unit: UnitField | None = None
    name: str | None = None
    post: str | None = None
    email: str | None = None
    listed: bool | None = None
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    hidden: dict[ProfileFieldName, Audience] | None = None
    devices: int | None = None
    suspended: SuspensionShown | None = None
    version: int


class RequestEntry(Answer):
    """Describes a verification request. `source` says whether the person sent it, or an import named their number."""

    id: str
    account: AccountField
    organisation: OrganisationField
    unit: UnitField
    name: str
    post: str
    email: str | None = None
    source: Literal["device", "import"]
    state: Literal["open", "verified", "rejected", "lapsed"]
    requested_at: datetime
    lapses_at: datetime
    decided_at: datetime | None = None
    reason: str | None = None


class RequestPage(Answer):
    """Lists requests by unit, within a unit the oldest first.

    A page can have fewer than requested, even none, and still have a cursor.
    """

    requests: list[RequestEntry]
    cursor: str | None = None


class VerifyRequest(Wire):
    """Verifies the person as requested, except for the fields given here."""

    unit: UnitField | None = None
    name: PersonName | None = None
    post: Post | None = None
    email: EmailOrNone | None = None
    listed: bool = False
    expires_at: Until
