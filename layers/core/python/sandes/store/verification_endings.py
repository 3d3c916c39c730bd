"""Planned ends of memberships that depend on a verification: one row each, which the sweep reads by an index.

schema.EndingRow has the attributes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandes.model.ids import AccountId, OrganisationId, id_text, parse_organisation
from sandes.model.verification import Ending, Verification
from sandes.store.directory import account_key
from sandes.store.dynamo import Client, Item
from sandes.store.queries import Query, query_pages
from sandes.store.schema import ENDING, DirectoryRow, EndingRow
from sandes.store.transaction import Delete, Put, Update, write_if
from sandes.store.verification_rows import account_of

_ENDING_PREFIX = "E#"

SHARDS = 16


@dataclass(frozen=True, slots=True)
class EndingStore:
    """Reads and changes planned ends of memberships. It is upkeep, which does not use a writer."""

    client: Client
    table: str

    def _due(self, verification: Verification, *, at: int) -> Put:
        item = ending_key(verification.account, verification.organisation) | {
            EndingRow.DUE: {"S": _shard(verification.account[-1] % SHARDS)},
            EndingRow.DUE_AT: {"N": str(at)},
            EndingRow.VERSION: {"N": str(verification.version)},
        }
        return Put(self.table, item)

    def due(self, *, now_seconds: int, first_shard: int = 0) -> Iterator[list[Ending]]:
        """Yield pages of due rows, however old. They come from an index, which may still have rows that have just
        changed.
        """
        condition = f"{EndingRow.DUE} = :shard AND {EndingRow.DUE_AT} <= :now"
        for number in range(SHARDS):
            shard = (first_shard + number) % SHARDS
            values = {":shard": {"S": _shard(shard)}, ":now": {"N": str(now_seconds)}}
            for items, _ in query_pages(self.client, Query(self.table, condition, values, index=ENDING.name)):
                if items:
                    yield [_ending(item) for item in items]

    def postpone(self, ending: Ending, *, until: int) -> bool:
        """Postpone a row until `until` (epoch seconds). Return False if it has changed since it was read."""
        postponed = Update(
            self.table,
            ending_key(ending.account, ending.organisation),
            f"SET {EndingRow.DUE_AT} = :until",
            condition=f"{EndingRow.DUE_AT} = :at AND {EndingRow.VERSION} = :version",
            values={
                ":until": {"N": str(until)},
                ":at": {"N": str(ending.at)},
                ":version": {"N": str(ending.version)},
            },
        )
        return write_if(self.client, None, [postponed])

    def done(self, account: AccountId, organisation: OrganisationId, version: int) -> bool:
        """Remove the row after all memberships have ended. Return False if the verification was made or ended again
        meanwhile.
        """
        key, read = ending_key(account, organisation), {":version": {"N": str(version)}}
        ended = Delete(self.table, key, condition=f"{EndingRow.VERSION} = :version", values=read)
        return write_if(self.client, None, [ended])

    def is_ending(self, account: AccountId, organisation: OrganisationId) -> bool:
        """Tell whether memberships that depend on the organisation may be left, by a consistent read."""
        key = ending_key(account, organisation)
        return "Item" in self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)


def _shard(number: int) -> str:
    return f"{number:02}"


def ending_key(account: AccountId, organisation: OrganisationId) -> dict[str, Any]:
    return {
        DirectoryRow.PARTITION: account_key(account)[DirectoryRow.PARTITION],
        DirectoryRow.SORT: {"S": f"{_ENDING_PREFIX}{id_text(organisation)}"},
    }


def _ending(item: Item) -> Ending:
    return Ending(
        account=account_of(item),
        organisation=parse_organisation(item[DirectoryRow.SORT]["S"].removeprefix(_ENDING_PREFIX)),
        at=int(item[EndingRow.DUE_AT]["N"]),
        version=int(item[EndingRow.VERSION]["N"]),
    )
