"""Tests what the recorder relies on: with concurrent writers, a chain has no gap and no fork, and loses nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from sandes.administration.recorder import Recorder
from sandes.crypto.audit_chain import FIRST, AuditKey, is_signed_entry, link_hash
from sandes.model.audit import Act, Entry
from sandes.model.ids import OrganisationId, id_text, new_organisation_id
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.audit import AuditStore
from sandes.store.dynamo import Condition, ConditionFailed
from sandes.store.transaction import Put
from tests.support.service import Service

EACH = 6


@dataclass(frozen=True)
class Backend:
    service: Service
    key: AuditKey

    @property
    def store(self) -> AuditStore:
        return AuditStore(self.service.client, self.service.tables["audit"])

    def recorder(self) -> Recorder:
        """Make a recorder, as each environment has one."""
        return Recorder(self.store, self.key)

    def chain(self, chain: OrganisationId) -> list[Entry]:
        """Return the whole chain, verified."""
        found: list[Entry] = []
        while some := self.store.after(chain, len(found), limit=20):
            found += some
        prev = FIRST
        for number, entry in enumerate(found, start=1):
            assert (entry.seq, entry.prev) == (number, prev)
            assert is_signed_entry(entry.statement, entry.signature, self.key.public)
            prev = link_hash(entry.statement, entry.signature)
        assert [entry.at_ms for entry in found] == sorted({entry.at_ms for entry in found})
        return found


@pytest.fixture(scope="module")
def on(store_backend: Service, request: pytest.FixtureRequest) -> Backend:
    """Make a backend, on the engine with the deployed key, because the chains there get heads."""
    if store_backend.tables["audit"] == "audit":
        return Backend(store_backend, AuditKey.of(b"k" * 32))
    return Backend(store_backend, request.getfixturevalue("deployment").backstage.deps.administrators.recorder.key)


def act(chain: OrganisationId, action: str) -> Act:
    return Act(action=action, actor="operator", role=None, organisation=chain, details={"of": action})


def row(on: Backend, chain: OrganisationId, name: str) -> Put:
    item = {"p": {"S": f"X#{id_text(chain)}"}, "s": {"S": name}}
    free = Condition(f"{name} is free")
    return Put(on.service.tables["directory"], item, condition="attribute_not_exists(p)", named=free, old=True)


@pytest.mark.parametrize("writers", [2, 6, 16])
def test_many_writers_at_one_chain_lose_nothing(on: Backend, writers: int) -> None:
    chain, now_ms = new_organisation_id(), on.service.now_ms

    def work(writer: int) -> None:
        mine = on.recorder()
        for number in range(EACH):
            name = f"w{writer}.n{number}"
            mine.writer(act(chain, name), now=Instant(now_ms))([row(on, chain, name)])

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(work, range(writers)))
    names = sorted(f"w{writer}.n{number}" for writer in range(writers) for number in range(EACH))
    assert sorted(entry.action for entry in on.chain(chain)) == names
    rows = on.service.client.query(
        TableName=on.service.tables["directory"],
        KeyConditionExpression="p = :p",
        ExpressionAttributeValues={":p": {"S": f"X#{id_text(chain)}"}},
    )
    assert sorted(item["s"]["S"] for item in rows["Items"]) == names


def test_of_many_who_do_the_same_at_once_one_does_it_and_one_entry_says_so(on: Backend) -> None:
    chain = new_organisation_id()

    def once(number: int) -> str:
        write = on.recorder().writer(act(chain, f"n{number}.once"), now=Instant(on.service.now_ms))
        try:
            write([row(on, chain, "once")])
        except ConditionFailed as failed:
            return "" if failed.row(Condition("once is free")) else "another failure"
        return f"n{number}.once"

    with ThreadPoolExecutor(6) as pool:
        done = [name for name in pool.map(once, range(6)) if name]
    assert [entry.action for entry in on.chain(chain)] == done
    assert len(done) == 1


def test_what_stands_beside_is_told_apart_from_the_act(on: Backend) -> None:
    chain = new_organisation_id()
    on.recorder().writer(act(chain, "first.act"), now=Instant(on.service.now_ms))([row(on, chain, "a")])
    beside = [row(on, chain, "b"), row(on, chain, "a")]
    write = on.recorder().writer(
        act(chain, "second.act"),
        now=Instant(on.service.now_ms),
        beside=beside,
        otherwise=ErrorCode.REQUEST_STATE,
    )
    with pytest.raises(ProtocolError) as caught:
        write([row(on, chain, "c")])
    assert caught.value.code is ErrorCode.REQUEST_STATE
    assert len(on.chain(chain)) == 1


def test_by_time_as_by_number(on: Backend) -> None:
    chain, mine = new_organisation_id(), on.recorder()
    for number in range(5):
        mine.record(act(chain, f"n{number}.act"), now=Instant(1_000_000 + 1000 * number))
    store = mine.store

    def numbers(found: tuple[list[Entry], bool]) -> list[int]:
        return [entry.seq for entry in found[0]]

    assert numbers(store.before(chain, None, limit=3)) == [5, 4, 3]
    assert numbers(store.before(chain, 3, limit=3)) == [2, 1]
    assert numbers(store.before(chain, None, from_ms=1_001_000, to_ms=1_003_000, limit=9)) == [4, 3, 2]
    assert numbers(store.before(chain, 3, from_ms=1_001_000, to_ms=1_003_000, limit=9)) == [2]
    assert numbers(store.before(chain, None, from_ms=1_003_500, limit=9)) == [5]
    assert store.before(chain, None, limit=3)[1]
    assert not store.before(chain, None, from_ms=1_003_500, limit=3)[1]  # what is left is earlier
    assert store.before(chain, None, from_ms=2, to_ms=1, limit=9) == ([], False)
    assert chain in set(store.chains())
