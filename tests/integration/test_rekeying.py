"""Tests the replacement of the pepper in operation: before, during and after every step, numbers keep their
accounts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sandes.administration.operators import rekeying
from sandes.administration.operators.rekeying import SETTLE_SECONDS, RekeyDependencies
from sandes.administration.recorder import Recorder
from sandes.apps.recipients import may_reach, read_address
from sandes.crypto.pepper import Pepper
from sandes.limits import Limit
from sandes.model.administrator import PLATFORM
from sandes.model.ids import AccountId, parse_app
from sandes.model.instant import Instant
from sandes.model.phone import PhoneNumber
from sandes.people import accounts, codes, complaining, devices
from sandes.protocol.app_api import Recipient
from sandes.protocol.client_api import Report, VerifyRegistration
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.audit import AuditStore
from sandes.store.complaints import ComplaintStore
from sandes.store.rekeying import RekeyStore
from sandes.store.schema import DirectoryRow
from tests.support.administration import Administration
from tests.support.batches import Crash, Crashing
from tests.support.imports import csv_of, import_backend, importing, row
from tests.support.keys import DeviceKeys
from tests.support.otps import check, code_for, other, resend, send
from tests.support.service import AUDIT_KEY, NOW, PEPPER, Person, Service, new_phone
from tools import pepper as tool

FIRST = "p" * 32
HOUR = 3600


@dataclass
class Rotation:
    """Holds the steps of an operator, each with the behaviour of functions that have read the secret since."""

    service: Service
    secret: str = FIRST
    now: int = NOW

    def store(self, secret: str) -> None:
        self.secret, self.service.pepper = secret, Pepper.of(secret.encode())

    def next(self) -> None:
        self.store(tool.next_value(self.secret, now_seconds=self.now))

    def use(self) -> None:
        self.store(tool.use(self.secret, proof=self.rekey(), now_seconds=self.now))

    def end(self) -> None:
        proof = self.rekey()
        self.later(tool.LONGEST_SECONDS)
        self.store(tool.end(self.secret, proof=proof, now_seconds=self.now))

    def later(self, seconds: int) -> None:
        self.now += seconds
        self.service.now_ms = self.now * 1000

    def deps(self, client: Any = None) -> RekeyDependencies:
        service = self.service
        return RekeyDependencies(
            RekeyStore(client or service.client, service.tables["directory"]),
            service.pepper,
            Recorder(AuditStore(client or service.client, service.tables["audit"]), AUDIT_KEY, sleep=lambda _: None),
            lambda: 0.0,
        )

    def call(self, operation: str = "pepper.rekey", client: Any = None) -> dict[str, Any]:
        return rekeying.operate({"operation": operation}, now=Instant(self.now * 1000), deps=self.deps(client))

    def rekey(self) -> str:
        self.later(SETTLE_SECONDS)
        told = self.call()
        assert told["state"] == "done", told
        return str(told["proof"])

    def numbers(self) -> dict[str, AccountId]:
        """Return every row of a number's account, by its pseudonym."""
        pages = self.service.client.get_paginator("scan").paginate(TableName=self.service.tables["directory"])
        return {
            item[DirectoryRow.PARTITION]["S"].removeprefix("P#"): AccountId(item[DirectoryRow.ACCOUNT]["B"])
            for page in pages
            for item in page["Items"]
            if item[DirectoryRow.PARTITION]["S"].startswith("P#") and DirectoryRow.ACCOUNT in item
        }


@pytest.fixture
def backend() -> Iterator[tuple[Service, Any]]:
    with import_backend() as made:
        yield made


@pytest.fixture
def rotation(backend: tuple[Service, Any]) -> Rotation:
    return Rotation(backend[0])


@pytest.fixture
def service(rotation: Rotation) -> Service:
    return rotation.service


def found(service: Service, by: Person, phone: PhoneNumber) -> AccountId | None:
    try:
        return accounts.lookup(service.caller(by), phone, now=Instant(service.now_ms), deps=service.device_deps).account
    except ProtocolError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        return None


def steps(rotation: Rotation) -> Iterator[str]:
    """Yield every state of the service from one value to the next, by its name."""
    yield "one value"
    rotation.next()
    yield "a value follows"
    rotation.rekey()
    yield "all rows are written under both"
    rotation.use()
    yield "the value is used"
    rotation.rekey()
    yield "no row is left under the former value"
    rotation.end()
    yield "the former value is gone"


def test_everybody_is_found_and_keeps_their_account_at_every_step(rotation: Rotation, service: Service) -> None:
    """This includes people who register, or change their number, between two steps."""
    asha, movers = service.person(), service.person()
    people = [asha, movers]
    for step in steps(rotation):
        for person in people:
            assert found(service, asha, person.phone) == person.account, step
            assert (
                accounts.me(service.caller(person), now=Instant(service.now_ms), deps=service.device_deps).phone
                == person.phone
            )
        keys = DeviceKeys()
        assert service.register(asha.phone, keys).account == asha.account, step
        (device,) = service.account(asha.account).devices.values()
        asha.devices, asha.keys = [device], [keys]
        left, movers.phone = movers.phone, new_phone()
        service.change_phone(movers, movers.phone)
        assert found(service, asha, left) is None, step
        assert found(service, asha, movers.phone) == movers.account, step
        stranger = service.register(left, DeviceKeys())
        assert stranger.account not in {person.account for person in people}, step
        people.append(service.person())
    numbers = rotation.numbers()
    assert {numbers[service.pepper.index("phone", person.phone)] for person in people} == {
        person.account for person in people
    }
    assert len(numbers) == len(set(numbers.values())), "a row is left under another value"


def test_blocks_and_messages_go_on_by_account(rotation: Rotation, service: Service) -> None:
    asha, ravi = service.person(), service.person()
    accounts.block(service.caller(asha), ravi.account, now=Instant(service.now_ms), deps=service.device_deps)
    for step in steps(rotation):
        assert found(service, ravi, asha.phone) is None, step  # as if she did not exist
        assert found(service, asha, ravi.phone) == ravi.account, step


def test_the_job_takes_back_what_a_function_left_that_knew_one_value_only(rotation: Rotation, service: Service) -> None:
    """While functions restart, some write a number under both values, and others change it under one."""
    asha, watching = service.person(), service.person()
    rotation.next()
    both = service.pepper
    moved = service.person()
    left = moved.phone
    service.pepper = PEPPER
    moved.phone = new_phone()
    service.change_phone(moved, moved.phone)
    alone = service.person()
    service.pepper = both
    assert rotation.numbers()[both.indexes("phone", left)[1]] == moved.account
    rotation.use()
    assert found(service, watching, left) is None
    for person in (asha, moved, alone):
        assert found(service, watching, person.phone) == person.account
    assert service.register(left, DeviceKeys()).account != moved.account


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
def test_a_job_that_ends_anywhere_is_taken_up_again(rotation: Rotation, service: Service, *, after: bool) -> None:
    people = [service.person() for _ in range(3)]
    for step in (rotation.next, rotation.use):
        step()
        rotation.later(SETTLE_SECONDS)
        at = 0
        while True:
            at += 2
            crashing = Crashing(at, after=after)
            try:
                told = rotation.call(client=crashing(service.client))
            except Crash:
                for person in people:
                    assert found(service, people[0], person.phone) == person.account
                service.limits.client.delete_item(  # the look-ups of this test must not reach a limit
                    TableName=service.tables["limits"],
                    Key=_lookups(service, people[0]),
                )
                continue
            break
        assert told["state"] == "done"
    rotation.end()
    assert all(found(service, people[0], person.phone) == person.account for person in people)
    assert len(rotation.numbers()) == len(people)


def _lookups(service: Service, person: Person) -> Any:
    from sandes.model.ids import account_text
    from sandes.store.limits import limit_key

    return limit_key(f"account:{account_text(person.account)}", Limit.LOOKUPS.label)


@pytest.mark.parametrize("moves", [False, True], ids=["registers", "changes the number"])
def test_a_registration_that_races_with_the_job_makes_no_second_account(
    rotation: Rotation, service: Service, *, moves: bool
) -> None:
    """Somebody is faster after the job has read the rows. Its transaction fails, and the next pass repairs it."""
    asha = service.person()
    for step in (rotation.next, rotation.use):
        step()
        rotation.later(SETTLE_SECONDS)
        faster: list[Person] = []

        class Racing:
            """Lets somebody act between the job's read and its first transaction."""

            def __init__(self, faster: list[Person]) -> None:
                self.faster = faster

            def __getattr__(self, name: str) -> Any:
                progress = rotation.deps().store.progress()
                values = " ".join(str(one.number) for one in service.pepper.values)
                began = progress and progress.step.startswith(f"{values} ")
                if name == "transact_write_items" and not self.faster and began:
                    self.faster.append(asha)
                    if moves:
                        asha.phone = new_phone()
                        service.change_phone(asha, asha.phone)
                    else:
                        keys = DeviceKeys()
                        assert service.register(asha.phone, keys).account == asha.account
                        asha.devices, asha.keys = [*service.account(asha.account).devices.values()], [keys]
                return getattr(service.client, name)

        assert rotation.call(client=Racing(faster))["state"] == "done"
        assert faster
        watching = service.person()
        assert found(service, watching, asha.phone) == asha.account
    assert service.register(asha.phone, DeviceKeys()).account == asha.account


def test_a_number_cannot_be_registered_twice_by_functions_of_two_steps(rotation: Rotation, service: Service) -> None:
    """Some functions have read that the value is used, and others have not yet."""
    rotation.next()
    before = service.pepper
    rotation.use()
    after = service.pepper
    phone = new_phone()
    service.pepper = after
    first = service.register(phone, DeviceKeys())
    service.pepper = before
    with pytest.raises(ProtocolError) as refused:
        service.register(phone, DeviceKeys())
    assert refused.value.code == ErrorCode.UNAVAILABLE
    service.pepper = after
    assert service.register(phone, DeviceKeys()).account == first.account
    other = new_phone()
    service.pepper = before
    second = service.register(other, DeviceKeys())
    service.pepper = after
    assert service.register(other, DeviceKeys()).account == second.account


def test_a_code_sent_before_a_step_is_good_after_it(rotation: Rotation, service: Service) -> None:
    phone, account = new_phone(), None
    for step in (rotation.next, rotation.use):
        id = service.start(phone)
        code, sent_at = service.sms.last_code, service.now_ms
        step()
        rotation.rekey()
        body = VerifyRegistration(code=code, device=DeviceKeys().new_device(id))
        made = devices.register(id, body, now=Instant(sent_at + 1), deps=service.device_deps)
        assert account in {None, made.account}
        account = made.account
    rotation.end()
    assert service.register(phone, DeviceKeys()).account == account


def test_the_codes_that_a_number_gets_are_counted_across_every_step(rotation: Rotation, service: Service) -> None:
    phone = new_phone()
    for number in range(Limit.CODES_TO_NUMBER.burst):
        service.start(phone)
        if number == 2:
            rotation.store(tool.next_value(rotation.secret, now_seconds=NOW))
        if number == 4:
            proof = service.pepper.proof
            rotation.store(tool.use(rotation.secret, proof=proof, now_seconds=NOW))
    with pytest.raises(ProtocolError) as refused:
        service.start(phone)
    assert refused.value.code == ErrorCode.RATE_LIMITED


def test_wrong_attempts_are_counted_across_a_step(rotation: Rotation, service: Service) -> None:
    id = service.start(new_phone())
    wrong = str((int(service.sms.last_code) + 1) % 10**6).zfill(6)
    for left in (2, 1, 0):
        with pytest.raises(ProtocolError) as refused:
            codes.check_code(id, wrong, "register", now=Instant(service.now_ms), deps=service.code_deps)
        assert refused.value.details["attempts_left"] == left
        if left == 2:
            rotation.store(tool.next_value(rotation.secret, now_seconds=NOW))
        if left == 1:
            rotation.store(tool.use(rotation.secret, proof=service.pepper.proof, now_seconds=NOW))


def test_what_an_app_sends_to_a_number_reaches_it_and_is_counted_across_every_step(
    rotation: Rotation, service: Service
) -> None:
    app, asha, nobody = service.app(), service.person(), new_phone()
    for number, step in enumerate((None, rotation.next, None, rotation.use, None)):
        at = service.now_ms
        if step:
            now = rotation.now
            step()
            rotation.now, service.now_ms = now, at  # as fast as could be: the windows of limits are minutes
        to_asha = send(service, app, asha.phone)
        assert check(service, app, to_asha.id, code_for(service, asha))[0] == "approved"
        send(service, app, nobody)
        assert len(service.stored(asha)) >= number
    with pytest.raises(ProtocolError) as refused:
        send(service, app, nobody)
    assert refused.value.code == ErrorCode.RECIPIENT_LIMITED


def test_a_request_that_is_repeated_across_a_step_is_answered_as_the_first_time(
    rotation: Rotation, service: Service
) -> None:
    app, asha = service.app(), service.person()
    keys = [f"key-{number}" for number in range(3)]
    first = send(service, app, asha, key=keys[0])
    wrong = other(code_for(service, asha))
    checked = check(service, app, first.id, wrong, key=keys[1])
    for step in (rotation.next, rotation.use):
        now, at = rotation.now, service.now_ms
        step()
        rotation.now, service.now_ms = now, at
        assert send(service, app, asha, key=keys[0]).id == first.id
        assert check(service, app, first.id, wrong, key=keys[1]) == checked, "a repetition spends no attempt"
        with pytest.raises(ProtocolError) as refused:
            send(service, app, asha, key=keys[0], client_ref="another body")
        assert refused.value.code == ErrorCode.IDEMPOTENCY_MISMATCH
    renewed = resend(service, app, first.id, key=keys[2], at=31)
    assert resend(service, app, first.id, key=keys[2], at=32) == renewed
    assert len(service.stored(asha, now_ms=service.now_ms + 40_000)) >= 2


def test_an_app_keeps_its_guests(rotation: Rotation, service: Service) -> None:
    asha, stranger = service.person(), new_phone()
    app = service.app(mode="trial", guests=[asha.phone])
    versions, known = set(), None
    for step in steps(rotation):
        known = service.app_view().apps.read(parse_app(app.app))
        assert known is not None
        versions.add(known.version)
        assert may_reach(known, read_address(Recipient(phone=asha.phone), service.pepper), test=False), step
        assert not may_reach(known, read_address(Recipient(phone=stranger), service.pepper), test=False), step
    assert known
    assert known.guests == {service.pepper.index("phone", asha.phone)}
    assert len(versions) == 1, "whoever keeps the app sees no change"


def test_who_was_nominated_before_is_verified_whenever_they_register(backend: tuple[Service, Any]) -> None:
    office = importing(backend)
    service, rotation = office.service, Rotation(office.service)
    waiting = [new_phone() for _ in range(6)]
    assert office.run(csv_of(*(row(phone) for phone in waiting))).counts.nominated == len(waiting)
    for step, phone in zip(steps(rotation), waiting, strict=True):
        made = service.register(phone, DeviceKeys())
        office.told_of_registrations()
        assert office.work_all() == ["verified"], step
        verified = service.verifications.read(made.account)
        assert verified is not None
        assert verified.in_force(rotation.now), step
        assert office.deps().nominations.number(service.pepper.index("phone", phone)).nomination is None, step


def test_a_nomination_withdrawn_between_two_steps_does_not_come_back(backend: tuple[Service, Any]) -> None:
    office = importing(backend)
    service, rotation = office.service, Rotation(office.service)
    both, one, used = new_phone(), new_phone(), new_phone()
    office.run(csv_of(row(both), row(one), row(used)))
    rotation.next()
    rotation.rekey()
    office.run(csv_of(row(both, action="revoke", reason="left")))
    followed = service.pepper
    service.pepper = PEPPER  # by a function that has not read the new secret
    office.run(csv_of(row(one, action="revoke", reason="left")))
    service.register(used, DeviceKeys())
    office.told_of_registrations()
    office.work_all()
    service.pepper = followed
    rotation.use()
    for phone in (both, one):
        made = service.register(phone, DeviceKeys())
        office.told_of_registrations()
        office.work_all()
        assert service.verifications.read(made.account) is None
    left = office.deps().nominations.number(service.pepper.index("phone", used))
    assert left.nomination is None, "it would be for the next holder of the number"


def test_a_file_checked_before_a_step_is_imported_after_it(backend: tuple[Service, Any]) -> None:
    office = importing(backend)
    service, rotation = office.service, Rotation(office.service)
    known, absent = service.person(), new_phone()
    rotation.next()
    rotation.rekey()
    checked = office.check(csv_of(row(known.phone), row(absent)))
    rotation.use()
    rotation.rekey()
    office.commit(checked.id)
    office.work_all()
    done = office.state(checked.id)
    assert (done.counts.verified, done.counts.nominated) == (1, 1)


def test_complaints_can_be_read_after_the_former_value_is_gone(rotation: Rotation, service: Service) -> None:
    asha, ravi = service.person(), service.person()
    about = Report.model_validate({"account": str(_text(ravi)), "category": "spam", "text": "sells loans"})
    complaining.report(service.caller(asha), about, now=Instant(service.now_ms), deps=service.device_deps)
    for step in steps(rotation):
        (complaint,) = _complaints(service)
        assert service.pepper.open(complaint.text, complaint.id) == b"sells loans", step
        assert service.pepper.open(complaint.reporter, complaint.id) == asha.account, step
    complaining.report(service.caller(asha), about, now=Instant(service.now_ms), deps=service.device_deps)
    assert len({complaint.pseudonym for complaint in _complaints(service)}) == 1


def _text(person: Person) -> str:
    from sandes.model.ids import account_text

    return account_text(person.account)


def _complaints(service: Service) -> Any:
    store = ComplaintStore(service.client, service.tables["directory"])
    return store.of_organisation(PLATFORM, "unresolved", after=None, limit=10, now_seconds=NOW)[0]


def test_the_job_waits_until_functions_of_the_step_before_have_ended(rotation: Rotation, service: Service) -> None:
    service.person()
    assert rotation.call() == {"state": "idle", "in_use": 1}
    rotation.next()
    told = rotation.call()
    assert (told["state"], told["seconds"]) == ("settling", SETTLE_SECONDS)
    assert "proof" not in told
    rotation.later(SETTLE_SECONDS)
    assert rotation.call("pepper.status")["state"] == "running"
    assert rotation.call()["state"] == "done"
    assert rotation.call("pepper.status")["proof"] == rotation.call()["proof"]


def test_a_value_added_after_one_was_taken_back_has_a_job_and_a_proof_of_its_own(
    rotation: Rotation, service: Service
) -> None:
    """It gets the number of the previous value, and no row is written under it yet."""
    person = service.person()
    rotation.next()
    rotation.rekey()
    rotation.store(tool.drop(rotation.secret, now_seconds=rotation.now))
    rotation.next()
    rotation.later(SETTLE_SECONDS)
    assert rotation.call("pepper.status") == {"state": "running", "in_use": 1, "other": 2}
    rotation.use()
    assert service.register(person.phone, DeviceKeys()).account == person.account


def test_beginning_and_end_of_each_step_are_on_record(rotation: Rotation, service: Service) -> None:
    service.person()
    rotation.next()
    rotation.use()
    rotation.rekey()
    entries = AuditStore(service.client, service.tables["audit"]).after(PLATFORM, 0, limit=10)
    said = [json.loads(entry.body or b"{}")["details"] for entry in entries]
    assert Administration(service).actions(PLATFORM) == ["pepper.rekey.begin", "pepper.rekey.end"] * 2
    assert [details["in_use"] for details in said] == [1, 1, 2, 2]


def test_no_call_but_its_own_is_answered(rotation: Rotation) -> None:
    with pytest.raises(ProtocolError) as refused:
        rotation.call("administrator.create")
    assert refused.value.code == ErrorCode.INVALID_REQUEST
