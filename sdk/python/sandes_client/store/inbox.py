"""Stores received messages, seen ids, and the acks and receipts that are not answered yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sandes_client.events import MessageReceived
from sandes_client.ids import AccountId, AppId, DeviceAddress, EnvelopeId, MessageId
from sandes_client.store.database import Database

SEEN_MS = 7 * 24 * 3600 * 1000
"""Time for which senders may repeat a message."""

AHEAD_MS = 24 * 3600 * 1000
"""A note that is further ahead than this was made by a wrong clock."""

MAX_ACK_IDS = 100
MAX_RECEIPTS = 10

ReceiptName = Literal["delivered", "read"]

_APP = "app:"
"""Prefix that separates apps from accounts in one column, because their ids have the same form."""


def app_author(app: AppId) -> str:
    return _APP + app


@dataclass(frozen=True, slots=True)
class ReceiptGroup:
    """Holds receipts for one author. `author` is an account id, or the result of `app_author` for an app."""

    author: str
    kind: ReceiptName
    ids: tuple[MessageId, ...]

    def to_json(self) -> dict[str, object]:
        app = self.author.removeprefix(_APP)
        whom = {"to": self.author} if app == self.author else {"app": app}
        return {**whom, "kind": self.kind, "ids": list(self.ids)}


@dataclass(frozen=True, slots=True)
class AckBatch:
    """Holds the content of one `ack` frame."""

    envelopes: tuple[EnvelopeId, ...]
    receipts: tuple[ReceiptGroup, ...]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    number: int
    received: MessageReceived
    shown: bool


def _grouped(receipts: Sequence[tuple[str, ReceiptName, MessageId]]) -> tuple[ReceiptGroup, ...]:
    """Return as many receipts as fit into one frame, the oldest first."""
    groups: dict[tuple[str, ReceiptName], list[MessageId]] = {}
    for author, kind, message in receipts:
        if (author, kind) in groups or len(groups) < MAX_RECEIPTS:
            ids = groups.setdefault((author, kind), [])
            if len(ids) < MAX_ACK_IDS:
                ids.append(message)
    return tuple(ReceiptGroup(author, kind, tuple(ids)) for (author, kind), ids in groups.items())


class InboxTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def is_new(self, sender: AccountId, message: MessageId, *, now_ms: int) -> bool:
        """Mark a message as seen, and return whether it is new. Seen ids are kept for 7 days at least."""
        return bool(
            self._database.run(
                "INSERT INTO seen (sender, message, seen_at_ms) SELECT ?, ?, ? "
                "WHERE NOT EXISTS (SELECT 1 FROM messages WHERE sender = ? AND message = ?) ON CONFLICT DO NOTHING",
                (sender, message, now_ms, sender, message),
            )
        )

    def forget_seen(self, *, now_ms: int) -> None:
        """Delete ids seen more than 7 days ago. For notes of a clock that was ahead, the time starts now."""
        self._database.run("DELETE FROM seen WHERE seen_at_ms < ?", (now_ms - SEEN_MS,))
        self._database.run("UPDATE seen SET seen_at_ms = ? WHERE seen_at_ms > ?", (now_ms, now_ms + AHEAD_MS))

    def add(self, message: MessageReceived) -> None:
        """Store the message and its `delivered` receipt."""
        with self._database.transaction():
            self._database.run(
                "INSERT INTO messages (sender, message, sender_device, sender_class, recipient, at_ms, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    message.sender.account,
                    message.id,
                    message.sender.device,
                    message.sender_class,
                    message.to,
                    message.at_ms,
                    message.body,
                ),
            )
            self.add_receipt(message.sender.account, "delivered", message.id)

    def add_ack(self, envelope: EnvelopeId) -> None:
        self._database.run("INSERT OR IGNORE INTO acks (envelope) VALUES (?)", (envelope,))

    def mark_shown(self, sender: AccountId, messages: Sequence[MessageId]) -> None:
        """Note that these were shown to a person, and queue `read` receipts once."""
        with self._database.transaction():
            for message in messages:
                if self._database.run(
                    "UPDATE messages SET shown = 1 WHERE sender = ? AND message = ? AND shown = 0", (sender, message)
                ):
                    self.add_receipt(sender, "read", message)

    def add_receipt(self, author: str, kind: ReceiptName, message: MessageId) -> None:
        self._database.run(
            "INSERT OR IGNORE INTO receipts (author, kind, message) VALUES (?, ?, ?)", (author, kind, message)
        )

    def next_acks(self) -> AckBatch | None:
        """Return the next acks and receipts to send, or None. Repeat them until the server has answered."""
        envelopes = self._database.rows("SELECT envelope FROM acks ORDER BY envelope LIMIT ?", (MAX_ACK_IDS,))
        receipts = self._database.rows(
            "SELECT author, kind, message FROM receipts ORDER BY message, author, kind LIMIT ?",
            (MAX_RECEIPTS * MAX_ACK_IDS,),
        )
        if not envelopes and not receipts:
            return None
        return AckBatch(tuple(EnvelopeId(row[0]) for row in envelopes), _grouped(receipts))

    def acked(self, batch: AckBatch) -> None:
        """Note that the server has answered `batch`."""
        with self._database.transaction():
            self._database.run_each("DELETE FROM acks WHERE envelope = ?", [(id,) for id in batch.envelopes])
            for group in batch.receipts:
                self._database.run_each(
                    "DELETE FROM receipts WHERE author = ? AND kind = ? AND message = ?",
                    [(group.author, group.kind, id) for id in group.ids],
                )

    def forget_acks(self) -> None:
        self._database.run("DELETE FROM acks")
        self._database.run("DELETE FROM receipts")

    def unshown(self) -> list[StoredMessage]:
        """Return unshown messages by their time and, within a millisecond, in the order of arrival."""
        return self._messages("WHERE shown = 0 ORDER BY at_ms, number", ())

    def newest_at_ms(self, sender: AccountId) -> int | None:
        """Return the time of the newest message of `sender`."""
        newest: int | None
        ((newest,),) = self._database.rows("SELECT MAX(at_ms) FROM messages WHERE sender = ?", (sender,))
        return newest

    def of_sender(self, sender: AccountId, *, limit: int) -> list[StoredMessage]:
        """Return the last `limit` messages of `sender`, the oldest first."""
        return self._messages("WHERE sender = ? ORDER BY at_ms DESC, number DESC LIMIT ?", (sender, limit))[::-1]

    def _messages(self, condition: str, values: Sequence[object]) -> list[StoredMessage]:
        rows = self._database.rows(
            "SELECT number, message, sender, sender_device, sender_class, recipient, at_ms, body, shown FROM messages "  # noqa: S608  constant conditions
            + condition,
            values,
        )
        return [
            StoredMessage(
                number=row[0],
                received=MessageReceived(
                    id=row[1],
                    sender=DeviceAddress(row[2], row[3]),
                    sender_class=row[4],
                    to=row[5],
                    at_ms=row[6],
                    body=row[7],
                ),
                shown=bool(row[8]),
            )
            for row in rows
        ]
