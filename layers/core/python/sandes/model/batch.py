"""A batch: one content for many recipients, its progress, and what was wrong with rows of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import AccountId, AppId
from sandes.model.phone import PhoneNumber

BatchState = Literal["open", "checking", "checked", "sending", "completed", "cancelled", "failed"]

Source = Literal["csv", "ndjson", "inline"]
"""What its rows come from; `inline` is NDJSON that the server wrote and sealed itself."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one row, or with the file (row 0). Never holds anything of the row's content."""

    row: int
    field: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A row fit to be sent. Exactly one of `phone`, `account` and `magic` is set."""

    row: int
    phone: PhoneNumber | None
    account: AccountId | None
    magic: str | None
    client_ref: str | None
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a batch as one check left them: an object of sealed chunks, its index at `index_at`.

    `check` names that check: its object and its faults are its own, so two checks at once do not mix.
    """

    check: str
    index_at: int
    index_bytes: int
    rows: int
    valid: int
    invalid: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of the rows' object that are sent in one go."""

    number: int
    at: int
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Times are epoch milliseconds, `expires_at` epoch seconds.

    `content` is sealed by the server. `fingerprint` is that of the request that made it; `commits` holds those of the
    requests that committed it, by keyed hash of the idempotency key. `etag` is that of the file that was committed.
    `done` counts rows, `sent` and `failed` what became of them; `reason` says more about `failure`.
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
