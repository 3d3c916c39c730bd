"""Tests reading audit chains: callers see only what they may see, and exports can be verified with the stored heads."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sandes.administration.audit import audit_log
from sandes.administration.audit.audit_heads import RECENT_HOURS, HeadsDependencies, KeptHeads, keep_heads
from sandes.administration.audit.audit_log import AuditLogDependencies, Filters
from sandes.administration.recorder import ChainBroken, Recorder
from sandes.crypto.audit_chain import AuditKey
from sandes.edge.objects import S3Objects
from sandes.model.administrator import PLATFORM, Caller, Place, Role
from sandes.model.audit import Act
from sandes.model.ids import OrganisationId, UnitId, administrator_text, base64url_text, id_text, new_organisation_id
from sandes.model.instant import Instant
from sandes.protocol.admin_api import AuditEntry
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.audit import AuditStore
from sandes.store.organisations import OrganisationStore
from sandes.store.schema import AuditRow
from sandes_client.audit import public_keys, read_heads, verify
from tests.support.administration import AUDIT_KEY, Administration
from tests.support.dynamodb import FlakyClient
from tests.support.service import NOW, NOW_MS, PEPPER, Service

HOUR = 3_600


@pytest.fixture
def admin(service: Service) -> Administration:
    return Administration(service)


@pytest.fixture
def heads() -> Iterator[S3Objects]:
    """Make a bucket as it is deployed: versions are kept, and each is locked."""
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        s3.create_bucket(Bucket="heads", ObjectLockEnabledForBucket=True)
        yield S3Objects(s3, "heads")


@pytest.fixture
def deps(service: Service, heads: S3Objects) -> AuditLogDependencies:
    store = AuditStore(service.client, service.tables["audit"])
    organisations = OrganisationStore(service.client, service.tables["directory"])
    return AuditLogDependencies(store, organisations, heads, AUDIT_KEY, PEPPER)


def acts(
    admin: Administration, chain: OrganisationId, *actions: str, unit: UnitId | None = None, by: str = "x"
) -> None:
    """Record one act a second in the chain, from NOW on."""
    for action in actions:
        done = Act(action=action, actor=by, role="unit_admin", organisation=chain, unit=unit, details={"of": action})
        admin.recorder.record(done, now=Instant(NOW_MS + 1000 * len(admin.entries(chain))))


def seen(caller: Caller, chain: OrganisationId | None, deps: AuditLogDependencies, **filters: Any) -> list[str]:
    """Return the actions of all pages, two entries each, the newest first."""
    found: list[AuditEntry] = []
    cursor = None
    while True:
        page = audit_log.page(caller, chain, Filters(**filters), after=cursor, limit=2, deps=deps)
        assert len(page.entries) <= 2
        found += page.entries
        if (cursor := page.cursor) is None:
            return [entry.action for entry in found]


def refused(call: Callable[..., Any], *args: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*args, **named)
    return caught.value.code


def test_an_auditor_sees_what_was_done_the_newest_first(admin: Administration, deps: AuditLogDependencies) -> None:
    of = admin.service.organisation()
    auditor = admin.appoint(Role.AUDITOR, Place.root(of))
    acts(admin, of, "a.a", "b.b", "c.c", "d.d", "e.e")
    assert seen(auditor, of, deps) == ["e.e", "d.d", "c.c", "b.b", "a.a"]
    page = audit_log.page(auditor, None, Filters(), after=None, limit=1, deps=deps)  # the caller's own by default
    (entry,) = page.entries
    assert (entry.organisation, entry.seq, entry.at_ms) == (of, 5, NOW_MS + 4000)
    assert (entry.actor, entry.role, entry.details) == ("x", "unit_admin", {"of": "e.e"})


def test_by_time_actor_and_action(admin: Administration, deps: AuditLogDependencies) -> None:
    of = admin.service.organisation()
    officer = admin.appoint(Role.NODAL_OFFICER, Place.root(of))
    acts(admin, of, "a.a", "b.b", "c.c", by="one")
    acts(admin, of, "a.a", "b.b", "c.c", by="two")
    assert seen(officer, of, deps, since=NOW + 1, until=NOW + 3) == ["a.a", "c.c", "b.b"]
    assert seen(officer, of, deps, since=NOW + 4) == ["c.c", "b.b"]
    assert seen(officer, of, deps, until=NOW) == ["a.a"]
    assert seen(officer, of, deps, until=NOW - 1) == []
    assert seen(officer, of, deps, since=NOW + 3, until=NOW + 2) == []
    assert seen(officer, of, deps, actor="one") == ["c.c", "b.b", "a.a"]
    assert seen(officer, of, deps, action="b.b") == ["b.b", "b.b"]
    assert seen(officer, of, deps, action="b.b", actor="two", until=NOW + 5) == ["b.b"]
    assert seen(officer, of, deps, action="b.") == []


def test_who_reads_in_a_unit_sees_what_was_done_there_and_below(
    admin: Administration, deps: AuditLogDependencies
) -> None:
    service = admin.service
    of = service.organisation()
    north, south = service.unit(of, "North"), service.unit(of, "South")
    desk = service.unit(of, "Desk", parent=north)
    acts(admin, of, "in.none")
    acts(admin, of, "in.north", unit=north)
    acts(admin, of, "in.desk", unit=desk)
    acts(admin, of, "in.south", unit=south)
    acts(admin, of, "in.root", unit=UnitId(of))
    reader = admin.appoint(Role.UNIT_ADMIN, Place(of, north))
    assert seen(reader, of, deps) == ["in.desk", "in.north"]
    assert seen(reader, of, deps, unit=desk) == ["in.desk"]
    assert refused(seen, reader, of, deps, unit=south) == ErrorCode.NOT_FOUND
    assert refused(seen, reader, of, deps, unit=UnitId(of)) == ErrorCode.NOT_FOUND
    both = admin.also(reader, Role.TRACE_APPROVER, Place(of, south))
    assert seen(both, of, deps) == ["in.south", "in.desk", "in.north"]
    officer = admin.appoint(Role.NODAL_OFFICER, Place.root(of))
    assert seen(officer, of, deps, unit=north) == ["in.desk", "in.north"]
    assert len(seen(officer, of, deps)) == 5


def test_nobody_reads_another_organisations_chain(admin: Administration, deps: AuditLogDependencies) -> None:
    of, other = admin.service.organisation(), admin.service.organisation()
    acts(admin, other, "a.a")
    for role in (Role.AUDITOR, Role.NODAL_OFFICER, Role.UNIT_ADMIN, Role.TRACE_REQUESTER):
        caller = admin.appoint(role, Place.root(of))
        assert refused(seen, caller, other, deps) == ErrorCode.NOT_FOUND
        assert refused(audit_log.export, caller, other, after=0, deps=deps) == ErrorCode.NOT_FOUND
    assert (
        refused(seen, admin.appoint(Role.AUDITOR, Place.root(of)), new_organisation_id(), deps) == ErrorCode.NOT_FOUND
    )


def test_roles_that_do_not_read_audit_chains_find_none(admin: Administration, deps: AuditLogDependencies) -> None:
    of = admin.service.organisation()
    for role in (Role.VERIFIER, Role.GROUP_MANAGER, Role.APP_MANAGER, Role.MODERATOR):
        caller = admin.appoint(role, Place.root(of))
        assert refused(seen, caller, of, deps) == ErrorCode.NOT_FOUND
        assert refused(audit_log.export, caller, of, after=0, deps=deps) == ErrorCode.NOT_FOUND
        assert refused(audit_log.heads, caller, NOW, deps=deps) == ErrorCode.NOT_FOUND


def test_platform_administrators_see_what_they_have_done_themselves(
    admin: Administration, deps: AuditLogDependencies
) -> None:
    of = admin.service.organisation()
    caller = admin.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM))
    acts(admin, of, "by.another")
    acts(admin, of, "by.me", by=administrator_text(caller.id))
    acts(admin, of, "by.another")
    assert seen(caller, of, deps) == ["by.me"]
    assert seen(caller, of, deps, actor="x") == []
    assert refused(seen, caller, of, deps, unit=UnitId(of)) == ErrorCode.NOT_FOUND
    assert refused(audit_log.export, caller, of, after=0, deps=deps) == ErrorCode.NOT_FOUND


def test_of_the_platforms_own_chain_they_see_no_more(admin: Administration, deps: AuditLogDependencies) -> None:
    caller = admin.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM))
    acts(admin, PLATFORM, "by.another")
    acts(admin, PLATFORM, "by.me", by=administrator_text(caller.id))
    assert seen(caller, None, deps) == ["by.me"]
    assert refused(audit_log.export, caller, PLATFORM, after=0, deps=deps) == ErrorCode.NOT_FOUND


def test_a_cursor_is_of_no_use_to_another_or_for_another_chain(
    admin: Administration, deps: AuditLogDependencies
) -> None:
    of, other = admin.service.organisation(), admin.service.organisation()
    one = admin.also(admin.appoint(Role.AUDITOR, Place.root(of)), Role.AUDITOR, Place.root(other))
    two = admin.appoint(Role.AUDITOR, Place.root(of))
    acts(admin, of, "a.a", "b.b", "c.c")
    cursor = audit_log.page(one, of, Filters(), after=None, limit=1, deps=deps).cursor
    for caller, chain, given in ((two, of, cursor), (one, other, cursor), (one, of, "AAAA"), (one, of, f"{cursor}A")):
        code = refused(audit_log.page, caller, chain, Filters(), after=given, limit=1, deps=deps)
        assert code == ErrorCode.INVALID_CURSOR


def test_a_page_costs_two_queries_at_most(admin: Administration, deps: AuditLogDependencies) -> None:
    of = admin.service.organisation()
    unit = admin.service.unit(of)
    acts(admin, of, "a.a", "b.b", unit=unit)
    counted: Any = FlakyClient(admin.service.client)
    counting = replace(
        deps, store=replace(deps.store, client=counted), organisations=OrganisationStore(counted, "directory")
    )
    audit_log.page(admin.appoint(Role.AUDITOR, Place.root(of)), of, Filters(), after=None, limit=1, deps=counting)
    assert counted.calls == ["query"]
    reader = admin.appoint(Role.AUDITOR, Place(of, unit))
    audit_log.page(reader, of, Filters(until=NOW), after=None, limit=1, deps=counting)
    assert counted.calls == ["query"] * 3


def test_an_erased_body_is_left_out(admin: Administration, deps: AuditLogDependencies) -> None:
    of = admin.service.organisation()
    acts(admin, of, "a.a")
    key = {"c": {"S": id_text(of)}, "n": {"N": "1"}}
    admin.service.client.update_item(TableName=admin.service.tables["audit"], Key=key, UpdateExpression="REMOVE b")
    page = audit_log.page(admin.appoint(Role.AUDITOR, Place.root(of)), of, Filters(), after=None, limit=1, deps=deps)
    assert page.entries[0].details is None


def test_a_body_that_the_entry_does_not_bind_is_not_shown(admin: Administration, deps: AuditLogDependencies) -> None:
    of = admin.service.organisation()
    acts(admin, of, "a.a")
    admin.service.client.update_item(
        TableName=admin.service.tables["audit"],
        Key={"c": {"S": id_text(of)}, "n": {"N": "1"}},
        UpdateExpression="SET b = :b",
        ExpressionAttributeValues={":b": {"S": '{"salt":"AAAAAAAAAAAAAAAAAAAAAA","details":{"of":"b.b"}}'}},
    )
    page = audit_log.page(admin.appoint(Role.AUDITOR, Place.root(of)), of, Filters(), after=None, limit=1, deps=deps)
    assert page.entries[0].details is None


def test_rows_that_the_key_has_not_signed_for_this_chain_are_shown_as_such(
    admin: Administration, deps: AuditLogDependencies
) -> None:
    of, other = admin.service.organisation(), admin.service.organisation()
    acts(admin, of, "a.a", "b.b", "c.c")
    acts(admin, other, "a.a")
    forged = Recorder(deps.store, AuditKey.of(b"f" * 32), former=(AUDIT_KEY.public,))
    forged.record(Act(action="d.d", actor="x", role=None, organisation=of), now=Instant(NOW_MS + 9_000))
    table, edited = admin.service.tables["audit"], admin.entries(of)[1].statement.replace(b'"b.b"', b'"e.e"')
    admin.service.client.update_item(
        TableName=table,
        Key={"c": {"S": id_text(of)}, "n": {"N": "2"}},
        UpdateExpression="SET e = :e",
        ExpressionAttributeValues={":e": {"S": edited.decode()}},
    )
    key = {"c": {"S": id_text(other)}, "n": {"N": "1"}}
    copied = admin.service.client.get_item(TableName=table, Key=key)["Item"]
    admin.service.client.put_item(TableName=table, Item=copied | {"c": {"S": id_text(of)}, "n": {"N": "5"}})
    auditor = admin.appoint(Role.AUDITOR, Place.root(of))
    shown = audit_log.page(auditor, of, Filters(), after=None, limit=9, deps=deps).entries
    assert [(entry.action, entry.signed) for entry in shown] == [
        ("a.a", False),
        ("d.d", False),
        ("c.c", True),
        ("e.e", False),
        ("a.a", True),
    ]
    knowing = replace(deps, former=(AuditKey.of(b"f" * 32).public,))
    known = audit_log.page(auditor, of, Filters(action="d.d"), after=None, limit=9, deps=knowing).entries
    assert [entry.signed for entry in known] == [True]


def exported(caller: Caller, of: OrganisationId, deps: AuditLogDependencies) -> bytes:
    """Export a whole chain, as a client does."""
    data, after = b"", 0
    while piece := audit_log.export(caller, of, after=after, deps=deps):
        data += piece
        after = data.count(b"\n")
    return data


def test_what_is_exported_is_found_whole_and_an_altered_row_is_named(
    admin: Administration, deps: AuditLogDependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "EXPORT_ENTRIES", 3)
    of = admin.service.organisation()
    acts(admin, of, *(f"act.n{number}" for number in range(7)))
    auditor = admin.appoint(Role.AUDITOR, Place.root(of))
    told = audit_log.public_key(deps)
    assert (told.key, told.id) == (base64url_text(AUDIT_KEY.public), AUDIT_KEY.id)
    keys = public_keys([AUDIT_KEY.public])
    assert list(keys) == [told.id]
    kept = keep_heads(now=Instant(NOW_MS), deps=HeadsDependencies(deps.store, deps.heads, deps.key))
    assert kept.heads >= 1
    heads = read_heads(audit_log.heads(auditor, NOW, deps=deps), keys)
    found = verify(io.BytesIO(exported(auditor, of, deps)), keys=keys, heads=heads, chain=id_text(of))
    assert (found.fault, found.entries, found.heads, found.unwitnessed) == (None, 7, 1, 0)
    admin.service.client.update_item(
        TableName=admin.service.tables["audit"],
        Key={"c": {"S": id_text(of)}, "n": {"N": "4"}},
        UpdateExpression="SET e = :e",
        ExpressionAttributeValues={
            ":e": {"S": admin.entries(of)[3].statement.decode().replace('"actor":"x"', '"actor":"y"')}
        },
    )
    fault = verify(io.BytesIO(exported(auditor, of, deps)), keys=keys, heads=heads).fault
    assert fault is not None
    assert (fault.kind, fault.seq) == ("altered", 4)


def test_only_who_may_read_everything_of_an_organisation_exports_its_chain(
    admin: Administration, deps: AuditLogDependencies
) -> None:
    of = admin.service.organisation()
    unit = admin.service.unit(of)
    acts(admin, of, "a.a", unit=unit)
    for role in (Role.AUDITOR, Role.NODAL_OFFICER, Role.TRACE_APPROVER):
        assert exported(admin.appoint(role, Place.root(of)), of, deps)
    assert refused(exported, admin.appoint(Role.AUDITOR, Place(of, unit)), of, deps) == ErrorCode.NOT_FOUND


# Heads


def test_the_heads_of_an_hour_are_written_once(admin: Administration, deps: AuditLogDependencies) -> None:
    of = admin.service.organisation()
    auditor = admin.appoint(Role.AUDITOR, Place.root(of))
    acts(admin, of, "a.a")
    keeping = HeadsDependencies(deps.store, deps.heads, deps.key)
    assert refused(audit_log.heads, auditor, NOW, deps=deps) == ErrorCode.NOT_FOUND
    assert not keep_heads(now=Instant(NOW_MS), deps=keeping).already
    first = audit_log.heads(auditor, NOW, deps=deps)
    stored = deps.heads.client.head_object(  # type: ignore[attr-defined]  # the real one
        Bucket=deps.heads.bucket,  # type: ignore[attr-defined]
        Key=audit_log.heads_name(NOW),
        ChecksumMode="ENABLED",
    )
    assert stored["ChecksumSHA256"]  # Object Lock accepts nothing without a checksum
    acts(admin, of, "b.b")
    assert keep_heads(now=Instant(NOW_MS + 1), deps=keeping).already
    assert audit_log.heads(auditor, NOW, deps=deps) == first
    assert not keep_heads(now=Instant(NOW_MS + HOUR * 1000), deps=keeping).already
    later = audit_log.heads(auditor, NOW + HOUR, deps=deps)
    keys = public_keys([AUDIT_KEY.public])
    assert [
        one.seq for document in (first, later) for one in read_heads(document, keys) if one.chain == id_text(of)
    ] == [
        1,
        2,
    ]


def test_a_chain_that_ends_in_what_the_key_has_not_signed_gets_no_head(
    admin: Administration, deps: AuditLogDependencies
) -> None:
    good, forged = admin.service.organisation(), admin.service.organisation()
    acts(admin, good, "a.a")
    forger = Recorder(deps.store, AuditKey.of(b"f" * 32))
    forger.record(Act(action="a.a", actor="x", role=None, organisation=forged), now=Instant(NOW_MS))
    kept = keep_heads(now=Instant(NOW_MS), deps=HeadsDependencies(deps.store, deps.heads, deps.key))
    assert forged in kept.broken
    document = b"".join(deps.heads.read(audit_log.heads_name(NOW), etag=None))
    chains = {one.chain for one in read_heads(document, public_keys([AUDIT_KEY.public]))}
    assert id_text(good) in chains
    assert id_text(forged) not in chains


class Hours:
    """Keeps heads hour by hour, of a table that somebody tampers with."""

    def __init__(self, admin: Administration, deps: AuditLogDependencies) -> None:
        self.table, self.client, self.deps, self.hour = admin.service.tables["audit"], admin.service.client, deps, 0

    def keep(self) -> KeptHeads:
        self.hour += 1
        now_ms = NOW_MS + self.hour * HOUR * 1000
        return keep_heads(now=Instant(now_ms), deps=HeadsDependencies(self.deps.store, self.deps.heads, self.deps.key))

    def document(self) -> bytes:
        return b"".join(self.deps.heads.read(audit_log.heads_name(NOW + self.hour * HOUR), etag=None))

    def head(self, chain: OrganisationId) -> int | None:
        """Return the number that the last document has for a chain."""
        heads = read_heads(self.document(), public_keys([AUDIT_KEY.public]))
        return next((one.seq for one in heads if one.chain == id_text(chain)), None)

    def delete(self, chain: OrganisationId, *numbers: int) -> None:
        for number in numbers:
            self.client.delete_item(TableName=self.table, Key={"c": {"S": id_text(chain)}, "n": {"N": str(number)}})


@pytest.fixture
def hours(admin: Administration, deps: AuditLogDependencies) -> Hours:
    return Hours(admin, deps)


def test_a_chain_cut_off_is_reported_every_hour_and_keeps_the_head_it_had(admin: Administration, hours: Hours) -> None:
    cut, gone, good = (admin.service.organisation() for _ in range(3))
    for chain in (cut, gone, good):
        acts(admin, chain, "a.a", "b.b", "c.c")
    assert not {cut, gone, good} & set(hours.keep().broken)
    hours.delete(cut, 3)
    hours.delete(gone, 1, 2, 3)
    for _ in range(2):
        assert {cut, gone, good} & set(hours.keep().broken) == {cut, gone}
        assert [hours.head(chain) for chain in (cut, gone, good)] == [3, 3, 3]


def test_a_chain_that_has_left_the_list_goes_on_having_heads_and_is_reported(
    admin: Administration, hours: Hours
) -> None:
    of = admin.service.organisation()
    acts(admin, of, "a.a")
    assert of not in hours.keep().broken
    key = {"c": {"S": AuditRow.CHAINS}, "n": {"N": str(int.from_bytes(of, "big"))}}
    admin.service.client.delete_item(TableName=admin.service.tables["audit"], Key=key)
    acts(admin, of, "b.b")
    for _ in range(2):
        assert of in hours.keep().broken
        assert hours.head(of) == 2


def test_a_history_written_anew_with_the_key_is_reported_however_long_it_is(
    admin: Administration, hours: Hours
) -> None:
    same, longer = admin.service.organisation(), admin.service.organisation()
    for chain in (same, longer):
        acts(admin, chain, "a.a", "b.b")
    assert not {same, longer} & set(hours.keep().broken)
    for chain, acted in ((same, 1), (longer, 2)):
        hours.delete(chain, 2)
        forger = Recorder(hours.deps.store, AUDIT_KEY)
        for _ in range(acted):
            forger.record(Act(action="z.z", actor="x", role=None, organisation=chain), now=Instant(NOW_MS + 9_000))
    assert {same, longer} & set(hours.keep().broken) == {same, longer}
    assert [hours.head(same), hours.head(longer)] == [2, 2]


def test_a_document_that_the_key_has_not_signed_is_reported_and_the_one_before_it_counts(
    admin: Administration, hours: Hours
) -> None:
    of = admin.service.organisation()
    acts(admin, of, "a.a", "b.b")
    hours.keep()
    hours.delete(of, 2)
    hours.hour += 1
    forged = audit_log.heads_name(NOW + hours.hour * HOUR)
    hours.deps.heads.put_new(forged, io.BytesIO(b'{"v":1,"at":1,"heads":[],"key":"x"}\n'))
    hours.deps.heads.put_new(audit_log.heads_name(NOW + 99 * HOUR), io.BytesIO(b"of a time to come"))
    kept = hours.keep()
    assert kept.unreadable == (forged,)
    assert of in kept.broken


def test_heads_go_on_after_a_pause_of_any_length(admin: Administration, hours: Hours) -> None:
    of = admin.service.organisation()
    acts(admin, of, "a.a", "b.b")
    hours.keep()
    hours.delete(of, 2)
    hours.hour += RECENT_HOURS + 5
    assert of in hours.keep().broken


def test_chains_go_on_under_a_new_key_if_the_former_one_is_known(
    admin: Administration, deps: AuditLogDependencies
) -> None:
    of, new = admin.service.organisation(), AuditKey.of(b"n" * 32)
    acts(admin, of, "a.a", "b.b")
    act = Act(action="c.c", actor="x", role=None, organisation=of)
    keep_heads(now=Instant(NOW_MS), deps=HeadsDependencies(deps.store, deps.heads, AUDIT_KEY))
    with pytest.raises(ChainBroken):
        Recorder(deps.store, new).record(act, now=Instant(NOW_MS))
    Recorder(deps.store, new, (AUDIT_KEY.public,)).record(act, now=Instant(NOW_MS))
    Recorder(deps.store, new).record(act, now=Instant(NOW_MS))
    knowing = HeadsDependencies(deps.store, deps.heads, new, (AUDIT_KEY.public,))
    assert of not in keep_heads(now=Instant(NOW_MS + HOUR * 1000), deps=knowing).broken
    auditor = admin.appoint(Role.AUDITOR, Place.root(of))
    keys = public_keys([AUDIT_KEY.public, new.public])
    heads = [one for at in (NOW, NOW + HOUR) for one in read_heads(audit_log.heads(auditor, at, deps=deps), keys)]
    found = verify(io.BytesIO(exported(auditor, of, deps)), keys=keys, heads=heads, chain=id_text(of))
    assert (found.fault, found.entries, found.heads, found.unwitnessed) == (None, 4, 2, 0)


def test_heads_are_for_who_may_export_a_chain(admin: Administration, deps: AuditLogDependencies) -> None:
    of = admin.service.organisation()
    unit = admin.service.unit(of)
    keep_heads(now=Instant(NOW_MS), deps=HeadsDependencies(deps.store, deps.heads, deps.key))
    for role in (Role.AUDITOR, Role.NODAL_OFFICER, Role.TRACE_APPROVER):
        assert audit_log.heads(admin.appoint(role, Place.root(of)), NOW, deps=deps)
    below = (admin.appoint(Role.AUDITOR, Place(of, unit)), admin.appoint(Role.UNIT_ADMIN, Place(of, unit)))
    for caller in (*below, admin.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM))):
        assert refused(audit_log.heads, caller, NOW, deps=deps) == ErrorCode.NOT_FOUND


def test_names_of_heads_sort_by_time() -> None:
    assert audit_log.heads_name(0) == "heads/1970/01/01/00"
    assert audit_log.heads_name(NOW) == "heads/2026/09/21/14"
    assert audit_log.heads_name(NOW - NOW % HOUR - 1) < audit_log.heads_name(NOW)
