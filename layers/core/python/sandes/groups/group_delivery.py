"""The progress of a message to a group, for its author (docs/protocol/groups.md, "Delivery")."""

from __future__ import annotations

from dataclasses import dataclass

from sandes.crypto.fanout_keys import FanoutKeys
from sandes.crypto.pepper import Pepper
from sandes.crypto.sender_hash import SenderHash
from sandes.cursors import cursor, position
from sandes.identity.devices import Caller
from sandes.limits import Limit, enforce
from sandes.model.envelope import envelope_id
from sandes.model.group import Member
from sandes.model.ids import AccountId, DeviceAddress, DeviceNumber, GroupId, MessageId, account_text, message_text
from sandes.model.instant import Instant
from sandes.policy import GroupView, Viewer, decide
from sandes.protocol.client_api import GroupDelivery
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.fanouts import FanoutStore
from sandes.store.groups import GroupStore
from sandes.store.inbox import InboxStore
from sandes.store.limits import LimitStore
from sandes.store.routing import RoutingStore

PAGE = 500
"""The members whose devices one call counts. They take at most thirty reads of a hundred rows."""


@dataclass(frozen=True, slots=True)
class GroupDeliveryDependencies:
    groups: GroupStore
    posts: FanoutStore
    routing: RoutingStore
    inbox: InboxStore
    limits: LimitStore
    keys: FanoutKeys
    sender_hash: SenderHash
    pepper: Pepper


def delivery(
    caller: Caller,
    group: GroupId,
    message: MessageId,
    *,
    after: str | None,
    now: Instant,
    deps: GroupDeliveryDependencies,
) -> GroupDelivery:
    """Return the progress of a message. Any device of the author's account may ask, while the account is a member.

    `devices` is the number recorded by the fan-out. `waiting` is counted in the inboxes of one page of current members.
    Raises ProtocolError rate_limited, not_found (also for messages of others), invalid_cursor.
    """
    now_seconds, me = now.seconds, caller.account.id
    enforce(deps.limits, Limit.GROUP_DELIVERIES, f"account:{account_text(me)}", now=now)
    facts = deps.groups.facts(group, me, now_seconds=now_seconds)
    member = facts.own.member
    viewer = Viewer(caller.account.standing_at(now_seconds))
    if facts.group is None or member is None or not decide(viewer, GroupView.of(facts.group, member.role), "receive"):
        raise ProtocolError(ErrorCode.NOT_FOUND)
    found = deps.posts.read(deps.keys.post(group, message, me), now_seconds=now_seconds)
    if found is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    record, done = found
    devices, complete = record.progress(done)
    of = f"delivery {message_text(message)}"
    page, last = deps.groups.members_page(
        group,
        after=position(after, owner=me, of=of, pepper=deps.pepper) if after else None,
        limit=PAGE,
        invitations=False,
    )
    author = DeviceAddress(me, DeviceNumber(record.device))
    members = [one.account for one in page if isinstance(one, Member)]
    return GroupDelivery(
        members=record.members,
        devices=devices,
        waiting=_waiting(members, message, author, now_seconds=now_seconds, deps=deps),
        complete=complete,
        cursor=cursor(last, owner=me, of=of, pepper=deps.pepper) if last else None,
    )


def _waiting(
    members: list[AccountId],
    message: MessageId,
    author: DeviceAddress,
    *,
    now_seconds: int,
    deps: GroupDeliveryDependencies,
) -> int:
    """Count the members' devices that have not acknowledged the message.

    The id of each envelope follows from inbox, message and author.
    """
    routes = deps.routing.read_many(members, now_seconds=now_seconds)
    rows = [
        (route.inbox, envelope_id(message, deps.sender_hash(route.inbox, message, author)))
        for member in routes.values()
        for route in member.devices.values()
    ]
    return deps.inbox.count_waiting(rows, now_seconds=now_seconds)
