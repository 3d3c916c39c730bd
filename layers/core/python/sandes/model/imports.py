"""Imports of files by which an organisation verifies and off-boards officials, and nominations of unregistered
people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from sandes.model.administrator import Place
from sandes.model.batch import Fault
from sandes.model.ids import AdministratorId, ImportId, OrganisationId, UnitId, base64url_text, parse_import
from sandes.model.phone import PhoneNumber

ImportState = Literal["open", "checking", "checked", "committing", "completed", "cancelled", "failed"]
Format = Literal["csv", "xlsx"]

Outcome = Literal["verified", "changed", "unchanged", "nominated", "revoked", "withdrawn", "failed"]
"""The result of a row. `nominated`: verified as soon as the number registers; `withdrawn`: such a nomination ended."""

OUTCOMES: tuple[Outcome, ...] = ("verified", "changed", "unchanged", "nominated", "revoked", "withdrawn", "failed")

NOMINATION_SECONDS = 180 * 86_400
"""The longest time that a nomination waits for its number to register."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Names the row of the import that made or ended a verification or nomination, and its outcome."""

    id: ImportId
    row: int
    outcome: Outcome

    def __str__(self) -> str:
        return f"{base64url_text(self.id)}/{self.row}/{self.outcome}"

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Parse the text that `str()` returns."""
        id, row, outcome = text.split("/")
        return cls(parse_import(id), int(row), cast("Outcome", outcome))


_NO_NUMBER = PhoneNumber("")


@dataclass(frozen=True, slots=True)
class Entry:
    """Holds a valid row. `index` is the pseudonym of its number at the time of the check.

    A `revoke` sets only `reason`. `email` and `listed` are None if the file says nothing about them; they then stay as
    they are. `expires_at` is epoch seconds. If `capped` is true, the person retires later than the five years that a
    verification may last.
    """

    row: int
    index: str
    action: Literal["verify", "revoke"]
    unit: UnitId
    name: str = ""
    post: str = ""
    email: str | None = None
    listed: bool | None = None
    expires_at: int = 0
    capped: bool = False
    reason: str = ""
    phone: PhoneNumber = _NO_NUMBER


@dataclass(frozen=True, slots=True)
class Table:
    """Describes the table that a check found in a file: the sheet of a workbook, the spreadsheet's row numbers of the
    header and of the last entry, and the file's name of each column.
    """

    sheet: str | None
    header_row: int
    last_row: int
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Checked:
    """Describes the rows of a file after one check.

    `check` names the check. It has written an object of encrypted chunks of valid rows, with its index at `index_at`,
    and an object of findings. `hash` is the SHA-256 of the valid rows; the audit chain records it. `table` says where
    the rows are in the file.
    """

    check: str
    index_at: int
    index_bytes: int
    rows: int
    valid: int
    hash: bytes
    table: Table | None = None

    @property
    def invalid(self) -> int:
        return self.rows - self.valid


@dataclass(frozen=True, slots=True)
class Import:
    """Holds an import. Times are epoch milliseconds.

    The rows belong to `place` or to places below it. `counts` holds the processed rows by outcome. `by` committed the
    import in the capacity `role`. `etag` is that of the file at the request for the check. `planned` holds the outcomes
    that the check expects of a commit.
    """

    id: ImportId
    place: Place
    format: Format
    state: ImportState
    created_by: AdministratorId
    created_at_ms: int
    counts: Mapping[Outcome, int]
    client_ref: str | None = None
    etag: str | None = None
    checked: Checked | None = None
    planned: Mapping[Outcome, int] | None = None
    by: AdministratorId | None = None
    role: str | None = None
    failure: str | None = None
    reason: Fault | None = None
    committed_at_ms: int | None = None
    finished_at_ms: int | None = None

    @property
    def stands(self) -> bool:
        """Tell whether the nominations that the import has made still count."""
        return self.state in {"committing", "completed"}

    @property
    def done(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Result:
    """Holds the result of a row. `code` is the reason of a failure.

    `digest` holds 16 bytes of the row's hash, which link the result to the content of the file.
    """

    row: int
    outcome: Outcome
    code: str | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Nomination:
    """Holds a nomination: an organisation verifies the future holder of a number before they register.

    If `withdrawn` is true, the row of `origin` has withdrawn it. `made_at` is epoch seconds. `phone_sealed` is the
    number, encrypted with the pepper for `sealed_for`.
    """

    index: str
    place: Place
    name: str
    post: str
    email: str | None
    listed: bool
    expires_at: int
    origin: Origin
    by: AdministratorId
    role: str
    made_at: int
    vanishes_at: int
    withdrawn: bool = False
    phone_sealed: bytes = b""

    @staticmethod
    def sealed_for(organisation: OrganisationId) -> bytes:
        """Return the context to which the number of an organisation's nomination is encrypted."""
        return b"nomination " + organisation

    def in_force(self, now_seconds: int) -> bool:
        return not self.withdrawn and min(self.vanishes_at, self.expires_at) > now_seconds
