"""Implements `sandes verification` and `sandes report`: requests to be verified, and complaints."""

from __future__ import annotations

from typing import Annotated, cast, get_args

import typer
from rich.console import Console
from rich.text import Text

from sandes_client.cli import id_texts
from sandes_client.cli.as_json import AsJson, print_json
from sandes_client.cli.commands import renamed
from sandes_client.cli.display import local_time
from sandes_client.cli.session import COMMON_EPILOG, Session, resolve, run
from sandes_client.people import ReportCategory
from sandes_client.verification_requests import VerificationRequest

verification_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Ask an organisation to verify you.", epilog=COMMON_EPILOG
)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(verification_app, name="verification")
    app.command("report", epilog=COMMON_EPILOG)(report)


@verification_app.command("request", epilog=COMMON_EPILOG)
def request(
    ctx: typer.Context,
    organisation: Annotated[
        str,
        typer.Argument(
            callback=id_texts.TOLD_ORGANISATION,
            help="Id of the organisation.",
        ),
    ],
    *,
    name: Annotated[str, typer.Option(help="Your name.")],
    post: Annotated[str, typer.Option(help="Your post.")],
    unit: Annotated[
        str | None,
        typer.Option(callback=id_texts.TOLD_UNIT, help="Id of your unit. Default: the organisation itself."),
    ] = None,
    email: Annotated[str | None, typer.Option(help="Your e-mail address at work.")] = None,
) -> None:
    """Ask an organisation to verify you.

    It can also renew your verification. You can have one request at each organisation.
    """
    run(_request(ctx.obj, organisation, {"name": name, "post": post, "unit": unit, "email": email}))


async def _request(session: Session, organisation: str, said: dict[str, str | None]) -> None:
    async with session.device() as device:
        made = await device.people.ask_for_verification(
            organisation,
            name=cast("str", said["name"]),
            post=cast("str", said["post"]),
            unit=said["unit"],
            email=said["email"],
        )
    typer.echo(f"Requested; {made.id}, until {local_time(made.lapses_at * 1000)}.")


@verification_app.command("list", epilog=COMMON_EPILOG)
def requests(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show your requests and their results."""
    run(_requests(ctx.obj, as_json))


async def _requests(session: Session, as_json: bool) -> None:
    async with session.device() as device:
        found = await device.people.verification_requests()
    if as_json:
        for one in found:
            print_json(one)
        return
    console = Console(soft_wrap=True, highlight=False)
    for one in found:
        console.print(Text(_line(one)))
    if not found:
        typer.echo("You have no requests.")


def _line(request: VerificationRequest) -> str:
    said = f"{request.id}  {request.organisation}  {request.state}  {request.name}, {request.post}"
    when = local_time((request.decided_at or request.requested_at) * 1000)
    return f"{said}  {when}" + (f"  {request.reason}" if request.reason else "")


renamed(verification_app, "withdraw", "cancel REQUEST")


@verification_app.command("cancel", epilog=COMMON_EPILOG)
def cancel(
    ctx: typer.Context,
    id: Annotated[
        str,
        typer.Argument(
            callback=id_texts.OWN_REQUEST,
            help="Id of the request.",
        ),
    ],
) -> None:
    """Cancel a request that is not decided yet."""
    run(_cancel(ctx.obj, id))


async def _cancel(session: Session, id: str) -> None:
    async with session.device() as device:
        await device.people.withdraw_request(id)
    typer.echo("Cancelled.")


def report(
    ctx: typer.Context,
    *,
    category: Annotated[str, typer.Option(help="spam, abuse, impersonation, fraud or other.")],
    who: Annotated[str | None, typer.Option(help="An account id or phone number.")] = None,
    group: Annotated[str | None, typer.Option(callback=id_texts.GROUP, help="Id of a group.")] = None,
    app: Annotated[str | None, typer.Option(callback=id_texts.APP_OF_MESSAGES, help="Id of an app.")] = None,
    text: Annotated[str, typer.Option(help="What happened, in at most 1,000 characters.")] = "",
) -> None:
    """Complain about a person, a group or an app. Nobody learns who complained."""
    if category not in get_args(ReportCategory):
        raise typer.BadParameter(f"must be one of {', '.join(get_args(ReportCategory))}", param_hint="--category")
    if sum(one is not None for one in (who, group, app)) != 1:
        raise typer.BadParameter("give exactly one of --who, --group and --app", param_hint="--who")
    run(_report(ctx.obj, {"who": who, "group": group, "app": app}, cast("ReportCategory", category), text))


async def _report(session: Session, about: dict[str, str | None], category: ReportCategory, text: str) -> None:
    async with session.device() as device:
        account = await resolve(device.api, about["who"]) if about["who"] else None
        await device.people.report(
            account=account, group=about["group"], app=about["app"], category=category, text=text
        )
    typer.echo("Reported.")
