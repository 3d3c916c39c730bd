"""Verifications in the directory table, with everything that depends on them. Each change is one transaction.

A verification's row is with its account. Every change raises its version, on condition that it is still the one that
was read. With it change the standing in account and routing item, the count of officials in the unit, the words by
which officials are found, the entry in the list of officials (schema.OfficialRow), and the row that plans the end of
memberships (schema.EndingRow).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandes.model.ids import AccountId, OrganisationId, UnitId, account_text, id_text, parse_account, parse_unit
from sandes.model.imports import Origin
from sandes.model.introduction import Introduction, Introductions
from sandes.model.profile import Audience, Field
from sandes.model.verification import End, Official, Verification
from sandes.store.directory import account_key
from sandes.store.dynamo import ConditionFailed, Item, batch_get_many
from sandes.store.organisations import OrganisationStore, organisation_key
from sandes.store.queries import query_page
from sandes.store.routing import RoutingStore
from sandes.store.schema import AttestationKeysRow, DirectoryRow, OfficialRow
from sandes.store.schema import VerificationRow as Row
from sandes.store.standing import standing_attribute
from sandes.store.transaction import Check, Delete, Operation, Put, Update, When, Writer, write, write_if
from sandes.store.verification_endings import EndingStore, ending_key
from sandes.store.verification_rows import read_verification, verification_item, verification_key
from sandes.store.verification_words import changed_words

_OFFICIAL_PREFIX = "V#"
_KEYS = {DirectoryRow.PARTITION: {"S": "K#attestation"}, DirectoryRow.SORT: {"S": "0"}}


class VerificationRaced(Exception):
    """Reports that account, verification or unit has changed or is gone. Read again and repeat the decision."""


@dataclass(frozen=True, slots=True)
class VerificationStore(EndingStore):
    routing: RoutingStore
    writer: Writer | None = None
    """Writes the changes of verifications, but not the upkeep of due rows or the published keys."""

    @property
    def organisations(self) -> OrganisationStore:
        return OrganisationStore(self.client, self.table, self.writer)

    def read(self, account: AccountId) -> Verification | None:
        """Return the account's current or last verification by a consistent read."""
        answer = self.client.get_item(TableName=self.table, Key=verification_key(account), ConsistentRead=True)
        return read_verification(answer["Item"]) if "Item" in answer else None

    def read_many(self, accounts: Sequence[AccountId]) -> dict[AccountId, Verification]:
        """Return the current or last verifications of any number of accounts, by consistent reads of 100."""
        items = batch_get_many(self.client, self.table, [verification_key(account) for account in accounts])
        return {one.account: one for one in map(read_verification, items)}

    def put(self, new: Verification, *, previous: Verification | None, phone_indexes: Sequence[str]) -> None:
        """Store a verification in place of `previous`, which is of the same organisation, has ended, or has expired.

        If `previous` is of another organisation, its memberships must have ended too. `phone_indexes` are the
        pseudonyms of a number that must still be the account's. Raises VerificationRaced.
        """
        self._transact(*self.putting(new, previous=previous, phone_indexes=phone_indexes))

    def putting(
        self, new: Verification, *, previous: Verification | None, phone_indexes: Sequence[str]
    ) -> list[Operation]:
        """Build the parts of a transaction for `put`."""
        numbers = {f":phone{at}": {"S": index} for at, index in enumerate(phone_indexes)}
        return [
            self._stored(new, previous),
            Update(
                self.table,
                account_key(new.account),
                f"SET {DirectoryRow.STANDING} = :standing",
                condition=f"{DirectoryRow.PHONE_INDEX} IN ({', '.join(numbers)})",
                values={":standing": standing_attribute(new.standing)} | numbers,
            ),
            self.routing.standing(new.account, new.standing),
            self._due(new, at=new.expires_at),
            *self._ended_elsewhere(new, previous),
            *self._entered(new, previous),
            *self._counted(new, previous),
            *changed_words(self.table, new, previous),
        ]

    def hide(self, verification: Verification, hidden: Mapping[Field, Audience]) -> None:
        """Set the widest audience of each field, and remove all others. Raises VerificationRaced."""
        changed = replace(verification, hidden=hidden, version=verification.version + 1)
        self._transact(self._stored(changed, verification), self._due(changed, at=changed.expires_at))

    def end(self, verification: Verification, how: End, *, reason: str | None = None, now_seconds: int) -> None:
        """End a verification that has not been ended, and with it the standing immediately. Raises
        VerificationRaced.
        """
        self._transact(*self.ending_whole(verification, how, reason=reason, now_seconds=now_seconds))

    def ending_whole(
        self,
        verification: Verification,
        how: End,
        *,
        reason: str | None = None,
        now_seconds: int,
        origin: Origin | None = None,
    ) -> list[Operation]:
        """Build the parts of a transaction for `end`."""
        return [
            Update(
                self.table,
                account_key(verification.account),
                f"REMOVE {DirectoryRow.STANDING}",
                condition=f"attribute_exists({DirectoryRow.PARTITION})",
            ),
            self.routing.standing(verification.account, None),
            *self.ending(verification, how, reason=reason, now_seconds=now_seconds, origin=origin),
        ]

    def ending(
        self,
        verification: Verification,
        how: End,
        *,
        reason: str | None = None,
        now_seconds: int,
        origin: Origin | None = None,
    ) -> list[Operation]:
        """Build the parts of a transaction that end a verification, without the standing in account and routing
        item.
        """
        ended = replace(
            verification,
            ended=how,
            ended_at=now_seconds,
            reason=reason,
            words=(),
            version=verification.version + 1,
            origin=origin,
        )
        return [
            self._stored(ended, verification),
            self._due(ended, at=min(now_seconds, verification.expires_at)),
            self.organisations.counting(verification.organisation, verification.unit, officials=-1),
            Delete(self.table, _official_key(verification)),
            *changed_words(self.table, ended, verification),
        ]

    def unchanged(self, account: AccountId, verification: Verification | None) -> Check:
        """Check a verification. The condition fails if it has changed since it was read."""
        return Check(self.table, verification_key(account), **_as_read(verification))

    def _stored(self, new: Verification, previous: Verification | None) -> Put:
        return Put(self.table, verification_item(new), **_as_read(previous))

    def _ended_elsewhere(self, new: Verification, previous: Verification | None) -> list[Operation]:
        if previous is None or previous.organisation == new.organisation:
            return []
        check = Check(
            self.table,
            ending_key(previous.account, previous.organisation),
            condition=f"attribute_not_exists({DirectoryRow.PARTITION})",
        )
        return [check]

    def _entered(self, new: Verification, previous: Verification | None) -> list[Operation]:
        """Build the entry in the list of the unit's officials, and the removal from that of another unit."""
        item = _official_key(new) | {
            OfficialRow.NAME: {"S": new.name},
            OfficialRow.POST: {"S": new.post},
            OfficialRow.LISTED: {"BOOL": new.listed},
            OfficialRow.EXPIRES_AT: {"N": str(new.expires_at)},
        }
        entered: list[Operation] = [Put(self.table, item)]
        if previous and previous.ended is None and _official_key(previous) != _official_key(new):
            entered.append(Delete(self.table, _official_key(previous)))
        return entered

    def _counted(self, new: Verification, previous: Verification | None) -> list[Operation]:
        counting = self.organisations.counting
        entered, left = (new.organisation, new.unit), None
        if previous and previous.ended is None:
            left = (previous.organisation, previous.unit)
        if entered == left:
            return []
        return [counting(*entered, officials=1), *([counting(*left, officials=-1)] if left else [])]

    def _transact(self, *operations: Operation) -> None:
        try:
            write(self.client, self.writer, operations)
        except ConditionFailed as error:
            raise VerificationRaced from error

    def officials(
        self, organisation: OrganisationId, *, unit: UnitId | None = None, after: str | None = None, limit: int
    ) -> tuple[list[Official], str | None]:
        """Return officials of an organisation, by unit, or of one unit, and the start of the next page.

        One query. Officials whose verification has expired are included until the sweep has processed them.
        """
        prefix = _OFFICIAL_PREFIX + (f"{id_text(unit)}#" if unit else "")
        key = organisation_key(organisation)
        items, last = query_page(self.client, self.table, key, prefix, after=after, limit=limit)
        return [_official(item) for item in items], last

    # The keys that verify attestations

    def attestation_keys(self) -> Introductions | None:
        """Return the data about the keys that clients get, by a consistent read, or None before the first signature."""
        row = self.client.get_item(TableName=self.table, Key=_KEYS, ConsistentRead=True).get("Item")
        if row is None:
            return None
        entries = tuple(Introduction.read(one) for one in json.loads(row[AttestationKeysRow.INTRODUCTIONS]["S"]))
        return Introductions(entries, int(row[AttestationKeysRow.OLDEST]["N"]))

    def publish_attestation_keys(self, told: Introductions, *, previous: Introductions | None) -> bool:
        """Replace `previous`, the keys that were read. Return False if they have changed since."""
        item = _KEYS | _keys_row(told)
        if previous is None:
            new = Put(self.table, item, condition=f"attribute_not_exists({DirectoryRow.PARTITION})")
            return write_if(self.client, None, [new])
        read = _keys_row(previous)
        next_one = Put(
            self.table,
            item,
            condition=f"{AttestationKeysRow.INTRODUCTIONS} = :told AND {AttestationKeysRow.OLDEST} = :oldest",
            values={":told": read[AttestationKeysRow.INTRODUCTIONS], ":oldest": read[AttestationKeysRow.OLDEST]},
        )
        return write_if(self.client, None, [next_one])


def _keys_row(told: Introductions) -> dict[str, Any]:
    return {
        AttestationKeysRow.INTRODUCTIONS: {"S": json.dumps([one.written for one in told.entries])},
        AttestationKeysRow.OLDEST: {"N": str(told.oldest)},
    }


def _as_read(verification: Verification | None) -> When:
    """Return the condition that the row has not changed since it was read, or is still absent."""
    if verification is None:
        return {"condition": f"attribute_not_exists({DirectoryRow.PARTITION})"}
    return {
        "condition": f"{Row.VERSION} = :read",
        "values": {":read": {"N": str(verification.version)}},
    }


def _official_key(verification: Verification) -> dict[str, Any]:
    sort = f"{_OFFICIAL_PREFIX}{id_text(verification.unit)}#{account_text(verification.account)}"
    return organisation_key(verification.organisation) | {DirectoryRow.SORT: {"S": sort}}


def _official(item: Item) -> Official:
    _, unit, account = item[DirectoryRow.SORT]["S"].split("#")
    return Official(
        account=parse_account(account),
        unit=parse_unit(unit),
        name=item[OfficialRow.NAME]["S"],
        post=item[OfficialRow.POST]["S"],
        listed=item[OfficialRow.LISTED]["BOOL"],
        expires_at=int(item[OfficialRow.EXPIRES_AT]["N"]),
    )
