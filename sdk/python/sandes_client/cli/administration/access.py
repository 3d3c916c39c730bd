"""`sandes-admin access`: a lost second factor, and the planned change of the phone that it is on."""

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

access = command_group("An administrator's own access: a lost second factor, a new phone.")

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
    """Ask for a new start for somebody who has lost the second factor.

    An officer of another unit approves it. The person is told by e-mail and can object for 24 hours; then their
    password and authenticator are replaced, and they are sent a temporary password. Their roles stay.
    """
    asked(ctx.obj, ctx.obj.post("people", administrator, "access-reset", body={"reason": reason}), as_json)


@access.command("show")
def access_show(ctx: typer.Context, administrator: AdministratorId, *, as_json: AsJson = False) -> None:
    """Show a reset that two officers have agreed on, and when it takes effect."""
    with failures_as_lines():
        try:
            with ctx.obj.admin() as api:
                found = dict(api.get("people", administrator, "access-reset"))
        except AdminApiError as refused:
            if refused.code != "not_found" or (pending := _asked_for(ctx.obj, administrator)) is None:
                raise
            how = f"asked for, not approved yet: `sandes-admin approval show {pending}`"
            raise CommandFailed("not_approved", how) from None
    _show(found, as_json)


def _asked_for(desk: Desk, administrator: str) -> str | None:
    """Return the id of the approval that asks for a reset and is pending."""
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
    """As a third person, a platform administrator, end the waiting: the reset takes effect within minutes."""
    with failures_as_lines():
        confirm(f"Reset the access of {administrator} without waiting for an objection?", yes=yes)
    _show(ctx.obj.post("people", administrator, "access-reset", "confirm"), as_json)


@access.command("withdraw")
def access_withdraw(ctx: typer.Context, administrator: AdministratorId) -> None:
    """Take a reset back before it takes effect."""
    ctx.obj.delete("people", administrator, "access-reset")
    typer.echo("The reset was taken back.")


@access.command("object")
def access_object(ctx: typer.Context) -> None:
    """Object to the reset of your own access: nothing is replaced."""
    ctx.obj.delete("me", "access-reset")
    typer.echo("Your access is not being reset: if a reset was waiting, it is cancelled.")


@access.command("change-authenticator")
def access_change_authenticator(ctx: typer.Context, *, yes: Yes = False) -> None:
    """Set up a new authenticator while you still have the old one, for example before you change your phone.

    The command signs you in with the old one, removes it, and signs you in once more to set up the new one.
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
        "requested_by": "asked for by",
        "approved_by": "approved by",
        "approved_at": "approved",
        "effective_at": "takes effect",
        "confirmed_by": "confirmed by",
    }
    say(f"administrator {reset['administrator']}\n{lines(reset, named)}", reset, as_json)
