"""Stores the pinned keys of the service, and how many envelopes were refused."""

from __future__ import annotations

from dataclasses import dataclass

from sandes_client.store.pinned_keys import PinnedKeysTable


@dataclass(frozen=True, slots=True)
class Refusals:
    """Holds how many envelopes were refused for one reason, the last one at `last_at_ms` of this device's clock."""

    reason: str
    count: int
    last_at_ms: int


class ServiceKeysTable(PinnedKeysTable):
    KEYS = "SELECT number, statement FROM service_keys"
    INSERT = "INSERT OR IGNORE INTO service_keys (number, statement) VALUES (?, ?)"
    OLDEST = "SELECT oldest_service_key FROM profile"
    RAISE_OLDEST = "UPDATE profile SET oldest_service_key = ? WHERE oldest_service_key < ?"

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
