"""Implements `sandes app group`: groups that an app manages, their members and rosters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from sandes_client.app import AppApiError, AppGroup, Roster, SyncAppClient
from sandes_client.app.groups import GroupAudience, GroupPosting, GroupRole, RosterFault
from sandes_client.app.roster_file import RosterFile, read_roster_file
from sandes_client.cli import id_texts
from sandes_client.cli.apps import (
    FAULTS_SHOWN,
    INCOMPLETE,
    AsJson,
    ClientRef,
    Credentials,
    _cell,
    _client,
    _group,
    _one_of,
    _print_each,
    _progress,
    _say,
)
from sandes_client.cli.commands import with_renamed
from sandes_client.cli.display import readable, table_console
from sandes_client.cli.session import CommandFailed, complain, confirm, failures_as_lines
from sandes_client.ids import parse_account

MAX_ROWS = 100_000

_NO_GOOD_ROW = (
    "nothing was changed: every row needs a phone number with country code of somebody who is registered "
    "and in the group's audience"
)

_FAULTS = {
    "invalid_phone": "invalid_phone: write the number in international form, like +919876543210",
    "not_found": "not_found: nobody in the group's audience is registered with this",
}

group = _group("group", "Manage groups that the app owns.")


def _account_text(text: str) -> str:
    try:
        return parse_account(text)
    except ValueError:
        raise typer.BadParameter(
            "give an account id (13 characters); `sandes app group roster` adds people by phone number"
        ) from None


GroupId = Annotated[
    str,
    typer.Argument(
        metavar="GROUP",
        callback=id_texts.APP_GROUP,
        help="Id of the group, as `create` printed it or `list` shows it.",
    ),
]
Account = Annotated[
    str,
    typer.Argument(
        metavar="ACCOUNT", callback=_account_text, help="Account id; `sandes app group roster` takes phone numbers."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Role = Annotated[
    str, typer.Option("--role", callback=_one_of(GroupRole), metavar="[admin|member]", help="Role in the group.")
]


def _line(one: AppGroup) -> str:
    opening = ", open" if one.open else ""
    return (
        f"{one.id} {_cell(one.name)}: for {one.audience}{opening}, {one.posting} post, "
        f"{one.members} of {one.limit} members, version {one.version}"
    )


@group.command("create", cls=with_renamed({"--for": "--audience", "--all-post": "--posting all"}))
def group_create(
    name: Annotated[str, typer.Argument(help="Name that members see.")],
    *,
    audience: Annotated[
        str,
        typer.Option(callback=_one_of(GroupAudience), metavar="officials|citizens", help="Audience of the group."),
    ],
    posting: Annotated[
        str, typer.Option(callback=_one_of(GroupPosting), metavar="all|admins", help="Who may post to the group.")
    ] = "admins",
    is_open: Annotated[
        bool, typer.Option("--open", help="Allow people in the audience to join by themselves.")
    ] = False,
    client_ref: ClientRef = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Create a group without members."""
    with _client(credentials) as client:
        made = client.groups.create(
            name,
            audience,  # type: ignore[arg-type]  # its callback has checked it
            posting=posting,  # type: ignore[arg-type]  # as above
            open=is_open,
            client_ref=client_ref,
        )
    _say(_line(made), made, as_json)


@group.command("list")
def group_list(*, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """List the app's groups."""
    with _client(credentials) as client:
        found = list(client.groups.list())
    if as_json:
        _print_each(found)
        return
    table = Table(Column("id", no_wrap=True), "name", "for", "posting", "open", "members", "version")
    for one in found:
        cells = (one.audience, one.posting, "yes" if one.open else "no", str(one.members), str(one.version))
        table.add_row(one.id, _cell(one.name), *cells)
    table_console().print(table)


@group.command("show")
def group_show(id: GroupId, *, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Show a group, and the progress of its last roster."""
    with _client(credentials) as client:
        found, roster = client.groups.get(id), client.groups.roster(id)
    _say(_line(found) if roster.state == "none" else f"{_line(found)}\n{_roster_line(roster)}", found, as_json)


@group.command("members")
def group_members(id: GroupId, *, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """List members with account and role, separated by a tab."""
    with _client(credentials) as client:
        for member in client.groups.members(id):
            _say(f"{member.account}\t{member.role}", member, as_json)


@group.command("add")
def group_add(
    id: GroupId, account: Account, *, role: Role = "member", credentials: Credentials = None, as_json: AsJson = False
) -> None:
    """Add an account to a group, or give a member another role."""
    with _client(credentials) as client:
        member = client.groups.put_member(id, account, role)  # type: ignore[arg-type]  # its callback has checked it
    _say(f"{member.account} is {member.role}", member, as_json)


@group.command("remove")
def group_remove(id: GroupId, account: Account, *, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Remove a member."""
    with _client(credentials) as client:
        client.groups.remove_member(id, account)
    _say(f"removed {account}", {"account": account, "removed": True}, as_json)


@group.command("roster")
def group_roster(
    id: GroupId,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="File with the rows, .csv or .ndjson.")
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    version: Annotated[
        int | None, typer.Option(min=1, help="Version that the group must have. Default: its current version.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done.")] = True,
    yes: Yes = False,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Replace all members by those in a file. It has up to 100,000 rows.

    The file has the columns phone or account, and optionally role (admin or member). Rows with errors are printed with
    their line and left out, so the people in them are removed from the group. The command asks before it removes more
    than half of the members. To find out, it makes a dry run first, which counts towards the app's quota. --yes skips
    both.
    """
    with failures_as_lines():
        roster = _read(file)
    with _client(credentials) as client:
        found = client.groups.get(id)
        version = version or found.version
        try:
            if not dry_run and not yes and found.members:
                _ask_before_most_go(client, found, roster, version)
            now = client.groups.put_roster(id, roster.rows, version=version, dry_run=dry_run)
        except AppApiError as error:
            if any(fault.get("code") == "no_good_row" for fault in error.errors):
                raise CommandFailed("no_good_row", _NO_GOOD_ROW) from None
            raise
        if now.state == "applying" and wait:
            now = _followed(client, id)
    _say(_roster_line(now), now, as_json)
    _complain_of(roster, now.faults)
    if now.state == "failed" or now.invalid or roster.faults:
        raise typer.Exit(INCOMPLETE)


def _ask_before_most_go(client: SyncAppClient, group: AppGroup, roster: RosterFile, version: int) -> None:
    """Ask before most members are removed. A file with less than half as many rows as members needs no dry run."""
    gone = group.members - len(roster.rows)
    if gone * 2 <= group.members:
        gone = client.groups.put_roster(group.id, roster.rows, version=version, dry_run=True).removed
    if gone * 2 > group.members:
        confirm(f"Remove at least {gone} of {group.members} members?", yes=False)


def _read(file: Path) -> RosterFile:
    try:
        found = read_roster_file(file)
    except (OSError, ValueError) as error:
        raise CommandFailed("file_unusable", str(error)) from None
    if len(found.rows) > MAX_ROWS:
        raise CommandFailed(
            "too_large", f"a roster has at most {MAX_ROWS:,} rows, and this one has {len(found.rows):,}"
        )
    if found.faults and not found.rows:
        _complain_of(found, ())
        raise CommandFailed("no_good_row", "no row of the file is valid, and nothing was sent")
    return found


def _complain_of(roster: RosterFile, faults: Sequence[RosterFault]) -> None:
    """Print the first invalid rows, found by the service or in the file, with their lines in the file."""
    told = [(fault.line, fault.reason) for fault in roster.faults]
    for fault in faults:
        known = 0 < fault.row <= len(roster.rows)
        line, who = (roster.lines[fault.row - 1], roster.rows[fault.row - 1].to) if known else (0, f"row {fault.row}")
        told.append((line, f"{readable(who.encode())}: {_FAULTS.get(fault.code, fault.code)}"))
    for line, reason in sorted(told)[:FAULTS_SHOWN]:
        complain(f"line {line}: {reason}")
    if len(told) > FAULTS_SHOWN:
        complain(f"and {len(told) - FAULTS_SHOWN} more rows")


def _followed(client: SyncAppClient, id: str) -> Roster:
    with _progress() as bar:
        return client.groups.wait(id, on_progress=bar)


def _roster_line(now: Roster) -> str:
    why = f" ({now.failure})" if now.failure else ""
    done = f", done {now.done} of {now.total}" if now.state in {"applying", "failed"} else ""
    return (
        f"roster {now.state}{why}: added {now.added}, removed {now.removed}, role changed {now.role_changed}, "
        f"unchanged {now.unchanged}, invalid rows {now.invalid}{done}"
    )


@group.command("dissolve")
def group_dissolve(id: GroupId, *, yes: Yes = False, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Dissolve a group permanently. Members keep the messages that they have received."""
    with failures_as_lines():
        confirm(f"Dissolve group {id} for all its members?", yes=yes)
    with _client(credentials) as client:
        client.groups.dissolve(id)
    _say(f"dissolved {id}", {"id": id, "dissolved": True}, as_json)
