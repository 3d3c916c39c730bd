"""The commands of `sandes-admin` about organisations, their units, and the people they vouch for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from sandes_client.cli.place import AsJson, command_group, say
from sandes_client.cli.session import CommandFailed, check_pairs, failures_as_lines, pairs

KINDS = ("ministry", "department", "office")
FIELDS = ("name", "photo", "post", "number", "email", "last_seen")
AUDIENCES = ("everyone", "officials", "organisation", "nobody")

organisation = command_group("Organisations and to whom their officials are shown.")
unit = command_group("Units of an organisation, at most eight levels with the organisation itself.")
person = command_group("Officials: whom an organisation vouches for, as what, until when.")

OrganisationId = Annotated[str, typer.Argument(metavar="ORGANISATION", help="Id of the organisation.")]
OfOrganisation = Annotated[str, typer.Option("--organisation", metavar="ID", help="Id of the organisation.")]
UnitId = Annotated[str, typer.Argument(metavar="UNIT", help="Id of the unit; of the organisation, for itself.")]
Name = Annotated[str, typer.Option(help="Its name, at most 128 characters.")]
Who = Annotated[str, typer.Argument(metavar="WHO", help="Account id, or phone number in international form.")]


def _check_kind(kind: str) -> str:
    if kind not in KINDS:
        raise typer.BadParameter(f"a kind is one of {', '.join(KINDS)}")
    return kind


Kind = Annotated[str, typer.Option(metavar="|".join(KINDS), callback=_check_kind, help="What it is.")]


@organisation.command("create")
def organisation_create(ctx: typer.Context, *, name: Name, kind: Kind = "ministry", as_json: AsJson = False) -> None:
    """Create an organisation, which is its own root unit."""
    with failures_as_lines():
        made = ctx.obj.call("organisation.create", name=name, kind=kind)
    say(f"Created organisation {made['organisation']}.", made, as_json)


@organisation.command("show")
def organisation_show(ctx: typer.Context, organisation: OrganisationId, *, as_json: AsJson = False) -> None:
    """Show its units as a tree, and to whom its officials are shown."""
    with failures_as_lines():
        shown = ctx.obj.call("organisation.show", organisation=organisation)
    say(_tree(shown), shown, as_json)


@organisation.command("rename")
def organisation_rename(
    ctx: typer.Context, organisation: OrganisationId, *, name: Name, as_json: AsJson = False
) -> None:
    """Give an organisation another name; attestations have it once they are renewed."""
    _change(ctx, "organisation.rename", as_json, organisation=organisation, name=name)


@organisation.command("policy")
def organisation_policy(
    ctx: typer.Context,
    organisation: OrganisationId,
    *,
    show: Annotated[
        list[str],
        typer.Option(
            "--show",
            callback=check_pairs,
            metavar="FIELD=AUDIENCE",
            help=f"Once for each field ({', '.join(FIELDS)}): to {', '.join(AUDIENCES)}. Others stay as they are.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Set to whom at most fields of its officials are shown; people may choose to show less."""
    audiences = pairs(show)
    for field, audience in audiences.items():
        if field not in FIELDS or audience not in AUDIENCES:
            raise typer.BadParameter(
                f"{field}={audience}: one of {', '.join(FIELDS)}, to {', '.join(AUDIENCES)}", param_hint="--show"
            )
    with failures_as_lines():
        shown = ctx.obj.call("organisation.policy", organisation=organisation, audiences=audiences)
    say(_policy(shown), shown, as_json)


@unit.command("create")
def unit_create(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation,
    name: Name,
    kind: Kind,
    parent: Annotated[str | None, typer.Option(metavar="UNIT", help="What it is in; else the organisation.")] = None,
    as_json: AsJson = False,
) -> None:
    """Create a unit."""
    with failures_as_lines():
        made = ctx.obj.call("unit.create", organisation=organisation, name=name, kind=kind, parent=parent)
    say(f"Created unit {made['unit']}.", made, as_json)


@unit.command("rename")
def unit_rename(
    ctx: typer.Context, unit: UnitId, *, organisation: OfOrganisation, name: Name, as_json: AsJson = False
) -> None:
    """Give a unit another name; attestations have it once they are renewed."""
    _change(ctx, "unit.rename", as_json, organisation=organisation, unit=unit, name=name)


@unit.command("move")
def unit_move(
    ctx: typer.Context,
    unit: UnitId,
    *,
    organisation: OfOrganisation,
    parent: Annotated[str, typer.Option(metavar="UNIT", help="What it is to be in.")],
    as_json: AsJson = False,
) -> None:
    """Move a unit, with everything below it, to another place in the organisation."""
    _change(ctx, "unit.move", as_json, organisation=organisation, unit=unit, parent=parent)


@unit.command("remove")
def unit_remove(ctx: typer.Context, unit: UnitId, *, organisation: OfOrganisation, as_json: AsJson = False) -> None:
    """Remove a unit with no units, officials or groups in it."""
    _change(ctx, "unit.remove", as_json, organisation=organisation, unit=unit)


@person.command("verify")
def person_verify(
    ctx: typer.Context,
    who: Who,
    *,
    organisation: OfOrganisation,
    name: Annotated[str, typer.Option(help="As others will see it.")],
    post: Annotated[str, typer.Option(help="The office held.")],
    until: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="First day (UTC) it no longer holds; within five years.")
    ],
    unit: Annotated[
        str | None, typer.Option(metavar="UNIT", help="Else the unit they are in, or the organisation itself.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="Official address; an empty text removes it.")] = None,
    listed: Annotated[
        bool | None, typer.Option("--listed/--not-listed", help="Whether citizens may find and write to the holder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Vouch for a person; again, to renew or change it.

    Of somebody the organisation vouches for, or did until it expired, unit, address and listing stay as they are
    unless given. Anybody else is in the organisation itself, without an address and not listed, unless given.
    """
    with failures_as_lines():
        before = ctx.obj.call("person.show", **_who(who))
        if before["state"] in ("verified", "expired") and before["organisation"] == organisation:
            unit = unit or before["unit"]
            email = before["email"] if email is None else email
            listed = before["listed"] if listed is None else listed
        shown = ctx.obj.call(
            "person.verify",
            **_who(who),
            organisation=organisation,
            unit=unit,
            name=name,
            post=post,
            email=email or None,
            listed=bool(listed),
            expires_at=int(until.replace(tzinfo=UTC).timestamp()),
        )
    say(_person(shown), shown, as_json)


@person.command("revoke")
def person_revoke(
    ctx: typer.Context,
    who: Who,
    *,
    reason: Annotated[str, typer.Option(help="Kept with it.")],
    as_json: AsJson = False,
) -> None:
    """End a verification: rights end now, memberships of official groups within minutes."""
    with failures_as_lines():
        shown = ctx.obj.call("person.revoke", **_who(who), reason=reason)
    say(_person(shown), shown, as_json)


@person.command("show")
def person_show(ctx: typer.Context, who: Who, *, as_json: AsJson = False) -> None:
    """Show who vouches for a person, or last did."""
    with failures_as_lines():
        shown = ctx.obj.call("person.show", **_who(who))
    say(_person(shown), shown, as_json)


def _change(ctx: typer.Context, operation: str, as_json: bool, **parameters: Any) -> None:
    """An operation that answers with the organisation as it stands then."""
    with failures_as_lines():
        shown = ctx.obj.call(operation, **parameters)
    say(_tree(shown), shown, as_json)


def _who(who: str) -> dict[str, str]:
    if who.isdigit() and len(who) != 13:  # the length of an account id
        raise CommandFailed("invalid_phone", f"write a phone number with its plus sign: +{who}")
    return {"phone": who} if who.startswith("+") else {"account": who}


def _policy(shown: dict[str, Any]) -> str:
    return "shown: " + ", ".join(f"{field} to {audience}" for field, audience in shown["policy"].items())


def _tree(shown: dict[str, Any]) -> str:
    def line(one: dict[str, Any]) -> str:
        indent = "  " * (one["level"] - 1)
        inside = f"{one['officials']} officials, {one['groups']} groups"
        return f"{indent}{one['unit']} {one['name']} ({one['kind']}; {inside})"

    return "\n".join([*(line(one) for one in shown["units"]), _policy(shown)])


def _person(shown: dict[str, Any]) -> str:
    if shown["state"] == "none":
        return f"{shown['account']} has never been verified."
    until = datetime.fromtimestamp(shown["expires_at"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [
        f"{shown['account']} {shown['state']}{': ' + shown['reason'] if shown['reason'] else ''}",
        f"  {shown['name']}, {shown['post']}, unit {shown['unit']} of {shown['organisation']}",
        f"  until {until}, {'listed' if shown['listed'] else 'not listed'}",
    ]
    return "\n".join([*lines, f"  {shown['email']}"] if shown["email"] else lines)
