"""Implements `sandes-admin complaint`: listing, assigning and resolving complaints."""

from __future__ import annotations

from typing import Annotated

import typer

from sandes_client.cli import id_texts
from sandes_client.cli.administration.options import InUnit, OfOrganisation
from sandes_client.cli.administration.showing import (
    Answer,
    AsJson,
    Limit,
    Shown,
    command_group,
    examples,
    field,
    lines,
    one_of,
    say,
    show_list,
    text,
    time_of,
)

OUTCOMES = ("upheld", "dismissed", "not_ours")

complaint = command_group("Handle complaints about officials, groups and apps of the organisation.")

ComplaintId = Annotated[
    str,
    typer.Argument(metavar="COMPLAINT", callback=id_texts.COMPLAINT, help="Id of the complaint, as `list` shows it."),
]


def _about(one: Answer) -> str:
    return next(f"{kind} {one[kind]}" for kind in ("account", "group", "app") if one.get(kind))


@complaint.command("list", epilog=examples("complaint list", "complaint list --resolved --unit ccccccccccccc"))
def complaint_list(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    unit: InUnit = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Show resolved complaints instead of open ones.")
    ] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List complaints, the newest first."""
    state = "resolved" if resolved else "unresolved"
    place = ctx.obj.place("complaints", organisation, unit)
    found = ctx.obj.every("complaints", "complaints", limit=limit, state=state, **place)
    columns = [
        Shown("complaint", field("id"), whole=True),
        Shown("about", _about, whole=True),
        Shown("category", field("category")),
        Shown("state", lambda one: one.get("outcome") or one["state"]),
        Shown("reported", time_of("reported_at")),
        Shown("reporter", field("reporter"), whole=True),
        Shown("assigned to", field("assigned_to"), whole=True),
    ]
    show_list(found, columns, as_json)


@complaint.command("show")
def complaint_show(ctx: typer.Context, complaint: ComplaintId, *, as_json: AsJson = False) -> None:
    """Show a complaint with its text."""
    _show(ctx.obj.get("complaints", complaint), as_json)


@complaint.command("assign", epilog=examples("complaint assign COMPLAINT --to 0f3c1d6e-6f0e-4b60-9a55-3f8f5e2b8f10"))
def complaint_assign(
    ctx: typer.Context,
    complaint: ComplaintId,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="ADMINISTRATOR",
            callback=id_texts.ADMINISTRATOR,
            help="Id of the administrator who handles it. Default: you.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Assign a complaint to an administrator who may resolve it."""
    who = to or ctx.obj.get("me")["administrator"]
    _show(ctx.obj.post("complaints", complaint, "assign", body={"administrator": who}), as_json)


@complaint.command(
    "resolve", epilog=examples("complaint resolve COMPLAINT --outcome dismissed --note 'No such message.'")
)
def complaint_resolve(
    ctx: typer.Context,
    complaint: ComplaintId,
    *,
    outcome: Annotated[
        str, typer.Option(callback=one_of(*OUTCOMES), metavar="|".join(OUTCOMES), help="Result of the complaint.")
    ],
    note: Annotated[str, typer.Option(help="Note for those who handle complaints.")] = "",
    as_json: AsJson = False,
) -> None:
    """Resolve a complaint and record the result."""
    body = {"outcome": outcome, "note": note}
    _show(ctx.obj.post("complaints", complaint, "resolve", body=body), as_json)


def _show(shown: Answer, as_json: bool) -> None:
    named = {
        "category": "category",
        "organisation": "organisation",
        "unit": "unit",
        "reporter": "reporter",
        "reported_at": "reported",
        "assigned_to": "assigned to",
        "outcome": "outcome",
        "resolved_at": "resolved",
        "note": "note",
    }
    head = f"{shown['id']} {shown['state']}: about {_about(shown)}"
    say("\n".join([head, lines(shown, named), f"  “{text(shown['text'])}”"]), shown, as_json)
