"""Administrators and their assignments in the directory table (schema.AdministratorRow, schema.AssignmentRow).

Changes are returned as operations of a transaction, which also adds an audit entry (administration/recorder.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandes.model.administrator import Administrator, Assignment, Place, Role
from sandes.model.ids import (
    AdministratorId,
    OrganisationId,
    UnitId,
    administrator_text,
    id_text,
    parse_administrator,
)
from sandes.store.dynamo import Client, Condition, Item
from sandes.store.organisations import organisation_key
from sandes.store.queries import Query, query_page, query_rows
from sandes.store.schema import AdministratorRow, AssignmentRow, DirectoryRow, OrganisationRow
from sandes.store.transaction import Add, Check, Delete, Operation, Put, Update, transact

_SORT = "0"
_FEW = 10
_ASSIGNMENT_PREFIX = "R#"
_NEW = f"attribute_not_exists({DirectoryRow.PARTITION})"
_THERE = f"attribute_exists({DirectoryRow.PARTITION})"

UNCHANGED = Condition("the administrator has the name, home and roles that were read")
NOT_ASSIGNED = Condition("the administrator does not have the role yet")
ASSIGNED = Condition("the administrator has the role")
OFFICERS = Condition("the organisation keeps a nodal officer, or has room for one")
RIGHT_HELD = Condition("the administrator still has the right")


def administrator_key(administrator: AdministratorId) -> dict[str, Any]:
    return {
        DirectoryRow.PARTITION: {"S": f"AD#{administrator_text(administrator)}"},
        DirectoryRow.SORT: {"S": _SORT},
    }


def assignment_key(assignment: Assignment) -> dict[str, Any]:
    place = assignment.place
    sort = f"{_ASSIGNMENT_PREFIX}{id_text(place.organisation)}#{id_text(place.unit)}#{assignment.role}"
    return administrator_key(assignment.administrator) | {DirectoryRow.SORT: {"S": sort}}


def listed_key(assignment: Assignment) -> dict[str, Any]:
    """Return the key of an assignment in the list of its organisation."""
    unit, who = id_text(assignment.place.unit), administrator_text(assignment.administrator)
    return organisation_key(assignment.place.organisation) | {
        DirectoryRow.SORT: {"S": f"{_ASSIGNMENT_PREFIX}{unit}#{assignment.role}#{who}"}
    }


@dataclass(frozen=True, slots=True)
class Listed:
    """Holds an assignment with the name and address of its holder."""

    assignment: Assignment
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class AdministratorStore:
    client: Client
    table: str

    def read(self, administrator: AdministratorId) -> tuple[Administrator, list[Assignment]] | None:
        """Return an administrator and all assignments, also expired ones, with one consistent query. None if
        unknown.
        """
        values = {":who": administrator_key(administrator)[DirectoryRow.PARTITION]}
        query = Query(self.table, f"{DirectoryRow.PARTITION} = :who", values, consistent=True)
        items = [*query_rows(self.client, query)]
        if not items or items[0][DirectoryRow.SORT]["S"] != _SORT:
            return None
        return read_administrator(items[0]), [read_assignment(administrator, item) for item in items[1:]]

    def of_organisation(
        self,
        organisation: OrganisationId,
        *,
        unit: UnitId | None = None,
        role: Role | None = None,
        after: str | None = None,
        limit: int,
    ) -> tuple[list[Listed], str | None]:
        """Return a page of assignments, by unit and role, and the start of the next page. `role` needs `unit`. One
        query.
        """
        prefix = _ASSIGNMENT_PREFIX + (f"{id_text(unit)}#" if unit else "") + (f"{role}#" if unit and role else "")
        key = organisation_key(organisation)
        items, last = query_page(self.client, self.table, key, prefix, after=after, limit=limit)
        return [read_listed(item) for item in items], last

    def listed_name(self, assignment: Assignment) -> str | None:
        """Return the name under which the organisation lists the holder of an assignment. One consistent read."""
        answer = self.client.get_item(TableName=self.table, Key=listed_key(assignment), ConsistentRead=True)
        return answer["Item"][AssignmentRow.NAME]["S"] if "Item" in answer else None

    def nodal_officers(self, organisation: OrganisationId) -> list[Administrator]:
        """Return the nodal officers, at most the first ten. One query, and one for each."""
        root = UnitId(organisation)
        found, _ = self.of_organisation(organisation, unit=root, role=Role.NODAL_OFFICER, limit=_FEW)
        known = (self.read(one.assignment.administrator) for one in found)
        return [one[0] for one in known if one is not None]

    def officers(self, organisation: OrganisationId) -> int:
        """Return the number of nodal officers by a consistent read, or 0 if the organisation does not exist."""
        key, name = organisation_key(organisation), OrganisationRow.OFFICERS
        answer = self.client.get_item(TableName=self.table, Key=key, ProjectionExpression=name, ConsistentRead=True)
        found = answer.get("Item", {})
        return int(found[name]["N"]) if name in found else 0

    def write(self, operations: Sequence[Operation]) -> None:
        """Write all of `operations` or none. Raises ConditionFailed and StoreUnavailable."""
        transact(self.client, operations)

    # Parts of transactions

    def putting(self, administrator: Administrator) -> Update:
        """Create an administrator, or set name and home."""
        fields = _administrator_fields(administrator)
        return Update(
            self.table,
            administrator_key(administrator.id),
            "SET " + ", ".join(f"#n{n} = :v{n}" for n in range(len(fields))) + f" ADD {AdministratorRow.VERSION} :one",
            names={f"#n{n}": name for n, name in enumerate(fields)},
            values={f":v{n}": value for n, value in enumerate(fields.values())} | {":one": {"N": "1"}},
        )

    def replacing(self, known: Administrator, by: Administrator) -> Update:
        """Set name and home. The condition fails like that of `counting`."""
        return replace(self.putting(by), named=UNCHANGED).also(*_is_as_read(known))

    def adding(self, administrator: Administrator) -> Put:
        """Create an administrator. The condition fails if there is one with this id."""
        item = administrator_key(administrator.id) | _administrator_fields(administrator)
        item |= {AdministratorRow.VERSION: {"N": "1"}}
        return Put(self.table, item, condition=_NEW, named=UNCHANGED)

    def counting(self, administrator: Administrator) -> Update:
        """Count another role. The condition fails if a role was granted, or name or home changed, since the read."""
        return self._changing(administrator, f"ADD {AdministratorRow.VERSION} :one", {":one": {"N": "1"}})

    def ending_sessions(self, administrator: AdministratorId, *, sessions_from: int) -> Update:
        """End the sessions that began before the epoch second `sessions_from`."""
        return Update(
            self.table,
            administrator_key(administrator),
            f"SET {AdministratorRow.SESSIONS_FROM} = :from",
            condition=_THERE,
            values={":from": {"N": str(sessions_from)}},
        )

    def removing(self, administrator: Administrator, *, sessions_from: int) -> Update:
        """End the sessions of a person whose roles are taken away. The condition fails like that of `counting`."""
        change = f"ADD {AdministratorRow.VERSION} :one SET {AdministratorRow.SESSIONS_FROM} = :from"
        return self._changing(administrator, change, {":one": {"N": "1"}, ":from": {"N": str(sessions_from)}})

    def _changing(self, administrator: Administrator, change: str, values: Item) -> Update:
        update = Update(self.table, administrator_key(administrator.id), change, values=values, named=UNCHANGED)
        return update.also(*_is_as_read(administrator))

    def granting(self, assignment: Assignment, administrator: Administrator) -> Iterator[Operation]:
        """Grant a role, and count it for a nodal officer. The condition fails if the administrator has it already."""
        yield from self.granting_uncounted(assignment, administrator)
        if assignment.role is Role.NODAL_OFFICER:
            yield self._officers(assignment.place.organisation, 1, _THERE, {})

    def granting_one_of_two(self, officer: Assignment, administrator: Administrator) -> Iterator[Operation]:
        """Grant the role of nodal officer. OFFICERS fails if the organisation already has two nodal officers."""
        yield from self.granting_uncounted(officer, administrator)
        few = f"{_THERE} AND (attribute_not_exists({OrganisationRow.OFFICERS}) OR {OrganisationRow.OFFICERS} <= :last)"
        yield self._officers(officer.place.organisation, 1, few, _LAST)

    def granting_uncounted(self, assignment: Assignment, administrator: Administrator) -> Iterator[Operation]:
        """Grant a role without counting it, for a nodal officer appointed with the organisation. Replaces an expired
        one.
        """
        item = _assignment_item(assignment)
        listed = {
            AssignmentRow.ADMINISTRATOR: {"B": assignment.administrator},
            AssignmentRow.NAME: {"S": administrator.name},
            AssignmentRow.EMAIL: {"S": administrator.email},
        }
        own = Put(
            self.table,
            assignment_key(assignment) | item,
            condition=f"{_NEW} OR {AssignmentRow.EXPIRES_AT} <= :now",
            named=NOT_ASSIGNED,
            values={":now": {"N": str(assignment.granted_at)}},
        )
        yield own
        yield Put(self.table, listed_key(assignment) | item | listed)

    def taking(self, assignment: Assignment) -> Iterator[Operation]:
        """Take a role away, also an expired one. ASSIGNED fails if the administrator does not have the role. OFFICERS
        fails for the last nodal officer of an organisation.
        """
        yield Delete(self.table, assignment_key(assignment), condition=_THERE, named=ASSIGNED)
        yield Delete(self.table, listed_key(assignment))
        if assignment.role is Role.NODAL_OFFICER:
            yield self._officers(assignment.place.organisation, -1, f"{OrganisationRow.OFFICERS} > :last", _LAST)

    def _officers(self, organisation: OrganisationId, more: int, condition: str, values: Item) -> Add:
        key, amounts = organisation_key(organisation), {OrganisationRow.OFFICERS: more}
        return Add(self.table, key, amounts, condition=condition, named=OFFICERS, values=values)

    def still(self, assignment: Assignment, *, now_seconds: int) -> Check:
        """Check an assignment. The condition fails if it was taken away since it was read, or has expired."""
        ends = AssignmentRow.EXPIRES_AT
        return Check(
            self.table,
            assignment_key(assignment),
            condition=f"{_THERE} AND (attribute_not_exists({ends}) OR {ends} > :now)",
            named=RIGHT_HELD,
            values={":now": {"N": str(now_seconds)}},
        )


_LAST = {":last": {"N": "1"}}


def _is_as_read(administrator: Administrator) -> tuple[str, Item]:
    return f"{AdministratorRow.VERSION} = :read", {":read": {"N": str(administrator.version)}}


def _administrator_fields(administrator: Administrator) -> dict[str, Any]:
    return {
        AdministratorRow.EMAIL: {"S": administrator.email},
        AdministratorRow.NAME: {"S": administrator.name},
        AdministratorRow.ORGANISATION: {"B": administrator.home.organisation},
        AdministratorRow.UNIT: {"B": administrator.home.unit},
        AdministratorRow.CREATED_AT: {"N": str(administrator.created_at)},
    }


def _assignment_item(assignment: Assignment) -> dict[str, Any]:
    item = {
        AssignmentRow.ROLE: {"S": assignment.role.value},
        AssignmentRow.ORGANISATION: {"B": assignment.place.organisation},
        AssignmentRow.UNIT: {"B": assignment.place.unit},
        AssignmentRow.GRANTED_BY: {"S": assignment.granted_by},
        AssignmentRow.GRANTED_AT: {"N": str(assignment.granted_at)},
    }
    if assignment.expires_at is None:
        return item
    ends = {"N": str(assignment.expires_at)}
    return item | {AssignmentRow.EXPIRES_AT: ends, DirectoryRow.VANISHES_AT: ends}


def read_administrator(item: Item) -> Administrator:
    return Administrator(
        id=parse_administrator(item[DirectoryRow.PARTITION]["S"].removeprefix("AD#")),
        email=item[AdministratorRow.EMAIL]["S"],
        name=item[AdministratorRow.NAME]["S"],
        home=Place(
            OrganisationId(item[AdministratorRow.ORGANISATION]["B"]),
            UnitId(item[AdministratorRow.UNIT]["B"]),
        ),
        created_at=int(item[AdministratorRow.CREATED_AT]["N"]),
        version=int(item[AdministratorRow.VERSION]["N"]),
        sessions_from=int(item.get(AdministratorRow.SESSIONS_FROM, {"N": "0"})["N"]),
    )


def read_assignment(administrator: AdministratorId, item: Item) -> Assignment:
    return Assignment(
        administrator=administrator,
        role=Role(item[AssignmentRow.ROLE]["S"]),
        place=Place(OrganisationId(item[AssignmentRow.ORGANISATION]["B"]), UnitId(item[AssignmentRow.UNIT]["B"])),
        granted_by=item[AssignmentRow.GRANTED_BY]["S"],
        granted_at=int(item[AssignmentRow.GRANTED_AT]["N"]),
        expires_at=int(item[AssignmentRow.EXPIRES_AT]["N"]) if AssignmentRow.EXPIRES_AT in item else None,
    )


def read_listed(item: Item) -> Listed:
    administrator = AdministratorId(item[AssignmentRow.ADMINISTRATOR]["B"])
    return Listed(read_assignment(administrator, item), item[AssignmentRow.NAME]["S"], item[AssignmentRow.EMAIL]["S"])
