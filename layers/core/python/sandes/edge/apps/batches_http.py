"""Routes of the app API about batches."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from annotated_types import Ge, Le
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from sandes import runtime
from sandes.apps import batches
from sandes.edge.apps.request import answer, described, signed_request
from sandes.edge.http import csv_page, no_content
from sandes.edge.paths import ONE_NUMBER
from sandes.edge.wiring.apps import wire_batches
from sandes.protocol.app_api import MAX_PAGE, Batch, BatchResults, CommitBatch, NewBatch
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out


CursorQuery = Annotated[str | None, Query(max_length=200, description="the cursor of the previous page")]


LimitQuery = Annotated[int, Ge(1), Le(MAX_PAGE), ONE_NUMBER, Query()]


# Batches
BatchPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]


@router.post(
    "/v1/batches",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Create a batch", scope="batch", post=True, refuses=(ErrorCode.UNKNOWN_TEMPLATE, ErrorCode.IDEMPOTENCY_MISMATCH)
    ),
)
def create_batch(body: NewBatch) -> Response[Batch]:
    request, now = signed_request(router), runtime.now()
    made = batches.create(request, body, now=now, deps=wire_batches())
    return answer(made, HTTPStatus.ACCEPTED, [], now_seconds=now.seconds)


@router.post(
    "/v1/batches/<id>/commit",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Check the uploaded file, and send its good rows",
        scope="batch",
        post=True,
        refuses=(
            ErrorCode.BATCH_STATE,
            ErrorCode.UPLOAD_MISSING,
            ErrorCode.UPLOAD_INVALID,
            ErrorCode.QUOTA_EXCEEDED,
            ErrorCode.IDEMPOTENCY_MISMATCH,
        ),
    ),
)
def commit_batch(id: BatchPath, body: CommitBatch) -> Response[Batch]:
    request, now = signed_request(router), runtime.now()
    moved = batches.commit(request, id, body, now=now, deps=wire_batches())
    return answer(moved, HTTPStatus.ACCEPTED, [], now_seconds=now.seconds)


@router.get("/v1/batches/<id>", **described("Get the progress of a batch", scope="batch"))
def get_batch(id: BatchPath) -> Batch:
    return batches.state(signed_request(router), id, now=runtime.now(), deps=wire_batches())


@router.get(
    "/v1/batches/<id>/results",
    responses={
        200: {
            "description": "Done",
            "content": {"application/json": {"model": BatchResults}, "text/csv": {"schema": {"type": "string"}}},
        }
    },
    **described("List the result of each row", scope="batch", refuses=(ErrorCode.INVALID_CURSOR,)),
)
def batch_results(
    id: BatchPath,
    *,
    cursor: CursorQuery = None,
    limit: LimitQuery = 100,
    format: Annotated[
        Literal["json", "csv"], Query(description="with `csv`, the header Link has the address of the next page")
    ] = "json",
) -> Response[BatchResults | str]:
    page = batches.results(
        signed_request(router), id, after=cursor, limit=limit, now=runtime.now(), deps=wire_batches()
    )
    if format == "csv":
        return csv_page(batches.results_csv(page), f"/v1/batches/{id}/results?format=csv&limit={limit}", page.cursor)
    return Response(status_code=HTTPStatus.OK, content_type="application/json", body=page)


@router.delete(
    "/v1/batches/<id>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Cancel a batch", scope="batch", refuses=(ErrorCode.BATCH_STATE,)),
)
def cancel_batch(id: BatchPath) -> Response[str]:
    batches.cancel(signed_request(router), id, now=runtime.now(), deps=wire_batches())
    return no_content()
