"""Pins the keys that sign attestations, and replaces them only by keys that they introduce.

See docs/protocol/attestation.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sandes_client.api import ApiError, ClientApi, Unreachable
from sandes_client.attestation import is_signed
from sandes_client.clock import ServerClock
from sandes_client.introductions import ATTESTING, KeysRefused, follow, read_introduction
from sandes_client.store import Store

logger = logging.getLogger(__name__)

MAX_AGE_MS = 3_600_000
"""Age after which the client asks the service for its keys again, so that an ended key is refused."""
MIN_AGE_MS = 60_000
"""Shortest time between two requests for the keys that unknown signatures cause."""


class AttestationKeys:
    """Holds the pinned keys. `on_refused` gets the reason when the service names keys that do not follow."""

    def __init__(self, store: Store, *, api: ClientApi, clock: ServerClock, on_refused: Callable[[str], None]) -> None:
        self._store = store
        self._api = api
        self._clock = clock
        self._on_refused = on_refused

    def accepted(self) -> list[bytes]:
        """Return the public keys whose attestations are accepted, the newest first."""
        keys, oldest = self._store.attestation_keys.statements(), self._store.attestation_keys.oldest()
        return [read_introduction(keys[number]).public for number in sorted(keys, reverse=True) if number >= oldest]

    async def prepare(self, attestation: Any) -> None:
        """Fetch the keys if the last answer is old, or if none of the accepted keys has signed
        `attestation`.

        Raise ApiError or Unreachable only while no key is pinned.
        """
        age_ms, keys = self._clock.now_ms() - self._store.attestation_keys.asked_at_ms(), self.accepted()
        if not 0 <= age_ms < MAX_AGE_MS or (age_ms >= MIN_AGE_MS and not is_signed(attestation, keys)):
            await self._ask(has_keys=bool(keys))

    async def _ask(self, *, has_keys: bool) -> None:
        try:
            told = await self._api.signed("GET", "v1/attestation-key")
        except (ApiError, Unreachable) as error:
            if not has_keys:
                raise
            logger.warning("the keys of attestations could not be read: %s", error)
            return
        self._store.attestation_keys.set_asked(self._clock.now_ms())
        try:
            followed = follow(told, self._store.attestation_keys.statements(), label=ATTESTING)
        except KeysRefused as reason:
            logger.error("the keys of attestations were refused: %s", reason)
            self._on_refused(str(reason))
            return
        self._store.attestation_keys.pin(followed.statements, oldest=followed.oldest)
