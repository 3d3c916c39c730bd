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
Until = Annotated[Moment, Field(description="RFC 3339; five years ahead at most")]


class VerifyPerson(Wire):
    """Verify the holder of `account` or `phone`, exactly one of the two, or renew or change the verification.

    `organisation`: the caller's own if left out; `unit`: the organisation itself. `listed`: citizens may find and write
    to the holder of the post.
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
    """What is left out stays as it is."""

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
    """`reason` is kept, and recorded in the audit chain: it names nobody."""

    reason: Reason


class TransferPerson(Wire):
    """To another unit of the same organisation."""

    unit: UnitField


class HidePerson(Wire):
    """To whom each field of this person is shown at most; null: as the organisation has it. What is left out stays.

    It can only be stricter than what the organisation has set for all.
    """

    fields: Annotated[dict[ProfileFieldName, Audience | None], Field(min_length=1)]


class FindPerson(Wire):
    """The account of a number, for who may verify people in the unit: the organisation itself if left out."""

    phone: PhoneText
    organisation: OrganisationField | None = None
    unit: UnitField | None = None


class FoundPerson(Answer):
    """`state`: verified in this organisation, by another one, or by none."""

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
    """Verified people, by unit. A page may hold fewer than were asked for, even none, with a cursor."""

    people: list[OfficialEntry]
    cursor: str | None = None


class SuspensionShown(Answer):
    """By which unit, when and why the account was suspended."""

    organisation: OrganisationField
    unit: UnitField
    at: datetime
    reason: str


class SuspensionState(Answer):
    """`suspended` is left out for an account that is not."""

    account: AccountField
    suspended: SuspensionShown | None = None


class DevicesReset(Answer):
    """`devices`: how many were unlinked."""

    account: AccountField
    devices: int


class AdminPerson(Answer):
    """What the organisation says of a person, or said last. `version` rises with every change; it is the ETag.

    `state` `none`: only because of a request of theirs does the caller see them. `hidden`: shown at most to. `devices`,
    and `suspended` by this organisation: of people verified now.
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
    """Of somebody who asks to be verified. `source`: they asked themselves, or an import named their number."""

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
    """By unit, the oldest first within one. A page may hold fewer than were asked for, even none, with a cursor."""

    requests: list[RequestEntry]
    cursor: str | None = None


class VerifyRequest(Wire):
    """Verify the person as they asked, but for what is given here."""

    unit: UnitField | None = None
    name: PersonName | None = None
    post: Post | None = None
    email: EmailOrNone | None = None
    listed: bool = False
    expires_at: Until
