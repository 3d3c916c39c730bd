"""Implements `sandes-admin app`, `key` and `app webhook`: an organisation's apps, their terms, keys and webhooks."""

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

app = command_group("Manage governance apps: their terms, guests and webhooks.")
key = command_group("Manage the keys of an app. An app has at most two live and two test keys.")
webhook = command_group("Manage the addresses to which the service sends events about an app's messages.")
app.add_typer(webhook, name="webhook")

AppId = Annotated[
    str | None,
    typer.Option(
        "--app",
        envvar="SANDES_APP",
        callback=id_texts.APP,
        help="Id of the app. Default: the app of SANDES_APP_CREDENTIALS.",
    ),
]
Networks = Annotated[
    list[str] | None,
    typer.Option(
        "--network",
        metavar="CIDR",
        help="Network from which the key may be used. Repeat it for each network. Default: all networks.",
    ),
]
NewFile = Annotated[
    Path | None,
    typer.Option(
        "--credentials", dir_okay=False, help="Create the key here, and write it to this file with mode 0600."
    ),
]
Public = Annotated[
    str | None,
    typer.Option("--public", metavar="KEY", help="Public half, base64url, of a key that the app's owner created."),
]
TestKey = Annotated[
    bool, typer.Option("--test-key", "--test", help="The key reaches guests and magic recipients only.")
]
WebhookId = Annotated[
    str,
    typer.Argument(metavar="WEBHOOK", callback=id_texts.WEBHOOK_OF_APP, help="Id of the webhook, as `list` shows it."),
]
Guests = Annotated[
    list[str] | None,
    typer.Option(
        "--guest", metavar="PHONE", help="Number to which a trial app or test key may send. Repeat it for each number."
    ),
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
    """Return the id of the named app, or that of the credentials. Raise BadParameter."""
    if named:
        return named
    try:
        return AppCredentials.from_environment().app
    except CredentialsInvalid:
        raise typer.BadParameter(
            "name the app: give --app, or set SANDES_APP_CREDENTIALS to its credentials file", param_hint="--app"
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
    name: Annotated[str, typer.Option(help="Name that recipients see as the sender.")],
    scope: Annotated[
        list[str],
        typer.Option(
            callback=_check_scopes, metavar="|".join(SCOPES), help="Scope of the app. Repeat it for each scope."
        ),
    ],
    organisation: OfOrganisation = None,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            callback=id_texts.UNIT,
            help="Unit of the app. Default: the organisation.",
        ),
    ] = None,
    sms: Annotated[bool, typer.Option("--sms", help="Allow the app to send OTPs by SMS.")] = False,
    guest: Guests = None,
    credentials: NewFile = None,
    public: Public = None,
    test_key: TestKey = False,
    network: Networks = None,
    as_json: AsJson = False,
) -> None:
    """Register an app on trial. If you create its key here, only the public half leaves this machine."""
    place = ctx.obj.target("apps", organisation, unit)

    def register(public_key: str) -> Registered:
        body = given(**place, name=name, scopes=scope, sms=sms, guests=guest)
        made = ctx.obj.post("apps", body=body | {"key": _key(public_key, test_key, network)})
        return made, str(made["keys"][0]["id"])

    made, key_name = _with_key(ctx.obj, credentials, public, register)
    say(f"Registered app {made['app']} with key {key_name}{_where(credentials)}.", made, as_json)


@app.command("show")
def app_show(ctx: typer.Context, *, app: AppId = None, as_json: AsJson = False) -> None:
    """Show an app's scopes, quotas and keys."""
    _show(ctx.obj.get("apps", app_id(app)), as_json)


@app.command("change", epilog=examples("app change --app ppppppppppppa --scope otp --no-sms"))
def app_change(
    ctx: typer.Context,
    *,
    app: AppId = None,
    name: Annotated[str | None, typer.Option(help="New name.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            callback=_check_scopes,
            metavar="|".join(SCOPES),
            help="New scopes, which replace the old ones. Repeat it for each scope.",
        ),
    ] = None,
    sms: Annotated[bool | None, typer.Option("--sms/--no-sms", help="Whether the app may send OTPs by SMS.")] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            callback=id_texts.UNIT,
            help="New unit.",
        ),
    ] = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Change an app's name, scopes, SMS or unit. For a live app, a new name or more rights need an approval."""
    body = given(name=name, scopes=scope or None, sms=sms, unit=unit)
    if not body:
        raise typer.BadParameter("say what to change", param_hint="--name, --scope, --sms, --unit")
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
    """Set the guests of an app, which replace the old ones. Without --guest, the command asks, then removes all."""
    known = app_id(app)
    with failures_as_lines():
        confirm(f"Leave app {known} without guests?", yes=yes or bool(guest))
    _show(ctx.obj.put("apps", known, "guests", body={"guests": guest or []}, version=version), as_json)


@app.command("go-live")
def app_go_live(ctx: typer.Context, *, app: AppId = None, as_json: AsJson = False) -> None:
    """Request that an app goes live. It may then send to anybody."""
    asked(ctx.obj, ctx.obj.post("apps", app_id(app), "go-live"), as_json)


@app.command("quota", epilog=examples("app quota --app ppppppppppppa --per-minute 6000 --per-day 500000"))
def app_quota(
    ctx: typer.Context,
    *,
    app: AppId = None,
    per_minute: Annotated[int, typer.Option(min=1, help="Messages per minute.")],
    per_day: Annotated[int, typer.Option(min=1, help="Messages per day.")],
    as_json: AsJson = False,
) -> None:
    """Request other quotas for a live app."""
    body = {"per_minute": per_minute, "per_day": per_day}
    asked(ctx.obj, ctx.obj.post("apps", app_id(app), "quota", body=body), as_json)


@app.command("trial")
def app_trial(ctx: typer.Context, *, app: AppId = None, reason: Reason, as_json: AsJson = False) -> None:
    """Put a live app back on trial immediately. It then sends to its guests only."""
    _show(ctx.obj.post("apps", app_id(app), "trial", body={"reason": reason}), as_json)


def _show(shown: Answer, as_json: bool) -> None:
    keys = [f"  key {one['id']}{' (test)' if one['test'] else ''} {' '.join(one['networks'])}" for one in shown["keys"]]
    lines = [
        f"{shown['app']} {text(shown['name'])}, version {shown['version']}",
        f"  of unit {shown['unit']}, organisation {shown['organisation']}",
        (
            f"  {shown['mode']}, {shown['per_minute']} per minute, {shown['per_day']} per day, "
            f"{counted(shown['guests'], 'guest')}, {'with' if shown['sms'] else 'no'} SMS, "
            f"{counted(shown['webhooks'], 'webhook')}"
        ),
        f"  scopes {' '.join(shown['scopes'])}",
        *(line.rstrip() for line in keys),
    ]
    say("\n".join(lines), shown, as_json)


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
    url: Annotated[str, typer.Argument(help="Public https address to which events are sent.")],
    *,
    app: AppId = None,
    event: Annotated[
        list[str],
        typer.Option(
            callback=_check_events, metavar="EVENT", help=f"Event to send. Repeat it for each of {EVENT_NAMES}."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Register a webhook. Its secret is shown only now."""
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
    url: Annotated[str | None, typer.Option(help="New https address.")] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(
            callback=_check_events,
            metavar="EVENT",
            help=f"New events, which replace the old ones. Repeat it for each of {EVENT_NAMES}.",
        ),
    ] = None,
    paused: Annotated[
        bool | None,
        typer.Option("--pause/--resume", help="Pause the webhook, or resume it. Events of the pause are never sent."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change, pause or resume a webhook. A new address or other events need a fresh sign-in."""
    body = given(url=url, events=event or None, paused=paused)
    if not body:
        raise typer.BadParameter("say what to change", param_hint="--url, --event, --pause, --resume")
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
    """Remove a webhook. The service then sends no events to it."""
    with failures_as_lines():
        confirm(f"Remove webhook {webhook}?", yes=yes)
    ctx.obj.delete("apps", app_id(app), "webhooks", webhook)
    say(f"Removed webhook {webhook}.", {"id": webhook, "state": "removed"}, as_json)


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
    """Add a key to an app. Add the new key first, change over to it, and then revoke the old one."""
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
        str, typer.Argument(callback=id_texts.KEY, help="Id of the key, with or without the app's id before it.")
    ],
    *,
    app: AppId = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Revoke a key. The service then accepts nothing that it signs."""
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
    """Create a key, register its public half, and write the credentials.

    The file is created first, because a key that cannot be written would be lost.
    """
    private_key, (url, audience) = IdentityKey.new(secrets.token_bytes), desk.address()
    with failures_as_lines(), _new_file(file) as write:
        made, key_name = register(base64url_text(private_key.public))
        app, _, key_id = key_name.partition(".")
        write(AppCredentials(app, key_id, private_key, url, audience).to_json())
    return made, key_name


@contextmanager
def _new_file(path: Path) -> Generator[Callable[[str], Any]]:
    """Create a file that only its owner can read. Remove it again if the block fails."""
    try:
        made = os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8")
    except FileExistsError:
        raise CommandFailed("file_exists", f"{path} exists already; a key is never overwritten") from None
    except OSError as error:
        raise CommandFailed("file_unusable", f"{path}: {error.strerror}") from None
    try:
        with made:
            yield made.write
    except BaseException:  # also after Ctrl-C: a half-written file of credentials is useless
        path.unlink(missing_ok=True)
        raise
