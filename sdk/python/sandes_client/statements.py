"""Builds what a device signs besides tokens (docs/protocol/README.md, "Signed statements")."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

from sandes_client.ids import AccountId, DeviceAddress, GroupId, account_bytes, base64url_text, group_bytes
from sandes_client.keys import IdentityKey, SealKey


@dataclass(frozen=True, slots=True)
class SignedSealKey:
    """Holds the public half of a seal key with the device's signature over it."""

    number: int
    public: bytes
    signature: bytes

    def to_json(self) -> dict[str, object]:
        return {
            "number": self.number,
            "public": base64url_text(self.public),
            "signature": base64url_text(self.signature),
        }


@dataclass(frozen=True, slots=True)
class NewDevice:
    """Holds a device's public halves, with the proof that it holds the identity key."""

    identity_key: bytes
    seal_key: SignedSealKey
    name: str
    platform: str
    proof: bytes

    def to_json(self) -> dict[str, object]:
        return {
            "identity_key": base64url_text(self.identity_key),
            "seal_key": self.seal_key.to_json(),
            "name": self.name,
            "platform": self.platform,
            "proof": base64url_text(self.proof),
        }


ACT_HEADER = "Sandes-Act"


class ActKind(IntEnum):
    ADD_DEVICE = 2
    REMOVE_DEVICE = 3
    OPEN_LINK = 16
    CHANGE_PHONE = 17
    OPEN_SOCKET = 18
    PUT_MEMBER = 32
    REMOVE_MEMBER = 33
    DISSOLVE_GROUP = 34
    OPEN_GROUP = 35


ROLES = {"owner": 1, "admin": 2, "member": 3}


@dataclass(frozen=True, slots=True)
class Act:
    """Holds an act of a device, without the device and the time (docs/protocol/README.md, "Signed acts")."""

    kind: ActKind
    object: bytes


def remove_device(device: int, registration_id: int) -> Act:
    return Act(ActKind.REMOVE_DEVICE, struct.pack(">BI", device, registration_id))


def open_link(link_key: bytes) -> Act:
    return Act(ActKind.OPEN_LINK, link_key)


def change_phone(registration: str, phone: str) -> Act:
    return Act(ActKind.CHANGE_PHONE, registration.encode("ascii") + phone.encode("ascii"))


def open_socket(token: str) -> Act:
    return Act(ActKind.OPEN_SOCKET, hashlib.sha256(token.encode("ascii")).digest())


def put_member(group: GroupId, account: AccountId, role: str) -> Act:
    return Act(ActKind.PUT_MEMBER, group_bytes(group) + account_bytes(account) + bytes([ROLES[role]]))


def remove_member(group: GroupId, account: AccountId) -> Act:
    return Act(ActKind.REMOVE_MEMBER, group_bytes(group) + account_bytes(account))


def dissolve_group(group: GroupId) -> Act:
    return Act(ActKind.DISSOLVE_GROUP, group_bytes(group))


def open_group(group: GroupId, is_open: bool) -> Act:
    return Act(ActKind.OPEN_GROUP, group_bytes(group) + bytes([is_open]))


def act_statement(act: Act, account: AccountId, *, device: int, registration_id: int, at_ms: int) -> bytes:
    """Build the statement.

    `device` and `registration_id` are 0 while the device is being added: the service assigns them.
    """
    head = struct.pack(
        ">B8sI32sBQBI", 1, account_bytes(account), 0, bytes(32), act.kind, at_ms, device, registration_id
    )
    return b"SANDES1/act\0" + head + act.object


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs the acts of a registered device."""

    identity: IdentityKey
    address: DeviceAddress
    registration_id: int

    def header(self, act: Act, *, at_ms: int) -> str:
        """Return the value of `Sandes-Act`. `at_ms` is the server's time."""
        account, device = self.address.account, self.address.device
        statement = act_statement(act, account, device=device, registration_id=self.registration_id, at_ms=at_ms)
        return f"{at_ms}.{base64url_text(self.identity.sign(statement))}"


@dataclass(frozen=True, slots=True)
class JoiningDevice:
    """Holds a new device with the link by which it joins `account`, signed by both keys."""

    device: NewDevice
    account: AccountId
    link_key: bytes
    at_ms: int
    signature: bytes

    def to_json(self) -> dict[str, object]:
        return {
            "link": base64url_text(self.link_key),
            "account": self.account,
            "at": self.at_ms,
            "signature": base64url_text(self.signature),
            "device": self.device.to_json(),
        }


def sign_seal_key(identity: IdentityKey, key: SealKey) -> SignedSealKey:
    statement = b"SANDES1/seal-key\0" + key.number.to_bytes(4, "big") + key.public
    return SignedSealKey(key.number, key.public, identity.sign(statement))


def new_device(identity: IdentityKey, key: SealKey, *, subject: str, name: str, platform: str) -> NewDevice:
    """Sign a new device. `subject` is the id of its registration."""
    proof = identity.sign(b"SANDES1/register\0" + subject.encode("ascii") + identity.public)
    return NewDevice(identity.public, sign_seal_key(identity, key), name, platform, proof)


def joining_device(
    identity: IdentityKey,
    key: SealKey,
    *,
    account: AccountId,
    link: IdentityKey,
    at_ms: int,
    name: str,
    platform: str,
) -> JoiningDevice:
    """Sign a joining device. `link` is the key pair whose secret half the opening device has shown."""
    act = Act(ActKind.ADD_DEVICE, identity.public + link.public)
    statement = act_statement(act, account, device=0, registration_id=0, at_ms=at_ms)
    device = NewDevice(identity.public, sign_seal_key(identity, key), name, platform, identity.sign(statement))
    return JoiningDevice(device, account, link.public, at_ms, link.sign(statement))
