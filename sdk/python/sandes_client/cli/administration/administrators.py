"""The commands of `sandes-admin` for administrators themselves: the platform's own ones, signing in and out."""

from __future__ import annotations

from typing import Annotated

import typer

from sandes_client.admin import AdminSession, Cognito, SignInRefused
from sandes_client.admin.sign_in import revoke
from sandes_client.api import Unreachable
from sandes_client.cli.administration.desk import Desk
from sandes_client.cli.administration.options import Yes
from sandes_client.cli.administration.showing import Answer, AsJson, at, command_group, counted, one_of, say, text
from sandes_client.cli.administration.sign_in import refusal, sign_in
from sandes_client.cli.session import CommandFailed, confirm, failures_as_lines

ROLES = ("platform_admin", "nodal_officer", "auditor")

administrator = command_group("The platform's own administrators, made and removed by operators.")

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
    role: Annotated[
        str,
        typer.Option(
            callback=one_of(*ROLES),
            metavar="|".join(ROLES),
            help="Or who watches over platform administrators, or grants roles at the platform: never one of them.",
        ),
    ] = ROLES[0],
    as_json: AsJson = False,
) -> None:
    """Invite a platform administrator, by e-mail; again, to send the invitation anew. What takes two people takes two
    of different units.
    """
    with failures_as_lines():
        made = ctx.obj.operate("administrator.create", email=email, name=name, unit=unit, role=role)
    say("\n".join(told_of(made, email, unit)), made, as_json)


def told_of(made: Answer, email: str, unit: str) -> list[str]:
    """What was done to make somebody an administrator of the platform: whoever types a unit wrong is to see it."""
    who = f"administrator {made['administrator']}"
    if made["done"] == "create":
        lines = [f"Invited {email} as {who}."]
    elif made["done"] == "invite":
        lines = [f"{email} was there already, as {who}: invited once more, unless they have signed in."]
    else:
        lines = [f"{email} was there already, as {who} by the name of {text(made['name_before'])}: changed."]
    if made.get("unit_before") not in (None, made["unit"]):
        lines.append(f"They work in {unit} now, in another unit than before ({made['unit_before']}).")
    if made["unit_made"]:
        lines.append(f"The unit {unit} is new.")
    return lines


@administrator.command("remove")
def administrator_remove(
    ctx: typer.Context,
    who: Annotated[str, typer.Argument(metavar="EMAIL|ADMINISTRATOR", help="The address they sign in with, or id.")],
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take all roles of somebody who works at the platform away, at once, and end their sign-in."""
    with failures_as_lines():
        confirm(f"Take all roles of {who} away?", yes=yes)
        done = ctx.obj.operate("administrator.remove", **{"email" if "@" in who else "administrator": who})
    say(f"Removed administrator {done['administrator']}, who had {counted(done['roles'], 'role')}.", done, as_json)


def login(ctx: typer.Context, email: Email) -> None:
    """Sign in with password and authenticator app, for eight hours; the first time, choose one and set up the other.

    What asks for a fresh sign-in takes one of the last five minutes: sign in again then.
    """
    desk: Desk = ctx.obj
    email = email.lower()  # as the pool has it, whatever the deployment does about case
    with failures_as_lines():
        where = desk.admin_endpoints()
        tokens = sign_in(Cognito(where.cognito_url, where.client), email)
        AdminSession(email, where.http_url, where.cognito_url, where.client, tokens).save(desk.session_file())
    typer.echo(f"Signed in as {email}.")


def logout(ctx: typer.Context) -> None:
    """End the sign-in: what is left of its tokens is good for a quarter of an hour at most, and kept nowhere."""
    desk: Desk = ctx.obj
    with failures_as_lines():
        session = AdminSession.read(desk.session_file())
        if session is None:
            raise CommandFailed("not_signed_in", "nobody is signed in here")
        try:
            revoke(Cognito(session.cognito_url, session.admin_client), session.tokens)
        except SignInRefused as error:
            desk.session_file().unlink(missing_ok=True)
            raise refusal(error) from None
        except Unreachable as error:
            raise CommandFailed("unreachable", f"{error}; you are still signed in, so run this once more") from None
        desk.session_file().unlink(missing_ok=True)
    typer.echo(f"Signed out {session.email}.")


def token(ctx: typer.Context) -> None:
    """Print an access token of who is signed in, for a call by hand: good for a quarter of an hour at most.

    Example: curl --oauth2-bearer "$(sandes-admin token)" "$HTTP_URL/admin/v1/me"
    """
    with failures_as_lines(), ctx.obj.admin() as client:
        client.refresh()
        typer.echo(client.tokens.access)


def whoami(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show who is signed in, and with which roles where."""
    me = ctx.obj.get("me")
    lines = [f"{me['name']} <{me['email']}>, administrator {me['administrator']}", f"  works in {_place(me['home'])}"]
    for one in me["assignments"]:
        until = f" until {at(one['expires_at'])}" if one.get("expires_at") else ""
        lines.append(f"  {one['role']} of {_place(one['place'])}{until}")
    say("\n".join(lines), me, as_json)


def _place(place: Answer) -> str:
    """Names, with the ids that commands take."""
    organisation = _named(place["organisation"], place.get("organisation_name"))
    whole = place["unit"] == place["organisation"]
    return organisation if whole else f"{_named(place['unit'], place.get('unit_name'))} in {organisation}"


def _named(id: str, name: str | None) -> str:
    return f"{text(name)} ({id})" if name else id
