"""Notices from one package to another that it must not import. The wiring connects the two."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from sandes.model.delivery import Status
from sandes.model.device import Device
from sandes.model.ids import AccountId, AppId, MessageId
from sandes.model.instant import Instant


class AppReceipts(Protocol):
    """Receives a device's receipts for messages of an app. sandes.apps.app_status.take_receipt implements it."""

    def __call__(
        self, app: AppId, reader: AccountId, to: Status, ids: Sequence[MessageId], *, now: Instant
    ) -> None: ...


class DeviceChanges(Protocol):
    """Reports that an existing account gets or loses a device.

    sandes.groups.group_events.devices_told implements it.
    """

    def __call__(self, device: Device, *, there: bool, now: Instant) -> AbstractContextManager[None]:
        """Enter this around the transaction. Raises StoreUnavailable only before the transaction."""
        ...
