"""Profiles of other people as the service last gave them, and the key that their attestations are checked with."""

from __future__ import annotations

import json
from typing import Any

from sandes_client.ids import AccountId
from sandes_client.store.database import Database


class PeopleTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def attestation_key(self) -> bytes | None:
        """The pinned key, None until it was asked for."""
        row = self._database.row("SELECT attestation_key FROM profile")
        return bytes(row[0]) if row[0] is not None else None

    def pin_attestation_key(self, public: bytes) -> None:
        """Keep the key of the first time: a later one does not replace it."""
        self._database.run("UPDATE profile SET attestation_key = ? WHERE attestation_key IS NULL", (public,))

    def save(self, account: AccountId, answer: dict[str, Any], *, now_ms: int) -> None:
        self._database.run(
            "REPLACE INTO people (account, answer, read_at_ms) VALUES (?, ?, ?)", (account, json.dumps(answer), now_ms)
        )

    def read(self, account: AccountId, *, since_ms: int) -> dict[str, Any] | None:
        """The answer of the service, if it was given after `since_ms`."""
        row = self._database.row("SELECT answer FROM people WHERE account = ? AND read_at_ms > ?", (account, since_ms))
        return json.loads(row[0]) if row else None

    def forget(self, account: AccountId) -> None:
        self._database.run("DELETE FROM people WHERE account = ?", (account,))
