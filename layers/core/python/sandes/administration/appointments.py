"""Gives a role after two people have agreed, to a new or an existing administrator (docs/adr/0027)."""

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
from sandes.races import Raced, retry_raced
from sandes.store.administrators import NOT_ASSIGNED, UNCHANGED, AdministratorStore
from sandes.store.dynamo import ConditionFailed
from sandes.store.organisations import OrganisationStore
from sandes.store.transaction import Operation

Parts = Callable[[Assignment, Administrator], Iterable[Operation]]
"""Builds the grant and the operations that are written with it. NOT_ASSIGNED fails if the administrator has the role
already.
"""


@dataclass(frozen=True, slots=True)
class Appointment:
    """Describes the role to give. `home` is where a new administrator works; `field` is where a request names the
    person.
    """

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
        """Check an appointment, as far as possible before it is made, without revealing anything that the organisations
        of `by` may not know.

        An unknown address gets the same answer as that of an administrator of another organisation. `make` decides this
        after two people have agreed. Raises ProtocolError own_roles, mail_domain_not_allowed, not_found,
        invalid_request, roles_apart, already_assigned.
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
        if organisation is not None:  # it does not exist before its first officer does
            check_address(email, organisation, pointer)

    def make(self, wanted: Appointment, decision: Decision, write: Write, parts: Parts, otherwise: ErrorCode) -> None:
        """Give the role. A person without any role is invited first; an administrator keeps their name and home. The
        organisation lists an administrator of another organisation under the name and address that the request gave.

        Raises ProtocolError like `check`, `otherwise` if another condition of `parts` fails, and unavailable.
        """
        now_seconds = decision.now.seconds
        two = (decision.approval.requested_by, decision.approver.id)
        id = self._invited(wanted.who, wanted, decision, two) if isinstance(wanted.who, NewPerson) else wanted.who
        if id in two:
            raise ProtocolError(ErrorCode.OWN_ROLES)
        by = administrator_text(decision.approval.requested_by)
        grant = Assignment(id, wanted.role, wanted.place, by, now_seconds, wanted.expires_at)

        def attempt() -> None:
            person, made = self._person(id, wanted, now_seconds)
            try:
                write([made, *parts(grant, _as_given(person, wanted))], subject=administrator_text(id))
            except ConditionFailed as failed:
                if failed.is_(UNCHANGED):  # the person got another role meanwhile, which may exclude this one
                    raise Raced from None
                raise ProtocolError(ErrorCode.ALREADY_ASSIGNED if failed.is_(NOT_ASSIGNED) else otherwise) from None

        retry_raced(attempt)

    def _invited(
        self, who: NewPerson, wanted: Appointment, decision: Decision, two: Collection[AdministratorId]
    ) -> AdministratorId:
        """Invite a person, after everything else was checked. It never replaces a temporary password of another
        organisation.
        """
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
        """Return the administrator whom the pool knows by the address, or None if they never had a role.

        Raises ProtocolError like `check`.
        """
        known = self.administrators.read(found)
        if known is None:
            return None
        person, held = known
        if mailbox_of(person.email) != mailbox_of(who.email):  # somebody has taken over the address at the pool
            raise missing(f"{wanted.field}/email", "administrator of this address")
        self._check_name(who, person, held, wanted, decision.approver)
        _check_beside(wanted, held, decision.now.seconds)
        return person

    def _check_name(
        self, who: NewPerson, person: Administrator, held: Sequence[Assignment], wanted: Appointment, by: Caller
    ) -> None:
        """Check the name, which approvers rely on. It must be the one by which the organisation knows the address.

        Raises ProtocolError not_found for an address that somebody has taken over at the pool, and invalid_request.
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
        """Return the person, and the operation that prevents a concurrent grant of another role."""
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
    """Return the organisations about whose administrators `by` may learn something by this request."""
    return frozenset((wanted.place.organisation, *(one.place.organisation for one in by.assignments)))


def _as_given(person: Administrator, wanted: Appointment) -> Administrator:
    """Return the person with the given name and address if they belong to another organisation, whose data stay
    hidden.
    """
    if not isinstance(wanted.who, NewPerson) or person.home.organisation == wanted.place.organisation:
        return person
    return replace(person, name=wanted.who.name, email=wanted.who.email)


def _check_beside(wanted: Appointment, held: Sequence[Assignment], now_seconds: int) -> None:
    live = [one for one in held if one.in_force(now_seconds)]
    if any((one.role, one.place) == (wanted.role, wanted.place) for one in live):
        raise ProtocolError(ErrorCode.ALREADY_ASSIGNED)
    if any(one.role in APART[wanted.role] for one in live):
        raise ProtocolError(ErrorCode.ROLES_APART)
