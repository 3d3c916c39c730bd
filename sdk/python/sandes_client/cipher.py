"""The place where end-to-end encryption goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sandes_client.ids import DeviceAddress, GroupId


class BodyUnreadable(Exception):
    """The body was not made for this device."""


@dataclass(frozen=True, slots=True)
class RecipientDevice:
    """A device a copy is made for. `registration_id` changes when it registers anew."""

    device: int
    registration_id: int
    identity_key: bytes


class BodyCipher(Protocol):
    """Turns what a person wrote into the body of one copy, and back.

    End-to-end encryption comes behind this interface in a later release. Until then `PlainBody` stands here: bodies
    are readable to the server while they pass through it (the transport is TLS), and never at rest, since the
    server stores them sealed to the device they are for.
    """

    def encrypt(self, body: bytes, recipient: RecipientDevice) -> bytes:
        """The body of the copy for `recipient`. Called once per copy; the result is stored and sent on every try."""
        ...

    def decrypt(self, body: bytes, sender: DeviceAddress) -> bytes:
        """Raises BodyUnreadable if `body` was not made by `sender` for this device."""
        ...

    def encrypt_for_group(self, body: bytes, group: GroupId) -> bytes:
        """The one body for all members, once per message. Sender keys (Megolm) are made and handed out here."""
        ...

    def decrypt_from_group(self, body: bytes, group: GroupId, sender: DeviceAddress) -> bytes:
        """Raises BodyUnreadable if `body` was not made by `sender` for this group."""
        ...

    def rotate(self, group: GroupId) -> None:
        """Somebody may no longer be in the group: the next `encrypt_for_group` is to use a new sender key.

        Called when an event says so, and when the group's version shows that changes were not told; when that is
        stored, before the envelope is acked, and perhaps more often than needed.
        """
        ...


class PlainBody:
    """Passes bodies through as they are."""

    def encrypt(self, body: bytes, recipient: RecipientDevice) -> bytes:  # noqa: ARG002  the interface's parameter
        return body

    def decrypt(self, body: bytes, sender: DeviceAddress) -> bytes:  # noqa: ARG002  the interface's parameter
        return body

    def encrypt_for_group(self, body: bytes, group: GroupId) -> bytes:  # noqa: ARG002  the interface's parameter
        return body

    def decrypt_from_group(self, body: bytes, group: GroupId, sender: DeviceAddress) -> bytes:  # noqa: ARG002  likewise
        return body

    def rotate(self, group: GroupId) -> None:
        """There are no keys."""
