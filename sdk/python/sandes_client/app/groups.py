"""Defines calls about groups that the app manages, as steps (see `calls`), and their answers
(docs/apps/groups.md).

`version` is the group's version when it was last read. The service refuses a change with precondition_failed once there
is another version. None stands for any version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sandes_client.app.calls import Page, Pages
from sandes_client.app.exchange import Caller, Pause, Steps
from sandes_client.ids import parse_account

GroupAudience = Literal["officials", "citizens"]
GroupPosting = Literal["all", "admins"]
GroupRole = Literal["admin", "member"]
RosterState = Literal["none", "checked", "applying", "done", "failed"]


@dataclass(frozen=True, slots=True)
class AppGroup:
    """Holds a group. `version` rises with every change of the group or its members."""

    id: str
    name: str
    audience: GroupAudience
    posting: GroupPosting
    open: bool
    members: int
    limit: int
    version: int
    created_at: datetime
    organisation: str | None = None
    client_ref: str | None = None


@dataclass(frozen=True, slots=True)
class AppGroupPage:
    groups: tuple[AppGroup, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class AppGroupMember:
    account: str
    role: GroupRole
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class AppGroupMembers:
    members: tuple[AppGroupMember, ...]
    version: int
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class RosterRow:
    """Holds a row of a roster. `to` is a phone number in international form, with its plus sign, or an account id."""

    to: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class RosterFault:
    """Holds the fault of a row. `row` counts from 1."""

    row: int
    code: str


@dataclass(frozen=True, slots=True)
class Roster:
    """Holds the changes of a roster and their progress. `faults` are the first 1,000 of the `invalid` rows."""

    state: RosterState
    added: int = 0
    removed: int = 0
    role_changed: int = 0
    unchanged: int = 0
    invalid: int = 0
    faults: tuple[RosterFault, ...] = ()
    done: int = 0
    total: int = 0
    failure: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


def create_group(
    caller: Caller,
    name: str,
    audience: GroupAudience,
    *,
    posting: GroupPosting | None = None,
    open: bool | None = None,
    client_ref: str | None = None,
    idempotency_key: str | None = None,
) -> Steps[AppGroup]:
    """Create a group without members. With `open`, people in its audience may join by themselves."""
    given = {"name": name, "audience": audience, "posting": posting, "open": open, "client_ref": client_ref}
    return caller.post(AppGroup, "app-groups", body=_known(given), key=idempotency_key)


def list_groups(caller: Caller, *, page_size: int | None = None) -> Pages[AppGroup]:
    """List groups in the order of their ids."""

    def page(cursor: str | None) -> Steps[Page[AppGroup]]:
        found = yield from caller.get(AppGroupPage, "app-groups", limit=page_size, cursor=cursor)
        return Page(found.groups, found.cursor)

    return page


def get_group(caller: Caller, id: str) -> Steps[AppGroup]:
    return caller.get(AppGroup, "app-groups", id)


def change_group(
    caller: Caller,
    id: str,
    *,
    version: int | None,
    name: str | None = None,
    posting: GroupPosting | None = None,
    open: bool | None = None,
) -> Steps[AppGroup]:
    """Change the given fields."""
    body = _known({"name": name, "posting": posting, "open": open})
    return caller.patch(AppGroup, "app-groups", id, body=body, if_match=_if_match(version))


def dissolve_group(caller: Caller, id: str) -> Steps[None]:
    """Dissolve a group. Raise AppApiError `not_found` for a group that is not the app's, or is dissolved already."""
    yield from caller.delete("app-groups", id)


def group_members(caller: Caller, id: str, *, page_size: int | None = None) -> Pages[AppGroupMember]:
    """List members in the order of their ids."""

    def page(cursor: str | None) -> Steps[Page[AppGroupMember]]:
        found = yield from caller.get(AppGroupMembers, "app-groups", id, "members", limit=page_size, cursor=cursor)
        return Page(found.members, found.cursor)

    return page


def put_member(caller: Caller, id: str, account: str, role: GroupRole = "member") -> Steps[AppGroupMember]:
    """Add an account, or give a member this role."""
    return caller.put(AppGroupMember, "app-groups", id, "members", account, body={"role": role})


def remove_member(caller: Caller, id: str, account: str) -> Steps[None]:
    """Remove a member. An account that is not a member counts as removed."""
    yield from caller.delete("app-groups", id, "members", account)


def put_roster(
    caller: Caller, id: str, rows: Iterable[RosterRow], *, version: int | None, dry_run: bool = False
) -> Steps[Roster]:
    """Replace all members of the group. The service applies a large roster in steps: see `wait_for_roster`."""
    body = {"members": [_row(row) for row in rows], "dry_run": dry_run}
    return caller.put(Roster, "app-groups", id, "roster", body=body, if_match=_if_match(version))


def get_roster(caller: Caller, id: str) -> Steps[Roster]:
    """Return the progress of the last roster."""
    return caller.get(Roster, "app-groups", id, "roster")


def wait_for_roster(
    caller: Caller,
    id: str,
    *,
    on_progress: Callable[[Roster], None] | None = None,
    poll_seconds: float = 2.0,
    timeout_seconds: float | None = None,
) -> Steps[Roster]:
    """Poll until the last roster is done or has failed. `on_progress` gets every answer.

    Raise TimeoutError after `timeout_seconds`. The roster continues.
    """
    began_ms = caller.now_ms()
    while True:
        roster = yield from get_roster(caller, id)
        if on_progress:
            on_progress(roster)
        if roster.state != "applying":
            return roster
        if timeout_seconds is not None and caller.now_ms() - began_ms >= timeout_seconds * 1000:
            raise TimeoutError("the roster is still being applied")
        yield Pause(poll_seconds)


def _row(row: RosterRow) -> dict[str, str]:
    """Return the fields of a row.

    A text that is not an account id is sent as a number, and the service reports its fault.
    """
    try:
        named: dict[str, str] = {"account": parse_account(row.to)}
    except ValueError:
        named = {"phone": row.to}
    return named | ({"role": row.role} if row.role is not None else {})


def _known(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _if_match(version: int | None) -> str:
    return "*" if version is None else f'"{version}"'
