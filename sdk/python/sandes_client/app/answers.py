"""Defines the answers of the app API as records (docs/protocol/app-openapi.json).

Times are aware datetimes in UTC.

A newer service may send more fields and values. Unknown fields are left out, and words such as a status are not checked
against a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from sandes_client.api import Unreachable

T = TypeVar("T")

OtpStatus = Literal["pending", "used", "expired", "locked", "cancelled"]
CheckResult = Literal["approved", "incorrect", "expired", "locked", "used", "cancelled"]
MessageStatus = Literal["accepted", "queued", "sent", "delivered", "read", "failed", "expired", "recalled"]
BatchState = Literal["open", "checking", "checked", "sending", "completed", "cancelled", "failed"]
Category = Literal["notice", "alert", "transaction"]
Priority = Literal["normal", "high"]
Language = Literal["en", "hi", "mr"]
EventType = Literal[
    "message.delivered",
    "message.read",
    "message.failed",
    "message.expired",
    "message.recalled",
    "batch.completed",
    "webhook.test",
]


@dataclass(frozen=True, slots=True)
class Otp:
    """Holds the state of an OTP. `resend_after` is when another code may be sent."""

    id: str
    status: OtpStatus
    channel: Literal["app", "app_then_sms"]
    expires_at: datetime
    resend_after: datetime
    attempts_left: int
    client_ref: str | None = None


@dataclass(frozen=True, slots=True)
class OtpChecked:
    result: CheckResult
    attempts_left: int

    @property
    def approved(self) -> bool:
        return self.result == "approved"


@dataclass(frozen=True, slots=True)
class MessageAccepted:
    id: str
    status: MessageStatus
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class GroupMessage:
    """Holds the delivery of a message to a group: the number of members, and of devices for which it is
    stored.

    `complete` is true once it is stored for all members.
    """

    id: str
    members: int | None = None
    devices: int | None = None
    complete: bool | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """Holds a message. `seq` rises with every change of `status`. `times` maps each status to when it was reached."""

    id: str
    status: MessageStatus
    seq: int
    category: Category
    language: Language
    expires_at: datetime
    times: Mapping[str, datetime]
    template: str | None = None
    client_ref: str | None = None
    batch: str | None = None
    group: GroupMessage | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class MessagePage:
    messages: tuple[Message, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class RowFault:
    """Holds the fault of a row. `row` counts from 1, without the header of a CSV file."""

    row: int
    field: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Upload:
    """Holds the form that uploads the file of a batch, and its expiry. Anybody who has the form may upload."""

    url: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """Holds the state of a batch. `faults` has the first 100 bad rows; the results have all."""

    id: str
    state: BatchState
    rows: int
    valid: int
    invalid: int
    done: int
    sent: int
    failed: int
    created_at: datetime
    failure: str | None = None
    client_ref: str | None = None
    upload: Upload | None = None
    faults: tuple[RowFault, ...] = ()
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Holds the result of one row. `message` is the id of the sent message."""

    row: int
    status: Literal["accepted", "failed", "invalid"]
    client_ref: str | None = None
    message: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class BatchResults:
    results: tuple[BatchResult, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    id: str
    version: int
    kind: Literal["otp", "message"]
    languages: tuple[Language, ...]
    variables: tuple[str, ...]
    sms: bool
    approved_at: datetime
    may_be_empty: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TemplateList:
    templates: tuple[Template, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    text: str
    language: Language
    characters: int
    sms_segments: int
    sms_encoding: Literal["GSM-7", "UCS-2"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """Holds a webhook. `public_key` (`whpk_`) is for `verify_webhook`. Only the creation returns `secret`.

    A `test` webhook was made with a test key. It gets only events caused by test keys.
    """

    id: str
    url: str
    events: tuple[EventType, ...]
    public_key: str
    created_at: datetime
    test: bool
    disabled: Literal["gone", "paused"] | None = None
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class WebhookList:
    webhooks: tuple[Webhook, ...]


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """Holds the delivery of one event to one webhook."""

    event: str
    type: EventType
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    updated_at: datetime
    last_status: int | None = None
    last_error: str | None = None
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookDeliveries:
    deliveries: tuple[WebhookDelivery, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Holds the body of a webhook, or an entry of the feed. It may come twice, with the same `id`."""

    id: str
    type: EventType
    timestamp: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventPage:
    """Holds a page of events. Ask again with `cursor`, immediately if there is `more`, otherwise later."""

    events: tuple[Event, ...]
    cursor: str
    more: bool


@dataclass(frozen=True, slots=True)
class Quota:
    limit: int
    used: int
    left: int
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class Usage:
    """Holds quotas and their use. `test` is for test keys, whose messages are counted separately."""

    mode: Literal["trial", "live"]
    test: bool
    per_minute: Quota
    per_day: Quota


def read_answer(kind: type[T], value: Any) -> T:
    """Read an answer. Raise Unreachable if `value` does not have the promised form."""
    try:
        return cast("T", _read(kind, value))
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable("the answer does not fit its description") from error


def plain(value: Any) -> Any:
    """Return a record in JSON types, as it is sent: times in RFC 3339, without fields that have no value."""
    if is_dataclass(value):
        named = {part.name: getattr(value, part.name) for part in fields(value)}
        return {name: plain(part) for name, part in named.items() if part is not None}
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


@cache
def _types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: Any) -> Any:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):  # an optional value
        return None if value is None else _read(parts[0], value)
    if origin is tuple:
        return tuple(_read(parts[0], part) for part in _of(list, value))
    if origin is not None and issubclass(origin if isinstance(origin, type) else str, Mapping):
        return {_of(str, name): _read(parts[1], part) for name, part in _of(dict, value).items()}
    if is_dataclass(kind):
        types = _types(cast("type", kind))
        given = _of(dict, value)
        return cast("type", kind)(**{name: _read(types[name], given[name]) for name in types if name in given})
    if kind is datetime:
        return datetime.fromisoformat(_of(str, value))
    if kind is Any:
        return value
    return _of(str if origin is Literal else kind, value)


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}")
    return value
