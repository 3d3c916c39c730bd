"""The pinned keys of the service, and how many envelopes were refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandes_client.store.database import Database


@dataclass(frozen=True, slots=True)
class Refusals:
    """How many envelopes were refused for one reason, the last one at `last_at_ms` of this device's clock."""

    reason: str
    count: int
    last_at_ms: int


class ServiceKeysTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def statements(self) -> dict[int, bytes]:
        """Return the introductions of the pinned keys, by number."""
        rows = self._database.rows("SELECT number, statement FROM service_keys")
        return {number: bytes(statement) for number, statement in rows}

    def oldest(self) -> int:
        """Keys below this number were ended."""
        return int(self._database.row("SELECT oldest_service_key FROM profile")[0])

    def pin(self, statements: Mapping[int, bytes], *, oldest: int) -> None:
        """Keep keys that are not pinned yet. A pinned key is never replaced, and an ended one never comes back."""
        with self._database.transaction():
            self._database.run_each(
                "INSERT OR IGNORE INTO service_keys (number, statement) VALUES (?, ?)", list(statements.items())
            )
            self._database.run(
                "UPDATE profile SET oldest_service_key = ? WHERE oldest_service_key < ?", (oldest, oldest)
            )

    def refuse(self, reason: str, *, now_ms: int) -> None:
        """Count an envelope that was refused."""
        self._database.run(
            "INSERT INTO refused_envelopes (reason, count, last_at_ms) VALUES (?, 1, ?)"
            " ON CONFLICT (reason) DO UPDATE SET count = count + 1, last_at_ms = excluded.last_at_ms",
            (reason, now_ms),
        )

    def refusals(self) -> list[Refusals]:
        rows = self._database.rows("SELECT reason, count, last_at_ms FROM refused_envelopes ORDER BY reason")
        return [Refusals(*row) for row in rows]
