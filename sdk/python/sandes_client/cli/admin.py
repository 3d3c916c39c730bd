"""Builds the command line `sandes-admin`. Each command calls the HTTPS admin API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sandes_client.cli.administration import (
    access,
    administrators,
    approvals,
    apps,
    assignments,
    complaints,
    groups,
    imports,
    organisations,
    people,
    pepper,
    statistics,
    templates,
)
from sandes_client.cli.administration.desk import Desk
from sandes_client.cli.administration.showing import EPILOG
from sandes_client.cli.audit import audit
from sandes_client.cli.commands import CommonOptionsAnywhere, show_version


class _SandesAdmin(CommonOptionsAnywhere):
    common = ("--endpoints", "--session", "--operator", "--url", "--audience")


admin = typer.Typer(
    cls=_SandesAdmin,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=EPILOG,
    help="Manage organisations and their units, officials, imports, groups, governance apps, roles, approvals, "
    "audit and statistics. Every change is recorded in the audit log. The most important changes need two "
    "people.",
)
admin.command()(administrators.login)
admin.command()(administrators.logout)
admin.command()(administrators.whoami)
admin.command()(administrators.token)
admin.command()(statistics.stats)
for name, group in (
    ("administrator", administrators.administrator),
    ("organisation", organisations.organisation),
    ("officer", organisations.officer),
    ("unit", organisations.unit),
    ("person", people.person),
    ("request", people.request),
    ("import", imports.imports),
    ("group", groups.group),
    ("app", apps.app),
    ("key", apps.key),
    ("template", templates.template),
    ("complaint", complaints.complaint),
    ("assignment", assignments.assignment),
    ("approval", approvals.approval),
    ("access", access.access),
    ("audit", audit),
    ("pepper", pepper.pepper),
):
    admin.add_typer(group, name=name)


@admin.callback()
def common(
    ctx: typer.Context,
    *,
    endpoints: Annotated[
        Path | None,
        typer.Option(
            envvar="SANDES_ENDPOINTS",
            help="JSON file with http_url, cognito_url, admin_client, audience, operator and, for the local "
            "engine, aws_endpoint.",
            dir_okay=False,
        ),
    ] = None,
    session: Annotated[
        Path | None,
        typer.Option(
            envvar="SANDES_ADMIN_SESSION",
            help="File that keeps the sign-in, with mode 0600. Default: a file in the user's data folder.",
            dir_okay=False,
        ),
    ] = None,
    operator: Annotated[
        str | None,
        typer.Option(
            envvar="SANDES_OPERATOR", help="The operators' Lambda function. Only `administrator` and `pepper` use it."
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            envvar="SANDES_URL", help="Base address of the app API. It is written into the credentials of apps."
        ),
    ] = None,
    audience: Annotated[
        str | None,
        typer.Option(
            envvar="SANDES_AUDIENCE",
            help="Audience of tokens, sandes:<stage>. It is written into the credentials of apps.",
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    ctx.obj = Desk(endpoints, operator, url, audience, session)
    ctx.call_on_close(ctx.obj.close)


def main() -> None:
    admin()


if __name__ == "__main__":
    main()
