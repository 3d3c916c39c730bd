"""Verification requests, with the account and in the organisation's lists (schema.VerificationRequestRow)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from sandes.model.ids import (
    AccountId,
    DeviceAddress,
    DeviceNumber,
    OrganisationId,
    RegistrationId,
    RequestId,
    UnitId,
    account_text,
    id_text,
)
from sandes.model.verification_request import VerificationRequest
from sandes.store.directory import account_key, device_key
from sandes.store.dynamo import Client, Item
from sandes.store.organisations import organisation_key
from sandes.store.queries import beginning, query_page, read_page
from sandes.store.schema import DirectoryRow
from sandes.store.schema import VerificationRequestRow as Row
from sandes.store.transaction import Check, Delete, Operation, Put, When, transact

_OWN_PREFIX = "Q#"

Listed = Literal["open", "decided"]
_LISTS: dict[Listed, str] = {"open": "Q#o#", "decided": "Q#d#"}


def request_key(account: AccountId, organisation: OrganisationId) -> dict[str, Any]:
    return account_key(account) | {DirectoryRow.SORT: {"S": f"{_OWN_PREFIX}{id_text(organisation)}"}}


@dataclass(frozen=True, slots=True)
class VerificationRequestStore:
    client: Client
    table: str

    def read(self, account: AccountId, organisation: OrganisationId, *, now_seconds: int) -> VerificationRequest | None:
        """Return the last request by a consistent read."""
        key = request_key(account, organisation)
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        found = read_request(answer["Item"]) if "Item" in answer else None
        return found if found and found.vanishes_at > now_seconds else None

    def of_account(self, account: AccountId, *, now_seconds: int) -> list[VerificationRequest]:
        """Return the last request to each organisation. One query."""
        items, _ = read_page(self.client, beginning(self.table, account_key(account), _OWN_PREFIX, consistent=True))
        return [one for one in map(read_request, items) if one.vanishes_at > now_seconds]

    def of_organisation(
        self,
        organisation: OrganisationId,
        which: Listed,
        *,
        after: str | None = None,
        limit: int,
        now_seconds: int,
    ) -> tuple[list[VerificationRequest], str | None]:
        """Return requests to an organisation, sorted by unit id and then age, the oldest first, and the next page's
        start.

        One query.
        """
        key = organisation_key(organisation)
        items, last = query_page(self.client, self.table, key, _LISTS[which], after=after, limit=limit)
        return [one for one in map(read_request, items) if one.vanishes_at > now_seconds], last

    def open(self, request: VerificationRequest, *, previous: VerificationRequest | None) -> None:
        """Store a request in place of `previous`, the one that was read. Raises ConditionFailed if that has changed."""
        transact(self.client, self.opening(request, previous=previous))

    def withdraw(self, request: VerificationRequest) -> None:
        """Withdraw a request. Raises ConditionFailed if it is no longer open."""
        delete = Delete(self.table, _own_key(request), **_still_open(request))
        transact(self.client, [delete, self._unlisted(request)])

    # Parts of transactions

    def opening(self, request: VerificationRequest, *, previous: VerificationRequest | None) -> list[Operation]:
        """Store a request of a person, or of a number that an import has named, at its registration.

        The condition fails if there is another request than `previous`, or if that has been decided meanwhile.
        """
        free = f"attribute_not_exists({DirectoryRow.PARTITION}) OR {DirectoryRow.VANISHES_AT} <= :now"
        condition: When = {"condition": free, "values": {":now": {"N": str(request.requested_at)}}}
        if previous:
            condition = _as_read(previous)
        item = _own_key(request) | _attributes(request)
        lapsed = {DirectoryRow.VANISHES_AT: {"N": str(request.vanishes_at)}}
        put = Put(self.table, item | lapsed, **condition)
        replaced = [self._unlisted(previous)] if previous and previous.decision == "open" else []
        if replaced and _listed_key(cast("VerificationRequest", previous)) == _listed_key(request):
            replaced = []
        return [put, self._listed(request), *replaced]

    def deciding(
        self,
        request: VerificationRequest,
        decision: Literal["verified", "rejected"],
        *,
        now_seconds: int,
        reason: str | None = None,
    ) -> Sequence[Operation]:
        """Decide a request. The condition fails unless it is open and, to verify it, its device exists."""
        decided = replace(request, decision=decision, decided_at=now_seconds, reason=reason)
        vanishes = {DirectoryRow.VANISHES_AT: {"N": str(decided.vanishes_at)}}
        item = _own_key(request) | _attributes(decided) | vanishes
        there = Check(
            self.table,
            device_key(DeviceAddress(request.account, request.device)),
            condition=f"{DirectoryRow.REGISTRATION} = :registration",
            values={":registration": {"N": str(request.registration)}},
        )
        return [
            Put(self.table, item, **_still_open(request)),
            self._unlisted(request),
            self._listed(decided),
            *([there] if decision == "verified" else []),
        ]

    def _listed(self, request: VerificationRequest) -> Put:
        ends = request.lapses_at if request.decided_at is None else request.vanishes_at
        vanishes = {DirectoryRow.VANISHES_AT: {"N": str(ends)}}
        return Put(self.table, _listed_key(request) | _attributes(request) | vanishes)

    def _unlisted(self, request: VerificationRequest) -> Delete:
        return Delete(self.table, _listed_key(request))


def _own_key(request: VerificationRequest) -> dict[str, Any]:
    return request_key(request.account, request.organisation)


def _listed_key(request: VerificationRequest) -> dict[str, Any]:
    which: Listed = "open" if request.decision == "open" else "decided"
    at = request.requested_at if request.decided_at is None else request.decided_at
    sort = f"{_LISTS[which]}{id_text(request.unit)}#{at:010}#{account_text(request.account)}"
    return organisation_key(request.organisation) | {DirectoryRow.SORT: {"S": sort}}


def _as_read(request: VerificationRequest) -> When:
    return {
        "condition": f"{Row.ID} = :id AND #decision = :decision",
        "names": {"#decision": Row.DECISION},
        "values": {":id": {"B": request.id}, ":decision": {"S": request.decision}},
    }


def _still_open(request: VerificationRequest) -> When:
    return _as_read(replace(request, decision="open"))


def _attributes(request: VerificationRequest) -> dict[str, Any]:
    item: dict[str, Any] = {
        Row.ID: {"B": request.id},
        Row.UNIT: {"B": request.unit},
        Row.NAME: {"S": request.name},
        Row.POST: {"S": request.post},
        Row.SOURCE: {"S": request.source},
        Row.DEVICE: {"N": str(request.device)},
        Row.REGISTRATION: {"N": str(request.registration)},
        Row.REQUESTED_AT: {"N": str(request.requested_at)},
        Row.DECISION: {"S": request.decision},
    }
    texts = {Row.EMAIL: request.email, Row.REASON: request.reason}
    item |= {name: {"S": text} for name, text in texts.items() if text is not None}
    return item | ({Row.DECIDED_AT: {"N": str(request.decided_at)}} if request.decided_at is not None else {})


def read_request(item: Item) -> VerificationRequest:
    return VerificationRequest(
        id=RequestId(item[Row.ID]["B"]),
        unit=UnitId(item[Row.UNIT]["B"]),
        name=item[Row.NAME]["S"],
        post=item[Row.POST]["S"],
        email=item[Row.EMAIL]["S"] if Row.EMAIL in item else None,
        source=cast("Any", item[Row.SOURCE]["S"]),
        device=DeviceNumber(int(item[Row.DEVICE]["N"])),
        registration=RegistrationId(int(item[Row.REGISTRATION]["N"])),
        requested_at=int(item[Row.REQUESTED_AT]["N"]),
        decision=cast("Any", item[Row.DECISION]["S"]),
        decided_at=int(item[Row.DECIDED_AT]["N"]) if Row.DECIDED_AT in item else None,
        reason=item[Row.REASON]["S"] if Row.REASON in item else None,
    )
