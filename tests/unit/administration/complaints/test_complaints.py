"""Tests complaints: their organisation, who sees what of them, and that nobody learns who complained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError

from sandes.administration.complaints import complaints
from sandes.administration.complaints.complaints import ComplaintDependencies
from sandes.crypto.audit_chain import details_of
from sandes.groups.group_events import devices_told
from sandes.limits import Limit
from sandes.model.administrator import PLATFORM, Caller, Place, Role
from sandes.model.complaint import KEPT_SECONDS, Complaint
from sandes.model.ids import (
    AdministratorId,
    OrganisationId,
    account_text,
    administrator_text,
    base64url_text,
    new_account_id,
    new_app_id,
    new_complaint_id,
    new_group_id,
    parse_complaint,
)
from sandes.model.instant import Instant
from sandes.model.organisation import Organisation
from sandes.people import complaining
from sandes.protocol.admin_complaints_api import ComplaintEntry, ResolveComplaint
from sandes.protocol.client_api import Report
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.complaints import ComplaintStore
from tests.support.administration import Administration
from tests.support.dynamodb import CountingClient, OvertakenClient
from tests.support.groups import Groups
from tests.support.service import NOW, NOW_MS, PEPPER, Person, Service


@pytest.fixture
def of(service: Service) -> OrganisationId:
    return service.organisation()


@pytest.fixture
def admins(service: Service) -> Administration:
    return Administration(service)


@pytest.fixture
def moderator(admins: Administration, of: OrganisationId) -> Caller:
    return admins.appoint(Role.MODERATOR, Place.root(of))


def deps(service: Service, client: Any = None) -> ComplaintDependencies:
    admins = Administration(service, client)
    store = ComplaintStore(client or service.client, service.tables["directory"])
    return ComplaintDependencies(
        store=store,
        administrators=admins.store,
        organisations=service.organisations,
        recorder=admins.recorder,
        pepper=PEPPER,
    )


def refused(call: Callable[..., Any], *args: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*args, **named)
    return caught.value.code


def report(service: Service, reporter: Person, *, now_ms: int = NOW_MS, **fields: Any) -> None:
    body = Report(**{"category": "abuse", "text": "He shouts at everybody.\nAgain."} | fields)
    complaining.report(service.caller(reporter), body, now=Instant(now_ms), deps=service.device_deps)


def listed(
    service: Service,
    caller: Caller,
    place: Place | None = None,
    which: Any = "unresolved",
    *,
    limit: int = 250,
    now_ms: int = NOW_MS,
) -> list[ComplaintEntry]:
    found, cursor = [], None
    while True:
        at = place or caller.administrator.home
        page = complaints.page(caller, at, which, after=cursor, limit=limit, now=Instant(now_ms), deps=deps(service))
        found += page.complaints
        cursor = page.cursor
        if cursor is None:
            return found


def resolve(service: Service, caller: Caller, id: str, client: Any = None, **fields: Any) -> Any:
    body = ResolveComplaint(**{"outcome": "upheld", "note": "He was warned."} | fields)
    return complaints.resolve(caller, parse_complaint(id), body, now=Instant(NOW_MS), deps=deps(service, client))


def assign(service: Service, caller: Caller, id: str, to: AdministratorId, client: Any = None) -> Any:
    return complaints.assign(caller, parse_complaint(id), to, now=Instant(NOW_MS), deps=deps(service, client))


def test_a_complaint_about_an_official_goes_to_the_organisation_with_what_was_said(
    service: Service, of: OrganisationId, moderator: Caller
) -> None:
    official, citizen, unit = service.person(), service.person(), service.unit(of)
    service.verify(official, of, unit=unit)
    report(service, citizen, account=official.account)
    (entry,) = listed(service, moderator)
    assert (entry.account, entry.group, entry.unit, entry.category) == (official.account, None, unit, "abuse")
    assert (entry.state, entry.organisation) == ("open", of)
    found = complaints.read(moderator, parse_complaint(entry.id), now=Instant(NOW_MS), deps=deps(service))
    assert found.text == "He shouts at everybody.\nAgain."


def test_nobody_is_told_who_complained_only_whether_it_was_the_same_person_before(
    service: Service, of: OrganisationId, moderator: Caller
) -> None:
    first, second, citizen, other = (service.person() for _ in range(4))
    for official in (first, second):
        service.verify(official, of)
    for reporter, official in ((citizen, first), (citizen, first), (other, first), (citizen, second)):
        report(service, reporter, account=official.account, text="")
    entries = listed(service, moderator)
    names = {(entry.account, entry.reporter) for entry in entries}
    assert len(entries) == 4
    assert len(names) == len({name for _, name in names}) == 3
    shown = [
        complaints.read(moderator, parse_complaint(entry.id), now=Instant(NOW_MS), deps=deps(service))
        for entry in entries
    ]
    for one in (citizen, other):
        assert account_text(one.account) not in "".join(complaint.model_dump_json() for complaint in shown)


def test_text_and_reporter_stand_in_no_table(service: Service, of: OrganisationId) -> None:
    official, citizen = service.person(), service.person()
    service.verify(official, of)
    report(service, citizen, account=official.account)
    rows, _ = ComplaintStore(service.client, service.tables["directory"]).of_organisation(
        of, "unresolved", after=None, limit=9, now_seconds=NOW
    )
    (row,) = rows
    assert b"shouts" not in row.text
    assert bytes(citizen.account) not in bytes(row.reporter)
    assert PEPPER.open(row.reporter, row.id) == citizen.account


def test_complaints_about_what_belongs_to_no_organisation_go_to_the_platform(
    service: Service, of: OrganisationId, admins: Administration, moderator: Caller
) -> None:
    service.organisations.create(Organisation(PLATFORM, "Sandes", NOW, tree_version=1), "ministry")
    at_platform = admins.appoint(Role.MODERATOR, Place.root(PLATFORM))
    before = {entry.id for entry in listed(service, at_platform)}
    citizen, reporter = service.person(), service.person()
    informal, official = Groups(service).create(reporter), Groups(service).official_group(of)
    subjects: list[dict[str, Any]] = [
        {"account": citizen.account},
        {"account": new_account_id()},
        {"group": informal},
        {"group": new_group_id()},
        {"app": new_app_id()},
    ]
    for number, subject in enumerate(subjects):
        report(service, reporter, now_ms=NOW_MS + number, **subject)
    entries = [entry for entry in listed(service, at_platform) if entry.id not in before]
    pairs = zip(reversed(entries), subjects, strict=True)
    about = [{kind: getattr(entry, kind) for kind in subject} for entry, subject in pairs]
    assert about == subjects
    report(service, reporter, group=official)
    assert [entry.group for entry in listed(service, moderator)] == [official]
    assert refused(listed, service, moderator, Place.root(PLATFORM)) is ErrorCode.NOT_FOUND


def test_a_report_costs_the_same_calls_whatever_there_is(service: Service, of: OrganisationId) -> None:
    official, citizen, reporter = service.person(), service.person(), service.person()
    service.verify(official, of)
    caller, seen = service.caller(reporter), []
    for account in (official.account, citizen.account, new_account_id()):
        client: Any = CountingClient(service.client)
        directory = type(service.directory)(client, service.tables["directory"])
        device_deps = type(service.device_deps)(
            directory,
            service.routing,
            service.enrolment,
            service.code_deps,
            service.gateway,
            partial(devices_told, queue=service.group_queue),
            service.import_queue,
        )
        body = Report(account=account, category="spam")
        complaining.report(caller, body, now=Instant(NOW_MS), deps=device_deps)
        seen.append(client.calls)
    assert seen[0] == seen[1] == seen[2]
    assert [operation for operation, _ in seen[0]] == ["batch_get_item", "put_item"]


def test_officials_of_a_unit_are_the_business_of_its_moderators(
    service: Service, of: OrganisationId, admins: Administration, moderator: Caller
) -> None:
    here, there = service.unit(of), service.unit(of, "There")
    people = []
    for unit in (here, there):
        person = service.person()
        service.verify(person, of, unit=unit)
        report(service, service.person(), account=person.account)
        people.append(person)
    mine = admins.appoint(Role.MODERATOR, Place(of, here))
    assert [entry.account for entry in listed(service, mine)] == [people[0].account]
    assert len(listed(service, moderator, limit=1)) == 2
    (theirs,) = [entry for entry in listed(service, moderator) if entry.unit == there]
    for call in (
        lambda: complaints.read(mine, parse_complaint(theirs.id), now=Instant(NOW_MS), deps=deps(service)),
        lambda: resolve(service, mine, theirs.id),
        lambda: assign(service, mine, theirs.id, mine.id),
    ):
        assert refused(call) is ErrorCode.NOT_FOUND


def test_nodal_officers_read_and_moderators_act(
    service: Service, of: OrganisationId, admins: Administration, moderator: Caller
) -> None:
    official = service.person()
    service.verify(official, of)
    report(service, service.person(), account=official.account)
    officer, verifier = (admins.appoint(role, Place.root(of)) for role in (Role.NODAL_OFFICER, Role.VERIFIER))
    (entry,) = listed(service, officer)
    assert refused(listed, service, verifier) is ErrorCode.NOT_FOUND
    assert refused(resolve, service, officer, entry.id) is ErrorCode.NOT_FOUND
    assert refused(assign, service, officer, entry.id, moderator.id) is ErrorCode.NOT_FOUND
    assert (
        refused(complaints.read, verifier, parse_complaint(entry.id), now=Instant(NOW_MS), deps=deps(service))
        is ErrorCode.NOT_FOUND
    )
    unknown = new_complaint_id(of, NOW_MS)
    assert refused(complaints.read, officer, unknown, now=Instant(NOW_MS), deps=deps(service)) is ErrorCode.NOT_FOUND


def test_a_complaint_is_assigned_to_who_may_resolve_it_and_resolved_on_the_record(
    service: Service, of: OrganisationId, admins: Administration, moderator: Caller
) -> None:
    official = service.person()
    service.verify(official, of)
    report(service, service.person(), account=official.account)
    (entry,) = listed(service, moderator)
    officer = admins.appoint(Role.NODAL_OFFICER, Place.root(of))
    for nobody in (officer.id, AdministratorId(b"\xff" * 16)):
        assert refused(assign, service, moderator, entry.id, nobody) is ErrorCode.NOT_FOUND
    other = admins.appoint(Role.MODERATOR, Place.root(of))
    assert assign(service, moderator, entry.id, other.id).state == "assigned"
    done = resolve(service, moderator, entry.id)
    assert (done.state, done.outcome, done.note, done.assigned_to) == ("resolved", "upheld", "He was warned.", other.id)
    assert listed(service, moderator) == []
    assert [one.id for one in listed(service, moderator, None, "resolved")] == [entry.id]
    assert complaints.read(officer, parse_complaint(entry.id), now=Instant(NOW_MS), deps=deps(service)) == done
    assert refused(resolve, service, moderator, entry.id) is ErrorCode.COMPLAINT_STATE
    assert refused(assign, service, moderator, entry.id, other.id) is ErrorCode.COMPLAINT_STATE
    assigned, resolved = admins.entries(of)
    assert (assigned.action, assigned.case, assigned.subject) == (
        "complaint.assign",
        entry.id,
        account_text(official.account),
    )
    assert details_of(assigned) == {"assigned_to": administrator_text(other.id)}
    assert details_of(resolved) == {"outcome": "upheld"}


def test_of_two_who_resolve_at_once_one_has_done_it(
    service: Service, of: OrganisationId, admins: Administration, moderator: Caller
) -> None:
    official = service.person()
    service.verify(official, of)
    report(service, service.person(), account=official.account)
    (entry,) = listed(service, moderator)
    client: Any = OvertakenClient(
        service.client, "transact_write_items", lambda: resolve(service, moderator, entry.id, outcome="dismissed")
    )
    assert refused(resolve, service, moderator, entry.id, client) is ErrorCode.COMPLAINT_STATE
    assert client.overtaken
    assert [one.outcome for one in listed(service, moderator, None, "resolved")] == ["dismissed"]
    assert admins.actions(of) == ["complaint.resolve"]


def test_a_complaint_that_two_assign_at_once_is_with_the_later_one_and_both_are_on_the_record(
    service: Service, of: OrganisationId, admins: Administration, moderator: Caller
) -> None:
    official, other = service.person(), admins.appoint(Role.MODERATOR, Place.root(of))
    service.verify(official, of)
    report(service, service.person(), account=official.account)
    (entry,) = listed(service, moderator)
    client: Any = OvertakenClient(
        service.client, "transact_write_items", lambda: assign(service, moderator, entry.id, other.id)
    )
    assert assign(service, moderator, entry.id, moderator.id, client).assigned_to == moderator.id
    assert client.overtaken
    stored = deps(service).store.read(parse_complaint(entry.id), now_seconds=NOW)
    assert stored is not None
    assert (stored.version, stored.assigned_to) == (3, moderator.id)
    assert admins.actions(of) == ["complaint.assign"] * 2


def test_a_report_is_about_one_thing_and_readable() -> None:
    account = account_text(new_account_id())
    good = {"category": "spam", "account": account}
    Report.model_validate(good | {"text": "क" * 1000})
    for bad in (
        {"category": "spam"},
        good | {"app": account},
        good | {"category": "rude"},
        good | {"text": "x" * 1001},
        good | {"text": "bell\a"},
        good | {"reporter": account},
    ):
        with pytest.raises(ValidationError):
            Report.model_validate(bad)


def test_reports_are_limited(service: Service) -> None:
    citizen, other = service.person(), service.person()
    for _ in range(Limit.REPORTS.burst):
        report(service, citizen, account=other.account)
    assert refused(report, service, citizen, account=other.account) is ErrorCode.RATE_LIMITED


def test_a_complaint_is_found_by_its_id_alone() -> None:
    id = new_complaint_id(PLATFORM, NOW_MS)
    assert Complaint.organisation_of(parse_complaint(base64url_text(id))) == PLATFORM


def test_a_complaint_is_gone_a_year_after_it_was_made_whether_it_was_deleted_or_not(
    service: Service, of: OrganisationId, moderator: Caller
) -> None:
    official = service.person()
    service.verify(official, of)
    report(service, service.person(), account=official.account)
    (entry,) = listed(service, moderator)
    year_ms = NOW_MS + KEPT_SECONDS * 1000
    assert listed(service, moderator, now_ms=year_ms - 1000) == [entry]
    assert listed(service, moderator, now_ms=year_ms) == []
    with pytest.raises(ProtocolError) as refused:
        complaints.read(moderator, parse_complaint(entry.id), now=Instant(year_ms), deps=deps(service))
    assert refused.value.code is ErrorCode.NOT_FOUND
