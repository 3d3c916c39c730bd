"""Replaces the seal key every week (docs/protocol/README.md, "Devices")."""

from __future__ import annotations

import logging

from sandes_client.api import ApiError, ClientApi, Unreachable
from sandes_client.clock import Chance, ServerClock
from sandes_client.keys import IdentityKey, SealKey
from sandes_client.statements import sign_seal_key
from sandes_client.store import Store

logger = logging.getLogger(__name__)

ROTATE_MS = 7 * 24 * 3600 * 1000


class SealKeyRotation:
    """Replaces the seal key once a week, and destroys old ones when no envelope for them can come any more."""

    def __init__(
        self, store: Store, identity: IdentityKey, *, api: ClientApi, server_clock: ServerClock, chance: Chance
    ) -> None:
        self._store = store
        self._identity = identity
        self._api = api
        self._clock = server_clock
        self._chance = chance

    async def rotate_if_due(self) -> None:
        """Rotate if it is due, or continue an interrupted rotation. If the service fails, the next call tries again."""
        newest = self._store.profile.newest_seal_key()
        if newest is None:
            return
        key, made_at_ms, in_use = newest
        try:
            if not in_use:
                await self._offer(key)
            elif self._clock.now_ms() - made_at_ms >= ROTATE_MS:
                await self.rotate()
        except (ApiError, Unreachable) as error:
            logger.warning("the seal key was not replaced: %s", error)

    async def rotate(self) -> None:
        """Replace the seal key now. Raise ApiError or Unreachable; the next call continues."""
        newest = self._store.profile.newest_seal_key()
        if newest is None:
            return
        key = newest[0]
        if newest[2]:
            key = SealKey.new(key.number + 1, self._chance.secret_bytes)
            self._store.profile.add_seal_key(key, now_ms=self._clock.now_ms())
        await self._offer(key)

    async def _offer(self, key: SealKey) -> None:
        try:
            await self._api.rotate_seal_key(sign_seal_key(self._identity, key))
        except ApiError as error:
            # If the server uses this very key, the answer to an earlier try was lost.
            if error.code != "stale_key" or (await self._api.me()).seal_key_number != key.number:
                raise
        self._store.profile.seal_key_in_use(key.number, now_ms=self._clock.now_ms())

    def due(self) -> bool:
        """Return whether an old key may be destroyed as soon as the inbox has been seen empty."""
        return self._store.profile.seal_keys_due(drain_began_ms=self._clock.now_ms())

    def inbox_was_empty(self, *, server_time_ms: int) -> None:
        """Note that the server had nothing left at that time of its own, so a drain that began then has
        ended.

        This machine's clock is not used, because it may have jumped since the rotation.
        """
        if self._store.profile.seal_keys_due(drain_began_ms=server_time_ms):
            self._store.profile.destroy_seal_keys(drain_began_ms=server_time_ms)
