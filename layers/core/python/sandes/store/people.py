"""Reads all facts about people for one viewer, with a fixed number of reads (docs/adr/0018).

A missing row is replaced by a key that nobody has, so that neither time nor cost reveals what exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sandes.model.ids import AccountId, OrganisationId, new_account_id, new_organisation_id
from sandes.model.organisation import Organisation
from sandes.model.profile import FIELDS, Audience, Field, PhotoType, SelfDescription
from sandes.model.standing import Standing, in_force
from sandes.model.verification import Verification
from sandes.store.directory import DirectoryStore, account_key, block_key, invitation_holds, invitation_key
from sandes.store.dynamo import Item, batch_get
from sandes.store.organisations import organisation_key, read_organisation
from sandes.store.queries import query_page
from sandes.store.routing import RoutingStore, routes
from sandes.store.schema import DirectoryRow, RoutingRow, WordRow
from sandes.store.schema import ProfileRow as Row
from sandes.store.standing import read_standing
from sandes.store.transaction import Update
from sandes.store.verification_rows import read_verification, verification_key
from sandes.store.verification_words import word_partition

_PROFILE_SORT = "F"

_BATCH_KEYS = 100  # DynamoDB's limit

PEOPLE_AT_ONCE = 16
"""The most people of one read of 100 keys. Each needs six keys, and the organisation one."""


@dataclass(frozen=True, slots=True)
class Ties:
    """Says whether one account blocks or has invited another."""

    blocks: bool
    invites: bool


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """Holds the facts about a person. `standing` and `verification` are in force, or None.

    `phone_sealed` is None if the account does not exist. `last_seen` is epoch seconds. `hidden` are the fields that the
    organisation hides of this person.
    """

    account: AccountId
    phone_sealed: bytes | None
    standing: Standing | None
    verification: Verification | None
    organisation: Organisation | None
    said: SelfDescription
    ties: Ties
    last_seen: int | None
    hidden: Mapping[Field, Audience] = field(default_factory=dict)

    @property
    def name(self) -> str | None:
        """Return the name. The organisation sets an official's name, post and email; everybody else sets their own."""
        if self.standing:
            return self.verification.name if self.verification else None
        return self.said.name

    @property
    def post(self) -> str | None:
        return self.verification.post if self.verification else None

    @property
    def email(self) -> str | None:
        if self.standing:
            return self.verification.email if self.verification else None
        return self.said.email


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """Holds changes of a profile. None leaves a field unchanged, and an empty value removes it."""

    name: str | None = None
    email: str | None = None
    photo: bytes | None = None
    photo_type: PhotoType | None = None
    choices: Mapping[Field, Audience] = field(default_factory=dict)

    def attributes(self) -> dict[str, Any]:
        """Return the attributes to set, and those to remove with the value None."""
        changed: dict[str, Any] = {}
        for attribute, text in ((Row.NAME, self.name), (Row.EMAIL, self.email)):
            if text is not None:
                changed[attribute] = {"S": text} if text else None
        if self.photo is not None:
            changed[Row.PHOTO] = {"B": self.photo} if self.photo else None
            changed[Row.PHOTO_TYPE] = {"S": self.photo_type} if self.photo else None
        return changed | {f"{Row.CHOICE}{name}": {"S": audience} for name, audience in self.choices.items()}


@dataclass(frozen=True, slots=True)
class PeopleView:
    """Reads facts about people consistently: a block, invitation or revocation counts from the moment it was made."""

    routing: RoutingStore
    directory: DirectoryStore

    def read(self, viewer: AccountId, account: AccountId, *, now_seconds: int) -> PersonFacts:
        """Return the facts about one account, with two reads of six keys and of one."""
        found = self._get(_keys(viewer, account), [account])
        standing = _standing(found, account, now_seconds)
        organisation = standing.organisation if standing else new_organisation_id()
        found |= self._get([organisation_key(organisation)], [])
        return _facts(found, viewer, account, now_seconds)

    def colleagues(
        self, viewer: AccountId, accounts: Sequence[AccountId], organisation: OrganisationId, *, now_seconds: int
    ) -> list[PersonFacts]:
        """Return the facts about at most PEOPLE_AT_ONCE colleagues, with one read of a constant number of keys.

        The facts about a person who has left the organisation lack the organisation.
        """
        nobody = [new_account_id() for _ in range(PEOPLE_AT_ONCE - len(accounts))]
        everybody = [*accounts, *nobody]
        keys = [key for account in everybody for key in _keys(viewer, account)]
        found = self._get([*keys, organisation_key(organisation)], everybody)
        return [_facts(found, viewer, account, now_seconds) for account in accounts]

    def read_many(
        self, viewer: AccountId, accounts: Sequence[AccountId], *, now_seconds: int
    ) -> dict[AccountId, PersonFacts]:
        """Return the facts about any number of accounts that the viewer already knows. The number of reads depends on
        the accounts that exist.
        """
        found: dict[Any, Item] = {}
        for start in range(0, len(accounts), PEOPLE_AT_ONCE):
            some = accounts[start : start + PEOPLE_AT_ONCE]
            found |= self._get([key for account in some for key in _keys(viewer, account)], some)
        standings = (_standing(found, account, now_seconds) for account in accounts)
        organisations = list({standing.organisation for standing in standings if standing})
        for start in range(0, len(organisations), _BATCH_KEYS):
            found |= self._get([organisation_key(one) for one in organisations[start : start + _BATCH_KEYS]], [])
        return {account: _facts(found, viewer, account, now_seconds) for account in accounts}

    def ties(self, owner: AccountId, other: AccountId, *, now_seconds: int) -> Ties:
        """Return the ties of `owner` to `other`, with one read of two keys."""
        keys = [block_key(owner=owner, blocked=other), invitation_key(owner=owner, invited=other)]
        return _ties(self._get(keys, []), owner, other, now_seconds)

    def with_word(self, organisation: OrganisationId, word: str, *, most: int) -> tuple[list[AccountId], bool]:
        """Return officials with a word that begins with `word`, from at most `most` index entries, and whether these
        are all.
        """
        key, directory = {DirectoryRow.PARTITION: word_partition(organisation)}, self.directory
        items, last = query_page(directory.client, directory.table, key, word, after=None, limit=most)
        return list(dict.fromkeys(AccountId(item[WordRow.ACCOUNT]["B"]) for item in items)), last is None

    def change(self, account: AccountId, change: ProfileChange) -> SelfDescription:
        """Change the data that a person has entered, and return them."""
        attributes = change.attributes()
        names = {f"#a{number}": name for number, name in enumerate(attributes)}
        values = {f":a{number}": value for number, value in enumerate(attributes.values()) if value}
        given: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        kept = ", ".join(f"#{value[1:]} = {value}" for value in values)
        gone = ", ".join(name for name in names if f":{name[1:]}" not in values)
        answer = self.directory.client.update_item(
            TableName=self.directory.table,
            Key=profile_key(account),
            UpdateExpression=(f"SET {kept} " if kept else "") + (f"REMOVE {gone}" if gone else ""),
            ExpressionAttributeNames=names,
            **given,
            ReturnValues="ALL_NEW",
        )
        return _said(answer.get("Attributes", {}))

    def _get(self, keys: Sequence[Item], routed: Sequence[AccountId]) -> dict[Any, Item]:
        """Return the rows that exist, by the `_name` of their keys."""
        requests: dict[str, Any] = {self.directory.table: {"Keys": keys, "ConsistentRead": True}}
        if routed:
            routing_keys = [{RoutingRow.ACCOUNT: {"B": account}} for account in routed]
            requests[self.routing.table] = {"Keys": routing_keys, "ConsistentRead": True}
        found = batch_get(self.directory.client, requests)
        rows: dict[Any, Item] = {_name(item): item for item in found[self.directory.table]}
        return rows | {item[RoutingRow.ACCOUNT]["B"]: item for item in found.get(self.routing.table, [])}


def emptying_profile(table: str, account: AccountId) -> Update:
    """Build the part of a transaction that removes the data that a person has entered.

    Their choices of audiences are kept, so that nothing hidden reappears.
    """
    said = (Row.NAME, Row.EMAIL, Row.PHOTO, Row.PHOTO_TYPE)
    return Update(table, profile_key(account), f"REMOVE {', '.join(said)}")


def profile_key(account: AccountId) -> dict[str, Any]:
    return account_key(account) | {DirectoryRow.SORT: {"S": _PROFILE_SORT}}


def _keys(viewer: AccountId, account: AccountId) -> list[Item]:
    return [
        account_key(account),
        verification_key(account),
        profile_key(account),
        block_key(owner=account, blocked=viewer),
        invitation_key(owner=account, invited=viewer),
    ]


def _name(key: Item) -> tuple[str, str]:
    return key[DirectoryRow.PARTITION]["S"], key[DirectoryRow.SORT]["S"]


def _standing(found: Mapping[Any, Item], account: AccountId, now_seconds: int) -> Standing | None:
    row = found.get(_name(account_key(account)), {})
    return in_force(read_standing(row.get(DirectoryRow.STANDING)), now_seconds=now_seconds)


def _facts(found: Mapping[Any, Item], viewer: AccountId, account: AccountId, now_seconds: int) -> PersonFacts:
    standing = _standing(found, account, now_seconds)
    row = found.get(_name(account_key(account)), {})
    attested = found.get(_name(verification_key(account)))
    verification = read_verification(attested) if attested and standing else None
    organisation = found.get(_name(organisation_key(standing.organisation))) if standing else None
    routing = found.get(account)
    return PersonFacts(
        account=account,
        phone_sealed=row[DirectoryRow.PHONE_SEALED]["B"] if row else None,
        standing=standing,
        verification=verification if verification and verification.standing == standing else None,
        organisation=read_organisation(organisation) if organisation else None,
        said=_said(found.get(_name(profile_key(account)), {})),
        ties=_ties(found, account, viewer, now_seconds),
        last_seen=routes(routing, now_seconds=now_seconds).last_seen(now_seconds) if routing else None,
        hidden=verification.hidden if verification else {},
    )


def _ties(found: Mapping[Any, Item], owner: AccountId, other: AccountId, now_seconds: int) -> Ties:
    invitation = found.get(_name(invitation_key(owner=owner, invited=other)))
    return Ties(
        blocks=_name(block_key(owner=owner, blocked=other)) in found,
        invites=invitation is not None and invitation_holds(invitation, now_seconds),
    )


def _said(item: Item) -> SelfDescription:
    def text(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    choices = {field: cast("Audience", text(Row.CHOICE + field)) for field in FIELDS if Row.CHOICE + field in item}
    return SelfDescription(
        name=text(Row.NAME),
        email=text(Row.EMAIL),
        photo=item[Row.PHOTO]["B"] if Row.PHOTO in item else None,
        photo_type=cast("PhotoType | None", text(Row.PHOTO_TYPE)),
        choices=choices,
    )
