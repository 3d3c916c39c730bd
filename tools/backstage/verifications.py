"""Carries out backstage operations on verifications of people."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from sandes.administration.people.verifications import (
    Terms,
    VerificationDependencies,
    Who,
    attest,
    find_account,
)
from sandes.model.ids import AccountId, UnitId, account_text, id_text
from sandes.model.verification import Verification
from sandes.protocol.errors import missing
from sandes.protocol.fields import Email, Name, OneLine, OrganisationField, UnitField
from sandes.races import retry_raced
from sandes.store.verifications import VerificationRaced


class Verify(Who):
    """Verifies an account, or renews or changes its verification. `unit` is by default the organisation itself."""

    operation: Literal["person.verify"]
    organisation: OrganisationField
    unit: UnitField | None = None
    name: Annotated[str, Name, Field(min_length=1, max_length=64)]
    post: Annotated[str, Name, Field(min_length=1, max_length=128)]
    email: Email | None = None
    listed: bool = False
    expires_at: int


class Revoke(Who):
    operation: Literal["person.revoke"]
    reason: Annotated[str, OneLine, Field(min_length=1, max_length=256)]


class ShowPerson(Who):
    operation: Literal["person.show"]


Operation = Verify | Revoke | ShowPerson


def carry_out(operation: Operation, *, now_seconds: int, deps: VerificationDependencies) -> dict[str, Any]:
    """Carry out an operation, and return the person's verification as it is then.

    Raise ProtocolError: not_found, invalid_phone, invalid_request, verified_elsewhere, unavailable.
    """
    match operation:
        case Verify():
            _verify(operation, now_seconds=now_seconds, deps=deps)
        case Revoke():
            _revoke(operation, now_seconds=now_seconds, deps=deps)
    account = find_account(operation, deps).id
    return _shown(account, deps.store.read(account), now_seconds)


def _verify(operation: Verify, *, now_seconds: int, deps: VerificationDependencies) -> Verification:
    """Create, renew or change a verification.

    Repeating it makes a new attestation and changes nothing else.

    Raise ProtocolError: not_found (account, number, organisation or unit), invalid_phone, invalid_request,
    verified_elsewhere, mail_domain_not_allowed, or unavailable. The last one also comes while memberships by a former
    organisation's verification are being ended, because they would let the person into that organisation's groups
    again.
    """
    terms = Terms(
        operation.organisation,
        operation.unit or UnitId(operation.organisation),
        operation.name,
        operation.post,
        operation.email,
        operation.listed,
        operation.expires_at,
    )

    def attempt() -> Verification:
        account = find_account(operation, deps)
        return attest(account, terms, deps.store.read(account.id), now_seconds=now_seconds, deps=deps)

    return retry_raced(attempt, on=VerificationRaced)


def _revoke(operation: Revoke, *, now_seconds: int, deps: VerificationDependencies) -> None:
    """End a verification. Its rights are gone when this returns. Repeating it changes nothing.

    Raise ProtocolError: not_found if none is in force, invalid_phone, unavailable.
    """

    def attempt() -> None:
        verification = deps.store.read(find_account(operation, deps).id)
        if verification and verification.ended == "revoked":
            return
        if verification is None or not verification.in_force(now_seconds):
            raise missing("/phone" if operation.phone else "/account", "verification in force")
        deps.store.end(verification, "revoked", reason=operation.reason, now_seconds=now_seconds)

    retry_raced(attempt, on=VerificationRaced)


def _shown(account: AccountId, verification: Verification | None, now_seconds: int) -> dict[str, Any]:
    if verification is None:
        return {"account": account_text(account), "state": "none"}
    over = "verified" if verification.in_force(now_seconds) else "expired"
    shown: dict[str, Any] = {
        "account": account_text(account),
        "state": verification.ended or over,
        "organisation": id_text(verification.organisation),
        "unit": id_text(verification.unit),
        "name": verification.name,
        "post": verification.post,
        "email": verification.email,
        "listed": verification.listed,
        "issued_at": verification.issued_at,
        "expires_at": verification.expires_at,
    }
    return shown | {"ended_at": verification.ended_at, "reason": verification.reason}
