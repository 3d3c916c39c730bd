"""Pins the keys of the service, and replaces them only by keys that they introduce (docs/protocol/service-keys.md)."""

from __future__ import annotations

import asyncio
from typing import Any

from sandes_client.clock import Clock
from sandes_client.introductions import SEALING, follow, read_introduction
from sandes_client.seal import NotFromService
from sandes_client.store import Store

FRESH_MS = 60_000
"""Age up to which the service's list of keys is fresh. An envelope of an unknown key is then refused."""


class ServiceKeys:
    """Holds the pinned keys. `learn` gets the keys of each `welcome`."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._heard_at_ms: int | None = None
        self._accepted = False
        self.stale = asyncio.Event()
        """Set when an envelope names an unknown key. A new socket then gets the current keys."""

    @property
    def is_fresh(self) -> bool:
        """Return whether the service has just named its keys, and they were accepted."""
        return self._accepted and self._heard_lately()

    def public(self, number: int) -> bytes | None:
        """Return the key of this number, or None if it is unknown. Raise NotFromService if it was ended."""
        if number < self._store.service_keys.oldest():
            raise NotFromService(f"key {number} of the service was ended")
        statement = self._store.service_keys.statements().get(number)
        return read_introduction(statement).public if statement is not None else None

    def learn(self, told: Any) -> None:
        """Accept the `service_keys` of a `welcome`. The first list is pinned as it is.

        Raise KeysRefused if a pinned key differs, or a new one is not introduced by the one before. Nothing is changed
        then.
        """
        self._heard_at_ms, self._accepted = self._clock.now_ms(), False
        self.stale.clear()
        followed = follow(told, self._store.service_keys.statements(), label=SEALING)
        self._store.service_keys.pin(followed.statements, oldest=followed.oldest)
        self._accepted = True

    def needs_news(self) -> None:
        """Note an envelope with an unknown key. The client asks the service for its keys at most once a minute."""
        if not self._heard_lately():
            self.stale.set()

    def _heard_lately(self) -> bool:
        return self._heard_at_ms is not None and self._clock.now_ms() - self._heard_at_ms < FRESH_MS
