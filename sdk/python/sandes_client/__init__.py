"""Provides the device client of Sandes: registration, sending, receiving (docs/protocol/README.md).

async with DeviceClient.open(path) as device:
    await device.send(account, b"namaste")
    async for event in device.events():
        ...
"""

from sandes_client.api import ApiError, ClientApi, Unreachable
from sandes_client.cipher import BodyCipher, PlainBody
from sandes_client.device import DeviceClient, DeviceStopped, NotRegistered, SendFailed, Sent
from sandes_client.endpoints import Endpoints
from sandes_client.enrolment import Enrolment
from sandes_client.events import (
    AttestationKeysRejected,
    ConnectionChanged,
    EnvelopeRefused,
    Event,
    GroupEvent,
    GroupMessageReceived,
    GroupRefreshed,
    MessageReceived,
    NoticeReceived,
    OtpReceived,
    Revoked,
    ServiceKeysRejected,
    State,
    Status,
    StatusChanged,
    Superseded,
    Voided,
)
from sandes_client.group_bodies import GroupChange
from sandes_client.group_calls import Delivery, Group, GroupEntry, Member
from sandes_client.ids import AppSender
from sandes_client.people import OwnProfile, Profile
from sandes_client.retention import Retention
from sandes_client.store import Store

__all__ = [
    "ApiError",
    "AppSender",
    "AttestationKeysRejected",
    "BodyCipher",
    "ClientApi",
    "ConnectionChanged",
    "Delivery",
    "DeviceClient",
    "DeviceStopped",
    "Endpoints",
    "Enrolment",
    "EnvelopeRefused",
    "Event",
    "Group",
    "GroupChange",
    "GroupEntry",
    "GroupEvent",
    "GroupMessageReceived",
    "GroupRefreshed",
    "Member",
    "MessageReceived",
    "NotRegistered",
    "NoticeReceived",
    "OtpReceived",
    "OwnProfile",
    "PlainBody",
    "Profile",
    "Retention",
    "Revoked",
    "SendFailed",
    "Sent",
    "ServiceKeysRejected",
    "State",
    "Status",
    "StatusChanged",
    "Store",
    "Superseded",
    "Unreachable",
    "Voided",
]
