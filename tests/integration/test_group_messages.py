"""Tests messages of apps to their groups in process: who gets them, once, whatever is interrupted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cbor2
import pytest

from sandes.apps import app_groups, app_status, group_messages, messages
from sandes.apps.group_messages import GroupMessageDependencies
from sandes.apps.messages import AppsDependencies
from sandes.apps.quotas import Quotas
from sandes.crypto.fanout_keys import FanoutKeys
from sandes.crypto.seal import Kind
from sandes.groups.fanout import Fanout
from sandes.messaging.push import Push
from sandes.model.ids import GroupId, MessageId, account_text, id_text, message_text
from sandes.model.instant import Instant
from sandes.protocol import app_api
from sandes.protocol.errors import ProtocolError
from sandes.store.directory import DirectoryStore
from sandes.store.fanouts import FanoutStore
from sandes.store.groups import GroupStore
from sandes.store.inbox import InboxStore
from sandes.store.routing import RoutingStore
from tests.support.app_groups import AppGroups, Through, rows_of, untouched
from tests.support.batches import Crash, Crashing, batch_backend
from tests.support.dynamodb import OvertakenClient
from tests.support.keys import SERVICE_KEYS
from tests.support.queue import FakeQueue
from tests.support.service import AUDIENCE, MAX_EXPIRY_SECONDS, PEPPER, Person


class Posting(AppGroups):
    """Drives an app that also writes to its groups."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.fanouts = FakeQueue()

    def message_deps(self, through: Through = untouched) -> GroupMessageDependencies:
        client, tables = through(self.service.client), self.service.tables
        view, routing = self.service.app_view(client), RoutingStore(client, tables["routing"])
        inbox, push = InboxStore(client, tables["inbox"]), Push(routing, self.service.gateway)
        apps = AppsDependencies(
            view=view,
            inbox=inbox,
            quotas=Quotas(view.deliveries),
            push=push,
            webhook_queue=FakeQueue(),
            pepper=PEPPER,
            sender_hash=self.service.sender_hash,
            service_keys=SERVICE_KEYS,
            audience=AUDIENCE,
            max_expiry_seconds=MAX_EXPIRY_SECONDS,
        )
        fanout = Fanout(
            groups=GroupStore(client, tables["directory"]),
            routing=routing,
            inbox=inbox,
            store=FanoutStore(client, tables["deliveries"]),
            push=push,
            queue=through(self.fanouts),
            keys=FanoutKeys.of(b"f" * 32),
            sender_hash=self.service.sender_hash,
            service_keys=SERVICE_KEYS,
        )
        return GroupMessageDependencies(apps, DirectoryStore(client, tables["directory"]), fanout)

    def send(self, to: GroupId, *, key: str | None = None, deps: Any = None, **body: Any) -> app_api.MessageAccepted:
        text = json.dumps({"to": {"group": id_text(to)}, "body": "Relief camp opens at 8"} | body).encode()
        given = app_api.NewMessage.model_validate_json(text)
        request = self.keys.request("POST", "/v1/messages", text, key=key or "k", now_ms=self.now_ms)
        deps = deps or self.message_deps()
        return group_messages.create(request, given, to, now=Instant(self.now_ms), deps=deps)[0]

    def status(self, id: MessageId) -> app_api.Message:
        request = self.keys.request("GET", f"/v1/messages/{message_text(id)}", key=None, now_ms=self.now_ms)
        return group_messages.status(request, id, now=Instant(self.now_ms), deps=self.message_deps())

    def got(self, person: Person, index: int = 0) -> list[Any]:
        """Return what a device would show: kind, group and text of each envelope."""
        found = []
        for envelope in self.service.stored(person, index):
            content = person.keys[index].open(envelope)
            fields = cbor2.loads(content.body)
            found.append((content.kind, fields[1], cbor2.loads(fields[3])[1]))
        return found


@pytest.fixture
def app() -> Iterator[Posting]:
    with batch_backend() as (service, s3):
        yield Posting(service, s3, service.app())


def refused(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ProtocolError) as error:
        call(*args, **kwargs)
    return str(error.value.code)


def made(app: AppGroups, *people: Person, **body: Any) -> GroupId:
    id = app.create(**{"audience": "citizens"} | body).id
    app.roster(id, rows_of(*people))
    return id


def test_every_device_of_every_member_gets_the_message_and_nobody_else(app: Posting) -> None:
    one, two, other = app.service.person(2), app.service.person(), app.service.person()
    id = made(app, one, two)
    sent = app.send(id, client_ref="camp")
    expected = [(Kind.GROUP_MESSAGE, id, "Relief camp opens at 8")]
    assert [app.got(one), app.got(one, 1), app.got(two), app.got(other)] == [expected, expected, expected, []]
    shown = app.status(sent.id)
    assert (shown.status, shown.client_ref) == ("sent", "camp")
    assert shown.group is not None
    assert (shown.group.id, shown.group.members, shown.group.devices, shown.group.complete) == (id, 2, 3, True)


def test_the_same_request_again_is_one_message(app: Posting) -> None:
    person = app.service.person()
    id = made(app, person)
    sent = app.send(id, key="k-1")
    assert app.send(id, key="k-1") == sent
    assert refused(app.send, id, key="k-1", body="Another") == "idempotency_mismatch"
    assert len(app.got(person)) == 1


def test_a_message_is_posted_once_wherever_its_request_ends(app: Posting) -> None:
    people = [app.service.person() for _ in range(2)]
    id = made(app, *people)
    for at in range(1, 100):
        crashing = Crashing(at, after=bool(at % 2))
        deps = app.message_deps(crashing)
        try:
            app.send(id, key=f"k-{at}", deps=deps)
        except Crash:
            app.send(id, key=f"k-{at}")
        assert [len(app.got(person)) for person in people] == [at, at]
        if crashing.calls < at:
            break
    assert at > 8


def test_who_was_removed_gets_nothing_more(app: Posting) -> None:
    stays, goes = app.service.person(), app.service.person()
    id = made(app, stays, goes)
    app.send(id, key="k-1")
    app.roster(id, rows_of(stays))
    app.send(id, key="k-2")
    assert (len(app.got(stays)), len(app.got(goes))) == (2, 1)


def test_a_group_of_another_or_none_is_no_recipient(app: Posting) -> None:
    id = made(app, app.service.person())
    other = Posting(app.service, app.s3, app.service.app())
    test = Posting(app.service, app.s3, app.service.more_keys(app.keys, test=True))
    for stranger in (other, test):
        assert refused(stranger.send, id) == "not_permitted"
    app.dissolve(id)
    assert refused(app.send, id) == "not_permitted"


def test_both_scopes_are_needed(app: Posting) -> None:
    for scopes in (["msg"], ["group"]):
        assert refused(Posting(app.service, app.s3, app.service.app(scopes=scopes)).send, GroupId(bytes(8))) == (
            "scope_missing"
        )


def test_a_trial_app_writes_only_where_every_member_is_a_guest(app: Posting) -> None:
    guest, stranger = app.service.person(), app.service.person()
    trial = Posting(app.service, app.s3, app.service.app(guests=[guest.phone]))
    id = made(trial, guest, open=True)
    app.service.operate("app.terms", app=trial.keys.app, mode="trial")
    sent = trial.send(id, key="k-1")
    trial.groups.put(stranger, id, stranger)
    assert refused(trial.send, id, key="k-2") == "not_a_guest"
    assert trial.send(id, key="k-1") == sent
    assert len(trial.got(guest)) == 1
    shown = trial.status(sent.id).group
    assert shown is not None
    assert (shown.members, shown.devices, shown.complete) == (1, 1, True)


def test_who_comes_in_while_a_trial_app_writes_does_not_get_it(app: Posting) -> None:
    guest, stranger = app.service.person(), app.service.person()
    trial = Posting(app.service, app.s3, app.service.app(guests=[guest.phone]))
    id = made(trial, guest, open=True)
    app.service.operate("app.terms", app=trial.keys.app, mode="trial")
    deps = trial.message_deps(
        lambda target: OvertakenClient(target, "transact_write_items", lambda: trial.groups.put(stranger, id, stranger))
    )
    trial.send(id, deps=deps)
    assert stranger.account in trial.groups.roles(id)
    assert (len(trial.got(guest)), trial.got(stranger)) == (1, [])


def test_a_message_counts_as_one_for_each_hundred_members(app: Posting) -> None:
    poor = Posting(app.service, app.s3, app.service.app())
    people = [app.service.person() for _ in range(2)]
    id = made(poor, *people)
    app.service.operate("app.terms", app=poor.keys.app, mode="live", per_day=5)
    group = poor.groups.group(id)
    assert [app_groups.weight(replace(group, members=many)) for many in (0, 1, 100, 101, 100_000)] == [
        *(1, 1, 1, 2, 1_000)
    ]
    for number in range(3):  # two numbers were looked up for the roster
        poor.send(id, key=f"k-{number}")
    assert refused(poor.send, id, key="k-9") == "quota_exceeded"


def test_a_message_to_a_group_neither_expires_for_its_app_nor_is_recalled(app: Posting) -> None:
    person = app.service.person()
    id = made(app, person)
    sent = app.send(id)
    path = f"/v1/messages/{message_text(sent.id)}"
    request = app.keys.request("DELETE", path, key=None, now_ms=app.now_ms)
    deps = app.message_deps().apps
    assert refused(messages.recall, request, sent.id, now=Instant(app.now_ms), deps=deps) == "already_final"
    app.service.now_ms += 31 * 86_400_000
    expired = app_status.expire_due(now=Instant(app.now_ms), deps=app.service.status_deps(), elapsed=lambda: 0.0)
    assert (expired, app.status(sent.id).status) == (0, "sent")


def test_batches_and_codes_know_no_groups() -> None:
    to = {"group": account_text(b"\0" * 8)}
    for shape, body in (
        (app_api.NewBatch, {"body": "x", "rows": [{"to": to}]}),
        (app_api.NewOtp, {"to": to, "template": "login"}),
    ):
        with pytest.raises(ValueError, match="extra_forbidden"):
            shape.model_validate(body)
