"""Tables, keys and indexes as infra/ and the tests build them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    type: Literal["B", "N", "S"]


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index: of the rows that have its partition attribute, whole."""

    name: str
    partition: Key
    sort: Key


@dataclass(frozen=True, slots=True)
class Table:
    """`ttl` names the attribute with the epoch second after which a row no longer counts.

    `backup`: point-in-time recovery and protection from deletion. `stream`: what a stream keeps of each change for 24
    hours, for statistics (docs/adr/0026): never a row as it was before, so that nothing deleted is kept.
    """

    name: str
    partition: Key
    sort: Key | None
    ttl: str | None
    backup: bool
    indexes: tuple[Index, ...] = ()
    stream: Literal["KEYS_ONLY", "NEW_IMAGE"] | None = None
