"""Entry points of the queues of groups: posts, which are divided into chunks and delivered; large rosters; and
upkeep.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes import runtime
from sandes.apps import roster_work
from sandes.edge.queues.records import each_record
from sandes.edge.wiring.groups import wire_fanout, wire_group_upkeep, wire_roster_work
from sandes.groups import groups_upkeep
from sandes.groups.fanout import MOST_LINKS

__all__ = ["fanout", "rosters", "upkeep"]


def fanout(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    deps = wire_fanout()
    return each_record(event, "fanout", lambda body, _: deps.work(body, now=runtime.now()), most_links=MOST_LINKS)


def upkeep(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    deps = wire_group_upkeep()
    return each_record(
        event,
        "group_work",
        lambda body, _: groups_upkeep.work(body, now=runtime.now(), deps=deps),
        most_links=groups_upkeep.MOST_LINKS,
    )


def rosters(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    deps = wire_roster_work()
    return each_record(
        event,
        "roster_work",
        lambda body, _: roster_work.work(body, deps=deps),
        most_links=roster_work.MOST_LINKS,
    )
