"""Implements `sandes inbox`: messages that were not shown yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer
from rich.text import Text

from sandes_client.api import ApiError, Unreachable
from sandes_client.cli.as_json import AsJson, print_json
from sandes_client.cli.display import (
    app_message_line,
    event_text,
    local_time,
    message_line,
    readable,
    refusal_text,
    unbadged,
)
from sandes_client.cli.learn import PATIENCE_SECONDS, label, learn
from sandes_client.cli.session import LOOK_SECONDS, CommandFailed, Output, Session, run
from sandes_client.device import DeviceClient
from sandes_client.events import (
    AppMessage,
    ConnectionChanged,
    EnvelopeRefused,
    Event,
    GroupEvent,
    GroupMessageReceived,
    MessageReceived,
    NoticeReceived,
    OtpReceived,
    State,
    Voided,
)
from sandes_client.ids import AppSender, GroupId
from sandes_client.link import DeviceStopped
from sandes_client.store import StoredGroupMessage

_SHOWN = MessageReceived | NoticeReceived | OtpReceived | GroupMessageReceived | GroupEvent

GONE = "(this message expired before it was fetched)"


def inbox(
    ctx: typer.Context,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Keep running, and show messages as they arrive.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Show at most this many, the oldest first. The others stay for later.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Longest wait for the service, in seconds.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Fetch and show new messages.

    They include those of groups, and the notices and codes of governance apps.

    Each line has the id of its author, with which you can write to, block or report them. Except in groups, authors get
    a read receipt. A code becomes invalid when it is used, replaced, cancelled or expired. The command also sends the
    messages in the outbox.
    """
    if follow and limit is not None:
        raise typer.BadParameter("give either --follow or --limit", param_hint="--limit")
    run(_inbox(ctx.obj, follow, timeout, limit=limit, as_json=as_json))


async def _inbox(session: Session, follow: bool, timeout: float, *, limit: int | None, as_json: bool) -> None:
    async with session.connected() as device:
        events = device.events()
        refused = sum(one.count for one in device.store.service_keys.refusals())
        try:
            async with asyncio.timeout(timeout):
                await _fetched(device)
                await device.settled()
                await show_unshown(device, limit=limit, as_json=as_json)
                refused = _show_refused(device, refused)
                await device.settled()
        except TimeoutError:
            await show_unshown(device, limit=limit, as_json=as_json)
            raise CommandFailed("timeout", f"the service did not answer in {timeout:g} s") from None
        except Unreachable:
            await show_unshown(device, limit=limit, as_json=as_json)
            raise
        if follow:
            cut = False
            async for event in events:
                cut = _tell_of_cut(event, cut)
                if isinstance(event, _SHOWN):
                    await show_unshown(device, as_json=as_json)
                elif isinstance(event, Voided):
                    _show_voided(device, event, as_json=as_json)
                elif isinstance(event, EnvelopeRefused):
                    refused = _show_refused(device, refused)
            raise DeviceStopped(device.state)


async def _fetched(device: DeviceClient) -> None:
    """Wait until everything that the service had stored has arrived.

    Without a connection, ask the HTTPS API once, which gives the reason. Raise Unreachable or DeviceStopped.
    """
    fetching = asyncio.ensure_future(device.drained())
    try:
        await asyncio.wait({fetching}, timeout=LOOK_SECONDS)  # the state is WAITING before the first attempt, too
        while not fetching.done() and device.state is not State.WAITING:
            await asyncio.wait({fetching}, timeout=LOOK_SECONDS)
        if not fetching.done():
            with suppress(ApiError):
                await device.api.me()
        await fetching
    finally:
        fetching.cancel()


def _tell_of_cut(event: Event, cut: bool) -> bool:
    """Report once that the connection is lost, and once that it is back. Return whether it is lost."""
    if not isinstance(event, ConnectionChanged):
        return cut
    if event.state is State.WAITING and not cut:
        typer.echo("There is no connection to the service. The command keeps trying.", err=True)
        return True
    if event.state is State.CONNECTED and cut:
        typer.echo("Connected again.", err=True)
        return False
    return cut


def _show_refused(device: DeviceClient, before: int) -> int:
    """Report refused envelopes if there are more than `before`. Return their number."""
    count = sum(one.count for one in device.store.service_keys.refusals())
    if count > before:
        typer.echo(refusal_text(count - before), err=True)
    return count


async def show_unshown(device: DeviceClient, *, limit: int | None = None, as_json: bool = False) -> None:
    """Print unshown messages, the oldest first, at most `limit`.

    A message counts as shown once it is printed.

    Raise BrokenPipeError if nobody reads the output.
    """
    store = device.store
    messages: list[MessageReceived | AppMessage | GroupMessageReceived | GroupEvent] = []
    messages += [stored.received for stored in store.inbox.unshown()]
    messages += [stored.received for stored in store.app_inbox.unshown(now_ms=device.clock.now_ms())]
    messages += [
        stored.received if isinstance(stored, StoredGroupMessage) else stored.event
        for stored in store.group_inbox.unshown()
    ]
    messages = sorted(messages, key=lambda message: message.at_ms)[:limit]
    if not as_json:
        await learn(device, _people_in(messages))
        await _learn_groups(device, messages)
    console = Output()
    for message in messages:
        if as_json:
            print_json(message, type=_TYPES[type(message)])
        else:
            console.print(_line_of(device, message))
        match message:
            case MessageReceived():
                device.mark_read(message.sender.account, [message.id])
            case GroupMessageReceived() | GroupEvent():
                device.groups.mark_shown(message.group, [message.id])
            case _:
                device.mark_app_messages_read(message.app.app, [message.id])


_TYPES: dict[type, str] = {
    MessageReceived: "message",
    NoticeReceived: "notice",
    OtpReceived: "otp",
    GroupMessageReceived: "group_message",
    GroupEvent: "group_event",
}


def _line_of(device: DeviceClient, message: MessageReceived | AppMessage | GroupMessageReceived | GroupEvent) -> Text:
    match message:
        case MessageReceived():
            account = message.sender.account
            return message_line(message.at_ms, _author(device, message), readable(message.body), id=account)
        case GroupMessageReceived() | GroupEvent():
            return _group_line(device, message)
    return app_message_line(message)


def _people_in(messages: list[MessageReceived | AppMessage | GroupMessageReceived | GroupEvent]) -> list[str]:
    accounts: list[str] = []
    for message in messages:
        if isinstance(message, GroupEvent):
            accounts += [who for who in (message.actor, message.subject) if who]
        elif isinstance(message, MessageReceived | GroupMessageReceived) and not isinstance(message.sender, AppSender):
            accounts.append(message.sender.account)
    return accounts


async def _learn_groups(
    device: DeviceClient, messages: Sequence[MessageReceived | AppMessage | GroupMessageReceived | GroupEvent]
) -> None:
    """Fetch the names of the groups, as far as they arrive in time."""
    groups = [one.group for one in messages if isinstance(one, GroupMessageReceived | GroupEvent)]
    unknown = [group for group in dict.fromkeys(groups) if group_name(device, group) == group]
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            for group in unknown:
                with suppress(ApiError):
                    await device.groups.show(group)
    except (TimeoutError, Unreachable):
        return


def _author(device: DeviceClient, message: MessageReceived) -> str:
    """Return the author's label if it is known, otherwise the account."""
    account = message.sender.account
    known = device.people.known(account)
    return label(device, account, account_class=message.sender_class) if known else account


def _group_line(device: DeviceClient, message: GroupMessageReceived | GroupEvent) -> Text:
    told = message.name if isinstance(message, GroupEvent) else None
    group = group_name(device, message.group, told)
    if isinstance(message, GroupEvent):
        text = event_text(message, lambda account: label(device, account))
        return Text.assemble((local_time(message.at_ms), "dim"), "  ", (f"{group}: {text}", "italic"))
    if isinstance(message.sender, AppSender):
        id, author = str(message.sender.app), f"{unbadged(message.sender.name)} (app)"
    else:
        id = str(message.sender.account)
        author = label(device, message.sender.account, account_class=message.sender_class)
    text = GONE if message.body is None else readable(message.body)
    return message_line(message.at_ms, f"{group}: {author}", text, id=id)


def group_name(device: DeviceClient, group: GroupId, told: str | None = None) -> str:
    """Return the group's name: as this device knows it, even after the account left; from an event, `told`;
    or the id.
    """
    stored = device.store.groups.read(group)
    name = str(stored.details["name"]) if stored and stored.details else told
    return unbadged(name) if name else group


def _show_voided(device: DeviceClient, voided: Voided, *, as_json: bool) -> None:
    """Print messages again that were shown before and have become invalid."""
    if as_json:
        print_json(voided, type="voided")
        return
    console = Output()
    for stored in device.store.app_inbox.read(voided.app, voided.ids, now_ms=device.clock.now_ms()):
        if stored.shown:
            console.print(app_message_line(stored.received))
