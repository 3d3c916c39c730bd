"""A post to a group on its way to every member's devices."""

from __future__ import annotations

from dataclasses import dataclass

from sandes.model.app import AppSender
from sandes.model.group import Group
from sandes.model.ids import DeviceAddress, MessageId
from sandes.model.standing import AccountClass


@dataclass(frozen=True, slots=True)
class GroupPost:
    """What is to reach the members. `event`: `body` tells of a change of the group; else it is a message.

    `sender_class` is None for an app. `at_ms` is the server's clock, epoch milliseconds; `expires_at` epoch seconds.
    """

    group: Group
    message: MessageId
    sender: DeviceAddress | AppSender
    sender_class: AccountClass | None
    event: bool
    body: bytes
    at_ms: int
    expires_at: int
