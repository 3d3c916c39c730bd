"""What is done to an account from outside: suspending it, unlinking all its devices.

A suspension stands with the account, for whoever checks a token, and in the routing item, for whoever handles a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandes.model.device import Account
from sandes.model.ids import AccountId, DeviceAddress
from sandes.model.suspension import Suspension
from sandes.store.directory import account_key, device_key, putting_former
from sandes.store.dynamo import Client, ConditionFailed, Item, Writer, write
from sandes.store.routing import RoutingStore
from sandes.store.schema import DirectoryRow, RoutingRow
from sandes.store.suspended import suspension_attribute


class SuspensionRaced(Exception):
    """The account, its verification or its suspension have changed since they were read: read again."""


@dataclass(frozen=True, slots=True)
class SuspensionStore:
    client: Client
    directory_table: str
    routing_table: str
    writer: Writer | None = None

    def suspend(self, account: AccountId, suspension: Suspension, *, beside: Sequence[Any] = ()) -> None:
        """From then on its tokens and frames are refused. `beside`: conditions of the same transaction.

        Raises SuspensionRaced, also if it is suspended already.
        """
        account_row = {
            "UpdateExpression": f"SET {DirectoryRow.SUSPENDED} = :suspension",
            "ConditionExpression": (
                f"attribute_exists({DirectoryRow.PARTITION}) AND attribute_not_exists({DirectoryRow.SUSPENDED})"
            ),
            "ExpressionAttributeValues": {":suspension": suspension_attribute(suspension)},
        }
        routing_item = {
            "UpdateExpression": f"SET {RoutingRow.SUSPENDED} = :yes",
            "ExpressionAttributeValues": {":yes": {"BOOL": True}},
        }
        self._mark(account, account_row, routing_item, beside)

    def resume(self, account: AccountId, suspension: Suspension, *, beside: Sequence[Any] = ()) -> None:
        """End this suspension. `beside`: conditions of the same transaction.

        Raises SuspensionRaced, also if it is not the one in force.
        """
        account_row = {
            "UpdateExpression": f"REMOVE {DirectoryRow.SUSPENDED}",
            "ConditionExpression": f"{DirectoryRow.SUSPENDED} = :suspension",
            "ExpressionAttributeValues": {":suspension": suspension_attribute(suspension)},
        }
        self._mark(account, account_row, {"UpdateExpression": f"REMOVE {RoutingRow.SUSPENDED}"}, beside)

    def unlink_all(self, account: Account, *, now_seconds: int, beside: Sequence[Any] = ()) -> None:
        """Take all devices out of directory and routing, those too that were linked meanwhile.

        `beside`: conditions of the same transaction. Raises SuspensionRaced.
        """
        last = {
            "TableName": self.directory_table,
            "Key": account_key(account.id),
            "ConditionExpression": f"{DirectoryRow.LAST_DEVICE} = :last",
            "ExpressionAttributeValues": {":last": {"N": str(account.last_device)}},
        }
        addresses = [DeviceAddress(account.id, number) for number in account.devices]
        self._write(
            {"ConditionCheck": last},
            RoutingStore(self.client, self.routing_table).emptying(account.id),
            *({"Delete": {"TableName": self.directory_table, "Key": device_key(address)}} for address in addresses),
            *(
                putting_former(self.directory_table, device, "unlinked", now_seconds=now_seconds)
                for device in account.devices.values()
            ),
            *beside,
        )

    def _mark(self, account: AccountId, account_row: Item, routing_item: Item, beside: Sequence[Any]) -> None:
        in_directory = {"TableName": self.directory_table, "Key": account_key(account), **account_row}
        in_routing = {
            "TableName": self.routing_table,
            "Key": {RoutingRow.ACCOUNT: {"B": account}},
            "ConditionExpression": f"attribute_exists({RoutingRow.ACCOUNT})",
            **routing_item,
        }
        self._write({"Update": in_directory}, {"Update": in_routing}, *beside)

    def _write(self, *operations: dict[str, Any]) -> None:
        try:
            write(self.client, self.writer, operations)
        except ConditionFailed as error:
            raise SuspensionRaced from error
