"""Introductions of the service keys that clients pin (docs/protocol/service-keys.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandes.model.ids import base64url_text, parse_base64url


@dataclass(frozen=True, slots=True)
class Introduction:
    """Holds a statement that introduces a key, and its signature by the previous key. The first one has no
    signature.
    """

    statement: bytes
    signature: bytes | None

    @property
    def written(self) -> dict[str, str]:
        signature = {} if self.signature is None else {"signature": base64url_text(self.signature)}
        return {"statement": base64url_text(self.statement)} | signature

    @classmethod
    def read(cls, written: Any) -> Introduction:
        """Parse the form that `written` returns. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            parse_base64url(written["statement"]),
            parse_base64url(written["signature"]) if "signature" in written else None,
        )


@dataclass(frozen=True, slots=True)
class Introductions:
    """Holds the data about the keys of one purpose that clients get. They refuse keys whose number is below
    `oldest`.
    """

    entries: tuple[Introduction, ...]
    oldest: int
