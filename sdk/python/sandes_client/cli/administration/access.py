"""Implements `sandes-admin access`: resetting a lost second factor, and changing the authenticator's phone."""

from __future__ import annotations

from typing import Annotated

import typer

from sandes_client.admin import AdminApiError, AdminSession, Cognito
from sandes_client.cli import id_texts
from sandes_client.cli.administration.approvals import asked
from sandes_client.cli.administration.desk import MAX_PAGE, Desk
from sandes_client.cli.administration.options import Reason, Yes
from sandes_client.cli.administration.showing import Answer, AsJson, command_group, examples, lines, say
from sandes_client.cli.administration.sign_in import sign_in
from sandes_client.cli.session import CommandFailed, confirm, failures_as_lines

access = command_group("Manage an administrator's own access: reset a lost second factor, or change the phone.")

AdministratorId = Annotated[
    str,
    typer.Argument(
        metavar="ADMINISTRATOR",
        callback=id_texts.ADMINISTRATOR,
        help="Id of the administrator, as `assignment list` prints it.",
    ),
]


@access.command(
    "reset",
    epilog=examples("access reset 11111111-2222-3333-4444-555555555555 --reason 'phone stolen, identity card seen'"),
)
def access_reset(
    ctx: typer.Context, administrator: AdministratorId, *, reason: Reason, as_json: AsJson = False
) -> None:
    """Request the reset of a lost second factor.

    An officer of another unit approves the request. The administrator gets an e-mail and can object for 24 hours. After
    that, their password and authenticator are replaced, and they get a temporary password. Their roles stay.
    """
    asked(ctx.obj, ctx.obj.post("people", administrator, "access-reset", body={"reason": reason}), as_json)


@access.command("show")
def access_show(ctx: typer.Context, administrator: AdministratorId, *, as_json: AsJson = False) -> None:
    """Show a reset, and when it takes effect. Two officers have approved it."""
    with failures_as_lines():
        try:
            with ctx.obj.admin() as api:
                found = dict(api.get("people", administrator, "access-reset"))
        except AdminApiError as refused:
            if refused.code != "not_found" or (pending := _asked_for(ctx.obj, administrator)) is None:
                raise
            how = f"requested, not approved yet: `sandes-admin approval show {pending}`"
            raise CommandFailed("not_approved", how) from None
    _show(found, as_json)


def _asked_for(desk: Desk, administrator: str) -> str | None:
    """Return the id of the pending approval of a reset, or None."""
    with desk.admin() as api:
        page = api.get("approvals", limit=MAX_PAGE)
    for one in page["approvals"]:
        is_pending = one["state"] == "pending" and one["operation"] == "access.reset"
        if is_pending and one["parameters"]["administrator"] == administrator:
            return str(one["id"])
    return None


@access.command("confirm")
def access_confirm(
    ctx: typer.Context, administrator: AdministratorId, *, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Confirm a reset as a third person.

    Only a platform administrator can do this. It then takes effect within minutes.
    """
    with failures_as_lines():
        confirm(f"Reset the access of {administrator} without waiting for an objection?", yes=yes)
    _show(ctx.obj.post("people", administrator, "access-reset", "confirm"), as_json)


@access.command("withdraw")
def access_withdraw(ctx: typer.Context, administrator: AdministratorId) -> None:
    """Withdraw a reset before it takes effect."""
    ctx.obj.delete("people", administrator, "access-reset")
    typer.echo("The reset was withdrawn.")


@access.command("object")
def access_object(ctx: typer.Context) -> None:
    """Object to the reset of your own access. The reset is then cancelled."""
    ctx.obj.delete("me", "access-reset")
    typer.echo("Your access is not being reset. If a reset was waiting, it is cancelled.")


@access.command("change-authenticator")
def access_change_authenticator(ctx: typer.Context, *, yes: Yes = False) -> None:
    """Set up a new authenticator.

    You need the old one, so do this before you change your phone, for example.

    The command signs you in with the old authenticator, removes it, and signs you in again to set up the new one.
    """
    desk: Desk = ctx.obj
    with failures_as_lines():
        email = desk.get("me")["email"]
        confirm("Remove your authenticator and set up a new one now?", yes=yes)
        desk.delete("me", "authenticator")
        where = desk.admin_endpoints()
        typer.echo("The old authenticator is removed. Sign in again to set up the new one.", err=True)
        tokens = sign_in(Cognito(where.cognito_url, where.client), email)
        AdminSession(email, where.http_url, where.cognito_url, where.client, tokens).save(desk.session_file())
    typer.echo("The new authenticator is set up.")


def _show(reset: Answer, as_json: bool) -> None:
    named = {
        "state": "state",
        "requested_by": "requested by",
        "approved_by": "approved by",
        "approved_at": "approved",
        "effective_at": "takes effect",
        "confirmed_by": "confirmed by",
    }
    say(f"administrator {reset['administrator']}\n{lines(reset, named)}", reset, as_json)
