"""Decides the outcome of a row by the stored facts about its number, for the check and for the commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sandes.model.administrator import Place
from sandes.model.ids import AccountId
from sandes.model.imports import Entry, Nomination, Outcome
from sandes.model.organisation import Tree
from sandes.model.verification import Verification, address_kept
from sandes.store.imports import ImportStore
from sandes.store.nominations import NominationStore
from sandes.store.verifications import VerificationStore

_CAP_TOLERANCE_SECONDS = 365 * 86_400
"""The tolerance if the five-year limit, and not a day of the file, ends a verification. One that still has four years
is not renewed.
"""


@dataclass(frozen=True, slots=True)
class Known:
    """Holds all that is known about a number. `verification` may have ended, and `nomination` may be withdrawn."""

    account: AccountId | None = None
    nomination: Nomination | None = None
    verification: Verification | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Holds an outcome. `code` is that of the finding for `failed`."""

    outcome: Outcome
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Knowing:
    """Reads the stored facts about numbers."""

    nominations: NominationStore
    verifications: VerificationStore
    imports: ImportStore

    def known(self, indexes: Sequence[str], *, now_seconds: int) -> dict[str, Known]:
        """Read the facts about numbers consistently: at most three rows for each number, and one for each import that
        nominated any. A nomination of a cancelled import counts as withdrawn.
        """
        numbers = self.nominations.numbers(indexes)
        accounts = {number.account for number in numbers.values() if number.account}
        verified = self.verifications.read_many(sorted(accounts))
        made_by = {number.nomination.origin.id for number in numbers.values() if number.nomination}
        stand = {one.id for one in self.imports.read_many(sorted(made_by), now_seconds=now_seconds) if one.stands}

        def told(nomination: Nomination | None) -> Nomination | None:
            if nomination is None or nomination.origin.id in stand:
                return nomination
            return replace(nomination, withdrawn=True)

        return {
            index: Known(
                number.account, told(number.nomination), verified.get(number.account) if number.account else None
            )
            for index, number in numbers.items()
        }


def decide(entry: Entry, person: Known, *, place: Place, tree: Tree, now_seconds: int) -> Decision:
    """Decide the outcome of a row. `place` is that of the import; `tree` is its organisation's.

    A person who is verified or nominated by another organisation, or outside the place, is not changed, and the finding
    does not tell which it is. A nomination is always made anew, because the last import that names a person is
    responsible.
    """
    verification, nomination = person.verification, person.nomination
    in_force = verification is not None and verification.in_force(now_seconds)
    waiting = person.account is None and nomination is not None and nomination.in_force(now_seconds)
    if in_force and verification and not _reaches(place, Place(verification.organisation, verification.unit), tree):
        return Decision("failed", "verified_elsewhere" if entry.action == "verify" else "not_verified")
    if waiting and nomination and not _reaches(place, nomination.place, tree):
        return Decision("failed", "nominated_elsewhere" if entry.action == "verify" else "not_verified")
    if entry.action == "revoke":
        if in_force:
            return Decision("revoked")
        return Decision("withdrawn") if waiting else Decision("failed", "not_verified")
    if not tree.within(entry.unit, place.unit):
        return Decision("failed", "unit_unknown")
    if entry.expires_at <= now_seconds:
        return Decision("failed", "date_past")
    kept = _address_kept(person, place, now_seconds)
    if entry.email and entry.email != kept and not tree.organisation.accepts(entry.email):
        return Decision("failed", "mail_domain_not_allowed")
    if in_force and verification:
        return Decision("unchanged" if _same(entry, verification) else "changed")
    if person.account is not None:
        return Decision("verified")
    return Decision("nominated")


def _address_kept(person: Known, place: Place, now_seconds: int) -> str | None:
    """Return the address that the organisation has given the person before, as an official or by a nomination."""
    nomination = person.nomination if person.account is None else None
    if nomination and nomination.in_force(now_seconds) and nomination.place.organisation == place.organisation:
        return nomination.email
    return address_kept(person.verification, place.organisation, now_seconds=now_seconds)


def _reaches(place: Place, other: Place, tree: Tree) -> bool:
    return other.organisation == place.organisation and tree.within(other.unit, place.unit)


def _same(entry: Entry, now: Verification) -> bool:
    return (
        (entry.unit, entry.name, entry.post) == (now.unit, now.name, now.post)
        and entry.email in {None, now.email or ""}
        and entry.listed in {None, now.listed}
        and _as_long(entry, now.expires_at)
    )


def _as_long(entry: Entry, expires_at: int) -> bool:
    if entry.capped:
        return entry.expires_at - _CAP_TOLERANCE_SECONDS <= expires_at <= entry.expires_at
    return entry.expires_at == expires_at
