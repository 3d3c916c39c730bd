"""Implements `sandes-admin approval`: changes that one administrator requests and another one approves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from sandes_client.admin import AdminApiError
from sandes_client.api import Unreachable
from sandes_client.cli import id_texts
from sandes_client.cli.administration.desk import MAX_PAGE, Desk
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
"""Length of the ids of organisations, units and apps."""
STATES = ("pending", "executed", "rejected", "cancelled", "lapsed")

approval = command_group(
    "Approve or reject changes that need two people. One person requests the change, and someone from "
    "another unit approves it within a day."
)

ApprovalId = Annotated[
    str,
    typer.Argument(
        metavar="APPROVAL",
        callback=id_texts.APPROVAL,
        help="Id of the approval, as the request printed it or `list` shows it.",
    ),
]


ALSO_PLATFORM = ("access.reset", "app.change", "app.go_live", "app.quota", "officer.take")
PLATFORM_ONLY = ("organisation.create", "officer.appoint")
"""Operations that a platform administrator may approve. They do not need a second officer."""


def asked(desk: Desk, answer: Answer, as_json: bool) -> None:
    """Print the request, and who can approve it."""
    id = answer["id"]
    line = (
        f"Requested, as approval {id}: {text(answer['operation'])}.\nSomeone from another unit must approve "
        f"it by {at(answer['expires_at'])}: sandes-admin approval approve {id}"
    )
    if not as_json and answer["operation"] not in PLATFORM_ONLY:
        officers = _administrators(desk, answer["organisation"], role="nodal_officer")
        if len(officers) == 1:
            line += f"\n{_ALONE_BUT_PLATFORM if answer['operation'] in ALSO_PLATFORM else _ALONE}"
    say(line, answer, as_json)


_ALONE = (
    "Your organisation has no second nodal officer yet, so nobody can approve this. Ask two platform "
    "administrators to run `sandes-admin officer appoint`."
)
_ALONE_BUT_PLATFORM = (
    "Your organisation has no second nodal officer yet, so only a platform administrator can approve "
    "this. `sandes-admin officer appoint` appoints one."
)


def _administrators(desk: Desk, organisation: str, *, role: str | None = None) -> dict[str, Answer]:
    """Return the administrators with a role in an organisation, by id. Return none if the caller may not see them."""
    try:
        with desk.admin() as api:
            found: list[Answer] = []
            cursor = None
            while True:
                page = api.get("assignments", organisation=organisation, limit=MAX_PAGE, cursor=cursor)
                found += page["assignments"]
                if not (cursor := page.get("cursor")):
                    break
    except (AdminApiError, Unreachable):
        return {}
    return {one["administrator"]: one for one in found if role in (None, one["role"])}


@approval.command("list", epilog=examples("approval list --state pending", "approval list --everywhere"))
def approval_list(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    state: Annotated[
        str | None,
        typer.Option(callback=one_of(*STATES), metavar="|".join(STATES), help="Show only approvals in this state."),
    ] = None,
    everywhere: Annotated[
        bool,
        typer.Option(
            "--everywhere",
            help="For platform administrators: show the approvals of all organisations that wait for a platform "
            "administrator.",
        ),
    ] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List approvals, the newest first. The list has your own requests, and those that you may see or decide."""
    if everywhere and organisation:
        raise typer.BadParameter("give either --everywhere or --organisation", param_hint="--everywhere")

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
    """Show an approval. It says what would change, whom it concerns, and its state."""
    shown = ctx.obj.get("approvals", approval)
    named = [] if as_json else _named_lines(_whom(ctx.obj, shown))
    say("\n".join([_lines(shown), *named]), shown, as_json)


@approval.command("approve", epilog=examples("approval approve aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
def approval_approve(ctx: typer.Context, approval: ApprovalId, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Approve a request from another unit. The command shows it first, and asks you to confirm."""
    if not yes:
        shown = ctx.obj.get("approvals", approval)
        whom = _whom(ctx.obj, shown)
        typer.echo("\n".join([_lines(shown), *_named_lines(whom)]), err=True)
        with failures_as_lines():
            confirm(_question(shown, whom), yes=False)
    _show(ctx.obj.post("approvals", approval, "approve"), as_json)


@approval.command("reject")
def approval_reject(ctx: typer.Context, approval: ApprovalId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Reject a request. Nothing is changed."""
    _show(ctx.obj.post("approvals", approval, "reject", body={"reason": reason}), as_json)


@approval.command("cancel")
def approval_cancel(ctx: typer.Context, approval: ApprovalId, *, as_json: AsJson = False) -> None:
    """Cancel your own request."""
    _show(ctx.obj.delete("approvals", approval), as_json)


def _whom(desk: Desk, shown: Answer) -> Answer | None:
    """Return the administrator whom an approval concerns, as the list of assignments names them."""
    id = shown["parameters"].get("administrator")
    found = _administrators(desk, shown["organisation"]).get(id) if id else None
    if found is None:
        return None
    named = _name_of_unit(desk, shown["organisation"], shown["unit"]) if shown["operation"] == "access.reset" else ""
    return found | {"works_in": named}


def _name_of_unit(desk: Desk, organisation: str, unit: str) -> str:
    try:
        with desk.admin() as api:
            return str(api.get("units", unit, organisation=organisation)["name"])
    except (AdminApiError, Unreachable):
        return unit


def _named_lines(whom: Answer | None) -> list[str]:
    if whom is None:
        return []
    where = f", who works in {text(whom['works_in'])}" if whom["works_in"] else ""
    return [f"  about {text(whom['name'])} <{text(whom['email'])}>{where}"]


def _question(shown: Answer, whom: Answer | None) -> str:
    if shown["operation"] != "access.reset":
        return "Approve this? It is carried out immediately."
    who = text(whom["name"]) if whom else "the person"
    return f"Approve this? {who} gets an e-mail and can object for 24 hours. Then the access is reset."


def _about(one: Answer) -> str:
    """Return what tells a request apart from others: the role, name, recipient, app with its rights, or place."""
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
        "requested_at": "requested at",
        "expires_at": "until",
        "decided_at": "decided",
        "decided_by": "by",
        "reason": "reason",
    }
    return "\n".join(
        [
            f"{shown['id']} {text(shown['operation'])}: {shown['state']}",
            f"  requested by {text(shown['requested_by']['name'])}, {shown['requested_by']['administrator']}",
            *(f"  {name} = {text(_short(name, value))}" for name, value in _parameters(shown)),
            lines(shown, named),
            *map(_warning, shown.get("warnings", ())),
        ]
    )


def _parameters(shown: Answer) -> Iterator[tuple[str, Any]]:
    """Yield the requested values, field by field. Places have lines of their own, and objects are left out."""
    for name, value in shown["parameters"].items():
        if name in ("organisation", "unit") and value == shown[name]:
            continue
        if isinstance(value, dict):
            yield from ((f"{name} {part}", one) for part, one in value.items())
        elif name == "organisation" and shown["operation"] == "organisation.create":
            yield "new organisation", value
        else:
            yield name, value


def _warning(one: Answer) -> str:
    what = one["pointer"].rpartition("/")[2]
    known = f"{text(one['name'])} <{text(one['email'])}>"
    if one["code"] == "outside_mail_domains":
        return f"  warning: the address of {known} would be outside these domains; the administrator stays"
    return f"  warning: the {what} looks like that of {known}; compare them letter by letter"


def _short(name: str, value: Any) -> str:
    if name.endswith("_at") and isinstance(value, int):
        return at(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list, bool)) else shown_value(value)
