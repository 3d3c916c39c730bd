"""Groups as an application uses them: posts through the outbox, calls, and knowledge that follows the versions."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from sandes.crypto.seal import GroupChange
from sandes.model.ids import account_text
from sandes.protocol.client_api import ChangeGroup, GroupDelivery, NewGroup
from sandes_client import ApiError, GroupRefreshed, SendFailed, Status, Store
from sandes_client.cipher import PlainBody
from sandes_client.groups import SPREAD_SECONDS
from sandes_client.ids import GroupId
from tests.unit.sdk.group_service import GroupService
from tests.unit.sdk.service import ALICE, BOB, CAMP, CAMP_ID, START_MS, Service, eventually, problem, refusal, settle

ALICE_ID, BOB_ID = account_text(ALICE), account_text(BOB)
CAMP_GROUP = GroupId(CAMP_ID)
SHOWN = ("GET", f"/v1/groups/{CAMP_ID}")


@pytest.fixture
def groups(service: Service) -> GroupService:
    return GroupService(service)


# Posts


async def test_a_post_has_one_body_for_the_whole_group(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        row = device.groups.post(CAMP_ID, "सभी को".encode(), expires_in=60)
        sent = await device.wait_for(row.number)
    (post,) = service.posts
    assert (post.to.group, post.body, post.expires_in) == (CAMP, "सभी को".encode(), 60)
    assert (sent.status, sent.at_ms) == (Status.ACCEPTED, START_MS)
    assert not [call for call in service.calls if call[1].endswith("/keys")]


async def test_a_post_without_answer_is_repeated_with_the_same_id_and_body_by_the_next_run(
    service: Service, tmp_path: Path
) -> None:
    class Numbering(PlainBody):
        made = 0

        def encrypt_for_group(self, body: bytes, group: GroupId) -> bytes:
            self.made += 1
            return body + group.encode() + str(self.made).encode()

    path = tmp_path / "alice.sqlite3"
    service.profile(path).close()
    cipher = Numbering()
    service.answers["send"] = lambda *_: None
    async with service.client(path, cipher=cipher) as device:
        row = device.groups.post(CAMP_ID, b"once")
        await eventually(lambda: service.of_type("send"))
    del service.answers["send"]
    async with service.client(path, cipher=cipher) as device:
        await device.wait_for(row.number)
    first, second = service.of_type("send")
    assert (first["id"], first["body"]) == (second["id"], second["body"])
    assert service.posts[-1].body == b"once" + CAMP_ID.encode() + b"1"


async def test_a_refused_post_fails_with_its_code_and_holds_up_no_other_conversation(
    service: Service, store: Store
) -> None:
    service.answers["send"] = lambda _, frame: (
        refusal("posting_restricted")
        if "group" in frame["to"]
        else {"type": "accepted", "id": frame["id"], "at": START_MS}
    )
    async with service.client(store) as device:
        row = device.groups.post(CAMP_ID, b"not for members")
        with pytest.raises(SendFailed) as failed:
            await device.wait_for(row.number)
        await device.send(BOB_ID, b"to bob")
    assert failed.value.code == "posting_restricted"


async def test_posts_to_one_group_leave_in_the_order_they_were_written(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        rows = [device.groups.post(CAMP_ID, str(number).encode()) for number in range(10)]
        await device.wait_for(rows[-1].number)
    assert [post.body for post in service.posts] == [str(number).encode() for number in range(10)]


async def test_a_post_of_64_kib_leaves_in_fragments_and_a_larger_frame_fails_here(
    service: Service, store: Store
) -> None:
    async with service.client(store) as device:
        await device.wait_for(device.groups.post(CAMP_ID, b"x" * 65536).number)
        with pytest.raises(SendFailed, match="too_large"):
            await device.wait_for(device.groups.post(CAMP_ID, b"x" * 100_000).number)
    assert max(size for connection in service.connections for size in connection.fragments) == 32 * 1024
    assert service.posts[0].body == b"x" * 65536


async def test_an_account_and_a_group_of_the_same_id_are_kept_apart(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        to_group = device.groups.post(BOB_ID, b"to the group")
        to_bob = device.post(BOB_ID, b"to bob")
        await device.wait_for(to_group.number)
        await device.wait_for(to_bob.number)
    assert [row.body for row in store.outbox.to_recipient(BOB_ID, limit=9)] == [b"to bob"]
    assert (to_group.group, to_bob.group) == (BOB_ID, None)
    assert [post.body for post in service.posts] == [b"to the group"]


@pytest.mark.parametrize("text", ["", "camp", CAMP_ID.upper(), f"{CAMP_ID}/x"])
async def test_a_text_that_is_no_group_id_is_refused_before_anything_is_written(
    service: Service, store: Store, text: str
) -> None:
    async with service.client(store) as device:
        with pytest.raises(ValueError, match="group id"):
            device.groups.post(text, b"lost")
    assert store.outbox.waiting_recipients() == []


# Calls


async def test_a_group_is_made_and_known_from_then_on(service: Service, store: Store, groups: GroupService) -> None:
    async with service.client(store) as device:
        made = await device.groups.create("Camp on Monday", posting="admins")
        assert device.groups.known(CAMP_ID) == made
    (new,) = groups.changes
    assert isinstance(new, NewGroup)
    assert (new.name, new.posting) == ("Camp on Monday", "admins")
    assert (made.group, made.name, made.posting, made.role, made.version) == (
        CAMP_ID,
        "Camp on Monday",
        "admins",
        "owner",
        3,
    )


async def test_the_same_ref_makes_the_same_call(service: Service, store: Store, groups: GroupService) -> None:
    ref = "r" * 21 + "A"
    async with service.client(store) as device:
        await device.groups.create("Camp", ref=ref)
        await device.groups.create("Camp")
        await device.groups.create("Camp")
    assert groups.changes[0].ref == ref
    assert len({new.ref for new in groups.changes}) == 3


async def test_lists_are_read_to_their_end(service: Service, store: Store, groups: GroupService) -> None:
    async with service.client(store) as device:
        assert [(entry.name, entry.role, entry.expires_at) for entry in await device.groups.mine()] == [
            ("Camp", "member", None),
            ("Drill", None, 5),
        ]
        members = await device.groups.members(CAMP_ID)
    assert [(member.account, member.role, member.name) for member in members] == [
        (BOB_ID, "owner", "Bob"),
        (ALICE_ID, "member", None),
    ]


async def test_a_change_names_the_version_it_is_for(service: Service, store: Store, groups: GroupService) -> None:
    async with service.client(store) as device:
        changed = await device.groups.change(CAMP_ID, name="Drill")
        assert (changed.name, changed.version) == ("Drill", 4)
        groups.change(name="Parade")
        with pytest.raises(ApiError) as refused:
            await device.groups.change(CAMP_ID, posting="admins")
        assert refused.value.code == "precondition_failed"
        again = await device.groups.change(CAMP_ID, posting="admins", open=False, version=5)
    assert (again.name, again.posting, again.version) == ("Parade", "admins", 6)
    assert groups.changes == [ChangeGroup(name="Drill"), ChangeGroup(posting="admins", open=False)]


async def test_members_are_invited_given_roles_and_removed(
    service: Service, store: Store, groups: GroupService
) -> None:
    async with service.client(store) as device:
        await device.groups.invite(CAMP_ID, BOB_ID)
        await device.groups.set_role(CAMP_ID, BOB_ID, "admin")
        await device.groups.hand_over(CAMP_ID, BOB_ID)
        await device.groups.remove(CAMP_ID, BOB_ID)
        joined = await device.groups.join(CAMP_ID)
        assert joined.name == "Camp"
        await device.groups.leave(CAMP_ID)
        assert device.groups.known(CAMP_ID) is None
        await device.groups.show(CAMP_ID)
        await device.groups.dissolve(CAMP_ID)
        assert device.groups.known(CAMP_ID) is None
    assert groups.changes == [
        (BOB_ID, "member"),
        (BOB_ID, "admin"),
        (BOB_ID, "owner"),
        (BOB_ID, None),
        (ALICE_ID, "member"),
        (ALICE_ID, None),
        "dissolved",
    ]


async def test_delivery_counts_are_added_up_over_all_pages(
    service: Service, store: Store, groups: GroupService
) -> None:
    groups.deliveries = [
        GroupDelivery(members=1000, devices=1002, waiting=400, complete=True, cursor="1"),
        GroupDelivery(members=1000, devices=1002, waiting=0, complete=True, cursor="2"),
        GroupDelivery(members=1000, devices=1002, waiting=31, complete=True),
    ]
    async with service.client(store) as device:
        sent = await device.wait_for(device.groups.post(CAMP_ID, b"all").number)
        delivery = await device.groups.delivery(CAMP_ID, sent.id)
    assert (delivery.members, delivery.devices, delivery.waiting, delivery.complete) == (1000, 1002, 431, True)
    assert service.calls[-1] == ("GET", f"/v1/groups/{CAMP_ID}/messages/{sent.id}")


# What is known of groups


async def test_a_higher_version_has_the_group_read_anew(service: Service, store: Store, groups: GroupService) -> None:
    async with service.client(store) as device:
        events = device.events()
        await device.connected()
        await device.groups.show(CAMP_ID)
        await service.push(service.store_to_group(b"same version", version=3))
        await eventually(lambda: len(service.acks) == 1)
        assert service.calls.count(SHOWN) == 1
        groups.change(name="Parade")
        await service.push(service.store_event(GroupChange.CHANGED, version=4, name="Parade"))
        await eventually(lambda: (known := device.groups.known(CAMP_ID)) and known.name == "Parade")
    assert service.calls.count(SHOWN) == 2
    assert [event async for event in events if isinstance(event, GroupRefreshed)] == [GroupRefreshed(CAMP_GROUP, 4)]


async def test_many_messages_of_one_version_are_one_call(service: Service, store: Store, groups: GroupService) -> None:
    for number in range(20):
        service.store_to_group(str(number).encode(), version=3)
    async with service.client(store) as device:
        await device.drained()
        await eventually(lambda: device.groups.known(CAMP_ID))
    assert service.calls.count(SHOWN) == 1
    assert not groups.changes


async def test_a_group_that_cannot_be_read_now_is_read_by_the_next_run(
    service: Service, store: Store, groups: GroupService
) -> None:
    service.http_answers[SHOWN] = lambda _: problem("unavailable", 503)
    for number in range(3):
        service.store_to_group(str(number).encode(), version=3)
    async with service.client(store) as device:
        await device.drained()
        await eventually(lambda: SHOWN in service.calls)
        await settle()
        assert service.calls.count(SHOWN) <= 2, "one try is under way, however many messages tell of the version"
        assert device.groups.known(CAMP_ID) is None
    del service.http_answers[SHOWN]
    async with service.client(store) as device:
        await eventually(lambda: device.groups.known(CAMP_ID))
    assert store.groups.stale() == []


@pytest.mark.parametrize("failures", [1, 3, 20])
async def test_a_group_that_cannot_be_read_now_is_read_later_by_the_same_run(
    service: Service, store: Store, groups: GroupService, failures: int
) -> None:
    answers = iter([problem("unavailable", 503)] * failures)
    normally = service.more[0]

    def failing(request: httpx.Request) -> httpx.Response:
        answer = next(answers, None) or normally(request, "GET", ["groups", CAMP_ID])
        assert answer is not None
        return answer

    service.http_answers[SHOWN] = failing
    service.store_to_group(b"news", version=3)
    async with service.client(store) as device:
        await device.drained()
        for _ in range(60):
            await service.clock.advance(60)
        assert device.groups.known(CAMP_ID)
    assert service.calls.count(SHOWN) == failures + 1
    assert store.groups.stale() == []


async def test_a_group_that_the_service_no_longer_shows_is_left(service: Service, store: Store) -> None:
    store.groups.save(CAMP_GROUP, 2, {})
    service.store_to_group(b"last", version=3)
    async with service.client(store) as device:
        events = device.events()
        await eventually(lambda: store.groups.stale() == [] and SHOWN in service.calls)
        assert device.groups.known(CAMP_ID) is None
    assert GroupRefreshed(CAMP_GROUP, 3, left=True) in [event async for event in events]


async def test_members_of_a_large_group_do_not_all_ask_at_once(
    service: Service, store: Store, groups: GroupService
) -> None:
    groups.change(members=501)
    async with service.client(store, fraction=0.25) as device:
        await device.connected()
        await device.groups.show(CAMP_ID)
        service.calls.clear()
        groups.change()
        await service.push(service.store_to_group(b"to all", version=5))
        await eventually(lambda: service.clock.waiting(SPREAD_SECONDS / 4))
        assert SHOWN not in service.calls
        await service.clock.advance(SPREAD_SECONDS / 4)
        await eventually(lambda: (known := device.groups.known(CAMP_ID)) and known.version == 5)
    assert service.calls.count(SHOWN) == 1
