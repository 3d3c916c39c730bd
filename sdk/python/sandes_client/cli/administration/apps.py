"""`sandes-admin app`, `key`: governance apps of an organisation, their terms, keys and webhooks."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from sandes_client.app import AppCredentials, CredentialsInvalid
from sandes_client.app.answers import EventType
from sandes_client.cli import id_texts
from sandes_client.cli.administration.approvals import asked
from sandes_client.cli.administration.desk import Desk
from sandes_client.cli.administration.options import InUnit, OfOrganisation, Reason, Version, Yes, given
from sandes_client.cli.administration.showing import (
    Answer,
    AsJson,
    Limit,
    Shown,
    command_group,
    counted,
    examples,
    field,
    say,
    show_list,
    text,
    time_of,
)
from sandes_client.cli.session import CommandFailed, confirm, failures_as_lines
from sandes_client.ids import base64url_text
from sandes_client.keys import IdentityKey

SCOPES = ("otp", "msg", "batch", "group", "hook")
EVENTS = get_args(EventType)
EVENT_NAMES = ", ".join(EVENTS)

app = command_group("Governance apps: their terms, guests and webhooks.")
key = command_group("Keys of an app: two live and two test keys at a time.")
webhook = command_group("Where an app is told of what became of its messages.")
app.add_typer(webhook, name="webhook")

AppId = Annotated[
    str | None,
    typer.Option(
        "--app",
        envvar="SANDES_APP",
        callback=id_texts.APP,
        help="Id of the app; that of SANDES_APP_CREDENTIALS if left out.",
    ),
]
Networks = Annotated[
    list[str] | None,
    typer.Option("--network", metavar="CIDR", help="Network the key may be used from, once for each; all if none."),
]
NewFile = Annotated[
    Path | None,
    typer.Option("--credentials", dir_okay=False, help="Make a key here, and this file for it, mode 0600."),
]
Public = Annotated[
    str | None,
    typer.Option("--public", metavar="KEY", help="Or the public half, base64url, of a key made by the app's owner."),
]
TestKey = Annotated[bool, typer.Option("--test-key", "--test", help="Guests and magic recipients only.")]
WebhookId = Annotated[
    str, typer.Argument(metavar="WEBHOOK", callback=id_texts.WEBHOOK_OF_APP, help="Id that `list` shows.")
]
Guests = Annotated[
    list[str] | None,
    typer.Option("--guest", metavar="PHONE", help="Number that a trial app or test key may send to, once for each."),
]


def _check_scopes(scopes: list[str] | None) -> list[str] | None:
    if unknown := [scope for scope in scopes or () if scope not in SCOPES]:
        raise typer.BadParameter(f"{unknown[0]}: a scope is one of {', '.join(SCOPES)}")
    return scopes


def _check_events(events: list[str] | None) -> list[str] | None:
    if unknown := [event for event in events or () if event not in EVENTS]:
        raise typer.BadParameter(f"{unknown[0]}: an event is one of {EVENT_NAMES}")
    return events


def app_id(named: str | None) -> str:
    """The app that is meant. Raises BadParameter."""
    if named:
        return named
    try:
        return AppCredentials.from_environment().app
    except CredentialsInvalid:
        raise typer.BadParameter(
            "say which app: --app, or SANDES_APP_CREDENTIALS with its credentials file", param_hint="--app"
        ) from None


# Apps


@app.command("list", epilog=examples("app list", "app list --unit ccccccccccccc --json"))
def app_list(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    unit: InUnit = None,
    limit: Limit = 250,
    as_json: AsJson = False,
) -> None:
    """List the apps of an organisation, or of one unit."""
    found = ctx.obj.every("apps", "apps", limit=limit, **ctx.obj.place("apps", organisation, unit))
    columns = [Shown(name, field(name), whole=name in ("app", "unit")) for name in ("app", "name", "mode", "unit")]
    show_list(found, columns, as_json)


@app.command(
    "create",
    epilog=examples("app create --name 'Passport Seva' --scope otp --scope msg --sms --credentials passport.json"),
)
def app_create(
    ctx: typer.Context,
    *,
    name: Annotated[str, typer.Option(help="What recipients see as the sender.")],
    scope: Annotated[
        list[str],
        typer.Option(callback=_check_scopes, metavar="|".join(SCOPES), help="What it may do, once for each."),
    ],
    organisation: OfOrganisation = None,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            callback=id_texts.UNIT,
            help="The unit it is in; else the organisation.",
        ),
    ] = None,
    sms: Annotated[bool, typer.Option("--sms", help="Its OTPs may go out by SMS.")] = False,
    guest: Guests = None,
    credentials: NewFile = None,
    public: Public = None,
    test_key: TestKey = False,
    network: Networks = None,
    as_json: AsJson = False,
) -> None:
    """Register an app, on trial. If its key is made here, only the public half leaves this machine."""
    place = ctx.obj.target("apps", organisation, unit)

    def register(public_key: str) -> Registered:
        body = given(**place, name=name, scopes=scope, sms=sms, guests=guest)
        made = ctx.obj.post("apps", body=body | {"key": _key(public_key, test_key, network)})
        return made, str(made["keys"][0]["id"])

    made, key_name = _with_key(ctx.obj, credentials, public, register)
    say(f"Registered app {made['app']} with key {key_name}{_where(credentials)}.", made, as_json)


@app.command("show")
def app_show(ctx: typer.Context, *, app: AppId = None, as_json: AsJson = False) -> None:
    """Show what an app may do, its quotas and keys."""
    _show(ctx.obj.get("apps", app_id(app)), as_json)


@app.command("change", epilog=examples("app change --app ppppppppppppa --scope otp --no-sms"))
def app_change(
    ctx: typer.Context,
    *,
    app: AppId = None,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(callback=_check_scopes, metavar="|".join(SCOPES), help="In place of those it has, for each."),
    ] = None,
    sms: Annotated[bool | None, typer.Option("--sms/--no-sms", help="Whether its OTPs may go out by SMS.")] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            callback=id_texts.UNIT,
            help="Another unit.",
        ),
    ] = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Change an app's name, scopes, SMS or unit; ask for it, if a live app is to be more or called otherwise."""
    body = given(name=name, scopes=scope or None, sms=sms, unit=unit)
    if not body:
        raise typer.BadParameter("say what is to change", param_hint="--name, --scope, --sms, --unit")
    changed = ctx.obj.patch("apps", app_id(app), body=body, version=version)
    if "operation" in changed:
        asked(ctx.obj, changed, as_json)
    else:
        _show(changed, as_json)


@app.command("guests")
def app_guests(
    ctx: typer.Context,
    *,
    app: AppId = None,
    guest: Guests = None,
    version: Version = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Set the guests of an app, in place of those it had. Asks before, if none is given: it has none then."""
    known = app_id(app)
    with failures_as_lines():
        confirm(f"Leave app {known} without guests?", yes=yes or bool(guest))
    _show(ctx.obj.put("apps", known, "guests", body={"guests": guest or []}, version=version), as_json)


@app.command("go-live")
def app_go_live(ctx: typer.Context, *, app: AppId = None, as_json: AsJson = False) -> None:
    """Ask that an app may send to anybody."""
    asked(ctx.obj, ctx.obj.post("apps", app_id(app), "go-live"), as_json)


@app.command("quota", epilog=examples("app quota --app ppppppppppppa --per-minute 6000 --per-day 500000"))
def app_quota(
    ctx: typer.Context,
    *,
    app: AppId = None,
    per_minute: Annotated[int, typer.Option(min=1, help="Messages a minute.")],
    per_day: Annotated[int, typer.Option(min=1, help="Messages a day.")],
    as_json: AsJson = False,
) -> None:
    """Ask for other quotas of a live app."""
    body = {"per_minute": per_minute, "per_day": per_day}
    asked(ctx.obj, ctx.obj.post("apps", app_id(app), "quota", body=body), as_json)


@app.command("trial")
def app_trial(ctx: typer.Context, *, app: AppId = None, reason: Reason, as_json: AsJson = False) -> None:
    """Put a live app back on trial, at once: it sends to its guests only."""
    _show(ctx.obj.post("apps", app_id(app), "trial", body={"reason": reason}), as_json)


def _show(shown: Answer, as_json: bool) -> None:
    keys = [f"  key {one['id']}{' (test)' if one['test'] else ''} {' '.join(one['networks'])}" for one in shown["keys"]]
    lines = [
        f"{shown['app']} {text(shown['name'])}, version {shown['version']}",
        f"  of unit {shown['unit']}, organisation {shown['organisation']}",
        f"  {shown['mode']}, {shown['per_minute']} a minute, {shown['per_day']} a day, "
        f"{counted(shown['guests'], 'guest')}, {'with' if shown['sms'] else 'no'} SMS, "
        f"{counted(shown['webhooks'], 'webhook')}",
        f"  scopes {' '.join(shown['scopes'])}",
        *(line.rstrip() for line in keys),
    ]
    say("\n".join(lines), shown, as_json)


# Webhooks


@webhook.command("list")
def webhook_list(ctx: typer.Context, *, app: AppId = None, as_json: AsJson = False) -> None:
    """List an app's webhooks, without their secrets."""
    found = ctx.obj.get("apps", app_id(app), "webhooks")["webhooks"]
    columns = [
        Shown("webhook", field("id"), whole=True),
        Shown("address", field("url")),
        Shown("events", lambda one: " ".join(one["events"])),
        Shown("disabled", field("disabled")),
        Shown("since", time_of("created_at")),
    ]
    show_list(found, columns, as_json)


@webhook.command(
    "create",
    epilog=examples("app webhook create https://passport.gov.in/hook --event message.read"),
)
def webhook_create(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="Where events are sent, https.")],
    *,
    app: AppId = None,
    event: Annotated[
        list[str],
        typer.Option(
            callback=_check_events, metavar="EVENT", help=f"What it is told of, once for each: {EVENT_NAMES}."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Register a webhook. Its secret is shown this once."""
    made = ctx.obj.post("apps", app_id(app), "webhooks", body={"url": url, "events": event})
    lines = [f"Registered webhook {made['id']}.", f"  public key {made['public_key']}"]
    say("\n".join([*lines, f"  secret {made['secret']}"] if made.get("secret") else lines), made, as_json)


@webhook.command(
    "change", epilog=examples("app webhook change WEBHOOK --pause", "app webhook change WEBHOOK --event message.read")
)
def webhook_change(
    ctx: typer.Context,
    webhook: WebhookId,
    *,
    app: AppId = None,
    url: Annotated[str | None, typer.Option(help="Another address, https.")] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(
            callback=_check_events, metavar="EVENT", help=f"In place of those it is told of, for each: {EVENT_NAMES}."
        ),
    ] = None,
    paused: Annotated[
        bool | None,
        typer.Option("--pause/--resume", help="Send nothing there, nor what happens meanwhile later on; or go on."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change where a webhook leads and what it is told of, pause or resume it. The first two take a fresh sign-in."""
    body = given(url=url, events=event or None, paused=paused)
    if not body:
        raise typer.BadParameter("say what is to change", param_hint="--url, --event, --pause, --resume")
    changed = ctx.obj.patch("apps", app_id(app), "webhooks", webhook, body=body)
    state = f", {changed['disabled']}" if changed.get("disabled") else ""
    say(f"{changed['id']} {text(changed['url'])}{state}\n  events {' '.join(changed['events'])}", changed, as_json)


@webhook.command("remove")
def webhook_remove(
    ctx: typer.Context,
    webhook: WebhookId,
    *,
    app: AppId = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a webhook: nothing is sent there any more."""
    with failures_as_lines():
        confirm(f"Remove webhook {webhook}?", yes=yes)
    ctx.obj.delete("apps", app_id(app), "webhooks", webhook)
    say(f"Removed webhook {webhook}.", {"id": webhook, "state": "removed"}, as_json)


# Keys


@key.command("add", epilog=examples("key add --app ppppppppppppa --credentials passport-2.json"))
def key_add(
    ctx: typer.Context,
    *,
    app: AppId = None,
    credentials: NewFile = None,
    public: Public = None,
    test: TestKey = False,
    network: Networks = None,
    as_json: AsJson = False,
) -> None:
    """Give an app one more key: first add, then change over, then revoke the old one."""
    known = app_id(app)

    def register(public_key: str) -> Registered:
        made = ctx.obj.post("apps", known, "keys", body=_key(public_key, test, network))
        return made, str(made["id"])

    made, key_name = _with_key(ctx.obj, credentials, public, register)
    say(f"Added key {key_name}{_where(credentials)}.", made, as_json)


@key.command("revoke")
def key_revoke(
    ctx: typer.Context,
    key: Annotated[
        str, typer.Argument(callback=id_texts.KEY, help="Id of the key, with or without the app's before it.")
    ],
    *,
    app: AppId = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Revoke a key: nothing that it signs is accepted any more."""
    of_app, _, id = key.rpartition(".")
    known = of_app or app_id(app)
    with failures_as_lines():
        confirm(f"Revoke key {known}.{id}?", yes=yes)
    ctx.obj.delete("apps", known, "keys", id)
    say(f"Revoked key {known}.{id}.", {"id": f"{known}.{id}", "state": "revoked"}, as_json)


def _key(public: str, test: bool, networks: list[str] | None) -> dict[str, Any]:
    return {"public": public, "test": test} | ({"networks": networks} if networks else {})


Registered = tuple[Answer, str]
"""The service's answer, and the name of the key."""


def _where(credentials: Path | None) -> str:
    return f"; credentials in {credentials}" if credentials else ""


def _with_key(desk: Desk, file: Path | None, public: str | None, register: Callable[[str], Registered]) -> Registered:
    if (file is None) == (public is None):
        raise typer.BadParameter("give either --credentials or --public", param_hint="--credentials")
    return _with_new_key(desk, file, register) if file is not None else register(public or "")


def _with_new_key(desk: Desk, file: Path, register: Callable[[str], Registered]) -> Registered:
    """Make a key, have its public half registered, write the credentials. The file is made first: a key that could
    not be written down would be lost.
    """
    private_key, (url, audience) = IdentityKey.new(secrets.token_bytes), desk.address()
    with failures_as_lines(), _new_file(file) as write:
        made, key_name = register(base64url_text(private_key.public))
        app, _, key_id = key_name.partition(".")
        write(AppCredentials(app, key_id, private_key, url, audience).to_json())
    return made, key_name


@contextmanager
def _new_file(path: Path) -> Generator[Callable[[str], Any]]:
    """Readable by its owner only; removed again if the block fails."""
    try:
        made = os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8")
    except FileExistsError:
        raise CommandFailed("file_exists", f"{path} is there already; a key is never overwritten") from None
    except OSError as error:
        raise CommandFailed("file_unusable", f"{path}: {error.strerror}") from None
    try:
        with made:
            yield made.write
    except BaseException:  # broken off as well: half a file of credentials is none
        path.unlink(missing_ok=True)
        raise
