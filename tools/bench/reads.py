"""Counts read units of DynamoDB from the answers of calls, because moto and emulators do not count as AWS
does.

A query rounds the bytes of its rows up to 4 KB as a whole, and a read by key rounds up for each key. A read that is not
consistent costs half (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.bench.measuring import item_bytes

_UNIT_BYTES = 4096


@dataclass
class MeteredClient:
    """Passes calls on to `client`, and counts its reads and the units that they cost."""

    client: Any
    units: float = 0.0
    calls: int = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if name not in {"query", "get_item", "batch_get_item"}:
            return method

        def call(**arguments: Any) -> Any:
            answer = method(**arguments)
            self.calls += 1
            self.units += _units(name, arguments, answer)
            return answer

        return call


def _units(name: str, arguments: Any, answer: Any) -> float:
    if name == "query":
        return _rounded(answer["Items"], consistent=arguments.get("ConsistentRead", False))
    if name == "get_item":
        found = [answer["Item"]] if "Item" in answer else []
        return _rounded(found, consistent=arguments.get("ConsistentRead", False))
    units = 0.0
    for table, asked in arguments["RequestItems"].items():
        consistent, found = asked.get("ConsistentRead", False), answer["Responses"].get(table, [])
        missing = len(asked["Keys"]) - len(found)
        units += sum(_rounded([item], consistent=consistent) for item in found)
        units += missing * _rounded([], consistent=consistent)
    return units


def _rounded(items: Sequence[Any], *, consistent: bool) -> float:
    whole = max(1, math.ceil(sum(map(item_bytes, items)) / _UNIT_BYTES))
    return whole if consistent else whole / 2
