"""Posts to a group on their way to the devices of every member."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandes.model.app import AppSender
from sandes.model.group import Audience, Group
from sandes.model.ids import AccountId, DeviceAddress, GroupId, MessageId
from sandes.model.standing import AccountClass

CHUNK_BYTES = 12
"""The length of a chunk's name. Two chunks of one post have the same name with probability 1 in 2^96."""


@dataclass(frozen=True, slots=True)
class GroupPost:
    """Holds a post to a group. If `event` is true, `body` describes a change of the group; otherwise it is a message.

    `sender_class` is None for an app. `at_ms` is the server's time in epoch milliseconds; `expires_at` is epoch
    seconds. `concerns` is the account that an event is about. It may get the event even if it is no longer a member.
    Members who joined at a later version than that of `group` do not get the post.
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
    """Describes the work left on a post: all members of the group if `members` is None, otherwise those of one chunk.

    `post` names the post among the records. `version` is the group's version when the post was accepted. `body` is
    small and goes into every envelope. If `chosen` is true, the sender chose the recipients, who need not be members
    (any more).
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
    """Holds the progress of an accepted post. `at_ms` (epoch milliseconds) is the time that clients show; `expires_at`
    is epoch seconds.

    `device` is the number of the sending device, or 0 for an app. `members` counts the intended recipients at `version`
    of the group. `chunks` holds the names of the post's chunks, or None before the post is divided. If `queued` is
    true, the queue has the entry that will divide it. `delivered` holds the numbers of devices and live sockets of a
    post that was delivered immediately.
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
        """Tell whether the sender has nothing left to do: the post is delivered or queued, or all its chunks are."""
        return self.queued or self.chunks is not None or self.delivered is not None

    def progress(self, done: Mapping[bytes, ChunkDone]) -> tuple[int, bool]:
        """Return the number of devices for which the post is stored so far, and whether those are all.

        `done` may hold chunks of another division of the post. Only chunks that are also in this one count.
        """
        if self.delivered is not None:
            return self.delivered[0], True
        finished = [done[chunk] for chunk in self.chunks or () if chunk in done]
        return sum(chunk.devices for chunk in finished), len(finished) == len(self.chunks or ()) > 0


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """Holds the number of devices of a chunk's members for which the post was stored, and the number of live sockets
    that got it immediately.
    """

    devices: int
    live: int
