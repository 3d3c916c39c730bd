"""Messages and notices of apps: sending, status, recall (docs/apps/README.md, "Messages")."""

from __future__ import annotations

from dataclasses import dataclass

from sandes.crypto.pepper import Pepper
from sandes.crypto.sender_hash import SenderHash
from sandes.push import Push
from sandes.queues import Queue
from sandes.quotas import Quotas
from sandes.store.app_view import AppView
from sandes.store.inbox import InboxStore


@dataclass(frozen=True, slots=True)
class AppsDependencies:
    view: AppView
    inbox: InboxStore
    quotas: Quotas
    push: Push
    webhook_queue: Queue
    pepper: Pepper
    sender_hash: SenderHash
    audience: str
    max_expiry_seconds: int
