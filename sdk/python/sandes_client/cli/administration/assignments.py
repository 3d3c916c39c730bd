"""Implements `sandes-admin assignment`: which administrator has which role, at which unit and until when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from sandes_client.cli import id_texts
from sandes_client.cli.administration.approvals import asked
from sandes_client.cli.administration.options import InUnit, OfOrganisation, Yes, day, given, typed_day
from sandes_client.cli.administration.showing import (
    Answer,
    AsJson,
    Limit,
    Shown,
    command_group,
    examples,
    field,
    one_of,
    say,
    show_list,
    text,
    time_of,
)
from sandes_client.cli.session import confirm, failures_as_lines

ROLES = (
    *("nodal_officer", "unit_admin", "verifier", "group_manager", "app_manager", "moderator"),
    *("trace_requester", "trace_approver", "auditor"),
)

assignment = command_group("Manage roles: who has which role, at which unit and below it, and until when.")


@assignment.command("list", epilog=examples("assignment list", "assignment list --unit ccccccccccccc"))
def assignment_list(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    unit: InUnit = None,
    limit: Limit = 250,
    as_json: AsJson = False,
) -> None:
    """List the roles at a unit and below it."""
    found = ctx.obj.every("assignments", "assignments", limit=limit, **ctx.obj.place("roles", organisation, unit))
    columns = [
        Shown("name", field("name")),
        Shown("role", field("role")),
        Shown("unit", field("unit"), whole=True),
        Shown("until", time_of("expires_at")),
        Shown("e-mail", _address),
        Shown("administrator", field("administrator"), whole=True),
        Shown("assignment", field("id"), whole=True),
    ]
    show_list(found, columns, as_json)


def _address(one: Answer) -> str:
    return text(one["email"]) + (" (outside the mail domains)" if one.get("outside_mail_domains") else "")


@assignment.command(
    "grant",
    epilog=examples(
        "assignment grant --role verifier --unit ccccccccccccc --email ravi@rail.gov.in --name 'Ravi Shah'",
        "assignment grant --role auditor --administrator 0f3c1d6e-6f0e-4b60-9a55-3f8f5e2b8f10 --until 2027-03-31",
    ),
)
def assignment_grant(
    ctx: typer.Context,
    *,
    role: Annotated[str, typer.Option(callback=one_of(*ROLES), metavar="ROLE", help=f"One of {', '.join(ROLES)}.")],
    organisation: OfOrganisation = None,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            callback=id_texts.UNIT,
            help="Unit at which the role counts, and below it. Default: the whole organisation.",
        ),
    ] = None,
    administrator: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            callback=id_texts.ADMINISTRATOR,
            help="Id of an existing administrator who gets the role.",
        ),
    ] = None,
    email: Annotated[
        str | None, typer.Option(help="E-mail address of a new administrator. The service invites them by e-mail.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the new administrator.")] = None,
    home: Annotated[
        str | None,
        typer.Option(
            metavar="UNIT",
            callback=id_texts.UNIT,
            help="Unit in which the new administrator works. Default: the value of --unit.",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=typed_day,
            metavar="YYYY-MM-DD",
            help="Last day (in India) on which the role counts.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Request a role for an administrator. An officer of another unit approves it."""
    if (administrator is None) == (email is None) or (email is None) != (name is None):
        raise typer.BadParameter("give either --administrator, or --email and --name", param_hint="--administrator")
    of = organisation or ctx.obj.home()
    person = {"email": email, "name": name, "home": home or unit or of} if email else None
    body = given(
        organisation=of, unit=unit, role=role, administrator=administrator, person=person, expires_at=day(until)
    )
    asked(ctx.obj, ctx.obj.post("assignments", body=body), as_json)


@assignment.command("revoke")
def assignment_revoke(
    ctx: typer.Context,
    assignment: Annotated[
        str,
        typer.Argument(
            metavar="ASSIGNMENT", callback=id_texts.ASSIGNMENT, help="Id of the assignment, as `list` shows it."
        ),
    ],
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a role immediately. The roles of nodal officers, auditors and tracers need a second person."""
    with failures_as_lines():
        confirm("Remove this role?", yes=yes)
    answer = ctx.obj.delete("assignments", assignment)
    if answer:
        asked(ctx.obj, answer, as_json)
        return
    say(f"Removed: {assignment}.", {"id": assignment, "state": "taken"}, as_json)
