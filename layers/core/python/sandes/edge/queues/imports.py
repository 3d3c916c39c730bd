"""The entry point of the queue of imports of officials."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes import runtime
from sandes.administration.imports import import_work
from sandes.edge.queues.records import each_record
from sandes.edge.wiring.imports import wire_import_work

__all__ = ["imports"]


def imports(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Check files, process chunks of rows, and verify nominated people who have registered, from the queue of
    imports.
    """
    deps = wire_import_work()
    return each_record(
        event,
        "import",
        lambda body, record: import_work.work(body, receives=record.receives, now=runtime.now(), deps=deps),
        most_links=import_work.MOST_LINKS,
    )
