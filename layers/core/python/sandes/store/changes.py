"""Reads events for the statistics from the records of tables' streams (docs/adr/0026), without any other read.

A stream has the keys or the new row, never the old row. That suffices because of how rows are written:

- The status of a message only rises, and nothing else of its row changes.
- A one-time password keeps its attempts until the first check of a code. A row with all of them and a send above the
  first is therefore a resend.
- The row that plans the end of memberships is written with a verification, and removed after the verification and all
  memberships that depend on it have ended.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from sandes.model import statistics as counters
from sandes.model.delivery import Status
from sandes.model.ids import AppId, parse_app, parse_organisation
from sandes.model.statistics import STATUSES, Occurrence, message_counter
from sandes.store.schema import (
    CODES,
    DELIVERIES,
    DIRECTORY,
    STATISTICS,
    CodeKind,
    DeliveryRow,
    DirectoryRow,
    OtpRow,
    StatisticRow,
)
from sandes.store.statistics import TALLY_PREFIX

Record = Mapping[str, Any]

_INSERT = "INSERT"
_REMOVE = "REMOVE"


def _filter(names: list[str], **dynamodb: Any) -> dict[str, Any]:
    return {"eventName": names, "dynamodb": dynamodb}


def _keys(partition: str, sort: list[Any] | None = None) -> dict[str, Any]:
    keys: dict[str, Any] = {DirectoryRow.PARTITION: {"S": [{"prefix": partition}]}}
    return keys | ({DirectoryRow.SORT: {"S": sort}} if sort else {})


FILTERS: Mapping[str, list[dict[str, Any]]] = {
    DIRECTORY.name: [
        _filter([_INSERT], Keys=_keys("A#", ["0"])),
        _filter([_INSERT, _REMOVE], Keys=_keys("A#", [{"prefix": "E#"}])),
    ],
    DELIVERIES.name: [
        _filter([_INSERT, "MODIFY"], Keys=_keys("M#")),
        _filter([_INSERT, "MODIFY"], Keys=_keys("W#")),
    ],
    CODES.name: [_filter([_INSERT, "MODIFY"], Keys={OtpRow.ID: {"S": [{"prefix": f"{CodeKind.OTP}#"}]}})],
    STATISTICS.name: [_filter([_INSERT], Keys=_keys(TALLY_PREFIX))],
}
"""The changes of each table for which Lambda calls the counting function (event filtering)."""


def occurrences(table: str, record: Record) -> list[Occurrence]:
    """Return the occurrences to count in one record of a table's stream.

    Raises KeyError, ValueError, TypeError or AttributeError for a record that our own writes cannot have made.
    """
    change = record["dynamodb"]
    at_seconds = int(change["ApproximateCreationDateTime"])
    return _READERS[table](record["eventName"], change["Keys"], change.get("NewImage", {}), at_seconds)


def _directory(name: str, keys: Record, _: Record, at_seconds: int) -> list[Occurrence]:
    partition, sort = keys[DirectoryRow.PARTITION]["S"], keys[DirectoryRow.SORT]["S"]
    if not partition.startswith("A#"):
        return []
    if sort == "0" and name == _INSERT:
        return [Occurrence(counters.REGISTERED, at_seconds)]
    counter = {_INSERT: counters.VERIFIED, _REMOVE: counters.VERIFICATION_ENDED}.get(name)
    if not sort.startswith("E#") or counter is None:
        return []
    return [Occurrence(counter, at_seconds, organisation=parse_organisation(sort.removeprefix("E#")))]


def _deliveries(name: str, keys: Record, image: Record, at_seconds: int) -> list[Occurrence]:
    kind, _, rest = keys[DeliveryRow.PARTITION]["S"].partition("#")
    if name == _REMOVE or kind not in {"M", "W"}:
        return []
    app = parse_app(rest.partition("#")[0])
    if kind == "W":
        state = image[DeliveryRow.STATE]["S"]
        counter = {"delivered": counters.WEBHOOKS_DELIVERED, "failed": counters.WEBHOOKS_FAILED}.get(state)
        return [Occurrence(counter, at_seconds, app=app)] if counter else []
    if image[DeliveryRow.TEST]["BOOL"]:
        return []
    return [
        Occurrence(counter, at_seconds, app=app, took_ms=took_ms)
        for counter, took_ms in _of_message(name, image).items()
    ]


def _of_message(name: str, image: Record) -> dict[str, int | None]:
    """Return the counters, and the duration of the delivery."""
    category, status = image[DeliveryRow.CATEGORY]["S"], Status(int(image[DeliveryRow.STATUS]["N"]))
    if DeliveryRow.GROUP in image:
        return {counters.APP_GROUP_MESSAGES: None} if name == _INSERT else {}
    reached = [Status.ACCEPTED] if name == _INSERT else []
    if status in STATUSES and status not in reached:
        reached.append(status)
    times = {Status(int(rank)): int(at["N"]) for rank, at in image[DeliveryRow.TIMES]["M"].items()}
    if status is Status.READ and Status.DELIVERED not in times:  # a read message was delivered, even without a receipt
        reached.append(Status.DELIVERED)
    found: dict[str, int | None] = {message_counter(category, one): None for one in reached}
    if Status.DELIVERED in reached:
        at_ms = times.get(Status.DELIVERED) or times[Status.READ]
        found[message_counter(category, Status.DELIVERED)] = at_ms - min(times.values())
    return found


def _codes(name: str, keys: Record, image: Record, at_seconds: int) -> list[Occurrence]:
    if name == _REMOVE or not keys[OtpRow.ID]["S"].startswith(f"{CodeKind.OTP}#") or image[OtpRow.TEST]["BOOL"]:
        return []
    app = AppId(base64.b64decode(image[OtpRow.APP]["B"], validate=True))
    return [Occurrence(counter, at_seconds, app=app, times=times) for counter, times in _of_otp(name, image).items()]


def _of_otp(name: str, image: Record) -> dict[str, int]:
    state, left = image[OtpRow.STATE]["S"], int(image[OtpRow.ATTEMPTS_LEFT]["N"])
    if name == _INSERT:
        return {counters.OTPS: 1}
    if state == "used":  # the last attempt was counted as a lock before the comparison
        return {counters.OTPS_USED: 1} | ({} if left else {counters.OTPS_LOCKED: -1})
    if state == "cancelled":
        return {counters.OTPS_CANCELLED: 1}
    send, by_sms = int(image[OtpRow.SENDS]["N"]), int(image[OtpRow.SMS_SEND]["N"])
    spent = any(int(key.rpartition(" ")[2]) == send for key in image[OtpRow.CHECKS]["M"])
    if not spent:
        return {counters.OTP_RESENDS: 1} if send > 1 and by_sms != send else {}
    return {} if left else {counters.OTPS_LOCKED: 1}


def _statistics(name: str, keys: Record, image: Record, _: int) -> list[Occurrence]:
    if name != _INSERT or not keys[StatisticRow.SCOPE]["S"].startswith(TALLY_PREFIX):
        return []
    return [
        Occurrence(
            counter,
            hour * 3600,
            organisation=parse_organisation(organisation) if organisation else None,
            times=times,
        )
        for organisation, hour, counter, times in json.loads(image[StatisticRow.TALLY]["S"])
    ]


_READERS: Mapping[str, Callable[[str, Record, Record, int], list[Occurrence]]] = {
    DIRECTORY.name: _directory,
    DELIVERIES.name: _deliveries,
    CODES.name: _codes,
    STATISTICS.name: _statistics,
}
