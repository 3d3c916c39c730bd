"""Bodies of the HTTPS admin API about imports of officials (docs/admin/imports.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from sandes.model.imports import Format
from sandes.protocol.fields import AdministratorField, Answer, ImportField, OneLine, OrganisationField, UnitField, Wire

Status = Literal["invalid", "verified", "changed", "unchanged", "nominated", "revoked", "withdrawn", "failed"]


class NewImport(Wire):
    """Creates an import. The rows must belong to `unit` or below it; by default, to the whole organisation."""

    organisation: OrganisationField
    unit: UnitField | None = None
    format: Format
    client_ref: Annotated[str, OneLine, Field(min_length=1, max_length=64)] | None = None


class CommitImport(Wire):
    """Commits an import. With `dry_run` the service checks the file; without it, it processes the valid rows."""

    dry_run: bool


class ImportUpload(Answer):
    """Says where to upload the file. POST `fields`, then the file as the field `file`, to `url` before `expires_at`.

    The request is multipart/form-data. The storage refuses more than 20 MiB.
    """

    url: str
    fields: dict[str, str]
    expires_at: datetime


class Finding(Answer):
    """Describes a fault in a row. `row` is its number in the spreadsheet, where blank rows count; 0 means the file.

    `field` is the meaning of the column, `column` its name in the file.
    """

    row: int
    field: str
    column: str | None = None
    code: str
    message: str


class RowCounts(Answer):
    """Counts rows by their outcome. `nominated`: verified once the number registers."""

    verified: int = 0
    changed: int = 0
    unchanged: int = 0
    nominated: int = 0
    revoked: int = 0
    withdrawn: int = 0
    failed: int = 0


class ImportState(Answer):
    """Describes an import. `rows`, `valid` and `invalid` are the result of the check.

    `sheet` and `header_row` say where the check found the names of the columns. `planned` holds the outcomes that it
    expects of a commit. `done` and `counts` are the rows processed since the commit. `findings` are the first hundred.
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
