"""Administration of people: lists, single people, and their verification (docs/adr/0017, docs/adr/0028)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sandes.administration.authority import Permission, covers, path_seen, places_seen, require, require_in
from sandes.administration.people.verifications import (
    Terms,
    VerificationDependencies,
    Who,
    attest,
    check_terms,
    find_account,
)
from sandes.administration.recorder import Acts, Recorder, act
from sandes.administration.scopes import Walk, by_unit
from sandes.crypto.pepper import Pepper
from sandes.cursors import cursor, position
from sandes.limits import Limit, enforce
from sandes.model.administrator import Assignment, Caller, Place
from sandes.model.audit import Act
from sandes.model.device import Account
from sandes.model.ids import AccountId, UnitId, account_text, administrator_text, id_text
from sandes.model.instant import Instant
from sandes.model.profile import Audience, Field
from sandes.model.suspension import Suspension
from sandes.model.verification import Official, Verification
from sandes.protocol.admin_people_api import (
    AdminPerson,
    ChangePerson,
    FindPerson,
    FoundPerson,
    HidePerson,
    OfficialEntry,
    OfficialPage,
    SuspensionShown,
    VerifyPerson,
)
from sandes.protocol.errors import ErrorCode, ProtocolError, missing
from sandes.races import retry_raced
from sandes.store.administrators import AdministratorStore
from sandes.store.limits import LimitStore
from sandes.store.organisations import OrganisationStore
from sandes.store.transaction import Operation, Writer
from sandes.store.verification_requests import VerificationRequestStore
from sandes.store.verifications import VerificationRaced


@dataclass(frozen=True, slots=True)
class PeopleDependencies:
    verifications: VerificationDependencies
    requests: VerificationRequestStore
    recorder: Recorder
    limits: LimitStore

    @property
    def organisations(self) -> OrganisationStore:
        return self.verifications.store.organisations

    @property
    def pepper(self) -> Pepper:
        return self.verifications.pepper

    def by_right(
        self,
        what: Act,
        right: Assignment,
        *,
        now: Instant,
        beside: Sequence[Operation] = (),
        otherwise: ErrorCode = ErrorCode.NOT_FOUND,
    ) -> Writer:
        """Return a writer that also writes an audit entry of the act, like `Acts.by_right`."""
        acts = Acts(self.recorder, AdministratorStore(self.organisations.client, self.organisations.table))
        return acts.by_right(what, right, now=now, beside=beside, otherwise=otherwise)

    def writing(self, writer: Writer) -> VerificationDependencies:
        """Return the dependencies for verifications whose store writes with `writer`."""
        return replace(self.verifications, store=replace(self.verifications.store, writer=writer))


def page(
    caller: Caller, place: Place, *, after: str | None, limit: int, now: Instant, deps: PeopleDependencies
) -> OfficialPage:
    """List the officials of the unit and of those below it, by unit.

    A page reads its own rows and, for a part of the organisation, the units that it passes. Raises ProtocolError
    not_found, invalid_cursor.
    """
    tree = path_seen(caller, Permission.PEOPLE, place, deps.organisations)
    name = f"people {id_text(place.organisation)} {id_text(place.unit)}"
    start = position(after, owner=caller.id, of=name, pepper=deps.pepper) if after else None

    def rows(unit: UnitId | None, after: str | None, limit: int) -> tuple[list[Official], str | None]:
        return deps.verifications.store.officials(place.organisation, unit=unit, after=after, limit=limit)

    walk = Walk(place, tree, deps.organisations, page=limit)
    found, goes_on = by_unit(walk, rows, holds=lambda one: one.officials > 0, after=start, limit=limit)
    return OfficialPage(
        people=[_entry(one) for one in found if one.expires_at > now.seconds],
        cursor=cursor(goes_on, owner=caller.id, of=name, pepper=deps.pepper) if goes_on else None,
    )


def read(caller: Caller, id: AccountId, *, now: Instant, deps: PeopleDependencies) -> AdminPerson:
    """Return a person whom an organisation verifies, has verified or is asked to verify, if the caller may know.

    It takes the same reads for everybody, and without such an account. Raises ProtocolError not_found.
    """
    sees = _sight(caller, deps.organisations)
    account = deps.verifications.directory.account(id)
    verification = deps.verifications.store.read(id)
    requests = deps.requests.of_account(id, now_seconds=now.seconds)
    if account is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    if verification and sees(place_of(verification)):
        return shown(account, verification, now_seconds=now.seconds)
    for request in requests:
        open_yet = request.state(account, now_seconds=now.seconds) == "open"
        if open_yet and sees(Place(request.organisation, request.unit)):
            return shown(account, None, now_seconds=now.seconds)
    raise ProtocolError(ErrorCode.NOT_FOUND)


def _sight(caller: Caller, organisations: OrganisationStore) -> Callable[[Place], bool]:
    """Return a test whether the caller may read about people at a place. It reads the necessary trees in advance."""
    able = list(places_seen(caller, Permission.PEOPLE))
    whole = {one.place.organisation for one in able if one.place.is_root}
    trees = {of: organisations.glance(of) for of in sorted({one.place.organisation for one in able} - whole)}

    def sees(place: Place) -> bool:
        tree = trees.get(place.organisation)
        return place.organisation in whole or (tree is not None and any(covers(one, place, tree) for one in able))

    return sees


def find(caller: Caller, body: FindPerson, *, now: Instant, deps: PeopleDependencies) -> FoundPerson:
    """Find the account of a number, for callers who may verify its holder.

    Each look-up is recorded without the number, also if it finds nobody. Raises ProtocolError not_found, invalid_phone,
    rate_limited.
    """
    of = body.organisation or caller.administrator.home.organisation
    place = Place(of, body.unit) if body.unit else Place.root(of)
    tree = deps.organisations.paths(of, [place.unit])
    right = require_in(caller, Permission.PEOPLE, "act", place.unit, tree)  # a look-up is recorded in an existing unit
    _limit_lookups(caller, now, deps)
    try:
        account = find_account(Who(phone=body.phone), deps.verifications)
    except ProtocolError as refusal:
        _record_lookup(caller, right, place, refusal, now=now, deps=deps)
        raise
    deps.recorder.record(act(caller, right, "person.find", place, account_text(account.id)), now=now)
    standing = account.standing_at(now.seconds)
    if standing is None:
        return FoundPerson(account=account.id, state="none")
    return FoundPerson(account=account.id, state="here" if standing.organisation == of else "elsewhere")


def _limit_lookups(caller: Caller, now: Instant, deps: PeopleDependencies) -> None:
    enforce(deps.limits, Limit.ADMIN_LOOKUPS, f"administrator:{administrator_text(caller.id)}", now=now)


def _record_lookup(
    caller: Caller, right: Assignment, place: Place, refusal: ProtocolError, *, now: Instant, deps: PeopleDependencies
) -> None:
    """Record a look-up that found nobody, unless the text is no number: that answer reveals nothing."""
    if refusal.code is not ErrorCode.INVALID_PHONE:
        did = act(caller, right, "person.find", place, None, refused=refusal.code.value)
        deps.recorder.record(did, now=now)


def verify(caller: Caller, body: VerifyPerson, *, now: Instant, deps: PeopleDependencies) -> AdminPerson:
    """Verify a person, or renew or change their verification. A change of unit needs the right in both units.

    A number makes it a look-up too, which is counted and, if it finds nobody, recorded. Raises ProtocolError not_found,
    invalid_phone, invalid_request, verified_elsewhere, rate_limited, unavailable.
    """
    of = body.organisation or caller.administrator.home.organisation
    place = Place(of, body.unit) if body.unit else Place.root(of)
    right = require(caller, Permission.PEOPLE, "act", place, deps.organisations)
    terms = Terms(of, place.unit, body.name, body.post, body.email, body.listed, int(body.expires_at.timestamp()))
    who = Who(account=body.account, phone=body.phone)
    check_terms(terms, now_seconds=now.seconds, deps=deps.verifications)
    if body.phone is not None:
        _limit_lookups(caller, now, deps)

    def attempt() -> AdminPerson:
        account = find_account(who, deps.verifications)
        return vouch(caller, right, "person.verify", account, terms, now=now, deps=deps)

    try:
        return retry_raced(attempt, on=VerificationRaced)
    except ProtocolError as refusal:
        if body.phone is not None:
            _record_lookup(caller, right, place, refusal, now=now, deps=deps)
        raise


def vouch(
    caller: Caller,
    right: Assignment,
    action: str,
    account: Account,
    terms: Terms,
    *,
    case: str | None = None,
    asked: bool = False,
    deciding: Sequence[Operation] = (),
    now: Instant,
    deps: PeopleDependencies,
) -> AdminPerson:
    """Verify an account by the caller's `right`, with an audit entry that names the `case`.

    `asked` is set if the person asked for it. `deciding` holds the operations that decide the person's request. Raises
    VerificationRaced, ProtocolError like `verify`, and request_state if the request was decided before.
    """
    previous = deps.verifications.store.read(account.id)
    renews = previous is not None and previous.in_force(now.seconds)
    if previous and renews and previous.organisation == terms.organisation and previous.unit != terms.unit:
        require(caller, Permission.PEOPLE, "act", place_of(previous), deps.organisations)
    place = Place(terms.organisation, terms.unit)
    did = act(
        caller,
        right,
        action,
        place,
        account_text(account.id),
        listed=terms.listed,
        expires_at=terms.expires_at,
        **changes(previous if renews else None, terms),
    )
    made = attest(
        account,
        terms,
        previous,
        asked=asked,
        now_seconds=now.seconds,
        deps=deps.writing(
            deps.by_right(replace(did, case=case), right, now=now, beside=deciding, otherwise=ErrorCode.REQUEST_STATE)
        ),
    )
    return shown(account, made, now_seconds=now.seconds)


def changes(previous: Verification | None, terms: Terms) -> dict[str, object]:
    """Return for the audit chain which data of the person are new, without the data, and the previous unit."""
    if previous is None:
        return {}
    changed = [
        field
        for field, was, now in (
            ("name", previous.name, terms.name),
            ("post", previous.post, terms.post),
            ("email", previous.email, terms.email),
        )
        if was != now
    ]
    moved = {"from_unit": id_text(previous.unit)} if previous.unit != terms.unit else {}
    return {"changed": changed, **moved}


def change(
    caller: Caller,
    id: AccountId,
    body: ChangePerson,
    *,
    version: int | None,
    now: Instant,
    deps: PeopleDependencies,
) -> AdminPerson:
    """Change a verification, only at this `version` if it is set.

    Raises ProtocolError not_found, invalid_request, precondition_failed, unavailable.
    """

    def attempt() -> AdminPerson:
        account, verification, right = in_force(caller, id, Permission.PEOPLE, now=now, deps=deps)
        check_version(verification, version)
        terms = replace(
            terms_of(verification),
            name=verification.name if body.name is None else body.name,
            post=verification.post if body.post is None else body.post,
            email=verification.email if body.email is None else body.email or None,
            listed=verification.listed if body.listed is None else body.listed,
            expires_at=verification.expires_at if body.expires_at is None else int(body.expires_at.timestamp()),
        )
        return vouch(caller, right, "person.change", account, terms, now=now, deps=deps)

    return retry_raced(attempt, on=VerificationRaced)


def transfer(caller: Caller, id: AccountId, unit: UnitId, *, now: Instant, deps: PeopleDependencies) -> AdminPerson:
    """Move a person to another unit of the organisation, with the right in both units.

    Raises ProtocolError not_found, unavailable.
    """

    def attempt() -> AdminPerson:
        account, verification, _ = in_force(caller, id, Permission.PEOPLE, now=now, deps=deps)
        to = Place(verification.organisation, unit)
        right = require(caller, Permission.PEOPLE, "act", to, deps.organisations)
        terms = replace(terms_of(verification), unit=unit)
        return vouch(caller, right, "person.transfer", account, terms, now=now, deps=deps)

    return retry_raced(attempt, on=VerificationRaced)


def revoke(caller: Caller, id: AccountId, reason: str, *, now: Instant, deps: PeopleDependencies) -> AdminPerson:
    """End a verification. Repeating it does nothing more. Raises ProtocolError not_found, unavailable."""

    def attempt() -> AdminPerson:
        account, verification, right = verified(caller, id, Permission.PEOPLE, deps=deps)
        if verification.ended == "revoked":
            return shown(account, verification, now_seconds=now.seconds)
        if not verification.in_force(now.seconds):
            raise missing("/account", "verification in force")
        did = act(caller, right, "person.revoke", place_of(verification), account_text(id), reason=reason)
        store = deps.writing(deps.by_right(did, right, now=now)).store
        store.end(verification, "revoked", reason=reason, now_seconds=now.seconds)
        return shown(account, store.read(id), now_seconds=now.seconds)

    return retry_raced(attempt, on=VerificationRaced)


def hide(
    caller: Caller,
    id: AccountId,
    body: HidePerson,
    *,
    version: int | None,
    now: Instant,
    deps: PeopleDependencies,
) -> AdminPerson:
    """Show fields of one person to fewer people than the organisation's setting for everybody.

    Raises ProtocolError not_found, precondition_failed, unavailable.
    """

    def attempt() -> AdminPerson:
        account, verification, right = in_force(caller, id, Permission.VISIBILITY, now=now, deps=deps)
        check_version(verification, version)
        hidden = _hidden(verification.hidden, body.fields)
        did = act(caller, right, "person.hide", place_of(verification), account_text(id), fields=dict(body.fields))
        store = deps.writing(deps.by_right(did, right, now=now)).store
        store.hide(verification, hidden)
        changed = replace(verification, hidden=hidden, version=verification.version + 1)
        return shown(account, changed, now_seconds=now.seconds)

    return retry_raced(attempt, on=VerificationRaced)


def _hidden(before: Mapping[Field, Audience], wanted: Mapping[Field, Audience | None]) -> dict[Field, Audience]:
    together = {**before, **wanted}
    return {field: audience for field, audience in together.items() if audience is not None}


def verified(
    caller: Caller, id: AccountId, permission: Permission, *, deps: PeopleDependencies
) -> tuple[Account, Verification, Assignment]:
    """Return a person whom an organisation verifies or has verified, and the caller's right to act on them.

    Raises ProtocolError not_found.
    """
    account, verification = deps.verifications.directory.account(id), deps.verifications.store.read(id)
    if account is None or verification is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return account, verification, require(caller, permission, "act", place_of(verification), deps.organisations)


def in_force(
    caller: Caller, id: AccountId, permission: Permission, *, now: Instant, deps: PeopleDependencies
) -> tuple[Account, Verification, Assignment]:
    """Return the same as `verified`, for a verification in force. Raises ProtocolError not_found."""
    account, verification, right = verified(caller, id, permission, deps=deps)
    if not verification.in_force(now.seconds):
        raise missing("/account", "verification in force")
    return account, verification, right


def check_version(verification: Verification, version: int | None) -> None:
    """Check the version. Raises ProtocolError precondition_failed."""
    if version is not None and version != verification.version:
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED)


def place_of(verification: Verification) -> Place:
    return Place(verification.organisation, verification.unit)


def terms_of(verification: Verification) -> Terms:
    return Terms(
        verification.organisation,
        verification.unit,
        verification.name,
        verification.post,
        verification.email,
        verification.listed,
        verification.expires_at,
    )


def shown(account: Account, verification: Verification | None, *, now_seconds: int) -> AdminPerson:
    """Return a person for an answer. After the verification's end, it has neither devices nor suspension.

    It never has the reasons for which other organisations have suspended the person.
    """
    if verification is None:
        return AdminPerson(account=account.id, state="none", version=0)
    stands = verification.in_force(now_seconds)
    by_it = account.suspension is not None and account.suspension.organisation == verification.organisation
    return AdminPerson(
        account=account.id,
        state=verification.ended or ("verified" if stands else "expired"),
        organisation=verification.organisation,
        unit=verification.unit,
        name=verification.name,
        post=verification.post,
        email=verification.email,
        listed=verification.listed,
        issued_at=time_of(verification.issued_at),
        expires_at=time_of(verification.expires_at),
        ended_at=time_of(verification.ended_at) if verification.ended_at is not None else None,
        reason=verification.reason,
        hidden=dict(verification.hidden),
        devices=len(account.devices) if stands else None,
        suspended=suspension_shown(account.suspension) if stands and by_it else None,
        version=verification.version,
    )


def suspension_shown(suspension: Suspension | None) -> SuspensionShown | None:
    if suspension is None:
        return None
    return SuspensionShown(
        organisation=suspension.organisation,
        unit=suspension.unit,
        at=time_of(suspension.at),
        reason=suspension.reason,
    )


def time_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _entry(official: Official) -> OfficialEntry:
    return OfficialEntry(
        account=official.account,
        unit=official.unit,
        name=official.name,
        post=official.post,
        listed=official.listed,
        expires_at=time_of(official.expires_at),
    )
