"""Bodies of the app API about app-managed groups (docs/apps/groups.md). `app_api` has the common parts."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sandes.protocol.app_api import ClientRef, Time
from sandes.protocol.fields import AccountField, Answer, GroupField, Name, OrganisationField, Wire

MAX_ROSTER_ROWS = 100_000
MAX_ROSTER_BYTES = 5_000_000
"""The largest body of a roster.

100,000 rows of an account and a role (44 characters each) have 4.4 MB, or 4.8 MB with a space after every comma and
colon. Lambda accepts 6.29 MB (6 MiB), in which a backslash precedes each of the body's quotation marks. That adds 0.9
MB.
"""

MAX_SHOWN_FAULTS = 1_000

AppGroupName = Annotated[str, Name, Field(min_length=1, max_length=100)]
GroupAudience = Literal["officials", "citizens"]
GroupPosting = Literal["all", "admins"]
AppRole = Literal["admin", "member"]
RosterState = Literal["none", "checked", "applying", "done", "failed"]


class NewAppGroup(Wire):
    """Creates a group. A group for `officials` has only verified people; in one for `citizens`, anybody can only
    receive.

    `posting` says who may write besides the app. If `open` is true, everybody in the audience may join without being
    added.
    """

    name: AppGroupName
    audience: GroupAudience
    posting: GroupPosting = "admins"
    open: bool = False
    client_ref: ClientRef | None = None


class ChangeAppGroup(Wire):
    """Changes a group. Absent fields stay unchanged."""

    name: AppGroupName | None = None
    posting: GroupPosting | None = None
    open: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.name is None and self.posting is None and self.open is None:
            raise ValueError("give name, posting or open")
        return self


class AppGroup(Answer):
    """Describes a group. `version` rises with every change of the group or its members; it is also the ETag."""

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
    """Lists members, sorted by id. `version` is the group's at the time of this page."""

    members: list[AppGroupMember]
    version: int
    cursor: str | None = None


class RosterRow(Wire):
    """Names a member by exactly one of `phone` (international form) and `account`.

    The rows are checked one by one, and an invalid row does not stop the others. The fields therefore accept any
    string.
    """

    phone: str | None = None
    account: str | None = None
    role: Annotated[str, Field(json_schema_extra={"enum": ["admin", "member"]})] = "member"


class PutRoster(Wire):
    """Lists all members that the group should have. Members who are not in the list are removed.

    It has at most 100,000 rows and 5 MB. With `dry_run`, the answer only says what would change.
    """

    members: Annotated[list[RosterRow], Field(json_schema_extra={"maxItems": MAX_ROSTER_ROWS})]
    dry_run: bool = False


class RosterFault(Answer):
    """Describes a fault in a row. `row` counts from 1."""

    row: int
    code: str


class Roster(Answer):
    """Counts what a roster changes: people `added`, `removed`, `role_changed` and `unchanged`, and `invalid` rows.

    `faults` lists the first 1,000 invalid rows. `done` of `total` changes have been made. `state` is `none` without a
    roster and `checked` after a dry run; `failure` is the reason if it `failed`.
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
