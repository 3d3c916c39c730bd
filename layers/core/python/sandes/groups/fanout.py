"""Fan-out: the delivery of a post to every member's devices (docs/protocol/groups.md, docs/adr/0020, 0021).

A post to few members is delivered immediately. For many members, the queue gets an entry for the post, whose worker
divides the members into chunks, and then one entry for each chunk. A repetition writes the same rows again, so every
entry may come any number of times. A finished chunk leaves a marker, by which its repetition is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cbor2
from nacl import bindings

from sandes.crypto.fanout_keys import FanoutKeys
from sandes.crypto.seal import BodyPointer, Content, Kind, Sealing, encrypt_body, group_message_body
from sandes.crypto.sender_hash import SenderHash
from sandes.crypto.service_keys import ServiceKeys
from sandes.messaging.push import Push
from sandes.model.app import AppSender
from sandes.model.device import Route, Routes
from sandes.model.envelope import HEADER, VERSION, Envelope, envelope_id
from sandes.model.fanout import ChunkDone, FanoutJob, FanoutRecord, GroupPost
from sandes.model.group import Role
from sandes.model.ids import (
    ACCOUNT_BYTES,
    AccountId,
    AppId,
    DeviceAddress,
    DeviceNumber,
    GroupId,
    MessageId,
    base64url_text,
    new_body_id,
    parse_base64url,
)
from sandes.model.instant import Instant
from sandes.policy import GroupView, Viewer, decide
from sandes.ports.queues import Queue
from sandes.store.fanouts import FanoutStore
from sandes.store.groups import GroupStore
from sandes.store.inbox import InboxStore
from sandes.store.routing import RoutingStore

INLINE_MEMBERS = 32
"""The most members to whom a post is delivered before it is accepted. With more, the queue delivers it."""

CHUNK_MEMBERS = 100
"""The members of a chunk: as many as one read of routing can fetch."""

MAX_INLINE_BODY_BYTES = 700
"""The largest body inside an envelope, which then takes one write unit. A larger body is stored once, with a pointer in
the envelopes.
"""

MOST_LINKS = 1
"""The longest chain of queue entries: the entry for a post leads to those for its chunks."""

DAY_SECONDS = 86_400
KEEP_SECONDS = 8 * DAY_SECONDS
"""How long a record is kept. It outlives the seven days in which an id may be sent again, and the envelopes by
a day.
"""


class NobodyFound(Exception):
    """Reports that none of the intended members is left. The entry is kept for an operator to look at."""


@dataclass(frozen=True, slots=True)
class Fanout:
    """Delivers posts. The queue's function and each function that posts have their own instance."""

    groups: GroupStore
    routing: RoutingStore
    inbox: InboxStore
    store: FanoutStore
    push: Push
    queue: Queue
    keys: FanoutKeys
    sender_hash: SenderHash
    service_keys: ServiceKeys

    def __call__(self, post: GroupPost, *, to: Sequence[AccountId] | None = None, now: Instant) -> bool:
        """Deliver to the members of the group, or only to the accounts in `to`, who need not be members.

        When this returns, every device has the post stored, or the queue has it. The sending device does not get it,
        nor do members who joined after it or may not receive it at their turn. It may be repeated: it returns whether
        the post was accepted for the first time. Raises StoreUnavailable.
        """
        name = self.keys.post(post.group.id, post.message, author_of(post.sender), to)
        first = FanoutRecord(
            post.at_ms,
            post.expires_at,
            device=0 if isinstance(post.sender, AppSender) else post.sender.device,
            members=post.group.members if to is None else len(to),
            version=post.group.version,
        )
        record = self.store.begin(name, first, keep_until=_keep_until(post.expires_at, now))
        if record.is_under_way or record.expires_at <= now.seconds:
            return False
        job = FanoutJob(
            post=name,
            group=post.group.id,
            version=record.version,
            audience=post.group.audience,
            message=post.message,
            sender=post.sender,
            sender_class=post.sender_class,
            event=post.event,
            body=post.body if post.event else self._wrapped(post, record),
            at_ms=record.at_ms,
            expires_at=record.expires_at,
            chosen=to is not None,
            concerns=post.concerns,
            members=None if to is None else tuple(dict.fromkeys(to)),
        )
        if record.members <= INLINE_MEMBERS:
            members = job.members
            if members is None:
                members = tuple(member for page in self._members(job) for member in page)
            self.store.delivered(name, self._deliver(job, members, now=now))
        elif job.members is None:
            self.queue.send(self._entry(job))
            self.store.queued(name)
        else:
            self._queue_chunks(job, [job.members])
        return record is first

    def _wrapped(self, post: GroupPost, record: FanoutRecord) -> bytes:
        """Return the message as the envelopes hold it. A large body is stored first, for a day longer than the
        envelopes.
        """
        body: bytes | BodyPointer = post.body
        if len(post.body) > MAX_INLINE_BODY_BYTES:
            body = BodyPointer(new_body_id(), bindings.randombytes(32), len(post.body))
            self.inbox.put_body(body.id, encrypt_body(post.body, body), expires_at=record.expires_at + DAY_SECONDS)
        return group_message_body(post.group.id, record.version, body)

    def work(self, queued: Mapping[str, Any], *, now: Instant) -> str:
        """Process an entry of the queue, and return the outcome for the log. Raises StoreUnavailable, NobodyFound."""
        job = _decode(self.keys.open(parse_base64url(queued["post"])))
        if job.expires_at <= now.seconds:
            return "expired"
        if job.members is None:
            if self.store.is_planned(job.post):  # a new division into chunks would reach some members twice
                return "planned_before"
            self._queue_chunks(job, self._members(job))
            return "planned"
        chunk = self.keys.chunk(job.post, job.sender, job.members)
        if self.store.is_done(job.post, chunk):
            return "done_before"
        done = self._deliver(job, job.members, now=now)
        self.store.finish(job.post, chunk, done, keep_until=_keep_until(job.expires_at, now))
        return "delivered"

    def _members(self, job: FanoutJob) -> Iterator[list[AccountId]]:
        """Yield pages of those members who were members at the accepted version, and still are."""
        for page in self.groups.member_pages(job.group):
            yield [member.account for member in page if member.joined_version <= job.version]

    def _queue_chunks(self, job: FanoutJob, pages: Iterable[Sequence[AccountId]]) -> None:
        chunks = []
        for page in pages:
            starts = range(0, len(page), CHUNK_MEMBERS)
            cut = [replace(job, members=tuple(page[start : start + CHUNK_MEMBERS])) for start in starts]
            self.queue.send_many([self._entry(chunk) for chunk in cut])
            chunks += [self.keys.chunk(job.post, job.sender, chunk.members or ()) for chunk in cut]
        if not chunks:
            raise NobodyFound
        self.store.planned(job.post, chunks)

    def _entry(self, job: FanoutJob) -> dict[str, str]:
        return {"post": base64url_text(self.keys.seal(_encode(job)))}

    def _deliver(self, job: FanoutJob, members: Sequence[AccountId], *, now: Instant) -> ChunkDone:
        """Store the post for every device of `members` and push it, with one batch of reads, writes and posts each."""
        routes = self.routing.read_many(members, now_seconds=now.seconds)
        sealing = _Sealing(job, self.sender_hash, Sealing.by(self.service_keys, now_ms=now.ms))
        deliveries = [(sealing.envelopes(to), to) for to in routes.values() if _may_receive(job, to)]
        envelopes = [envelope for sealed, _ in deliveries for envelope in sealed]
        self.inbox.put_many(envelopes)
        posted = self.push.many(deliveries, now_seconds=now.seconds)
        return ChunkDone(len(envelopes), sum(posted))


def chunks_of(members: int) -> int:
    """Return the cost of a post in units of Limit.GROUP_CHUNKS: nothing if it is delivered immediately."""
    return 0 if members <= INLINE_MEMBERS else -(-members // CHUNK_MEMBERS)


def author_of(sender: DeviceAddress | AppSender) -> AccountId | AppSender:
    """Return the author of a post: the account, whichever device sent it, or the app."""
    return sender if isinstance(sender, AppSender) else sender.account


def _may_receive(job: FanoutJob, member: Routes) -> bool:
    """Decide by the current standing. A verification that has ended excludes its holder from groups of officials.

    A chosen recipient of an event about a member, other than that member, must have the right to see the members.
    """
    if job.chosen and job.event and job.concerns is not None:
        return member.account == job.concerns or decide(Viewer(member.standing), _seen(job, "admin"), "see_members")
    return decide(Viewer(member.standing), _seen(job, "member"), "receive")


def _seen(job: FanoutJob, role: Role) -> GroupView:
    return GroupView(job.audience, "all", open=False, live=True, owner_organisation=None, role=role, invited=False)


def _keep_until(expires_at: int, now: Instant) -> int:
    return max(expires_at, now.seconds + KEEP_SECONDS - DAY_SECONDS) + DAY_SECONDS


class _Sealing:
    """Seals one post to many devices. It computes what they share only once, including the ephemeral key.

    A repeated chunk gets another ephemeral key. Sharing the key links no rows that the message id, which is in the key
    of every row of the post, does not link already (docs/adr/0035).
    """

    def __init__(self, job: FanoutJob, sender_hash: SenderHash, seal: Sealing) -> None:
        kind = Kind.GROUP_EVENT if job.event else Kind.GROUP_MESSAGE
        anybody = AccountId(bytes(ACCOUNT_BYTES))
        content = Content(job.message, job.sender, job.sender_class, anybody, kind, job.at_ms, job.body)
        self.before, self.behind = content.around_recipient()
        self.job, self.sender_hash, self.seal = job, sender_hash, seal

    def envelopes(self, to: Routes) -> list[Envelope]:
        """Return one envelope for each device except the sending one."""
        plain = self.before + to.account + self.behind
        sender = self.job.sender
        own = sender.device if isinstance(sender, DeviceAddress) and sender.account == to.account else None
        return [self._envelope(route, plain) for number, route in to.devices.items() if number != own]

    def _envelope(self, route: Route, plain: bytes) -> Envelope:
        job, inbox, key, service = self.job, route.inbox, route.seal_key, self.seal.service.number
        header = HEADER.pack(VERSION, job.message, inbox, key.number, job.expires_at, service)
        return Envelope(
            inbox=inbox,
            id=envelope_id(job.message, self.sender_hash(inbox, job.message, job.sender)),
            seal_key_number=key.number,
            service_key=service,
            expires_at=job.expires_at,
            accepted_at_ms=job.at_ms,
            sealed=self.seal(plain, seal_public=key.public, header=header),
        )


def _encode(job: FanoutJob) -> bytes:
    sender = job.sender
    named: list[Any] = (
        [sender.app, sender.name] if isinstance(sender, AppSender) else [sender.account, int(sender.device)]
    )
    return cbor2.dumps(
        [
            *(
                job.post,
                job.group,
                job.version,
                job.audience,
                job.message,
                isinstance(sender, AppSender),
                named,
                job.sender_class,
            ),
            *(job.event, job.body, job.at_ms, job.expires_at, job.chosen, job.concerns),
            None if job.members is None else b"".join(job.members),
        ]
    )


def _decode(data: bytes) -> FanoutJob:
    post, group, version, audience, message, by_app, (id, named), sender_class, *rest = cbor2.loads(data)
    event, body, at_ms, expires_at, chosen, concerns, members = rest
    return FanoutJob(
        post=post,
        group=GroupId(group),
        version=version,
        audience=audience,
        message=MessageId(message),
        sender=AppSender(AppId(id), named) if by_app else DeviceAddress(AccountId(id), DeviceNumber(named)),
        sender_class=sender_class,
        event=event,
        body=body,
        at_ms=at_ms,
        expires_at=expires_at,
        chosen=chosen,
        concerns=None if concerns is None else AccountId(concerns),
        members=None if members is None else tuple(_accounts(members)),
    )


def _accounts(joined: bytes) -> Iterator[AccountId]:
    for start in range(0, len(joined), ACCOUNT_BYTES):
        yield AccountId(joined[start : start + ACCOUNT_BYTES])
