"""Defines the interface for end-to-end encryption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sandes_client.ids import DeviceAddress, GroupId


class BodyUnreadable(Exception):
    """Reports a body that was not made for this device."""


@dataclass(frozen=True, slots=True)
class RecipientDevice:
    """Holds a device for which a copy is made. `registration_id` changes when the device registers anew."""

    device: int
    registration_id: int
    identity_key: bytes


class BodyCipher(Protocol):
    """Turns a person's text into the body of one copy, and back.

    A later release implements end-to-end encryption behind this interface. Until then, `PlainBody` is used. The server
    can read bodies while they pass through it (the transport is TLS), but never at rest, because it stores them sealed
    to the recipient's device.
    """

    def encrypt(self, body: bytes, recipient: RecipientDevice) -> bytes:
        """Return the body of the copy for `recipient`.

        It is called once per copy; the result is stored and sent on every try.
        """
        ...

    def decrypt(self, body: bytes, sender: DeviceAddress) -> bytes:
        """Return the text. Raise BodyUnreadable if `sender` did not make `body` for this device."""
        ...

    def encrypt_for_group(self, body: bytes, group: GroupId) -> bytes:
        """Return the one body for all members, once per message. Sender keys (Megolm) are made and distributed here."""
        ...

    def decrypt_from_group(self, body: bytes, group: GroupId, sender: DeviceAddress) -> bytes:
        """Return the text. Raise BodyUnreadable if `sender` did not make `body` for this group."""
        ...

    def rotate(self, group: GroupId) -> None:
        """Use a new sender key for the next `encrypt_for_group`, because a member may have left the group.

        It is called when an event reports that, and when the group's version shows missed changes. The call comes when
        that is stored, before the envelope is acked, and perhaps more often than needed.
        """
        ...


class PlainBody:
    """Passes bodies through unchanged."""

    def encrypt(self, body: bytes, recipient: RecipientDevice) -> bytes:  # noqa: ARG002  the interface's parameter
        return body

    def decrypt(self, body: bytes, sender: DeviceAddress) -> bytes:  # noqa: ARG002  the interface's parameter
        return body

    def encrypt_for_group(self, body: bytes, group: GroupId) -> bytes:  # noqa: ARG002  the interface's parameter
        return body

    def decrypt_from_group(self, body: bytes, group: GroupId, sender: DeviceAddress) -> bytes:  # noqa: ARG002  likewise
        return body

    def rotate(self, group: GroupId) -> None:
        """Do nothing, because there are no keys."""
