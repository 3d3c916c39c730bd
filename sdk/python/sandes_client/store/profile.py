"""Stores the identity of this device: account, keys, endpoints, clock offset."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sandes_client.cipher import RecipientDevice
from sandes_client.endpoints import Endpoints
from sandes_client.ids import AccountId, DeviceAddress, base64url_text, parse_base64url
from sandes_client.keys import IdentityKey, SealKey
from sandes_client.store.database import Database

DESTROY_AFTER_MS = 3600 * 1000
"""An old seal key is kept until an inbox drain that began this long after the rotation has ended."""


@dataclass(frozen=True, slots=True)
class Account:
    """Holds the account and device that the registration gave."""

    address: DeviceAddress
    registration_id: int
    identity: IdentityKey


class ProfileTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def account(self) -> Account | None:
        """Return the account, or None before registration and after the keys were destroyed."""
        row = self._database.row("SELECT account, device, registration_id, identity_seed FROM profile")
        if row[0] is None or row[3] is None:
            return None
        return Account(DeviceAddress(AccountId(row[0]), row[1]), row[2], IdentityKey(row[3]))

    def was_revoked(self) -> bool:
        """Return whether this was a device whose keys were destroyed, and which has not begun to register anew."""
        return bool(self._database.row("SELECT account IS NOT NULL AND identity_seed IS NULL FROM profile")[0])

    def identity(self) -> IdentityKey | None:
        """Return the key pair, which exists before the account does."""
        row = self._database.row("SELECT identity_seed FROM profile")
        return IdentityKey(row[0]) if row[0] is not None else None

    def begin(self, identity: IdentityKey, key: SealKey, *, now_ms: int) -> None:
        """Store the keys before the server sees them."""
        with self._database.transaction():
            self._database.run(
                "UPDATE profile SET identity_seed = ?, account = NULL, oldest_service_key = 0,"
                " oldest_attestation_key = 0, attestation_keys_at_ms = 0",
                (identity.seed,),
            )
            self._database.run("DELETE FROM service_keys")
            self._database.run("DELETE FROM attestation_keys")
            self._database.run("DELETE FROM seal_keys")
            self._database.run("DELETE FROM people")
            self.add_seal_key(key, now_ms=now_ms)

    def become(self, address: DeviceAddress, registration_id: int, *, now_ms: int) -> None:
        """Store the device that the server has registered."""
        with self._database.transaction():
            self._database.run(
                "UPDATE profile SET account = ?, device = ?, registration_id = ?, epoch = 0",
                (address.account, address.device, registration_id),
            )
            self._database.run("UPDATE seal_keys SET in_use_at_ms = ?", (now_ms,))

    def destroy_keys(self) -> None:
        """Overwrite and delete every secret. The caller scrubs the log."""
        self._database.run("UPDATE profile SET identity_seed = zeroblob(32)")
        self._database.run("UPDATE profile SET identity_seed = NULL")
        self._database.run("UPDATE seal_keys SET secret = zeroblob(32)")
        self._database.run("DELETE FROM seal_keys")

    def endpoints(self) -> Endpoints | None:
        row = self._database.row("SELECT http_url, websocket_url, audience FROM profile")
        return Endpoints(*row) if all(row) else None

    def set_endpoints(self, endpoints: Endpoints) -> None:
        self._database.run(
            "UPDATE profile SET http_url = ?, websocket_url = ?, audience = ?",
            (endpoints.http_url, endpoints.websocket_url, endpoints.audience),
        )

    def clock_offset_ms(self) -> int:
        return int(self._database.row("SELECT clock_offset_ms FROM profile")[0])

    def set_clock_offset_ms(self, offset_ms: int) -> None:
        self._database.run("UPDATE profile SET clock_offset_ms = ?", (offset_ms,))

    def epoch(self) -> int:
        return int(self._database.row("SELECT epoch FROM profile")[0])

    def set_epoch(self, epoch: int) -> None:
        self._database.run("UPDATE profile SET epoch = ? WHERE epoch <> ?", (epoch, epoch))

    def add_seal_key(self, key: SealKey, *, now_ms: int) -> None:
        """Store a new key before the server gets it, because the server may seal to it before its answer arrives."""
        self._database.run(
            "INSERT INTO seal_keys (number, secret, made_at_ms) VALUES (?, ?, ?)", (key.number, key.secret, now_ms)
        )

    def newest_seal_key(self) -> tuple[SealKey, int, bool] | None:
        """Return the key with the highest number, when it was made, and whether the server has accepted it."""
        row = self._database.row(
            "SELECT number, secret, made_at_ms, in_use_at_ms FROM seal_keys ORDER BY number DESC LIMIT 1"
        )
        return (SealKey(row[0], row[1]), row[2], row[3] is not None) if row else None

    def seal_secret(self, number: int) -> bytes | None:
        row = self._database.row("SELECT secret FROM seal_keys WHERE number = ?", (number,))
        return row[0] if row else None

    def seal_key_in_use(self, number: int, *, now_ms: int) -> None:
        """Note that the server has accepted key `number`. Older keys are old from now on."""
        with self._database.transaction():
            self._database.run("UPDATE seal_keys SET in_use_at_ms = ? WHERE number = ?", (now_ms, number))
            self._database.run(
                "UPDATE seal_keys SET replaced_at_ms = ? WHERE number < ? AND replaced_at_ms IS NULL", (now_ms, number)
            )

    def seal_keys_due(self, *, drain_began_ms: int) -> bool:
        """Return whether an old key may be destroyed once a drain that began then has ended."""
        latest_ms = drain_began_ms - DESTROY_AFTER_MS
        return bool(self._database.row("SELECT 1 FROM seal_keys WHERE replaced_at_ms <= ?", (latest_ms,)))

    def destroy_seal_keys(self, *, drain_began_ms: int) -> None:
        """Overwrite and delete the old keys that a drain made unnecessary. It began then, and has ended."""
        latest_ms = drain_began_ms - DESTROY_AFTER_MS
        with self._database.transaction():
            self._database.run("UPDATE seal_keys SET secret = zeroblob(32) WHERE replaced_at_ms <= ?", (latest_ms,))
            self._database.run("DELETE FROM seal_keys WHERE replaced_at_ms <= ?", (latest_ms,))
        self._database.scrub()

    def devices(self, account: AccountId) -> tuple[RecipientDevice, ...] | None:
        row = self._database.row("SELECT devices FROM devices WHERE account = ?", (account,))
        if row is None:
            return None
        return tuple(RecipientDevice(number, id, parse_base64url(key)) for number, id, key in json.loads(row[0]))

    def set_devices(self, account: AccountId, devices: tuple[RecipientDevice, ...]) -> None:
        listed = [(device.device, device.registration_id, base64url_text(device.identity_key)) for device in devices]
        self._database.run("REPLACE INTO devices (account, devices) VALUES (?, ?)", (account, json.dumps(listed)))
