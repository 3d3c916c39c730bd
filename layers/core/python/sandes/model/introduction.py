"""How the service introduces the keys that clients pin (docs/protocol/service-keys.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandes.model.ids import base64url_text, parse_base64url


@dataclass(frozen=True, slots=True)
class Introduction:
    """A statement that introduces a key, and its signature by the key before; the first one has none."""

    statement: bytes
    signature: bytes | None

    @property
    def written(self) -> dict[str, str]:
        signature = {} if self.signature is None else {"signature": base64url_text(self.signature)}
        return {"statement": base64url_text(self.statement)} | signature

    @classmethod
    def read(cls, written: Any) -> Introduction:
        """Raises KeyError, TypeError or ValueError for anything but what `written` gives."""
        return cls(
            parse_base64url(written["statement"]),
            parse_base64url(written["signature"]) if "signature" in written else None,
        )


@dataclass(frozen=True, slots=True)
class Introductions:
    """What clients are told of the keys of a purpose. They refuse keys of a number below `oldest`."""

    entries: tuple[Introduction, ...]
    oldest: int
