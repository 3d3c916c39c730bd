"""Stores profiles of other people as the service last gave them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sandes_client.ids import AccountId
from sandes_client.store.database import Database


@dataclass(frozen=True, slots=True)
class KeptProfile:
    answer: dict[str, Any]
    read_at_ms: int


class PeopleTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, account: AccountId, answer: dict[str, Any], *, now_ms: int) -> None:
        self._database.run(
            "REPLACE INTO people (account, answer, read_at_ms) VALUES (?, ?, ?)", (account, json.dumps(answer), now_ms)
        )

    def kept(self, account: AccountId) -> KeptProfile | None:
        """Return the last answer of the service about `account`."""
        row = self._database.row("SELECT answer, read_at_ms FROM people WHERE account = ?", (account,))
        return KeptProfile(json.loads(row[0]), row[1]) if row else None

    def remember_number(self, number: str, account: AccountId) -> None:
        """Store the account that the service gave for a number."""
        self._database.run("REPLACE INTO numbers (number, account) VALUES (?, ?)", (number, account))

    def account_of_number(self, number: str) -> AccountId | None:
        """Return the account that the service last named for this number."""
        row = self._database.row("SELECT account FROM numbers WHERE number = ?", (number,))
        return AccountId(row[0]) if row else None

    def forget(self, account: AccountId) -> None:
        self._database.run("DELETE FROM people WHERE account = ?", (account,))
