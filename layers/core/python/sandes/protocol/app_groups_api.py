"""Bodies of the app API for groups that apps manage (docs/apps/groups.md); `app_api` says what all have in common."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sandes.protocol.app_api import ClientRef, Time
from sandes.protocol.fields import AccountField, Answer, GroupField, Name, OrganisationField, Wire

MAX_ROSTER_ROWS = 100_000
MAX_ROSTER_BYTES = 5_000_000
"""100,000 rows of an account and a role (44 characters each) have 4.4 MB, with a space behind every comma and colon
4.8 MB. Lambda takes 6.29 MB (6 MiB), in which each of the body's quotation marks has a backslash: that is 0.9 MB more.
"""

MAX_SHOWN_FAULTS = 1_000

AppGroupName = Annotated[str, Name, Field(min_length=1, max_length=100)]
GroupAudience = Literal["officials", "citizens"]
GroupPosting = Literal["all", "admins"]
AppRole = Literal["admin", "member"]
RosterState = Literal["none", "checked", "applying", "done", "failed"]


class NewAppGroup(Wire):
    """`officials`: verified people only; `citizens`: anybody, receive only. `posting`: who may write beside the app.

    `open`: whoever belongs to its audience may join without being added.
    """

    name: AppGroupName
    audience: GroupAudience
    posting: GroupPosting = "admins"
    open: bool = False
    client_ref: ClientRef | None = None


class ChangeAppGroup(Wire):
    """What is left out stays as it is."""

    name: AppGroupName | None = None
    posting: GroupPosting | None = None
    open: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.name is None and self.posting is None and self.open is None:
            raise ValueError("give name, posting or open")
        return self


class AppGroup(Answer):
    """`version` rises with every change of the group or its members; it is the ETag too."""

    id: GroupField
    name: str
    audience: GroupAudience
    posting: GroupPosting
    open: bool
    members: int
    limit: int
    version: int
    organisation: OrganisationField | None = None
    client_ref: str | None = None
    created_at: Time


class AppGroupPage(Answer):
    groups: list[AppGroup]
    cursor: str | None = None


class PutAppMember(Wire):
    role: AppRole = "member"


class AppGroupMember(Answer):
    account: AccountField
    role: AppRole
    joined_at: Time


class AppGroupMembers(Answer):
    """In the order of their ids. `version` is the group's as this page was read."""

    members: list[AppGroupMember]
    version: int
    cursor: str | None = None


class RosterRow(Wire):
    """Exactly one of `phone` (international form) and `account`. What they say is checked row by row, and a bad one
    stops no other: so anything that is a string may stand here.
    """

    phone: str | None = None
    account: str | None = None
    role: Annotated[str, Field(json_schema_extra={"enum": ["admin", "member"]})] = "member"


class PutRoster(Wire):
    """The members of the group, all of them: whoever is in it and not in here is removed. At most 100,000 rows, 5 MB.

    `dry_run`: only say what would change.
    """

    members: Annotated[list[RosterRow], Field(json_schema_extra={"maxItems": MAX_ROSTER_ROWS})]
    dry_run: bool = False


class RosterFault(Answer):
    """`row` counts from 1."""

    row: int
    code: str


class Roster(Answer):
    """What a roster changes: people `added`, `removed`, `role_changed`, `unchanged`; `invalid` rows, of which `faults`
    names the first 1,000. `done` of `total` changes have been made.

    `state`: none yet; checked by a dry run; being applied; done; failed, `failure` says why.
    """

    state: RosterState
    added: int = 0
    removed: int = 0
    role_changed: int = 0
    unchanged: int = 0
    invalid: int = 0
    faults: list[RosterFault] = Field(default_factory=list)
    done: int = 0
    total: int = 0
    failure: str | None = None
    started_at: Time | None = None
    finished_at: Time | None = None
