"""The commands of `sandes-admin`, until administrators have a surface of their own: governance apps here, organisations
and officials in a module of their own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from sandes_client.app import AppCredentials, CredentialsInvalid
from sandes_client.cli import administrators, official_groups, organisations
from sandes_client.cli.audit import audit
from sandes_client.cli.place import EPILOG, AsJson, Place, command_group, say
from sandes_client.cli.session import CommandFailed, check_pairs, failures_as_lines, pairs
from sandes_client.ids import base64url_text
from sandes_client.keys import IdentityKey

SCOPES = ("otp", "msg", "batch", "group", "hook")
admin = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=EPILOG,
    help="What operators do: governance apps with their keys and templates; organisations, units, officials.",
)


def _group(name: str, help: str) -> typer.Typer:
    group = command_group(help)
    admin.add_typer(group, name=name)
    return group


app = _group("app", "Apps, their quotas and guests.")
key = _group("key", "Keys of an app: two live and two test keys at a time.")
template = _group("template", "Approved texts of an app.")
admin.add_typer(organisations.organisation, name="organisation")
admin.add_typer(organisations.unit, name="unit")
admin.add_typer(organisations.person, name="person")
admin.add_typer(official_groups.group, name="group")
admin.add_typer(audit, name="audit")
admin.add_typer(administrators.administrator, name="administrator")
admin.command()(administrators.login)
admin.command()(administrators.logout)
admin.command()(administrators.whoami)


@admin.callback()
def common(
    ctx: typer.Context,
    *,
    endpoints: Annotated[
        Path | None,
        typer.Option(
            envvar="SANDES_ENDPOINTS",
            help="JSON file with http_url, cognito_url, admin_client, audience, operator and, for the local engine, "
            "aws_endpoint.",
            dir_okay=False,
        ),
    ] = None,
    operator: Annotated[
        str | None, typer.Option(envvar="SANDES_OPERATOR", help="Name of the operator's Lambda function.")
    ] = None,
    url: Annotated[str | None, typer.Option(envvar="SANDES_URL", help="Base address of the app API.")] = None,
    audience: Annotated[
        str | None, typer.Option(envvar="SANDES_AUDIENCE", help="Audience of tokens, sandes:<stage>.")
    ] = None,
    session: Annotated[
        Path | None,
        typer.Option(
            envvar="SANDES_ADMIN_SESSION",
            help="File of the sign-in, mode 0600; in the user's data folder if left out.",
            dir_okay=False,
        ),
    ] = None,
) -> None:
    ctx.obj = Place(endpoints, operator, url, audience, session)


AppId = Annotated[
    str | None,
    typer.Option("--app", envvar="SANDES_APP", help="Id of the app; that of SANDES_APP_CREDENTIALS if left out."),
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
Guests = Annotated[
    list[str] | None,
    typer.Option("--guest", metavar="PHONE", help="Number that a trial app or test key may send to, once for each."),
]


@app.command("create")
def app_create(
    ctx: typer.Context,
    *,
    name: Annotated[str, typer.Option(help="What recipients see as the sender.")],
    organisation: Annotated[str, typer.Option(help="Whose app it is.")],
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="|".join(SCOPES), help="What it may do, once for each.")
    ],
    credentials: NewFile = None,
    public: Public = None,
    live: Annotated[bool, typer.Option("--live", help="To anybody, instead of 50 a day to its guests.")] = False,
    sms: Annotated[bool, typer.Option("--sms", help="Its codes may go out by SMS.")] = False,
    guest: Guests = None,
    test_key: Annotated[
        bool, typer.Option("--test-key", help="Make a test key: guests and magic recipients only.")
    ] = False,
    network: Networks = None,
    organisation_id: Annotated[
        str | None, typer.Option(help="Its groups of officials take those of this organisation only.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register an app. If its key is made here, only the public half leaves this machine."""
    _check_scopes(scope)

    def register(public_key: str) -> Registered:
        made = ctx.obj.call(
            "app.create",
            name=name,
            organisation=organisation,
            organisation_id=organisation_id,
            scopes=scope,
            mode="live" if live else "trial",
            sms=sms,
            guests=guest,
            keys=[_key(public_key, test_key, network)],
        )
        return made, str(made["keys"][0]["id"])

    made, key_name = _with_key(ctx.obj, credentials, public, register)
    say(f"Registered app {made['app']} with key {key_name}{_where(credentials)}.", made, as_json)


def _where(credentials: Path | None) -> str:
    return f"; credentials in {credentials}" if credentials else ""


def _check_scopes(scopes: list[str]) -> None:
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise typer.BadParameter(f"a scope is one of {', '.join(SCOPES)}", param_hint="--scope")


def _key(public: str, test: bool, networks: list[str] | None) -> dict[str, Any]:
    return {"public": public, "test": test} | ({"networks": networks} if networks else {})


Registered = tuple[dict[str, Any], str]
"""The operator's answer, and the name of the key."""


def _with_key(place: Place, file: Path | None, public: str | None, register: Callable[[str], Registered]) -> Registered:
    if (file is None) == (public is None):
        raise typer.BadParameter("give either --credentials or --public", param_hint="--credentials")
    if file is not None:
        return _with_new_key(place, file, register)
    with failures_as_lines():
        return register(public or "")


def _with_new_key(place: Place, file: Path, register: Callable[[str], Registered]) -> Registered:
    """Make a key, have its public half registered, write the credentials. The file is made first: a key that could
    not be written down would be lost.
    """
    private_key, (url, audience) = IdentityKey.new(secrets.token_bytes), place.address()
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
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@app.command("show")
def app_show(ctx: typer.Context, *, app: AppId = None, as_json: AsJson = False) -> None:
    """Show what an app may do, its quotas and keys."""
    _change(ctx, "app.show", app, as_json)


@app.command("terms")
def app_terms(
    ctx: typer.Context,
    *,
    app: AppId = None,
    live: Annotated[bool, typer.Option("--live/--trial", help="To anybody, or to its guests only.")],
    per_minute: Annotated[int | None, typer.Option(min=1, help="Quota; the usual one if left out.")] = None,
    per_day: Annotated[int | None, typer.Option(min=1, help="Quota; the usual one if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set whether an app is live or on trial, and its quotas."""
    mode = "live" if live else "trial"
    _change(ctx, "app.terms", app, as_json, mode=mode, per_minute=per_minute, per_day=per_day)


@app.command("guests")
def app_guests(ctx: typer.Context, *, app: AppId = None, guest: Guests = None, as_json: AsJson = False) -> None:
    """Set the guests of an app, in place of those it had."""
    _change(ctx, "app.guests", app, as_json, guests=guest or [])


@key.command("add")
def key_add(
    ctx: typer.Context,
    *,
    app: AppId = None,
    credentials: NewFile = None,
    public: Public = None,
    test: Annotated[bool, typer.Option("--test-key", "--test", help="Guests and magic recipients only.")] = False,
    network: Networks = None,
    as_json: AsJson = False,
) -> None:
    """Give an app one more key: first add, then change over, then revoke the old one."""
    known = _app_id(app)

    def register(public_key: str) -> Registered:
        made = ctx.obj.call("key.add", app=known, **_key(public_key, test, network))
        return made, str(made["key"])

    made, key_name = _with_key(ctx.obj, credentials, public, register)
    say(f"Added key {key_name}{_where(credentials)}.", made, as_json)


@key.command("revoke")
def key_revoke(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="Id of the key, with or without the app's before it.")],
    *,
    app: AppId = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key: nothing that it signs is accepted any more."""
    of_app, _, id = key.rpartition(".")
    _change(ctx, "key.revoke", of_app or app, as_json, key=id)


@template.command("put")
def template_put(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the template, as the app will call it.")],
    *,
    app: AppId = None,
    kind: Annotated[str, typer.Option(metavar="[otp|message]", help="What is sent with it.")],
    text: Annotated[
        list[str],
        typer.Option("--text", callback=check_pairs, metavar="LANGUAGE=TEXT", help="en, and hi or mr if there are."),
    ],
    dlt_entity: Annotated[
        str | None, typer.Option(help="DLT id of the sender; without it nothing goes by SMS.")
    ] = None,
    dlt_template: Annotated[
        list[str] | None,
        typer.Option(callback=check_pairs, metavar="LANGUAGE=ID", help="DLT id of the text in this language."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Approve texts as the next version of a template. Variables stand as {{ name }}, the code as {{ code }}."""
    if kind not in ("otp", "message"):
        raise typer.BadParameter("otp or message", param_hint="--kind")
    with failures_as_lines():
        made = ctx.obj.call(
            "template.put",
            app=_app_id(app),
            name=name,
            kind=kind,
            texts=pairs(text),
            dlt_entity=dlt_entity,
            dlt_templates=pairs(dlt_template),
        )
    say(f"Approved version {made['version']} of {made['template']}.", made, as_json)


def _change(ctx: typer.Context, operation: str, app: str | None, as_json: bool, **parameters: Any) -> None:
    """An operation that answers with the app as it stands then."""
    known = _app_id(app)
    with failures_as_lines():
        shown = ctx.obj.call(operation, app=known, **parameters)
    keys = [f"  key {one['id']}{' (test)' if one['test'] else ''} {' '.join(one['networks'])}" for one in shown["keys"]]
    organisation = " ".join(filter(None, (shown["organisation"], shown.get("organisation_id"))))
    lines = [
        f"{shown['app']} {shown['name']}, {organisation}",
        f"  {shown['mode']}, {shown['per_minute']} a minute, {shown['per_day']} a day, "
        f"{shown['guests']} guests, {'with' if shown['sms'] else 'no'} SMS",
        f"  scopes {' '.join(shown['scopes'])}",
        *(line.rstrip() for line in keys),
    ]
    say("\n".join(lines), shown, as_json)


def _app_id(given: str | None) -> str:
    if given:
        return given
    try:
        return AppCredentials.from_environment().app
    except CredentialsInvalid:
        raise typer.BadParameter(
            "say which app: --app, or SANDES_APP_CREDENTIALS with its credentials file", param_hint="--app"
        ) from None


def main() -> None:
    admin()


if __name__ == "__main__":
    main()
