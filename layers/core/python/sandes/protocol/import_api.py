"""Bodies of the HTTPS admin API about imports of officials (docs/admin/imports.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from sandes.model.imports import Format
from sandes.protocol.fields import AdministratorField, Answer, ImportField, OneLine, OrganisationField, UnitField, Wire

Status = Literal["invalid", "verified", "changed", "unchanged", "nominated", "revoked", "withdrawn", "failed"]


class NewImport(Wire):
    """`unit`: what the rows are of, or below; the whole organisation if left out."""

    organisation: OrganisationField
    unit: UnitField | None = None
    format: Format
    client_ref: Annotated[str, OneLine, Field(min_length=1, max_length=64)] | None = None


class CommitImport(Wire):
    """`dry_run`: check the file that was uploaded. Without it, do what the check has found good."""

    dry_run: bool


class ImportUpload(Answer):
    """POST `fields`, then the file as the field `file`, to `url` as multipart/form-data, before `expires_at`.

    The storage refuses more than 20 MiB.
    """

    url: str
    fields: dict[str, str]
    expires_at: datetime


class Finding(Answer):
    """What is wrong with a row, by its number in the spreadsheet, blank rows counted; with the file, for row 0. `field`
    says what the column is, `column` what the file calls it.
    """

    row: int
    field: str
    column: str | None = None
    code: str
    message: str


class RowCounts(Answer):
    """Rows by what became of them. `nominated`: verified once the number registers."""

    verified: int = 0
    changed: int = 0
    unchanged: int = 0
    nominated: int = 0
    revoked: int = 0
    withdrawn: int = 0
    failed: int = 0


class ImportState(Answer):
    """`rows`, `valid`, `invalid`: as the check found. `sheet`, `header_row`: where it found the names of the columns.
    `planned`: what a commit would do as things stood then.

    `done`, `counts`: rows worked off since the commit. `findings`: the first hundred.
    """

    id: ImportField
    organisation: OrganisationField
    unit: UnitField
    format: Format
    state: Literal["open", "checking", "checked", "committing", "completed", "cancelled", "failed"]
    rows: int
    valid: int
    invalid: int
    sheet: str | None = None
    header_row: int | None = None
    planned: RowCounts | None = None
    done: int
    counts: RowCounts
    failure: str | None = None
    client_ref: str | None = None
    upload: ImportUpload | None = None
    findings: list[Finding]
    created_by: AdministratorField
    committed_by: AdministratorField | None = None
    created_at: datetime
    committed_at: datetime | None = None
    finished_at: datetime | None = None


class ImportPage(Answer):
    imports: list[ImportState]
    cursor: str | None = None


class RowResult(Answer):
    row: int
    status: Status
    findings: list[Finding]


class ImportResults(Answer):
    results: list[RowResult]
    cursor: str | None = None
