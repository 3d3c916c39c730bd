"""Giving somebody a role, once two people have agreed: a new administrator or one who has roles (docs/adr/0027)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandes.administration.approvals import Decision, Write
from sandes.administration.authority import APART, everywhere
from sandes.administration.sign_in import AdministratorPool
from sandes.mail_domains import check_address
from sandes.model.administrator import Administrator, Assignment, Caller, Place, Role
from sandes.model.ids import AdministratorId, OrganisationId, administrator_text
from sandes.model.mailbox import mailbox_of
from sandes.protocol.admin_roles_api import NewPerson
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid, missing
from sandes.store.administrators import NOT_ASSIGNED, UNCHANGED, AdministratorStore
from sandes.store.dynamo import ConditionFailed
from sandes.store.organisations import OrganisationStore
from sandes.store.transaction import Operation

_TRIES = 4
"""Of a grant while others change the same person's roles."""


Parts = Callable[[Assignment, Administrator], Iterable[Operation]]
"""Builds the grant and what is written with it. NOT_ASSIGNED fails for who has the role already."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """What role somebody gets where. `home` is where somebody new works; `field`: where a request names them."""

    who: AdministratorId | NewPerson
    role: Role
    place: Place
    home: Place
    expires_at: int | None = None
    field: str = "/person"


@dataclass(frozen=True, slots=True)
class Appointments:
    administrators: AdministratorStore
    pool: AdministratorPool
    organisations: OrganisationStore

    def check(self, wanted: Appointment, by: Caller, *, now_seconds: int) -> None:
        """Refuses what can be refused before it is done, by what the organisations in which `by` works may know.

        An address gets the same answer whether it belongs to nobody or to an administrator of another organisation:
        `make` settles that, once two people have agreed.

        Raises ProtocolError: own_roles, mail_domain_not_allowed, not_found, invalid_request, roles_apart,
        already_assigned.
        """
        if isinstance(wanted.who, NewPerson):
            found = self.pool.find(wanted.who.email)
            if found == by.id or mailbox_of(wanted.who.email) == mailbox_of(by.administrator.email):
                raise ProtocolError(ErrorCode.OWN_ROLES)
            self._check_domain(wanted, wanted.who.email, f"{wanted.field}/email")
            known = self.administrators.read(found) if found is not None else None
            if known is not None:
                self._check_name(wanted.who, *known, wanted, by)
                held = [one for one in known[1] if one.place.organisation in _seen(wanted, by)]
                _check_beside(wanted, held, now_seconds)
            return
        if wanted.who == by.id:
            raise ProtocolError(ErrorCode.OWN_ROLES)
        person, held = self._known(wanted.who)
        self._check_domain(wanted, person.email, "/administrator")
        seen = [one for one in held if everywhere(one.role) or one.place.organisation in _seen(wanted, by)]
        _check_beside(wanted, seen, now_seconds)

    def _check_domain(self, wanted: Appointment, email: str, pointer: str) -> None:
        organisation = self.organisations.read(wanted.place.organisation)
        if organisation is not None:  # it is not there before its first officer is
            check_address(email, organisation, pointer)

    def make(self, wanted: Appointment, decision: Decision, write: Write, parts: Parts, otherwise: ErrorCode) -> None:
        """Whoever has no role anywhere is invited first; whoever has one keeps their name and home. The organisation
        lists somebody of another organisation under the name and address that it was given.

        Raises ProtocolError: as `check`; `otherwise` if another one of `parts` fails; unavailable.
        """
        now = decision.now_ms // 1000
        two = (decision.approval.requested_by, decision.approver.id)
        id = self._invited(wanted.who, wanted, decision, two) if isinstance(wanted.who, NewPerson) else wanted.who
        if id in two:
            raise ProtocolError(ErrorCode.OWN_ROLES)
        by = administrator_text(decision.approval.requested_by)
        grant = Assignment(id, wanted.role, wanted.place, by, now, wanted.expires_at)
        for _ in range(_TRIES):
            person, made = self._person(id, wanted, now)
            try:
                write([made, *parts(grant, _as_given(person, wanted))], subject=administrator_text(id))
            except ConditionFailed as failed:
                if failed.is_(UNCHANGED):  # given another role meanwhile: the two may exclude each other
                    continue
                raise ProtocolError(ErrorCode.ALREADY_ASSIGNED if failed.is_(NOT_ASSIGNED) else otherwise) from None
            return
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)

    def _invited(
        self, who: NewPerson, wanted: Appointment, decision: Decision, two: Collection[AdministratorId]
    ) -> AdministratorId:
        """Last of all that can be refused. Nobody's temporary password is replaced by another organisation."""
        found = self.pool.find(who.email)
        if found is not None and found in two:
            raise ProtocolError(ErrorCode.OWN_ROLES)
        known = (self.administrators.read(one) for one in two)
        if mailbox_of(who.email) in {mailbox_of(one[0].email) for one in known if one}:
            raise ProtocolError(ErrorCode.OWN_ROLES)
        person = self._of_address(who, found, wanted, decision) if found is not None else None
        if person is not None and person.home.organisation != wanted.place.organisation:
            return person.id
        return self.pool.invite(who.email, who.name)

    def _of_address(
        self, who: NewPerson, found: AdministratorId, wanted: Appointment, decision: Decision
    ) -> Administrator | None:
        """Whom the pool knows by the address; None if they never had a role. Raises ProtocolError as `check`."""
        known = self.administrators.read(found)
        if known is None:
            return None
        person, held = known
        if mailbox_of(person.email) != mailbox_of(who.email):  # taken from somebody else, at the pool
            raise missing(f"{wanted.field}/email", "administrator of this address")
        self._check_name(who, person, held, wanted, decision.approver)
        _check_beside(wanted, held, decision.now_ms // 1000)
        return person

    def _check_name(
        self, who: NewPerson, person: Administrator, held: Sequence[Assignment], wanted: Appointment, by: Caller
    ) -> None:
        """Whoever approves goes by the name: it must be the one by which the organisation knows the address.

        Raises ProtocolError: not_found for an address that was taken from somebody else at the pool, invalid_request.
        """
        seen = _seen(wanted, by)
        names = {person.name} if person.home.organisation in seen else set()
        if not names:
            here = (self.administrators.listed_name(one) for one in held if one.place.organisation in seen)
            names = {name for name in here if name is not None}
        if not names:
            return
        if mailbox_of(person.email) != mailbox_of(who.email):
            raise missing(f"{wanted.field}/email", "administrator of this address")
        if who.name.casefold() not in {name.casefold() for name in names}:
            raise invalid(ErrorCode.INVALID_REQUEST, f"{wanted.field}/name", "known_by_another_name")

    def _person(self, id: AdministratorId, wanted: Appointment, now_seconds: int) -> tuple[Administrator, Any]:
        """Who it is, and the operation that keeps others from giving them another role at the same time."""
        known = self.administrators.read(id)
        if known is None and isinstance(wanted.who, NewPerson):
            person = Administrator(id, wanted.who.email, wanted.who.name, wanted.home, now_seconds)
            return person, self.administrators.adding(person)
        person, held = known or self._known(id)
        _check_beside(wanted, held, now_seconds)
        return person, self.administrators.counting(person)

    def _known(self, id: AdministratorId) -> tuple[Administrator, list[Assignment]]:
        known = self.administrators.read(id)
        if known is None:
            raise missing("/administrator", "administrator")
        return known


def _seen(wanted: Appointment, by: Caller) -> frozenset[OrganisationId]:
    """Gives the organisations of whose administrators `by` may learn something by asking for this."""
    return frozenset((wanted.place.organisation, *(one.place.organisation for one in by.assignments)))


def _as_given(person: Administrator, wanted: Appointment) -> Administrator:
    """Gives the person as the organisation lists them: it learns no other name of somebody of another organisation."""
    if not isinstance(wanted.who, NewPerson) or person.home.organisation == wanted.place.organisation:
        return person
    return replace(person, name=wanted.who.name, email=wanted.who.email)


def _check_beside(wanted: Appointment, held: Sequence[Assignment], now_seconds: int) -> None:
    live = [one for one in held if one.in_force(now_seconds)]
    if any((one.role, one.place) == (wanted.role, wanted.place) for one in live):
        raise ProtocolError(ErrorCode.ALREADY_ASSIGNED)
    if any(one.role in APART[wanted.role] for one in live):
        raise ProtocolError(ErrorCode.ROLES_APART)
