"""Notifies members of a change of their group (docs/protocol/groups.md, "Events"; docs/adr/0019).

A change and its event are written in one transaction. A queue entry is sent before it, with a delay longer than any
function runs, and another one after it. The second makes the event come immediately; the first makes it come even if
everything fails in between. The worker of an entry sends the event if its row exists, then deletes the row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from sandes.crypto.seal import GroupChange, group_event_body
from sandes.model.device import Device
from sandes.model.fanout import GroupPost
from sandes.model.group import EVENTS_TO_ALL_MEMBERS, SYSTEM, Actor, Group, GroupEvent, Role
from sandes.model.ids import (
    AccountId,
    GroupId,
    MessageId,
    account_text,
    id_text,
    message_text,
    message_time_ms,
    new_message_id,
    parse_group,
    parse_message,
)
from sandes.model.instant import Instant
from sandes.ports.queues import Queue
from sandes.store.dynamo import StoreUnavailable
from sandes.store.groups import GroupStore

NET_SECONDS = 150
"""The delay of the first entry. All functions that change groups end within it: the change was made by then, or
never.
"""

_NOT_OF_MEMBERS = {GroupChange.CHANGED, GroupChange.DISSOLVED}
_SUBJECT_IS_OUT = {GroupChange.LEFT, GroupChange.REMOVED}


class Deliver(Protocol):
    """Delivers the events of groups. `sandes.groups.fanout.Fanout` implements this interface."""

    def __call__(self, post: GroupPost, *, to: Sequence[AccountId] | None = None, now: Instant) -> int: ...


@dataclass(frozen=True, slots=True)
class EventDependencies:
    groups: GroupStore
    deliver: Deliver
    max_expiry_seconds: int


def new_event(
    group: GroupId,
    change: GroupChange,
    actor: Actor,
    *,
    now: Instant,
    subject: AccountId | None = None,
    role: Role | None = None,
    name: str | None = None,
    narrow: bool = False,
    to: Sequence[AccountId] | None = None,
) -> GroupEvent:
    """Build an event. If `narrow` is true, only the subject and admins get it. If `to` is set, only these
    accounts do.
    """
    return GroupEvent(group, new_message_id(now.ms), int(change), actor, now.ms, subject, role, name, narrow, to)


@contextmanager
def told(event: GroupEvent, queue: Queue) -> Iterator[GroupEvent]:
    """Queue the event around the transaction that makes the change. Raises StoreUnavailable only before the
    transaction.
    """
    with all_told([event], queue):
        yield event


@contextmanager
def all_told(events: Sequence[GroupEvent], queue: Queue) -> Iterator[None]:
    """Queue several events around the one transaction that holds them."""
    entries = [_entry(event) for event in events]
    work = [
        {"job": "dissolve", "group": id_text(event.group)} for event in events if event.change == GroupChange.DISSOLVED
    ]
    with _queued(entries, queue, only_before=work):
        yield


@contextmanager
def devices_told(device: Device, *, queue: Queue, there: bool, now: Instant) -> Iterator[None]:
    """Notify an account's groups around the transaction that adds or removes a device of an existing account.

    `there` says whether the device belongs to the account afterwards. Raises StoreUnavailable only before the
    transaction.
    """
    entry = {
        "job": "devices_changed",
        "account": account_text(device.account),
        "registration": device.registration,
        "there": there,
        "change": message_text(new_message_id(now.ms)),
    }
    with _queued([entry], queue):
        yield


@contextmanager
def _queued(
    entries: Sequence[dict[str, Any]], queue: Queue, *, only_before: Sequence[dict[str, Any]] = ()
) -> Iterator[None]:
    """Queue entries before a transaction, with a delay, and again after it. `only_before` holds entries that
    can wait.
    """
    queue.send_many([*entries, *only_before], delay_seconds=NET_SECONDS)
    yield
    with suppress(StoreUnavailable):  # the change is made, and the entries sent before it suffice
        queue.send_many(entries)


def devices_event(group: GroupId, account: AccountId, change: MessageId) -> GroupEvent:
    """Build the event of one group. Its id follows from change and group, so that a repetition has the same id."""
    at_ms = message_time_ms(change)
    message = new_message_id(at_ms, hashlib.blake2b(change + group, digest_size=10).digest())
    return GroupEvent(group, message, int(GroupChange.DEVICES), SYSTEM, at_ms, account)


def _entry(event: GroupEvent) -> dict[str, Any]:
    return {"job": "event", "group": id_text(event.group), "event": message_text(event.message)}


def send_event(queued: Mapping[str, Any], *, now: Instant, deps: EventDependencies) -> str:
    """Send the event of an entry if it is still to be sent, and return the outcome for the log. It may be repeated.

    Raises StoreUnavailable.
    """
    group, event = deps.groups.event(parse_group(queued["group"]), parse_message(queued["event"]))
    if event is None or group is None:
        return "nothing_to_tell"
    if event.at_ms // 1000 + deps.max_expiry_seconds > now.seconds:
        for message, to in recipients(group, event):
            deps.deliver(post_of(group, event, message, deps.max_expiry_seconds), to=to, now=now)
    deps.groups.forget_event(event)
    return "told"


def recipients(group: Group, event: GroupEvent) -> Iterator[tuple[MessageId, Sequence[AccountId] | None]]:
    """Yield the recipients of an event with a message id for each set of them. None means all members.

    Only admins may know who is in a group for citizens. In a large group, most members are not interested.
    """
    change, subject = GroupChange(event.change), event.subject
    if event.to is not None:
        yield event.message, event.to
        return
    if not is_for_all(group, change, narrow=event.narrow):
        yield event.message, sorted(group.admins | ({subject} if subject else set()))
        return
    yield event.message, None
    if subject is not None and change in _SUBJECT_IS_OUT:
        digest = hashlib.blake2b(event.message + b"subject", digest_size=10).digest()
        yield new_message_id(message_time_ms(event.message), digest), [subject]


def is_for_all(group: Group, change: GroupChange, *, narrow: bool = False) -> bool:
    """Tell whether all members get the event of such a change."""
    few = group.members <= EVENTS_TO_ALL_MEMBERS and group.audience != "citizens"
    return change in _NOT_OF_MEMBERS or (few and not narrow)


def post_of(group: Group, event: GroupEvent, message: MessageId, max_expiry_seconds: int) -> GroupPost:
    """Build the post of an event. In a group for citizens, it hides which official made the change."""
    actor = SYSTEM if group.audience == "citizens" else event.actor
    return GroupPost(
        group=group,
        message=message,
        sender=actor.sender,
        sender_class=actor.sender_class,
        event=True,
        body=group_event_body(
            group.id,
            group.version,
            GroupChange(event.change),
            actor=actor.account,
            subject=event.subject,
            role=event.role,
            name=event.name,
        ),
        at_ms=event.at_ms,
        expires_at=event.at_ms // 1000 + max_expiry_seconds,
        concerns=event.subject,
    )
