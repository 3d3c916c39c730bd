"""The directory table: accounts, their devices, their phone numbers and their blocks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from sandes.model.device import FORMER_DEVICE_SECONDS, MAX_BLOCKS, Account, Device, FormerDevice, Unlinking
from sandes.model.ids import (
    AccountId,
    DeviceAddress,
    DeviceNumber,
    InboxId,
    RegistrationId,
    account_text,
    parse_account,
)
from sandes.model.standing import Standing
from sandes.store.dynamo import Client, Condition, ConditionFailed, Item, batch_get_many
from sandes.store.queries import query_page
from sandes.store.schema import DirectoryRow as Row
from sandes.store.schema import InvitationRow
from sandes.store.standing import read_standing
from sandes.store.suspended import read_suspension
from sandes.store.transaction import Add, Delete, Put, transact, write_if

_NOT_BLOCKED = Condition("the account is not blocked yet")
_ACCOUNT_SORT = "0"
_DEVICE_PREFIX = "0#"  # sorts after the account and before its blocks, so that one query reads both without the blocks
_FORMER_PREFIX = "X#"
_FORMER_AT_ONCE = 20
_BLOCK_PREFIX = "B#"
_BLOCKS_SORT = "BN"
_INVITATION_PREFIX = "I#"
_PHONE = "P#"
_ACCOUNT = "A#"


def account_key(account: AccountId) -> dict[str, Any]:
    return {Row.PARTITION: {"S": f"{_ACCOUNT}{account_text(account)}"}, Row.SORT: {"S": _ACCOUNT_SORT}}


def device_key(address: DeviceAddress) -> dict[str, Any]:
    return {
        Row.PARTITION: {"S": f"{_ACCOUNT}{account_text(address.account)}"},
        Row.SORT: {"S": f"{_DEVICE_PREFIX}{address.device}"},
    }


def block_key(*, owner: AccountId, blocked: AccountId) -> dict[str, Any]:
    return {
        Row.PARTITION: {"S": f"{_ACCOUNT}{account_text(owner)}"},
        Row.SORT: {"S": f"{_BLOCK_PREFIX}{account_text(blocked)}"},
    }


def invitation_key(*, owner: AccountId, invited: AccountId) -> dict[str, Any]:
    return {
        Row.PARTITION: {"S": f"{_ACCOUNT}{account_text(owner)}"},
        Row.SORT: {"S": f"{_INVITATION_PREFIX}{account_text(invited)}"},
    }


@dataclass(frozen=True, slots=True)
class Invitation:
    """Holds an invitation. Times are epoch seconds. `expires_at` is None for an invitation without an end."""

    invited: AccountId
    created_at: int
    expires_at: int | None


def invitation_holds(item: Item, at_seconds: int) -> bool:
    """Tell whether an invitation is valid at a time, because TTL deletes rows late."""
    return Row.VANISHES_AT not in item or int(item[Row.VANISHES_AT]["N"]) > at_seconds


def is_block(item: Item) -> bool:
    return bool(item[Row.SORT]["S"].startswith(_BLOCK_PREFIX))


def item_is(item: Item, key: Item) -> bool:
    """Tell whether a row that was read together with others has this key."""
    return all(item[name] == value for name, value in key.items())


def phone_key(phone_index: str) -> dict[str, Any]:
    return {Row.PARTITION: {"S": f"{_PHONE}{phone_index}"}, Row.SORT: {"S": _ACCOUNT_SORT}}


@dataclass(frozen=True, slots=True)
class Known:
    """Holds the facts that decide whether an account may join a group: its number and its standing."""

    phone_index: str
    phone_sealed: bytes
    standing: Standing | None

    def standing_at(self, now_seconds: int) -> Standing | None:
        """Return the standing, if it is in force."""
        return self.standing if self.standing and self.standing.expires_at > now_seconds else None


@dataclass(frozen=True, slots=True)
class DirectoryStore:
    client: Client
    table: str

    def account(self, account: AccountId) -> Account | None:
        """Return the account with its devices, with one consistent query."""
        answer = self.client.query(
            TableName=self.table,
            ConsistentRead=True,
            KeyConditionExpression=f"{Row.PARTITION} = :partition AND begins_with({Row.SORT}, :account)",
            ExpressionAttributeValues={
                ":partition": account_key(account)[Row.PARTITION],
                ":account": {"S": _ACCOUNT_SORT},
            },
        )
        if not answer["Items"]:
            return None
        item, *devices = answer["Items"]
        return Account(
            id=account,
            phone_index=item[Row.PHONE_INDEX]["S"],
            phone_sealed=item[Row.PHONE_SEALED]["B"],
            created_at=int(item[Row.CREATED_AT]["N"]),
            last_device=DeviceNumber(int(item[Row.LAST_DEVICE]["N"])),
            devices={device.number: device for device in (_device(account, row) for row in devices)},
            standing=read_standing(item.get(Row.STANDING)),
            suspension=read_suspension(item.get(Row.SUSPENDED)),
        )

    def former_devices(self, address: DeviceAddress, *, now_seconds: int) -> list[FormerDevice]:
        """Return the devices that had this number before, in one consistent query."""
        answer = self.client.query(
            TableName=self.table,
            ConsistentRead=True,
            KeyConditionExpression=f"{Row.PARTITION} = :partition AND begins_with({Row.SORT}, :number)",
            ExpressionAttributeValues={
                ":partition": account_key(address.account)[Row.PARTITION],
                ":number": {"S": f"{_FORMER_PREFIX}{address.device}#"},
            },
            Limit=_FORMER_AT_ONCE,
        )
        return [
            FormerDevice(item[Row.IDENTITY_KEY]["B"], cast("Unlinking", item[Row.REASON]["S"]))
            for item in answer["Items"]
            if int(item[Row.VANISHES_AT]["N"]) > now_seconds
        ]

    def account_of_phone(self, phone_index: str) -> AccountId | None:
        answer = self.client.get_item(TableName=self.table, Key=phone_key(phone_index), ConsistentRead=True)
        return AccountId(answer["Item"][Row.ACCOUNT]["B"]) if "Item" in answer else None

    def accounts_of_phones(self, phone_indexes: Sequence[str]) -> dict[str, AccountId]:
        """Return the accounts of any number of phone numbers, as far as they exist, by consistent reads of 100."""
        keys = [phone_key(index) for index in dict.fromkeys(phone_indexes)]
        found = batch_get_many(self.client, self.table, keys)
        return {item[Row.PARTITION]["S"].removeprefix(_PHONE): AccountId(item[Row.ACCOUNT]["B"]) for item in found}

    def people(self, accounts: Sequence[AccountId]) -> dict[AccountId, Known]:
        """Return those of any number of accounts that exist, by consistent reads of 100."""
        keys = [account_key(account) for account in dict.fromkeys(accounts)]
        attributes = (Row.PARTITION, Row.PHONE_INDEX, Row.PHONE_SEALED, Row.STANDING)
        found = batch_get_many(self.client, self.table, keys, attributes=attributes)
        return {
            parse_account(item[Row.PARTITION]["S"].removeprefix(_ACCOUNT)): Known(
                item[Row.PHONE_INDEX]["S"], item[Row.PHONE_SEALED]["B"], read_standing(item.get(Row.STANDING))
            )
            for item in found
        }

    def block(self, *, owner: AccountId, blocked: AccountId, most: int = MAX_BLOCKS) -> bool:
        """Block an account, once. Return False if `owner` blocks `most` others already."""
        absent, room = (
            f"attribute_not_exists({Row.PARTITION})",
            f"attribute_not_exists({Row.BLOCKS}) OR {Row.BLOCKS} < :most",
        )
        block = Put(self.table, block_key(owner=owner, blocked=blocked), condition=absent, named=_NOT_BLOCKED)
        counted = self._counting_blocks(owner, 1).also(room, {":most": {"N": str(most)}})
        try:
            transact(self.client, [block, counted])
        except ConditionFailed as failed:
            return failed.is_(_NOT_BLOCKED)  # blocked already
        return True

    def _counting_blocks(self, owner: AccountId, more: int) -> Add:
        return Add(self.table, account_key(owner) | {Row.SORT: {"S": _BLOCKS_SORT}}, {Row.BLOCKS: more})

    def invite(self, *, owner: AccountId, invited: AccountId, now_seconds: int, until: int | None = None) -> None:
        """Let `invited` write to `owner`, without an end or until an epoch second.

        An existing invitation without an end is not changed; one with an end is replaced.
        """
        item = invitation_key(owner=owner, invited=invited) | {InvitationRow.CREATED_AT: {"N": str(now_seconds)}}
        if until is not None:
            item[Row.VANISHES_AT] = {"N": str(until)}
        replaceable = f"attribute_not_exists({Row.PARTITION}) OR attribute_exists({Row.VANISHES_AT})"
        write_if(self.client, None, [Put(self.table, item, condition=replaceable)])

    def uninvite(self, *, owner: AccountId, invited: AccountId) -> None:
        self.client.delete_item(TableName=self.table, Key=invitation_key(owner=owner, invited=invited))

    def invitations(
        self, owner: AccountId, *, after: AccountId | None, most: int, now_seconds: int
    ) -> tuple[list[Invitation], AccountId | None]:
        """Return the accounts that `owner` has invited, by id, and the start of the next page, if there may be one."""
        key, sort = account_key(owner), invitation_key(owner=owner, invited=after)[Row.SORT]["S"] if after else None
        items, last = query_page(self.client, self.table, key, _INVITATION_PREFIX, after=sort, limit=most)
        found = [
            Invitation(
                parse_account(item[Row.SORT]["S"].removeprefix(_INVITATION_PREFIX)),
                int(item[InvitationRow.CREATED_AT]["N"]),
                int(item[Row.VANISHES_AT]["N"]) if Row.VANISHES_AT in item else None,
            )
            for item in items
            if invitation_holds(item, now_seconds)
        ]
        return found, parse_account(last.removeprefix(_INVITATION_PREFIX)) if last else None

    def unblock(self, *, owner: AccountId, blocked: AccountId) -> None:
        """End a block, if there is one."""
        delete = Delete(
            self.table, block_key(owner=owner, blocked=blocked), condition=f"attribute_exists({Row.PARTITION})"
        )
        with suppress(ConditionFailed):  # there is none
            transact(self.client, [delete, self._counting_blocks(owner, -1)])


def _device(account: AccountId, item: Item) -> Device:
    return Device(
        account=account,
        number=DeviceNumber(int(item[Row.SORT]["S"].removeprefix(_DEVICE_PREFIX))),
        registration=RegistrationId(int(item[Row.REGISTRATION]["N"])),
        inbox=InboxId(item[Row.INBOX]["B"]),
        identity_key=item[Row.IDENTITY_KEY]["B"],
        name=item[Row.NAME]["S"],
        platform=item[Row.PLATFORM]["S"],
        linked_at=int(item[Row.LINKED_AT]["N"]),
    )


def putting_former(table: str, device: Device, reason: Unlinking, *, now_seconds: int) -> Put:
    """Build the part of a transaction that remembers a removed device, so that it can learn of its removal."""
    item = {
        Row.PARTITION: {"S": f"{_ACCOUNT}{account_text(device.account)}"},
        Row.SORT: {"S": f"{_FORMER_PREFIX}{device.number}#{device.registration}"},
        Row.IDENTITY_KEY: {"B": device.identity_key},
        Row.REASON: {"S": reason},
        Row.VANISHES_AT: {"N": str(now_seconds + FORMER_DEVICE_SECONDS)},
    }
    return Put(table, item)


def device_item(device: Device) -> dict[str, Any]:
    return device_key(DeviceAddress(device.account, device.number)) | {
        Row.REGISTRATION: {"N": str(device.registration)},
        Row.INBOX: {"B": device.inbox},
        Row.IDENTITY_KEY: {"B": device.identity_key},
        Row.NAME: {"S": device.name},
        Row.PLATFORM: {"S": device.platform},
        Row.LINKED_AT: {"N": str(device.linked_at)},
    }
