"""Verifications in the directory table, with everything that follows from one: each change is one transaction.

A verification's row stands with its account, and moves its version on with every change, on the condition that it is
still the one that was read. With it change: the standing in account and routing item, the count of officials in the
unit, the words that officials are found by, the entry in the list of officials (schema.OfficialRow), and the row by
which the sweep ends memberships (schema.EndingRow).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from botocore.exceptions import ClientError

from sandes.model.ids import (
    AccountId,
    OrganisationId,
    UnitId,
    account_text,
    id_text,
    parse_account,
    parse_organisation,
    parse_unit,
)
from sandes.model.imports import Origin
from sandes.model.introduction import Introduction, Introductions
from sandes.model.profile import Audience, Field
from sandes.model.verification import ATTESTED, WORDS_OF_EACH, Attestation, End, Ending, Official, Verification
from sandes.model.words import words_of
from sandes.store.directory import account_key
from sandes.store.dynamo import Client, ConditionFailed, Item, Writer, batch_get_many, failed_condition, write
from sandes.store.organisations import OrganisationStore, organisation_key
from sandes.store.routing import RoutingStore
from sandes.store.schema import ENDING, AttestationKeysRow, DirectoryRow, EndingRow, OfficialRow, WordRow
from sandes.store.schema import VerificationRow as Row
from sandes.store.standing import standing_attribute

_SORT = "V"
_ENDING_PREFIX = "E#"
_OFFICIAL_PREFIX = "V#"
_SALT_BYTES = 16
SHARDS = 16
_KEYS = {DirectoryRow.PARTITION: {"S": "K#attestation"}, DirectoryRow.SORT: {"S": "0"}}


class VerificationRaced(Exception):
    """Account, verification or unit have changed since they were read, or are gone: read again and decide anew."""


def verification_key(account: AccountId) -> dict[str, Any]:
    return {
        DirectoryRow.PARTITION: account_key(account)[DirectoryRow.PARTITION],
        DirectoryRow.SORT: {"S": _SORT},
    }


def word_partition(organisation: OrganisationId) -> dict[str, Any]:
    """Of the search index of an organisation's officials."""
    return {"S": f"S#{id_text(organisation)}"}


def word_sorts(account: AccountId, *, name: str, post: str) -> tuple[str, ...]:
    """Sort keys in the search index: `word#n#account` for words of the name, `word#p#account` for those of the post."""
    return tuple(
        f"{word}#{letter}#{account_text(account)}"
        for letter, text in (("n", name), ("p", post))
        for word in words_of(text, most=WORDS_OF_EACH)
    )


@dataclass(frozen=True, slots=True)
class VerificationStore:
    client: Client
    table: str
    routing: RoutingStore
    writer: Writer | None = None
    """For what is put and ended; not for the upkeep of what is due, nor for the published key."""

    @property
    def organisations(self) -> OrganisationStore:
        return OrganisationStore(self.client, self.table, self.writer)

    def read(self, account: AccountId) -> Verification | None:
        """The account's verification, or its last one, by a consistent read."""
        answer = self.client.get_item(TableName=self.table, Key=verification_key(account), ConsistentRead=True)
        return read_verification(answer["Item"]) if "Item" in answer else None

    def read_many(self, accounts: Sequence[AccountId]) -> dict[AccountId, Verification]:
        """Those of any number of accounts that have one, or had, by consistent reads of 100."""
        items = batch_get_many(self.client, self.table, [verification_key(account) for account in accounts])
        return {one.account: one for one in map(read_verification, items)}

    def put(self, new: Verification, *, previous: Verification | None, phone_indexes: Sequence[str]) -> None:
        """In place of `previous`, which is of the same organisation, has ended, or is over. Of another organisation,
        the memberships that came of it must have ended too.

        `phone_indexes`: the pseudonyms of a number that must still be the account's. Raises VerificationRaced.
        """
        self._transact(*self.putting(new, previous=previous, phone_indexes=phone_indexes))

    def putting(
        self, new: Verification, *, previous: Verification | None, phone_indexes: Sequence[str]
    ) -> list[dict[str, Any]]:
        """The parts of a transaction that do as `put` does."""
        numbers = {f":phone{at}": {"S": index} for at, index in enumerate(phone_indexes)}
        return [
            self._stored(new, previous),
            {
                "Update": {
                    "TableName": self.table,
                    "Key": account_key(new.account),
                    "UpdateExpression": f"SET {DirectoryRow.STANDING} = :standing",
                    "ConditionExpression": f"{DirectoryRow.PHONE_INDEX} IN ({', '.join(numbers)})",
                    "ExpressionAttributeValues": {":standing": standing_attribute(new.standing)} | numbers,
                }
            },
            self.routing.standing(new.account, new.standing),
            self._due(new, at=new.expires_at),
            *self._ended_elsewhere(new, previous),
            *self._entered(new, previous),
            *self._counted(new, previous),
            *self._words(new, previous),
        ]

    def hide(self, verification: Verification, hidden: Mapping[Field, Audience]) -> None:
        """Show each field to these at most, and the others as to everybody. Raises VerificationRaced."""
        changed = replace(verification, hidden=hidden, version=verification.version + 1)
        self._transact(self._stored(changed, verification), self._due(changed, at=changed.expires_at))

    def end(self, verification: Verification, how: End, *, reason: str | None = None, now_seconds: int) -> None:
        """End one that has not been ended; what it gave is gone at once. Raises VerificationRaced."""
        self._transact(*self.ending_whole(verification, how, reason=reason, now_seconds=now_seconds))

    def ending_whole(
        self,
        verification: Verification,
        how: End,
        *,
        reason: str | None = None,
        now_seconds: int,
        origin: Origin | None = None,
    ) -> list[dict[str, Any]]:
        """The parts of a transaction that do as `end` does."""
        return [
            {
                "Update": {
                    "TableName": self.table,
                    "Key": account_key(verification.account),
                    "UpdateExpression": f"REMOVE {DirectoryRow.STANDING}",
                    "ConditionExpression": f"attribute_exists({DirectoryRow.PARTITION})",
                }
            },
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
    ) -> list[dict[str, Any]]:
        """The parts of a transaction that end a verification, but for the standing in account and routing item."""
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
            {"Delete": {"TableName": self.table, "Key": _official_key(verification)}},
            *self._words(ended, verification),
        ]

    def unchanged(self, account: AccountId, verification: Verification | None) -> dict[str, Any]:
        """Part of a transaction: fails if the account's verification has changed since it was read."""
        check = {"TableName": self.table, "Key": verification_key(account), **_as_read(verification)}
        return {"ConditionCheck": check}

    def _stored(self, new: Verification, previous: Verification | None) -> dict[str, Any]:
        return {"Put": {"TableName": self.table, "Item": verification_item(new), **_as_read(previous)}}

    def _due(self, verification: Verification, *, at: int) -> dict[str, Any]:
        item = _ending_key(verification.account, verification.organisation) | {
            EndingRow.DUE: {"S": _shard(verification.account[-1] % SHARDS)},
            EndingRow.DUE_AT: {"N": str(at)},
            EndingRow.VERSION: {"N": str(verification.version)},
        }
        return {"Put": {"TableName": self.table, "Item": item}}

    def _ended_elsewhere(self, new: Verification, previous: Verification | None) -> list[dict[str, Any]]:
        if previous is None or previous.organisation == new.organisation:
            return []
        check = {
            "TableName": self.table,
            "Key": _ending_key(previous.account, previous.organisation),
            "ConditionExpression": f"attribute_not_exists({DirectoryRow.PARTITION})",
        }
        return [{"ConditionCheck": check}]

    def _entered(self, new: Verification, previous: Verification | None) -> list[dict[str, Any]]:
        """In the list of the unit's officials, and no longer in that of another."""
        item = _official_key(new) | {
            OfficialRow.NAME: {"S": new.name},
            OfficialRow.POST: {"S": new.post},
            OfficialRow.LISTED: {"BOOL": new.listed},
            OfficialRow.EXPIRES_AT: {"N": str(new.expires_at)},
        }
        entered: list[dict[str, Any]] = [{"Put": {"TableName": self.table, "Item": item}}]
        if previous and previous.ended is None and _official_key(previous) != _official_key(new):
            entered.append({"Delete": {"TableName": self.table, "Key": _official_key(previous)}})
        return entered

    def _counted(self, new: Verification, previous: Verification | None) -> list[dict[str, Any]]:
        counting = self.organisations.counting
        entered, left = (new.organisation, new.unit), None
        if previous and previous.ended is None:
            left = (previous.organisation, previous.unit)
        if entered == left:
            return []
        return [counting(*entered, officials=1), *([counting(*left, officials=-1)] if left else [])]

    def _words(self, new: Verification, previous: Verification | None) -> list[dict[str, Any]]:
        """The rows of the search index that are not there yet, and those that are there no longer."""

        def keys(of: Verification | None) -> set[tuple[OrganisationId, str]]:
            return {(of.organisation, word) for word in of.words} if of else set()

        def key(organisation: OrganisationId, word: str) -> dict[str, Any]:
            return {DirectoryRow.PARTITION: word_partition(organisation), DirectoryRow.SORT: {"S": word}}

        account = {WordRow.ACCOUNT: {"B": new.account}}
        wanted, there = keys(new), keys(previous)
        return [{"Put": {"TableName": self.table, "Item": key(*one) | account}} for one in sorted(wanted - there)] + [
            {"Delete": {"TableName": self.table, "Key": key(*one)}} for one in sorted(there - wanted)
        ]

    def _transact(self, *operations: dict[str, Any]) -> None:
        try:
            write(self.client, self.writer, operations)
        except ConditionFailed as error:
            raise VerificationRaced from error

    def officials(
        self, organisation: OrganisationId, *, unit: UnitId | None = None, after: str | None = None, limit: int
    ) -> tuple[list[Official], str | None]:
        """Read officials of an organisation, by unit, or of one very unit, and tell where the next page begins.

        One query. Officials whose time is over are among them until the sweep has come by.
        """
        partition = organisation_key(organisation)[DirectoryRow.PARTITION]
        prefix = _OFFICIAL_PREFIX + (f"{id_text(unit)}#" if unit else "")
        start: dict[str, Any] = {}
        if after:
            start = {"ExclusiveStartKey": {DirectoryRow.PARTITION: partition, DirectoryRow.SORT: {"S": after}}}
        answer = self.client.query(
            TableName=self.table,
            KeyConditionExpression=f"{DirectoryRow.PARTITION} = :of AND begins_with({DirectoryRow.SORT}, :prefix)",
            ExpressionAttributeValues={":of": partition, ":prefix": {"S": prefix}},
            Limit=limit,
            **start,
        )
        more = answer.get("LastEvaluatedKey")
        return [_official(item) for item in answer["Items"]], more[DirectoryRow.SORT]["S"] if more else None

    # What the sweep goes by.

    def due(self, *, now_seconds: int, first_shard: int = 0) -> Iterator[list[Ending]]:
        """Pages of what is due, however long since. From an index, so what has just changed may be among it."""
        for number in range(SHARDS):
            shard = (first_shard + number) % SHARDS
            start: dict[str, Any] = {}
            while True:
                answer = self.client.query(
                    TableName=self.table,
                    IndexName=ENDING.name,
                    KeyConditionExpression=f"{EndingRow.DUE} = :shard AND {EndingRow.DUE_AT} <= :now",
                    ExpressionAttributeValues={":shard": {"S": _shard(shard)}, ":now": {"N": str(now_seconds)}},
                    **start,
                )
                if answer["Items"]:
                    yield [_ending(item) for item in answer["Items"]]
                if "LastEvaluatedKey" not in answer:
                    break
                start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def postpone(self, ending: Ending, *, until: int) -> bool:
        """Not due before `until`, epoch seconds; False if it has changed since it was read."""
        with _unless_changed() as kept:
            self.client.update_item(
                TableName=self.table,
                Key=_ending_key(ending.account, ending.organisation),
                UpdateExpression=f"SET {EndingRow.DUE_AT} = :until",
                ConditionExpression=f"{EndingRow.DUE_AT} = :at AND {EndingRow.VERSION} = :version",
                ExpressionAttributeValues={
                    ":until": {"N": str(until)},
                    ":at": {"N": str(ending.at)},
                    ":version": {"N": str(ending.version)},
                },
            )
        return not kept

    def done(self, account: AccountId, organisation: OrganisationId, version: int) -> bool:
        """All memberships have ended that came of the verification; False if it was made or ended anew meanwhile."""
        with _unless_changed() as kept:
            self.client.delete_item(
                TableName=self.table,
                Key=_ending_key(account, organisation),
                ConditionExpression=f"{EndingRow.VERSION} = :version",
                ExpressionAttributeValues={":version": {"N": str(version)}},
            )
        return not kept

    def is_ending(self, account: AccountId, organisation: OrganisationId) -> bool:
        """Whether memberships may be left that came of the organisation's word, by a consistent read."""
        key = _ending_key(account, organisation)
        return "Item" in self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)

    # The keys that attestations are checked with.

    def attestation_keys(self) -> Introductions | None:
        """What clients are told of the keys, by a consistent read; None before anything was signed."""
        row = self.client.get_item(TableName=self.table, Key=_KEYS, ConsistentRead=True).get("Item")
        if row is None:
            return None
        entries = tuple(Introduction.read(one) for one in json.loads(row[AttestationKeysRow.INTRODUCTIONS]["S"]))
        return Introductions(entries, int(row[AttestationKeysRow.OLDEST]["N"]))

    def publish_attestation_keys(self, told: Introductions, *, previous: Introductions | None) -> bool:
        """Write in the place of `previous`, what was read. Return False if it has changed since."""
        condition: dict[str, Any] = {"ConditionExpression": f"attribute_not_exists({DirectoryRow.PARTITION})"}
        if previous:
            read = _keys_row(previous)
            condition = {
                "ConditionExpression": (
                    f"{AttestationKeysRow.INTRODUCTIONS} = :told AND {AttestationKeysRow.OLDEST} = :oldest"
                ),
                "ExpressionAttributeValues": {
                    ":told": read[AttestationKeysRow.INTRODUCTIONS],
                    ":oldest": read[AttestationKeysRow.OLDEST],
                },
            }
        with _unless_changed() as kept:
            self.client.put_item(TableName=self.table, Item=_KEYS | _keys_row(told), **condition)
        return not kept


def _keys_row(told: Introductions) -> dict[str, Any]:
    return {
        AttestationKeysRow.INTRODUCTIONS: {"S": json.dumps([one.written for one in told.entries])},
        AttestationKeysRow.OLDEST: {"N": str(told.oldest)},
    }


def _as_read(verification: Verification | None) -> dict[str, Any]:
    """The condition that the row is still the one read, or still not there."""
    if verification is None:
        return {"ConditionExpression": f"attribute_not_exists({DirectoryRow.PARTITION})"}
    return {
        "ConditionExpression": f"{Row.VERSION} = :read",
        "ExpressionAttributeValues": {":read": {"N": str(verification.version)}},
    }


@contextmanager
def _unless_changed() -> Iterator[list[ClientError]]:
    """Holds what kept a conditional write from being made, if its condition did."""
    kept: list[ClientError] = []
    try:
        yield kept
    except ClientError as error:
        if not failed_condition(error):
            raise
        kept.append(error)


def _shard(number: int) -> str:
    return f"{number:02}"


def _ending_key(account: AccountId, organisation: OrganisationId) -> dict[str, Any]:
    return {
        DirectoryRow.PARTITION: account_key(account)[DirectoryRow.PARTITION],
        DirectoryRow.SORT: {"S": f"{_ENDING_PREFIX}{id_text(organisation)}"},
    }


def _ending(item: Item) -> Ending:
    return Ending(
        account=_account_of(item),
        organisation=parse_organisation(item[DirectoryRow.SORT]["S"].removeprefix(_ENDING_PREFIX)),
        at=int(item[EndingRow.DUE_AT]["N"]),
        version=int(item[EndingRow.VERSION]["N"]),
    )


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


def _account_of(item: Item) -> AccountId:
    return parse_account(item[DirectoryRow.PARTITION]["S"].removeprefix("A#"))


def _salts(packed: bytes) -> Sequence[bytes]:
    return [packed[start : start + _SALT_BYTES] for start in range(0, len(packed), _SALT_BYTES)]


def verification_item(verification: Verification) -> dict[str, Any]:
    """The whole row, key included."""
    attestation = verification.attestation
    item = verification_key(verification.account) | {
        Row.ORGANISATION: {"B": verification.organisation},
        Row.UNIT: {"B": verification.unit},
        Row.NAME: {"S": verification.name},
        Row.POST: {"S": verification.post},
        Row.LISTED: {"BOOL": verification.listed},
        Row.ISSUED_AT: {"N": str(verification.issued_at)},
        Row.EXPIRES_AT: {"N": str(verification.expires_at)},
        Row.STATEMENT: {"B": attestation.statement},
        Row.SIGNATURE: {"B": attestation.signature},
        Row.SALTS: {"B": b"".join(attestation.salts[name] for name in ATTESTED)},
        Row.UNIT_NAME: {"S": attestation.values["unit"]},
        Row.VERSION: {"N": str(verification.version)},
        Row.WORDS: {"L": [{"S": word} for word in verification.words]},
    }
    texts = {Row.EMAIL: verification.email, Row.ENDED: verification.ended, Row.REASON: verification.reason}
    item |= {name: {"S": text} for name, text in texts.items() if text is not None}
    if verification.origin:
        item[Row.ORIGIN] = {"S": str(verification.origin)}
    if verification.first_issued_at != verification.issued_at:
        item[Row.FIRST_ISSUED_AT] = {"N": str(verification.first_issued_at)}
    if verification.asked:
        item[Row.ASKED] = {"BOOL": True}
    if verification.hidden:
        item[Row.HIDDEN] = _audiences(verification.hidden)
    if verification.hidden_by_others:
        others = verification.hidden_by_others.items()
        item[Row.HIDDEN_BY_OTHERS] = {"M": {id_text(other): _audiences(hidden) for other, hidden in others}}
    return item | ({Row.ENDED_AT: {"N": str(verification.ended_at)}} if verification.ended_at is not None else {})


def read_verification(item: Item) -> Verification:
    def text(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    name, post = item[Row.NAME]["S"], item[Row.POST]["S"]
    return Verification(
        account=_account_of(item),
        organisation=OrganisationId(item[Row.ORGANISATION]["B"]),
        unit=UnitId(item[Row.UNIT]["B"]),
        name=name,
        post=post,
        email=text(Row.EMAIL),
        listed=item[Row.LISTED]["BOOL"],
        issued_at=int(item[Row.ISSUED_AT]["N"]),
        first_issued_at=int(item.get(Row.FIRST_ISSUED_AT, item[Row.ISSUED_AT])["N"]),
        expires_at=int(item[Row.EXPIRES_AT]["N"]),
        attestation=Attestation(
            statement=item[Row.STATEMENT]["B"],
            signature=item[Row.SIGNATURE]["B"],
            values={"name": name, "post": post, "unit": item[Row.UNIT_NAME]["S"]},
            salts=dict(zip(ATTESTED, _salts(item[Row.SALTS]["B"]), strict=True)),
        ),
        words=tuple(word["S"] for word in item[Row.WORDS]["L"]),
        version=int(item[Row.VERSION]["N"]),
        ended=cast("End | None", text(Row.ENDED)),
        ended_at=int(item[Row.ENDED_AT]["N"]) if Row.ENDED_AT in item else None,
        reason=text(Row.REASON),
        origin=Origin.parse(item[Row.ORIGIN]["S"]) if Row.ORIGIN in item else None,
        asked=Row.ASKED in item,
        hidden=_read_audiences(item.get(Row.HIDDEN, {"M": {}})),
        hidden_by_others={
            parse_organisation(other): _read_audiences(hidden)
            for other, hidden in item.get(Row.HIDDEN_BY_OTHERS, {"M": {}})["M"].items()
        },
    )


def _audiences(hidden: Mapping[Field, Audience]) -> dict[str, Any]:
    return {"M": {name: {"S": audience} for name, audience in hidden.items()}}


def _read_audiences(value: Any) -> dict[Field, Audience]:
    return {cast("Field", name): cast("Audience", audience["S"]) for name, audience in value["M"].items()}
