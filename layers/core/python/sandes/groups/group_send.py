"""The `send` frame to a group: authorise, then start the fan-out (docs/protocol/groups.md, "Sending").

The answer is sent after the message is stored for every device of every member, or is in the queue.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandes.counting.tally import Tally
from sandes.groups.fanout import Fanout, chunks_of
from sandes.limits import Limit, Meter, enforce
from sandes.messaging.rules import current, expiry, time_of_message
from sandes.model.envelope import MAX_BODY_BYTES
from sandes.model.fanout import GroupPost
from sandes.model.ids import account_text
from sandes.model.instant import Instant
from sandes.model.principal import Principal
from sandes.model.standing import class_of
from sandes.model.statistics import GROUP_MESSAGES
from sandes.policy import GroupView, Viewer, decide
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Accepted, GroupSend
from sandes.store.group_send_view import GroupSendView


@dataclass(frozen=True, slots=True)
class GroupSendDependencies:
    view: GroupSendView
    meter: Meter
    fanout: Fanout
    tally: Tally
    max_expiry_seconds: int


def send_to_group(frame: GroupSend, principal: Principal, *, now: Instant, deps: GroupSendDependencies) -> Accepted:
    """Deliver `frame` to the members of its group. A repetition gets the same answer.

    A post that the queue delivers also takes the number of its chunks from the bucket of the sender's account. Raises
    ProtocolError clock_skew, id_too_old, too_large, invalid_frame (expires_in), rate_limited, revoked, suspended,
    unavailable, not_permitted (also for an unknown or dissolved group), and posting_restricted for a member who may not
    post.
    """
    at_ms = time_of_message(frame.id, now)
    if len(frame.body) > MAX_BODY_BYTES:
        raise ProtocolError(ErrorCode.TOO_LARGE, details={"max_body_bytes": MAX_BODY_BYTES})
    expires_in = expiry(frame.expires_in, deps.max_expiry_seconds)
    sender = principal.address
    deps.meter.refuse_if_empty(str(sender), now=now)
    facts = deps.view.read(
        sender,
        frame.to.group,
        deps.fanout.keys.post(frame.to.group, frame.id, sender.account),
        limit=Limit.GROUP_POSTS.label,
        now_seconds=now.seconds,
    )
    deps.meter.take(str(sender), stored_full_at_ms=facts.bucket_full_at_ms, now=now)
    standing = current(principal, facts.sender).standing
    if facts.record and facts.record.is_under_way:  # even if group and membership have changed since
        return Accepted(ref=frame.ref, id=frame.id, at=at_ms)
    if facts.group is None or facts.member is None:
        raise ProtocolError(ErrorCode.NOT_PERMITTED)
    viewer, view = Viewer(standing), GroupView.of(facts.group, facts.member.role)
    if not decide(viewer, view, "post"):
        receives = decide(viewer, view, "receive")
        raise ProtocolError(ErrorCode.POSTING_RESTRICTED if receives else ErrorCode.NOT_PERMITTED)
    chunks = chunks_of(facts.group.members)
    if chunks and facts.record is None:
        account = f"account:{account_text(sender.account)}"
        enforce(deps.view.limits, Limit.GROUP_CHUNKS, account, now=now, weight=chunks)
    is_first = deps.fanout(
        GroupPost(
            group=facts.group,
            message=frame.id,
            sender=sender,
            sender_class=class_of(standing),
            event=False,
            body=frame.body,
            at_ms=at_ms,
            expires_at=now.seconds + expires_in,
        ),
        now=Instant(now.ms),
    )
    if is_first:  # a retry was counted the first time
        deps.tally.count(GROUP_MESSAGES, standing.organisation if standing else None, now=now)
    return Accepted(ref=frame.ref, id=frame.id, at=at_ms)
