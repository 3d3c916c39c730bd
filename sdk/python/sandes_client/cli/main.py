"""Implements the commands of `sandes`."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import segno
import typer
from rich.table import Table
from rich.text import Text

from sandes_client.api import ApiError, DeviceEntry
from sandes_client.cli import app_groups, app_webhooks  # noqa: F401  # their commands join those of apps
from sandes_client.cli.apps import apps
from sandes_client.cli.as_json import AsJson, print_json
from sandes_client.cli.commands import CommonOptionsAnywhere, show_version
from sandes_client.cli.display import local_time, readable, table_console, unbadged
from sandes_client.cli.groups import groups
from sandes_client.cli.inbox import inbox
from sandes_client.cli.learn import learn
from sandes_client.cli.outbox import whom, work_off
from sandes_client.cli.people import add_to as add_people_to
from sandes_client.cli.session import (
    COMMON_EPILOG,
    CommandFailed,
    Session,
    complain,
    confirm,
    group_text,
    link_text,
    profile_names,
    recipient_text,
    resolve_known,
    run,
    send_and_report,
)
from sandes_client.cli.texts import refusal_line
from sandes_client.cli.verification import add_to as add_verification_to
from sandes_client.device import DeviceClient
from sandes_client.enrolment import Enrolment
from sandes_client.events import Status
from sandes_client.outgoing import MIN_EXPIRY_SECONDS
from sandes_client.store import Outgoing

T = TypeVar("T")


class _Sandes(CommonOptionsAnywhere):
    common = ("--profile", "--home", "--url", "--socket", "--audience", "--endpoints")


app = typer.Typer(
    cls=_Sandes,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Send and receive Sandes messages from a terminal.",
)
link_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Add another device to an account.", epilog=COMMON_EPILOG
)
app.add_typer(link_app, name="link")
app.add_typer(groups, name="group")
app.add_typer(apps, name="app")
add_people_to(app)
add_verification_to(app)

Recipient = Annotated[
    str,
    typer.Argument(help="Account id, or phone number in international form.", callback=recipient_text, metavar="TO"),
]


@app.callback()
def common(
    ctx: typer.Context,
    *,
    profile: Annotated[
        str,
        typer.Option(help="Local name of the device (profile) that the command uses.", autocompletion=profile_names),
    ] = "default",
    home: Annotated[
        Path | None, typer.Option(envvar="SANDES_HOME", help="Folder with the profiles.", file_okay=False)
    ] = None,
    url: Annotated[str | None, typer.Option(envvar="SANDES_URL", help="Base address of the client API.")] = None,
    socket: Annotated[str | None, typer.Option(envvar="SANDES_SOCKET", help="Address of the websocket.")] = None,
    audience: Annotated[
        str | None, typer.Option(envvar="SANDES_AUDIENCE", help="Audience of tokens, sandes:<stage>.")
    ] = None,
    endpoints: Annotated[
        Path | None,
        typer.Option(
            envvar="SANDES_ENDPOINTS", help="JSON file with http_url, websocket_url and audience.", dir_okay=False
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Keep the options common to all commands."""
    ctx.obj = Session(profile, home, url, socket, audience, endpoints)


@app.command(epilog=COMMON_EPILOG)
def register(
    ctx: typer.Context,
    phone: Annotated[str, typer.Argument(help="Your phone number in international form, like +919876543210.")],
    name: Annotated[str | None, typer.Option(help="Name of this device in the list of devices.")] = None,
) -> None:
    """Register this device with a phone number.

    You get a code by SMS and type it on standard input. The answer `again` requests another SMS. If the number has an
    account already, this device replaces all its devices.
    """
    run(_register(ctx.obj, phone, name))


async def _register(session: Session, phone: str, name: str | None) -> None:
    store = session.open_store()
    try:
        async with Enrolment(store, session.settle_endpoints(store), name=name) as enrolment:
            id = (await enrolment.start(phone)).id
            address = await _with_code(
                lambda code: enrolment.verify(id, code), lambda: enrolment.resend(id), command="sandes register"
            )
    finally:
        store.close()
    typer.echo(f"Registered as device {address.device} of account {address.account}.")


@app.command(epilog=COMMON_EPILOG)
def phone(
    ctx: typer.Context,
    phone: Annotated[str, typer.Argument(help="The new number in international form, like +919876543210.")],
) -> None:
    """Move the account to another phone number.

    You get a code by SMS to the new number and type it on standard input. The answer `again` requests another SMS.
    Account, devices and groups stay as they are.
    """
    run(_phone(ctx.obj, phone))


async def _phone(session: Session, phone: str) -> None:
    async with session.api() as api:
        started = await api.start_registration(phone, "change_phone")
        await _with_code(
            lambda code: api.change_phone(started, code), lambda: api.resend_code(started.id), command="sandes phone"
        )
    typer.echo(f"The number of this account is now {started.phone}.")


async def _with_code(
    give: Callable[[str], Awaitable[T]], resend: Callable[[], Awaitable[object]], *, command: str
) -> T:
    """Ask for the code of an SMS until it is accepted.

    `command` is the command that starts again. Raise ApiError or CommandFailed if another attempt cannot succeed.
    """
    while True:
        code = _ask("Code from the SMS (`again` for another SMS): ")
        try:
            if code == "again":
                await resend()
            elif _CODE.fullmatch(code):
                return await give(code)
            elif _at_terminal():
                complain(f"invalid_code: {_CODE_FORM}")
            else:
                raise CommandFailed("invalid_code", _CODE_FORM)
        except ApiError as error:
            if error.code in _DEAD_CODES:
                raise CommandFailed(error.code, f"{_DEAD_CODES[error.code]}: run `{command} NUMBER` again") from None
            if error.code not in ("code_incorrect", "rate_limited") or not _at_terminal():
                raise
            complain(refusal_line(error))


_CODE = re.compile(r"[0-9]{6}")
_CODE_FORM = "the code has six digits; it is in the SMS"

_DEAD_CODES = {
    "code_expired": "the code has expired",
    "code_locked": "there were too many wrong codes",
    "code_used": "the code was used already",
}
"""Explains the refusals after which no other code is accepted."""


def _ask(question: str) -> str:
    if _at_terminal():
        typer.echo(question, nl=False)
    line = sys.stdin.readline()
    if not line:
        raise CommandFailed("no_code", "the input ended before a code was given")
    return line.strip()


def _at_terminal() -> bool:
    return sys.stdin.isatty()


@link_app.command("show", epilog=COMMON_EPILOG)
def link_show(ctx: typer.Context) -> None:
    """Show a link for another device. It is shown as QR code and text, and the device can join within ten minutes."""
    run(_link_show(ctx.obj))


async def _link_show(session: Session) -> None:
    async with session.api() as api:
        opened = await api.open_link()
    text = opened.code.text
    drawing = io.StringIO()
    segno.make(text, error="m").terminal(out=drawing, compact=True)
    typer.echo(drawing.getvalue())
    typer.echo(text)


@link_app.command("join", epilog=COMMON_EPILOG)
def link_join(
    ctx: typer.Context,
    link: Annotated[
        str,
        typer.Argument(
            help="Text that `sandes link show` printed: sandes-link:<account>:<secret>.", callback=link_text
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of this device in the list of devices.")] = None,
) -> None:
    """Add this device to the account that showed the link."""
    run(_link_join(ctx.obj, link, name))


async def _link_join(session: Session, link: str, name: str | None) -> None:
    store = session.open_store()
    try:
        async with Enrolment(store, session.settle_endpoints(store), name=name) as enrolment:
            address = await enrolment.join(link)
    finally:
        store.close()
    typer.echo(f"Linked as device {address.device} of account {address.account}.")


@app.command(epilog=COMMON_EPILOG)
def devices(
    ctx: typer.Context,
    unlink: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=255,
            help="Number of the device to unlink. It loses the account and the messages that wait for it.",
        ),
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the devices of the account, or unlink one.

    The command asks before it unlinks a device, because the device must then be linked or registered again.
    """
    run(_devices(ctx.obj, unlink, as_json, yes=yes))


async def _devices(session: Session, unlink: int | None, as_json: bool, *, yes: bool) -> None:
    async with session.api() as api:
        listed = await api.devices()
        if unlink is not None:
            entry = next((one for one in listed if one.device == unlink), None)
            if entry is None:
                raise CommandFailed("not_found", f"the account has no device {unlink}")
            confirm(_lost_with(entry, listed), yes=yes)
            await api.unlink(entry.device, entry.registration_id)
            typer.echo(f"Unlinked device {unlink}.")
            return
    if as_json:
        for entry in listed:
            print_json(entry)
        return
    table = Table("device", "name", "platform", "linked", "")
    for entry in listed:
        name, platform = (Text(readable(text.encode())) for text in (entry.name, entry.platform))
        here = "this one" if entry.current else ""
        table.add_row(str(entry.device), name, platform, local_time(entry.linked_at * 1000), here)
    table_console().print(table)


def _lost_with(entry: DeviceEntry, listed: list[DeviceEntry]) -> str:
    """Return the question before a device is unlinked. It says what is lost."""
    if not entry.current:
        return f"Unlink device {entry.device} ({unbadged(entry.name)})? The messages that wait for it are lost."
    only = " and your only one" if len(listed) == 1 else ""
    return f"Device {entry.device} is this one{only}: this profile loses the account. Continue?"


@app.command(epilog=COMMON_EPILOG)
def send(
    ctx: typer.Context,
    to: Recipient,
    text: Annotated[str, typer.Argument(help="Text of the message.")],
    *,
    expires_in: Annotated[
        int | None, typer.Option(min=MIN_EXPIRY_SECONDS, help="Seconds for which an undelivered message is kept.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until a device of the recipient has received the message.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Longest wait in seconds.")] = 30.0,
) -> None:
    """Send a message. A message that the service has not accepted in time stays in the outbox: see `sandes outbox`."""
    if not text:
        raise typer.BadParameter("an empty message is not sent", param_hint="TEXT")
    until = Status.DELIVERED if wait else Status.ACCEPTED
    run(_send(ctx.obj, to, text, expires_in=expires_in, until=until, timeout=timeout))


async def _send(session: Session, to: str, text: str, *, expires_in: int | None, until: Status, timeout: float) -> None:
    async def write(device: DeviceClient) -> Outgoing:
        account = await resolve_known(device, to)
        return device.queue(account, text.encode(errors="replace"), expires_in=expires_in)

    await send_and_report(session, write, until, timeout)


@app.command(epilog=COMMON_EPILOG)
def outbox(
    ctx: typer.Context,
    timeout: Annotated[float, typer.Option(min=0.1, help="Longest wait in seconds.")] = 30.0,
    *,
    as_json: AsJson = False,
) -> None:
    """Send waiting messages, and list the rest.

    Every command that connects (send, group send, inbox, chat) also sends them.
    """
    run(_outbox(ctx.obj, timeout, as_json))


async def _outbox(session: Session, timeout: float, as_json: bool) -> None:
    async with session.connected() as device:
        await work_off(device, device.store.outbox.waiting(), seconds=timeout)
        left = device.store.outbox.waiting()
        for row in left:
            if as_json:
                print_json({"id": row.id, "to": whom(row), "queued_at_ms": row.queued_at_ms, "status": row.status})
            else:
                typer.echo(f"{local_time(row.queued_at_ms)}  to {whom(row)}  {row.id}")
        if left:
            raise CommandFailed("timeout", f"{len(left)} of these still wait after {timeout:g} s")


app.command("inbox", epilog=COMMON_EPILOG)(inbox)


@app.command(epilog=COMMON_EPILOG)
def chat(
    ctx: typer.Context,
    to: Annotated[
        str | None,
        typer.Argument(help="Account id, or phone number in international form.", metavar="TO"),
    ] = None,
    *,
    group: Annotated[str | None, typer.Option(help="Id of a group, instead of TO.")] = None,
) -> None:
    """Chat with one account, or in a group. The chat uses the whole screen, and Ctrl-Q ends it.

    ✔ marks officials whom an organisation has verified. Other people choose their names themselves.
    """
    if (to is None) == (group is None):
        raise typer.BadParameter("name a recipient, or give --group", param_hint="TO")
    run(_chat(ctx.obj, recipient_text(to)) if to is not None else _group_chat(ctx.obj, group_text(group or "")))


async def _chat(session: Session, to: str) -> None:
    from sandes_client.cli.chat import ChatApp
    from sandes_client.cli.conversations import Direct

    _need_screen(session)
    async with session.connected(on_screen=True) as device:
        account = await resolve_known(device, to)
        await learn(device, [account])
        await ChatApp(device, Direct(device, account, to)).run_async()


async def _group_chat(session: Session, group: str) -> None:
    from sandes_client.cli.chat import ChatApp
    from sandes_client.cli.conversations import InGroup

    _need_screen(session)
    async with session.connected(on_screen=True) as device:
        shown = await device.groups.show(group)
        await ChatApp(device, InGroup(device, shown)).run_async()


def _need_screen(session: Session) -> None:
    session.registered_store().close()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandFailed("no_terminal", "chat needs a terminal; use `sandes send` and `sandes inbox --follow`")


def main() -> None:
    app()


if __name__ == "__main__":
    main()
