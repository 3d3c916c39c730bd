"""Stores the pinned keys that sign attestations, and when the service was last asked for them."""

from __future__ import annotations

from sandes_client.store.pinned_keys import PinnedKeysTable


class AttestationKeysTable(PinnedKeysTable):
    KEYS = "SELECT number, statement FROM attestation_keys"
    INSERT = "INSERT OR IGNORE INTO attestation_keys (number, statement) VALUES (?, ?)"
    OLDEST = "SELECT oldest_attestation_key FROM profile"
    RAISE_OLDEST = "UPDATE profile SET oldest_attestation_key = ? WHERE oldest_attestation_key < ?"

    def asked_at_ms(self) -> int:
        """Return when the service last named its keys, whether they were accepted or not; 0 if it never has."""
        return int(self._database.row("SELECT attestation_keys_at_ms FROM profile")[0])

    def set_asked(self, at_ms: int) -> None:
        self._database.run("UPDATE profile SET attestation_keys_at_ms = ?", (at_ms,))
