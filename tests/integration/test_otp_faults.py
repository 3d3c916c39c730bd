"""Tests failures on the way of a one-time password: no code is lost or doubled, and no wrong one is sent."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandes.apps.otps.otp import OtpDependencies
from sandes.model.ids import EnvelopeId, parse_base64url
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.dynamo import StoreUnavailable
from tests.support.app_keys import AppKeys
from tests.support.dynamodb import FlakyClient, OvertakenClient
from tests.support.otps import bubbles, by_account, cancel, check, code_for, other, resend, send, state, work_off
from tests.support.service import Person, Service, new_phone


class Crashed(Exception):
    """Reports that the function has ended here, as if its environment had been removed."""


@dataclass
class CrashingClient:
    """Ends the function at the first call of `method`: before the call or, if `after` is true, afterwards."""

    client: Any
    method: str
    after: bool = False
    crashed: bool = False

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.client, name)
        if name != self.method or self.crashed:
            return call

        def crash(**arguments: Any) -> Any:
            self.crashed = True
            if self.after:
                call(**arguments)
            raise Crashed

        return crash


@pytest.fixture
def app(store_backend: Service) -> AppKeys:
    return store_backend.app()


def ending(service: Service, method: str, *, after: bool = False) -> OtpDependencies:
    """Return the dependencies of an environment that ends at its first call of `method`."""
    return service.otp_deps(CrashingClient(service.client, method, after))


@pytest.fixture
def service(store_backend: Service) -> Service:
    store_backend.sms_queue.sent.clear()
    store_backend.sms.texts.clear()
    return store_backend


@pytest.fixture
def person(service: Service) -> Person:
    return service.person()


def sms_codes(service: Service) -> list[str]:
    return [sms.text[:6] for sms in service.sms.texts]


# What a caller could notice about the existence of a person


@dataclass
class Seen:
    """Holds the AWS calls of one request, in order: database calls with their tables, SQS, posts to sockets."""

    answer: dict[str, Any]
    calls: list[str]
    rows_written: dict[str, int]
    delay_seconds: int


def seen(service: Service, app: AppKeys, to: str | Person | dict[str, Any]) -> Seen:
    client, calls, written = FlakyClient(service.client), [], dict.fromkeys(service.tables, 0)
    names = {table: name for name, table in service.tables.items()}

    class Recording:
        def __getattr__(self, method: str) -> Any:
            real = getattr(client, method)
            if not callable(real) or method == "exceptions":
                return real

            def call(**arguments: Any) -> Any:
                operations = arguments.get("TransactItems", [])
                tables = [names[next(iter(operation.values()))["TableName"]] for operation in operations]
                for table in tables:
                    written[table] += 1
                read = [names[table] for table in arguments.get("RequestItems", {})]
                one = [names[arguments["TableName"]]] if "TableName" in arguments else []
                calls.append(" ".join([method, *sorted({*tables, *read, *one} - {"inbox"})]))
                return real(**arguments)

            return call

    posted = sum(map(len, service.gateway.received.values()))
    made = send(service, app, to, deps=service.otp_deps(Recording()), client_ref="x")
    calls += ["post"] * (sum(map(len, service.gateway.received.values())) - posted)
    ((_, delay),) = service.sms_queue.sent
    service.sms_queue.sent.clear()
    return Seen(made.model_dump(exclude={"id"}), calls, {k: n for k, n in written.items() if n}, delay)


def test_what_is_done_for_somebody_unknown_differs_only_in_inbox_queue_delay_and_push(
    service: Service, app: AppKeys
) -> None:
    online, offline = service.person(), service.person(2)
    service.online(online)
    same = [
        "batch_get_item codes directory",
        "batch_get_item deliveries",  # devices and caps: of a known one also routing
        "update_item deliveries",  # the quota of the minute
        "update_item deliveries",  # and of the day
        "transact_write_items codes deliveries",
    ]
    known = [same[0], "batch_get_item deliveries routing", *same[2:]]
    unknown = seen(service, app, new_phone())
    nobody = seen(service, app, {"account": "aaaaaaaaaaaaa"})
    reached = seen(service, app, online)
    waiting = seen(service, app, offline)
    assert unknown.calls == same
    assert nobody.calls == known
    assert reached.calls == [*known, "post"]
    assert waiting.calls == [*known, "get_item routing"]  # a device that came online meanwhile would be found
    assert unknown.answer == nobody.answer == reached.answer == waiting.answer
    assert [one.rows_written.get("inbox", 0) for one in (unknown, nobody, reached, waiting)] == [0, 0, 1, 2]
    assert [one.delay_seconds for one in (unknown, nobody, reached, waiting)] == [1, 1, 8, 8]
    for one in (unknown, nobody, reached, waiting):
        assert one.rows_written | {"inbox": 0} == {"codes": 1, "deliveries": 1, "inbox": 0}


def test_what_is_refused_is_refused_alike_for_somebody_unknown(service: Service, person: Person) -> None:
    app = service.app(mode="trial", guests=["+919876543210"])
    errors = []
    for to in (person, new_phone(), by_account(person), {"account": "aaaaaaaaaaaaa"}):
        with pytest.raises(ProtocolError) as caught:
            send(service, app, to)
        errors.append((caught.value.code, str(caught.value.details), caught.value.retry_after_seconds))
    assert set(errors) == {(ErrorCode.NOT_A_GUEST, "{}", None)}


def test_checks_of_somebody_without_a_device_are_answered_alike(service: Service, app: AppKeys, person: Person) -> None:
    unknown, known = send(service, app, new_phone()).id, send(service, app, person).id
    work_off(service, at=8)
    code = {known: code_for(service, person), unknown: sms_codes(service)[0]}
    for given in (other, str, str):
        assert len({check(service, app, id, given(code[id])) for id in code}) == 1


# A database that is slow, or leaves work unprocessed


def test_a_throttled_transaction_is_tried_again_and_makes_one_code(
    service: Service, app: AppKeys, person: Person
) -> None:
    client = FlakyClient(service.client, {"transact_write_items": 3})
    id = send(service, app, person, deps=service.otp_deps(client)).id
    assert len(bubbles(service, person)) == 1
    client.failures["transact_write_items"] = 3
    resend(service, app, id, at=30, deps=service.otp_deps(client))
    client.failures["transact_write_items"] = 3
    right = code_for(service, person)
    assert check(service, app, id, right, at=31, deps=service.otp_deps(client)) == ("approved", 2)
    assert [bubble["void"] for bubble in bubbles(service, person)].count(None) == 0


def test_reads_that_were_left_undone_are_asked_again(service: Service, app: AppKeys, person: Person) -> None:
    client = FlakyClient(service.client)

    def flaky() -> Any:
        client.failures["batch_get_item"] = 3
        return service.otp_deps(client)

    id = send(service, app, person, deps=flaky()).id
    resend(service, app, id, at=30, deps=flaky())
    client.failures["batch_get_item"] = 3
    assert work_off(service, at=40, deps=service.sms_deps(client)) == ["no_longer_needed", "sent"]
    assert check(service, app, id, code_for(service, person), at=41, deps=flaky()) == ("approved", 2)
    second = send(service, app, person, deps=flaky()).id
    cancel(service, app, second, deps=flaky())
    assert state(service, app, second).status == "cancelled"


@pytest.mark.parametrize("known", [True, False])
def test_a_database_that_stays_away_stores_nothing_and_the_repeated_request_sends_one_right_code(
    service: Service, app: AppKeys, person: Person, known: bool
) -> None:
    to = person if known else new_phone()
    client = FlakyClient(service.client, {"transact_write_items": 99})
    with pytest.raises(StoreUnavailable):
        send(service, app, to, key="k", deps=service.otp_deps(client))
    assert service.stored(person) == []
    id = send(service, app, to, key="k").id
    assert sorted(work_off(service, at=8)) == ["no_longer_needed", "sent"]
    assert check(service, app, id, sms_codes(service)[0], at=9) == ("approved", 2)


def test_a_queue_that_stays_away_stores_nothing_and_the_repeated_request_works(
    service: Service, app: AppKeys, person: Person
) -> None:
    id = send(service, app, person, key="k1").id
    service.sms_queue.failing = True
    with pytest.raises(StoreUnavailable):
        send(service, app, person, key="k2")
    with pytest.raises(StoreUnavailable):
        resend(service, app, id, key="k3", at=30)
    service.sms_queue.failing = False
    assert len(bubbles(service, person)) == 1
    assert state(service, app, id, at=30).resend_after.timestamp() == service.now_ms // 1000 + 30
    resend(service, app, id, key="k3", at=30)
    for number in range(3):  # what failed is not counted against the recipient: five in all
        send(service, app, person, key=f"more{number}", at=31)
    assert len(bubbles(service, person)) == 5


# Functions that end in the middle


@pytest.mark.parametrize("known", [True, False])
def test_a_crash_between_queue_and_database_leaves_an_sms_that_is_dropped(
    service: Service, app: AppKeys, person: Person, known: bool
) -> None:
    deps = ending(service, "transact_write_items")
    with pytest.raises(Crashed):
        send(service, app, person if known else new_phone(), deps=deps)
    assert work_off(service, at=8) == ["not yet"]
    assert work_off(service, at=120) == ["not yet"]
    assert work_off(service, at=121) == ["orphan"]
    assert service.sms.texts == []
    assert service.stored(person) == []


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("order", [1, -1])
def test_an_orphans_code_is_never_sent_for_the_code_of_the_repeated_request(
    service: Service, app: AppKeys, person: Person, known: bool, order: int
) -> None:
    to = person if known else new_phone()
    deps = ending(service, "transact_write_items")
    with pytest.raises(Crashed):
        send(service, app, to, key="k", deps=deps)
    id = send(service, app, to, key="k").id
    service.sms_queue.sent[:] = service.sms_queue.sent[::order]
    assert sorted(work_off(service, at=9)) == ["no_longer_needed", "sent"]
    assert check(service, app, id, sms_codes(service)[0], at=10) == ("approved", 2)


def test_the_sms_of_a_resend_waits_until_the_resend_is_stored(service: Service, app: AppKeys) -> None:
    id = send(service, app, new_phone()).id
    work_off(service, at=1)
    with pytest.raises(Crashed):
        resend(service, app, id, at=30, key="r", deps=ending(service, "transact_write_items"))
    assert work_off(service, at=31, queued_at=30) == ["not yet"]
    assert work_off(service, at=151, queued_at=30) == ["orphan"]


def test_an_orphan_of_a_resend_is_never_sent_for_the_code_of_the_next_one(service: Service, app: AppKeys) -> None:
    id = send(service, app, new_phone()).id
    work_off(service, at=1)
    deps = ending(service, "transact_write_items")
    with pytest.raises(Crashed):
        resend(service, app, id, at=30, deps=deps)
    resend(service, app, id, at=32)
    assert work_off(service, at=33) == ["no_longer_needed", "sent"]
    assert check(service, app, id, sms_codes(service)[-1], at=34) == ("approved", 2)


@pytest.mark.parametrize("known", [True, False])
def test_a_crash_after_the_database_has_it_is_a_code_that_was_sent(
    service: Service, app: AppKeys, person: Person, known: bool
) -> None:
    to = person if known else new_phone()
    deps = ending(service, "transact_write_items", after=True)
    with pytest.raises(Crashed):
        send(service, app, to, key="k", deps=deps)
    id = send(service, app, to, key="k").id
    assert len(bubbles(service, person)) == known
    assert work_off(service, at=8) == ["sent"]
    assert check(service, app, id, sms_codes(service)[0], at=9) == ("approved", 2)


def test_a_crash_between_counting_and_consuming_costs_no_second_attempt(
    service: Service, app: AppKeys, person: Person
) -> None:
    id = send(service, app, person).id
    code = code_for(service, person)
    check(service, app, id, other(code))
    check(service, app, id, other(code))
    deps = ending(service, "transact_write_items")
    with pytest.raises(Crashed):
        check(service, app, id, code, key="r", deps=deps)
    assert state(service, app, id).attempts_left == 0
    assert check(service, app, id, code, key="another") == ("locked", 0)
    assert check(service, app, id, code, key="r") == ("approved", 0)
    assert check(service, app, id, code, key="r") == ("approved", 0)
    assert [bubble["void"] for bubble in bubbles(service, person)] == ["used"]


def test_of_two_right_codes_counted_before_either_is_consumed_one_is_approved(
    service: Service, app: AppKeys, person: Person
) -> None:
    id = send(service, app, person).id
    code = code_for(service, person)
    for key in ("one", "two"):
        deps = ending(service, "transact_write_items")
        with pytest.raises(Crashed):
            check(service, app, id, code, key=key, deps=deps)
    assert check(service, app, id, code, key="two") == ("approved", 1)
    assert check(service, app, id, code, key="one")[0] == "used"


def test_a_check_that_was_counted_while_another_consumed_is_not_approved_too(
    service: Service, app: AppKeys, person: Person
) -> None:
    """The second function uses the code between the first one's count and its own transaction."""
    id = send(service, app, person).id
    code = code_for(service, person)

    client = OvertakenClient(service.client, "transact_write_items", lambda: check(service, app, id, code, key="fast"))
    assert check(service, app, id, code, key="slow", deps=service.otp_deps(client))[0] == "used"
    assert len(service.stored(person)) == 2


def test_a_code_that_was_replaced_between_count_and_use_is_incorrect_and_stays_so_when_repeated(
    service: Service, app: AppKeys, person: Person
) -> None:
    id = send(service, app, person).id
    code = code_for(service, person)
    client = OvertakenClient(service.client, "transact_write_items", lambda: resend(service, app, id, at=30))
    first = check(service, app, id, code, key="k", at=30, deps=service.otp_deps(client))
    assert first == ("incorrect", 2)
    assert check(service, app, id, code, key="k", at=31) == first
    assert check(service, app, id, code_for(service, person), at=31) == ("approved", 2)


def test_a_resend_that_another_one_overtook_makes_no_code(service: Service, app: AppKeys, person: Person) -> None:
    id = send(service, app, person).id
    client = OvertakenClient(
        service.client, "transact_write_items", lambda: resend(service, app, id, at=30, key="fast")
    )
    deps = service.otp_deps(client)
    with pytest.raises(ProtocolError) as caught:
        resend(service, app, id, at=30, key="slow", deps=deps)
    assert caught.value.code is ErrorCode.RESEND_TOO_SOON
    assert len(bubbles(service, person)) == 2
    assert check(service, app, id, code_for(service, person), at=31) == ("approved", 2)


def test_a_crash_after_counting_a_wrong_code_costs_no_second_attempt(
    service: Service, app: AppKeys, person: Person
) -> None:
    id = send(service, app, person).id
    wrong = other(code_for(service, person))
    deps = ending(service, "update_item", after=True)
    with pytest.raises(Crashed):
        check(service, app, id, wrong, key="w", deps=deps)
    assert check(service, app, id, wrong, key="w") == ("incorrect", 2)
    assert check(service, app, id, wrong, key="w2") == ("incorrect", 1)


def test_a_crash_after_consuming_is_answered_as_approved_when_repeated(
    service: Service, app: AppKeys, person: Person
) -> None:
    id = send(service, app, person).id
    code = code_for(service, person)
    deps = ending(service, "transact_write_items", after=True)
    with pytest.raises(Crashed):
        check(service, app, id, code, key="r", deps=deps)
    assert check(service, app, id, code, key="another") == ("used", 2)
    assert check(service, app, id, code, key="r") == ("approved", 2)


def test_what_was_counted_but_not_consumed_is_not_approved_once_it_has_ended(
    service: Service, app: AppKeys, person: Person
) -> None:
    expected = {"expired": "expired", "replaced": "incorrect", "cancelled": "cancelled"}
    for how, result in expected.items():
        id = send(service, app, person).id
        code = code_for(service, person)
        deps = ending(service, "transact_write_items")
        with pytest.raises(Crashed):
            check(service, app, id, code, key="r", deps=deps)
        if how == "replaced":
            resend(service, app, id, at=30)
        if how == "cancelled":
            cancel(service, app, id)
        assert check(service, app, id, code, key="r", at=300 if how == "expired" else 31)[0] == result
        if how != "cancelled":
            cancel(service, app, id)


# The same request several times concurrently


@pytest.mark.parametrize("known", [True, False])
def test_one_request_repeated_in_parallel_sends_one_code_in_the_app_and_the_same_by_sms(
    service: Service, app: AppKeys, person: Person, known: bool
) -> None:
    to = person if known else new_phone()
    id = _one_answer(lambda: send(service, app, to, key="k").model_dump_json(), lambda: send(service, app, to, key="k"))
    outcomes = work_off(service, at=8)
    assert outcomes.count("sent") == 1
    assert set(outcomes) <= {"sent", "no_longer_needed"}
    if known:
        assert sms_codes(service) == [code_for(service, person)]
    assert check(service, app, id, sms_codes(service)[0], at=9) == ("approved", 2)


def _one_answer(call: Callable[[], str], again: Callable[[], Any]) -> str:
    """Return the id in the only answer that eight callers get."""
    with ThreadPoolExecutor(8) as pool:
        answers = {future.result() for future in [pool.submit(call) for _ in range(8)]}
    assert len(answers) == 1
    return str(again().id)


def test_parallel_resends_send_the_code_that_counts_by_sms(service: Service, app: AppKeys) -> None:
    id = send(service, app, new_phone()).id
    work_off(service, at=1)

    def again(number: int) -> str:
        try:
            return resend(service, app, id, at=30, key=f"again{number}").status
        except ProtocolError as refused:
            return refused.code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(again, range(6))) == ["pending"] + ["resend_too_soon"] * 5
    assert work_off(service, at=31).count("sent") == 1
    assert check(service, app, id, sms_codes(service)[-1], at=32) == ("approved", 2)


# SMS and sockets in another order


def test_an_sms_that_cannot_be_handed_over_is_tried_again(service: Service, app: AppKeys, person: Person) -> None:
    send(service, app, person)
    service.sms.failing = True
    with pytest.raises(ProtocolError):
        work_off(service, at=8)
    service.sms.failing = False
    assert work_off(service, at=38, again=True) == ["sent"]
    assert work_off(service, at=39) == ["sent_before"]
    assert sms_codes(service) == [code_for(service, person)]


def test_a_crash_between_the_sms_and_the_note_of_it_sends_it_again_rather_than_not_at_all(
    service: Service, app: AppKeys, person: Person
) -> None:
    send(service, app, person)
    with pytest.raises(Crashed):
        work_off(service, at=8, deps=service.sms_deps(CrashingClient(service.client, "update_item")))
    assert work_off(service, at=38) == ["sent"]
    assert sms_codes(service) == [code_for(service, person)] * 2


def test_a_code_that_could_not_be_pushed_waits_in_the_inbox_and_goes_out_by_sms(
    service: Service, app: AppKeys, person: Person
) -> None:
    socket = service.online(person)
    service.gateway.failing.add(socket)
    id = send(service, app, person).id
    assert service.gateway.received[socket] == []
    assert work_off(service, at=8) == ["sent"]
    assert sms_codes(service) == [code_for(service, person)]
    assert check(service, app, id, code_for(service, person), at=9) == ("approved", 2)
    assert [bubble["void"] for bubble in bubbles(service, person)] == ["used"]


def test_a_socket_that_is_gone_is_forgotten_and_the_code_waits(service: Service, app: AppKeys, person: Person) -> None:
    socket = service.online(person)
    service.gateway.open.discard(socket)
    send(service, app, person)
    assert service.connection(person) is None
    assert len(bubbles(service, person)) == 1


def test_what_fails_after_the_code_is_stored_is_repeated_without_a_second_code(
    service: Service, app: AppKeys, person: Person
) -> None:
    """Routing is read again for a device that was not reached, and that read may be throttled."""
    client = FlakyClient(service.client, {"get_item": 1})
    with pytest.raises(ClientError):
        send(service, app, person, key="k", deps=service.otp_deps(client))
    id = send(service, app, person, key="k").id
    assert len(bubbles(service, person)) == 1
    code = code_for(service, person)
    client.failures["get_item"] = 1
    with pytest.raises(ClientError):
        check(service, app, id, code, key="r", deps=service.otp_deps(client))
    assert check(service, app, id, code, key="r") == ("approved", 2)


def test_codes_and_voids_are_pushed_to_live_sockets_old_one_first(
    service: Service, app: AppKeys, person: Person
) -> None:
    socket = service.online(person)
    id = send(service, app, person).id
    resend(service, app, id, at=30)
    posted = service.gateway.envelope_ids(socket)
    assert len(posted) == len(set(posted)) == 3
    by_id = {message.id: person.keys[0].open(message).kind.name for message in service.stored(person)}
    kinds = [by_id[EnvelopeId(id)] for id in map(parse_base64url, posted)]
    assert kinds == ["OTP", "CONTROL", "OTP"]
