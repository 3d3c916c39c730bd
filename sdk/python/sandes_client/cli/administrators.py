"""The commands of `sandes-admin` for administrators themselves: making the first ones, signing in and out."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import segno
import typer

from sandes_client.admin import (
    AdminSession,
    AskCode,
    AskNewPassword,
    SetUpAuthenticator,
    SignedIn,
    SignInRefused,
    begin,
)
from sandes_client.admin.cognito import Cognito
from sandes_client.admin.sign_in import Step, revoke
from sandes_client.cli.place import AsJson, Place, command_group, say
from sandes_client.cli.session import CommandFailed, failures_as_lines

TRIES = 3
"""At a code or a new password, before the sign-in ends."""

administrator = command_group("The platform's own administrators, made by operators.")

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The address they sign in with.")]


@administrator.command("create")
def administrator_create(
    ctx: typer.Context,
    email: Email,
    *,
    name: Annotated[str, typer.Option(help="Their name.")],
    unit: Annotated[
        str, typer.Option(help="Name of the unit of the platform they work in; made if there is none of this name.")
    ],
    as_json: AsJson = False,
) -> None:
    """Invite a platform administrator, by e-mail; again, to send the invitation anew. What takes two people takes two
    of different units.
    """
    with failures_as_lines():
        made = ctx.obj.call("administrator.create", email=email, name=name, unit=unit)
    say(f"Invited {email} as administrator {made['administrator']}.", made, as_json)


def login(ctx: typer.Context, email: Email) -> None:
    """Sign in with password and authenticator app, for eight hours; the first time, choose one and set up the other.

    What asks for a fresh sign-in takes one of the last five minutes: sign in again then.
    """
    place: Place = ctx.obj
    with failures_as_lines():
        where = place.admin_endpoints()
        step = _first(Cognito(where.cognito_url, where.client), email)
        while not isinstance(step, SignedIn):
            step = _answered(step)
        AdminSession(email, where.http_url, where.cognito_url, where.client, step.tokens).save(place.session_file())
    typer.echo(f"Signed in as {email}.")


def logout(ctx: typer.Context) -> None:
    """End the sign-in: what is left of its tokens is good for a quarter of an hour at most, and kept nowhere."""
    place: Place = ctx.obj
    with failures_as_lines():
        session = AdminSession.read(place.session_file())
        if session is None:
            raise CommandFailed("not_signed_in", "nobody is signed in here")
        place.session_file().unlink(missing_ok=True)
        try:
            revoke(Cognito(session.cognito_url, session.admin_client), session.tokens)
        except SignInRefused as error:
            raise refusal(error) from None
    typer.echo(f"Signed out {session.email}.")


def whoami(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show who is signed in, and with which roles where."""
    with failures_as_lines(), ctx.obj.admin() as client:
        me = client.me()
    lines = [f"{me['name']} <{me['email']}>, administrator {me['administrator']}", f"  works in {_place(me['home'])}"]
    for one in me["assignments"]:
        until = f" until {one['expires_at']}" if one.get("expires_at") else ""
        lines.append(f"  {one['role']} of {_place(one['place'])}{until}")
    say("\n".join(lines), me, as_json)


def _place(place: dict[str, Any]) -> str:
    whole = place["unit"] == place["organisation"]
    return str(place["organisation"] if whole else f"{place['unit']} in {place['organisation']}")


def refusal(error: SignInRefused) -> CommandFailed:
    texts = {
        "NotAuthorized": ("sign_in_refused", error.message or "not with this password"),
        "CodeMismatch": ("code_incorrect", "the code is wrong"),
        "EnableSoftwareTokenMFA": ("code_incorrect", "the code is wrong; is this machine's clock right?"),
        "ExpiredCode": ("code_used", "the code was used already; wait for the next one"),
        "InvalidPassword": ("password_too_weak", error.message),
        "TooManyRequests": ("rate_limited", "too many attempts; wait a while"),
        "LimitExceeded": ("rate_limited", "too many attempts; wait a while"),
    }
    return CommandFailed(*texts.get(error.code, ("sign_in_refused", error.message or error.code)))


def _first(cognito: Cognito, email: str) -> Step:
    try:
        return begin(cognito, email, typer.prompt("Password", hide_input=True, err=True))
    except SignInRefused as error:
        raise refusal(error) from None


def _answered(step: AskNewPassword | SetUpAuthenticator | AskCode) -> Step:
    """The step after this one: who is asked may be wrong a few times. Raises CommandFailed."""
    if isinstance(step, SetUpAuthenticator):
        _show(step)
    for tried in range(TRIES):
        try:
            return step.answer(_asked(step))
        except SignInRefused as error:
            told = refusal(error)
            if error.code == "NotAuthorized" or tried == TRIES - 1:
                raise told from None
            typer.echo(f"{told}", err=True)
    raise AssertionError("unreachable")


def _asked(step: AskNewPassword | SetUpAuthenticator | AskCode) -> str:
    if isinstance(step, AskNewPassword):
        typer.echo("Choose a password: 12 characters or more, with lower and upper case, digits, symbols.", err=True)
        return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
    return str(typer.prompt("Code of the authenticator app", err=True)).replace(" ", "")


def _show(step: SetUpAuthenticator) -> None:
    """To standard error, as all that is asked: what stands there cannot be piped away by mistake."""
    typer.echo("Set up an authenticator app: let it read this, or type the secret.\n", err=True)
    if sys.stderr.isatty():
        segno.make(step.uri, error="m").terminal(out=sys.stderr, compact=True)
    typer.echo(f"secret: {step.secret}\naddress: {step.uri}\n", err=True)
