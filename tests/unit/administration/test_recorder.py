"""Tests the audit chain: an act and its entry are written together or not at all, and the chain has no gap and
no fork.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from nacl.signing import SigningKey

from sandes.administration.recorder import ChainBroken, Recorder
from sandes.crypto.audit_chain import FIRST, AuditKey, details_of, is_signed_entry, link_hash
from sandes.model.app import Webhook
from sandes.model.audit import Act, Entry
from sandes.model.ids import (
    OrganisationId,
    account_text,
    base64url_text,
    id_text,
    new_organisation_id,
    new_unit_id,
    parse_app,
)
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.audit import AuditStore
from sandes.store.dynamo import Condition, ConditionFailed, StoreUnavailable
from sandes.store.transaction import Check, Put, transact
from tests.support.dynamodb import FlakyClient
from tests.support.service import LOGIN, NOW, NOW_MS, Service
from tools.backstage.operations import operate

KEY = AuditKey.of(b"k" * 32)


def recorder(service: Service, client: Any = None, *, key: AuditKey = KEY) -> Recorder:
    store = AuditStore(client or service.client, service.tables["audit"])
    return Recorder(store, key, sleep=lambda _: None)


def act(chain: OrganisationId, action: str = "unit.create", **more: Any) -> Act:
    return Act(action=action, actor="operator", role=None, organisation=chain, **more)


def entries(service: Service, chain: OrganisationId) -> list[Entry]:
    return AuditStore(service.client, service.tables["audit"]).after(chain, 0, limit=1000)


def check(found: list[Entry], *, key: AuditKey = KEY) -> None:
    """Check that entries are signed, numbered from 1 without gaps, linked by hashes, and ordered by time."""
    prev, at_ms = FIRST, 0
    for number, entry in enumerate(found, start=1):
        assert entry.seq == number
        assert entry.prev == prev
        assert entry.at_ms > at_ms
        assert is_signed_entry(entry.statement, entry.signature, key.public)
        prev, at_ms = link_hash(entry.statement, entry.signature), entry.at_ms


def put(service: Service, name: str) -> Put:
    """Build any operation: a put of a directory row."""
    item = {"p": {"S": f"X#{name}"}, "s": {"S": "0"}}
    free = Condition(f"{name} is free")
    return Put(service.tables["directory"], item, condition="attribute_not_exists(p)", named=free, old=True)


def right(service: Service, name: str) -> Check:
    """Any check: a row that is not there."""
    key = {"p": {"S": f"X#{name}"}, "s": {"S": "0"}}
    return Check(service.tables["directory"], key, condition="attribute_not_exists(p)")


def there(service: Service, name: str) -> bool:
    key = {"p": {"S": f"X#{name}"}, "s": {"S": "0"}}
    return "Item" in service.client.get_item(TableName=service.tables["directory"], Key=key)


def test_an_act_and_its_entry_are_written_together(service: Service) -> None:
    chain, unit = new_organisation_id(), new_unit_id()
    done = Act(
        action="unit.rename",
        actor="7f0c2c1e",
        role="OA",
        organisation=chain,
        unit=unit,
        subject="somebody",
        case="some approval",
        details={"name": ["Rail", "रेल"]},
    )
    recorder(service).writer(done, now=Instant(NOW_MS))([put(service, "together")])
    assert there(service, "together")
    (entry,) = entries(service, chain)
    check([entry])
    assert (entry.chain, entry.at_ms, entry.actor, entry.role) == (chain, NOW_MS, "7f0c2c1e", "OA")
    assert (entry.action, entry.unit, entry.subject, entry.case) == (
        "unit.rename",
        unit,
        "somebody",
        "some approval",
    )
    assert details_of(entry) == {"name": ["Rail", "रेल"]}


def test_each_transaction_of_an_act_has_an_entry(service: Service) -> None:
    chain = new_organisation_id()
    write = recorder(service).writer(act(chain), now=Instant(NOW_MS))
    write([put(service, "first of two")])
    write([put(service, "second of two")])
    found = entries(service, chain)
    check(found)
    assert [entry.at_ms for entry in found] == [NOW_MS, NOW_MS + 1]


def test_an_act_that_fails_leaves_no_entry_and_tells_the_store_what_it_would_have_heard(service: Service) -> None:
    chain = new_organisation_id()
    beside = put(service, "beside a failure")
    write = recorder(service).writer(act(chain), now=Instant(NOW_MS), beside=[beside])
    transact(service.client, [put(service, "taken")])
    with pytest.raises(ConditionFailed) as caught:
        write([put(service, "free"), put(service, "taken")])
    (failure,) = caught.value.failures
    assert failure.condition == "taken is free"
    assert failure.row == {"p": {"S": "X#taken"}, "s": {"S": "0"}}
    assert not there(service, "free")
    assert not there(service, "beside a failure")
    assert entries(service, chain) == []


def test_what_fails_beside_an_act_is_told_apart(service: Service) -> None:
    chain = new_organisation_id()
    transact(service.client, [put(service, "approved")])
    beside = [put(service, "fine"), put(service, "approved")]
    write = recorder(service).writer(
        act(chain), now=Instant(NOW_MS), right=right(service, "held"), beside=beside, otherwise=ErrorCode.APPROVAL_STATE
    )
    with pytest.raises(ProtocolError) as caught:
        write([put(service, "act")])
    assert caught.value.code is ErrorCode.APPROVAL_STATE
    assert not there(service, "act")
    assert entries(service, chain) == []


def test_who_has_lost_the_right_hears_so_whatever_else_failed_beside_the_act(service: Service) -> None:
    chain = new_organisation_id()
    transact(service.client, [put(service, "lost"), put(service, "decided")])
    for beside in ([], [put(service, "decided")]):
        write = recorder(service).writer(
            act(chain),
            now=Instant(NOW_MS),
            right=right(service, "lost"),
            beside=beside,
            otherwise=ErrorCode.APPROVAL_STATE,
        )
        with pytest.raises(ProtocolError) as caught:
            write([put(service, "act without a right")])
        assert caught.value.code is ErrorCode.NOT_FOUND
    assert entries(service, chain) == []


def test_the_store_hears_first_of_its_own_conditions(service: Service) -> None:
    transact(service.client, [put(service, "both"), put(service, "approved twice")])
    lost = right(service, "approved twice")
    write = recorder(service).writer(act(new_organisation_id()), now=Instant(NOW_MS), right=lost)
    with pytest.raises(ConditionFailed) as caught:
        write([put(service, "both")])
    assert [failure.condition for failure in caught.value.failures] == ["both is free"]


def test_an_environment_that_was_overtaken_appends_behind_what_the_other_wrote(service: Service) -> None:
    chain = new_organisation_id()
    one, other = recorder(service), recorder(service)
    one.record(act(chain, "a.one"), now=Instant(NOW_MS))
    other.record(act(chain, "b.one"), now=Instant(NOW_MS + 10))
    one.writer(act(chain, "a.two"), now=Instant(NOW_MS + 5))([put(service, "overtaken")])
    found = entries(service, chain)
    check(found)
    assert [entry.action for entry in found] == ["a.one", "b.one", "a.two"]
    assert found[2].at_ms == NOW_MS + 11  # never earlier than the previous entry


def test_an_append_costs_one_call_and_the_first_of_an_environment_one_more(service: Service) -> None:
    counted = FlakyClient(service.client)
    recording, chain = recorder(service, counted), new_organisation_id()
    recording.record(act(chain), now=Instant(NOW_MS))
    assert counted.calls == ["query", "transact_write_items"]
    recording.record(act(chain), now=Instant(NOW_MS))
    assert counted.calls[2:] == ["transact_write_items"]


def test_who_is_overtaken_for_ever_gives_up_and_has_written_nothing(service: Service) -> None:
    chain, numbers = new_organisation_id(), itertools.count(1)
    faster = recorder(service)

    class Overtaken:
        exceptions = service.client.exceptions

        def __getattr__(self, name: str) -> Any:
            return getattr(service.client, name)

        def transact_write_items(self, **request: Any) -> Any:
            faster.record(act(chain, f"faster.{next(numbers)}"), now=Instant(NOW_MS))
            return service.client.transact_write_items(**request)

    with pytest.raises(StoreUnavailable):
        recorder(service, Overtaken()).writer(act(chain, "slow"), now=Instant(NOW_MS))([put(service, "slow")])
    found = entries(service, chain)
    check(found)
    assert not there(service, "slow")
    assert not [entry for entry in found if entry.action == "slow"]


def test_a_conflict_with_another_transaction_is_tried_again(service: Service) -> None:
    chain = new_organisation_id()
    flaky = FlakyClient(service.client, {"transact_write_items": 2})
    recorder(service, flaky).record(act(chain), now=Instant(NOW_MS))
    check(entries(service, chain))


def test_nothing_is_written_on_top_of_what_the_key_has_not_signed(service: Service) -> None:
    chain = new_organisation_id()
    forger = AuditKey.of(b"f" * 32)
    recorder(service, key=forger).record(act(chain), now=Instant(NOW_MS))
    with pytest.raises(ChainBroken):
        recorder(service).writer(act(chain), now=Instant(NOW_MS))([put(service, "on top")])
    assert not there(service, "on top")
    assert len(entries(service, chain)) == 1


def test_an_altered_last_entry_is_not_built_on(service: Service) -> None:
    chain = new_organisation_id()
    recorder(service).record(act(chain, "person.revoke"), now=Instant(NOW_MS))
    (entry,) = entries(service, chain)
    altered = replace(entry, statement=entry.statement.replace(b"person.revoke", b"person.verify"))
    operation = AuditStore(service.client, service.tables["audit"]).adding(altered)[0]
    transact(service.client, [replace(operation, condition="")])
    with pytest.raises(ChainBroken):
        recorder(service).record(act(chain), now=Instant(NOW_MS))


def test_details_without_end_are_refused_before_anything_is_written(service: Service) -> None:
    with pytest.raises(ValueError, match="too much detail"):
        recorder(service).writer(act(new_organisation_id(), details={"x": "y" * 20_000}), now=Instant(NOW_MS))


def test_chains_are_known_from_their_first_entry_on(service: Service) -> None:
    store = AuditStore(service.client, service.tables["audit"])
    chain, never = new_organisation_id(), new_organisation_id()
    recorder(service).record(act(chain), now=Instant(NOW_MS))
    recorder(service).record(act(OrganisationId(bytes(8))), now=Instant(NOW_MS))
    known = list(store.chains())
    assert chain in known
    assert OrganisationId(bytes(8)) in known
    assert never not in known


@pytest.mark.parametrize("writers", [2, 8])
def test_many_writers_at_one_chain_leave_neither_gap_nor_fork(service: Service, writers: int) -> None:
    chain = new_organisation_id()

    def work(writer: int) -> None:
        mine = Recorder(AuditStore(service.client, service.tables["audit"]), KEY)
        for number in range(4):
            mine.writer(act(chain, f"w{writer}.n{number}"), now=Instant(NOW_MS))(
                [put(service, f"{writers}w{writer}n{number}")]
            )

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(work, range(writers)))
    found = entries(service, chain)
    check(found)
    assert sorted(entry.action for entry in found) == sorted(f"w{w}.n{n}" for w in range(writers) for n in range(4))


# The stores: with a writer, every change uses it, and the results are the same


class Audited:
    """Runs the operators' operations with a writer in every store."""

    def __init__(self, service: Service) -> None:
        self._service, self.chain = service, new_organisation_id()
        writer = recorder(service).writer(act(self.chain), now=Instant(NOW_MS))
        deps = service.operator_deps
        verified = replace(deps.verifications, store=replace(deps.verifications.store, writer=writer))
        self._deps = replace(
            deps,
            organisations=replace(deps.organisations, writer=writer),
            verifications=verified,
            groups=replace(deps.groups, changes=replace(deps.groups.changes, writer=writer)),
            registry=replace(deps.registry, apps=replace(deps.registry.apps, writer=writer)),
        )

    def operate(self, operation: str, entries_left: int = 1, /, **parameters: Any) -> dict[str, Any]:
        before = len(entries(self._service, self.chain))
        answer = operate({"operation": operation} | parameters, now_seconds=NOW, deps=self._deps)
        found = entries(self._service, self.chain)
        assert len(found) - before == entries_left
        check(found)
        return answer


def test_every_change_of_an_organisation_leaves_an_entry(service: Service) -> None:
    audited = Audited(service)
    of = audited.operate("organisation.create", name="Ministry of Mines")["organisation"]
    audited.operate("organisation.rename", organisation=of, name="Mines")
    audited.operate("organisation.policy", organisation=of, audiences={"email": "nobody"})
    unit = audited.operate("unit.create", organisation=of, name="Coal", kind="department")["unit"]
    desk = audited.operate("unit.create", organisation=of, name="Desk", kind="office")["unit"]
    audited.operate("unit.rename", organisation=of, unit=unit, name="Coal and lignite")
    audited.operate("unit.move", organisation=of, unit=desk, parent=unit)
    audited.operate("unit.move", 0, organisation=of, unit=desk, parent=unit)  # it exists already
    audited.operate("unit.remove", organisation=of, unit=desk)
    audited.operate("organisation.show", 0, organisation=of)
    with pytest.raises(ProtocolError):
        audited.operate("unit.rename", organisation=of, unit=desk, name="Gone")


def test_a_verification_and_its_end_leave_an_entry_each(service: Service) -> None:
    audited, person = Audited(service), service.person()
    who = {"account": account_text(person.account)}
    told = {"organisation": id_text(service.organisation()), "name": "Asha", "post": "Director"}
    audited.operate("person.verify", **who, **told, expires_at=NOW + 86_400)
    audited.operate("person.revoke", **who, reason="left")
    audited.operate("person.revoke", 0, **who, reason="left")  # nothing more happens


def test_every_change_of_an_official_group_leaves_an_entry(service: Service) -> None:
    audited, of = Audited(service), service.organisation()
    unit = service.unit(of)
    group = audited.operate("group.create", organisation=id_text(of), name="Notices")["group"]
    audited.operate("group.transfer", group=group, unit=id_text(unit))
    audited.operate("group.dissolve", group=group)
    audited.operate("group.dissolve", 0, group=group)


def test_every_change_of_an_app_leaves_an_entry(service: Service) -> None:
    audited = Audited(service)
    key = {"public": base64url_text(bytes(SigningKey(bytes(32)).verify_key))}
    app = audited.operate("app.create", name="Passports", organisation="MEA", scopes=["otp"], keys=[key])["app"]
    added = audited.operate("key.add", app=app, public=base64url_text(bytes(SigningKey(b"2" * 32).verify_key)))
    audited.operate("key.revoke", app=app, key=added["key"])
    audited.operate("app.terms", app=app, mode="live")
    audited.operate("app.guests", app=app, guests=["+919800000001"])
    audited.operate("template.put", app=app, name="login", kind="otp", texts=LOGIN)
    audited.operate("template.put", app=app, name="login", kind="otp", texts=LOGIN)  # the next version
    audited.operate("app.show", 0, app=app)


def test_a_webhook_is_changed_by_a_writer_as_without_one(service: Service) -> None:
    app = parse_app(service.app().app)
    hook = Webhook("hook1", "https://hooks.example", ("message.delivered",), NOW, False)
    chain = new_organisation_id()
    plain = service.app_view().apps
    audited = replace(plain, writer=recorder(service).writer(act(chain), now=Instant(NOW_MS)))
    assert audited.set_entry(app, hook)
    changed = audited.change_webhook(app, "hook1", test=False, url="https://other.example", events=None, paused=True)
    assert changed == replace(hook, url="https://other.example", disabled="paused")
    assert audited.change_webhook(app, "none", test=False, url="https://x.example", events=None, paused=None) is None
    assert audited.remove_entry(app, "webhook", "hook1")
    assert len(entries(service, chain)) == 3


def test_a_device_is_unlinked_with_its_entry(service: Service) -> None:
    person, chain = service.person(2), new_organisation_id()
    writer = recorder(service).writer(act(chain, "person.reset"), now=Instant(NOW_MS))
    replace(service.enrolment, writer=writer).unlink(person.devices[1])
    assert set(service.account(person.account).devices) == {person.devices[0].number}
    assert [entry.action for entry in entries(service, chain)] == ["person.reset"]
