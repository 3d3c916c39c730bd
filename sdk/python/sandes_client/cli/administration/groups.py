"""Implements `sandes-admin group`: official groups, which units of an organisation own."""

from __future__ import annotations

from typing import Annotated

import typer

from sandes_client.cli import id_texts
from sandes_client.cli.administration.options import InUnit, OfOrganisation, Version, Yes, given
from sandes_client.cli.administration.showing import (
    Answer,
    AsJson,
    Limit,
    Shown,
    command_group,
    counted,
    examples,
    field,
    one_of,
    say,
    show_list,
    text,
)
from sandes_client.cli.session import confirm, failures_as_lines

group = command_group(
    "Manage official groups. A unit owns them. Their members are officials, or citizens who only receive."
)

GroupId = Annotated[
    str,
    typer.Argument(
        metavar="GROUP",
        callback=id_texts.OFFICIAL_GROUP,
        help="Id of the group.",
    ),
]
Admins = Annotated[
    list[str] | None,
    typer.Option(
        "--admin",
        metavar="ACCOUNT",
        callback=id_texts.ACCOUNT,
        help="Account id of an official of the organisation. Repeat it for each admin.",
    ),
]
Posting = Annotated[
    str | None, typer.Option(callback=one_of("all", "admins"), metavar="all|admins", help="Who may post to the group.")
]


@group.command("list", epilog=examples("group list", "group list --unit ccccccccccccc"))
def group_list(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    unit: InUnit = None,
    limit: Limit = 250,
    as_json: AsJson = False,
) -> None:
    """List official groups. They belong to an organisation or to one unit."""
    found = ctx.obj.every("groups", "groups", limit=limit, **ctx.obj.place("groups", organisation, unit))
    shown = ("group", "name", "audience", "unit")
    columns = [Shown(name, field(name), whole=name in ("group", "unit")) for name in shown]
    show_list(found, columns, as_json)


@group.command(
    "create",
    epilog=examples(
        "group create --name 'Drivers' --unit ccccccccccccc --admin mmmmmmmmmmmma",
        "group create --name 'Monsoon alerts' --audience citizens --open --admin mmmmmmmmmmmma",
    ),
)
def group_create(
    ctx: typer.Context,
    *,
    name: Annotated[str, typer.Option(help="Name of the group, at most 100 characters.")],
    organisation: OfOrganisation = None,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            callback=id_texts.UNIT,
            help="Unit that owns the group. Default: the organisation.",
        ),
    ] = None,
    audience: Annotated[
        str,
        typer.Option(
            callback=one_of("officials", "citizens"), metavar="officials|citizens", help="Audience of the group."
        ),
    ] = "officials",
    posting: Posting = None,
    open: Annotated[bool, typer.Option("--open", help="Allow people in the audience to join by themselves.")] = False,
    admin: Admins = None,
    as_json: AsJson = False,
) -> None:
    """Create an official group. In a group for citizens, only admins post."""
    place = ctx.obj.target("groups", organisation, unit)
    body = given(**place, name=name, audience=audience, posting=posting, open=open, admins=admin)
    _show(ctx.obj.post("groups", body=body), as_json)


@group.command("show")
def group_show(ctx: typer.Context, group: GroupId, *, as_json: AsJson = False) -> None:
    """Show an official group with its admins."""
    _show(ctx.obj.get("groups", group), as_json)


@group.command("change", epilog=examples("group change ggggggggggggg --name 'Drivers, north' --posting admins"))
def group_change(
    ctx: typer.Context,
    group: GroupId,
    *,
    name: Annotated[str | None, typer.Option(help="New name.")] = None,
    posting: Posting = None,
    open: Annotated[
        bool | None, typer.Option("--open/--closed", help="Whether people in the audience may join by themselves.")
    ] = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Change a group. You can change its name, who may post to it, and whether it is open."""
    body = given(name=name, posting=posting, open=open)
    if not body:
        raise typer.BadParameter("say what to change", param_hint="--name, --posting, --open")
    _show(ctx.obj.patch("groups", group, body=body, version=version), as_json)


@group.command("admins", epilog=examples("group admins ggggggggggggg --admin mmmmmmmmmmmma --admin nnnnnnnnnnnna"))
def group_admins(
    ctx: typer.Context,
    group: GroupId,
    *,
    admin: Admins = None,
    none: Annotated[bool, typer.Option("--none", help="Remove all admins.")] = False,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Set the admins of a group, which replace the old ones. Former admins stay members."""
    if none == bool(admin):
        raise typer.BadParameter("give --admin for each of them, or --none", param_hint="--admin")
    _show(ctx.obj.put("groups", group, "admins", body={"admins": admin or []}, version=version), as_json)


@group.command("transfer")
def group_transfer(
    ctx: typer.Context,
    group: GroupId,
    *,
    unit: Annotated[str, typer.Option(metavar="ID", callback=id_texts.UNIT, help="Unit that takes over the group.")],
    as_json: AsJson = False,
) -> None:
    """Move a group to another unit of its organisation."""
    _show(ctx.obj.post("groups", group, "transfer", body={"unit": unit}), as_json)


@group.command("dissolve")
def group_dissolve(ctx: typer.Context, group: GroupId, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Dissolve a group permanently."""
    with failures_as_lines():
        confirm(f"Dissolve group {group} permanently?", yes=yes)
    ctx.obj.delete("groups", group)
    say(f"Dissolved group {group}.", {"group": group, "state": "dissolved"}, as_json)


def _show(shown: Answer, as_json: bool) -> None:
    state = ", dissolved" if shown["state"] == "dissolved" else ""
    managed = f", managed by app {shown['app']}" if shown.get("app") else ""
    lines = [
        f"{shown['group']} {text(shown['name'])}{state}, version {shown['version']}",
        f"  of unit {shown.get('unit') or 'none'}, organisation {shown['organisation']}{managed}",
        f"  for {shown['audience']}, {'open' if shown['open'] else 'closed'}, posting by {shown['posting']}, "
        f"{shown['members']} of {counted(shown['limit'], 'member')}",
        *(f"  admin {account}" for account in shown["admins"]),
    ]
    say("\n".join(lines), shown, as_json)
