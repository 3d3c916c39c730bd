"""Implements the commands of `sandes-admin` for platform administrators, and for signing in and out."""

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

administrator = command_group("Create and remove platform administrators. Only operators can do this.")

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="E-mail address with which the administrator signs in.")]


@administrator.command("create")
def administrator_create(
    ctx: typer.Context,
    email: Email,
    *,
    name: Annotated[str, typer.Option(help="Name of the administrator.")],
    unit: Annotated[
        str,
        typer.Option(
            help="Name of the platform unit in which the administrator works. If there is no such unit, it is created."
        ),
    ],
    role: Annotated[
        str,
        typer.Option(
            callback=one_of(*ROLES),
            metavar="|".join(ROLES),
            help="Role of the administrator. A nodal_officer grants roles at the platform, and an auditor reads its "
            "audit log. Neither can also be platform_admin.",
        ),
    ] = ROLES[0],
    as_json: AsJson = False,
) -> None:
    """Invite a platform administrator by e-mail.

    If they exist, the invitation is sent again. An approval needs two administrators of different units.
    """
    with failures_as_lines():
        made = ctx.obj.operate("administrator.create", email=email, name=name, unit=unit, role=role)
    say("\n".join(told_of(made, email, unit)), made, as_json)


def told_of(made: Answer, email: str, unit: str) -> list[str]:
    """Return lines that say what changed. They name the unit, so that the operator notices a mistyped name."""
    who = f"administrator {made['administrator']}"
    if made["done"] == "create":
        lines = [f"Invited {email} as {who}."]
    elif made["done"] == "invite":
        lines = [f"{email} already exists, as {who}. A new invitation was sent, unless they have signed in."]
    else:
        lines = [f"{email} already exists, as {who}. The name was changed from {text(made['name_before'])}."]
    if made.get("unit_before") not in (None, made["unit"]):
        lines.append(f"They now work in {unit}. Their unit before was {made['unit_before']}.")
    if made["unit_made"]:
        lines.append(f"The unit {unit} is new.")
    return lines


@administrator.command("remove")
def administrator_remove(
    ctx: typer.Context,
    who: Annotated[
        str, typer.Argument(metavar="EMAIL|ADMINISTRATOR", help="E-mail address or id of the administrator.")
    ],
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove all roles of an administrator. This takes effect immediately, and ends their sign-in."""
    with failures_as_lines():
        confirm(f"Remove all roles of {who}?", yes=yes)
        done = ctx.obj.operate("administrator.remove", **{"email" if "@" in who else "administrator": who})
    say(f"Removed administrator {done['administrator']}, who had {counted(done['roles'], 'role')}.", done, as_json)


def login(ctx: typer.Context, email: Email) -> None:
    """Sign in with password and authenticator app. The sign-in lasts eight hours.

    At the first sign-in, you choose a password and set up the authenticator. Some commands need a sign-in within the
    last five minutes. Sign in again for them.
    """
    desk: Desk = ctx.obj
    email = email.lower()  # the pool stores addresses in lower case
    with failures_as_lines():
        where = desk.admin_endpoints()
        tokens = sign_in(Cognito(where.cognito_url, where.client), email)
        AdminSession(email, where.http_url, where.cognito_url, where.client, tokens).save(desk.session_file())
    typer.echo(f"Signed in as {email}.")


def logout(ctx: typer.Context) -> None:
    """End the sign-in and delete its tokens. An access token stays valid for at most a quarter of an hour."""
    desk: Desk = ctx.obj
    with failures_as_lines():
        session = AdminSession.read(desk.session_file())
        if session is None:
            raise CommandFailed("not_signed_in", "nobody is signed in on this machine")
        try:
            revoke(Cognito(session.cognito_url, session.admin_client), session.tokens)
        except SignInRefused as error:
            desk.session_file().unlink(missing_ok=True)
            raise refusal(error) from None
        except Unreachable as error:
            raise CommandFailed("unreachable", f"{error}; you are still signed in, so run this again") from None
        desk.session_file().unlink(missing_ok=True)
    typer.echo(f"Signed out {session.email}.")


def token(ctx: typer.Context) -> None:
    """Print an access token for calls by hand. It is valid for at most a quarter of an hour.

    Example: curl --oauth2-bearer "$(sandes-admin token)" "$HTTP_URL/admin/v1/me"
    """
    with failures_as_lines(), ctx.obj.admin() as client:
        client.refresh()
        typer.echo(client.tokens.access)


def whoami(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show who is signed in, with their roles. Each role is shown with its unit."""
    me = ctx.obj.get("me")
    lines = [f"{me['name']} <{me['email']}>, administrator {me['administrator']}", f"  works in {_place(me['home'])}"]
    for one in me["assignments"]:
        until = f" until {at(one['expires_at'])}" if one.get("expires_at") else ""
        lines.append(f"  {one['role']} of {_place(one['place'])}{until}")
    say("\n".join(lines), me, as_json)


def _place(place: Answer) -> str:
    """Return the names of a place with the ids that commands accept."""
    organisation = _named(place["organisation"], place.get("organisation_name"))
    whole = place["unit"] == place["organisation"]
    return organisation if whole else f"{_named(place['unit'], place.get('unit_name'))} in {organisation}"


def _named(id: str, name: str | None) -> str:
    return f"{text(name)} ({id})" if name else id
