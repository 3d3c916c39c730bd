"""Changes of directory, routing and codes together. Each is one transaction, so that none is ever done in part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sandes.model.challenge import Challenge, Outcome
from sandes.model.device import Account, Device, SealKey
from sandes.model.ids import AccountId, DeviceAddress
from sandes.model.imports import Nomination
from sandes.store.codes import CodeStore
from sandes.store.directory import DirectoryStore, account_key, device_item, device_key, phone_key, putting_former
from sandes.store.dynamo import ConditionFailed
from sandes.store.nominations import NominationStore
from sandes.store.people import emptying_profile
from sandes.store.routing import RoutingStore
from sandes.store.schema import DirectoryRow as Row
from sandes.store.transaction import Check, Delete, Operation, Put, Update, Writer, write
from sandes.store.verifications import VerificationStore


class EnrolmentRaced(Exception):
    """Reports that another request has changed the account, number or challenge. Read again and repeat the decision."""


@dataclass(frozen=True, slots=True)
class EnrolmentStore:
    directory: DirectoryStore
    routing: RoutingStore
    codes: CodeStore
    writer: Writer | None = None

    @property
    def nominations(self) -> NominationStore:
        return NominationStore(self.directory.client, self.directory.table)

    def create(
        self,
        account: Account,
        device: Device,
        seal_key: SealKey,
        challenge: Challenge,
        *,
        indexes: Sequence[str] = (),
        seen: Nomination | None = None,
    ) -> None:
        """Create an account with its first device, for a number without an account.

        `indexes` are the pseudonyms under which the number is written, if there are several. `seen` is the number's
        nomination that was read. If it has changed, nobody has notified the worker that verifies the person, and the
        transaction fails.
        """
        self._transact(
            self._consume(challenge, device),
            *(self._claim_phone(index, account.id) for index in indexes or (account.phone_index,)),
            self.nominations.as_seen(account.phone_index, seen),
            Put(
                self.directory.table,
                account_key(account.id)
                | {
                    Row.PHONE_INDEX: {"S": account.phone_index},
                    Row.PHONE_SEALED: {"B": account.phone_sealed},
                    Row.CREATED_AT: {"N": str(account.created_at)},
                    Row.LAST_DEVICE: {"N": str(device.number)},
                },
                condition=f"attribute_not_exists({Row.PARTITION})",
            ),
            self._put_device(device),
            self.routing.replacing(device, seal_key),
        )

    @property
    def verifications(self) -> VerificationStore:
        return VerificationStore(self.directory.client, self.directory.table, self.routing)

    def replace(
        self, account: Account, device: Device, seal_key: SealKey, challenge: Challenge, *, now_seconds: int
    ) -> None:
        """Register the number again: the account stays, and `device` replaces all its devices.

        The transaction fails for a suspended account, which would otherwise return this way. The verification ends,
        because the organisation verified the number's former holder and not the new one. That person's own data are
        removed, and hidden fields stay hidden.
        """
        self._transact(
            self._consume(challenge, device),
            self._owns_phone(account),
            self._only_device(account, device),
            *(self._end_verification(account.id, now_seconds) if account.standing else ()),
            *(
                Delete(self.directory.table, device_key(DeviceAddress(account.id, number)))
                for number in account.devices
            ),
            *(
                putting_former(self.directory.table, former, "replaced", now_seconds=now_seconds)
                for former in account.devices.values()
            ),
            emptying_profile(self.directory.table, account.id),
            self._put_device(device),
            self.routing.replacing(device, seal_key),
        )

    def link(self, account: Account, opener: Device, device: Device, seal_key: SealKey, challenge: Challenge) -> None:
        """Add a device, while the device that opened the link exists and the account is not suspended.

        The counter in the account's row allows only one of two concurrent links.
        """
        self._transact(
            self._consume(challenge, device),
            self._still_there(opener),
            self._next_device(account, device),
            self._put_device(device),
            self.routing.adding(device, seal_key),
        )

    def unlink(self, device: Device, *, now_seconds: int | None = None) -> None:
        """Remove a device from directory and routing. With `now_seconds`, it can learn of its removal."""
        former = []
        if now_seconds is not None:
            former = [putting_former(self.directory.table, device, "unlinked", now_seconds=now_seconds)]
        self._transact(
            self.routing.removing(device),
            *former,
            Delete(self.directory.table, device_key(_address(device))),
        )

    def change_phone(
        self,
        account: Account,
        caller: Device,
        *,
        indexes: Sequence[str],
        phone_sealed: bytes,
        challenge: Challenge,
        left: Sequence[str] = (),
        seen: Nomination | None = None,
    ) -> None:
        """Move the account to another number, and release the old one.

        The transaction fails for a suspended account whose call was accepted before. `indexes` and `seen` are as in
        `create`. `left` holds all pseudonyms of the old number, if there are several.
        """
        self._transact(
            self._consume(challenge, caller),
            *(self._claim_phone(index, account.id) for index in indexes),
            self.nominations.as_seen(indexes[0], seen),
            *(self._leave_phone(index, account) for index in left or (account.phone_index,)),
            Update(
                self.directory.table,
                account_key(account.id),
                f"SET {Row.PHONE_INDEX} = :new, {Row.PHONE_SEALED} = :sealed",
                condition=f"{Row.PHONE_INDEX} = :old AND attribute_not_exists({Row.SUSPENDED})",
                values={
                    ":new": {"S": indexes[0]},
                    ":sealed": {"B": phone_sealed},
                    ":old": {"S": account.phone_index},
                },
            ),
        )

    def _transact(self, *operations: Operation) -> None:
        try:
            write(self.directory.client, self.writer, operations)
        except ConditionFailed as error:
            raise EnrolmentRaced from error

    def _consume(self, challenge: Challenge, device: Device) -> Update:
        return self.codes.consuming(
            challenge, used_by=device.identity_key, outcome=Outcome(_address(device), device.registration)
        )

    def _still_there(self, device: Device) -> Check:
        return Check(
            self.directory.table,
            device_key(_address(device)),
            condition=f"{Row.REGISTRATION} = :registration",
            values={":registration": {"N": str(device.registration)}},
        )

    def _claim_phone(self, phone_index: str, account: AccountId) -> Put:
        return Put(
            self.directory.table,
            phone_key(phone_index) | {Row.ACCOUNT: {"B": account}},
            condition=f"attribute_not_exists({Row.PARTITION})",
        )

    def _leave_phone(self, index: str, account: Account) -> Delete:
        """Release one pseudonym of a number. Only the one in the account's row must exist."""
        condition = f"{Row.ACCOUNT} = :account"
        if index != account.phone_index:
            condition = f"attribute_not_exists({Row.PARTITION}) OR {condition}"
        return Delete(
            self.directory.table, phone_key(index), condition=condition, values={":account": {"B": account.id}}
        )

    def _owns_phone(self, account: Account) -> Check:
        return Check(
            self.directory.table,
            phone_key(account.phone_index),
            condition=f"{Row.ACCOUNT} = :account",
            values={":account": {"B": account.id}},
        )

    def _next_device(self, account: Account, device: Device) -> Update:
        return Update(
            self.directory.table,
            account_key(account.id),
            f"SET {Row.LAST_DEVICE} = :next",
            condition=f"{Row.LAST_DEVICE} = :last AND attribute_not_exists({Row.SUSPENDED})",
            values={
                ":next": {"N": str(device.number)},
                ":last": {"N": str(account.last_device)},
            },
        )

    def _end_verification(self, account: AccountId, now_seconds: int) -> list[Operation]:
        verified = self.verifications.read(account)
        if verified is None or verified.ended:  # revoked since the account was read, which must not be overwritten
            return [self.verifications.unchanged(account, verified)]
        return self.verifications.ending(verified, "replaced", now_seconds=now_seconds)

    def _only_device(self, account: Account, device: Device) -> Update:
        """Build the same as `_next_device`, and remove the standing. Fails if a standing was set since the account was
        read.
        """
        update = self._next_device(account, device)
        update = replace(update, change=f"{update.change} REMOVE {Row.STANDING}")
        return update if account.standing else update.also(f"attribute_not_exists({Row.STANDING})")

    def _put_device(self, device: Device) -> Put:
        return Put(self.directory.table, device_item(device))


def _address(device: Device) -> DeviceAddress:
    return DeviceAddress(device.account, device.number)
