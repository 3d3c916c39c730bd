"""Stores groups as this device knows them, and their messages and events, each once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sandes_client.events import GroupEvent, GroupMessageReceived
from sandes_client.group_bodies import GroupChange
from sandes_client.ids import AccountId, AppId, AppSender, DeviceAddress, GroupId, MessageId
from sandes_client.seal import Notice
from sandes_client.store.database import Database
from sandes_client.store.inbox import app_author

FORGOTTEN_AT_ONCE = 10
"""Number of left groups that one pass deletes, because each may have many messages."""

_OF_GROUP = "group:"
"""Prefix that separates seen ids of groups from those of messages between people."""


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """Holds a group.

    `details` are the service's answer of `version`, or None; `heard_version` is the newest known version.
    """

    group: GroupId
    heard_version: int
    version: int
    details: dict[str, Any] | None
    is_left: bool

    @property
    def is_stale(self) -> bool:
        return self.version < self.heard_version


@dataclass(frozen=True, slots=True)
class StoredGroupMessage:
    number: int
    received: GroupMessageReceived
    shown: bool


@dataclass(frozen=True, slots=True)
class StoredGroupEvent:
    number: int
    event: GroupEvent
    shown: bool


class GroupsTable:
    """Stores what is known of groups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def heard(self, group: GroupId, version: int) -> bool:
        """Note the `version` of a message or event. Return whether the stored group is older."""
        self._database.run(
            "INSERT INTO groups (group_id, heard_version) VALUES (?, ?) ON CONFLICT DO UPDATE SET "
            "heard_version = max(heard_version, excluded.heard_version)",
            (group, version),
        )
        known = self.read(group)
        return known is not None and known.is_stale

    def save(self, group: GroupId, version: int, details: dict[str, Any]) -> None:
        """Store the service's answer about the group, unless a newer one is stored."""
        self._database.run(
            "INSERT INTO groups (group_id, heard_version, version, details) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET heard_version = max(heard_version, excluded.version), version = excluded.version, "
            "details = excluded.details, is_left = 0, left_at_ms = NULL WHERE excluded.version >= version",
            (group, version, version, json.dumps(details)),
        )

    def left_at(self, group: GroupId, version: int, *, now_ms: int) -> None:
        """Note that the account was no longer in the group at `version`."""
        self._database.run(
            "UPDATE groups SET is_left = 1, version = ?, left_at_ms = coalesce(left_at_ms, ?) "
            "WHERE group_id = ? AND version < ?",
            (version, now_ms, group, version),
        )

    def forget_left(self, *, now_ms: int, kept_seconds: int) -> bool:
        """Delete the groups that the account left so long ago, with their messages and events.

        Return whether there were any.
        """
        before_ms = now_ms - kept_seconds * 1000
        with self._database.transaction():
            left = self._database.rows(
                "SELECT group_id FROM groups WHERE is_left = 1 AND left_at_ms < ? LIMIT ?",
                (before_ms, FORGOTTEN_AT_ONCE),
            )
            for table in ("group_messages", "group_events", "groups"):
                self._database.run_each(f"DELETE FROM {table} WHERE group_id = ?", left)  # noqa: S608  constant names
        return bool(left)

    def read(self, group: GroupId) -> KnownGroup | None:
        rows = self._read("WHERE group_id = ?", (group,))
        return rows[0] if rows else None

    def all(self) -> list[KnownGroup]:
        return self._read("ORDER BY group_id", ())

    def stale(self) -> list[GroupId]:
        """Return groups of which a newer version is known than stored."""
        return [known.group for known in self._read("WHERE version < heard_version", ())]

    def _read(self, condition: str, values: Sequence[object]) -> list[KnownGroup]:
        rows = self._database.rows(
            "SELECT group_id, heard_version, version, details, is_left FROM groups " + condition,  # noqa: S608  constant
            values,
        )
        return [
            KnownGroup(GroupId(row[0]), row[1], row[2], json.loads(row[3]) if row[3] else None, bool(row[4]))
            for row in rows
        ]


class GroupInboxTable:
    """Stores messages and events of groups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has_seen(self, sender: DeviceAddress | AppSender, message: MessageId) -> bool:
        """Return whether a message or event was stored before.

        This is known for 7 days at least, and while it is stored.
        """
        author = _author(sender)
        return bool(
            self._database.row(
                "SELECT 1 WHERE EXISTS (SELECT 1 FROM group_messages WHERE sender = ? AND message = ?) "
                "OR EXISTS (SELECT 1 FROM seen WHERE sender = ? AND message = ?)",
                (author, message, _OF_GROUP + author, message),
            )
        )

    def add_message(self, message: GroupMessageReceived, *, now_ms: int) -> None:
        """Store the message. The caller has checked `has_seen`."""
        app = message.sender if isinstance(message.sender, AppSender) else None
        device = message.sender if isinstance(message.sender, DeviceAddress) else None
        notice = {**asdict(message.notice), "text": ""} if message.notice else None
        with self._database.transaction():
            self._saw(message.sender, message.id, now_ms)
            self._database.run(
                "INSERT OR IGNORE INTO group_messages (group_id, version, sender, message, sender_device, "
                "sender_class, app_name, notice, recipient, at_ms, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    message.group,
                    message.version,
                    _author(message.sender),
                    message.id,
                    device.device if device else None,
                    message.sender_class,
                    app.name if app else None,
                    json.dumps(notice) if notice else None,
                    message.to,
                    message.at_ms,
                    message.body,
                ),
            )

    def add_event(self, event: GroupEvent, sender: DeviceAddress | AppSender, *, now_ms: int) -> None:
        """Store the event. The caller has checked `has_seen`."""
        with self._database.transaction():
            self._saw(sender, event.id, now_ms)
            self._database.run(
                "INSERT OR IGNORE INTO group_events (group_id, version, message, change, at_ms, actor, subject, role, "
                "name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    event.group,
                    event.version,
                    event.id,
                    int(event.change),
                    event.at_ms,
                    event.actor,
                    event.subject,
                    event.role,
                    event.name,
                ),
            )

    def _saw(self, sender: DeviceAddress | AppSender, message: MessageId, now_ms: int) -> None:
        self._database.run(
            "INSERT INTO seen (sender, message, seen_at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (_OF_GROUP + _author(sender), message, now_ms),
        )

    def mark_shown(self, group: GroupId, ids: Sequence[MessageId]) -> None:
        """Note that these messages and events of the group were shown to a person."""
        with self._database.transaction():
            for table in ("group_messages", "group_events"):
                self._database.run_each(
                    f"UPDATE {table} SET shown = 1 WHERE group_id = ? AND message = ?",  # noqa: S608  constant names
                    [(group, id) for id in ids],
                )

    def unshown(self) -> list[StoredGroupMessage | StoredGroupEvent]:
        """Return unshown messages and events in the order of the server's time."""
        condition = "WHERE shown = 0 ORDER BY at_ms, number"
        return _in_order(self._messages(condition, ()), self._events(condition, ()))

    def newest_at_ms(self, group: GroupId) -> int | None:
        """Return the time of the newest message of the group."""
        newest: int | None
        ((newest,),) = self._database.rows("SELECT MAX(at_ms) FROM group_messages WHERE group_id = ?", (group,))
        return newest

    def of_group(self, group: GroupId, *, limit: int) -> list[StoredGroupMessage | StoredGroupEvent]:
        """Return the last `limit` messages and events of the group, the oldest first."""
        condition = "WHERE group_id = ? ORDER BY at_ms DESC, number DESC LIMIT ?"
        return _in_order(self._messages(condition, (group, limit)), self._events(condition, (group, limit)))[-limit:]

    def _messages(self, condition: str, values: Sequence[object]) -> list[StoredGroupMessage]:
        rows = self._database.rows(
            "SELECT number, message, group_id, version, sender, sender_device, sender_class, app_name, notice, "  # noqa: S608  constant conditions
            "recipient, at_ms, body, shown FROM group_messages " + condition,
            values,
        )
        return [StoredGroupMessage(row[0], _message(row), bool(row[12])) for row in rows]

    def _events(self, condition: str, values: Sequence[object]) -> list[StoredGroupEvent]:
        rows = self._database.rows(
            "SELECT number, message, group_id, version, change, at_ms, actor, subject, role, name, shown "
            "FROM group_events " + condition,
            values,
        )
        return [
            StoredGroupEvent(
                row[0],
                GroupEvent(
                    id=row[1],
                    group=row[2],
                    version=row[3],
                    change=GroupChange(row[4]),
                    at_ms=row[5],
                    actor=row[6],
                    subject=row[7],
                    role=row[8],
                    name=row[9],
                ),
                bool(row[10]),
            )
            for row in rows
        ]


def _in_order(
    messages: list[StoredGroupMessage], events: list[StoredGroupEvent]
) -> list[StoredGroupMessage | StoredGroupEvent]:
    return sorted([*messages, *events], key=lambda stored: (_at_ms(stored), stored.number))


def _at_ms(stored: StoredGroupMessage | StoredGroupEvent) -> int:
    return stored.received.at_ms if isinstance(stored, StoredGroupMessage) else stored.event.at_ms


def _message(row: Sequence[Any]) -> GroupMessageReceived:
    notice = json.loads(row[8]) if row[8] else None
    if row[7] is None:
        sender: DeviceAddress | AppSender = DeviceAddress(AccountId(row[4]), row[5])
    else:
        sender = AppSender(AppId(row[4].removeprefix(app_author(AppId("")))), row[7])
    return GroupMessageReceived(
        id=row[1],
        group=row[2],
        version=row[3],
        sender=sender,
        sender_class=row[6],
        to=row[9],
        at_ms=row[10],
        body=row[11],
        notice=Notice(**{**notice, "text": (row[11] or b"").decode()}) if notice else None,
    )


def _author(sender: DeviceAddress | AppSender) -> str:
    return app_author(sender.app) if isinstance(sender, AppSender) else sender.account
