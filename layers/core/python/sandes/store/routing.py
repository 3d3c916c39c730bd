"""The routing table: for each account its devices, their seal keys and their live sockets.

Each account has one item. Sockets have an expiry that is checked on reading, because `$disconnect` may never come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sandes.model.device import Device, Route, Routes, SealKey
from sandes.model.ids import (
    AccountId,
    ConnectionId,
    DeviceAddress,
    DeviceNumber,
    InboxId,
    RegistrationId,
)
from sandes.model.principal import Principal
from sandes.model.standing import Standing, in_force
from sandes.model.statistics import day_of
from sandes.store.dynamo import Client, Item, batch_get, failed_condition, is_overload
from sandes.store.schema import RoutingRow as Row
from sandes.store.standing import read_standing, standing_attribute
from sandes.store.transaction import Put, Update

_BATCH_KEYS = 100  # DynamoDB's limit
_NEVER = {"N": "0"}
_ENTRY = f"{Row.DEVICES}.#n"  # the device's entry; `_update` replaces #n by the device's number

CONNECTION_SECONDS = 2 * 3600 + 600
"""How long a socket's entry is valid. API Gateway closes a socket after two hours; the entry outlives it by ten
minutes.
"""

DRAIN_LEASE_MS = 30_000
"""The lease of a drain, longer than any drain. A function that fails during a drain blocks the inbox for this time."""

_IS_LIVE = (
    f"{_ENTRY}.{Row.REGISTRATION} = :registration AND {_ENTRY}.{Row.SOCKET} = :socket AND "
    f"(attribute_not_exists({_ENTRY}.{Row.CONNECTION}) OR {_ENTRY}.{Row.CONNECTION} = :connection)"
)
"""The condition that this socket was the last to say `hello`: the row has its number, and its connection or none."""


class DeviceGone(Exception):
    """Reports that the device no longer belongs to the account: it was unlinked, or registered again."""


class AccountSuspended(Exception):
    """Reports that the account may do nothing until it is resumed."""


class SocketSuperseded(Exception):
    """Reports that a newer socket of the device has already said `hello`."""


class HelloMissing(Exception):
    """Reports that the socket has not said `hello` yet."""


class DrainUnderWay(Exception):
    """Reports that the device's inbox is being sent. `until_ms` is the latest end, in epoch milliseconds."""

    def __init__(self, until_ms: int) -> None:
        super().__init__(until_ms)
        self.until_ms = until_ms


@dataclass(frozen=True, slots=True)
class Connected:
    """Holds the result of `connect`. `standing` is in force, or None. `draining`: the inbox is being sent already.

    `first_of_day`: no other socket of the account was opened earlier on this socket's day in UTC, as far as known:
    devices that were removed since do not count.
    """

    epoch: int
    previous: ConnectionId | None
    draining: bool
    first_of_day: bool
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class RoutingStore:
    client: Client
    table: str

    def read(self, account: AccountId, *, now_seconds: int) -> Routes | None:
        """Return the routing of an account by a consistent read, which sees every `connect` and `disconnect`
        before it.
        """
        answer = self.client.get_item(TableName=self.table, Key={Row.ACCOUNT: {"B": account}}, ConsistentRead=True)
        return routes(answer["Item"], now_seconds=now_seconds) if "Item" in answer else None

    def read_many(self, accounts: Sequence[AccountId], *, now_seconds: int) -> dict[AccountId, Routes]:
        """Return the routing of those of any number of accounts that exist, by consistent reads of 100."""
        keys = [{Row.ACCOUNT: {"B": account}} for account in dict.fromkeys(accounts)]
        found: list[Item] = []
        for start in range(0, len(keys), _BATCH_KEYS):
            some = {"Keys": keys[start : start + _BATCH_KEYS], "ConsistentRead": True}
            found += batch_get(self.client, {self.table: some})[self.table]
        return {read.account: read for read in (routes(item, now_seconds=now_seconds) for item in found)}

    def number_socket(self, principal: Principal) -> int:
        """Count the device's sockets and return the new count, which is the number of this socket.

        Raises DeviceGone.
        """
        try:
            attributes = self._update(
                principal.address,
                f"SET {_ENTRY}.{Row.SOCKETS} = if_not_exists({_ENTRY}.{Row.SOCKETS}, :none) + :one",
                condition=f"{_ENTRY}.{Row.REGISTRATION} = :registration",
                values={
                    ":registration": {"N": str(principal.registration)},
                    ":none": {"N": "0"},
                    ":one": {"N": "1"},
                },
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if failed_condition(error):
                raise DeviceGone from None
            raise
        return int(_entry_of(attributes, principal)[Row.SOCKETS]["N"])

    def connect(self, principal: Principal, connection: ConnectionId, *, now_seconds: int) -> Connected:
        """Make `connection` the device's live socket and increase its epoch.

        Raises DeviceGone, AccountSuspended, or SocketSuperseded if a socket with a higher number came first.
        """
        try:
            attributes = self._update(
                principal.address,
                (
                    f"SET {_ENTRY}.{Row.CONNECTION} = :connection, {_ENTRY}.{Row.CONNECTION_EXPIRES_AT} = :expires, "
                    f"{_ENTRY}.{Row.CONNECTED_AT_MS} = :connected, {_ENTRY}.{Row.SOCKET} = :socket, "
                    f"{_ENTRY}.{Row.EPOCH} = {_ENTRY}.{Row.EPOCH} + :one"
                ),
                condition=(
                    f"{_ENTRY}.{Row.REGISTRATION} = :registration AND attribute_not_exists({Row.SUSPENDED}) AND "
                    f"(attribute_not_exists({_ENTRY}.{Row.SOCKET}) OR {_ENTRY}.{Row.SOCKET} <= :socket)"
                ),
                values={
                    ":connection": {"S": connection},
                    ":expires": {"N": str(now_seconds + CONNECTION_SECONDS)},
                    ":connected": {"N": str(principal.connected_at_ms)},
                    ":socket": {"N": str(principal.socket)},
                    ":registration": {"N": str(principal.registration)},
                    ":one": {"N": "1"},
                },
                ReturnValues="ALL_OLD",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            failed = failed_condition(error)
            if failed is None:
                raise
            _check_may_speak(failed.row(), principal)
            raise SocketSuperseded from None
        devices = attributes[Row.DEVICES]["M"]
        old = _entry_of(attributes, principal)
        connected = (int(entry["M"].get(Row.CONNECTED_AT_MS, _NEVER)["N"]) for entry in devices.values())
        previous = _live_connection(old, now_seconds)
        return Connected(
            epoch=int(old[Row.EPOCH]["N"]) + 1,
            previous=previous if previous != connection else None,
            draining=_draining_until_ms(old) > now_seconds * 1000,
            first_of_day=day_of(max(connected)) < day_of(principal.connected_at_ms),
            standing=in_force(read_standing(attributes.get(Row.STANDING)), now_seconds=now_seconds),
        )

    def begin_drain(self, principal: Principal, connection: ConnectionId, *, now_ms: int) -> int:
        """Reserve the device's inbox for one drain at a time. Return the end of the lease: pass it to `end_drain`.

        A frame proves that its socket is alive. The live socket is therefore registered again if a wrong answer to a
        post, or a late `$disconnect`, had removed it. Raises DeviceGone, AccountSuspended, HelloMissing,
        SocketSuperseded or DrainUnderWay.
        """
        until_ms = now_ms + DRAIN_LEASE_MS
        expires, draining = f"{_ENTRY}.{Row.CONNECTION_EXPIRES_AT}", f"{_ENTRY}.{Row.DRAINING_UNTIL_MS}"
        try:
            self._update(
                principal.address,
                (
                    f"SET {_ENTRY}.{Row.CONNECTION} = :connection, {expires} = if_not_exists({expires}, :expires), "
                    f"{draining} = :until"
                ),
                condition=(
                    f"{_IS_LIVE} AND attribute_not_exists({Row.SUSPENDED}) AND "
                    f"(attribute_not_exists({draining}) OR {draining} <= :now)"
                ),
                values=_live_values(principal, connection)
                | {
                    ":until": {"N": str(until_ms)},
                    ":expires": {"N": str(now_ms // 1000 + CONNECTION_SECONDS)},
                    ":now": {"N": str(now_ms)},
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            failed = failed_condition(error)
            if failed is None:
                raise
            row = failed.row()
            _check_may_speak(row, principal)
            stands = _entry_of(row or {}, principal)
            check_socket(_route(principal.address.device, stands, now_ms // 1000), principal, connection)
            raise DrainUnderWay(_draining_until_ms(stands)) from None
        return until_ms

    def end_drain(self, principal: Principal, until_ms: int) -> None:
        """Release the inbox, unless this drain took so long that another has begun."""
        draining = f"{_ENTRY}.{Row.DRAINING_UNTIL_MS}"
        try:
            self._update(
                principal.address,
                f"REMOVE {draining}",
                condition=f"{draining} = :until",
                values={":until": {"N": str(until_ms)}},
            )
        except ClientError as error:
            if not failed_condition(error) and not is_overload(error):
                raise

    def reconnect(self, principal: Principal, connection: ConnectionId, *, now_seconds: int) -> bool:
        """Restore a forgotten socket as the live one. Returns False if a newer one has said `hello` since."""
        return self._update_if(
            principal.address,
            f"SET {_ENTRY}.{Row.CONNECTION} = :connection, {_ENTRY}.{Row.CONNECTION_EXPIRES_AT} = :expires",
            condition=_IS_LIVE,
            values=_live_values(principal, connection) | {":expires": {"N": str(now_seconds + CONNECTION_SECONDS)}},
        )

    def disconnect(self, address: DeviceAddress, connection: ConnectionId, *, now_seconds: int) -> bool:
        """Remove `connection` if it is still the device's live socket, last seen now. Return False if it is not."""
        return self._update_if(
            address,
            (
                f"REMOVE {_ENTRY}.{Row.CONNECTION}, {_ENTRY}.{Row.CONNECTION_EXPIRES_AT} "
                f"SET {_ENTRY}.{Row.LAST_SEEN} = :now"
            ),
            condition=f"{_ENTRY}.{Row.CONNECTION} = :connection",
            values={":connection": {"S": connection}, ":now": {"N": str(now_seconds)}},
        )

    def rotate_seal_key(self, address: DeviceAddress, registration: RegistrationId, key: SealKey) -> bool:
        """Replace the seal key by a newer one. The current key may be stored again.

        Return False if another key has this number or a higher one, or if the device is gone.
        """
        return self._update_if(
            address,
            f"SET {_ENTRY}.{Row.SEAL_KEY} = :public, {_ENTRY}.{Row.SEAL_KEY_NUMBER} = :number",
            condition=(
                f"{_ENTRY}.{Row.REGISTRATION} = :registration AND ({_ENTRY}.{Row.SEAL_KEY_NUMBER} < :number OR "
                f"({_ENTRY}.{Row.SEAL_KEY_NUMBER} = :number AND {_ENTRY}.{Row.SEAL_KEY} = :public))"
            ),
            values={
                ":public": {"B": key.public},
                ":number": {"N": str(key.number)},
                ":registration": {"N": str(registration)},
            },
        )

    def _update_if(self, address: DeviceAddress, update: str, *, condition: str, values: dict[str, Any]) -> bool:
        """Change the device's entry as `_update` does. Returns False if the condition fails."""
        try:
            self._update(address, update, condition=condition, values=values)
        except ClientError as error:
            if failed_condition(error):
                return False
            raise
        return True

    def _update(
        self, address: DeviceAddress, update: str, *, condition: str, values: dict[str, Any], **answers: Any
    ) -> Item:
        """Change the device's entry (`_ENTRY`). Returns the attributes that `answers` asks for. Raises ClientError."""
        answer = self.client.update_item(
            TableName=self.table,
            Key={Row.ACCOUNT: {"B": address.account}},
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeNames={"#n": str(address.device)},
            ExpressionAttributeValues=values,
            **answers,
        )
        return answer.get("Attributes", {})

    # Parts of the directory's transactions: a device enters directory and routing together or not at all

    def replacing(self, device: Device, seal_key: SealKey) -> Put:
        """Make the device the account's only one, without a standing."""
        return Put(
            self.table,
            {
                Row.ACCOUNT: {"B": device.account},
                Row.DEVICES: {"M": {str(device.number): _entry(device, seal_key)}},
            },
        )

    def standing(self, account: AccountId, standing: Standing | None) -> Update:
        """Set the standing that senders and groups read from now on. The condition fails without a routing item."""
        change, values = f"REMOVE {Row.STANDING}", {}
        if standing:
            change, values = f"SET {Row.STANDING} = :standing", {":standing": standing_attribute(standing)}
        there = f"attribute_exists({Row.ACCOUNT})"
        return Update(self.table, {Row.ACCOUNT: {"B": account}}, change, condition=there, values=values)

    def removing(self, device: Device) -> Update:
        """Remove a device: `connect` and `send` refuse it from then on, and nothing more is sealed to it."""
        return Update(
            self.table,
            {Row.ACCOUNT: {"B": device.account}},
            f"REMOVE {Row.DEVICES}.#n",
            condition=f"{Row.DEVICES}.#n.{Row.REGISTRATION} = :registration",
            names={"#n": str(device.number)},
            values={":registration": {"N": str(device.registration)}},
        )

    def emptying(self, account: AccountId) -> Update:
        """Remove all devices, like `removing`. The condition fails for an account without a routing item."""
        return Update(
            self.table,
            {Row.ACCOUNT: {"B": account}},
            f"SET {Row.DEVICES} = :none",
            condition=f"attribute_exists({Row.ACCOUNT})",
            values={":none": {"M": {}}},
        )

    def adding(self, device: Device, seal_key: SealKey) -> Update:
        return Update(
            self.table,
            {Row.ACCOUNT: {"B": device.account}},
            f"SET {Row.DEVICES}.#n = :entry",
            condition=f"attribute_exists({Row.ACCOUNT})",
            names={"#n": str(device.number)},
            values={":entry": _entry(device, seal_key)},
        )


def _entry(device: Device, seal_key: SealKey) -> dict[str, Any]:
    return {
        "M": {
            Row.REGISTRATION: {"N": str(device.registration)},
            Row.INBOX: {"B": device.inbox},
            Row.SEAL_KEY: {"B": seal_key.public},
            Row.SEAL_KEY_NUMBER: {"N": str(seal_key.number)},
            Row.EPOCH: {"N": "0"},
        }
    }


def _entry_of(item: Item, principal: Principal) -> Mapping[str, Any]:
    """Return the device's entry in a routing item, empty if there is none."""
    entry: Mapping[str, Any] = item.get(Row.DEVICES, {"M": {}})["M"].get(str(principal.address.device), {"M": {}})["M"]
    return entry


def _check_may_speak(item: Item | None, principal: Principal) -> None:
    """Check that the device may speak. Raises DeviceGone or AccountSuspended."""
    entry = _entry_of(item or {}, principal)
    if not entry or int(entry[Row.REGISTRATION]["N"]) != principal.registration:
        raise DeviceGone
    if Row.SUSPENDED in (item or {}):
        raise AccountSuspended


def check_socket(route: Route, principal: Principal, connection: ConnectionId) -> None:
    """Check the socket. Raises HelloMissing before its `hello`, SocketSuperseded after a newer one's."""
    if route.socket is None or route.socket < principal.socket:
        raise HelloMissing
    if route.socket > principal.socket or route.connection not in (None, connection):
        raise SocketSuperseded


def _live_values(principal: Principal, connection: ConnectionId) -> dict[str, Any]:
    return {
        ":registration": {"N": str(principal.registration)},
        ":socket": {"N": str(principal.socket)},
        ":connection": {"S": connection},
    }


def _draining_until_ms(entry: Mapping[str, Any]) -> int:
    return int(entry.get(Row.DRAINING_UNTIL_MS, _NEVER)["N"])


def _live_connection(entry: Mapping[str, Any], now_seconds: int) -> ConnectionId | None:
    if Row.CONNECTION not in entry or int(entry[Row.CONNECTION_EXPIRES_AT]["N"]) <= now_seconds:
        return None
    return ConnectionId(entry[Row.CONNECTION]["S"])


def _last_seen(entry: Mapping[str, Any]) -> int | None:
    """Return when a device was last seen. If nobody has reported the end of a socket, only its beginning is known."""
    times = [int(entry[Row.LAST_SEEN]["N"])] if Row.LAST_SEEN in entry else []
    if Row.CONNECTED_AT_MS in entry:
        times.append(int(entry[Row.CONNECTED_AT_MS]["N"]) // 1000)
    return max(times, default=None)


def routes(item: Item, *, now_seconds: int) -> Routes:
    """Read a routing item. Expired sockets and an expired standing count as absent."""
    account = AccountId(item[Row.ACCOUNT]["B"])
    devices = {}
    for number, attribute in item[Row.DEVICES]["M"].items():
        device = DeviceNumber(int(number))
        devices[device] = _route(device, attribute["M"], now_seconds)
    standing = in_force(read_standing(item.get(Row.STANDING)), now_seconds=now_seconds)
    return Routes(account=account, devices=devices, standing=standing, suspended=Row.SUSPENDED in item)


def _route(device: DeviceNumber, entry: Mapping[str, Any], now_seconds: int) -> Route:
    return Route(
        device=device,
        registration=RegistrationId(int(entry[Row.REGISTRATION]["N"])),
        inbox=InboxId(entry[Row.INBOX]["B"]),
        seal_key=SealKey(int(entry[Row.SEAL_KEY_NUMBER]["N"]), entry[Row.SEAL_KEY]["B"]),
        epoch=int(entry[Row.EPOCH]["N"]),
        connection=_live_connection(entry, now_seconds),
        last_seen=_last_seen(entry),
        socket=int(entry[Row.SOCKET]["N"]) if Row.SOCKET in entry else None,
    )
