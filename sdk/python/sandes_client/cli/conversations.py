"""Holds the conversations that `sandes chat` shows: with one account, or in a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sandes_client.cli.display import event_text, person_label, readable, unbadged
from sandes_client.cli.inbox import GONE
from sandes_client.cli.learn import label, learn
from sandes_client.device import DeviceClient
from sandes_client.events import Event, GroupEvent, GroupMessageReceived, GroupRefreshed, MessageReceived
from sandes_client.group_calls import Group
from sandes_client.ids import AccountId, AppSender, MessageId
from sandes_client.seal import SenderClass
from sandes_client.store import Outgoing, StoredGroupMessage
from sandes_client.store.outbox import group_recipient


@dataclass(frozen=True, slots=True)
class Line:
    """Holds one received line.

    `text` is readable already. `said` is true for a person's words, and false for an event.

    `sender` is the author's account or app id, and empty for an event. Together with `id` it names the message. The id
    alone does not, because each sender makes its own ids.
    """

    id: MessageId
    sender: str
    at_ms: int
    author: str
    text: str
    said: bool = True

    @property
    def key(self) -> tuple[str, MessageId]:
        return self.sender, self.id


class Conversation(Protocol):
    """Is a source and destination of messages."""

    @property
    def title(self) -> str: ...

    def received(self, limit: int) -> list[Line]:
        """Return at most `limit` received messages, in order of time."""
        ...

    def sent(self, limit: int) -> list[Outgoing]:
        """Return at most `limit` messages sent from here, in order of time."""
        ...

    def post(self, text: str) -> Outgoing: ...

    async def line_of(self, event: Event) -> Line | None:
        """Return the line that an event makes in this conversation, or None."""
        ...

    def shown(self, lines: Sequence[Line]) -> None: ...


class Direct:
    """Is a conversation with one account. `typed` is how the user named it. It is shown if no name is known."""

    def __init__(self, device: DeviceClient, account: AccountId, typed: str) -> None:
        self._device = device
        self._account = account
        self._typed = readable(typed.encode())
        self._asked_as: SenderClass | None = None

    @property
    def title(self) -> str:
        known = self._device.people.known(self._account)
        return person_label(known, self._typed)

    def received(self, limit: int) -> list[Line]:
        stored = self._device.store.inbox.of_sender(self._account, limit=limit)
        return [self._line(message.received) for message in stored]

    def sent(self, limit: int) -> list[Outgoing]:
        return self._device.store.outbox.to_recipient(self._account, limit=limit)

    def post(self, text: str) -> Outgoing:
        return self._device.post(self._account, text.encode())

    async def line_of(self, event: Event) -> Line | None:
        if not isinstance(event, MessageReceived) or event.sender.account != self._account:
            return None
        if self._asked_as != event.sender_class and self._device.people.known(self._account) is None:
            self._asked_as = event.sender_class  # an official may be visible to people to whom they have written
            await learn(self._device, [self._account])
        return self._line(event)

    def shown(self, lines: Sequence[Line]) -> None:
        self._device.mark_read(self._account, [line.id for line in lines])

    def _line(self, message: MessageReceived) -> Line:
        known = self._device.people.known(self._account)
        author = person_label(known, self._typed, message.sender_class)
        return Line(message.id, self._account, message.at_ms, author, readable(message.body))


class InGroup:
    """Is a conversation in a group. Each message shows its author's name, with ✔ or as not verified."""

    def __init__(self, device: DeviceClient, group: Group) -> None:
        self._device = device
        self._group = group

    @property
    def title(self) -> str:
        group = self._device.groups.known(self._group.group) or self._group
        members = "1 member" if group.members == 1 else f"{group.members} members"
        return f"{unbadged(group.name)} ({members})"

    def received(self, limit: int) -> list[Line]:
        stored = self._device.store.group_inbox.of_group(self._group.group, limit=limit)
        return [self._line(one.received if isinstance(one, StoredGroupMessage) else one.event) for one in stored]

    def sent(self, limit: int) -> list[Outgoing]:
        return self._device.store.outbox.to_recipient(group_recipient(self._group.group), limit=limit)

    def post(self, text: str) -> Outgoing:
        return self._device.groups.post(self._group.group, text.encode())

    async def line_of(self, event: Event) -> Line | None:
        if isinstance(event, GroupRefreshed) or not isinstance(event, GroupMessageReceived | GroupEvent):
            return None
        if event.group != self._group.group:
            return None
        await learn(self._device, [account for account in _people_in(event) if not self._device.people.known(account)])
        return self._line(event)

    def shown(self, lines: Sequence[Line]) -> None:
        self._device.groups.mark_shown(self._group.group, [line.id for line in lines])

    def _line(self, event: GroupMessageReceived | GroupEvent) -> Line:
        if isinstance(event, GroupEvent):
            text = event_text(event, lambda account: label(self._device, account))
            return Line(event.id, "", event.at_ms, "", text, said=False)
        text = GONE if event.body is None else readable(event.body)
        if isinstance(event.sender, AppSender):
            return Line(event.id, event.sender.app, event.at_ms, f"{unbadged(event.sender.name)} (app)", text)
        author = label(self._device, event.sender.account, account_class=event.sender_class)
        return Line(event.id, event.sender.account, event.at_ms, author, text)


def _people_in(event: GroupMessageReceived | GroupEvent) -> list[str]:
    if isinstance(event, GroupEvent):
        return [who for who in (event.actor, event.subject) if who]
    return [] if isinstance(event.sender, AppSender) else [event.sender.account]
