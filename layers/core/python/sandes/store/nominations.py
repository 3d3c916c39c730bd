"""Nominations in the directory table, in the partition of their number (schema.NominationRow)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandes.model.administrator import Place
from sandes.model.ids import AccountId, AdministratorId, OrganisationId, UnitId
from sandes.model.imports import Nomination, Origin
from sandes.store.directory import phone_key
from sandes.store.dynamo import Client, Item, batch_get_many
from sandes.store.schema import DirectoryRow
from sandes.store.schema import NominationRow as Row
from sandes.store.transaction import Check, Delete, Operation, Put, When

_SORT = "N"


def nomination_key(index: str) -> dict[str, Any]:
    return phone_key(index) | {DirectoryRow.SORT: {"S": _SORT}}


@dataclass(frozen=True, slots=True)
class Number:
    """Holds the account or the nomination of a number. A number has both only for moments."""

    account: AccountId | None = None
    nomination: Nomination | None = None


@dataclass(frozen=True, slots=True)
class NominationStore:
    client: Client
    table: str

    def numbers(self, indexes: Sequence[str]) -> dict[str, Number]:
        """Return the account or the nomination of each number, for any count of numbers, by consistent reads of 50."""
        keys = [key for index in dict.fromkeys(indexes) for key in (phone_key(index), nomination_key(index))]
        accounts: dict[str, AccountId] = {}
        nominations: dict[str, Nomination] = {}
        for item in batch_get_many(self.client, self.table, keys):
            if item[DirectoryRow.SORT]["S"] == _SORT:
                nomination = read_nomination(item)
                nominations[nomination.index] = nomination
            else:
                index = item[DirectoryRow.PARTITION]["S"].removeprefix("P#")
                accounts[index] = AccountId(item[DirectoryRow.ACCOUNT]["B"])
        return {index: Number(accounts.get(index), nominations.get(index)) for index in indexes}

    def number(self, index: str) -> Number:
        return self.numbers([index])[index]

    # Parts of transactions

    def putting(
        self, new: Nomination, *, indexes: Sequence[str] = (), over: Nomination | None, now_seconds: int
    ) -> list[Operation]:
        """Store a nomination. The condition fails if the number has an account, or a valid nomination of another
        organisation.

        `indexes` are the pseudonyms under which the number is written, if there are several. `over` is a nomination of
        a cancelled import, which does not count.
        """
        free = f"attribute_not_exists({DirectoryRow.PARTITION})"
        condition: When = {
            "condition": (
                f"{free} OR {Row.ORGANISATION} = :own OR {Row.WITHDRAWN} = :yes"
                f" OR {DirectoryRow.VANISHES_AT} <= :now OR {Row.EXPIRES_AT} <= :now"
                f" OR {Row.ORIGIN} = :over"
            ),
            "values": {
                ":own": {"B": new.place.organisation},
                ":yes": {"BOOL": True},
                ":now": {"N": str(now_seconds)},
                ":over": {"S": str(over.origin) if over and over.withdrawn else ""},
            },
        }
        rows = [replace(new, index=index) for index in indexes or (new.index,)]
        return [
            *(Put(self.table, nomination_item(row), **condition) for row in rows),
            Check(self.table, phone_key(new.index), condition=free),
        ]

    def removing(self, nomination: Nomination, *, indexes: Sequence[str] = ()) -> list[Operation]:
        """Remove a nomination. The condition fails if it was replaced. `indexes` are all pseudonyms if there are
        several.
        """
        operations: list[Operation] = []
        for index in indexes or (nomination.index,):
            condition = f"{Row.ORIGIN} = :read"
            if index != nomination.index:
                condition = f"attribute_not_exists({DirectoryRow.PARTITION}) OR {condition}"
            delete = Delete(
                self.table, nomination_key(index), condition=condition, values={":read": {"S": str(nomination.origin)}}
            )
            operations.append(delete)
        return operations

    def as_seen(self, index: str, seen: Nomination | None) -> Check:
        """Check a number that is given to an account. The condition fails if its nomination differs from `seen`."""
        free = f"attribute_not_exists({DirectoryRow.PARTITION})"
        check = Check(self.table, nomination_key(index), condition=free)
        if seen is None:
            return check
        return replace(check, condition=f"{free} OR {Row.ORIGIN} = :seen", values={":seen": {"S": str(seen.origin)}})


def nomination_item(nomination: Nomination) -> dict[str, Any]:
    item = nomination_key(nomination.index) | {
        Row.PHONE_SEALED: {"B": nomination.phone_sealed},
        Row.ORGANISATION: {"B": nomination.place.organisation},
        Row.UNIT: {"B": nomination.place.unit},
        Row.NAME: {"S": nomination.name},
        Row.POST: {"S": nomination.post},
        Row.LISTED: {"BOOL": nomination.listed},
        Row.EXPIRES_AT: {"N": str(nomination.expires_at)},
        Row.ORIGIN: {"S": str(nomination.origin)},
        Row.BY: {"B": nomination.by},
        Row.ROLE: {"S": nomination.role},
        Row.WITHDRAWN: {"BOOL": nomination.withdrawn},
        Row.MADE_AT: {"N": str(nomination.made_at)},
        DirectoryRow.VANISHES_AT: {"N": str(nomination.vanishes_at)},
    }
    return item | ({Row.EMAIL: {"S": nomination.email}} if nomination.email else {})


def read_nomination(item: Item) -> Nomination:
    return Nomination(
        index=item[DirectoryRow.PARTITION]["S"].removeprefix("P#"),
        place=Place(OrganisationId(item[Row.ORGANISATION]["B"]), UnitId(item[Row.UNIT]["B"])),
        name=item[Row.NAME]["S"],
        post=item[Row.POST]["S"],
        email=item[Row.EMAIL]["S"] if Row.EMAIL in item else None,
        listed=item[Row.LISTED]["BOOL"],
        expires_at=int(item[Row.EXPIRES_AT]["N"]),
        origin=Origin.parse(item[Row.ORIGIN]["S"]),
        by=AdministratorId(item[Row.BY]["B"]),
        role=item[Row.ROLE]["S"],
        made_at=int(item[Row.MADE_AT]["N"]),
        vanishes_at=int(item[DirectoryRow.VANISHES_AT]["N"]),
        withdrawn=item[Row.WITHDRAWN]["BOOL"],
        phone_sealed=item[Row.PHONE_SEALED]["B"],
    )
