"""Tests batches from file to counts: every row is sent exactly once, whatever is interrupted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sandes.apps import batch_send, batches
from sandes.model.instant import Instant
from sandes.protocol import app_api
from sandes.protocol.errors import ProtocolError
from tests.support.batches import BUCKET, BatchApp, Crash, Crashing, batch_backend, new_app
from tests.support.cursors import edited
from tests.support.forms import policy_of
from tests.support.interleaving import Side, Stepped, run_interleaved
from tests.support.service import PEPPER, Person, Service, new_phone


@pytest.fixture
def app(backend: tuple[Service, Any]) -> BatchApp:
    return new_app(*backend)


@pytest.fixture
def people(backend: tuple[Service, Any]) -> list[Person]:
    service, _ = backend
    return [service.person(devices) for devices in (1, 2, 1, 1, 1)]


def inline(people: list[Person], **more: Any) -> list[dict[str, Any]]:
    return [{"to": {"phone": person.phone}, "client_ref": f"r{at}"} | more for at, person in enumerate(people)]


def csv_of(*rows: str, header: str = "phone,name,sum,client_ref") -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def got(app: BatchApp, person: Person, id: str) -> list[int]:
    """Return how many envelopes of the batch wait for each device."""
    ids = {row["s"]["S"].replace("-", "") for row in app.messages_of(id)}
    return [
        sum(envelope.id[:16].hex() in ids for envelope in app.service.stored(person, index))
        for index in range(len(person.devices))
    ]


def refused(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ProtocolError) as error:
        call(*args, **kwargs)
    return str(error.value.code)


# From rows to counts


def test_inline_rows_reach_every_device_and_are_counted(app: BatchApp, people: list[Person]) -> None:
    sockets = [app.service.online(people[0])]
    rows = [*inline(people), {"to": {"phone": new_phone()}, "client_ref": "nobody"}]
    made = app.create(body="Water is off tomorrow.", rows=rows, client_ref="water")
    assert (made.state, made.upload, made.client_ref) == ("checking", None, "water")
    app.work_all()
    done = app.state(made.id)
    assert (done.state, done.rows, done.valid, done.invalid) == ("completed", 6, 6, 0)
    assert (done.done, done.sent, done.failed) == (6, 5, 1)
    assert done.finished_at is not None
    assert [got(app, person, made.id) for person in people] == [[1], [1, 1], [1], [1], [1]]
    results = app.results(made.id, limit=4)
    assert [(result.row, result.client_ref, result.status) for result in results] == [
        *((at + 1, f"r{at}", "accepted") for at in range(5)),
        (6, "nobody", "failed"),
    ]
    assert results[5].code == "unknown_recipient"
    assert len(app.service.gateway.envelope_ids(sockets[0])) == 1
    assert [row["z"]["N"] for row in app.messages_of(made.id) if row["c"]["S"] == "r0"] == ["3"]  # sent


def test_the_end_of_a_batch_is_an_event_with_its_counts_and_no_content(app: BatchApp, people: list[Person]) -> None:
    made = app.create(body="Canary text.", rows=inline(people[:2]), client_ref="mine")
    app.work_all()
    (event,) = app.events("batch.completed")
    assert event == {
        "id": made.id,
        "state": "completed",
        "rows": 2,
        "valid": 2,
        "invalid": 0,
        "sent": 2,
        "failed": 0,
        "client_ref": "mine",
    }
    told = [entry for entry, _ in app.webhooks.sent]
    assert len(told) == 1


def test_a_file_is_checked_and_its_good_rows_sent_though_others_are_bad(app: BatchApp, people: list[Person]) -> None:
    ok, twice = people[0].phone, people[1].phone
    id = app.upload(
        csv_of(
            f"{ok},Asha,₹10,a",
            "98123,Ravi,1,b",
            f"{twice},Dev,2,c",
            f"{twice},Dev,2,c",
            f"{twice},Dev,2,other-ref",
            f"{people[2].phone},Ela",
            f"{people[3].phone},{'x' * 501},1,d",
        )
    )
    app.commit(id)
    app.work_all()
    done = app.state(id)
    assert (done.state, done.rows, done.valid, done.invalid, done.sent) == ("completed", 7, 3, 4, 3)
    assert [(fault.row, fault.field, fault.code) for fault in done.faults] == [
        (2, "to/phone", "invalid_phone"),
        (4, "to", "duplicate"),
        (6, "row", "ragged"),
        (7, "variables/name", "too_long"),
    ]
    assert [(result.row, result.status, result.code) for result in app.results(id, limit=3)] == [
        (1, "accepted", None),
        (2, "invalid", "invalid_phone"),
        (3, "accepted", None),
        (4, "invalid", "duplicate"),
        (5, "accepted", None),
        (6, "invalid", "ragged"),
        (7, "invalid", "too_long"),
    ]
    assert got(app, people[1], id) == [2, 2]


def test_a_number_that_a_spreadsheet_has_rounded_is_explained(app: BatchApp, people: list[Person]) -> None:
    id = app.upload(csv_of("9.1982E+11,Ravi,1,a", f"{people[0].phone},Asha,2,b", "98123xxxxx,Ela,3,c"))
    app.commit(id)
    app.work_all()
    first, second = app.state(id).faults
    assert (first.row, first.code, "rounded this number" in first.message) == (1, "invalid_phone", True)
    assert (second.row, second.code, "rounded" in second.message) == (3, "invalid_phone", False)


def test_ndjson_rows_name_accounts_too_and_faults_of_variables_are_told(app: BatchApp, people: list[Person]) -> None:
    from sandes.model.ids import account_text

    rows: list[Any] = [
        {"to": {"account": account_text(people[0].account)}, "variables": {"name": "A", "sum": "1"}},
        {"to": {"phone": people[1].phone}, "variables": {"name": "A"}},
        {"to": {"phone": people[1].phone}, "variables": {"name": "A", "sum": "1", "more": "x"}},
    ]
    id = app.upload("\n".join(map(json.dumps, rows)).encode(), kind="ndjson")
    app.commit(id)
    app.work_all()
    done = app.state(id)
    assert (done.valid, done.invalid, done.sent) == (1, 2, 1)
    assert [(fault.row, fault.field, fault.code) for fault in done.faults] == [
        (2, "variables/sum", "missing"),
        (3, "variables/more", "unknown"),
    ]
    assert got(app, people[0], id) == [1]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"phone;name;sum\n+919812345678;a;1\n", "wrong_delimiter"),
        ("phone,name,sum\n+919812345678,é,1\n".encode("latin-1"), "encoding"),
        ("phone,name,sum\n+919812345678,a,1\n".encode("utf-16"), "encoding"),
        (b'phone,name,sum\n+919812345678,"a,1\n', "bad_quoting"),
        (b"phone,name\n+919812345678,a\n", "missing_column"),
        (b"phone,name,sum\n" + b"+91981234567,a,1\n" * 12, "too_many_faults"),
        (b"", "no_header"),
    ],
)
def test_a_file_that_cannot_be_used_fails_the_batch_with_the_reason(
    app: BatchApp, content: bytes, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandes.apps.batch_check.MAX_FAULTY_ROWS", 10)
    id = app.upload(content)
    app.commit(id)
    app.work_all()
    failed = app.state(id)
    assert (failed.state, failed.failure) == ("failed", "upload_invalid")
    assert (failed.faults[0].row, failed.faults[0].code) == (0, code)
    assert failed.invalid <= 11
    assert app.messages_of(id) == []
    assert [event["state"] for event in app.events("batch.completed")] == ["failed"]
    assert app.files() == []


def test_a_dry_run_sends_nothing_and_a_second_commit_sends(app: BatchApp, people: list[Person]) -> None:
    id = app.upload(csv_of(f"{people[0].phone},A,1,x", "+91,B,2,y"))
    assert app.commit(id, dry_run=True).state == "checking"
    app.work_all()
    checked = app.state(id)
    assert (checked.state, checked.valid, checked.invalid, checked.sent) == ("checked", 1, 1, 0)
    assert app.messages_of(id) == []
    assert app.deps().apps.quotas.usage(app.app, test=False, now_seconds=app.now_ms // 1000)[1].used == 0
    assert refused(app.commit, id, dry_run=True) == "batch_state"
    assert app.commit(id).state == "sending"
    app.work_all()
    assert (app.state(id).state, app.state(id).sent) == ("completed", 1)


def test_a_file_without_a_good_row_is_completed_with_nothing_sent(app: BatchApp) -> None:
    id = app.upload(csv_of("+91,A,1,x"))
    app.commit(id)
    app.work_all()
    assert (app.state(id).state, app.state(id).invalid, app.state(id).sent) == ("completed", 1, 0)


def test_a_test_key_reaches_magic_recipients_and_guests_and_nobody_else(
    backend: tuple[Service, Any], people: list[Person]
) -> None:
    guest = people[0].phone
    app = new_app(*backend, test=True, guests=frozenset({PEPPER.index("phone", guest)}))
    rows = [{"to": {"phone": f"+99000000000{n}"}} for n in (1, 3, 5)]
    made = app.create(body="x", rows=[*rows, {"to": {"phone": guest}}, {"to": {"phone": people[1].phone}}])
    app.work_all()
    assert [(result.status, result.code) for result in app.results(made.id)] == [
        ("accepted", None),
        ("failed", "unknown_recipient"),
        ("failed", "internal"),
        ("accepted", None),
        ("invalid", "not_a_guest"),
    ]
    assert len(app.events("message.failed", test=True)) == 2
    assert app.events("message.failed") == []


# Exactly once


def whole_life(app: BatchApp, people: list[Person], crashing: Crashing, key: str) -> str:
    """Create, check and send a batch. The function ends at the call that `crashing` names, and its work comes again."""
    rows = [*inline(people), {"to": {"phone": "+919811111111"}, "client_ref": "nobody"}, {"to": {"phone": "12"}}]
    deps = app.deps(crashing)
    made = None
    while made is None:
        try:
            made = app.create(template="bill", rows=with_variables(rows), key=key, deps=deps)
        except Crash:
            deps = app.deps(crashing)
    for _ in range(200):
        if not app.queue.sent:
            break
        try:
            app.work_one(deps)
        except Crash:
            deps = app.deps(crashing)  # the next environment
    return made.id


def with_variables(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"variables": {"name": "Asha", "sum": "10"}} for row in rows]


@pytest.mark.timeout(900)  # a hundred lives of a batch: a minute of a free processor
@pytest.mark.parametrize("after", [False, True], ids=["before_the_call", "after_the_call"])
def test_a_crash_at_any_call_neither_skips_nor_doubles_a_row(after: bool) -> None:
    at, reached = 0, True
    while reached:
        at += 1
        with batch_backend() as (service, s3):
            people = [service.person(1), service.person(2)]
            sockets = [service.online(person) for person in people]
            app = new_app(service, s3, per_minute=10)  # chunks of two rows
            crashing = Crashing(at, after)
            id = whole_life(app, people, crashing, f"crash-{at}")
            reached = crashing.calls >= at
            where = f"call {at}"
            assert not app.queue.sent, where
            done = app.state(id)
            assert (done.state, done.rows, done.valid, done.invalid) == ("completed", 4, 3, 1), where
            assert (done.done, done.sent, done.failed) == (3, 2, 1), where
            assert [got(app, person, id) for person in people] == [[1], [1, 1]], where
            refs = Counter(row["c"]["S"] for row in app.messages_of(id))
            assert refs == Counter(["r0", "r1", "nobody"]), where
            assert len(app.events("batch.completed")) == 1, where
            assert len(app.events("message.failed")) == 1, where
            assert all(service.gateway.envelope_ids(socket) for socket in sockets), f"not pushed: {where}"
            assert app.deps().apps.quotas.usage(app.app, test=False, now_seconds=app.now_ms // 1000)[1].used == 3, where
    assert at > 35, "the life of a batch has more calls than that"


def sending(app: BatchApp, people: list[Person]) -> tuple[str, list[dict[str, Any]]]:
    """Return the id of a batch whose chunks are queued, and their entries taken from the queue."""
    made = app.create(body="x", rows=inline(people))
    app.work_one()
    entries = [entry for entry, _ in app.queue.sent if "chunk" in entry]
    app.queue.sent.clear()
    return made.id, entries


def test_a_chunk_run_twice_is_sent_and_counted_once(app: BatchApp, people: list[Person]) -> None:
    id, (chunk,) = sending(app, people)
    outcomes = [batch_send.run_chunk(chunk, now=Instant(app.now_ms), deps=app.deps()) for _ in range(2)]
    assert outcomes == ["sending", "counted_before"]
    assert (app.state(id).done, app.state(id).sent) == (5, 5)
    assert [got(app, person, id) for person in people] == [[1], [1, 1], [1], [1], [1]]
    assert len(app.events("batch.completed")) == 1


def worker(app: BatchApp, name: str, entry: dict[str, Any]) -> tuple[Side, Callable[[], object]]:
    """Return a function that processes an entry call by call."""
    side = Side(name)
    deps = app.deps(lambda target: Stepped(target, side))
    return side, lambda: batch_send.work(entry, now=Instant(app.now_ms), deps=deps)


def test_two_workers_at_once_send_and_count_a_chunk_once(backend: tuple[Service, Any], people: list[Person]) -> None:
    for shift in range(0, 14, 2):
        app = new_app(*backend)
        id, (chunk,) = sending(app, people[:2])
        left, right = worker(app, "left", chunk), worker(app, "right", chunk)
        run_interleaved(left, right, [True] * shift + [False] * shift + [True, False] * 8)
        assert (app.state(id).done, app.state(id).sent, app.state(id).state) == (2, 2, "completed"), shift
        assert [got(app, person, id) for person in people[:2]] == [[1], [1, 1]], shift
        assert len(app.events("batch.completed")) == 1, shift


def test_two_checks_at_once_end_in_one_sending(app: BatchApp, people: list[Person]) -> None:
    made = app.create(body="x", rows=inline(people))
    entry = app.queue.sent[0][0]
    run_interleaved(worker(app, "left", entry), worker(app, "right", entry), [True, False] * 10)
    app.work_all()
    assert (app.state(made.id).state, app.state(made.id).sent) == ("completed", 5)
    assert [got(app, person, made.id) for person in people] == [[1], [1, 1], [1], [1], [1]]
    assert app.deps().apps.quotas.usage(app.app, test=False, now_seconds=app.now_ms // 1000)[1].used == 5


# Cancelling


def test_of_a_cancelled_batch_the_rows_not_yet_sent_are_not_sent(
    backend: tuple[Service, Any], people: list[Person]
) -> None:
    app = new_app(*backend, per_minute=10)
    made = app.create(body="x", rows=inline(people))
    app.work_one()
    app.work_one()  # the first chunk, of two rows
    app.cancel(made.id)
    app.cancel(made.id)
    app.work_all()
    state = app.state(made.id)
    assert (state.state, state.done, state.sent) == ("cancelled", 2, 2)
    assert [got(app, person, made.id) for person in people] == [[1], [1, 1], [0], [0], [0]]
    assert [result.row for result in app.results(made.id)] == [1, 2]
    assert refused(app.commit, made.id) == "batch_state"
    assert app.events("batch.completed") == []


def test_what_a_crashed_chunk_had_sent_is_counted_though_the_batch_was_cancelled(
    backend: tuple[Service, Any], people: list[Person]
) -> None:
    app = new_app(*backend)
    id, (chunk,) = sending(app, people)

    at = 0
    while not app.messages_of(id):  # until the transaction with the rows, whose answer is lost
        at += 1
        with pytest.raises(Crash):
            batch_send.run_chunk(chunk, now=Instant(app.now_ms), deps=app.deps(Crashing(at, after=True)))
    assert app.state(id).done == 0
    app.cancel(id)
    batch_send.run_chunk(chunk, now=Instant(app.now_ms), deps=app.deps())
    assert (app.state(id).state, app.state(id).done, app.state(id).sent) == ("cancelled", 5, 5)


def test_a_batch_cancelled_before_its_rows_are_checked_sends_nothing(app: BatchApp, people: list[Person]) -> None:
    made = app.create(body="x", rows=inline(people))
    app.cancel(made.id)
    app.work_all()
    assert (app.state(made.id).state, app.messages_of(made.id), app.files()) == ("cancelled", [], [])


def test_a_completed_batch_cannot_be_cancelled(app: BatchApp, people: list[Person]) -> None:
    made = app.create(body="x", rows=inline(people[:1]))
    app.work_all()
    assert refused(app.cancel, made.id) == "batch_state"


# Quotas


def test_a_batch_is_paced_by_the_minute_and_leaves_a_fifth_of_it_to_codes(
    backend: tuple[Service, Any], people: list[Person]
) -> None:
    app = new_app(*backend, per_minute=5)
    made = app.create(body="x", rows=inline(people))
    app.work_one()
    first, later = [entry for entry, delay in app.queue.sent if not delay], app.queue.sent[-1]
    assert len(first) == 4
    assert (later[0]["next"], later[1]) == (4, 60)
    app.queue.sent = [(entry, 0) for entry in first]
    deps = app.deps()
    assert [app.work_one(deps) for _ in range(4)] == ["sending"] * 4
    app.queue.sent = [later]
    app.work_one(deps)
    assert app.work_one(deps) == "paced"
    assert app.state(made.id).sent == 4
    assert 0 < app.queue.sent[0][1] <= 70
    deps.apps.quotas.take(app.app, 1, test=False, now_seconds=app.now_ms // 1000)  # a code goes out meanwhile
    app.service.now_ms += 60_000
    try:
        app.work_all()
        assert (app.state(made.id).state, app.state(made.id).sent) == ("completed", 5)
    finally:
        app.service.now_ms -= 60_000


def test_a_batch_that_does_not_fit_into_the_day_fails_as_a_whole(
    backend: tuple[Service, Any], people: list[Person]
) -> None:
    app = new_app(*backend, per_day=4)
    made = app.create(body="x", rows=inline(people))
    app.work_all()
    assert (app.state(made.id).state, app.state(made.id).failure) == ("failed", "quota_exceeded")
    assert app.messages_of(made.id) == []
    id = app.upload(csv_of(*(f"{person.phone},a,1," for person in people)))
    app.commit(id, dry_run=True)
    app.work_all()
    assert refused(app.commit, id) == "quota_exceeded"
    assert app.state(id).state == "checked"
    app.change(per_day=5)
    app.queue.sent.clear()  # what the refused commit had queued: dropped after a while
    app.commit(id)
    app.work_all()
    assert (app.state(id).state, app.state(id).sent) == ("completed", 5)


def test_rows_whose_turn_comes_after_the_end_of_the_message_fail_as_expired(
    app: BatchApp, people: list[Person]
) -> None:
    from datetime import UTC, datetime

    soon = datetime.fromtimestamp(app.now_ms // 1000 + 120, UTC).isoformat()
    made = app.create(body="x", rows=inline(people[:1]), expires_at=soon)
    app.work_one()
    app.service.now_ms += 300_000
    try:
        app.work_all()
        assert [(result.status, result.code) for result in app.results(made.id)] == [("failed", "expired")]
        assert got(app, people[0], made.id) == [0]
    finally:
        app.service.now_ms -= 300_000


# Requests


def test_a_repeated_request_makes_no_second_batch_and_another_body_is_refused(
    app: BatchApp, people: list[Person]
) -> None:
    rows = inline(people[:1])
    first, again = (app.create(body="x", rows=rows, key="same") for _ in range(2))
    assert first.id == again.id
    assert refused(app.create, body="y", rows=rows, key="same") == "idempotency_mismatch"
    app.work_all()
    assert got(app, people[0], first.id) == [1]
    assert app.create(body="x", rows=rows, key="same").state == "completed"


def test_a_repeated_commit_is_answered_and_another_body_is_refused(app: BatchApp, people: list[Person]) -> None:
    id = app.upload(csv_of(f"{people[0].phone},A,1,"))
    for _ in range(2):
        assert app.commit(id, key="go").state == "checking"
    assert refused(app.commit, id, key="go", dry_run=True) == "idempotency_mismatch"
    assert refused(app.commit, id, key="another") == "batch_state"
    app.work_all()
    assert app.commit(id, key="go").state == "completed"
    assert got(app, people[0], id) == [1]


def test_a_commit_needs_the_file_and_takes_only_as_much_as_is_allowed(
    app: BatchApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = app.create(template="bill", upload="csv")
    assert made.upload is not None
    assert made.upload.fields["Content-Type"] == "text/csv"
    assert ["content-length-range", 0, app_api.MAX_UPLOAD_BYTES] in policy_of(made.upload.fields)
    assert refused(app.commit, made.id) == "upload_missing"
    id = app.upload(b"x" * 101)
    monkeypatch.setattr("sandes.apps.batches.app_api.MAX_UPLOAD_BYTES", 100)
    assert refused(app.commit, id) == "upload_invalid"
    assert app.state(id).state == "open"


def test_the_file_that_was_committed_is_the_one_that_is_sent(app: BatchApp, people: list[Person]) -> None:
    id = app.upload(csv_of(f"{people[0].phone},A,1,"))
    app.commit(id)
    (name,) = app.files()
    app.s3.put_object(Bucket=BUCKET, Key=name, Body=csv_of(f"{people[1].phone},A,1,"))
    app.work_all()
    failed = app.state(id)
    assert (failed.state, failed.failure, failed.faults[0].code) == ("failed", "upload_invalid", "changed")


def test_a_batch_is_another_apps_business(app: BatchApp, backend: tuple[Service, Any], people: list[Person]) -> None:
    made = app.create(body="x", rows=inline(people[:1]))
    other = new_app(*backend)
    for call in (other.state, other.cancel, other.page, other.commit):
        assert refused(call, made.id) == "not_found"
    app.work_all()
    rows = app.page(made.id, limit=1)
    assert rows.cursor is None
    second = app.create(body="x", rows=inline(people))
    app.work_all()
    cursor = app.page(second.id, limit=1).cursor
    assert cursor is not None
    assert refused(app.page, made.id, after=cursor) == "invalid_cursor"
    assert refused(app.page, second.id, after=edited(cursor)) == "invalid_cursor"


def test_a_template_must_be_one_for_messages(app: BatchApp) -> None:
    assert refused(app.create, template="nothing", upload="csv") == "unknown_template"
    assert refused(app.create, template="bill", version=7, upload="csv") == "unknown_template"
    assert refused(app.create, body="x", upload="csv", expires_at="2020-01-01T00:00:00Z") == "invalid_request"


# What lies about


def test_nothing_readable_is_kept_and_files_go_once_they_are_of_no_use(app: BatchApp, people: list[Person]) -> None:
    app.create(template="bill", rows=with_variables(inline(people)))
    secrets = [people[0].phone[3:], "Asha"]

    def lies_about(secret: str) -> bool:
        stored = [app.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in app.files()]
        rows = repr(app.everything()) + repr(app.queue.sent)
        return secret in rows or any(secret.encode() in content for content in stored)

    assert not any(lies_about(secret) for secret in secrets)
    app.work_one()
    assert [name.split("/")[0] for name in app.files()] == ["rows"]
    assert not any(lies_about(secret) for secret in secrets)
    app.work_all()
    assert app.files() == []
    assert not any(lies_about(secret) for secret in secrets)


def test_work_for_a_batch_that_never_came_to_be_is_dropped(app: BatchApp, people: list[Person]) -> None:
    crashing = Crashing()
    whole = app.create(body="x", rows=inline(people[:1]), deps=app.deps(crashing))
    before_put = crashing.calls
    app.work_all()
    with pytest.raises(Crash):
        app.create(body="y", rows=inline(people[:1]), deps=app.deps(Crashing(before_put)))
    assert app.work_one() == "not_yet"
    app.service.now_ms += 180_000
    try:
        assert app.work_one() == "orphan"
        assert not app.queue.sent
    finally:
        app.service.now_ms -= 180_000
    assert whole.id


def test_cells_that_a_spreadsheet_would_take_for_formulas_are_defused(app: BatchApp, people: list[Person]) -> None:
    refs = ["=1+1", "+1", "-1", "@x", "\tx", 'a,"b"\n', "plain"]
    rows = [{"to": {"phone": people[0].phone}, "client_ref": ref} for ref in refs]
    made = app.create(body="x", rows=rows)
    app.work_all()
    text = batches.results_csv(app.page(made.id))
    import csv
    import io

    header, *cells = csv.reader(io.StringIO(text))
    assert header == ["row", "client_ref", "message", "status", "code"]
    assert [row[1] for row in cells] == ["'=1+1", "'+1", "'-1", "'@x", "'\tx", 'a,"b"\n', "plain"]


def test_a_large_batch_goes_out_in_chunks_of_a_hundred(app: BatchApp) -> None:
    rows = [{"to": {"phone": f"+9198{number:08}"}} for number in range(10_000_000, 10_000_250)]
    made = app.create(body="x", rows=rows)
    app.work_one()
    assert [entry["rows"] for entry, _ in app.queue.sent] == [100, 100, 50]
    app.work_all()
    assert (app.state(made.id).state, app.state(made.id).failed) == ("completed", 250)
    assert [result.row for result in app.results(made.id)] == list(range(1, 251))
