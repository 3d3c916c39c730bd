"""Implements `sandes-admin organisation`, `officer` and `unit`: organisations, nodal officers and trees of units."""

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

organisation = command_group("Manage organisations, and who may see the profiles of their officials.")
officer = command_group("Appoint nodal officers, who are the first administrators of an organisation.")
unit = command_group(
    "Manage the units of an organisation. With the organisation itself, the tree has at most eight levels."
)

OrganisationId = Annotated[
    str, typer.Argument(metavar="ORGANISATION", callback=id_texts.ORGANISATION, help="Id of the organisation.")
]
OwnOrOther = Annotated[
    str | None,
    typer.Argument(
        metavar="ORGANISATION",
        callback=id_texts.ORGANISATION,
        help="Id of the organisation. Default: the one you work in.",
    ),
]
UnitId = Annotated[
    str,
    typer.Argument(
        metavar="UNIT",
        callback=id_texts.UNIT,
        help="Id of the unit. The organisation's id names its root unit.",
    ),
]
Name = Annotated[str, typer.Option(help="Name, at most 128 characters.")]
Kind = Annotated[
    str, typer.Option(metavar="|".join(KINDS), callback=one_of(*KINDS), help="Kind of organisation or unit.")
]
OfficerEmail = Annotated[
    str,
    typer.Option(
        "--officer-email", help="E-mail address of the first nodal officer, who is invited there and signs in with it."
    ),
]
OfficerName = Annotated[str, typer.Option("--officer-name", help="The officer's name.")]


@organisation.command("list", epilog=examples("organisation list", "organisation list --json"))
def organisation_list(ctx: typer.Context, *, limit: Limit = 250, as_json: AsJson = False) -> None:
    """List your organisations. These are the ones in which you have a role, or all if you may read all."""
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
    """Request a new organisation with its first nodal officer. A platform administrator of another unit approves it."""
    officer = {"email": officer_email, "name": officer_name}
    asked(ctx.obj, ctx.obj.post("organisations", body={"name": name, "kind": kind, "officer": officer}), as_json)


@organisation.command("show", epilog=examples("organisation show", "organisation show aaaaaaaaaaaaa"))
def organisation_show(ctx: typer.Context, organisation: OwnOrOther = None, *, as_json: AsJson = False) -> None:
    """Show an organisation. Its name, creation time, mail domains and version are printed."""
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
        str | None, typer.Option(help="New name, at most 128 characters. Attestations show it once they are renewed.")
    ] = None,
    mail_domain: Annotated[
        list[str] | None,
        typer.Option(
            "--mail-domain",
            metavar="DOMAIN",
            help="Mail domain of the organisation's people, without subdomains. Repeat it for each domain. These "
            "domains replace the old ones. Another nodal officer approves the change.",
        ),
    ] = None,
    any_mail_domain: Annotated[
        bool,
        typer.Option(
            "--any-mail-domain",
            help="Accept addresses at all domains again. Another nodal officer approves the change.",
        ),
    ] = False,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Change name or mail domains. Other mail domains need an approval."""
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
            help=f"Widest audience of a field. Repeat it for each field ({', '.join(FIELDS)}). The audience is one "
            f"of {', '.join(AUDIENCES)}. Other fields stay as they are.",
        ),
    ] = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Show or set audiences of officials' fields. These are the widest audiences; people may choose to show less."""
    audiences = checked_audiences(show)
    path = ("organisations", organisation or ctx.obj.home(), "visibility")
    body = {"audiences": audiences}
    found = ctx.obj.patch(*path, body=body, version=version) if audiences else ctx.obj.get(*path)
    shown = "\n".join(f"  {name:<9}  {audience}" for name, audience in found["audiences"].items())
    say(f"version {found['version']}\n{shown}", found, as_json)


def checked_audiences(show: list[str] | None) -> dict[str, str]:
    """Return FIELD=AUDIENCE pairs as a mapping. Raise BadParameter."""
    audiences = pairs(show)
    for name, audience in audiences.items():
        if name not in FIELDS or audience not in AUDIENCES:
            raise typer.BadParameter(
                f"{name}={audience}: the field must be one of {', '.join(FIELDS)}, and the audience one of "
                f"{', '.join(AUDIENCES)}",
                param_hint="--show",
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
    email: Annotated[
        str, typer.Option(help="E-mail address of the officer, who is invited there and signs in with it.")
    ],
    name: Annotated[str, typer.Option(help="Name of the officer.")],
    unit: Annotated[
        str,
        typer.Option(
            metavar="ID",
            callback=id_texts.UNIT,
            help="Unit in which the officer works. It must differ from the other officer's unit.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Request another nodal officer. The organisation must have fewer than two."""
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
    """Show units as a tree. It begins at one unit, and has the number of officials and groups in each unit."""
    found = ctx.obj.every("units", "units", limit=limit, **ctx.obj.place("units", organisation, unit))
    for one in _as_tree(list(found)):
        say(_line(one), one, as_json)


def _as_tree(units: list[Answer]) -> Iterator[Answer]:
    """Yield each unit before the units in it. Units with one parent are sorted by name."""
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
            help="Parent unit. Default: the organisation.",
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
    """Show a unit and its version."""
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
    name: Annotated[str | None, typer.Option(help="New name. Attestations show it once they are renewed.")] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            metavar="UNIT",
            callback=id_texts.UNIT,
            help="New parent. Everything below the unit moves with it.",
        ),
    ] = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Change a unit's name, or move the unit. The new parent must be in the same organisation."""
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
    """Remove an empty unit. It must have no units, officials, groups or apps."""
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
