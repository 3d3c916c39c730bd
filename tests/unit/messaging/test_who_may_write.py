"""Tests who may write to whom, for `send` and receipts, and the class that recipients see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sandes.crypto.seal import Kind
from sandes.messaging import deliver
from sandes.messaging.send import SendDependencies, send
from sandes.model.ids import new_message_id
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Ack, Receipt, Send
from sandes.store.inbox import InboxStore
from tests.support.dynamodb import OvertakenClient
from tests.support.service import NOW_MS, Person, Service


def official(service: Service, *, device_count: int = 1, **changed: Any) -> Person:
    person = service.person(device_count)
    service.verify(person, **changed)
    return person


def sent(service: Service, frame: Send, sender: Person, *, now_ms: int = NOW_MS, deps: Any = None) -> None:
    send(frame, sender.principal(), now=Instant(now_ms), deps=deps or service.send_deps())


def refused(service: Service, frame: Send, sender: Person, **how: Any) -> bool:
    with pytest.raises(ProtocolError) as caught:
        sent(service, frame, sender, **how)
    error = caught.value
    return (error.code, error.details, error.retry_after_seconds) == (ErrorCode.NOT_PERMITTED, {}, None)


def classes(service: Service, recipient: Person, index: int = 0) -> list[str | None]:
    """Return the sender's class in each envelope that waits for a device."""
    return [recipient.keys[index].open(envelope).sender_class for envelope in service.stored(recipient, index)]


def test_officials_write_to_everybody_and_citizens_to_citizens_and_listed_posts(service: Service) -> None:
    organisation = service.organisation()
    asha, colleague, other = (official(service, organisation=of) for of in (organisation, organisation, None))
    listed, citizen, neighbour = official(service, listed=True), service.person(), service.person()
    for recipient in (colleague, other, listed, citizen):
        sent(service, service.message(recipient), asha)
    for recipient in (neighbour, listed, asha):
        sent(service, service.message(recipient), citizen)  # asha wrote first
    for recipient in (colleague, other, asha):
        assert refused(service, service.message(recipient), neighbour)
    assert len(service.stored(asha)) == 1


def test_the_class_in_the_seal_is_that_of_the_second_in_which_it_was_sent(service: Service) -> None:
    asha, ravi = official(service, expires_in_seconds=60), service.person()
    for at_ms in (NOW_MS + 59_999, NOW_MS + 60_000):
        sent(service, service.message(ravi, id=new_message_id(at_ms)), asha, now_ms=at_ms)
    sent(service, service.message(asha), ravi, now_ms=NOW_MS)
    assert classes(service, ravi) == ["verified", "public"]
    assert classes(service, asha) == ["public"]


def test_a_verification_that_expires_takes_the_right_to_write_with_it(service: Service) -> None:
    leaving, unlisted = official(service, expires_in_seconds=60), official(service)
    sent(service, service.message(unlisted), leaving, now_ms=NOW_MS + 59_999)
    assert refused(service, service.message(unlisted), leaving, now_ms=NOW_MS + 60_000)
    assert len(service.stored(unlisted)) == 1


def test_an_official_who_is_none_any_more_is_written_to_like_any_citizen(service: Service) -> None:
    leaving, citizen = official(service), service.person()
    assert refused(service, service.message(leaving), citizen)
    service.revoke(leaving)
    sent(service, service.message(leaving), citizen)


@pytest.mark.parametrize("device_count", [1, 3])
def test_a_revocation_in_the_middle_of_a_send_counts_from_the_next_message_on(
    service: Service, device_count: int
) -> None:
    leaving, unlisted = official(service), official(service, device_count=device_count)
    method = "put_item" if device_count == 1 else "transact_write_items"
    client: Any = OvertakenClient(service.client, method, lambda: service.revoke(leaving))
    deps: SendDependencies = service.send_deps(inbox=InboxStore(client, service.tables["inbox"]))
    frame = service.message(unlisted, b"the last one")
    sent(service, frame, leaving, deps=deps)
    assert client.overtaken
    assert refused(service, service.message(unlisted), leaving)
    assert refused(service, frame, leaving)  # a repetition too: the stored message stays
    for index, keys in enumerate(unlisted.keys):
        (envelope,) = service.stored(unlisted, index)
        assert (keys.open(envelope).body, keys.open(envelope).sender_class) == (b"the last one", "verified")


def test_a_revocation_before_the_invitation_is_written_does_no_harm(service: Service) -> None:
    leaving, ravi = official(service), service.person()
    client: Any = OvertakenClient(service.client, "put_item", lambda: service.revoke(leaving))
    view = replace(service.view, directory=replace(service.directory, client=client))
    sent(service, service.message(ravi), leaving, deps=service.send_deps(view=view))
    assert client.overtaken
    sent(service, service.message(leaving), ravi)
    sent(service, service.message(ravi, id=new_message_id(NOW_MS + 1)), leaving)
    assert classes(service, ravi) == ["verified", "public"]


def test_two_first_messages_at_once_both_arrive(service: Service) -> None:
    asha, ravi = official(service), service.person()
    client: Any = OvertakenClient(service.client, "put_item", lambda: sent(service, service.message(ravi), asha))
    view = replace(service.view, directory=replace(service.directory, client=client))
    sent(service, service.message(ravi), asha, deps=service.send_deps(view=view))
    assert client.overtaken
    assert len(service.stored(ravi)) == 2


# Receipts


def receipt(service: Service, reader: Person, author: Person) -> None:
    entry = Receipt(to=author.account, kind="read", ids=(service.message(reader).id,))
    frame = Ack(type="ack", ref="a", ids=(), receipts=(entry,))
    deliver.ack(frame, reader.principal(), now=Instant(NOW_MS), deps=service.deliver_deps())


def test_a_receipt_reaches_whom_the_reader_may_write_to_and_nobody_else(service: Service) -> None:
    asha, ravi = official(service), service.person()
    receipt(service, ravi, asha)
    assert service.stored(asha) == []
    sent(service, service.message(ravi), asha)
    receipt(service, ravi, asha)
    (envelope,) = service.stored(asha)
    content = asha.keys[0].open(envelope)
    assert (content.kind, content.sender_class) == (Kind.RECEIPT, "public")


def test_an_officials_receipt_says_the_class_and_invites_nobody(service: Service) -> None:
    listed, ravi = official(service, listed=True), service.person()
    sent(service, service.message(listed), ravi)
    receipt(service, listed, ravi)
    assert classes(service, ravi) == ["verified"]
    assert service.directory.invitations(listed.account, after=None, most=10, now_seconds=NOW_MS // 1000) == ([], None)
