"""The HTTPS admin API about people: officials, what they ask to be verified as, imports."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes.administration.imports import import_work
from sandes.edge.admin import imports_http
from sandes.edge.admin.imports_wiring import wire_import_work
from sandes.edge.admin.people_http import router as people
from sandes.edge.http import http_handler, now_milliseconds, resolver
from sandes.edge.queue_events import each_record

app = resolver()
app.include_router(people)
app.include_router(imports_http.router)
handler = http_handler(app)


def imports(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """The queue of imports: checking files, chunks of rows, people who were nominated before they came."""
    deps = wire_import_work()
    return each_record(
        event,
        "import",
        lambda body, record: import_work.work(body, receives=record.receives, now_ms=now_milliseconds(), deps=deps),
        most_links=import_work.MOST_LINKS,
    )
