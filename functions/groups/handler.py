"""The queue of posts to groups: cutting members into chunks, delivering to a chunk."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes.edge.http import now_milliseconds
from sandes.edge.queue_events import each_record
from sandes.edge.wiring import wire_fanout


def fanout(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    deps = wire_fanout()
    return each_record(event, "fanout", lambda body, _: deps.work(body, now_ms=now_milliseconds()))
