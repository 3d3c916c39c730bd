"""`sandes-admin approval`: what takes two people, asked for by one and approved by another one."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from sandes_client.cli.administration.options import OfOrganisation, Reason
from sandes_client.cli.administration.showing import (
    Answer,
    AsJson,
    Limit,
    Shown,
    at,
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

STATES = ("pending", "executed", "rejected", "cancelled", "lapsed")

approval = command_group(
    "What takes two people of different units: asked for by one, done once another approves it within a day."
)

ApprovalId = Annotated[str, typer.Argument(metavar="APPROVAL", help="Id that the request printed, or `list` shows.")]


def asked(answer: Answer, as_json: bool) -> None:
    """What a request for something that takes two prints."""
    id = answer["id"]
    line = (
        f"Asked for, as approval {id}: {text(answer['operation'])}.\n"
        f"Somebody of another unit approves it until {at(answer['expires_at'])}: sandes-admin approval approve {id}"
    )
    say(line, answer, as_json)


@approval.command("list", epilog=examples("approval list --state pending", "approval list --json"))
def approval_list(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    state: Annotated[
        str | None, typer.Option(callback=one_of(*STATES), metavar="|".join(STATES), help="Only those in this state.")
    ] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List what was asked for, the newest first: what one has asked for, and what one may see or decide."""
    every = ctx.obj.every("approvals", "approvals", limit=limit, organisation=organisation)
    found = (one for one in every if state is None or one["state"] == state)
    columns = [
        Shown("approval", field("id"), whole=True),
        Shown("operation", field("operation")),
        Shown("state", field("state")),
        Shown("asked for by", lambda one: one["requested_by"]["name"]),
        Shown("at", time_of("requested_at")),
        Shown("until", time_of("expires_at")),
    ]
    show_list(found, columns, as_json)


@approval.command("show")
def approval_show(ctx: typer.Context, approval: ApprovalId, *, as_json: AsJson = False) -> None:
    """Show what would be done, for whom, and what has become of it."""
    _show(ctx.obj.get("approvals", approval), as_json)


@approval.command("approve", epilog=examples("approval approve aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
def approval_approve(ctx: typer.Context, approval: ApprovalId, *, as_json: AsJson = False) -> None:
    """Approve what somebody of another unit has asked for: it is done now, once."""
    _show(ctx.obj.post("approvals", approval, "approve"), as_json)


@approval.command("reject")
def approval_reject(ctx: typer.Context, approval: ApprovalId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Decide that it is not done."""
    _show(ctx.obj.post("approvals", approval, "reject", body={"reason": reason}), as_json)


@approval.command("cancel")
def approval_cancel(ctx: typer.Context, approval: ApprovalId, *, as_json: AsJson = False) -> None:
    """Take back what one has asked for oneself."""
    _show(ctx.obj.delete("approvals", approval), as_json)


def _show(shown: Answer, as_json: bool) -> None:
    named = {
        "organisation": "organisation",
        "unit": "unit",
        "requested_at": "asked for",
        "expires_at": "until",
        "decided_at": "decided",
        "decided_by": "by",
        "reason": "reason",
    }
    said = [
        f"{shown['id']} {text(shown['operation'])}: {shown['state']}",
        f"  asked for by {text(shown['requested_by']['name'])}, {shown['requested_by']['administrator']}",
        *(f"  {name} = {text(_short(value))}" for name, value in shown["parameters"].items()),
        lines(shown, named),
    ]
    say("\n".join(said), shown, as_json)


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
