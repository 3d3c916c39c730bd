"""Bodies of the admin API about assignments of roles, and about approvals by a second person (docs/admin/README.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from sandes.model.administrator import Role
from sandes.protocol.app_api import Time
from sandes.protocol.fields import (
    AdministratorField,
    Answer,
    Mailbox,
    Moment,
    Name,
    OneLine,
    OrganisationField,
    UnitField,
    Wire,
)

MAX_NAME_CHARS = 64
MAX_REASON_CHARS = 500

PersonName = Annotated[str, Name, Field(min_length=1, max_length=MAX_NAME_CHARS)]
RoleField = Annotated[Role, Field(strict=False)]
ApprovalStateField = Literal["pending", "executed", "rejected", "cancelled", "lapsed"]


class NewOfficer(Wire):
    """Names a person, who is invited by e-mail if they are not an administrator yet."""

    email: Mailbox
    name: PersonName


class NewPerson(NewOfficer):
    """Names a person. `home` is the unit where they work. An existing administrator keeps their home."""

    home: UnitField


class NewAssignment(Wire):
    """Grants a role at a unit and everything below it, to exactly one of `administrator` and `person`.

    By default, `unit` is the organisation itself. Without `expires_at`, the role has no end; it can be at most two
    years ahead.
    """

    organisation: OrganisationField
    unit: UnitField | None = None
    role: RoleField
    administrator: AdministratorField | None = None
    person: NewPerson | None = None
    expires_at: Moment | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.administrator is None) == (self.person is None):
            raise ValueError("give either administrator or person")
        return self


class AdminAssignment(Answer):
    """Describes an assignment. `granted_by` is the administrator who requested it, or `operator`."""

    id: str
    administrator: AdministratorField
    name: str
    email: str
    role: RoleField
    organisation: OrganisationField
    unit: UnitField
    granted_by: str
    granted_at: Time
    expires_at: Time | None = None
    outside_mail_domains: Annotated[
        bool, Field(description="whether the address is at none of the organisation's mail domains")
    ]


class AdminAssignments(Answer):
    """Lists assignments by unit and role. A page can have fewer than requested, even none, and still have a cursor."""

    assignments: list[AdminAssignment]
    cursor: str | None = None


class RequestedBy(Answer):
    administrator: AdministratorField
    name: str


class ApprovalWarning(Answer):
    """Warns about an approval. `looks_like`: the value at `pointer` looks like that of another administrator.

    `name` and `email` are those of that administrator. `outside_mail_domains`: this administrator's address is at none
    of the domains at `pointer`.
    """

    pointer: str
    code: Literal["looks_like", "outside_mail_domains"]
    name: str
    email: str


class AdminApproval(Answer):
    """Describes an approval. `operation` is executed with `parameters` if another person approves it before
    `expires_at`.

    Only the answer about a single pending approval has `warnings`, which the approver should check first.
    """

    id: str
    operation: str
    parameters: dict[str, Any]
    organisation: OrganisationField
    unit: UnitField
    requested_by: RequestedBy
    requested_at: Time
    expires_at: Time
    state: ApprovalStateField
    decided_by: AdministratorField | None = None
    decided_at: Time | None = None
    reason: str | None = None
    warnings: list[ApprovalWarning] | None = None


class AdminApprovals(Answer):
    """Lists approvals, the newest first. A page can have fewer than requested, even none, and still have a cursor."""

    approvals: list[AdminApproval]
    cursor: str | None = None


class RejectApproval(Wire):
    """Rejects an approval. The requester sees `reason`, and the audit chain records it."""

    reason: Annotated[str, OneLine, Field(min_length=1, max_length=MAX_REASON_CHARS)]
