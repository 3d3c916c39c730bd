"""Implements `sandes-admin person` and `request`: verifications of officials, and requests to be verified."""

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
    "Nobody is registered with this number, or none of your roles reaches them (see sandes-admin whoami). "
    "You can import people who are not registered yet from a file (`sandes-admin import check FILE`). "
    "They are verified when they register."
)

AS_ORGANISATION = "default"
"""Value of a field's audience that follows the organisation's policy."""

person = command_group("Manage officials: whom an organisation verifies, with which post and until when.")
request = command_group("Handle requests to be verified, which people make on their device or an import makes.")

Who = Annotated[str, typer.Argument(metavar="WHO", help="Account id, or phone number in international form.")]
WhoseWho = Annotated[
    str | None,
    typer.Option(
        "--organisation",
        metavar="ID",
        callback=id_texts.ORGANISATION,
        help="Organisation in which a phone number is looked up. Default: the one you work in.",
    ),
]
WhereWho = Annotated[
    str | None,
    typer.Option(
        "--unit",
        metavar="ID",
        callback=id_texts.UNIT,
        help="Unit in which a phone number is looked up. Default: your own.",
    ),
]
Name = Annotated[str | None, typer.Option(help="Name that others will see.")]
Post = Annotated[str | None, typer.Option(help="Post of the official.")]
Email = Annotated[str | None, typer.Option(help="Official e-mail address. An empty text removes it.")]
Listed = Annotated[
    bool | None, typer.Option("--listed/--not-listed", help="Whether citizens may find and write to the holder.")
]
Until = Annotated[
    datetime | None,
    typer.Option(
        parser=typed_day,
        metavar="YYYY-MM-DD",
        help="Last day (in India) of the verification, at most five years from now.",
    ),
]
RequestId = Annotated[
    str,
    typer.Argument(metavar="REQUEST", callback=id_texts.REQUEST, help="Id of the request, as `request list` shows it."),
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
    """Show a person's verification, or the last one."""
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
    name: Annotated[str, typer.Option(help="Name that others will see.")],
    post: Annotated[str, typer.Option(help="Post of the official.")],
    until: Annotated[
        datetime,
        typer.Option(
            parser=typed_day,
            metavar="YYYY-MM-DD",
            help="Last day (in India) of the verification, at most five years from now.",
        ),
    ],
    organisation: OfOrganisation = None,
    unit: Annotated[
        str | None,
        typer.Option(metavar="ID", callback=id_texts.UNIT, help="Unit of the official. Default: the organisation."),
    ] = None,
    email: Annotated[str | None, typer.Option(help="Official e-mail address.")] = None,
    listed: Annotated[bool, typer.Option("--listed", help="Allow citizens to find and write to the holder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Verify a person, or renew the verification."""
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
    """Change a person's verification. Fields that you leave out stay as they are."""
    body = given(name=name, post=post, email=email, listed=listed, expires_at=day(until))
    if not body:
        raise typer.BadParameter("say what to change", param_hint="--name, --post, --email, --listed, --until")
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
    """End a verification. Its rights end immediately, and memberships of official groups end within minutes."""
    with failures_as_lines():
        confirm(f"End the verification of {who}, and their memberships of official groups?", yes=yes)
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
            help="Unit to which the person moves.",
        ),
    ],
    organisation: WhoseWho = None,
    from_unit: Annotated[
        str | None,
        typer.Option(
            "--from-unit",
            metavar="ID",
            callback=id_texts.UNIT,
            help="Unit in which the person is now. It is needed to find them by phone number.",
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
    """Suspend an account until it is resumed. It cannot send messages, and no device of it can connect."""
    with failures_as_lines():
        confirm(f"Suspend {who}? No device of theirs can connect until the account is resumed.", yes=yes)
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
    """End a suspension, at the unit that made it."""
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
    """Unlink all devices of an account. This helps after a theft, for example. The person must register again."""
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
            help=f"Audience of a field. Repeat it for each of {', '.join(FIELDS)}. The audience is one of "
            f"{', '.join(AUDIENCES)}, within the organisation's policy, or {AS_ORGANISATION} for the policy "
            "itself.",
        ),
    ],
    organisation: WhoseWho = None,
    unit: WhereWho = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Narrow the audience of a person's fields. The organisation's policy sets the widest audience."""
    hidden: dict[str, str | None] = {}
    for name, audience in pairs(fields).items():
        if name not in FIELDS or audience not in (*AUDIENCES, AS_ORGANISATION):
            raise typer.BadParameter(
                f"{name}={audience}: the field must be one of {', '.join(FIELDS)}, and the audience one of "
                f"{', '.join(AUDIENCES)} or {AS_ORGANISATION}",
                param_hint="--field",
            )
        hidden[name] = None if audience == AS_ORGANISATION else audience
    account = _account(ctx.obj, who, organisation, unit)
    _show(ctx.obj.patch("people", account, "visibility", body={"fields": hidden}, version=version), as_json)
    _say_when(as_json)


def _say_when(as_json: bool) -> None:
    """Print how soon devices show the change. A client keeps a profile for an hour (docs/protocol)."""
    if not as_json:
        typer.echo("Devices that have stored the old profile show the change within an hour.")


def _suspension(state: Answer, as_json: bool) -> None:
    suspended = state.get("suspended")
    because = f"suspended by unit {suspended['unit']}: {text(suspended['reason'])}" if suspended else "not suspended"
    say(f"{state['account']} {because}", state, as_json)


def _act(desk: Desk, account: str, verb: str, body: Answer, as_json: bool) -> None:
    _show(desk.post("people", account, verb, body=body), as_json)


def _named(who: str) -> dict[str, str]:
    """Return the field that names a person.

    Raise CommandFailed for a number without its plus sign, and BadParameter for a text that is not an account id
    either.
    """
    with failures_as_lines():
        number = typed_number(who)
        if number is not None and number.startswith(("+", "(+")):
            return {"phone": number}
        if who.isdigit() and len(who) != 13:  # an account id has 13 characters
            like = f"+91 {who}" if re.fullmatch("[6-9][0-9]{9}", who) else f"+{who}"  # mobile numbers in India
            raise CommandFailed("invalid_phone", f"write a phone number with plus sign and country code: {like}")
    return {"account": str(id_texts.ACCOUNT(who))}


def _account(desk: Desk, who: str, organisation: str | None, unit: str | None) -> str:
    """Return an account id. A phone number is looked up where the options allow it."""
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
        )  # not shown for former officials
        lines.append(f"  {devices}version {shown['version']}")
    say("\n".join(lines), shown, as_json)


def _hidden(name: str, audience: str) -> str:
    """Return the text for a hidden field. The organisation's policy may narrow the audience further."""
    return f"  {name} to {audience}" + ("" if audience == "nobody" else ", within the organisation's policy")


@request.command("list", epilog=examples("request list", "request list --decided --unit ccccccccccccc"))
def request_list(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    unit: InUnit = None,
    decided: Annotated[bool, typer.Option("--decided", help="Show decided requests instead of open ones.")] = False,
    limit: Limit = 250,
    as_json: AsJson = False,
) -> None:
    """List open requests to be verified. Within a unit, the oldest comes first."""
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
            help="Last day (in India) of the verification, at most five years from now.",
        ),
    ],
    unit: Annotated[
        str | None,
        typer.Option(metavar="ID", callback=id_texts.UNIT, help="Unit, if it differs from the requested one."),
    ] = None,
    name: Name = None,
    post: Post = None,
    email: Email = None,
    listed: Annotated[bool, typer.Option("--listed", help="Allow citizens to find and write to the holder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Verify a person as requested. Values that you give here replace the requested ones."""
    body = given(unit=unit, name=name, post=post, email=email, listed=listed, expires_at=day(until))
    _show(ctx.obj.post("verification-requests", request, "verify", body=body), as_json)


@request.command("reject")
def request_reject(ctx: typer.Context, request: RequestId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Reject a request to be verified. The person sees the reason."""
    shown = ctx.obj.post("verification-requests", request, "reject", body={"reason": reason})
    say(f"Rejected request {request} of {text(shown['name'])}.", shown, as_json)
