"""Notices that one subject gives another without importing it. The wiring connects the two."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from sandes.model.delivery import Status
from sandes.model.device import Device
from sandes.model.ids import AccountId, AppId, MessageId


class AppReceipts(Protocol):
    """A reader's device confirms messages of an app. Implemented by sandes.apps.app_status.take_receipt."""

    def __call__(self, app: AppId, reader: AccountId, to: Status, ids: Sequence[MessageId], *, now_ms: int) -> None: ...


class DeviceChanges(Protocol):
    """An account that existed before gets a device or loses one. Implemented by
    sandes.groups.group_events.devices_told.
    """

    def __call__(self, device: Device, *, there: bool, now_ms: int) -> AbstractContextManager[None]:
        """Enter this around the transaction. Raises StoreUnavailable only before the transaction."""
        ...
