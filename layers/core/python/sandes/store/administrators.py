"""Administrators and their assignments in the directory table (schema.AdministratorRow, schema.AssignmentRow).

Each change gives operations of a transaction, since an audit entry goes with it (administration/audit/audit.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from sandes.store.dynamo import Client, Item
from sandes.store.organisations import organisation_key
from sandes.store.schema import AdministratorRow, AssignmentRow, DirectoryRow, OrganisationRow

_SORT = "0"
_FEW = 10
_ASSIGNMENT_PREFIX = "R#"
_NEW = f"attribute_not_exists({DirectoryRow.PARTITION})"
_THERE = f"attribute_exists({DirectoryRow.PARTITION})"


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
    """Of the same assignment among those of its organisation."""
    unit, who = id_text(assignment.place.unit), administrator_text(assignment.administrator)
    return organisation_key(assignment.place.organisation) | {
        DirectoryRow.SORT: {"S": f"{_ASSIGNMENT_PREFIX}{unit}#{assignment.role}#{who}"}
    }


@dataclass(frozen=True, slots=True)
class Listed:
    """An assignment with whose it is."""

    assignment: Assignment
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class AdministratorStore:
    client: Client
    table: str

    def read(self, administrator: AdministratorId) -> tuple[Administrator, list[Assignment]] | None:
        """Who it is and all their assignments, those that are over too, by one consistent query; None if unknown."""
        items: list[Item] = []
        start: dict[str, Any] = {}
        while True:
            answer = self.client.query(
                TableName=self.table,
                KeyConditionExpression=f"{DirectoryRow.PARTITION} = :who",
                ExpressionAttributeValues={":who": administrator_key(administrator)[DirectoryRow.PARTITION]},
                ConsistentRead=True,
                **start,
            )
            items += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                break
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
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
        """A page of assignments, by unit and role, and where the next one begins; `role`: at a unit. One query."""
        prefix = _ASSIGNMENT_PREFIX + (f"{id_text(unit)}#" if unit else "") + (f"{role}#" if unit and role else "")
        partition = organisation_key(organisation)[DirectoryRow.PARTITION]
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
        last = answer.get("LastEvaluatedKey")
        return [read_listed(item) for item in answer["Items"]], last[DirectoryRow.SORT]["S"] if last else None

    def listed_name(self, assignment: Assignment) -> str | None:
        """Reads the name under which the organisation lists the holder of an assignment. One consistent read."""
        answer = self.client.get_item(TableName=self.table, Key=listed_key(assignment), ConsistentRead=True)
        return answer["Item"][AssignmentRow.NAME]["S"] if "Item" in answer else None

    def nodal_officers(self, organisation: OrganisationId) -> list[Administrator]:
        """Those of a small number. One query, and one for each."""
        root = UnitId(organisation)
        found, _ = self.of_organisation(organisation, unit=root, role=Role.NODAL_OFFICER, limit=_FEW)
        known = (self.read(one.assignment.administrator) for one in found)
        return [one[0] for one in known if one is not None]

    def officers(self, organisation: OrganisationId) -> int:
        """How many nodal officers it has, by a consistent read; 0 for one that is not there."""
        key, name = organisation_key(organisation), OrganisationRow.OFFICERS
        answer = self.client.get_item(TableName=self.table, Key=key, ProjectionExpression=name, ConsistentRead=True)
        found = answer.get("Item", {})
        return int(found[name]["N"]) if name in found else 0

    # Parts of transactions.

    def putting(self, administrator: Administrator) -> dict[str, Any]:
        """Made, or given another name or home."""
        fields = _administrator_fields(administrator)
        return {
            "Update": {
                "TableName": self.table,
                "Key": administrator_key(administrator.id),
                "UpdateExpression": "SET "
                + ", ".join(f"#n{n} = :v{n}" for n in range(len(fields)))
                + f" ADD {AdministratorRow.VERSION} :one",
                "ExpressionAttributeNames": {f"#n{n}": name for n, name in enumerate(fields)},
                "ExpressionAttributeValues": {f":v{n}": value for n, value in enumerate(fields.values())}
                | {":one": {"N": "1"}},
            }
        }

    def replacing(self, known: Administrator, by: Administrator) -> dict[str, Any]:
        """Given another name or home. Fails as `counting` does."""
        change, counting = self.putting(by), self.counting(known)["Update"]
        change["Update"]["ConditionExpression"] = counting["ConditionExpression"]
        change["Update"]["ExpressionAttributeValues"] |= counting["ExpressionAttributeValues"]
        return change

    def adding(self, administrator: Administrator) -> dict[str, Any]:
        """Made. Fails if there is such an administrator."""
        item = administrator_key(administrator.id) | _administrator_fields(administrator)
        item |= {AdministratorRow.VERSION: {"N": "1"}}
        return {"Put": {"TableName": self.table, "Item": item, "ConditionExpression": _NEW}}

    def counting(self, administrator: Administrator) -> dict[str, Any]:
        """One role more. Fails if another one was granted, or name or home changed, since it was read."""
        return {
            "Update": {
                "TableName": self.table,
                "Key": administrator_key(administrator.id),
                "UpdateExpression": f"ADD {AdministratorRow.VERSION} :one",
                "ConditionExpression": f"{AdministratorRow.VERSION} = :read",
                "ExpressionAttributeValues": {":one": {"N": "1"}, ":read": {"N": str(administrator.version)}},
            }
        }

    def ending_sessions(self, administrator: AdministratorId, *, sessions_from: int) -> dict[str, Any]:
        """End the sessions that began before the epoch second `sessions_from`."""
        return {
            "Update": {
                "TableName": self.table,
                "Key": administrator_key(administrator),
                "UpdateExpression": f"SET {AdministratorRow.SESSIONS_FROM} = :from",
                "ConditionExpression": _THERE,
                "ExpressionAttributeValues": {":from": {"N": str(sessions_from)}},
            }
        }

    def removing(self, administrator: Administrator, *, sessions_from: int) -> dict[str, Any]:
        """End the sessions of somebody whose roles are taken away. Fails as `counting` does."""
        change = self.counting(administrator)
        ending = self.ending_sessions(administrator.id, sessions_from=sessions_from)["Update"]
        change["Update"]["UpdateExpression"] += f" {ending['UpdateExpression']}"
        change["Update"]["ExpressionAttributeValues"] |= ending["ExpressionAttributeValues"]
        return change

    def granting(self, assignment: Assignment, administrator: Administrator) -> Iterator[dict[str, Any]]:
        """Fails if the administrator has the assignment already. Of a nodal officer it is counted."""
        yield from self.granting_uncounted(assignment, administrator)
        if assignment.role is Role.NODAL_OFFICER:
            yield self._officers(assignment.place.organisation, 1, _THERE)

    def granting_one_of_two(self, officer: Assignment, administrator: Administrator) -> Iterator[dict[str, Any]]:
        """Of a nodal officer. Fails too if the organisation has two already: the third operation."""
        yield from self.granting_uncounted(officer, administrator)
        few = f"{_THERE} AND (attribute_not_exists({OrganisationRow.OFFICERS}) OR {OrganisationRow.OFFICERS} <= :last)"
        yield self._officers(officer.place.organisation, 1, few)

    def granting_uncounted(self, assignment: Assignment, administrator: Administrator) -> Iterator[dict[str, Any]]:
        """For a nodal officer who is made with the organisation. One that is over is no assignment."""
        item = _assignment_item(assignment)
        listed = {
            AssignmentRow.ADMINISTRATOR: {"B": assignment.administrator},
            AssignmentRow.NAME: {"S": administrator.name},
            AssignmentRow.EMAIL: {"S": administrator.email},
        }
        own = {
            "TableName": self.table,
            "Item": assignment_key(assignment) | item,
            "ConditionExpression": f"{_NEW} OR {AssignmentRow.EXPIRES_AT} <= :now",
            "ExpressionAttributeValues": {":now": {"N": str(assignment.granted_at)}},
        }
        yield {"Put": own}
        yield {"Put": {"TableName": self.table, "Item": listed_key(assignment) | item | listed}}

    def taking(self, assignment: Assignment) -> Iterator[dict[str, Any]]:
        """Fails if there is none any more, and for the last nodal officer of an organisation: the third operation.

        One that is over is taken as well.
        """
        yield {"Delete": {"TableName": self.table, "Key": assignment_key(assignment), "ConditionExpression": _THERE}}
        yield {"Delete": {"TableName": self.table, "Key": listed_key(assignment)}}
        if assignment.role is Role.NODAL_OFFICER:
            yield self._officers(assignment.place.organisation, -1, f"{OrganisationRow.OFFICERS} > :last")

    def _officers(self, organisation: OrganisationId, more: int, condition: str) -> dict[str, Any]:
        values: dict[str, Any] = {":more": {"N": str(more)}}
        if ":last" in condition:
            values[":last"] = {"N": "1"}
        return {
            "Update": {
                "TableName": self.table,
                "Key": organisation_key(organisation),
                "UpdateExpression": f"ADD {OrganisationRow.OFFICERS} :more",
                "ConditionExpression": condition,
                "ExpressionAttributeValues": values,
            }
        }

    def still(self, assignment: Assignment, *, now_seconds: int) -> dict[str, Any]:
        """Fails if the assignment has been taken away since it was read, or is over."""
        check = {
            "TableName": self.table,
            "Key": assignment_key(assignment),
            "ConditionExpression": (
                f"{_THERE} AND (attribute_not_exists({AssignmentRow.EXPIRES_AT}) OR {AssignmentRow.EXPIRES_AT} > :now)"
            ),
            "ExpressionAttributeValues": {":now": {"N": str(now_seconds)}},
        }
        return {"ConditionCheck": check}


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
