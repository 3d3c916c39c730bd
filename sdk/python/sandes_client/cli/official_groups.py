"""The commands of `sandes-admin` about official groups, which a unit of an organisation owns."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sandes_client.cli.place import AsJson, command_group, say
from sandes_client.cli.session import confirm, failures_as_lines

AUDIENCES = ("officials", "citizens")
POSTING = ("all", "admins")

group = command_group("Official groups: who owns them, who manages them.")

GroupId = Annotated[str, typer.Argument(metavar="GROUP", help="Id of the group.")]
Admins = Annotated[
    list[str] | None,
    typer.Option("--admin", metavar="ACCOUNT", help="Account of an official of the organisation, once for each."),
]


def _one_of(words: tuple[str, ...]) -> Any:
    def check(word: str | None) -> str | None:
        if word is not None and word not in words:
            raise typer.BadParameter(f"one of {', '.join(words)}")
        return word

    return check


@group.command("create")
def group_create(
    ctx: typer.Context,
    *,
    organisation: Annotated[str, typer.Option(metavar="ID", help="Whose group it is.")],
    unit: Annotated[
        str | None, typer.Option(metavar="ID", help="Which of its units owns it; the organisation itself if left out.")
    ] = None,
    name: Annotated[str, typer.Option(help="Its name, at most 100 characters.")],
    audience: Annotated[
        str,
        typer.Option(metavar="|".join(AUDIENCES), callback=_one_of(AUDIENCES), help="Citizens only receive."),
    ] = "officials",
    posting: Annotated[
        str | None, typer.Option(metavar="|".join(POSTING), callback=_one_of(POSTING), help="Who posts.")
    ] = None,
    is_open: Annotated[
        bool, typer.Option("--open", help="Joined without invitation: by the organisation's officials, or any citizen.")
    ] = False,
    admin: Admins = None,
    as_json: AsJson = False,
) -> None:
    """Make an official group. Its admins bring in everybody else."""
    with failures_as_lines():
        made = ctx.obj.call(
            "group.create",
            organisation=organisation,
            unit=unit,
            name=name,
            audience=audience,
            posting=posting,
            open=is_open,
            admins=admin or [],
        )
    say(f"Created group {made['group']}.", made, as_json)


@group.command("show")
def group_show(ctx: typer.Context, group: GroupId, *, as_json: AsJson = False) -> None:
    """Show what a group is, how many are in it and who manages it."""
    _change(ctx, "group.show", group, as_json)


@group.command("admins")
def group_admins(
    ctx: typer.Context,
    group: GroupId,
    *,
    admin: Admins = None,
    none: Annotated[bool, typer.Option("--none", help="Nobody: take all admins away.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set who manages a group, in place of those who did; they stay members."""
    if bool(admin) == none:
        raise typer.BadParameter(
            "name all who are to manage the group, or take all away by --none", param_hint="--admin"
        )
    _change(ctx, "group.admins", group, as_json, admins=admin or [])


@group.command("transfer")
def group_transfer(
    ctx: typer.Context,
    group: GroupId,
    *,
    unit: Annotated[str, typer.Option(metavar="ID", help="The unit that is to own it.")],
    as_json: AsJson = False,
) -> None:
    """Move a group to another unit of its organisation."""
    _change(ctx, "group.transfer", group, as_json, unit=unit)


@group.command("dissolve")
def group_dissolve(
    ctx: typer.Context,
    group: GroupId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Dissolve a group for good: nothing more is posted to it. What members have been sent stays with them."""
    with failures_as_lines():
        confirm(f"Dissolve group {group} for all its members?", yes=yes)
    _change(ctx, "group.dissolve", group, as_json)


def _change(ctx: typer.Context, operation: str, group: str, as_json: bool, **parameters: Any) -> None:
    """An operation that answers with the group as it stands then."""
    with failures_as_lines():
        shown = ctx.obj.call(operation, group=group, **parameters)
    lines = [
        f"{shown['group']} {shown['name']}{'' if shown['state'] == 'live' else ', dissolved'}",
        f"  of unit {shown['unit']}, organisation {shown['organisation']}",
        f"  for {shown['audience']}, {'open' if shown['open'] else 'closed'}, posting by {shown['posting']}, "
        f"{shown['members']} members",
        *(f"  admin {account}" for account in shown["admins"]),
    ]
    say("\n".join(lines), shown, as_json)
