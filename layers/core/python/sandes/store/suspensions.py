"""Suspends accounts and unlinks all their devices, for administrators.

A suspension is written to the account, for the check of tokens, and to the routing item, for the handling of frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandes.model.device import Account
from sandes.model.ids import AccountId, DeviceAddress
from sandes.model.suspension import Suspension
from sandes.store.directory import account_key, device_key, putting_former
from sandes.store.dynamo import Client, ConditionFailed, Item
from sandes.store.routing import RoutingStore
from sandes.store.schema import DirectoryRow, RoutingRow
from sandes.store.suspended import suspension_attribute
from sandes.store.transaction import Check, Delete, Operation, Update, Writer, write


class SuspensionRaced(Exception):
    """Reports that the account, its verification or its suspension has changed since it was read. Read again."""


@dataclass(frozen=True, slots=True)
class SuspensionStore:
    client: Client
    directory_table: str
    routing_table: str
    writer: Writer | None = None

    def suspend(self, account: AccountId, suspension: Suspension, *, beside: Sequence[Operation] = ()) -> None:
        """Suspend an account: its tokens and frames are refused. `beside` are conditions of the same transaction.

        Raises SuspensionRaced, also if it is suspended already.
        """
        self._write(
            self._account_row(
                account,
                f"SET {DirectoryRow.SUSPENDED} = :suspension",
                f"attribute_exists({DirectoryRow.PARTITION}) AND attribute_not_exists({DirectoryRow.SUSPENDED})",
                suspension,
            ),
            self._routing_item(account, f"SET {RoutingRow.SUSPENDED} = :yes", {":yes": {"BOOL": True}}),
            *beside,
        )

    def resume(self, account: AccountId, suspension: Suspension, *, beside: Sequence[Operation] = ()) -> None:
        """End this suspension. `beside` are conditions of the same transaction.

        Raises SuspensionRaced, also if another suspension is in force.
        """
        self._write(
            self._account_row(
                account,
                f"REMOVE {DirectoryRow.SUSPENDED}",
                f"{DirectoryRow.SUSPENDED} = :suspension",
                suspension,
            ),
            self._routing_item(account, f"REMOVE {RoutingRow.SUSPENDED}", {}),
            *beside,
        )

    def unlink_all(self, account: Account, *, now_seconds: int, beside: Sequence[Operation] = ()) -> None:
        """Remove all devices from directory and routing, also those that were linked meanwhile.

        `beside` are conditions of the same transaction. Raises SuspensionRaced.
        """
        last = Check(
            self.directory_table,
            account_key(account.id),
            condition=f"{DirectoryRow.LAST_DEVICE} = :last",
            values={":last": {"N": str(account.last_device)}},
        )
        addresses = [DeviceAddress(account.id, number) for number in account.devices]
        self._write(
            last,
            RoutingStore(self.client, self.routing_table).emptying(account.id),
            *(Delete(self.directory_table, device_key(address)) for address in addresses),
            *(
                putting_former(self.directory_table, device, "unlinked", now_seconds=now_seconds)
                for device in account.devices.values()
            ),
            *beside,
        )

    def _account_row(self, account: AccountId, change: str, condition: str, suspension: Suspension) -> Update:
        values = {":suspension": suspension_attribute(suspension)}
        return Update(self.directory_table, account_key(account), change, condition=condition, values=values)

    def _routing_item(self, account: AccountId, change: str, values: Item) -> Update:
        there = f"attribute_exists({RoutingRow.ACCOUNT})"
        return Update(self.routing_table, {RoutingRow.ACCOUNT: {"B": account}}, change, condition=there, values=values)

    def _write(self, *operations: Operation) -> None:
        try:
            write(self.client, self.writer, operations)
        except ConditionFailed as error:
            raise SuspensionRaced from error
