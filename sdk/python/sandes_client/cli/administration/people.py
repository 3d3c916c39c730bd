"""`sandes-admin person`, `request`: officials, as what and until when; and who asks to be one."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import typer

from sandes_client.cli import id_texts
from sandes_client.cli.administration.desk import Desk
from sandes_client.cli.administration.options import InUnit, OfOrganisation, Reason, Version, Yes, day, given, typed_day
from sandes_client.cli.administration.organisations import AUDIENCES, FIELDS
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
    say,
    show_list,
    text,
    time_of,
)
from sandes_client.cli.commands import renamed, with_renamed
from sandes_client.cli.session import CommandFailed, check_pairs, confirm, failures_as_lines, pairs
from sandes_client.phone_text import typed_number

NOT_REGISTERED = (
    "Nobody is registered with this number, or no role of yours reaches them (sandes-admin whoami). Who is not "
    "registered yet is imported from a file (`sandes-admin import check FILE`) and verified when they register."
)

AS_ORGANISATION = "default"
"""Said of a field that is shown as the organisation has it for all."""

person = command_group("Officials: whom an organisation vouches for, as what, until when.")
request = command_group("Requests of people who ask to be verified, by their own device or by an import.")

Who = Annotated[str, typer.Argument(metavar="WHO", help="Account id, or phone number in international form.")]
WhoseWho = Annotated[
    str | None,
    typer.Option(
        "--organisation",
        metavar="ID",
        callback=id_texts.ORGANISATION,
        help="Where a phone number is looked up, if WHO is one; the organisation you work in if left out.",
    ),
]
WhereWho = Annotated[
    str | None,
    typer.Option(
        "--unit",
        metavar="ID",
        callback=id_texts.UNIT,
        help="The unit in which to look up a number; your own if left out.",
    ),
]
Name = Annotated[str | None, typer.Option(help="As others will see it.")]
Post = Annotated[str | None, typer.Option(help="The office held.")]
Email = Annotated[str | None, typer.Option(help="Official address; an empty text removes it.")]
Listed = Annotated[
    bool | None, typer.Option("--listed/--not-listed", help="Whether citizens may find and write to the holder.")
]
Until = Annotated[
    datetime | None,
    typer.Option(
        parser=typed_day,
        metavar="YYYY-MM-DD",
        help="Last day (in India) it holds; within five years.",
    ),
]
RequestId = Annotated[
    str, typer.Argument(metavar="REQUEST", callback=id_texts.REQUEST, help="Id that `request list` shows.")
]


@person.command("list", epilog=examples("person list", "person list --unit ccccccccccccc --json"))
def person_list(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    unit: InUnit = None,
    limit: Limit = 250,
    as_json: AsJson = False,
) -> None:
    """List verified people, by unit."""
    found = ctx.obj.every("people", "people", limit=limit, **ctx.obj.place("people", organisation, unit))
    columns = [
        Shown("account", field("account"), whole=True),
        Shown("name", field("name")),
        Shown("post", field("post")),
        Shown("unit", field("unit"), whole=True),
        Shown("listed", field("listed")),
        Shown("until", time_of("expires_at")),
    ]
    show_list(found, columns, as_json)


@person.command("show", epilog=examples("person show mmmmmmmmmmmma", "person show +919876543210"))
def person_show(
    ctx: typer.Context,
    who: Who,
    *,
    organisation: WhoseWho = None,
    unit: WhereWho = None,
    as_json: AsJson = False,
) -> None:
    """Show what the organisation says of a person, or said last."""
    _show(ctx.obj.get("people", _account(ctx.obj, who, organisation, unit)), as_json)


@person.command(
    "verify",
    epilog=examples(
        "person verify +919876543210 --name 'Asha Rao' --post Director --unit ccccccccccccc --until 2027-03-31"
    ),
)
def person_verify(
    ctx: typer.Context,
    who: Who,
    *,
    name: Annotated[str, typer.Option(help="As others will see it.")],
    post: Annotated[str, typer.Option(help="The office held.")],
    until: Annotated[
        datetime,
        typer.Option(
            parser=typed_day,
            metavar="YYYY-MM-DD",
            help="Last day (in India) it holds; within five years.",
        ),
    ],
    organisation: OfOrganisation = None,
    unit: Annotated[
        str | None,
        typer.Option(metavar="ID", callback=id_texts.UNIT, help="The unit they are in; else the organisation."),
    ] = None,
    email: Annotated[str | None, typer.Option(help="Official address.")] = None,
    listed: Annotated[bool, typer.Option("--listed", help="Citizens may find and write to the holder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Vouch for a person; again, to renew it."""
    body = _named(who) | given(
        **ctx.obj.place("people", organisation, unit),
        name=name,
        post=post,
        email=email,
        listed=listed,
        expires_at=day(until),
    )
    _show(ctx.obj.post("people", body=body, not_found=NOT_REGISTERED if "phone" in body else None), as_json)


renamed(person, "edit", "change WHO")


@person.command("change", epilog=examples("person change mmmmmmmmmmmma --post 'Joint Director'"))
def person_change(
    ctx: typer.Context,
    who: Who,
    *,
    name: Name = None,
    post: Post = None,
    email: Email = None,
    listed: Listed = None,
    until: Until = None,
    organisation: WhoseWho = None,
    unit: WhereWho = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Change what the organisation says of a person; what is left out stays as it is."""
    body = given(name=name, post=post, email=email, listed=listed, expires_at=day(until))
    if not body:
        raise typer.BadParameter("say what is to change", param_hint="--name, --post, --email, --listed, --until")
    account = _account(ctx.obj, who, organisation, unit)
    _show(ctx.obj.patch("people", account, body=body, version=version), as_json)
    _say_when(as_json)


@person.command("revoke")
def person_revoke(
    ctx: typer.Context,
    who: Who,
    *,
    reason: Reason,
    organisation: WhoseWho = None,
    unit: WhereWho = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End a verification: rights end now, memberships of official groups within minutes."""
    with failures_as_lines():
        confirm(f"End the verification of {who}, and with it memberships of official groups?", yes=yes)
    _act(ctx.obj, _account(ctx.obj, who, organisation, unit), "revoke", {"reason": reason}, as_json)


@person.command(
    "transfer",
    epilog=examples("person transfer mmmmmmmmmmmma --unit ccccccccccccc"),
    cls=with_renamed({"--to": "--unit"}),
)
def person_transfer(
    ctx: typer.Context,
    who: Who,
    *,
    unit: Annotated[
        str,
        typer.Option(
            metavar="ID",
            callback=id_texts.UNIT,
            help="The unit to move the person to.",
        ),
    ],
    organisation: WhoseWho = None,
    from_unit: Annotated[
        str | None,
        typer.Option(
            "--from-unit",
            metavar="ID",
            callback=id_texts.UNIT,
            help="The unit they are in now: needed to find them by phone number.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Move an official to another unit of the organisation."""
    _act(ctx.obj, _account(ctx.obj, who, organisation, from_unit), "transfer", {"unit": unit}, as_json)


@person.command("suspend")
def person_suspend(
    ctx: typer.Context,
    who: Who,
    *,
    reason: Reason,
    organisation: WhoseWho = None,
    unit: WhereWho = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Have an account do nothing until it is resumed: no message is sent, no device connects."""
    with failures_as_lines():
        confirm(f"Suspend {who}: no device of theirs connects until somebody resumes it?", yes=yes)
    account = _account(ctx.obj, who, organisation, unit)
    _suspension(ctx.obj.post("people", account, "suspend", body={"reason": reason}), as_json)


@person.command("resume")
def person_resume(
    ctx: typer.Context,
    who: Who,
    *,
    organisation: WhoseWho = None,
    unit: WhereWho = None,
    as_json: AsJson = False,
) -> None:
    """End a suspension, where it was made."""
    _suspension(ctx.obj.post("people", _account(ctx.obj, who, organisation, unit), "resume"), as_json)


@person.command("reset-devices")
def person_reset_devices(
    ctx: typer.Context,
    who: Who,
    *,
    organisation: WhoseWho = None,
    unit: WhereWho = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Unlink all devices of an account, as after a theft: the person registers anew."""
    with failures_as_lines():
        confirm(f"Unlink all devices of {who}?", yes=yes)
    account = _account(ctx.obj, who, organisation, unit)
    reset = ctx.obj.post("people", account, "devices", "reset")
    say(f"{reset['account']}: {counted(reset['devices'], 'device')} unlinked.", reset, as_json)


@person.command("hide", epilog=examples("person hide mmmmmmmmmmmma --field number=nobody --field photo=default"))
def person_hide(
    ctx: typer.Context,
    who: Who,
    *,
    fields: Annotated[
        list[str],
        typer.Option(
            "--field",
            callback=check_pairs,
            metavar="FIELD=AUDIENCE",
            help=f"Once for each of {', '.join(FIELDS)}: to {', '.join(AUDIENCES)}, as far as the organisation shows "
            f"it, or {AS_ORGANISATION}, as the organisation has it.",
        ),
    ],
    organisation: WhoseWho = None,
    unit: WhereWho = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Show fields of one person to fewer than the organisation does."""
    hidden: dict[str, str | None] = {}
    for name, audience in pairs(fields).items():
        if name not in FIELDS or audience not in (*AUDIENCES, AS_ORGANISATION):
            raise typer.BadParameter(
                f"{name}={audience}: one of {', '.join(FIELDS)}, to {', '.join(AUDIENCES)} or {AS_ORGANISATION}",
                param_hint="--field",
            )
        hidden[name] = None if audience == AS_ORGANISATION else audience
    account = _account(ctx.obj, who, organisation, unit)
    _show(ctx.obj.patch("people", account, "visibility", body={"fields": hidden}, version=version), as_json)
    _say_when(as_json)


def _say_when(as_json: bool) -> None:
    """A client keeps a profile for an hour (docs/protocol)."""
    if not as_json:
        typer.echo("Devices that have the earlier profile show the change within an hour.")


def _suspension(state: Answer, as_json: bool) -> None:
    suspended = state.get("suspended")
    because = f"suspended by unit {suspended['unit']}: {text(suspended['reason'])}" if suspended else "not suspended"
    say(f"{state['account']} {because}", state, as_json)


def _act(desk: Desk, account: str, verb: str, body: Answer, as_json: bool) -> None:
    _show(desk.post("people", account, verb, body=body), as_json)


def _named(who: str) -> dict[str, str]:
    """Raises CommandFailed for a number without its plus sign, and BadParameter for what is no account id either."""
    with failures_as_lines():
        number = typed_number(who)
        if number is not None and number.startswith(("+", "(+")):
            return {"phone": number}
        if who.isdigit() and len(who) != 13:  # the length of an account id
            like = f"+91 {who}" if re.fullmatch("[6-9][0-9]{9}", who) else f"+{who}"  # a mobile number in India
            raise CommandFailed("invalid_phone", f"write a phone number with plus sign and country code: {like}")
    return {"account": str(id_texts.ACCOUNT(who))}


def _account(desk: Desk, who: str, organisation: str | None, unit: str | None) -> str:
    """A number is looked up, where it may be."""
    named = _named(who)
    if "account" in named:
        return named["account"]
    place = desk.place("people", organisation, unit)
    found = desk.post("people", "lookup", body=named | given(**place), not_found=NOT_REGISTERED)
    return str(found["account"])


def _show(shown: Answer, as_json: bool) -> None:
    why = f": {text(shown['reason'])}" if shown.get("reason") else ""
    lines = [f"{shown['account']} {shown.get('state', '')}{why}".rstrip()]
    if shown.get("name"):
        lines.append(f"  {text(shown['name'])}, {text(shown['post'])}, unit {shown['unit']} of {shown['organisation']}")
        lines.append(f"  until {at(shown['expires_at'])}, {'listed' if shown.get('listed') else 'not listed'}")
    if shown.get("email"):
        lines.append(f"  {text(shown['email'])}")
    lines += [_hidden(name, audience) for name, audience in (shown.get("hidden") or {}).items()]
    if suspended := shown.get("suspended"):
        lines.append(f"  suspended {at(suspended['at'])} by unit {suspended['unit']}: {text(suspended['reason'])}")
    if "version" in shown:
        devices = (
            f"{counted(shown['devices'], 'device')}, " if "devices" in shown else ""
        )  # not of officials of the past
        lines.append(f"  {devices}version {shown['version']}")
    say("\n".join(lines), shown, as_json)


def _hidden(name: str, audience: str) -> str:
    """A wish, which widens nothing: the organisation may show the field to fewer."""
    return f"  {name} to {audience}" + ("" if audience == "nobody" else ", as far as the organisation shows it")


# Requests


@request.command("list", epilog=examples("request list", "request list --decided --unit ccccccccccccc"))
def request_list(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    unit: InUnit = None,
    decided: Annotated[bool, typer.Option("--decided", help="Those that are decided, in place of the others.")] = False,
    limit: Limit = 250,
    as_json: AsJson = False,
) -> None:
    """List who asks to be verified, the oldest first within a unit."""
    state = "decided" if decided else "open"
    place = ctx.obj.place("people", organisation, unit)
    found = ctx.obj.every("requests", "verification-requests", limit=limit, state=state, **place)
    columns = [
        Shown("request", field("id"), whole=True),
        Shown("name", field("name")),
        Shown("post", field("post")),
        Shown("unit", field("unit"), whole=True),
        Shown("by", field("source")),
        Shown("state", field("state")),
        Shown("since", time_of("requested_at")),
    ]
    show_list(found, columns, as_json)


@request.command("verify", epilog=examples("request verify REQUEST --until 2027-03-31"))
def request_verify(
    ctx: typer.Context,
    request: RequestId,
    *,
    until: Annotated[
        datetime,
        typer.Option(
            parser=typed_day,
            metavar="YYYY-MM-DD",
            help="Last day (in India) it holds; within five years.",
        ),
    ],
    unit: Annotated[
        str | None, typer.Option(metavar="ID", callback=id_texts.UNIT, help="Another unit than they asked for.")
    ] = None,
    name: Name = None,
    post: Post = None,
    email: Email = None,
    listed: Annotated[bool, typer.Option("--listed", help="Citizens may find and write to the holder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Verify somebody as they asked, but for what is given here."""
    body = given(unit=unit, name=name, post=post, email=email, listed=listed, expires_at=day(until))
    _show(ctx.obj.post("verification-requests", request, "verify", body=body), as_json)


@request.command("reject")
def request_reject(ctx: typer.Context, request: RequestId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Decide that somebody is not verified; they see why."""
    shown = ctx.obj.post("verification-requests", request, "reject", body={"reason": reason})
    say(f"Rejected request {request} of {text(shown['name'])}.", shown, as_json)
