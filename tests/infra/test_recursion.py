"""Tests that workers that may send to the queue they consume are allowed to, and are bound by a limit of their own.

The assertions are derived from the template. Event source mappings say who consumes a queue, and grants say who may
send to it.
"""

from __future__ import annotations

import ast

import pytest

from tests.infra.conftest import ROOT, Synthesised
from tests.infra.test_permissions import many, statements

STAGES = pytest.mark.parametrize("stage", ["dev", "prod", "local"])


def sends(template: Synthesised) -> dict[str, set[str]]:
    """Return the queues that each function may send to."""
    return {
        name: {
            template.named_queue(resource)
            for statement in statements(template, name)
            if statement["Effect"] == "Allow" and "sqs:SendMessage" in many(statement["Action"])
            for resource in many(statement["Resource"])
        }
        for name in template.functions
    }


def sets_off(template: Synthesised) -> dict[str, set[str]]:
    """Return, for each function, the workers that run because of its entries, directly or through other workers."""
    workers = {queue: function for queue, (function, _) in template.workers.items()}
    nearest = {name: {workers[q] for q in queues if q in workers} for name, queues in sends(template).items()}
    reached = dict(nearest)
    while True:
        wider = {name: found | {more for one in found for more in reached[one]} for name, found in reached.items()}
        if wider == reached:
            return reached
        reached = wider


@STAGES
def test_a_worker_that_its_own_work_comes_back_to_is_not_stopped_as_a_loop(
    stage: str, request: pytest.FixtureRequest
) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    recursive = {name for name, found in sets_off(template).items() if name in found}
    assert len(recursive) >= 5, "webhooks, batches, rosters, upkeep of groups, imports at least"
    allowed = {name for name, function in template.functions.items() if function.get("RecursiveLoop") == "Allow"}
    assert allowed == recursive


def test_no_chain_goes_by_way_of_another_queue(dev: Synthesised) -> None:
    """A chain's counter starts again in another queue (edge/queues/chains.py), so a loop of two queues would
    not end.
    """
    mine = {function: queue for queue, (function, _) in dev.workers.items()}
    reached = sets_off(dev)
    for function, queue in mine.items():
        for other in sends(dev)[function] - {queue, "changes.dead"}:
            assert function not in reached[dev.workers[other][0]], f"{function} and {other} lead to each other"


def test_every_worker_that_may_send_to_its_own_queue_has_a_limit_and_no_other(dev: Synthesised) -> None:
    """The limits come from the entry points: `each_record(..., most_links=...)`."""
    mine = {function: queue for queue, (function, _) in dev.workers.items()}
    needed = {function for function, queue in mine.items() if queue in sends(dev)[function]}
    assert {name for name in mine if _has_limit(name, dev)} == needed


def _has_limit(name: str, template: Synthesised) -> bool:
    entry = template.functions[name]["Handler"].removeprefix("handler.")
    for file in sorted((ROOT / "layers/core/python/sandes/edge/queues").glob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if not isinstance(node, ast.FunctionDef) or node.name != entry:
                continue
            calls = [
                one
                for one in ast.walk(node)
                if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "each_record"
            ]
            if calls:
                return any(keyword.arg == "most_links" for call in calls for keyword in call.keywords)
    raise AssertionError(f"no entry point processes the records of {name}")
