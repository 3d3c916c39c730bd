"""`sandes-admin organisation`, `officer`, `unit`: organisations, who is first in them, and their trees of units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from sandes_client.cli import id_texts
from sandes_client.cli.administration.approvals import asked
from sandes_client.cli.administration.options import InUnit, OfOrganisation, Version, Yes, given
from sandes_client.cli.administration.showing import (
    Answer,
    AsJson,
    Limit,
    Shown,
    at,
    command_group,
    counted,
    examples,
    field,
    one_of,
    say,
    show_list,
    text,
    time_of,
)
from sandes_client.cli.commands import renamed, with_renamed
from sandes_client.cli.session import check_pairs, confirm, failures_as_lines, pairs

KINDS = ("ministry", "department", "office")
FIELDS = ("name", "photo", "post", "number", "email", "last_seen")
AUDIENCES = ("everyone", "officials", "organisation", "nobody")

organisation = command_group("Organisations, and to whom their officials are shown.")
officer = command_group("Nodal officers: who is first in an organisation.")
unit = command_group("Units of an organisation, at most eight levels with the organisation itself.")

OrganisationId = Annotated[
    str, typer.Argument(metavar="ORGANISATION", callback=id_texts.ORGANISATION, help="Id of the organisation.")
]
OwnOrOther = Annotated[
    str | None,
    typer.Argument(
        metavar="ORGANISATION",
        callback=id_texts.ORGANISATION,
        help="Id of the organisation; the one you work in if left out.",
    ),
]
UnitId = Annotated[
    str,
    typer.Argument(
        metavar="UNIT",
        callback=id_texts.UNIT,
        help="Id of the unit; of the organisation, for itself.",
    ),
]
Name = Annotated[str, typer.Option(help="Its name, at most 128 characters.")]
Kind = Annotated[str, typer.Option(metavar="|".join(KINDS), callback=one_of(*KINDS), help="What it is.")]
OfficerEmail = Annotated[
    str, typer.Option("--officer-email", help="Where the first nodal officer is invited; they sign in with it.")
]
OfficerName = Annotated[str, typer.Option("--officer-name", help="The officer's name.")]


@organisation.command("list", epilog=examples("organisation list", "organisation list --json"))
def organisation_list(ctx: typer.Context, *, limit: Limit = 250, as_json: AsJson = False) -> None:
    """List the organisations in which you have a role; all of them, if you may read of all."""
    found = ctx.obj.every("organisations", "organisations", limit=limit)
    columns = [
        Shown("organisation", field("id"), whole=True),
        Shown("name", field("name")),
        Shown("since", time_of("created_at")),
    ]
    show_list(found, columns, as_json)


@organisation.command(
    "create",
    epilog=examples(
        "organisation create --name 'Ministry of Railways' --officer-email asha@rail.gov.in --officer-name 'Asha Rao'"
    ),
)
def organisation_create(
    ctx: typer.Context,
    *,
    name: Name,
    kind: Kind = "ministry",
    officer_email: OfficerEmail,
    officer_name: OfficerName,
    as_json: AsJson = False,
) -> None:
    """Ask for a new organisation with its first nodal officer: a platform administrator of another unit approves it."""
    officer = {"email": officer_email, "name": officer_name}
    asked(ctx.obj, ctx.obj.post("organisations", body={"name": name, "kind": kind, "officer": officer}), as_json)


@organisation.command("show", epilog=examples("organisation show", "organisation show aaaaaaaaaaaaa"))
def organisation_show(ctx: typer.Context, organisation: OwnOrOther = None, *, as_json: AsJson = False) -> None:
    """Show an organisation's name, age, mail domains and version."""
    _organisation(ctx.obj.get("organisations", organisation or ctx.obj.home()), as_json)


renamed(organisation, "rename", "change ORGANISATION --name NAME")


@organisation.command(
    "change",
    epilog=examples(
        "organisation change aaaaaaaaaaaaa --name 'Ministry of Rail'",
        "organisation change aaaaaaaaaaaaa --mail-domain rail.gov.in --mail-domain north.rail.gov.in",
    ),
)
def organisation_change(
    ctx: typer.Context,
    organisation: OrganisationId,
    *,
    name: Annotated[
        str | None, typer.Option(help="Another name, at most 128 characters. Attestations show it once renewed.")
    ] = None,
    mail_domain: Annotated[
        list[str] | None,
        typer.Option(
            "--mail-domain",
            metavar="DOMAIN",
            help="Once for each domain at which its people may be given addresses, subdomains not included. They take "
            "the place of the domains before; another nodal officer approves.",
        ),
    ] = None,
    any_mail_domain: Annotated[
        bool, typer.Option("--any-mail-domain", help="Accept addresses at all domains again; also approved by another.")
    ] = False,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Change the name of an organisation, or ask for other mail domains."""
    domains = [] if any_mail_domain else mail_domain or None
    if (name is not None) + bool(mail_domain) + any_mail_domain != 1:
        raise typer.BadParameter("give one of them", param_hint="--name, --mail-domain, --any-mail-domain")
    body = given(name=name, mail_domains=domains)
    answer = ctx.obj.patch("organisations", organisation, body=body, version=version)
    if "operation" in answer:
        asked(ctx.obj, answer, as_json)
    else:
        _organisation(answer, as_json)


@organisation.command(
    "policy",
    epilog=examples("organisation policy", "organisation policy aaaaaaaaaaaaa --show photo=organisation --version 4"),
)
def organisation_policy(
    ctx: typer.Context,
    organisation: OwnOrOther = None,
    *,
    show: Annotated[
        list[str] | None,
        typer.Option(
            "--show",
            callback=check_pairs,
            metavar="FIELD=AUDIENCE",
            help=f"Once for each field ({', '.join(FIELDS)}): to {', '.join(AUDIENCES)}. Others stay as they are.",
        ),
    ] = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Show or set to whom at most fields of its officials are shown; people may choose to show less."""
    audiences = checked_audiences(show)
    path = ("organisations", organisation or ctx.obj.home(), "visibility")
    body = {"audiences": audiences}
    found = ctx.obj.patch(*path, body=body, version=version) if audiences else ctx.obj.get(*path)
    shown = "\n".join(f"  {name:<9}  {audience}" for name, audience in found["audiences"].items())
    say(f"version {found['version']}\n{shown}", found, as_json)


def checked_audiences(show: list[str] | None) -> dict[str, str]:
    """FIELD=AUDIENCE pairs as a mapping. Raises BadParameter."""
    audiences = pairs(show)
    for name, audience in audiences.items():
        if name not in FIELDS or audience not in AUDIENCES:
            raise typer.BadParameter(
                f"{name}={audience}: one of {', '.join(FIELDS)}, to {', '.join(AUDIENCES)}", param_hint="--show"
            )
    return audiences


@officer.command(
    "appoint",
    epilog=examples("officer appoint aaaaaaaaaaaaa --email meena@rail.gov.in --name 'Meena Iyer' --unit ccccccccccccc"),
    cls=with_renamed({"--home": "--unit"}),
)
def officer_appoint(
    ctx: typer.Context,
    organisation: OrganisationId,
    *,
    email: Annotated[str, typer.Option(help="Where they are invited; they sign in with it.")],
    name: Annotated[str, typer.Option(help="Their name.")],
    unit: Annotated[
        str,
        typer.Option(
            metavar="ID",
            callback=id_texts.UNIT,
            help="The unit they work in, not the one of the other officer.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Ask for a further nodal officer of an organisation that has fewer than two."""
    body = {"email": email, "name": name, "home": unit}
    asked(ctx.obj, ctx.obj.post("organisations", organisation, "officers", body=body), as_json)


@unit.command("list", epilog=examples("unit list", "unit list --organisation aaaaaaaaaaaaa --unit ccccccccccccc"))
def unit_list(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    unit: InUnit = None,
    limit: Limit = 10_000,
    as_json: AsJson = False,
) -> None:
    """Show a unit and all below it as a tree, with how many officials and groups are in each."""
    found = ctx.obj.every("units", "units", limit=limit, **ctx.obj.place("units", organisation, unit))
    for one in _as_tree(list(found)):
        say(_line(one), one, as_json)


def _as_tree(units: list[Answer]) -> Iterator[Answer]:
    """Each before what is in it, beside one another by name."""
    within: dict[str | None, list[Answer]] = {}
    known = {one["id"] for one in units}
    for one in sorted(units, key=lambda one: (one["name"].casefold(), one["id"])):
        within.setdefault(one.get("parent") if one.get("parent") in known else None, []).append(one)

    def below(parent: str | None) -> Iterator[Answer]:
        for one in within.get(parent, ()):
            yield one
            yield from below(one["id"])

    return below(None)


def _line(one: Answer) -> str:
    indent = "  " * (one["level"] - 1)
    inside = f"{counted(one['officials'], 'official')}, {counted(one['groups'], 'group')}"
    return f"{indent}{one['id']} {text(one['name'])} ({one['kind']}; {inside})"


@unit.command("create", epilog=examples("unit create --name 'Northern Railway' --kind department"))
def unit_create(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    name: Name,
    kind: Kind,
    parent: Annotated[
        str | None,
        typer.Option(
            metavar="UNIT",
            callback=id_texts.UNIT,
            help="What it is in; else the organisation.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a unit below another one."""
    of = organisation or ctx.obj.home()
    _unit(ctx.obj.post("units", body=given(organisation=of, name=name, kind=kind, parent=parent)), as_json)


@unit.command("show")
def unit_show(
    ctx: typer.Context, unit: UnitId, *, organisation: OfOrganisation = None, as_json: AsJson = False
) -> None:
    """Show a unit, with its version."""
    _unit(ctx.obj.get("units", unit, organisation=organisation), as_json)


renamed(unit, "rename", "change UNIT --name NAME")
renamed(unit, "move", "change UNIT --parent UNIT")


@unit.command(
    "change",
    epilog=examples(
        "unit change eeeeeeeeeeeee --name 'Northern Railway'", "unit change eeeeeeeeeeeee --parent ccccccccccccc"
    ),
)
def unit_change(
    ctx: typer.Context,
    unit: UnitId,
    *,
    organisation: OfOrganisation = None,
    name: Annotated[str | None, typer.Option(help="Another name. Attestations show it once they are renewed.")] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            metavar="UNIT",
            callback=id_texts.UNIT,
            help="Another parent; everything below the unit moves with it.",
        ),
    ] = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Change the name of a unit, or move it to another place in the organisation."""
    body = given(name=name, parent=parent)
    if not body:
        raise typer.BadParameter("say what to change", param_hint="--name, --parent")
    _unit(ctx.obj.patch("units", unit, body=body, version=version, organisation=organisation), as_json)


@unit.command("remove")
def unit_remove(
    ctx: typer.Context,
    unit: UnitId,
    *,
    organisation: OfOrganisation = None,
    version: Version = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a unit with no units, officials, groups or apps in it."""
    with failures_as_lines():
        confirm(f"Remove unit {unit}?", yes=yes)
    ctx.obj.delete("units", unit, version=version, organisation=organisation)
    say(f"Removed unit {unit}.", {"id": unit, "state": "removed"}, as_json)


def _organisation(found: Answer, as_json: bool) -> None:
    line = f"{found['id']} {text(found['name'])}, since {at(found['created_at'])}, version {found['version']}"
    domains = ", ".join(map(text, found.get("mail_domains", ())))
    say(f"{line}\n  addresses at {domains} only" if domains else line, found, as_json)


def _unit(found: Answer, as_json: bool) -> None:
    within = f" in {found['parent']}" if found.get("parent") else ""
    say(f"{_line(found).strip()}{within}, version {found['version']}", found, as_json)
