"""Stores messages of governance apps: notices, one-time passwords, and which of them are invalid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandes_client.events import AppMessage, NoticeReceived, OtpReceived
from sandes_client.ids import AppId, AppSender, MessageId
from sandes_client.store.database import Database
from sandes_client.store.inbox import InboxTable, app_author

VOIDS_MS = 31 * 24 * 3600 * 1000
"""Longer than the server keeps any message, because an invalid one may arrive after the news that it is invalid."""


@dataclass(frozen=True, slots=True)
class StoredAppMessage:
    number: int
    received: AppMessage
    shown: bool


class AppInboxTable:
    def __init__(self, database: Database, inbox: InboxTable) -> None:
        self._database = database
        self._inbox = inbox

    def add(self, message: AppMessage) -> AppMessage | None:
        """Store the message, and the `delivered` receipt for a notice. Return None if it is stored already.

        The result includes whether the app has marked it as invalid before.
        """
        with self._database.transaction():
            if self._was_forgotten(message) or not self._insert(message):
                return None
            if isinstance(message, NoticeReceived):
                self._inbox.add_receipt(app_author(message.app.app), "delivered", message.id)
            known = (message.app.app, message.id)
            void = self._database.row("SELECT reason FROM voids WHERE app = ? AND message = ?", known)
            if not void:
                return message
            self._database.run("UPDATE app_messages SET void = ? WHERE app = ? AND message = ?", (*void, *known))
            return replace(message, void=void[0])

    def _was_forgotten(self, message: AppMessage) -> bool:
        seen = (app_author(message.app.app), message.id)
        return self._database.row("SELECT 1 FROM seen WHERE sender = ? AND message = ?", seen) is not None

    def _insert(self, message: AppMessage) -> int:
        common = (message.app.app, message.id, message.app.name, message.to, message.at_ms, message.text)
        statement = "INSERT OR IGNORE INTO app_messages (app, message, app_name, recipient, at_ms, text, "
        if isinstance(message, NoticeReceived):
            own: tuple[Any, ...] = (message.category, message.confidential, message.priority, message.language)
            return self._database.run(
                statement + "category, confidential, priority, language) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                common + own,
            )
        own = (message.code, message.expires_at, message.purpose)
        return self._database.run(
            statement + "code, expires_at, purpose) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", common + own
        )

    def void(self, app: AppId, messages: Sequence[MessageId], reason: str, *, now_ms: int) -> tuple[MessageId, ...]:
        """Remember why these are invalid, whether or not they have arrived.

        Return those that have, and were valid before.
        """
        with self._database.transaction():
            self._database.run_each(
                "INSERT OR IGNORE INTO voids (app, message, reason, heard_at_ms) VALUES (?, ?, ?, ?)",
                [(app, message, reason, now_ms) for message in messages],
            )
            return tuple(
                message
                for message in messages
                if self._database.run(
                    "UPDATE app_messages SET void = ? WHERE app = ? AND message = ? AND void IS NULL",
                    (reason, app, message),
                )
            )

    def forget_voids(self, *, now_ms: int) -> None:
        """Forget invalid messages that cannot arrive any more. Stored messages keep the mark."""
        self._database.run("DELETE FROM voids WHERE heard_at_ms < ?", (now_ms - VOIDS_MS,))

    def forget_codes(self, *, now_ms: int, kept_seconds: int) -> bool:
        """Delete one-time passwords that ended so long ago, and ignore later copies. Return whether there were any."""
        ended = now_ms // 1000 - kept_seconds
        with self._database.transaction():
            self._database.run(
                "INSERT OR IGNORE INTO seen (sender, message, seen_at_ms) "
                "SELECT ? || app, message, ? FROM app_messages WHERE code IS NOT NULL AND expires_at < ?",
                (app_author(AppId("")), now_ms, ended),
            )
            return (
                self._database.run("DELETE FROM app_messages WHERE code IS NOT NULL AND expires_at < ?", (ended,)) > 0
            )

    def mark_shown(self, app: AppId, messages: Sequence[MessageId]) -> None:
        """Note that these were shown to a person. A notice needs one `read` receipt; a one-time password needs none."""
        with self._database.transaction():
            for message in messages:
                shown = self._database.run(
                    "UPDATE app_messages SET shown = 1 WHERE app = ? AND message = ? AND shown = 0", (app, message)
                )
                if shown and self._is_notice(app, message):
                    self._inbox.add_receipt(app_author(app), "read", message)

    def _is_notice(self, app: AppId, message: MessageId) -> bool:
        row = self._database.row("SELECT code IS NULL FROM app_messages WHERE app = ? AND message = ?", (app, message))
        return bool(row[0])

    def unshown(self, *, now_ms: int) -> list[StoredAppMessage]:
        """Return unshown messages in the order of the server's time. An expired password is invalid."""
        return self._messages("WHERE shown = 0 ORDER BY at_ms, number", (), now_ms)

    def read(self, app: AppId, messages: Sequence[MessageId], *, now_ms: int) -> list[StoredAppMessage]:
        """Return those of these messages that are stored, in their order."""
        return [
            found
            for message in messages
            for found in self._messages("WHERE m.app = ? AND m.message = ?", (app, message), now_ms)
        ]

    def _messages(self, condition: str, values: Sequence[object], now_ms: int) -> list[StoredAppMessage]:
        rows = self._database.rows(
            "SELECT number, m.app, m.message, app_name, recipient, at_ms, text, category, confidential, priority, "  # noqa: S608  constant conditions
            "language, code, expires_at, purpose, void, shown FROM app_messages m " + condition,
            values,
        )
        return [StoredAppMessage(row[0], _received(row, now_ms), bool(row[15])) for row in rows]


def _received(row: Sequence[Any], now_ms: int) -> AppMessage:
    common = {"id": row[2], "app": AppSender(row[1], row[3]), "to": row[4], "at_ms": row[5], "text": row[6]}
    if row[11] is None:
        return NoticeReceived(
            **common, category=row[7], confidential=bool(row[8]), priority=row[9], language=row[10], void=row[14]
        )
    void = row[14] or ("expired" if row[12] * 1000 <= now_ms else None)
    return OtpReceived(**common, code=row[11], expires_at=row[12], purpose=row[13], void=void)
