"""The definitions of tables, keys and indexes, from which infra/ and the tests build them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    type: Literal["B", "N", "S"]


@dataclass(frozen=True, slots=True)
class Index:
    """Defines a global secondary index. It has the whole rows that have its partition attribute."""

    name: str
    partition: Key
    sort: Key


@dataclass(frozen=True, slots=True)
class Table:
    """Defines a table. `ttl` names the attribute with the epoch second after which a row no longer counts.

    `backup` switches on point-in-time recovery and protection from deletion. `stream` says which parts of a changed row
    a stream keeps for 24 hours, for statistics (docs/adr/0026). It never keeps the old row, so that no deleted data are
    kept.
    """

    name: str
    partition: Key
    sort: Key | None
    ttl: str | None
    backup: bool
    indexes: tuple[Index, ...] = ()
    stream: Literal["KEYS_ONLY", "NEW_IMAGE"] | None = None
