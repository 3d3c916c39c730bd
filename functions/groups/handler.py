"""The queue of posts to groups: cutting members into chunks, delivering to a chunk; and the queue of other work that
groups make: telling of changes, ending memberships, deleting what is dissolved.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes.edge.http import now_milliseconds
from sandes.edge.queue_events import each_record
from sandes.edge.wiring import wire_fanout, wire_group_upkeep
from sandes.groups.groups_upkeep import work


def fanout(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    deps = wire_fanout()
    return each_record(event, "fanout", lambda body, _: deps.work(body, now_ms=now_milliseconds()))


def upkeep(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    deps = wire_group_upkeep()
    return each_record(event, "group_work", lambda body, _: work(body, now_ms=now_milliseconds(), deps=deps))
