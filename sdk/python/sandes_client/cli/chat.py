"""Implements `sandes chat`: one conversation, with an account or in a group, on the whole screen."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Header, Input, Static

from sandes_client.cli.conversations import Conversation, Line
from sandes_client.cli.display import indented, local_time, readable, refusal_text, ticks
from sandes_client.cli.texts import STOPPED, failure_text, warning_of
from sandes_client.device import DeviceClient
from sandes_client.events import ConnectionChanged, EnvelopeRefused, Event, GroupRefreshed, State, Status, StatusChanged
from sandes_client.ids import MessageId
from sandes_client.store import Outgoing

HISTORY = 200
"""Number of earlier messages of each side that are shown."""


HELP = (
    "Enter sends what you have typed; Ctrl-Q or /quit ends the chat. … waits here, ✓ accepted by the "
    "service, ✓✓ on a device, ✓✓ in colour read, ✗ not sent or expired."
)

EXPIRY_LOOK_SECONDS = 30.0
"""Seconds between two checks for messages that have expired undelivered."""


class MessageRow(Static):
    """Shows one message or, without an author, an event. Rows are ordered by `sort_ms`."""

    def __init__(self, at_ms: int, author: str, text: str, tick: Text | None = None) -> None:
        super().__init__()
        self.sort_ms = at_ms
        self._author = author
        self._text = indented(text)
        self.show(at_ms, tick)

    def show(self, at_ms: int, tick: Text | None) -> None:
        if not self._author:
            self.content = Text.assemble((local_time(at_ms), "dim"), "  ", (self._text, "italic dim"))
            return
        line = Text.assemble((local_time(at_ms), "dim"), "  ", (self._author, "bold"), "  ", self._text)
        if tick:
            line.append("  ").append_text(tick)
        self.content = line


class Notice(Static):
    """Shows a sentence of the client among the messages."""

    def __init__(self, text: str) -> None:
        super().__init__(Text(text, style="bold red"))


class ChatApp(App[None]):
    """Runs the screen of a chat. The caller owns the device client, and has entered it already."""

    CSS = """
    #messages { padding: 0 1; }
    MessageRow, Notice { height: auto; width: 100%; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", priority=True),
        Binding("ctrl+c", "quit", "Quit", priority=True, show=False),
    ]

    def __init__(self, device: DeviceClient, conversation: Conversation) -> None:
        super().__init__()
        self.title = conversation.title
        self.sub_title = device.state
        self._device = device
        self._conversation = conversation
        self._events = device.events()
        self._sent: dict[int, MessageRow] = {}
        self._received: set[tuple[str, MessageId]] = set()
        """Keys of the lines on the screen. An event may repeat a message that the store gave already."""

    def compose(self) -> ComposeResult:
        yield Header()
        yield VerticalScroll(id="messages")
        yield Input(placeholder="Message, or /help", id="line")
        yield Footer()

    async def on_mount(self) -> None:
        received = self._conversation.received(HISTORY)
        self._received.update(line.key for line in received)
        rows = [_received_row(line) for line in received]
        rows += [self._sent_row(row) for row in self._conversation.sent(HISTORY)]
        rows.sort(key=lambda row: row.sort_ms)
        await self._messages.mount_all(rows)
        self._conversation.shown(received)
        self.query_one(Input).focus()
        self.run_worker(self._follow(), exclusive=True)
        self.set_interval(EXPIRY_LOOK_SECONDS, self._mark_expired)

    async def on_input_submitted(self, submitted: Input.Submitted) -> None:
        text = submitted.value
        if not text.strip():
            return
        submitted.input.clear()
        if text.strip() == "/quit":
            self.exit()
            return
        if text.strip() == "/help":
            await self._messages.mount(Notice(HELP))
            self._messages.scroll_end(animate=False)
            return
        await self._insert(self._sent_row(self._conversation.post(text)))

    async def _follow(self) -> None:
        async for event in self._events:
            await self._show(event)

    async def _show(self, event: Event) -> None:
        if warning := warning_of(event):
            await self._say(warning)
        match event:
            case StatusChanged() if event.number in self._sent:
                self._update(self._device.store.outbox.read(event.number))
            case ConnectionChanged():
                self.sub_title = event.state
                if event.state in STOPPED:
                    await self._stopped(event.state)
            case EnvelopeRefused():
                await self._say(refusal_text(1))
            case GroupRefreshed():
                self.title = self._conversation.title
            case _:
                line = await self._conversation.line_of(event)
                if line and line.key not in self._received:
                    self._received.add(line.key)
                    await self._insert(_received_row(line))
                    self._conversation.shown([line])
                    self.title = self._conversation.title

    async def _stopped(self, state: State) -> None:
        """Tell the reader that the client has stopped, so that nothing is sent or received."""
        self.query_one(Input).disabled = True
        await self._say(f"{state}: {STOPPED[state]}")

    async def _say(self, text: str) -> None:
        await self._messages.mount(Notice(text))
        self._messages.scroll_end(animate=False)

    @property
    def _messages(self) -> VerticalScroll:
        return self.query_one("#messages", VerticalScroll)

    async def _insert(self, row: MessageRow) -> None:
        """Insert `row` in order of time. Scroll to the end if the reader was there."""
        messages = self._messages
        at_end = messages.max_scroll_y - messages.scroll_y <= 1
        rows = messages.query(MessageRow).results(MessageRow)
        later = next((other for other in rows if other.sort_ms > row.sort_ms), None)
        await messages.mount(row, before=later)
        if at_end:
            messages.scroll_end(animate=False)

    def _sent_row(self, row: Outgoing) -> MessageRow:
        shown = MessageRow(row.at_ms or row.queued_at_ms, "you", readable(row.body), self._ticks(row))
        self._sent[row.number] = shown
        return shown

    def _update(self, row: Outgoing) -> None:
        self._sent[row.number].show(row.at_ms or row.queued_at_ms, self._ticks(row))

    def _ticks(self, row: Outgoing) -> Text:
        why = failure_text(row.code or "failed") if row.status is Status.FAILED else None
        return ticks(row.status, why, expired=row.expired(now_ms=self._device.clock.now_ms()))

    def _mark_expired(self) -> None:
        """Mark messages that have expired. No event reports this, so messages on their way are checked."""
        for number in self._sent:
            row = self._device.store.outbox.read(number)
            if row.expired(now_ms=self._device.clock.now_ms()):
                self._update(row)


def _received_row(line: Line) -> MessageRow:
    return MessageRow(line.at_ms, line.author if line.said else "", line.text)
