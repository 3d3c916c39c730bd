"""Shows messages in a terminal: times, ticks, and text that cannot control the terminal."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from sandes_client.events import AppMessage, GroupEvent, Status
from sandes_client.group_bodies import GroupChange
from sandes_client.people import Profile
from sandes_client.seal import SenderClass

_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
BADGE = "✔"
_WIDE = 500
_CHECK_MARKS = frozenset("✓✔✅☑🗸🗹√\ufe0e\ufe0f")
_TICKS = {
    Status.QUEUED: ("…", "dim"),
    Status.ACCEPTED: ("✓", "dim"),
    Status.DELIVERED: ("✓✓", "dim"),
    Status.READ: ("✓✓", "bold cyan"),
    Status.FAILED: ("✗", "bold red"),
}


def table_console() -> Console:
    """Return a console for tables on standard output.

    It has the terminal's width. Without a terminal, rows do not wrap.
    """
    return Console(width=None if sys.stdout.isatty() else _WIDE)


def refusal_text(count: int) -> str:
    what = "1 message was" if count == 1 else f"{count} messages were"
    return f"{what} refused: not sealed by the service for this device, or unreadable here"


def readable(body: bytes) -> str:
    """Return the body as text.

    Control characters and direction overrides, which could falsify the screen, are replaced.
    """
    return "".join(
        "\ufffd" if (unicodedata.category(char) == "Cc" and char not in "\n\t") or char in _OVERRIDES else char
        for char in body.decode("utf-8", errors="replace")
    )


def local_time(at_ms: int) -> str:
    """Return hours and minutes, with the date if it was another day."""
    at, now = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(), datetime.now(UTC).astimezone()
    return at.strftime("%H:%M" if at.date() == now.date() else "%Y-%m-%d %H:%M")


def ticks(status: Status, why: str | None, *, expired: bool = False) -> Text:
    """Return … queued, ✓ accepted, ✓✓ delivered, coloured ✓✓ read, or ✗ failed with the reason or expired
    undelivered.
    """
    if expired:
        return Text("✗ expired", style="bold red")
    mark, style = _TICKS[status]
    return Text(f"{mark} {why}" if why else mark, style=style)


def message_line(at_ms: int, author: str, text: str, *, id: str) -> Text:
    """Return the line of a message.

    `id` is the author's, for commands. It appears once, even if the author is unknown.
    """
    named = "" if id in author else f"{id}  "
    return Text.assemble(*((local_time(at_ms), "dim"), "  ", (author, "bold"), "  "), (named, "dim"), indented(text))


def indented(text: str) -> str:
    """Indent all lines after the first, so that none can pass for a message of another author."""
    return text.replace("\n", "\n        ")


def app_message_line(message: AppMessage) -> Text:
    """Return the line of a notice or code. An invalid one is struck through, followed by the reason."""
    line = Text.assemble(
        *((local_time(message.at_ms), "dim"), "  ", (f"{unbadged(message.app.name)} (app)", "bold"), "  "),
        (f"{message.app.app}  ", "dim"),
    )
    line.append(indented(readable(message.text.encode())), style="strike" if message.void else "")
    if message.void:
        line.append(f"  void: {one_line(message.void)}", style="bold red")
    return line


def person_label(profile: Profile | None, otherwise: str, account_class: SenderClass | None = None) -> str:
    """Return how a person is shown: `✔ name, post, organisation` by a valid attestation, or a self-chosen
    name.

    `account_class` is the class that the service gave for the person in the shown message or answer, or None. A person
    who is not an official by it gets no badge, whatever their attestation says. `otherwise` is shown if there is no
    name. No name can look like a badge.
    """
    if profile and profile.attested and account_class != "public":
        attested = profile.attested
        said = (attested.name or otherwise, attested.post, attested.organisation_name)
        return f"{BADGE} {', '.join(unbadged(text) for text in said if text)}"
    return f"{unbadged((profile and profile.name) or otherwise)} (not verified)"


def event_text(event: GroupEvent, name_of: Callable[[str], str]) -> str:
    """Return a short text for an event of a group."""
    subject = name_of(event.subject) if event.subject else "somebody"
    by = f" by {name_of(event.actor)}" if event.actor and event.actor != event.subject else ""
    match event.change:
        case GroupChange.INVITED:
            return f"{subject} {_was(subject)} invited{by}"
        case GroupChange.JOINED:
            return f"{subject} joined"
        case GroupChange.LEFT:
            return f"{subject} left"
        case GroupChange.REMOVED:
            return f"{subject} {_was(subject)} removed{by}"
        case GroupChange.ROLE:
            return f"{subject} {'are' if subject == 'you' else 'is'} now {unbadged(event.role or 'member')}"
        case GroupChange.DISSOLVED:
            return f"the group was dissolved{by}"
        case GroupChange.CHANGED if event.name:
            return f"the group is now called {unbadged(event.name)}"
        case GroupChange.CHANGED:
            return f"the group was changed{by}"
        case GroupChange.MEMBERS:
            return "the members have changed"
        case GroupChange.DEVICES:
            return f"{'your devices' if subject == 'you' else f'the devices of {subject}'} have changed"


def _was(subject: str) -> str:
    return "were" if subject == "you" else "was"


def one_line(text: str) -> str:
    return " ".join(readable(text.encode()).split())


def unbadged(text: str) -> str:
    """Return `text` on one line, without anything that looks like the badge of officials."""
    return one_line("".join(char for char in text if char not in _CHECK_MARKS))
