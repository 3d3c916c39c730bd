"""Imports: officials whom an organisation verifies or off-boards by a file; nominations of people not here yet."""

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
"""What became of a row. `nominated`: verified once the number registers; `withdrawn`: such a nomination taken back."""

OUTCOMES: tuple[Outcome, ...] = ("verified", "changed", "unchanged", "nominated", "revoked", "withdrawn", "failed")

NOMINATION_SECONDS = 180 * 86_400
"""How long a nomination waits for its number to register, at most."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which row of which import made a verification, a nomination or an end of one, and with what outcome."""

    id: ImportId
    row: int
    outcome: Outcome

    def __str__(self) -> str:
        return f"{base64url_text(self.id)}/{self.row}/{self.outcome}"

    @classmethod
    def parse(cls, text: str) -> Origin:
        """What `str` gave."""
        id, row, outcome = text.split("/")
        return cls(parse_import(id), int(row), cast("Outcome", outcome))


_NO_NUMBER = PhoneNumber("")


@dataclass(frozen=True, slots=True)
class Entry:
    """A good row. `index` is the pseudonym of its number, as it was when the file was checked.

    Of a `revoke` only `reason` is set. `email` and `listed` are None for what the file says nothing of: it stays as it
    is. `expires_at`: epoch seconds. `capped`: the person retires later, five years are the longest.
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
    """What a check took for the table of a file: the sheet of a workbook, the rows of the header and of the last
    entry by their numbers in the spreadsheet, and the columns' own names by what they are.
    """

    sheet: str | None
    header_row: int
    last_row: int
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Checked:
    """The rows of a file as one check left them.

    `check` names it: an object of sealed chunks of good rows with its index at `index_at`, and one of findings.
    `hash`: SHA-256 over the good rows, which stands in the audit chain. `table`: where in the file the rows stand.
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
    """Times are epoch milliseconds. `place`: what the rows are of, or below. `counts`: rows done, by outcome.

    `by`, `role`: who committed it and in what capacity. `etag` is that of the file whose check was asked for.
    `planned`: what a commit would do, as far as the check could see.
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
        """Whether the nominations that it has made still count."""
        return self.state in {"committing", "completed"}

    @property
    def done(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a row; `code` says why it failed. `digest`: 16 bytes of the row's hash, which tie what was done
    to what the file said.
    """

    row: int
    outcome: Outcome
    code: str | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Nomination:
    """An organisation's word for whoever registers a number. `withdrawn`: it has been taken back by `origin`'s row.

    `made_at`: epoch seconds. `phone_sealed`: the number, by the pepper and for `sealed_for`.
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
        """What the number of one of its nominations is sealed for."""
        return b"nomination " + organisation

    def in_force(self, now_seconds: int) -> bool:
        return not self.withdrawn and min(self.vanishes_at, self.expires_at) > now_seconds
