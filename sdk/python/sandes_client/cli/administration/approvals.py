"""`sandes-admin approval`: what takes two people, asked for by one and approved by another one."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from sandes_client.cli import id_texts
from sandes_client.cli.administration.options import OfOrganisation, Reason, Yes
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
    shown_value,
    text,
)
from sandes_client.cli.session import confirm, failures_as_lines

ID_CHARS = 13
"""Of organisations, units and apps."""
STATES = ("pending", "executed", "rejected", "cancelled", "lapsed")

approval = command_group(
    "What takes two people of different units: asked for by one, done once another approves it within a day."
)

ApprovalId = Annotated[
    str,
    typer.Argument(
        metavar="APPROVAL", callback=id_texts.APPROVAL, help="Id that the request printed, or `list` shows."
    ),
]


def asked(answer: Answer, as_json: bool) -> None:
    """What a request for something that takes two prints."""
    id = answer["id"]
    line = (
        f"Asked for, as approval {id}: {text(answer['operation'])}.\n"
        f"Somebody of another unit approves it until {at(answer['expires_at'])}: sandes-admin approval approve {id}"
    )
    say(line, answer, as_json)


@approval.command("list", epilog=examples("approval list --state pending", "approval list --everywhere"))
def approval_list(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    state: Annotated[
        str | None, typer.Option(callback=one_of(*STATES), metavar="|".join(STATES), help="Only those in this state.")
    ] = None,
    everywhere: Annotated[
        bool,
        typer.Option(
            "--everywhere", help="For platform administrators: what waits for one of them, of all organisations."
        ),
    ] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List what was asked for, the newest first: what one has asked for, and what one may see or decide."""
    if everywhere and organisation:
        raise typer.BadParameter("either --everywhere or --organisation", param_hint="--everywhere")

    def wanted(one: Answer) -> bool:
        return state is None or one["state"] == state

    where = {"everywhere": "true"} if everywhere else {"organisation": organisation}
    found = ctx.obj.every("approvals", "approvals", limit=limit, wanted=wanted, **where)
    columns = [
        Shown("approval", field("id"), whole=True),
        Shown("operation", field("operation")),
        Shown("about", _about, least=ID_CHARS),
        *([] if state else [Shown("state", field("state"))]),
        Shown("by", lambda one: one["requested_by"]["name"], least=8),
    ]
    show_list(found, columns, as_json)


@approval.command("show")
def approval_show(ctx: typer.Context, approval: ApprovalId, *, as_json: AsJson = False) -> None:
    """Show what would be done, for whom, and what has become of it."""
    _show(ctx.obj.get("approvals", approval), as_json)


@approval.command("approve", epilog=examples("approval approve aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
def approval_approve(ctx: typer.Context, approval: ApprovalId, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Show what somebody of another unit has asked for, and carry it out once you confirm it."""
    if not yes:
        typer.echo(_lines(ctx.obj.get("approvals", approval)), err=True)
        with failures_as_lines():
            confirm("Approve this? It is carried out immediately.", yes=False)
    _show(ctx.obj.post("approvals", approval, "approve"), as_json)


@approval.command("reject")
def approval_reject(ctx: typer.Context, approval: ApprovalId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Decide that it is not done."""
    _show(ctx.obj.post("approvals", approval, "reject", body={"reason": reason}), as_json)


@approval.command("cancel")
def approval_cancel(ctx: typer.Context, approval: ApprovalId, *, as_json: AsJson = False) -> None:
    """Take back what one has asked for oneself."""
    _show(ctx.obj.delete("approvals", approval), as_json)


def _about(one: Answer) -> str:
    """What tells a request from others: the role, a name, who gets it, the app with what it may do, where."""
    asked = one["parameters"]
    person = asked.get("person") or asked.get("officer") or {}
    words = [asked.get(name) for name in ("role", "name")]
    words += [person.get("email"), *(asked.get(name) for name in ("administrator", "app"))]
    words += [*asked.get("mail_domains", ()), *asked.get("scopes", ()), "SMS" if asked.get("sms") else None]
    words += [f"{asked[name]} {name.replace('_', ' ')}" for name in ("per_minute", "per_day") if name in asked]
    unit, organisation = asked.get("unit"), asked.get("organisation")
    if one["operation"] != "organisation.create" and unit != organisation:
        words.append(f"in {unit or organisation}")
    return " ".join(text(word) for word in words if word)


def _show(shown: Answer, as_json: bool) -> None:
    say(_lines(shown), shown, as_json)


def _lines(shown: Answer) -> str:
    named = {
        "organisation": "organisation",
        "unit": "unit",
        "requested_at": "asked for",
        "expires_at": "until",
        "decided_at": "decided",
        "decided_by": "by",
        "reason": "reason",
    }
    return "\n".join(
        [
            f"{shown['id']} {text(shown['operation'])}: {shown['state']}",
            f"  asked for by {text(shown['requested_by']['name'])}, {shown['requested_by']['administrator']}",
            *(f"  {name} = {text(_short(name, value))}" for name, value in shown["parameters"].items()),
            lines(shown, named),
            *map(_warning, shown.get("warnings", ())),
        ]
    )


def _warning(one: Answer) -> str:
    what = one["pointer"].rpartition("/")[2]
    known = f"{text(one['name'])} <{text(one['email'])}>"
    if one["code"] == "outside_mail_domains":
        return f"  warning: the address of {known} would be at none of these domains; the administrator stays"
    return f"  warning: the {what} looks like that of {known}; compare them letter by letter"


def _short(name: str, value: Any) -> str:
    if name.endswith("_at") and isinstance(value, int):
        return at(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list, bool)) else shown_value(value)
