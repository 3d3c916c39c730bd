"""Bodies of the HTTPS app API, from which docs/protocol/app-openapi.json is generated.

Times are RFC 3339 in UTC. An answer omits fields without a value.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from sandes.model.challenge import Purpose
from sandes.model.template import Language
from sandes.protocol.fields import AccountField, Answer, GroupField, MessageIdField, Moment, Wire

MAX_TEXT_CHARS = 4_000
MAX_VARIABLES = 20
MAX_VARIABLE_CHARS = 500
MAX_INLINE_ROWS = 1_000
MAX_BATCH_ROWS = 100_000
MAX_UPLOAD_BYTES = 50 * 1024 * 1024
MAX_PAGE = 250

EVENT_TYPES = (
    "message.delivered",
    "message.read",
    "message.failed",
    "message.expired",
    "message.recalled",
    "batch.completed",
    "webhook.test",
)


def _printable(text: str) -> str:
    """Check a text. Raises ValueError for control characters other than line feed and tab, and for lone surrogates."""
    if any((ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160 for char in text):
        raise ValueError("control characters are not allowed")
    text.encode()
    return text


Printable = AfterValidator(_printable)
OneTimeId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22}$")]
ClientRef = Annotated[
    str,
    Printable,
    Field(min_length=1, max_length=64, description="your own reference. The service returns it and shows it to nobody"),
]
TemplateName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]
TemplateVersion = Annotated[int, Field(ge=1, le=99_999, description="by default the newest approved version")]
VARIABLE_NAME = r"^[a-z][a-z0-9_]{0,31}$"
VariableName = Annotated[str, Field(pattern=VARIABLE_NAME)]
VariableValue = Annotated[str, Printable, Field(max_length=MAX_VARIABLE_CHARS)]
Variables = Annotated[dict[VariableName, VariableValue], Field(max_length=MAX_VARIABLES)]
Digits = Annotated[int, Field(ge=6, le=8)]
Time = Annotated[datetime, Field(description="RFC 3339, UTC")]
Category = Literal["notice", "alert", "transaction"]
Priority = Literal["normal", "high"]
MessageStatus = Literal["accepted", "queued", "sent", "delivered", "read", "failed", "expired", "recalled"]
EventType = Literal[
    "message.delivered",
    "message.read",
    "message.failed",
    "message.expired",
    "message.recalled",
    "batch.completed",
    "webhook.test",
]


class Recipient(Wire):
    """Names a recipient by exactly one of `phone` and `account`."""

    phone: Annotated[str, Field(min_length=1, max_length=64, description="international form")] | None = None
    account: AccountField | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.phone is None) == (self.account is None):
            raise ValueError("give either phone or account")
        return self


class MessageRecipient(Recipient):
    """Names a recipient by exactly one of `phone`, `account` and `group`. The app must manage the group."""

    group: GroupField | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.phone, self.account, self.group].count(None) != 2:
            raise ValueError("give one of phone, account and group")
        return self


PLATFORM_PURPOSES = get_args(Purpose)


def _no_purpose_of_the_platform(purpose: str) -> str:
    if purpose in PLATFORM_PURPOSES:
        raise ValueError(f"the purposes {', '.join(PLATFORM_PURPOSES)} are the platform's own")
    return purpose


OtpPurpose = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_.-]{0,31}$",
        description=f"Names what the code is for. {', '.join(PLATFORM_PURPOSES)} are the platform's own.",
        json_schema_extra={"not": {"enum": list(PLATFORM_PURPOSES)}},
    ),
    AfterValidator(_no_purpose_of_the_platform),
]


class NewOtp(Wire):
    """Sends a one-time password. `ttl` is in seconds. A code for one `purpose` is not valid for another."""

    to: Recipient
    template: TemplateName
    version: TemplateVersion | None = None
    variables: Variables = Field(default_factory=dict)
    language: Language = "en"
    length: Digits = 6
    ttl: Annotated[int, Field(ge=120, le=600, description="seconds")] = 300
    purpose: OtpPurpose = "login"
    client_ref: ClientRef | None = None


class Otp(Answer):
    """Describes a one-time password. It is the same for every recipient, and does not reveal whether an account exists.

    `channel` says how the code is sent. `app_then_sms`: by SMS too if no device has it within some seconds.
    """

    id: OneTimeId
    status: Literal["pending", "used", "expired", "locked", "cancelled"]
    channel: Literal["app", "app_then_sms"]
    expires_at: Time
    resend_after: Time
    attempts_left: int
    client_ref: str | None = None


class OtpCheck(Wire):
    code: Annotated[str, Field(pattern=r"^[0-9]{6,8}$")]
    purpose: OtpPurpose = "login"


class OtpChecked(Answer):
    result: Literal["approved", "incorrect", "expired", "locked", "used", "cancelled"]
    attempts_left: int


class Content(Wire):
    """Holds either `template` with its variables, or `body`, a text of your own."""

    template: TemplateName | None = None
    version: TemplateVersion | None = None
    body: Annotated[str, Printable, Field(min_length=1, max_length=MAX_TEXT_CHARS)] | None = None
    language: Language = "en"
    category: Category = "notice"
    confidential: Annotated[bool, Field(description="not shown on a locked screen")] = False
    priority: Priority = "normal"
    expires_at: Moment | None = None

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if (self.template is None) == (self.body is None):
            raise ValueError("give either template or body")
        if self.version is not None and self.template is None:
            raise ValueError("a version needs a template")
        return self


class NewMessage(Content):
    to: MessageRecipient
    variables: Variables = Field(default_factory=dict)
    client_ref: ClientRef | None = None


class MessageAccepted(Answer):
    id: MessageIdField
    status: MessageStatus
    expires_at: Time


class GroupMessage(Answer):
    """Describes the progress of a message to a group: the number of intended `members`, and of `devices` stored for so
    far.

    `complete` is true once it is stored for all members. Some days after the message's end, only `id` is known.
    """

    id: GroupField
    members: int | None = None
    devices: int | None = None
    complete: bool | None = None


class Message(Answer):
    """Describes a message. `seq` rises with every change of `status`. `times` says when each status was reached."""

    id: MessageIdField
    status: MessageStatus
    seq: int
    category: Category
    template: str | None = None
    language: Language
    client_ref: str | None = None
    batch: str | None = None
    group: GroupMessage | None = None
    failure: str | None = None
    expires_at: Time
    times: dict[str, datetime]


class MessagePage(Answer):
    """Lists messages. `cursor` leads to the next page; it is absent on the last one."""

    messages: list[Message]
    cursor: str | None = None


class BatchRow(Wire):
    to: Recipient
    variables: Variables = Field(default_factory=dict)
    client_ref: ClientRef | None = None


class NewBatch(Content):
    """Creates a batch from either `rows`, up to 1,000, or `upload`.

    For `upload`, send the file to the address in the answer, and commit the batch.
    """

    rows: Annotated[list[BatchRow], Field(min_length=1, max_length=MAX_INLINE_ROWS)] | None = None
    upload: Literal["csv", "ndjson"] | None = None
    client_ref: ClientRef | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.rows is None) == (self.upload is None):
            raise ValueError("give either rows or upload")
        return self


class Upload(Answer):
    """Says where to upload a file. POST `fields`, then the file as the field `file`, to `url` before `expires_at`.

    The request is multipart/form-data. The storage refuses more than 50 MiB.
    """

    url: str
    fields: dict[str, str]
    expires_at: Time


class CommitBatch(Wire):
    dry_run: Annotated[bool, Field(description="only check the rows; commit again to send")] = False


class RowFault(Answer):
    """Describes a fault in a row. `row` counts from 1, without the header of a CSV file."""

    row: int
    field: str
    code: str
    message: str


class Batch(Answer):
    """Describes a batch. `faults` are the first 100 invalid rows; the results list all of them.

    `state`: `open` waits for the file or the commit, `checking` checks the rows, `checked` ends a dry run.
    """

    id: OneTimeId
    state: Literal["open", "checking", "checked", "sending", "completed", "cancelled", "failed"]
    rows: int
    valid: int
    invalid: int
    done: int
    sent: int
    failed: int
    failure: str | None = None
    client_ref: str | None = None
    upload: Upload | None = None
    faults: list[RowFault] = Field(default_factory=list)
    created_at: Time
    finished_at: Time | None = None


class BatchResult(Answer):
    row: int
    client_ref: str | None = None
    message: str | None = None
    status: Literal["accepted", "failed", "invalid"]
    code: str | None = None


class BatchResults(Answer):
    results: list[BatchResult]
    cursor: str | None = None


class Template(Answer):
    id: TemplateName
    version: int
    kind: Literal["otp", "message"]
    languages: list[Language]
    variables: list[str]
    may_be_empty: Annotated[list[str], Field(description="the variables that may have an empty value")]
    sms: Annotated[bool, Field(description="whether it may be sent by SMS")]
    approved_at: Time


class TemplateList(Answer):
    """Lists the newest version of each template. `cursor` leads to the next page.

    A page can have fewer than `limit`, even none.
    """

    templates: list[Template]
    cursor: str | None = None


class PreviewTemplate(Wire):
    version: TemplateVersion | None = None
    variables: Variables = Field(default_factory=dict)
    language: Language = "en"


class Preview(Answer):
    """Holds the text of a template. `language` is the one it is written in.

    `sms_segments` is the number of SMS that it needs in `sms_encoding`.
    """

    text: str
    language: Language
    characters: int
    sms_segments: int
    sms_encoding: Literal["GSM-7", "UCS-2"]


class NewWebhook(Wire):
    url: Annotated[str, Field(min_length=1, max_length=1_000, description="https")]
    events: Annotated[list[EventType], Field(min_length=1, max_length=len(EVENT_TYPES))]


class Webhook(Answer):
    """Describes a webhook. `public_key` (`whpk_`) verifies `v1a` signatures.

    `secret` (`whsec_`) verifies `v1` signatures; only the answer to the creation has it. If `test` is true, a test key
    made the webhook, and it gets only the events about what test keys send.
    """

    id: OneTimeId
    url: str
    events: list[EventType]
    test: bool
    disabled: Literal["gone", "paused"] | None = None
    public_key: str
    secret: str | None = None
    created_at: Time


class WebhookList(Answer):
    webhooks: list[Webhook]


class ChangeWebhook(Wire):
    url: Annotated[str, Field(min_length=1, max_length=1_000)] | None = None
    events: Annotated[list[EventType], Field(min_length=1, max_length=len(EVENT_TYPES))] | None = None
    paused: bool | None = None


class WebhookDelivery(Answer):
    """Describes the delivery of one event to one webhook."""

    event: str
    type: EventType
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    last_status: int | None = None
    last_error: str | None = None
    next_attempt_at: Time | None = None
    updated_at: Time


class WebhookDeliveries(Answer):
    deliveries: list[WebhookDelivery]
    cursor: str | None = None


class Event(Answer):
    """Describes an event. It is the body for webhooks and an entry of the feed.

    `id` is also the webhook-id. An event can come twice.
    """

    id: str
    type: EventType
    timestamp: Time
    data: dict[str, Any]


class EventPage(Answer):
    """Lists events. `cursor` is always present: use it to continue, now or later."""

    events: list[Event]
    cursor: str
    more: bool


class Quota(Answer):
    limit: int
    used: int
    left: int
    resets_at: Time


class Usage(Answer):
    """Describes the quotas. `test` is true for a test key, whose messages are counted separately."""

    mode: Literal["trial", "live"]
    test: bool
    per_minute: Quota
    per_day: Quota
