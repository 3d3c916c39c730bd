"""Opens what the service has sealed, with the client library. The service itself never opens an envelope."""

from __future__ import annotations

import cbor2

from sandes.crypto.seal import BodyPointer, Content, Kind
from sandes.model.app import AppSender
from sandes.model.ids import AccountId, AppId, DeviceAddress, DeviceNumber, MessageId
from sandes.model.standing import AccountClass
from sandes_client import group_bodies, seal

APP = 3
CLASSES: dict[int, AccountClass] = {1: "verified", 2: "public"}


class SealBroken(Exception):
    """Reports sealed bytes that were not made for this key and header."""


def unseal(sealed: bytes, *, seal_secret: bytes, service_public: bytes, header: bytes) -> bytes:
    """Decrypt an envelope. Raises SealBroken if the keys, header or bytes differ from those of the sealing."""
    try:
        return seal.unseal(sealed, secret=seal_secret, service=service_public, header=header)
    except (seal.NotFromService, ValueError) as error:
        raise SealBroken from error


def decrypt_body(data: bytes, pointer: BodyPointer) -> bytes:
    """Decrypt a body. Raises SealBroken for any other bytes than those that the pointer was made for."""
    try:
        return group_bodies.BodyPointer(pointer.id, pointer.content_key, pointer.size).open(data)
    except seal.EnvelopeUnreadable as error:
        raise SealBroken from error


def decode(data: bytes) -> Content:
    """Read the content of an envelope (docs/protocol/seal2.md), without checking it as a client does."""
    fields = cbor2.loads(data)
    id, named = fields[3]
    from_app = fields[4] == APP
    return Content(
        id=MessageId(fields[2]),
        sender=AppSender(AppId(id), named) if from_app else DeviceAddress(AccountId(id), DeviceNumber(named)),
        sender_class=None if from_app else CLASSES[fields[4]],
        to=AccountId(fields[5]),
        kind=Kind(fields[6]),
        at_ms=fields[7],
        body=fields[8],
    )
