"""Verification of officials: making, renewing and ending it (docs/adr/0017).

The account's standing ends with its verification immediately. The queue that `end_due` fills ends the memberships of
official groups.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from sandes.administration.people.attestation_keys import announced_key
from sandes.crypto.attestation import SALT_BYTES, AttestationKeys, commitment, sign, statement
from sandes.crypto.introductions import Key
from sandes.crypto.pepper import Pepper
from sandes.mail_domains import check_address
from sandes.model.device import Account
from sandes.model.ids import AccountId, OrganisationId, UnitId
from sandes.model.imports import Origin
from sandes.model.organisation import Organisation, Unit
from sandes.model.phone import parse_phone
from sandes.model.verification import (
    ATTESTED,
    MAX_SECONDS,
    Attestation,
    AttestedField,
    Verification,
    address_kept,
)
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid, missing
from sandes.protocol.fields import AccountField, Wire
from sandes.store.directory import DirectoryStore
from sandes.store.verification_words import word_sorts
from sandes.store.verifications import VerificationStore

ENDING_SECONDS = 60
"""The time within which the memberships from a former organisation have usually ended."""


@dataclass(frozen=True, slots=True)
class VerificationDependencies:
    store: VerificationStore
    directory: DirectoryStore
    pepper: Pepper
    keys: AttestationKeys


class Who(Wire):
    """Names a person by either `account` or `phone`."""

    account: AccountField | None = None
    phone: Annotated[str, Field(max_length=32)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.account is None) == (self.phone is None):
            raise ValueError("give either the account or the phone number")
        return self


@dataclass(frozen=True, slots=True)
class Terms:
    """Holds an organisation's statement about a person until `expires_at` (epoch seconds), five years at most.

    If `listed` is true, citizens may find and write to the holder of the post.
    """

    organisation: OrganisationId
    unit: UnitId
    name: str
    post: str
    email: str | None
    listed: bool
    expires_at: int


def attest(
    account: Account,
    terms: Terms,
    previous: Verification | None,
    *,
    asked: bool = False,
    now_seconds: int,
    deps: VerificationDependencies,
) -> Verification:
    """Write a verification in place of `previous`, the one that was read. `asked` is true if the person requested it.

    Raises VerificationRaced, and ProtocolError not_found (organisation or unit), invalid_request, verified_elsewhere,
    mail_domain_not_allowed, unavailable. The latter is also raised while memberships from another organisation are
    being ended, because the person would regain them.
    """
    place = check_terms(terms, now_seconds=now_seconds, deps=deps)
    if previous and previous.organisation != terms.organisation:
        if previous.in_force(now_seconds):
            raise ProtocolError(ErrorCode.VERIFIED_ELSEWHERE)
        if deps.store.is_ending(account.id, previous.organisation):
            raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=ENDING_SECONDS)
    if terms.email != address_kept(previous, terms.organisation, now_seconds=now_seconds):
        check_address(terms.email, place[0], "/email")
    key = announced_key(deps.keys, deps.store, now_seconds=now_seconds)
    made = attested(terms, account.id, place, previous, asked=asked, now_seconds=now_seconds, key=key)
    deps.store.put(made, previous=previous, phone_indexes=[account.phone_index])
    return made


def check_terms(terms: Terms, *, now_seconds: int, deps: VerificationDependencies) -> tuple[Organisation, Unit]:
    """Check the terms without looking at the person. Return the organisation and the unit.

    Raises ProtocolError invalid_request, not_found (organisation or unit).
    """
    if not now_seconds < terms.expires_at <= now_seconds + MAX_SECONDS:
        raise invalid(ErrorCode.INVALID_REQUEST, "/expires_at", "within_five_years")
    place = deps.store.organisations.unit(terms.organisation, terms.unit)
    if place is None:
        there = deps.store.organisations.read(terms.organisation)
        raise missing("/unit", "unit in the organisation") if there else missing("/organisation", "organisation")
    return place


def attested(
    terms: Terms,
    account: AccountId,
    place: tuple[Organisation, Unit],
    previous: Verification | None,
    *,
    now_seconds: int,
    key: Key,
    origin: Origin | None = None,
    asked: bool = False,
) -> Verification:
    """Build a new verification with its signed attestation, in place of `previous`.

    The fields that the organisation has ever hidden of the person stay hidden, however its last verification ended.
    """
    organisation, unit = place
    renewed = previous if previous and previous.in_force(now_seconds) else None
    if renewed and renewed.organisation != organisation.id:
        renewed = None
    hidden = previous.hidden_by() if previous else {}
    values: dict[AttestedField, str] = {"name": terms.name, "post": terms.post, "unit": unit.name}
    salts = {field: secrets.token_bytes(SALT_BYTES) for field in ATTESTED}
    signed = statement(
        account,
        organisation.id,
        organisation_name=organisation.name,
        issued_at=now_seconds,
        expires_at=terms.expires_at,
        commitments={field: commitment(values[field], salts[field]) for field in ATTESTED},
    )
    return Verification(
        account=account,
        organisation=organisation.id,
        unit=unit.id,
        name=terms.name,
        post=terms.post,
        email=terms.email,
        listed=terms.listed,
        issued_at=now_seconds,
        first_issued_at=renewed.first_issued_at if renewed else now_seconds,
        expires_at=terms.expires_at,
        attestation=Attestation(signed, sign(signed, key), values, salts),
        words=word_sorts(account, name=terms.name, post=terms.post),
        version=previous.version + 1 if previous else 1,
        hidden=hidden.get(organisation.id, {}),
        hidden_by_others={other: fields for other, fields in hidden.items() if other != organisation.id},
        origin=origin,
        asked=asked or (renewed is not None and renewed.asked),
    )


def find_account(who: Who, deps: VerificationDependencies) -> Account:
    """Find the account. Raises ProtocolError not_found, invalid_phone."""
    id = who.account
    if who.phone is not None:
        try:
            phone = parse_phone(who.phone)
        except ValueError as error:
            raise invalid(ErrorCode.INVALID_PHONE, "/phone", "invalid_phone", str(error)) from None
        id = deps.directory.account_of_phone(deps.pepper.index("phone", phone))
    account = deps.directory.account(id) if id else None
    if account is None:
        raise missing("/phone", "account of this number") if who.phone else missing("/account", "account")
    return account
