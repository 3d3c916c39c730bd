"""Deliveries of one event to one webhook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import AppId

DeliveryState = Literal["pending", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """Holds a delivery. `run` counts from 1 and rises when the app requests a redelivery; `attempts` are those of this
    run.

    `last_status` is the HTTP status of the last answer; `last_error` says why there was no answer. Times are epoch
    seconds. After `expires_at`, the row no longer counts.
    """

    app: AppId
    test: bool
    webhook: str
    event: str
    type: str
    state: DeliveryState
    run: int
    attempts: int
    last_status: int | None
    last_error: str | None
    next_attempt_at: int | None
    updated_at: int
    expires_at: int
