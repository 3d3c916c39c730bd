"""A post to a group on its way to every member's devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandes.model.app import AppSender
from sandes.model.group import Audience, Group
from sandes.model.ids import AccountId, DeviceAddress, GroupId, MessageId
from sandes.model.standing import AccountClass

CHUNK_BYTES = 12
"""Of a chunk's name: two chunks of one post have the same one by chance of 1 in 2^96."""


@dataclass(frozen=True, slots=True)
class GroupPost:
    """What is to reach the members. `event`: `body` tells of a change of the group; else it is a message.

    `sender_class` is None for an app. `at_ms` is the server's clock, epoch milliseconds; `expires_at` epoch seconds.
    `concerns`: whom an event is about, who may get it whatever they are to the group by now. Members who joined at a
    later version than `group` has do not get it.
    """

    group: Group
    message: MessageId
    sender: DeviceAddress | AppSender
    sender_class: AccountClass | None
    event: bool
    body: bytes
    at_ms: int
    expires_at: int
    concerns: AccountId | None = None


@dataclass(frozen=True, slots=True)
class FanoutJob:
    """What is left to do of a post: for all members of the group (`members` None), or for those of one chunk.

    `post` is its name among records, `version` the group's when the post was accepted. `body` is what every envelope
    holds: small by now. `chosen`: whoever made the post named its recipients, who need not be members, or not any more.
    """

    post: str
    group: GroupId
    version: int
    audience: Audience
    message: MessageId
    sender: DeviceAddress | AppSender
    sender_class: AccountClass | None
    event: bool
    body: bytes
    at_ms: int
    expires_at: int
    chosen: bool = False
    concerns: AccountId | None = None
    members: tuple[AccountId, ...] | None = None


@dataclass(frozen=True, slots=True)
class FanoutRecord:
    """What is known of a post that was accepted; `at_ms`, epoch milliseconds, is the time at which everybody sees it.

    `expires_at` is epoch seconds. `device` is the number of the sending one, 0 for an app. `members`: how many it was
    meant for, at which `version` of the group. `chunks` are the names of those it was cut into, None before that.
    `queued`: an entry that will cut it is in the queue. `delivered`: devices and live sockets, if it went out at once.
    """

    at_ms: int
    expires_at: int
    device: int
    members: int
    version: int = 0
    chunks: tuple[bytes, ...] | None = None
    delivered: tuple[int, int] | None = None
    queued: bool = False

    @property
    def is_under_way(self) -> bool:
        """Nothing is left for the sender to do: it is delivered, or it or every chunk of it is queued."""
        return self.queued or self.chunks is not None or self.delivered is not None

    def progress(self, done: Mapping[bytes, ChunkDone]) -> tuple[int, bool]:
        """Devices it has been stored for so far, and whether those are all, by the chunks that are done.

        Of chunks that another plan has cut, only those count that this one has too.
        """
        if self.delivered is not None:
            return self.delivered[0], True
        finished = [done[chunk] for chunk in self.chunks or () if chunk in done]
        return sum(chunk.devices for chunk in finished), len(finished) == len(self.chunks or ()) > 0


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """How many devices of a chunk's members it was stored for, and how many live sockets took it at once."""

    devices: int
    live: int
