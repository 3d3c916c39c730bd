"""`sandes inbox`: what came and was not shown yet."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.text import Text

from sandes_client.cli.display import app_message_line, event_text, local_time, message_line, readable, unbadged
from sandes_client.cli.learn import label, learn
from sandes_client.cli.session import CommandFailed, Output, Session, run
from sandes_client.device import DeviceClient
from sandes_client.events import (
    AppMessage,
    GroupEvent,
    GroupMessageReceived,
    MessageReceived,
    NoticeReceived,
    OtpReceived,
    Voided,
)
from sandes_client.ids import AppSender, GroupId
from sandes_client.link import DeviceStopped
from sandes_client.store import StoredGroupMessage

_SHOWN = MessageReceived | NoticeReceived | OtpReceived | GroupMessageReceived | GroupEvent

GONE = "(this message expired before it was fetched)"


def inbox(
    ctx: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", help="Go on showing messages as they come.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the service at most.")] = 30.0,
) -> None:
    """Fetch and show what was not shown before: messages, of groups too, and the notices and codes of governance apps.

    Their authors are told that they were read, except in groups. A code that was used, replaced or cancelled, or has
    expired, is void. What waits in the outbox is sent.
    """
    run(_inbox(ctx.obj, follow, timeout))


async def _inbox(session: Session, follow: bool, timeout: float) -> None:
    async with session.connected() as device:
        events = device.events()
        try:
            async with asyncio.timeout(timeout):
                await device.drained()
                await device.settled()
                await show_unshown(device)
                await device.settled()
        except TimeoutError:
            await show_unshown(device)
            raise CommandFailed("timeout", f"the service did not answer in {timeout:g} s") from None
        if follow:
            async for event in events:
                if isinstance(event, _SHOWN):
                    await show_unshown(device)
                elif isinstance(event, Voided):
                    _show_voided(device, event)
            raise DeviceStopped(device.state)


async def show_unshown(device: DeviceClient) -> None:
    """Each message counts as shown once it is written. Raises BrokenPipeError if nobody reads what is shown."""
    store = device.store
    messages: list[MessageReceived | AppMessage | GroupMessageReceived | GroupEvent] = []
    messages += [stored.received for stored in store.inbox.unshown()]
    messages += [stored.received for stored in store.app_inbox.unshown(now_ms=device.clock.now_ms())]
    messages += [
        stored.received if isinstance(stored, StoredGroupMessage) else stored.event
        for stored in store.group_inbox.unshown()
    ]
    await learn(device, _people_in(messages))
    console = Output()
    for message in sorted(messages, key=lambda message: message.at_ms):
        match message:
            case MessageReceived():
                console.print(message_line(message.at_ms, _author(device, message), readable(message.body)))
                device.mark_read(message.sender.account, [message.id])
            case GroupMessageReceived() | GroupEvent():
                console.print(_group_line(device, message))
                device.groups.mark_shown(message.group, [message.id])
            case _:
                console.print(app_message_line(message))
                device.mark_app_messages_read(message.app.app, [message.id])


def _people_in(messages: list[MessageReceived | AppMessage | GroupMessageReceived | GroupEvent]) -> list[str]:
    accounts: list[str] = []
    for message in messages:
        if isinstance(message, GroupEvent):
            accounts += [who for who in (message.actor, message.subject) if who]
        elif isinstance(message, MessageReceived | GroupMessageReceived) and not isinstance(message.sender, AppSender):
            accounts.append(message.sender.account)
    return accounts


def _author(device: DeviceClient, message: MessageReceived) -> str:
    """Who wrote, where that is known; the device address otherwise."""
    account = message.sender.account
    return (
        label(device, account, account_class=message.sender_class)
        if device.people.known(account)
        else str(message.sender)
    )


def _group_line(device: DeviceClient, message: GroupMessageReceived | GroupEvent) -> Text:
    told = message.name if isinstance(message, GroupEvent) else None
    group = group_name(device, message.group, told)
    if isinstance(message, GroupEvent):
        text = event_text(message, lambda account: label(device, account))
        return Text.assemble((local_time(message.at_ms), "dim"), "  ", (f"{group}: {text}", "italic"))
    author = f"{unbadged(message.sender.name)} (app)" if isinstance(message.sender, AppSender) else None
    author = author or label(device, message.sender.account, account_class=message.sender_class)  # type: ignore[union-attr]
    text = GONE if message.body is None else readable(message.body)
    return message_line(message.at_ms, f"{group}: {author}", text)


def group_name(device: DeviceClient, group: GroupId, told: str | None = None) -> str:
    """As this device knows it, also after the account has left; or as `told` by an event; else the id."""
    stored = device.store.groups.read(group)
    name = str(stored.details["name"]) if stored and stored.details else told
    return unbadged(name) if name else group


def _show_voided(device: DeviceClient, voided: Voided) -> None:
    """Messages that stand on the screen already, once more, as void."""
    console = Output()
    for stored in device.store.app_inbox.read(voided.app, voided.ids, now_ms=device.clock.now_ms()):
        if stored.shown:
            console.print(app_message_line(stored.received))
