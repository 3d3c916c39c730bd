"""Tests the `send` frame: refusals, stored envelopes, and retries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sandes.crypto.seal import Kind
from sandes.limits import Limit, Meter
from sandes.messaging.rules import MAX_AGE_MS, MAX_AHEAD_MS
from sandes.messaging.send import SendDependencies, send
from sandes.model.envelope import MAX_BODY_BYTES
from sandes.model.ids import account_text, new_account_id, new_message_id
from sandes.model.instant import Instant
from sandes.people import accounts
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.faults import fault
from sandes.protocol.frames import Accepted, Copy, Send, parse_frame
from sandes.store.inbox import InboxStore
from sandes.store.send_view import SendFacts, SendView
from tests.support.dynamodb import OvertakenClient
from tests.support.keys import DeviceKeys
from tests.support.service import MAX_EXPIRY_SECONDS, NOW, NOW_MS, Person, Service, copies_for


def sent(
    service: Service,
    frame: Send,
    sender: Person,
    *,
    now_ms: int = NOW_MS,
    index: int = 0,
    deps: SendDependencies | None = None,
) -> Accepted:
    return send(frame, sender.principal(index), now=Instant(now_ms), deps=deps or service.send_deps())


def refused(service: Service, frame: Send, sender: Person, **how: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        sent(service, frame, sender, **how)
    return caught.value


@pytest.fixture
def asha(service: Service) -> Person:
    return service.person()


@pytest.fixture
def ravi(service: Service) -> Person:
    return service.person()


def test_a_message_waits_for_its_device_sealed_and_stamped_by_the_server(
    service: Service, asha: Person, ravi: Person
) -> None:
    frame = service.message(ravi, b"namaste")
    accepted = sent(service, frame, asha)
    assert (accepted.ref, accepted.id, accepted.at) == ("r1", frame.id, NOW_MS)
    (envelope,) = service.stored(ravi)
    content = ravi.keys[0].open(envelope)
    assert content.body == b"namaste"
    assert content.sender == asha.address()
    assert content.sender_class == "public"
    assert content.to == ravi.account
    assert content.kind is Kind.MESSAGE
    assert content.at_ms == NOW_MS
    assert content.id == frame.id == envelope.id[:16]
    assert envelope.expires_at == NOW + MAX_EXPIRY_SECONDS


def test_what_is_stored_names_neither_sender_nor_body_in_clear(service: Service, asha: Person, ravi: Person) -> None:
    sent(service, service.message(ravi, b"a body of some length"), asha)
    (row,) = service.client.query(
        TableName=service.tables["inbox"],
        KeyConditionExpression="i = :inbox",
        ExpressionAttributeValues={":inbox": {"B": ravi.devices[0].inbox}},
    )["Items"]
    stored = repr(row).encode() + b"".join(value["B"] for value in row.values() if "B" in value)
    for secret in (asha.account, asha.devices[0].inbox, ravi.account, b"a body of some length"):
        assert secret not in stored


def test_a_live_socket_gets_the_envelope_at_once_and_the_inbox_keeps_it(
    service: Service, asha: Person, ravi: Person
) -> None:
    socket = service.online(ravi)
    sent(service, service.message(ravi), asha)
    assert len(service.gateway.envelope_ids(socket)) == 1
    assert len(service.stored(ravi)) == 1


def test_every_device_of_the_recipient_gets_its_own_copy(service: Service, asha: Person) -> None:
    ravi = service.person(3)
    copies = tuple(
        Copy(device=device.number, registration_id=device.registration, body=f"copy {index}".encode())
        for index, device in enumerate(ravi.devices)
    )
    sent(service, service.message(ravi, copies=copies), asha)
    for index, keys in enumerate(ravi.keys):
        (envelope,) = service.stored(ravi, index)
        assert keys.open(envelope).body == f"copy {index}".encode()


# Time of the id


def test_an_id_two_minutes_ahead_is_taken_and_a_millisecond_more_is_refused_with_the_servers_time(
    service: Service, asha: Person, ravi: Person
) -> None:
    sent(service, service.message(ravi, id=new_message_id(NOW_MS + MAX_AHEAD_MS)), asha)
    error = refused(service, service.message(ravi, id=new_message_id(NOW_MS + MAX_AHEAD_MS + 1)), asha)
    assert error.code is ErrorCode.CLOCK_SKEW
    assert error.details == {"server_time": NOW_MS}
    assert MAX_AHEAD_MS == 120_000


def test_an_id_seven_days_old_is_taken_and_a_millisecond_more_is_refused(
    service: Service, asha: Person, ravi: Person
) -> None:
    sent(service, service.message(ravi, id=new_message_id(NOW_MS - MAX_AGE_MS)), asha)
    error = refused(service, service.message(ravi, id=new_message_id(NOW_MS - MAX_AGE_MS - 1)), asha)
    assert error.code is ErrorCode.ID_TOO_OLD
    assert MAX_AGE_MS == 604_800_000


# Sizes and expiry


def test_a_body_of_64_kib_is_taken_and_a_byte_more_is_refused(service: Service, asha: Person, ravi: Person) -> None:
    sent(service, service.message(ravi, bytes(MAX_BODY_BYTES)), asha)
    error = refused(service, service.message(ravi, bytes(MAX_BODY_BYTES + 1)), asha)
    assert error.code is ErrorCode.TOO_LARGE
    assert error.details == {"max_body_bytes": 65_536}


@pytest.mark.parametrize(("expires_in", "kept"), [(None, MAX_EXPIRY_SECONDS), (60, 60), (MAX_EXPIRY_SECONDS,) * 2])
def test_expiry_is_what_was_asked_or_the_most_there_is(
    service: Service, asha: Person, ravi: Person, expires_in: int | None, kept: int
) -> None:
    sent(service, service.message(ravi, expires_in=expires_in), asha)
    (envelope,) = service.stored(ravi)
    assert envelope.expires_at == NOW + kept
    assert service.stored(ravi, now_ms=NOW_MS + kept * 1000) == []


def test_an_expiry_beyond_the_stages_maximum_is_refused(service: Service, asha: Person, ravi: Person) -> None:
    error = refused(service, service.message(ravi, expires_in=MAX_EXPIRY_SECONDS + 1), asha)
    assert error.code is ErrorCode.INVALID_FRAME
    assert error.details["errors"][0]["pointer"] == "/expires_in"
    assert service.stored(ravi) == []


# Who may


def _told(error: ProtocolError) -> tuple[Any, ...]:
    return error.code, dict(error.details), error.retry_after_seconds, str(error)


def test_unknown_blocking_and_deviceless_recipients_give_the_very_same_answer(service: Service, asha: Person) -> None:
    unknown = Person(new_account_id(), service.person().phone, devices=[], keys=[])
    blocking, left = service.person(), service.person()
    service.directory.block(owner=blocking.account, blocked=asha.account)
    service.unlink(left, left.devices[0].number)
    guessed = (Copy(device=1, registration_id=1, body=b"x"),)
    answers = [
        _told(refused(service, service.message(unknown, copies=guessed), asha)),
        _told(refused(service, service.message(blocking, copies=guessed), asha)),
        _told(refused(service, service.message(blocking), asha)),
        _told(refused(service, service.message(left, copies=guessed), asha)),
        _told(refused(service, service.message(left, copies=()), asha)),
    ]
    assert answers == [(ErrorCode.NOT_PERMITTED, {}, None, "not_permitted")] * 5
    assert service.stored(blocking) == []


def test_a_block_stops_one_direction_and_ends_when_taken_back(service: Service, asha: Person, ravi: Person) -> None:
    service.directory.block(owner=ravi.account, blocked=asha.account)
    sent(service, service.message(asha), ravi)
    service.directory.unblock(owner=ravi.account, blocked=asha.account)
    sent(service, service.message(ravi), asha)
    assert len(service.stored(ravi)) == 1


def test_the_open_socket_of_an_unlinked_device_sends_nothing(service: Service, ravi: Person) -> None:
    asha = service.person(2)
    service.unlink(asha, asha.devices[1].number)
    assert refused(service, service.message(ravi), asha, index=1).code is ErrorCode.REVOKED
    assert service.stored(ravi) == []
    sent(service, service.message(ravi), asha, index=0)


def test_a_device_whose_number_registered_again_sends_nothing(service: Service, asha: Person, ravi: Person) -> None:
    service.register(asha.phone, DeviceKeys(), now_ms=NOW_MS + 60_000)
    assert refused(service, service.message(ravi), asha).code is ErrorCode.REVOKED


def test_a_device_number_given_to_another_registration_does_not_pass_for_it(
    service: Service, asha: Person, ravi: Person
) -> None:
    principal = asha.principal()
    stranger = replace(principal, registration=type(principal.registration)(principal.registration ^ 1))
    with pytest.raises(ProtocolError) as caught:
        send(service.message(ravi), stranger, now=Instant(NOW_MS), deps=service.send_deps())
    assert caught.value.code is ErrorCode.REVOKED


# Copies


def test_missing_extra_and_stale_devices_are_named_and_nothing_is_stored(service: Service, asha: Person) -> None:
    ravi = service.person(2)
    first, second = ravi.devices
    copies = (
        Copy(device=first.number, registration_id=first.registration ^ 1 or 2, body=b"x"),
        Copy(device=200, registration_id=7, body=b"x"),
    )
    error = refused(service, service.message(ravi, copies=copies), asha)
    assert error.code is ErrorCode.DEVICE_MISMATCH
    assert error.details == {"missing": [second.number], "extra": [200], "stale": [first.number]}
    assert service.stored(ravi, 0) == service.stored(ravi, 1) == []


def test_each_kind_of_mismatch_is_refused_when_it_is_the_only_one(service: Service, asha: Person) -> None:
    ravi = service.person(2)
    first, second = copies_for(ravi)
    for copies, kind in (
        ((first,), "missing"),
        ((first, second, Copy(device=200, registration_id=7, body=b"x")), "extra"),
        ((first, second.model_copy(update={"registration_id": first.registration_id})), "stale"),
    ):
        error = refused(service, service.message(ravi, copies=copies), asha)
        assert error.code is ErrorCode.DEVICE_MISMATCH
        assert [name for name, numbers in error.details.items() if numbers] == [kind]
    assert service.stored(ravi, 0) == service.stored(ravi, 1) == []


def test_no_copies_at_all_name_every_device_as_missing(service: Service, asha: Person) -> None:
    ravi = service.person(2)
    error = refused(service, service.message(ravi, copies=()), asha)
    assert error.details["missing"] == [device.number for device in ravi.devices]


def test_two_copies_for_one_device_are_refused(service: Service, asha: Person, ravi: Person) -> None:
    error = refused(service, service.message(ravi, copies=copies_for(ravi) * 2), asha)
    assert error.code is ErrorCode.INVALID_FRAME
    assert error.details["errors"] == [fault("/copies", "device_named_twice")]
    assert service.stored(ravi) == []


# To oneself


def test_a_message_to_oneself_goes_to_the_other_devices_only(service: Service) -> None:
    asha = service.person(3)
    sent(service, service.message(asha, copies=copies_for(asha, without=0)), asha)
    assert [len(service.stored(asha, index)) for index in range(3)] == [0, 1, 1]


def test_a_copy_for_the_sending_device_itself_is_extra(service: Service) -> None:
    asha = service.person(2)
    error = refused(service, service.message(asha), asha)
    assert error.details == {"missing": [], "extra": [asha.devices[0].number], "stale": []}


def test_a_note_to_oneself_without_another_device_is_accepted_and_stored_nowhere(
    service: Service, asha: Person
) -> None:
    assert sent(service, service.message(asha, copies=()), asha).at == NOW_MS
    assert service.stored(asha) == []


# Retries


@pytest.mark.parametrize("device_count", [1, 3])
def test_a_retry_gives_the_first_time_and_stores_nothing_more(
    service: Service, asha: Person, device_count: int
) -> None:
    ravi = service.person(device_count)
    frame = service.message(ravi)
    first = sent(service, frame, asha)
    before = [service.stored(ravi, index) for index in range(device_count)]
    again = sent(service, frame, asha, now_ms=NOW_MS + 5_000)
    assert (first.at, again.at) == (NOW_MS, NOW_MS)
    assert [service.stored(ravi, index) for index in range(device_count)] == before
    assert [len(envelopes) for envelopes in before] == [1] * device_count


def test_a_retry_after_the_ack_has_the_first_time(service: Service, asha: Person) -> None:
    """The author sees the time of the answer that arrived, and the reader that of the first envelope."""
    ravi = service.person()
    frame = service.message(ravi)
    first = sent(service, frame, asha)
    (read,) = service.stored(ravi)
    service.inbox.remove(read.inbox, [read.id])
    again = sent(service, frame, asha, now_ms=NOW_MS + 10_337)
    (repeated,) = service.stored(ravi)
    assert [ravi.keys[0].open(envelope).at_ms for envelope in (read, repeated)] == [first.at, again.at]
    assert first.at == again.at == NOW_MS


def test_messages_of_one_sender_keep_their_order_whatever_the_clocks_of_the_environments_say(
    service: Service, asha: Person
) -> None:
    """The clock of the environment that accepts the second message is 200 ms behind the first one's."""
    ravi = service.person()
    for order, (made_ms, accepted_ms) in enumerate(((NOW_MS, NOW_MS + 210), (NOW_MS + 20, NOW_MS + 30))):
        frame = service.message(ravi, str(order).encode(), id=new_message_id(made_ms))
        assert sent(service, frame, asha, now_ms=accepted_ms).at == made_ms
    contents = [ravi.keys[0].open(envelope) for envelope in service.stored(ravi)]
    assert [content.body for content in sorted(contents, key=lambda one: (one.at_ms, one.id))] == [b"0", b"1"]


def test_the_time_of_a_message_is_that_of_its_id_as_far_ahead_and_as_old_as_it_may_be(
    service: Service, asha: Person, ravi: Person
) -> None:
    for made_ms in (NOW_MS + MAX_AHEAD_MS, NOW_MS - MAX_AGE_MS):
        assert sent(service, service.message(ravi, id=new_message_id(made_ms)), asha).at == made_ms


@pytest.mark.parametrize("device_count", [1, 2])
def test_a_retry_with_other_content_leaves_and_pushes_what_was_stored_first(
    service: Service, asha: Person, device_count: int
) -> None:
    ravi = service.person(device_count)
    socket = service.online(ravi)
    frame = service.message(ravi, b"first")
    sent(service, frame, asha)
    sent(service, service.message(ravi, b"other", id=frame.id), asha, now_ms=NOW_MS + 1)
    (envelope,) = service.stored(ravi)
    assert ravi.keys[0].open(envelope).body == b"first"
    shown = [entry for text in service.gateway.received[socket] for entry in text["envelopes"]]
    assert len(shown) == 2
    assert shown[0] == shown[1]


def test_the_same_id_from_two_senders_makes_two_messages(service: Service, asha: Person, ravi: Person) -> None:
    frame = service.message(ravi)
    sent(service, frame, asha)
    sent(service, frame, service.person())
    assert len(service.stored(ravi)) == 2


def test_two_devices_of_one_sender_using_the_same_id_make_two_messages(service: Service, ravi: Person) -> None:
    asha = service.person(2)
    frame = service.message(ravi)
    sent(service, frame, asha, index=0)
    sent(service, frame, asha, index=1)
    assert len(service.stored(ravi)) == 2


# Rate


def test_the_61st_message_at_once_is_refused_and_goes_through_after_the_wait(
    service: Service, asha: Person, ravi: Person
) -> None:
    deps = service.send_deps(meter=Meter(Limit.SENDS, service.limits))
    frame = service.message(ravi)  # one id: the bucket counts frames, not messages
    for _ in range(60):
        sent(service, frame, asha, deps=deps)
    other = service.message(ravi)
    error = refused(service, other, asha, deps=deps)
    assert (error.code, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, 1)
    assert len(service.stored(ravi)) == 1
    sent(service, other, asha, now_ms=NOW_MS + 1_000, deps=deps)
    assert len(service.stored(ravi)) == 2


def test_one_devices_flood_does_not_hold_up_another(service: Service, ravi: Person) -> None:
    asha = service.person(2)
    deps = service.send_deps()
    for _ in range(60):
        sent(service, service.message(ravi), asha, deps=deps, index=0)
    refused(service, service.message(ravi), asha, deps=deps, index=0)
    sent(service, service.message(ravi), asha, deps=deps, index=1)


def test_a_frame_that_names_its_own_sender_is_refused() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_frame('{"type":"send","from":"mfrggzdfmztwq.1"}')
    assert "/from" in [fault["pointer"] for fault in caught.value.details["errors"]]


def test_a_device_linked_between_the_read_and_the_write_gets_a_copy_by_a_repetition(
    service: Service, asha: Person
) -> None:
    """If the recipient is offline, routing is read again after the write, so the sender learns of the new device."""
    ravi, keys = service.person(), DeviceKeys()
    first = service.message(ravi)

    def link() -> None:
        linked = service.link(ravi, keys)
        ravi.devices.append(service.account(ravi.account).devices[linked.device])  # type: ignore[index]
        ravi.keys.append(keys)

    client: Any = OvertakenClient(service.client, "put_item", link)
    deps = service.send_deps(inbox=InboxStore(client, service.tables["inbox"]))
    with pytest.raises(ProtocolError) as caught:
        send(first, asha.principal(), now=Instant(NOW_MS), deps=deps)
    assert caught.value.code is ErrorCode.DEVICE_MISMATCH
    assert caught.value.details["missing"] == [ravi.devices[1].number]
    sent(service, service.message(ravi, id=first.id), asha, now_ms=NOW_MS + 100)
    assert [len(service.stored(ravi, index)) for index in (0, 1)] == [1, 1]


# What is written to one account


def test_many_senders_together_cannot_fill_the_write_rate_of_one_inbox(service: Service) -> None:
    """Each sender is within their own limit. A refused sender waits and sends the same message again, and it
    arrives.
    """
    ravi, other = service.person(), service.person()
    senders = [service.person() for _ in range(3)]
    deps = service.send_deps(meter=Meter(Limit.SENDS, None))
    body, accepted = bytes(31 * 1024), 0
    refusal: ProtocolError | None = None
    while refusal is None:
        frame = service.message(ravi, body)
        try:
            send(frame, senders[accepted % 3].principal(), now=Instant(NOW_MS), deps=deps)
            accepted += 1
        except ProtocolError as error:
            refusal = error
    assert accepted == Limit.INBOX.burst // 32
    assert refusal.code is ErrorCode.RATE_LIMITED
    assert refusal.retry_after_seconds == 1
    send(service.message(other, body), senders[0].principal(), now=Instant(NOW_MS), deps=deps)
    send(frame, senders[accepted % 3].principal(), now=Instant(NOW_MS + 1_000), deps=deps)
    assert len(service.stored(ravi)) == accepted + 1


def test_environments_share_the_limit_of_an_inbox(service: Service, asha: Person) -> None:
    ravi = service.person()
    body = bytes(63 * 1024)

    def environment() -> SendDependencies:
        return service.send_deps(
            inboxes=Meter(Limit.INBOX, service.limits, write_every=64), meter=Meter(Limit.SENDS, None)
        )

    for _ in range(Limit.INBOX.burst // 64):
        sent(service, service.message(ravi, body), asha, deps=environment())
    assert refused(service, service.message(ravi, body), asha, deps=environment()).code is ErrorCode.RATE_LIMITED


def test_the_limit_of_an_inbox_tells_strangers_nothing(service: Service, asha: Person) -> None:
    ravi = service.person()
    deps = service.send_deps()
    deps.inboxes.take(f"account:{account_text(ravi.account)}", now=Instant(NOW_MS), weight=Limit.INBOX.burst)
    assert refused(service, service.message(ravi), asha, deps=deps).code is ErrorCode.RATE_LIMITED
    accounts.block(service.caller(ravi), asha.account, now=Instant(NOW_MS), deps=service.device_deps)
    assert refused(service, service.message(ravi), asha, deps=deps).code is ErrorCode.NOT_PERMITTED


def test_a_device_linked_between_two_tries_of_a_message_gets_it_too(service: Service, asha: Person) -> None:
    """The first `accepted` was lost. The sender learns of the new device and repeats the id with both copies."""
    ravi = service.person()
    first = service.message(ravi)
    deps = service.send_deps()
    accepted = send(first, asha.principal(), now=Instant(service.now_ms), deps=deps)
    keys = DeviceKeys()
    linked = service.link(ravi, keys)
    ravi.devices.append(service.account(ravi.account).devices[linked.device])  # type: ignore[index]
    ravi.keys.append(keys)

    again = service.message(ravi, id=first.id)
    repeated = send(again, asha.principal(), now=Instant(service.now_ms + 5_000), deps=deps)
    assert repeated.at == accepted.at
    assert [len(service.stored(ravi, index)) for index in (0, 1)] == [1, 1]


def test_a_retry_comes_again_to_a_device_that_has_acked_it_and_once_to_the_other(
    service: Service, asha: Person
) -> None:
    ravi = service.person(2)
    frame, deps = service.message(ravi), service.send_deps()
    send(frame, asha.principal(), now=Instant(service.now_ms), deps=deps)
    (acked,), (waiting,) = service.stored(ravi, 0), service.stored(ravi, 1)
    service.inbox.remove(acked.inbox, [acked.id])
    send(frame, asha.principal(), now=Instant(service.now_ms + 1), deps=deps)
    assert [envelope.id for envelope in service.stored(ravi, 0)] == [acked.id]
    assert service.stored(ravi, 1) == [waiting]


def test_a_recipient_replaced_between_read_and_write_is_a_mismatch_not_a_loss(service: Service, asha: Person) -> None:
    """Nobody would ever fetch the copy for the removed device. The sender learns of it and repeats the id."""
    ravi = service.person()

    class StaleView(SendView):
        def read(self, *arguments: Any, **named: Any) -> SendFacts:
            facts = super().read(*arguments, **named)
            service.register(ravi.phone, DeviceKeys(), now_ms=NOW_MS + 60_000)
            return facts

    frame = service.message(ravi)
    deps = service.send_deps(view=StaleView(service.routing, service.directory, service.limits))
    with pytest.raises(ProtocolError) as refused:
        send(frame, asha.principal(), now=Instant(NOW_MS), deps=deps)
    assert refused.value.code is ErrorCode.DEVICE_MISMATCH
    assert refused.value.details == {"missing": [2], "extra": [1], "stale": []}


def test_a_retry_after_the_expiry_shows_the_message_to_nobody(service: Service, asha: Person) -> None:
    """TTL deletes late: the row still exists and must not be pushed."""
    ravi = service.person()
    frame, deps = service.message(ravi, expires_in=60), service.send_deps()
    first = send(frame, asha.principal(), now=Instant(NOW_MS), deps=deps)
    socket = service.online(ravi)
    again = send(frame, asha.principal(), now=Instant(NOW_MS + 61_000), deps=deps)
    assert again.at == first.at
    assert service.gateway.envelope_ids(socket) == []
