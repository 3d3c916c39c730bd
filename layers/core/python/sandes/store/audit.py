"""The audit table: one partition for each chain, with its entries in order (docs/adr/0025).

No row stores the end of a chain. The last entry is the end, and the next one is written if it does not exist yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sandes.model.audit import Entry, read_entry
from sandes.model.ids import OrganisationId, id_text
from sandes.store.dynamo import Client, Condition, ConditionFailed, Item
from sandes.store.queries import Query, query_rows, read_page
from sandes.store.schema import TIME
from sandes.store.schema import AuditRow as Row
from sandes.store.transaction import Operation, Put, transact

NEXT_ENTRY = Condition("the entry is the next one of its chain")


class ChainMoved(Exception):
    """Reports that another entry was appended to the chain first, so that nothing was written."""


@dataclass(frozen=True, slots=True)
class AuditStore:
    client: Client
    table: str

    def last(self, chain: OrganisationId) -> Entry | None:
        """Return a chain's last entry by a consistent read."""
        found, _ = self._query(chain, ascending=False, limit=1, consistent=True)
        return found[0] if found else None

    def append(self, entry: Entry, operations: Sequence[Operation] = ()) -> None:
        """Write an entry together with `operations` in one transaction, without a retry.

        Raises ConditionFailed with the `operations` whose condition failed; ChainMoved if all their conditions held but
        the chain already has an entry with this number; StoreUnavailable.
        """
        appended = self.adding(entry)
        try:
            transact(self.client, [*operations, *appended], tries=1)
        except ConditionFailed as failed:
            others = failed.without(appended)
            raise others if others else ChainMoved from failed

    def adding(self, entry: Entry) -> list[Put]:
        """Build the operations that append an entry. NEXT_ENTRY fails if the chain already has an entry with its
        number.
        """
        item: dict[str, Any] = _key(entry.chain, entry.seq) | {
            Row.AT_MS: {"N": str(entry.at_ms)},
            Row.STATEMENT: {"S": entry.statement.decode("ascii")},
            Row.SIGNATURE: {"B": entry.signature},
        }
        if entry.body is not None:
            item[Row.BODY] = {"S": entry.body.decode("ascii")}
        operations = [Put(self.table, item, condition=f"attribute_not_exists({Row.CHAIN})", named=NEXT_ENTRY)]
        if entry.seq == 1:
            operations.append(Put(self.table, _chain_key(entry.chain)))
        return operations

    def before(
        self, chain: OrganisationId, seq: int | None, *, from_ms: int = 0, to_ms: int | None = None, limit: int
    ) -> tuple[list[Entry], bool]:
        """Return at most `limit` entries before `seq`, from `from_ms` until `to_ms`, the newest first, and whether more
        follow.

        One query. For a `to_ms` without `seq`, it uses an index, which may be slightly outdated.
        """
        if to_ms is not None and seq is None:
            by_time = (Row.AT_MS, from_ms, to_ms)
            found, more = self._query(chain, by_time, ascending=False, limit=limit, index=TIME.name)
        else:
            earlier = (Row.SEQ, 1, seq - 1) if seq is not None else None
            found, more = self._query(chain, earlier, ascending=False, limit=limit)
        young = [entry for entry in found if entry.at_ms >= from_ms and (to_ms is None or entry.at_ms <= to_ms)]
        return young, more and found[-1].at_ms >= from_ms

    def after(self, chain: OrganisationId, seq: int, *, limit: int) -> list[Entry]:
        """Return the entries from `seq` + 1 on, at most `limit` and 1 MB of them. One query."""
        return self._query(chain, (Row.SEQ, seq + 1, _MOST), ascending=True, limit=limit)[0]

    def chains(self) -> Iterator[OrganisationId]:
        chains = Query(self.table, f"{Row.CHAIN} = :chains", {":chains": {"S": Row.CHAINS}}, consistent=True)
        for item in query_rows(self.client, chains):
            yield OrganisationId(int(item[Row.SEQ]["N"]).to_bytes(8, "big"))

    def _query(
        self,
        chain: OrganisationId,
        between: tuple[str, int, int] | None = None,
        *,
        ascending: bool,
        limit: int,
        index: str | None = None,
        consistent: bool = False,
    ) -> tuple[list[Entry], bool]:
        """Return entries, and whether there may be more. `between` names a sort key with its first and last value.

        An empty range needs no query.
        """
        condition, values = f"{Row.CHAIN} = :chain", {":chain": {"S": id_text(chain)}}
        if between is not None:
            name, first, last = between
            if first > last:
                return [], False
            condition += f" AND {name} BETWEEN :first AND :last"
            values |= {":first": {"N": str(first)}, ":last": {"N": str(last)}}
        query = Query(self.table, condition, values, index=index, consistent=consistent, descending=not ascending)
        items, following = read_page(self.client, query, limit=limit)
        return [_entry(item) for item in items], following is not None


_MOST = 2**62


def _key(chain: OrganisationId, seq: int) -> dict[str, Any]:
    return {Row.CHAIN: {"S": id_text(chain)}, Row.SEQ: {"N": str(seq)}}


def _chain_key(chain: OrganisationId) -> dict[str, Any]:
    return {Row.CHAIN: {"S": Row.CHAINS}, Row.SEQ: {"N": str(int.from_bytes(chain, "big"))}}


def _entry(item: Item) -> Entry:
    body = item[Row.BODY]["S"].encode("ascii") if Row.BODY in item else None
    return read_entry(item[Row.STATEMENT]["S"].encode("ascii"), bytes(item[Row.SIGNATURE]["B"]), body)
