"""Batches: one content for many recipients, the progress of sending, and the faults in the rows of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import AccountId, AppId
from sandes.model.phone import PhoneNumber

BatchState = Literal["open", "checking", "checked", "sending", "completed", "cancelled", "failed"]

Source = Literal["csv", "ndjson", "inline"]
"""The format of a batch's rows. `inline` is NDJSON that the server wrote and encrypted itself."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Describes a fault in one row, or in the file (row 0). It never holds content of the row."""

    row: int
    field: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Holds a valid row. Exactly one of `phone`, `account` and `magic` is set."""

    row: int
    phone: PhoneNumber | None
    account: AccountId | None
    magic: str | None
    client_ref: str | None
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rows:
    """Describes the rows of a batch after one check: an object of encrypted chunks, with its index at `index_at`.

    `check` names that check. Each check has an object and faults of its own, so that two concurrent checks do not mix.
    """

    check: str
    index_at: int
    index_bytes: int
    rows: int
    valid: int
    invalid: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Names the bytes of the rows' object that are sent together."""

    number: int
    at: int
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Holds a batch. Times are epoch milliseconds, but `expires_at` is epoch seconds.

    `content` is encrypted by the server. `fingerprint` is that of the request that created the batch. `commits` holds
    the fingerprints of the requests that committed it, by keyed hash of the idempotency key. `etag` is that of the
    committed file. `done` counts the processed rows, `sent` and `failed` their results. `reason` gives details of
    `failure`.
    """

    app: AppId
    id: str
    test: bool
    state: BatchState
    source: Source
    content: bytes
    fingerprint: bytes
    client_ref: str | None
    created_at_ms: int
    expires_at: int
    commits: Mapping[str, bytes]
    dry_run: bool = False
    etag: str | None = None
    rows: Rows | None = None
    done: int = 0
    sent: int = 0
    failed: int = 0
    failure: str | None = None
    reason: Fault | None = None
    sending_since_ms: int | None = None
    finished_at_ms: int | None = None
