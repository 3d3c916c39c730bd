"""Tests imports of officials from file to verification: every row is executed exactly once, whatever is interrupted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sandes.administration.imports import import_check, import_work, imports
from sandes.administration.imports.import_files import MAX_FILE_BYTES
from sandes.model.administrator import Caller, Place, Role
from sandes.model.audit import SYSTEM
from sandes.model.ids import UnitId, administrator_text, base64url_text, id_text, new_import_id
from sandes.model.imports import NOMINATION_SECONDS
from sandes.model.instant import Instant
from sandes.model.phone import PhoneNumber
from sandes.model.verification import Verification
from sandes.people import devices
from sandes.protocol.client_api import VerifyRegistration
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.imports import encode_results
from sandes.store.transaction import transact
from tests.support.batches import Crash, Crashing
from tests.support.cursors import edited
from tests.support.forms import policy_of
from tests.support.imports import BUCKET, Importing, csv_of, import_backend, importing, row, xlsx_of
from tests.support.keys import DeviceKeys
from tests.support.service import NOW, PEPPER, Person, Service, new_phone

DAY = 86_400
EXPIRES_AT = 1_806_517_800  # the end of 2027-03-31 in India


@pytest.fixture(scope="module")
def backend() -> Any:
    with import_backend() as backend:
        yield backend


@pytest.fixture
def office(backend: tuple[Service, Any]) -> Importing:
    service, _ = backend
    service.now_ms = NOW * 1000
    service.import_queue.sent.clear()
    return importing(backend)


def refused(call: Callable[..., Any], *args: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*args, **named)
    return caught.value.code


def verification(office: Importing, person: Person) -> Verification:
    found = office.service.verifications.read(person.account)
    assert found is not None
    return found


def counted(office: Importing, unit: UnitId | None = None) -> int:
    found = office.service.organisations.unit(office.organisation, unit or UnitId(office.organisation))
    assert found is not None
    return found[1].officials


def counts(state: Any) -> dict[str, int]:
    return {name: count for name, count in state.counts.model_dump().items() if count}


def nomination(office: Importing, phone: str) -> Any:
    return office.deps().nominations.number(PEPPER.index("phone", phone)).nomination


def queued(phone: PhoneNumber) -> str:
    """Return a number in the form in which a registration queues it."""
    return base64url_text(PEPPER.seal_phone(phone, devices.QUEUED_NUMBER))


def recorded(office: Importing) -> Any:
    """Return the details of the last entry of the organisation's chain."""
    return json.loads(office.administration.entries(office.organisation)[-1].body or b"{}")["details"]


def change_phone(office: Importing, person: Person, phone: PhoneNumber) -> None:
    id = office.service.start(phone, "change_phone")
    office.service.change_phone(person, phone, id=id, now_ms=office.now_ms)
    office.told_of_registrations()


def unit_admin(office: Importing, unit: UnitId, role: Role = Role.VERIFIER) -> Caller:
    return office.administration.appoint(role, Place(office.organisation, unit))


# From file to verification


def test_a_file_is_checked_and_then_done(office: Importing) -> None:
    person, absent = office.service.person(), new_phone()
    made = office.create(client_ref="batch 1")
    assert made.upload is not None
    assert made.upload.fields["Content-Type"] == "text/csv"
    assert ["content-length-range", 0, MAX_FILE_BYTES] in policy_of(made.upload.fields)
    assert (made.state, made.client_ref, made.rows) == ("open", "batch 1", 0)
    office.s3.put_object(Bucket=BUCKET, Key=office.file_name(made.id), Body=csv_of(row(person.phone), row(absent)))
    assert office.commit(made.id, dry_run=True).state == "checking"
    assert office.work_all() == ["checked"]
    checked = office.state(made.id)
    assert (checked.state, checked.rows, checked.valid, checked.invalid) == ("checked", 2, 2, 0)
    assert checked.planned is not None
    assert (checked.planned.verified, checked.planned.nominated, checked.done) == (1, 1, 0)
    assert office.service.verifications.read(person.account) is None
    assert office.commit(made.id).state == "committing"
    office.work_all()
    done = office.state(made.id)
    assert (done.state, done.done, counts(done)) == ("completed", 2, {"verified": 1, "nominated": 1})
    assert (done.committed_by, done.findings) == (office.caller.id, [])
    found = verification(office, person)
    assert (found.name, found.post, found.expires_at, found.in_force(NOW)) == ("Asha Rao", "Clerk", EXPIRES_AT, True)
    assert office.service.account(person.account).standing_at(NOW) == found.standing
    assert counted(office) == 1
    assert office.results(made.id) == {2: ("verified", []), 3: ("nominated", [])}


def test_a_spreadsheet_comes_to_the_same(office: Importing) -> None:
    person = office.service.person()
    done = office.run(xlsx_of(row(person.phone.removeprefix("+91")), row()), format="xlsx")
    assert (done.state, counts(done)) == ("completed", {"verified": 1, "nominated": 1})
    assert verification(office, person).expires_at == EXPIRES_AT


def test_findings_are_told_row_by_row_and_good_rows_go_on(office: Importing) -> None:
    person = office.service.person()
    phone = new_phone()
    checked = office.check(
        csv_of(row("12"), row(phone), row(phone), row(person.phone), row(expires="2020-01-01"), row(unit="Nowhere"))
    )
    assert (checked.rows, checked.valid, checked.invalid) == (6, 2, 4)
    assert [(one.row, one.field, one.code) for one in checked.findings] == [
        (2, "phone", "bad_number"),
        (4, "phone", "duplicate"),
        (6, "expires", "date_past"),
        (7, "unit", "unit_unknown"),
    ]
    office.commit(checked.id)
    office.work_all()
    assert office.results(checked.id, limit=2) == {
        2: ("invalid", ["bad_number"]),
        3: ("nominated", []),
        4: ("invalid", ["duplicate"]),
        5: ("verified", []),
        6: ("invalid", ["date_past"]),
        7: ("invalid", ["unit_unknown"]),
    }
    text = imports.results_csv(office.page(checked.id))
    assert text.splitlines()[:3] == [
        "row,status,field,column,code,message",
        "2,invalid,phone,phone,bad_number,"
        '"Not a phone number: ten digits of an Indian mobile, or + and the country\'s code."',
        "3,nominated,,,,",
    ]


def test_of_rows_with_one_number_none_counts_behind_the_first_be_it_good_or_not(office: Importing) -> None:
    """If two rows contradict each other, a fault in one does not decide between them."""
    phone = new_phone()
    checked = office.check(csv_of(row(phone, name="", post="", expires="", action="revoke"), row(phone)))
    assert [(one.row, one.code) for one in checked.findings] == [(2, "reason_missing"), (3, "duplicate")]


def test_no_number_is_kept_in_clear(office: Importing) -> None:
    phone = new_phone()
    done = office.run(csv_of(row(phone), row(phone), row("+91999")))
    told = done.model_dump_json() + office.page(done.id).model_dump_json()
    entries = "".join(str(entry.body) for entry in office.administration.entries(office.organisation))
    table = "".join(map(str, office.service.client.scan(TableName=office.service.tables["directory"])["Items"]))
    objects = b"".join(
        office.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        for key in office.objects()
        if base64url_text(done.id) in key
    )
    for number in (phone, phone.removeprefix("+91")):
        assert number not in told + entries + table
        assert number.encode() not in objects
    assert "91999" not in told + entries


def test_files_and_rows_go_when_they_are_not_needed_any_more(office: Importing) -> None:
    def left(id: Any) -> list[str]:
        return sorted(key.split("/")[0] for key in office.objects() if base64url_text(id) in key)

    id = office.upload(csv_of(row(), row("1")))
    assert left(id) == ["uploads"]
    office.commit(id, dry_run=True)
    office.work_all()
    assert left(id) == ["findings", "rows"]
    office.commit(id)
    office.work_all()
    assert left(id) == ["findings"]


# What is there already


def test_what_did_not_change_is_left_alone(office: Importing) -> None:
    same, renamed, renewed, lapsed = people = [office.service.person() for _ in range(4)]
    office.run(csv_of(*(row(person.phone) for person in people)))
    before = {person.account: verification(office, person) for person in people}
    office.service.revoke(lapsed)
    again = csv_of(
        row(same.phone),
        row(renamed.phone, name="Asha R. Rao"),
        row(renewed.phone, expires="2028-01-31"),
        row(lapsed.phone),
    )
    checked = office.check(again)
    assert checked.planned is not None
    assert (checked.planned.unchanged, checked.planned.changed, checked.planned.verified) == (1, 2, 1)
    office.commit(checked.id)
    office.work_all()
    assert counts(office.state(checked.id)) == {"unchanged": 1, "changed": 2, "verified": 1}
    assert verification(office, same) == before[same.account]
    assert verification(office, renamed).name == "Asha R. Rao"
    assert verification(office, renewed).expires_at > before[renewed.account].expires_at
    assert counted(office) == 4


def test_an_import_shows_nothing_that_was_hidden_of_the_person(office: Importing) -> None:
    revoked, again, other = (office.service.person() for _ in range(3))
    for person in (revoked, again, other):
        made = office.service.verify(person, office.organisation)
        office.service.verifications.hide(made, {"number": "nobody"})
    office.service.revoke(revoked)
    office.run(csv_of(*(row(person.phone) for person in (revoked, again, other))))
    for person in (revoked, again, other):
        assert verification(office, person).hidden == {"number": "nobody"}


def test_what_the_file_does_not_say_stays(office: Importing) -> None:
    person = office.service.person()
    office.service.verify(person, office.organisation, email="asha@rail.example", listed=True)
    office.run(csv_of(row(person.phone)))
    found = verification(office, person)
    assert (found.email, found.listed, found.expires_at) == ("asha@rail.example", True, EXPIRES_AT)


def test_a_late_retirement_is_not_a_change_every_day(office: Importing) -> None:
    person = office.service.person()
    content = f"phone,name,post,retirement\n{person.phone},Asha,Clerk,2056-01-31\n".encode()
    assert counts(office.run(content)) == {"verified": 1}
    office.service.now_ms += 30 * DAY * 1000
    assert counts(office.run(content)) == {"unchanged": 1}
    office.service.now_ms += 400 * DAY * 1000
    assert counts(office.run(content)) == {"changed": 1}


def test_people_of_another_organisation_are_not_touched(office: Importing, backend: tuple[Service, Any]) -> None:
    other = importing(backend, name="Ministry of Power")
    theirs, awaited = office.service.person(), new_phone()
    other.run(csv_of(row(theirs.phone), row(awaited)))
    before = verification(other, theirs)
    rows = [
        *(row(theirs.phone), row(awaited)),
        *(row(phone, action="revoke", reason="left") for phone in (office.service.person().phone, new_phone())),
    ]
    checked = office.check(csv_of(*rows))
    assert checked.valid == 0
    assert [one.code for one in checked.findings] == [
        "verified_elsewhere",
        "nominated_elsewhere",
        "not_verified",
        "not_verified",
    ]
    off = office.check(csv_of(*(row(phone, action="revoke", reason="left") for phone in (theirs.phone, awaited))))
    assert [one.code for one in off.findings] == ["not_verified", "not_verified"]
    assert refused(office.commit, off.id) is ErrorCode.IMPORT_STATE
    assert verification(other, theirs) == before


def test_the_first_to_nominate_stays_also_between_check_and_commit(
    office: Importing, backend: tuple[Service, Any]
) -> None:
    other, phone, person = importing(backend, name="Ministry of Power"), new_phone(), office.service.person()
    checked = office.check(csv_of(row(phone), row(person.phone)))
    assert checked.valid == 2
    other.run(csv_of(row(phone), row(person.phone)))
    office.commit(checked.id)
    office.work_all()
    done = office.state(checked.id)
    assert (done.state, counts(done)) == ("completed", {"failed": 2})
    assert office.results(checked.id) == {2: ("failed", ["nominated_elsewhere"]), 3: ("failed", ["verified_elsewhere"])}
    assert nomination(office, phone).place.organisation == other.organisation


def test_memberships_of_another_organisation_end_first(office: Importing, backend: tuple[Service, Any]) -> None:
    other, person = importing(backend, name="Ministry of Power"), office.service.person()
    other.run(csv_of(row(person.phone)))
    office.service.revoke(person)
    assert office.results(office.run(csv_of(row(person.phone))).id) == {2: ("failed", ["ending"])}
    office.service.memberships_have_ended(person)
    assert counts(office.run(csv_of(row(person.phone)))) == {"verified": 1}
    assert verification(office, person).organisation == office.organisation


# Off-boarding


def test_a_row_can_end_a_verification_or_take_a_nomination_back(office: Importing) -> None:
    person, phone = office.service.person(), new_phone()
    office.run(csv_of(row(person.phone), row(phone)))
    done = office.run(csv_of(*(row(one, action="revoke", reason="retired") for one in (person.phone, phone))))
    assert counts(done) == {"revoked": 1, "withdrawn": 1}
    ended = verification(office, person)
    assert (ended.ended, ended.reason) == ("revoked", "retired")
    assert office.service.account(person.account).standing is None
    assert counted(office) == 0
    gone = nomination(office, phone)
    assert (gone.in_force(NOW), gone.name, gone.post, gone.email) == (False, "", "", None)
    office.service.register(phone, DeviceKeys())
    assert office.service.import_queue.sent == []


# Nominations


def test_who_was_nominated_is_an_official_on_registering(office: Importing) -> None:
    phone = new_phone()
    done = office.run(csv_of(row(phone, name="Ravi Kumar")))
    assert counts(done) == {"nominated": 1}
    made = office.service.register(phone, DeviceKeys())
    office.told_of_registrations()
    assert office.work_all() == ["verified"]
    found = office.service.verifications.read(made.account)
    assert found is not None
    assert (found.name, found.expires_at, found.organisation) == ("Ravi Kumar", EXPIRES_AT, office.organisation)
    assert office.service.account(made.account).standing_at(NOW) == found.standing
    assert counted(office) == 1
    assert nomination(office, phone) is None
    entry = office.administration.entries(office.organisation)[-1]
    assert (entry.action, entry.actor, entry.role) == ("person.verify", SYSTEM, None)
    assert entry.case == base64url_text(done.id)
    assert recorded(office) == {
        "row": 2,
        "expires_at": EXPIRES_AT,
        "by": administrator_text(office.caller.id),
        "role": "nodal_officer",
    }
    assert found.origin is not None
    assert (found.origin.id, found.origin.row) == (done.id, 2)


def test_being_told_of_a_registration_twice_or_too_early_does_no_harm(office: Importing) -> None:
    phone = new_phone()
    office.run(csv_of(row(phone)))
    told = {"number": queued(phone), "until": NOW + 120}
    office.queue.send(told)
    assert office.work_one() == "not_yet"
    made = office.service.register(phone, DeviceKeys())
    office.told_of_registrations()
    assert sorted(office.work_all()) == ["not_nominated", "verified"]
    first = office.service.verifications.read(made.account)
    office.queue.send(told)
    assert office.work_one() == "not_nominated"
    assert office.service.verifications.read(made.account) == first


def test_a_registration_that_fails_leaves_work_that_ends(office: Importing) -> None:
    phone = new_phone()
    office.run(csv_of(row(phone)))
    office.queue.send({"number": queued(phone), "until": NOW + 120})
    office.service.now_ms += 121_000
    assert office.work_all() == ["orphan"]


def test_a_number_may_also_come_by_a_change(office: Importing) -> None:
    person, phone = office.service.person(), new_phone()
    office.run(csv_of(row(phone)))
    change_phone(office, person, phone)
    assert office.work_all() == ["verified"]
    assert verification(office, person).organisation == office.organisation


def test_a_nomination_that_comes_during_a_registration_is_not_missed(office: Importing) -> None:
    """The registration looks for a nomination before the import writes it, and writes the account afterwards."""
    phone = new_phone()
    checked = office.check(csv_of(row(phone)))
    office.commit(checked.id)
    id = office.service.start(phone)
    keys, code = DeviceKeys(), office.service.sms.last_code
    deps, done = office.service.device_deps, list[list[str]]()

    class Overtaken:
        def __getattr__(self, name: str) -> Any:
            if name == "transact_write_items" and not done:
                done.append([])
                done[0] = office.work_all()
            return getattr(office.service.client, name)

    overtaken: Any = Overtaken()
    enrolment = replace(
        deps.enrolment,
        directory=replace(deps.directory, client=overtaken),
        routing=deps.routing,
    )
    body = VerifyRegistration(code=code, device=keys.new_device(id))
    made = devices.register(id, body, now=Instant(office.now_ms), deps=replace(deps, enrolment=enrolment))
    assert done
    office.told_of_registrations()
    assert office.work_all() == ["verified"]
    assert office.service.verifications.read(made.account) is not None


def test_a_nomination_ends_after_half_a_year(office: Importing) -> None:
    phone = new_phone()
    office.run(csv_of(row(phone, expires="2029-01-01")))
    office.service.now_ms += NOMINATION_SECONDS * 1000 - 1000
    assert nomination(office, phone).in_force(office.now_ms // 1000)
    office.service.now_ms += 1000
    assert not nomination(office, phone).in_force(office.now_ms // 1000)
    office.service.register(phone, DeviceKeys())
    assert office.service.import_queue.sent == []


def test_a_nomination_for_who_is_verified_elsewhere_is_not_for_the_next_holder_of_the_number(
    office: Importing, backend: tuple[Service, Any]
) -> None:
    other, person, phone = importing(backend, name="Ministry of Power"), office.service.person(), new_phone()
    other.run(csv_of(row(person.phone)))
    office.run(csv_of(row(phone)))
    change_phone(office, person, phone)
    assert office.work_all() == ["verified_already"]
    assert nomination(office, phone) is None
    entry = office.administration.entries(office.organisation)[-1]
    assert (entry.action, entry.actor, entry.subject) == ("nomination.end", SYSTEM, None)
    assert recorded(office) == {"row": 2, "reason": "verified_already"}
    change_phone(office, person, new_phone())
    stranger = office.service.register(phone, DeviceKeys())
    office.told_of_registrations()
    assert office.work_all() == []
    assert office.service.verifications.read(stranger.account) is None
    assert verification(other, person).organisation == other.organisation


def test_a_nomination_into_a_unit_that_is_gone_ends(office: Importing) -> None:
    phone, unit = new_phone(), office.service.unit(office.organisation)
    office.run(csv_of(row(phone, unit=id_text(unit))))
    office.service.operate("unit.remove", organisation=id_text(office.organisation), unit=id_text(unit))
    made = office.service.register(phone, DeviceKeys())
    office.told_of_registrations()
    assert office.work_all() == ["unit_gone"]
    assert nomination(office, phone) is None
    assert recorded(office) == {"row": 2, "reason": "unit_gone"}
    assert office.service.verifications.read(made.account) is None


def test_cancelling_a_completed_import_ends_what_it_nominated(office: Importing) -> None:
    person, phone = office.service.person(), new_phone()
    done = office.run(csv_of(row(person.phone), row(phone)))
    office.cancel(done.id)
    office.cancel(done.id)
    assert recorded(office) == {"was": "completed", "done": 2}
    assert office.administration.actions(office.organisation).count("import.cancel") == 1
    made = office.service.register(phone, DeviceKeys())
    office.told_of_registrations()
    assert office.work_all() == ["cancelled"]
    assert nomination(office, phone) is None
    assert recorded(office) == {"row": 3, "reason": "cancelled"}
    assert office.service.verifications.read(made.account) is None
    assert verification(office, person).in_force(NOW)
    assert (office.state(done.id).state, len(office.results(done.id))) == ("cancelled", 2)


def test_what_a_cancelled_import_nominated_is_in_nobodys_way(office: Importing, backend: tuple[Service, Any]) -> None:
    other, ours, theirs = importing(backend, name="Ministry of Power"), new_phone(), new_phone()
    off = office.check(csv_of(row(ours, action="revoke", reason="left")))
    assert off.valid == 0
    office.cancel(office.run(csv_of(row(ours), row(theirs))).id)
    assert office.check(csv_of(row(ours, action="revoke", reason="left"))).valid == 0
    assert counts(other.run(csv_of(row(theirs)))) == {"nominated": 1}
    assert nomination(office, theirs).place.organisation == other.organisation
    assert counts(office.run(csv_of(row(ours)))) == {"nominated": 1}
    office.service.register(ours, DeviceKeys())
    office.told_of_registrations()
    assert office.work_all() == ["verified"]


def test_cancelling_at_the_moment_of_a_registration_is_not_overlooked(office: Importing) -> None:
    phone = new_phone()
    done = office.run(csv_of(row(phone)))
    office.service.register(phone, DeviceKeys())
    office.told_of_registrations()
    cancelled: list[bool] = []

    class Overtaken:
        def __getattr__(self, name: str) -> Any:
            if name == "transact_write_items" and not cancelled:
                cancelled.append(True)
                office.cancel(done.id)
            return getattr(office.service.client, name)

    overtaken = office.deps(lambda target: Overtaken() if target is office.service.client else target)
    assert office.work_one(overtaken) == "cancelled"
    assert cancelled


@pytest.mark.parametrize("role", [None, Role.GROUP_MANAGER], ids=["none", "another"])
def test_a_nomination_ends_with_the_right_of_who_made_it(office: Importing, role: Role | None) -> None:
    north = office.service.unit(office.organisation)
    author, phone, later = unit_admin(office, north), new_phone(), new_phone()
    office.run(csv_of(row(phone), row(later)), unit=north, caller=author)
    office.administration.take(author)
    if role:
        office.administration.also(author, role, Place.root(office.organisation))
    made = office.service.register(phone, DeviceKeys())
    office.told_of_registrations()
    assert office.work_all() == ["author_may_no_more"]
    assert nomination(office, phone) is None
    assert recorded(office) == {"row": 2, "reason": "author_may_no_more"}
    assert office.service.verifications.read(made.account) is None
    assert counted(office, north) == 0
    assert counts(office.run(csv_of(row(later)), unit=north)) == {"nominated": 1}  # somebody answers for them again
    office.service.register(later, DeviceKeys())
    office.told_of_registrations()
    assert office.work_all() == ["verified"]


def test_the_right_of_who_nominated_may_have_run_out(office: Importing) -> None:
    place = Place.root(office.organisation)
    author = office.administration.appoint(Role.VERIFIER, place, expires_at=NOW + DAY)
    phones = new_phone(), new_phone()
    office.run(csv_of(*(row(phone) for phone in phones)), caller=author)
    for seconds, outcome in ((DAY - 1, "verified"), (1, "author_may_no_more")):
        office.service.now_ms += seconds * 1000
        phone, *phones = phones  # type: ignore[assignment]
        office.service.register(phone, DeviceKeys())
        office.told_of_registrations()
        assert office.work_all() == [outcome]


# Who may do what


def test_rows_reach_no_further_than_the_import(office: Importing) -> None:
    north, south = (office.service.unit(office.organisation, name) for name in ("North", "South"))
    admin = unit_admin(office, north)
    theirs = office.service.person()
    office.run(csv_of(row(theirs.phone, unit="South")))
    awaited = new_phone()
    office.run(csv_of(row(awaited, unit="South")))
    rows = [row(unit="South"), row(unit=id_text(south)), row(theirs.phone), row(awaited), row()]
    checked = office.check(csv_of(*rows), unit=north, caller=admin)
    assert [one.code for one in checked.findings] == [
        "unit_unknown",
        "unit_unknown",
        "verified_elsewhere",
        "nominated_elsewhere",
    ]
    off = [row(phone, action="revoke", reason="left") for phone in (theirs.phone, awaited)]
    assert [one.code for one in office.check(csv_of(*off), unit=north, caller=admin).findings] == ["not_verified"] * 2
    assert office.run(csv_of(row()), unit=north, caller=admin).state == "completed"


def test_an_import_of_others_looks_like_none(office: Importing, backend: tuple[Service, Any]) -> None:
    north, south = (office.service.unit(office.organisation, name) for name in ("North", "South"))
    other = importing(backend, name="Ministry of Power")
    id = office.upload(csv_of(row()), unit=north)
    nobody = office.administration.appoint(None, Place.root(office.organisation))
    auditor = office.administration.appoint(Role.AUDITOR, Place.root(office.organisation))
    for caller in (other.caller, unit_admin(office, south), unit_admin(office, north, Role.GROUP_MANAGER), nobody):
        for call in (office.state, office.commit, office.cancel):
            assert refused(call, id, caller=caller) is ErrorCode.NOT_FOUND
    assert office.state(id, caller=auditor).state == "open"
    assert refused(office.commit, id, caller=auditor) is ErrorCode.NOT_FOUND
    assert refused(office.cancel, id, caller=auditor) is ErrorCode.NOT_FOUND
    assert office.state(id, caller=unit_admin(office, north)).state == "open"
    assert refused(office.state, new_import_id(office.organisation, 1)) is ErrorCode.NOT_FOUND
    assert refused(office.create, caller=other.caller) is ErrorCode.NOT_FOUND
    assert refused(office.create, caller=unit_admin(office, north)) is ErrorCode.NOT_FOUND
    assert refused(office.create, unit=UnitId(bytes(8))) is ErrorCode.NOT_FOUND


def test_a_list_holds_what_the_caller_may_see(office: Importing, backend: tuple[Service, Any]) -> None:
    north, south = (office.service.unit(office.organisation, name) for name in ("North", "South"))
    ids = [office.create(unit=unit).id for unit in (north, south, None)]

    def listed(caller: Caller, unit: UnitId | None = None, limit: int = 50) -> list[Any]:
        found, after = [], None
        while True:
            page = imports.page(
                caller,
                office.organisation,
                unit=unit,
                after=after,
                limit=limit,
                now=Instant(office.now_ms),
                deps=office.deps(),
            )
            found += [one.id for one in page.imports]
            after = page.cursor
            if after is None:
                return found

    assert set(listed(office.caller)) == set(ids)
    assert set(listed(office.caller, limit=1)) == set(ids)
    assert listed(office.caller, south) == [ids[1]]
    assert listed(unit_admin(office, north)) == [ids[0]]
    assert refused(listed, unit_admin(office, north), south) is ErrorCode.NOT_FOUND
    assert refused(listed, unit_admin(office, north), UnitId(office.organisation)) is ErrorCode.NOT_FOUND
    assert set(listed(office.caller, UnitId(office.organisation))) == set(ids)
    assert refused(listed, unit_admin(office, north), UnitId(bytes(8))) is ErrorCode.NOT_FOUND
    assert refused(listed, importing(backend).caller) is ErrorCode.NOT_FOUND


def test_a_cursor_is_good_for_one_list_and_caller(office: Importing, backend: tuple[Service, Any]) -> None:
    done = office.run(csv_of(row(), row(), row()))
    cursor = office.page(done.id, limit=2).cursor
    assert cursor is not None
    other = office.run(csv_of(row(), row()))
    for id, changed in ((other.id, cursor), (done.id, edited(cursor))):
        assert refused(office.page, id, after=changed) is ErrorCode.INVALID_CURSOR
    colleague = office.administration.appoint(Role.NODAL_OFFICER, Place.root(office.organisation))
    deps, terms = office.deps(), {"after": cursor, "limit": 2, "now": Instant(office.now_ms)}
    assert refused(imports.results, colleague, done.id, deps=deps, **terms) is ErrorCode.INVALID_CURSOR


def test_large_imports_take_a_fresh_sign_in(office: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "FRESH_ABOVE_ROWS", 2)
    small, large = office.check(csv_of(row(), row())), office.check(csv_of(row(), row(), row("1")))
    stale = replace(office.caller, signed_in_at=NOW - 301)
    assert office.commit(small.id, caller=stale).state == "committing"
    assert refused(office.commit, large.id, caller=stale) is ErrorCode.FRESH_SIGN_IN_REQUIRED
    assert office.state(large.id).state == "checked"
    assert office.commit(large.id, caller=replace(stale, signed_in_at=NOW - 300)).state == "committing"
    office.work_all()


# States


def test_nothing_is_committed_that_was_not_checked(office: Importing) -> None:
    id = office.upload(csv_of(row()))
    assert refused(office.commit, id) is ErrorCode.IMPORT_STATE
    office.commit(id, dry_run=True)
    assert refused(office.commit, id) is ErrorCode.IMPORT_STATE
    office.work_all()
    assert office.commit(id).state == "committing"


def test_asking_again_does_nothing_more(office: Importing) -> None:
    id = office.upload(csv_of(row()))
    assert [office.commit(id, dry_run=True).state for _ in range(2)] == ["checking"] * 2
    office.work_all()
    assert office.commit(id, dry_run=True).state == "checked"
    assert [office.commit(id).state for _ in range(2)] == ["committing"] * 2
    assert refused(office.commit, id, dry_run=True) is ErrorCode.IMPORT_STATE
    office.work_all()
    assert office.commit(id).state == "completed"
    assert office.administration.actions(office.organisation).count("import.commit") == 1


def test_a_check_is_on_record_and_limited_as_look_ups_are(office: Importing, backend: tuple[Service, Any]) -> None:
    content = csv_of(row())
    office.check(content)
    assert office.administration.actions(office.organisation) == ["import.create", "import.check"]
    assert recorded(office) == {"bytes": len(content)}
    for _ in range(19):
        office.commit(office.upload(content), dry_run=True)
    id = office.upload(content)
    assert refused(office.commit, id, dry_run=True) is ErrorCode.RATE_LIMITED
    assert (office.state(id).state, office.administration.actions(office.organisation)[-1]) == ("open", "import.create")
    colleague = office.administration.appoint(Role.VERIFIER, Place.root(office.organisation))
    assert office.commit(id, dry_run=True, caller=colleague).state == "checking"
    office.service.now_ms += 600_000
    assert office.commit(office.upload(content), dry_run=True).state == "checking"


def test_a_check_that_is_cancelled_at_the_same_moment_is_not_on_record(office: Importing) -> None:
    id = office.upload(csv_of(row()))
    cancelled: list[bool] = []

    class Overtaken:
        def __getattr__(self, name: str) -> Any:
            if name == "transact_write_items" and not cancelled:
                cancelled.append(True)
                office.cancel(id)
            return getattr(office.service.client, name)

    deps = office.deps(lambda target: Overtaken() if target is office.service.client else target)
    assert refused(office.commit, id, dry_run=True, deps=deps) is ErrorCode.IMPORT_STATE
    assert office.administration.actions(office.organisation) == ["import.create", "import.cancel"]


def test_a_file_must_be_there_and_not_too_large(office: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    made = office.create()
    assert refused(office.commit, made.id, dry_run=True) is ErrorCode.UPLOAD_MISSING
    monkeypatch.setattr(imports, "MAX_FILE_BYTES", 10)
    assert refused(office.commit, office.upload(csv_of(row())), dry_run=True) is ErrorCode.UPLOAD_INVALID


def test_a_file_that_cannot_be_read_fails_the_import(office: Importing) -> None:
    for content, format, code in (
        (b"salary\n1\n", "csv", "no_phone_column"),
        ("phone\n1\n".encode("utf-16"), "csv", "encoding"),
        (csv_of(row()), "xlsx", "not_xlsx"),
    ):
        failed = office.check(content, format=format)
        assert (failed.state, failed.failure) == ("failed", "upload_invalid")
        assert [one.code for one in failed.findings] == [code]
        assert refused(office.commit, failed.id) is ErrorCode.IMPORT_STATE


def test_too_many_faults_fail_the_import(office: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_check, "MAX_FAULTY_ROWS", 2)
    failed = office.check(csv_of(*(row("1") for _ in range(3))))
    assert (failed.state, failed.findings[0].code) == ("failed", "too_many_faults")
    assert [one.row for one in failed.findings] == [0, 2, 3, 4]


def test_a_check_that_takes_too_long_fails_the_import(office: Importing) -> None:
    ticks = iter(range(0, 10**9, 60_001))
    office.clock_ms = lambda: next(ticks)
    failed = office.check(csv_of(row(), row("1"), row()))
    assert (failed.state, failed.failure) == ("failed", "upload_invalid")
    assert [(one.row, one.code) for one in failed.findings] == [(0, "too_slow")]
    assert [key for key in office.objects() if base64url_text(failed.id) in key] == []
    quick = iter(range(0, 10**9, 30_000))
    office.clock_ms = lambda: next(quick)
    assert office.check(csv_of(row(), row("1"), row())).state == "checked"


def test_a_check_that_always_ends_with_its_function_is_given_up(office: Importing) -> None:
    id = office.upload(csv_of(row()))
    office.commit(id, dry_run=True)
    for receives in range(1, import_check.CHECK_RUNS + 1):
        with pytest.raises(Crash):
            office.work_one(office.deps(Crashing(3, after=False)), receives=receives)
        assert office.state(id).state == "checking"
    assert office.work_one(receives=import_check.CHECK_RUNS + 1) == "checked"
    failed = office.state(id)
    assert (failed.state, [one.code for one in failed.findings]) == ("failed", ["too_slow"])
    assert [key for key in office.objects() if base64url_text(id) in key] == []


def test_an_upload_replaced_after_it_was_asked_to_be_checked_is_not_taken(office: Importing) -> None:
    id = office.upload(csv_of(row()))
    office.commit(id, dry_run=True)
    office.s3.put_object(Bucket=BUCKET, Key=office.file_name(id), Body=csv_of(row(), row()))
    office.work_all()
    failed = office.state(id)
    assert (failed.state, [one.code for one in failed.findings]) == ("failed", ["changed"])


def test_an_upload_replaced_after_the_check_changes_nothing(office: Importing) -> None:
    person, other = office.service.person(), office.service.person()
    checked = office.check(csv_of(row(person.phone)))
    office.s3.put_object(Bucket=BUCKET, Key=office.file_name(checked.id), Body=csv_of(row(other.phone)))
    office.commit(checked.id)
    office.work_all()
    assert counts(office.state(checked.id)) == {"verified": 1}
    assert office.service.verifications.read(other.account) is None


def test_two_days_are_the_longest_between_creation_and_commit(office: Importing) -> None:
    checked, opened = office.check(csv_of(row())), office.upload(csv_of(row()))
    office.service.now_ms += imports.COMMIT_WITHIN_SECONDS * 1000
    assert refused(office.commit, checked.id) is ErrorCode.IMPORT_STATE
    assert refused(office.commit, opened, dry_run=True) is ErrorCode.IMPORT_STATE


def test_a_cancelled_import_does_no_more(office: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "CHUNK_ROWS", 1)
    checked = office.check(csv_of(row(), row(), row()))
    office.commit(checked.id)
    assert [office.work_one(), office.work_one()] == ["committing", "committing"]
    office.cancel(checked.id)
    office.cancel(checked.id)
    office.work_all()
    done = office.state(checked.id)
    assert (done.state, counts(done)) == ("cancelled", {"nominated": 1})
    assert list(office.results(checked.id)) == [2]
    assert refused(office.commit, checked.id) is ErrorCode.IMPORT_STATE
    assert office.administration.actions(office.organisation).count("import.cancel") == 1


def test_a_check_that_ends_after_the_cancelling_leaves_nothing(office: Importing) -> None:
    id = office.upload(csv_of(row(), row("1")))
    office.commit(id, dry_run=True)
    one = office.deps().store.read(id, now_seconds=NOW)
    assert one is not None
    office.cancel(id)
    import_check.check(replace(one, etag=None), now=Instant(office.now_ms), deps=office.deps())
    assert office.state(id).state == "cancelled"
    assert [key for key in office.objects() if base64url_text(id) in key] == []


# Crashes and repetitions


def entries(office: Importing, id: Any) -> list[dict[str, Any]]:
    """Commit the import, and return the queue's entries of its chunks."""
    office.commit(id)
    office.work_one()
    return [entry for entry, _ in office.queue.sent]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_wherever_the_function_ends_each_row_is_done_once(office: Importing, after: bool) -> None:
    """Every outside call is once the last one, before or after it takes effect."""
    known, kept = office.service.person(), office.service.person()
    office.run(csv_of(row(kept.phone), row(known.phone)))
    at, crashed = 0, True
    while crashed:
        at, crashed = at + 1, False
        office.service.now_ms += 600_000  # one check more is allowed
        id = office.upload(csv_of(row(known.phone, name=f"Name {at}"), row(kept.phone), row()))
        office.commit(id, dry_run=True)
        crashing = Crashing(at, after)
        committed = False
        while office.queue.sent:
            try:
                office.work_one(office.deps(crashing))
            except Crash:
                crashed = True
            if not office.queue.sent and not committed:
                office.commit(id)
                committed = True
            assert crashing.calls < 200
        done = office.state(id)
        assert (done.state, counts(done)) == ("completed", {"changed": 1, "unchanged": 1, "nominated": 1}), f"call {at}"
        assert verification(office, known).name == f"Name {at}"
    assert at > 15
    assert counted(office) == 2


def test_a_chunk_that_comes_again_or_twice_at_once_counts_once(office: Importing) -> None:
    people = [office.service.person() for _ in range(3)]
    checked = office.check(csv_of(*(row(person.phone) for person in people)))
    (entry,) = entries(office, checked.id)
    versions = []
    for _ in range(3):
        import_work.run_chunk(entry, now=Instant(office.now_ms), deps=office.deps())
        versions.append([verification(office, person).version for person in people])
    assert versions == [[1, 1, 1]] * 3
    assert counts(office.state(checked.id)) == {"verified": 3}
    assert office.administration.actions(office.organisation)[-4:] == [
        "import.commit",
        "import.chunk.begin",
        "import.chunk",
        "import.complete",
    ]


def test_nothing_is_done_without_an_entry_however_a_chunk_ends(office: Importing) -> None:
    person = office.service.person()
    checked = office.check(csv_of(row(person.phone)))
    (entry,) = entries(office, checked.id)
    written: list[str] = []

    class Ending:
        """Prevents the write of the chunk's own row."""

        def __getattr__(self, name: str) -> Any:
            if name == "transact_write_items":
                written.append(office.administration.actions(office.organisation)[-1])
                if len(written) == 3:
                    raise Crash
            return getattr(office.service.client, name)

    deps = office.deps(lambda target: Ending() if target is office.service.client else target)
    with pytest.raises(Crash):
        import_work.run_chunk(entry, now=Instant(office.now_ms), deps=deps)
    assert verification(office, person).in_force(NOW)
    assert written == ["import.commit", "import.chunk.begin", "import.chunk.begin"]  # what existed before each attempt


def uncounted(office: Importing, id: Any) -> dict[str, Any]:
    """Commit, and interrupt the chunk's first run when all its rows are done but the chunk is not counted."""
    (entry,) = entries(office, id)
    deps = office.deps()

    class Ending:
        def __getattr__(self, name: str) -> Any:
            if name == "finishing_chunk":
                raise Crash
            return getattr(deps.store, name)

    with pytest.raises(Crash):
        import_work.run_chunk(entry, now=Instant(office.now_ms), deps=replace(deps, store=Ending()))  # type: ignore[arg-type]
    return entry


def test_a_run_that_ended_before_it_counted_is_counted_by_the_next_one(office: Importing) -> None:
    gone, fresh_one, phone = office.service.person(), office.service.person(), new_phone()
    office.run(csv_of(row(gone.phone), row(phone)))
    rows = [
        row(gone.phone, action="revoke", reason="x"),
        row(fresh_one.phone),
        row(phone, action="revoke", reason="x"),
        row(),
    ]
    expected = {"revoked": 1, "verified": 1, "withdrawn": 1, "nominated": 1}
    checked = office.check(csv_of(*rows))
    entry = uncounted(office, checked.id)
    assert (counts(office.state(checked.id)), office.results(checked.id)) == ({}, {})
    office.cancel(checked.id)
    import_work.run_chunk(entry, now=Instant(office.now_ms), deps=office.deps())
    assert counts(office.state(checked.id)) == expected


@pytest.mark.parametrize("later", [180, 14 * DAY], ids=["after-three-minutes", "redriven-after-14-days"])
def test_a_repeated_chunk_undoes_nothing_that_administrators_did_since(office: Importing, later: int) -> None:
    """A chunk's first run executes its rows and ends before it counts them. Its entry comes again after administrators
    have changed each of the people, whatever the outcome of the row.
    """
    service, of = office.service, office.organisation
    revoked, corrected, moved, kept, off_boarded = (service.person() for _ in range(5))
    nominated, withdrawn = new_phone(), new_phone()
    office.run(csv_of(row(moved.phone), row(kept.phone), row(off_boarded.phone), row(withdrawn)))
    checked = office.check(
        csv_of(
            row(revoked.phone),
            row(corrected.phone, name="Mispelt Name"),
            row(moved.phone, post="Head Clerk"),
            row(kept.phone),
            row(off_boarded.phone, action="revoke", reason="left"),
            row(nominated, name="Mispelt Name"),
            row(withdrawn, action="revoke", reason="left"),
        )
    )
    entry = uncounted(office, checked.id)
    service.now_ms += 60_000
    service.revoke(revoked, now_ms=office.now_ms)
    service.verify(corrected, of, name="Right Name")
    service.verify(moved, of, post="Director")
    service.revoke(kept, now_ms=office.now_ms)
    service.verify(off_boarded, of, name="Back Again")
    office.run(csv_of(row(nominated, name="Right Name"), row(withdrawn)))
    people = (revoked, corrected, moved, kept, off_boarded)
    before = [verification(office, person) for person in people]
    waiting = [nomination(office, phone) for phone in (nominated, withdrawn)]
    service.now_ms += later * 1000
    import_work.run_chunk(entry, now=Instant(office.now_ms), deps=office.deps())
    assert [verification(office, person) for person in people] == before
    assert [nomination(office, phone) for phone in (nominated, withdrawn)] == waiting
    expected = {"verified": 2, "changed": 1, "unchanged": 1, "revoked": 1, "nominated": 1, "withdrawn": 1}
    assert counts(office.state(checked.id)) == expected
    assert office.state(checked.id).state == "completed"


def test_a_row_that_failed_is_not_tried_again_by_a_repeated_chunk(office: Importing) -> None:
    """Between two runs, an administrator verifies somebody whom the file off-boards. The newer decision stays."""
    person, phone = office.service.person(), new_phone()
    office.run(csv_of(row(person.phone), row(phone)))
    rows = (row(person.phone, action="revoke", reason="left"), row(phone, action="revoke", reason="left"))
    checked = office.check(csv_of(*rows))
    office.service.revoke(person)
    office.run(csv_of(rows[1]))
    entry = uncounted(office, checked.id)
    office.service.verify(person, office.organisation)
    office.run(csv_of(row(phone)))
    import_work.run_chunk(entry, now=Instant(office.now_ms), deps=office.deps())
    assert verification(office, person).in_force(NOW)
    assert nomination(office, phone).in_force(NOW)
    assert counts(office.state(checked.id)) == {"failed": 2}


@pytest.mark.parametrize("at", [1, 2, 3])
def test_rows_of_earlier_transactions_stay_done_when_a_later_one_fails(
    office: Importing, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """A run ends between its transactions. The next run does only the rest."""
    monkeypatch.setattr(import_work, "_MAX_OPERATIONS", 12)  # a person or so each
    people = [office.service.person() for _ in range(4)]
    checked = office.check(csv_of(*(row(person.phone) for person in people)))
    (entry,) = entries(office, checked.id)
    written = 0

    class Ending:
        def __getattr__(self, name: str) -> Any:
            nonlocal written
            if name == "transact_write_items":
                written += 1
                if written == at + 2:  # the first one is the audit entry of what begins
                    raise Crash
            return getattr(office.service.client, name)

    deps = office.deps(lambda target: Ending() if target is office.service.client else target)
    with pytest.raises(Crash):
        import_work.run_chunk(entry, now=Instant(office.now_ms), deps=deps)
    done = [person for person in people if office.service.verifications.read(person.account)]
    assert len(done) == at
    for person in done:
        office.service.revoke(person)
    import_work.run_chunk(entry, now=Instant(office.now_ms), deps=office.deps())
    in_force = {person.phone for person in people if verification(office, person).in_force(NOW)}
    assert in_force == {person.phone for person in people} - {person.phone for person in done}
    assert counts(office.state(checked.id)) == {"verified": 4}


def test_two_runs_at_once_do_each_row_once(office: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_work, "_MAX_OPERATIONS", 12)
    people = [office.service.person() for _ in range(4)]
    checked = office.check(csv_of(*(row(person.phone) for person in people)))
    (entry,) = entries(office, checked.id)
    between: list[bool] = []

    class Overtaken:
        def __getattr__(self, name: str) -> Any:
            if name == "transact_write_items" and len(between) < 3:
                between.append(True)
                if len(between) == 3:  # one person is done by then
                    import_work.run_chunk(entry, now=Instant(office.now_ms), deps=office.deps())
                    office.service.revoke(people[2])
            return getattr(office.service.client, name)

    deps = office.deps(lambda target: Overtaken() if target is office.service.client else target)
    assert import_work.run_chunk(entry, now=Instant(office.now_ms), deps=deps) == "counted_before"
    assert [verification(office, person).version for person in people] == [1, 1, 2, 1]
    assert counts(office.state(checked.id)) == {"verified": 4}


def test_a_nomination_whose_entry_comes_late_undoes_no_later_decision(office: Importing) -> None:
    """The entry that would verify the person fails. Meanwhile an administrator verifies and revokes them."""
    phone = new_phone()
    office.run(csv_of(row(phone)))
    office.service.now_ms += 60_000
    person = Person(office.service.register(phone, DeviceKeys()).account, phone)
    office.told_of_registrations()
    (entry,) = [queued for queued, _ in office.queue.sent]
    office.queue.sent.clear()
    office.service.verify(person, office.organisation, name="By Hand")
    office.service.now_ms += 60_000
    office.service.revoke(person)
    office.service.now_ms += 14 * DAY * 1000
    before = verification(office, person)
    assert import_work.work(entry, receives=1, now=Instant(office.now_ms), deps=office.deps()) == "decided_since"
    assert verification(office, person) == before
    assert nomination(office, phone) is None
    assert recorded(office)["reason"] == "decided_since"


def test_a_person_changed_at_the_same_moment_is_read_again(office: Importing) -> None:
    first, second = office.service.person(), office.service.person()
    checked = office.check(csv_of(row(first.phone), row(second.phone)))
    (entry,) = entries(office, checked.id)
    overtaken: list[bool] = []

    class Overtaken:
        def __getattr__(self, name: str) -> Any:
            if name == "transact_write_items" and not overtaken:
                overtaken.append(True)
                office.service.verify(first, office.organisation, name="Somebody Else")
            return getattr(office.service.client, name)

    import_work.run_chunk(
        entry,
        now=Instant(office.now_ms),
        deps=office.deps(lambda target: Overtaken() if target is office.service.client else target),
    )
    assert counts(office.state(checked.id)) == {"changed": 1, "verified": 1}
    assert [verification(office, person).name for person in (first, second)] == ["Asha Rao"] * 2
    assert counted(office) == 2


def test_work_that_nothing_calls_for_ends(office: Importing) -> None:
    made = office.create()
    office.queue.send({"import": base64url_text(made.id), "was": "open", "until": NOW + 120})
    assert office.work_one() == "not_yet"
    office.service.now_ms += 121_000
    assert office.work_all() == ["orphan"]


# What the audit chain says


def test_the_audit_chain_ties_each_row_to_the_commit(office: Importing) -> None:
    people = [office.service.person() for _ in range(2)]
    done = office.run(csv_of(*(row(person.phone) for person in people), row("1")))
    entries = office.administration.entries(office.organisation)
    steps = ("create", "check", "commit", "chunk.begin", "chunk", "complete")
    assert [entry.action for entry in entries] == [f"import.{step}" for step in steps]
    bodies = [json.loads(entry.body or b"{}") for entry in entries]
    _, _, commit, begun, chunk, complete = [body.get("details", body) for body in bodies]
    results = list(office.deps().store.results(done.id, first_chunk=0, last_chunk=9))
    assert (commit["rows"], commit["valid"]) == (3, 2)
    assert commit["hash"] == base64url_text(hashlib.sha256(b"".join(one.digest for one in results)).digest())
    assert begun == {"chunk": 0, "rows": [2, 3], "hash": commit["hash"]}  # of an import that is one chunk
    assert chunk["hash"] == base64url_text(hashlib.sha256(encode_results(results)).digest())
    assert (chunk["rows"], chunk["counts"], complete["counts"]) == ([2, 3], {"verified": 2}, {"verified": 2})
    for number, person in enumerate(people, start=2):
        origin = verification(office, person).origin
        assert origin is not None
        assert (origin.id, origin.row, origin.outcome) == (done.id, number, "verified")
    assert {entry.actor for entry in entries} == {entries[0].actor}


# Speed


def test_a_chunk_takes_few_calls(office: Importing) -> None:
    checked = office.check(csv_of(*(row(office.service.person().phone) for _ in range(30))))
    (entry,) = entries(office, checked.id)
    calls: list[str] = []

    class Count:
        def __getattr__(self, name: str) -> Any:
            method = getattr(office.service.client, name)
            if not callable(method) or name == "exceptions":
                return method

            def call(**arguments: Any) -> Any:
                calls.append(name)
                return method(**arguments)

            return call

    deps = office.deps(lambda target: Count() if target is office.service.client else target)
    import_work.run_chunk(entry, now=Instant(office.now_ms), deps=deps)
    assert counts(office.state(checked.id)) == {"verified": 30}
    assert calls.count("transact_write_items") <= 6
    assert len(calls) <= 16


# Mail domains


def with_address(*rows: tuple[str, str]) -> bytes:
    """Write a file whose column of addresses has a name of its own."""
    header, *lines = csv_of(*(row(phone) for phone, _ in rows)).decode().splitlines()
    filled = [f"{line},{address}" for line, (_, address) in zip(lines, rows, strict=True)]
    return "\n".join([f"{header},Official E-mail", *filled, ""]).encode()


def set_domains(office: Importing, *domains: str) -> None:
    store = office.service.organisations
    found = store.read(office.organisation)
    assert found is not None
    change = store.setting_mail_domains(office.organisation, domains, before=found.mail_domains)
    transact(office.service.client, [change])


def test_rows_with_addresses_outside_get_a_finding_under_the_name_of_their_column(office: Importing) -> None:
    people = [office.service.person().phone for _ in range(5)]
    set_domains(office, "ports.example", "xn--p1b6ci4b4b3a.example")
    addresses = ["a@ports.gov.in", "B@Ports.Example", "c@docks.ports.example", "d@XN--P1B6CI4B4B3A.example", ""]
    checked = office.check(with_address(*zip(people, addresses, strict=True)))
    assert (checked.valid, checked.invalid) == (3, 2)
    assert [(one.row, one.column, one.field, one.code) for one in checked.findings] == [
        (2, "Official E-mail", "email", "mail_domain_not_allowed"),
        (4, "Official E-mail", "email", "mail_domain_not_allowed"),
    ]


def test_a_row_fails_if_the_domains_are_set_between_check_and_commit(office: Importing) -> None:
    person = office.service.person()
    checked = office.check(with_address((person.phone, "asha@old.example")))
    set_domains(office, "ports.example")
    office.commit(checked.id)
    office.work_all()
    assert office.results(checked.id) == {2: ("failed", ["mail_domain_not_allowed"])}
    assert office.service.verifications.read(person.account) is None


def test_officials_and_nominated_people_of_a_file_keep_the_address_that_they_have(office: Importing) -> None:
    person, absent = office.service.person(), new_phone()
    file = with_address((person.phone, "asha@old.example"), (absent, "ravi@old.example"))
    office.run(file)
    set_domains(office, "ports.example")
    again = office.run(file)
    assert office.results(again.id) == {2: ("unchanged", []), 3: ("nominated", [])}
    swapped = office.check(with_address((person.phone, "ravi@old.example"), (absent, "asha@old.example")))
    assert [one.code for one in swapped.findings] == ["mail_domain_not_allowed"] * 2
    assert office.check(csv_of(row(person.phone))).valid == 1
