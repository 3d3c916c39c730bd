"""Bodies of the admin API about who may do what: assignments, and what takes two people (docs/admin/README.md)."""

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
    """Somebody who is invited by e-mail, unless they are an administrator already."""

    email: Mailbox
    name: PersonName


class NewPerson(NewOfficer):
    """`home`: the unit of the organisation that they work in. Whoever is an administrator already keeps theirs."""

    home: UnitField


class NewAssignment(Wire):
    """A role at a unit and all below it, for exactly one of `administrator` and `person`. `unit` is the organisation
    itself if left out. Without `expires_at` it stays until it is taken away; it may be two years ahead.
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
    """`granted_by`: the administrator who asked for it, or `operator`."""

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
    outside_mail_domains: Annotated[bool, Field(description="the address is at none of the organisation's domains")]


class AdminAssignments(Answer):
    """By unit and role. A page may hold fewer than asked for, even none, as long as there is a cursor."""

    assignments: list[AdminAssignment]
    cursor: str | None = None


class RequestedBy(Answer):
    administrator: AdministratorField
    name: str


class ApprovalWarning(Answer):
    """`looks_like`: the value at `pointer` of the approval looks like that of another administrator, of `name` and
    `email`. `outside_mail_domains`: the address of this administrator is at none of the domains at `pointer`.
    """

    pointer: str
    code: Literal["looks_like", "outside_mail_domains"]
    name: str
    email: str


class AdminApproval(Answer):
    """`operation` will be done with `parameters` when somebody else approves it before `expires_at`. `warnings` come
    with a single approval that is pending: what whoever approves should compare before.
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
    """The newest first. A page may hold fewer than asked for, even none, as long as there is a cursor."""

    approvals: list[AdminApproval]
    cursor: str | None = None


class RejectApproval(Wire):
    """`reason` is shown to whoever asked, and stands in the audit chain."""

    reason: Annotated[str, OneLine, Field(min_length=1, max_length=MAX_REASON_CHARS)]
