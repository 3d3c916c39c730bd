"""Writes citizens and memberships directly into the tables of the local engine, past all checks.

This takes seconds rather than minutes. A seeded citizen has an account with one device, for which messages are sealed
and stored as usual. The device's keys are thrown away, so nobody can sign in with it or read its messages. There is no
phone number.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from nacl import bindings

from sandes.model.device import Device, SealKey
from sandes.model.group import Member
from sandes.model.ids import (
    AccountId,
    DeviceNumber,
    GroupId,
    account_text,
    new_account_id,
    new_inbox_id,
    new_registration_id,
)
from sandes.store.directory import account_key, device_item
from sandes.store.dynamo import Client, batch_write
from sandes.store.groups import group_key, member_item, membership_key
from sandes.store.routing import RoutingStore
from sandes.store.schema import DirectoryRow, GroupRow

_ONE = DeviceNumber(1)


def seed_citizens(client: Client, tables: Mapping[str, str], count: int) -> list[AccountId]:
    """Create accounts, each with a device whose keys nobody has. They have no phone number."""
    now = int(time.time())
    routing = RoutingStore(client, tables["routing"])
    identity_key = bindings.crypto_sign_seed_keypair(secrets.token_bytes(32))[0]
    seal_key = SealKey(1, bindings.crypto_scalarmult_base(secrets.token_bytes(32)))
    accounts, directory_rows, routing_rows = [], [], []
    for _ in range(count):
        account = new_account_id()
        device = Device(
            account=account,
            number=_ONE,
            registration=new_registration_id(),
            inbox=new_inbox_id(),
            identity_key=identity_key,
            name="seeded",
            platform="seeded",
            linked_at=now,
        )
        accounts.append(account)
        directory_rows += [_account_row(account, now), device_item(device)]
        routing_rows.append(routing.replacing(device, seal_key).item)
    batch_write(client, tables["directory"], _puts(directory_rows))
    batch_write(client, tables["routing"], _puts(routing_rows))
    return accounts


def seed_members(client: Client, tables: Mapping[str, str], group: GroupId, accounts: Sequence[AccountId]) -> None:
    """Make accounts members of an existing group. Nobody is notified."""
    table, now_ms = tables["directory"], time.time_ns() // 1_000_000
    rows: list[dict[str, Any]] = []
    for account in accounts:
        item = member_item(group, Member(account, "member", now_ms))
        fields = {name: item[name] for name in (GroupRow.ROLE, GroupRow.JOINED_AT_MS, GroupRow.JOINED_VERSION)}
        rows += [item, membership_key(account, group) | fields]
    batch_write(client, table, _puts(rows))
    client.update_item(
        TableName=table,
        Key=group_key(group),
        UpdateExpression=f"ADD {GroupRow.MEMBERS} :more, {GroupRow.VERSION} :one",
        ExpressionAttributeValues={":more": {"N": str(len(accounts))}, ":one": {"N": "1"}},
    )


def _account_row(account: AccountId, now: int) -> dict[str, Any]:
    return account_key(account) | {
        DirectoryRow.PHONE_INDEX: {"S": f"seeded-{account_text(account)}"},
        DirectoryRow.PHONE_SEALED: {"B": b""},
        DirectoryRow.CREATED_AT: {"N": str(now)},
        DirectoryRow.LAST_DEVICE: {"N": str(_ONE)},
    }


def _puts(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"PutRequest": {"Item": row}} for row in rows]
