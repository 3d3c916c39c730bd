"""Defines the calls of the app API as steps (`exchange`), without input or output. Both clients offer them.

All raise AppApiError or Unreachable. Callers may pass and keep an `idempotency_key`, so that a restarted process
repeats a request instead of making a second one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from sandes_client.app.answers import (
    Batch,
    BatchResult,
    BatchResults,
    Category,
    Event,
    EventPage,
    EventType,
    Language,
    Message,
    MessageAccepted,
    MessagePage,
    MessageStatus,
    Otp,
    OtpChecked,
    Preview,
    Priority,
    Template,
    TemplateList,
    Usage,
    Webhook,
    WebhookDeliveries,
    WebhookDelivery,
    WebhookList,
)
from sandes_client.app.exchange import AppApiError, Caller, Pause, Steps
from sandes_client.ids import parse_account
from sandes_client.phone_text import typed_number

T = TypeVar("T")

MAX_UPLOAD_BYTES = 50 * 1024 * 1024
UploadFormat = Literal["csv", "ndjson"]
Variables = Mapping[str, str]
TO_GROUP = "group:"

_FINAL_STATES = ("checked", "completed", "cancelled", "failed")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Holds `items` and the cursor of the next page, None at the end. Call `seen` when all items were taken."""

    items: Sequence[T]
    cursor: str | None
    seen: Callable[[], None] | None = None


Pages = Callable[[str | None], Steps[Page[T]]]
"""Returns the page that begins at a cursor."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """Holds a row of a batch. For `to`, see `recipient`."""

    to: str
    variables: Variables | None = None
    client_ref: str | None = None


def recipient(to: str) -> dict[str, str]:
    """Return the field for a phone number in international form, with its plus sign, or for an account id.

    Raise ValueError for any other text.
    """
    number = typed_number(to)
    if number is not None and number.startswith(("+", "(+")):
        return {"phone": number}
    if to.strip().startswith("+"):
        return {"phone": to}  # the service reports errors of the number
    try:
        return {"account": parse_account(to)}
    except ValueError:
        raise ValueError(
            "a recipient is a phone number with + and country code, or an account id (13 characters)"
        ) from None


def message_recipient(to: str) -> dict[str, str]:
    """Return the field for a recipient as in `recipient`, or for a group of the app, given as `group:` and
    its id.

    Raise ValueError for any other text.
    """
    if not to.startswith(TO_GROUP):
        return recipient(to)
    try:
        return {"group": parse_account(to.removeprefix(TO_GROUP))}  # ids of groups have the same form
    except ValueError:
        raise ValueError("a group is given as group: and its id (13 characters)") from None


def send_otp(
    caller: Caller,
    to: str,
    template: str,
    *,
    variables: Variables | None = None,
    version: int | None = None,
    language: Language | None = None,
    length: int | None = None,
    ttl: int | None = None,
    purpose: str | None = None,
    client_ref: str | None = None,
    idempotency_key: str | None = None,
) -> Steps[Otp]:
    """Send a code. `ttl` is seconds, 120 to 600; `length` 6 to 8 digits. See `recipient` for `to`."""
    body = _given(
        to=recipient(to),
        template=template,
        variables=variables,
        version=version,
        language=language,
        length=length,
        ttl=ttl,
        purpose=purpose,
        client_ref=client_ref,
    )
    return caller.post(Otp, "otps", body=body, key=idempotency_key)


def check_otp(
    caller: Caller, id: str, code: str, *, purpose: str | None = None, idempotency_key: str | None = None
) -> Steps[OtpChecked]:
    """Check `code`. One attempt is counted, however often the request has to be repeated."""
    return caller.post(OtpChecked, "otps", id, "checks", body=_given(code=code, purpose=purpose), key=idempotency_key)


def resend_otp(caller: Caller, id: str, *, idempotency_key: str | None = None) -> Steps[Otp]:
    """Send another code. The code before becomes invalid."""
    return caller.post(Otp, "otps", id, "resends", key=idempotency_key)


def get_otp(caller: Caller, id: str) -> Steps[Otp]:
    return caller.get(Otp, "otps", id)


def cancel_otp(caller: Caller, id: str) -> Steps[None]:
    """Cancel an OTP. None of its codes is accepted any more."""
    yield from caller.call("DELETE", ("otps", id))


def send_message(
    caller: Caller,
    to: str,
    *,
    template: str | None = None,
    version: int | None = None,
    variables: Variables | None = None,
    body: str | None = None,
    language: Language | None = None,
    category: Category | None = None,
    confidential: bool | None = None,
    priority: Priority | None = None,
    expires_at: datetime | None = None,
    client_ref: str | None = None,
    idempotency_key: str | None = None,
) -> Steps[MessageAccepted]:
    """Send a notice from a template, or with your own `body`. See `message_recipient` for `to`."""
    given = _given(
        to=message_recipient(to),
        template=template,
        version=version,
        variables=variables,
        body=body,
        language=language,
        category=category,
        confidential=confidential,
        priority=priority,
        expires_at=_time(expires_at),
        client_ref=client_ref,
    )
    return caller.post(MessageAccepted, "messages", body=given, key=idempotency_key)


def get_message(caller: Caller, id: str) -> Steps[Message]:
    return caller.get(Message, "messages", id)


def list_messages(
    caller: Caller,
    *,
    status: MessageStatus | None = None,
    category: Category | None = None,
    batch: str | None = None,
    client_ref: str | None = None,
    page_size: int | None = None,
) -> Pages[Message]:
    """List messages that fit all filters, the newest first."""

    def page(cursor: str | None) -> Steps[Page[Message]]:
        filters = {"status": status, "category": category, "batch": batch, "client_ref": client_ref}
        found = yield from caller.get(MessagePage, "messages", **filters, limit=page_size, cursor=cursor)
        return Page(found.messages, found.cursor)

    return page


def recall_message(caller: Caller, id: str) -> Steps[None]:
    """Recall a message that no device has received. Raise AppApiError already_delivered or already_final."""
    yield from caller.call("DELETE", ("messages", id))


def list_templates(caller: Caller) -> Steps[tuple[Template, ...]]:
    """Return the newest approved version of each template, with a call for each 100 versions that the app has."""
    found = yield from caller.get(TemplateList, "templates")
    every = found.templates
    while found.cursor:
        found = yield from caller.get(TemplateList, "templates", cursor=found.cursor)
        every += found.templates
    return every


def preview_template(
    caller: Caller,
    id: str,
    variables: Variables | None = None,
    *,
    version: int | None = None,
    language: Language | None = None,
) -> Steps[Preview]:
    """Return the text that a template would produce, and the number of SMS that it would need."""
    body = _given(version=version, variables=variables, language=language)
    return caller.post(Preview, "templates", id, "preview", body=body)


def get_usage(caller: Caller) -> Steps[Usage]:
    """Return the app's quotas and what is left of them."""
    return caller.get(Usage, "usage")


def create_batch(
    caller: Caller,
    *,
    rows: Sequence[BatchRow] | None = None,
    upload: UploadFormat | None = None,
    template: str | None = None,
    version: int | None = None,
    body: str | None = None,
    language: Language | None = None,
    category: Category | None = None,
    confidential: bool | None = None,
    priority: Priority | None = None,
    expires_at: datetime | None = None,
    client_ref: str | None = None,
    idempotency_key: str | None = None,
) -> Steps[Batch]:
    """Create a batch of up to 1,000 `rows`, or one with `upload`: then upload its file of up to 100,000 rows, and
    commit.
    """
    given = _given(
        rows=None
        if rows is None
        else [_given(to=recipient(row.to), variables=row.variables, client_ref=row.client_ref) for row in rows],
        upload=upload,
        template=template,
        version=version,
        body=body,
        language=language,
        category=category,
        confidential=confidential,
        priority=priority,
        expires_at=_time(expires_at),
        client_ref=client_ref,
    )
    return caller.post(Batch, "batches", body=given, key=idempotency_key)


def upload_file(caller: Caller, batch: Batch, file: Path | bytes) -> Steps[None]:
    """Upload the file of a batch by the form of its creation. May be repeated until the batch is committed.

    Raise AppApiError upload_refused (the address has expired), ValueError for a file of more than 50 MiB, or OSError.
    """
    if batch.upload is None:
        raise ValueError("this batch takes no file")
    content = file if isinstance(file, bytes) else file.read_bytes()
    if len(content) > MAX_UPLOAD_BYTES:
        raise ValueError("a batch file has at most 50 MiB")
    yield from caller.post_file(batch.upload.url, batch.upload.fields, content)


def commit_batch(caller: Caller, id: str, *, dry_run: bool = False, idempotency_key: str | None = None) -> Steps[Batch]:
    """Check the rows and send. With `dry_run`, only check them; commit again to send."""
    return caller.post(Batch, "batches", id, "commit", body={"dry_run": dry_run}, key=idempotency_key)


def get_batch(caller: Caller, id: str) -> Steps[Batch]:
    return caller.get(Batch, "batches", id)


def batch_results(caller: Caller, id: str, *, page_size: int | None = None) -> Pages[BatchResult]:
    """List the result of each row, in the order of rows."""

    def page(cursor: str | None) -> Steps[Page[BatchResult]]:
        found = yield from caller.get(BatchResults, "batches", id, "results", limit=page_size, cursor=cursor)
        return Page(found.results, found.cursor)

    return page


def cancel_batch(caller: Caller, id: str) -> Steps[None]:
    """Cancel a batch. Rows that are not sent yet are not sent."""
    yield from caller.call("DELETE", ("batches", id))


def wait_for_batch(
    caller: Caller,
    id: str,
    *,
    on_progress: Callable[[Batch], None] | None = None,
    poll_seconds: float = 2.0,
    timeout_seconds: float | None = None,
) -> Steps[Batch]:
    """Poll until the batch is checked, completed, cancelled or failed. `on_progress` gets every answer.

    Raise TimeoutError after `timeout_seconds`. The batch continues.
    """
    began_ms = caller.now_ms()
    while True:
        batch = yield from get_batch(caller, id)
        if on_progress:
            on_progress(batch)
        if batch.state in _FINAL_STATES:
            return batch
        if timeout_seconds is not None and caller.now_ms() - began_ms >= timeout_seconds * 1000:
            raise TimeoutError(f"the batch is still {batch.state}")
        yield Pause(poll_seconds)


def create_webhook(
    caller: Caller, url: str, events: Sequence[EventType], *, idempotency_key: str | None = None
) -> Steps[Webhook]:
    """Register an https address to which events are sent. Keep `public_key`: `verify_webhook` needs it."""
    return caller.post(Webhook, "webhooks", body={"url": url, "events": list(events)}, key=idempotency_key)


def list_webhooks(caller: Caller) -> Steps[tuple[Webhook, ...]]:
    return (yield from caller.get(WebhookList, "webhooks")).webhooks


def get_webhook(caller: Caller, id: str) -> Steps[Webhook]:
    return caller.get(Webhook, "webhooks", id)


def change_webhook(
    caller: Caller,
    id: str,
    *,
    url: str | None = None,
    events: Sequence[EventType] | None = None,
    paused: bool | None = None,
) -> Steps[Webhook]:
    """Change the given fields. `paused=False` also resumes a webhook that was disabled."""
    body = _given(url=url, events=None if events is None else list(events), paused=paused)
    return caller.patch(Webhook, "webhooks", id, body=body)


def delete_webhook(caller: Caller, id: str) -> Steps[None]:
    """Delete a webhook.

    A missing webhook counts as deleted, because the answer to an earlier try may have been lost.
    """
    try:
        yield from caller.call("DELETE", ("webhooks", id))
    except AppApiError as error:
        if error.code != "not_found":
            raise


def test_webhook(caller: Caller, id: str) -> Steps[WebhookDelivery]:
    """Send a `webhook.test` event to a webhook."""
    return caller.post(WebhookDelivery, "webhooks", id, "test")


def webhook_deliveries(
    caller: Caller,
    id: str,
    *,
    state: Literal["pending", "delivered", "failed"] | None = None,
    page_size: int | None = None,
) -> Pages[WebhookDelivery]:
    """List deliveries, the newest events first, with an optional `state`."""

    def page(cursor: str | None) -> Steps[Page[WebhookDelivery]]:
        path = ("webhooks", id, "deliveries")
        found = yield from caller.get(WebhookDeliveries, *path, state=state, limit=page_size, cursor=cursor)
        return Page(found.deliveries, found.cursor)

    return page


def redeliver_event(caller: Caller, id: str, event: str) -> Steps[WebhookDelivery]:
    """Send an event to a webhook again."""
    return caller.post(WebhookDelivery, "webhooks", id, "deliveries", event, "redeliver")


def event_page(caller: Caller, cursor: str | None = None, *, page_size: int | None = None) -> Steps[EventPage]:
    """Return events after `cursor`, or from the oldest one kept (30 days)."""
    return caller.get(EventPage, "events", cursor=cursor, limit=page_size)


def iterate_events(
    caller: Caller,
    cursor: str | None = None,
    *,
    save: Callable[[str], None] | None = None,
    page_size: int | None = None,
) -> Pages[Event]:
    """Yield the events after `cursor`, until there are no more for now.

    `save` gets a cursor whenever all events before it have been taken. Store it, and begin with it the next time. After
    a crash some events come again, with the same `id`, and none is lost.
    """

    def page(at: str | None) -> Steps[Page[Event]]:
        found = yield from event_page(caller, at or cursor, page_size=page_size)
        seen = found.cursor
        return Page(found.events, seen if found.more else None, (lambda: save(seen)) if save else None)

    return page


def _given(**fields: Any) -> dict[str, Any]:
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in fields.items()
        if value is not None
    }


def _time(at: datetime | None) -> str | None:
    """Format a time in RFC 3339. Raise ValueError for a time without a time zone."""
    if at is not None and at.tzinfo is None:
        raise ValueError("expires_at needs a time zone")
    return None if at is None else at.isoformat()
