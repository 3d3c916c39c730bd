"""Changes that touch directory, routing and codes at once: each one transaction, so that none is ever half done."""

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
    """Another request changed the account, number or challenge first: read again and decide anew."""


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
        """A new account with its first device, for a number that has none. `indexes`: the pseudonyms under which the
        number is written, if they are several. `seen`: what the number was nominated for; had that been another,
        whoever is to verify the person would not have been told.
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
        """Register the number again: the account stays, and `device` takes the place of all devices it had. A suspended
        account is refused, since it would come back this way.

        An organisation vouched for who held the number before, not for who holds it now: the verification ends. What
        that person said of themselves is removed; what was hidden stays hidden.
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
        """One more device, as long as the one that opened the link is there and the account is not suspended.

        The counter in the account row lets only one of two parallel links through.
        """
        self._transact(
            self._consume(challenge, device),
            self._still_there(opener),
            self._next_device(account, device),
            self._put_device(device),
            self.routing.adding(device, seal_key),
        )

    def unlink(self, device: Device, *, now_seconds: int | None = None) -> None:
        """Take a device out of directory and routing. With `now_seconds`, it is told so whenever it asks."""
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
        """Move the account to another number: the old one is free, the new one its own. Not of one that is suspended,
        by a call that was let in before. `indexes` and `seen` as in `create`; `left`: all pseudonyms of the old number,
        if they are several.
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
        """Of the pseudonyms of a number, only the one in the account's row must be there."""
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
        if verified is None or verified.ended:  # revoked since the account was read: it must stay so
            return [self.verifications.unchanged(account, verified)]
        return self.verifications.ending(verified, "replaced", now_seconds=now_seconds)

    def _only_device(self, account: Account, device: Device) -> Update:
        """As `_next_device`, without a standing; fails if a standing has come since the account was read."""
        update = self._next_device(account, device)
        update = replace(update, change=f"{update.change} REMOVE {Row.STANDING}")
        return update if account.standing else update.also(f"attribute_not_exists({Row.STANDING})")

    def _put_device(self, device: Device) -> Put:
        return Put(self.directory.table, device_item(device))


def _address(device: Device) -> DeviceAddress:
    return DeviceAddress(device.account, device.number)
