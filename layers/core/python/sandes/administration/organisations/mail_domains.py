"""Mail domains of an organisation. One nodal officer requests them, and another one approves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sandes.administration import approvals
from sandes.administration.approvals import ApprovalDependencies, ApprovedOperation, Decision, Write
from sandes.administration.authority import GRANTED_BY, Permission
from sandes.administration.lookalike_people import MAX_WARNINGS, people_of
from sandes.administration.sign_in import fresh
from sandes.model.administrator import Caller, Place, Role
from sandes.model.approval import Approval
from sandes.model.ids import id_text
from sandes.model.instant import Instant
from sandes.model.mailbox import domain_of
from sandes.model.organisation import Organisation
from sandes.protocol.admin_organisations_api import MailDomains
from sandes.protocol.admin_roles_api import ApprovalWarning
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.fields import OrganisationField, Wire
from sandes.store.administrators import AdministratorStore
from sandes.store.dynamo import ConditionFailed
from sandes.store.organisations import OrganisationStore

OPERATION = "organisation.mail_domains"


class SetMailDomains(Wire):
    """Holds the parameters of an approval that replaces the mail domains. `before` holds the replaced domains."""

    organisation: OrganisationField
    mail_domains: MailDomains
    before: MailDomains


@dataclass(frozen=True, slots=True)
class SettingMailDomains(ApprovedOperation[SetMailDomains]):
    """Executes `organisation.mail_domains`. It needs two nodal officers, because it decides who may get a role."""

    organisations: OrganisationStore
    permission = Permission.ROLES
    model = SetMailDomains

    def place(self, parameters: SetMailDomains) -> Place:
        return Place.root(parameters.organisation)

    def roles(self, parameters: SetMailDomains) -> Collection[Role]:  # noqa: ARG002  # whatever they are set to
        return GRANTED_BY[Role.NODAL_OFFICER]

    def check(self, parameters: SetMailDomains, by: Caller, *, now_seconds: int) -> None:  # noqa: ARG002
        """Check the sign-in. Raises ProtocolError fresh_sign_in_required."""
        fresh(by, now_seconds=now_seconds)

    def carry_out(self, parameters: SetMailDomains, decision: Decision, write: Write) -> None:  # noqa: ARG002
        """Set the domains. Raises ProtocolError approval_state if they were changed meanwhile."""
        setting = self.organisations.setting_mail_domains(
            parameters.organisation, parameters.mail_domains, before=parameters.before
        )
        try:
            write([setting], subject=id_text(parameters.organisation))
        except ConditionFailed:
            raise ProtocolError(ErrorCode.APPROVAL_STATE) from None

    def recorded(self, parameters: SetMailDomains) -> dict[str, Any]:
        return {"mail_domains": {"old": parameters.before, "new": parameters.mail_domains}}


def ask(
    caller: Caller, organisation: Organisation, domains: list[str], *, now: Instant, deps: ApprovalDependencies
) -> Approval:
    """Request these domains in place of the organisation's current ones.

    Raises ProtocolError not_found without the right, and the errors of `SettingMailDomains.check`.
    """
    wanted = SetMailDomains(organisation=organisation.id, mail_domains=domains, before=list(organisation.mail_domains))
    return approvals.request(caller, OPERATION, wanted, now=now, deps=deps)


def warnings(approval: Approval, administrators: AdministratorStore) -> list[ApprovalWarning]:
    """Name the administrators whose addresses are outside the domains of a pending approval. They keep their access."""
    domains = approval.parameters.get("mail_domains")
    if approval.operation != OPERATION or approval.decision != "pending" or not domains:
        return []
    people = dict.fromkeys(people_of(approval.place.organisation, administrators))
    outside = [(name, email) for name, email in people if domain_of(email) not in domains]
    return [
        ApprovalWarning(pointer="/parameters/mail_domains", code="outside_mail_domains", name=name, email=email)
        for name, email in outside[:MAX_WARNINGS]
    ]
