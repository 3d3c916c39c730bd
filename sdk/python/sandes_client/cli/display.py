"""Showing messages in a terminal: times, ticks, and text that cannot take the terminal over."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from rich.text import Text

from sandes_client.events import AppMessage, Status

_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_TICKS = {
    Status.QUEUED: ("…", "dim"),
    Status.ACCEPTED: ("✓", "dim"),
    Status.DELIVERED: ("✓✓", "dim"),
    Status.READ: ("✓✓", "bold cyan"),
    Status.FAILED: ("✗", "bold red"),
}


def readable(body: bytes) -> str:
    """The body as text. Control characters and direction overrides, which could falsify the screen, are replaced."""
    return "".join(
        "\ufffd" if (unicodedata.category(char) == "Cc" and char not in "\n\t") or char in _OVERRIDES else char
        for char in body.decode("utf-8", errors="replace")
    )


def local_time(at_ms: int) -> str:
    """Hours and minutes, with the date if it was another day."""
    at, now = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(), datetime.now(UTC).astimezone()
    return at.strftime("%H:%M" if at.date() == now.date() else "%Y-%m-%d %H:%M")


def ticks(status: Status, code: str | None) -> Text:
    """… queued, ✓ accepted, ✓✓ delivered, coloured ✓✓ read, ✗ failed with its code."""
    mark, style = _TICKS[status]
    return Text(f"{mark} {code}" if code else mark, style=style)


def message_line(at_ms: int, author: str, text: str) -> Text:
    return Text.assemble((local_time(at_ms), "dim"), "  ", (author, "bold"), "  ", text)


def app_message_line(message: AppMessage) -> Text:
    """A notice, or a code; struck through, with the reason behind it, if it is void."""
    line = Text.assemble((local_time(message.at_ms), "dim"), "  ", (f"{_line(message.app.name)} (app)", "bold"), "  ")
    line.append(readable(message.text.encode()), style="strike" if message.void else "")
    if message.void:
        line.append(f"  void: {_line(message.void)}", style="bold red")
    return line


def _line(text: str) -> str:
    return " ".join(readable(text.encode()).split())
