"""Routes of the admin API about imports of officials (docs/admin/imports.md)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from sandes.administration.authority import Permission
from sandes.administration.imports import imports
from sandes.edge.admin.caller import call
from sandes.edge.admin.params import CursorQuery, LimitQuery, OrganisationQuery, UnitQuery, place_asked
from sandes.edge.admin.routes import described
from sandes.edge.http import csv_page, no_content
from sandes.edge.paths import import_in_path
from sandes.edge.wiring.imports import wire_imports
from sandes.protocol.errors import ErrorCode
from sandes.protocol.import_api import CommitImport, ImportPage, ImportResults, ImportState, NewImport

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out

ImportPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{32}$")]


@router.post(
    "/admin/v1/imports",
    status_code=HTTPStatus.CREATED,
    **described("Create an import of officials", permission=Permission.PEOPLE, need="act"),
)
def create_import(body: NewImport) -> Response[ImportState]:
    caller, now = call(router)
    made = imports.create(caller, body, now=now, deps=wire_imports())
    return Response(status_code=HTTPStatus.CREATED, content_type="application/json", body=made)


@router.get(
    "/admin/v1/imports",
    **described(
        "List imports, the newest first",
        permission=Permission.PEOPLE,
        need="read",
        where="any",
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def list_imports(
    *,
    organisation: OrganisationQuery = None,
    unit: UnitQuery = None,
    cursor: CursorQuery = None,
    limit: LimitQuery = 50,
) -> ImportPage:
    caller, now = call(router)
    place = place_asked(caller, organisation, unit)
    return imports.page(
        caller,
        place.organisation,
        unit=place.unit if unit else None,
        after=cursor,
        limit=limit,
        now=now,
        deps=wire_imports(),
    )


@router.get(
    "/admin/v1/imports/<id>",
    **described("Get the progress of an import and its first findings", permission=Permission.PEOPLE, need="read"),
)
def get_import(id: ImportPath) -> ImportState:
    caller, now = call(router)
    return imports.state(caller, import_in_path(id), now=now, deps=wire_imports())


@router.post(
    "/admin/v1/imports/<id>/commit",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Check the uploaded file; after the check, commit its good rows",
        permission=Permission.PEOPLE,
        need="act",
        refuses=(
            ErrorCode.IMPORT_STATE,
            ErrorCode.UPLOAD_MISSING,
            ErrorCode.UPLOAD_INVALID,
            ErrorCode.FRESH_SIGN_IN_REQUIRED,
            ErrorCode.RATE_LIMITED,
        ),
    ),
)
def commit_import(id: ImportPath, body: CommitImport) -> Response[ImportState]:
    caller, now = call(router)
    moved = imports.commit(caller, import_in_path(id), body, now=now, deps=wire_imports())
    return Response(status_code=HTTPStatus.ACCEPTED, content_type="application/json", body=moved)


@router.get(
    "/admin/v1/imports/<id>/results",
    responses={
        200: {
            "description": "Done",
            "content": {"application/json": {"model": ImportResults}, "text/csv": {"schema": {"type": "string"}}},
        }
    },
    **described(
        "List the result of each row", permission=Permission.PEOPLE, need="read", refuses=(ErrorCode.INVALID_CURSOR,)
    ),
)
def import_results(
    id: ImportPath,
    *,
    cursor: CursorQuery = None,
    limit: LimitQuery = 100,
    format: Annotated[
        Literal["json", "csv"], Query(description="with `csv`, the header Link has the address of the next page")
    ] = "json",
) -> Response[ImportResults | str]:
    caller, now = call(router)
    page = imports.results(caller, import_in_path(id), after=cursor, limit=limit, now=now, deps=wire_imports())
    if format == "csv":
        path = f"/admin/v1/imports/{id}/results?format=csv&limit={limit}"
        return csv_page(imports.results_csv(page), path, page.cursor)
    return Response(status_code=HTTPStatus.OK, content_type="application/json", body=page)


@router.delete(
    "/admin/v1/imports/<id>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Cancel an import", permission=Permission.PEOPLE, need="act", refuses=(ErrorCode.IMPORT_STATE,)),
)
def cancel_import(id: ImportPath) -> Response[str]:
    caller, now = call(router)
    imports.cancel(caller, import_in_path(id), now=now, deps=wire_imports())
    return no_content()
