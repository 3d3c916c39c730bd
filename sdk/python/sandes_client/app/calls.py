"""The calls of the app API, each as steps (`exchange`): what both clients offer, without input or output.

All raise AppApiError or Unreachable. `idempotency_key` on what is sent may be given by callers who keep it, so that
also a process that starts anew repeats a request instead of making a second one.
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
    """`items`, then where the next page begins; None at the end. `seen` is to be called when all were taken."""

    items: Sequence[T]
    cursor: str | None
    seen: Callable[[], None] | None = None


Pages = Callable[[str | None], Steps[Page[T]]]
"""Gives the page that begins at a cursor."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """`to`: see `recipient`."""

    to: str
    variables: Variables | None = None
    client_ref: str | None = None


def recipient(to: str) -> dict[str, str]:
    """A phone number in international form, with its plus sign, or an account id. Raises ValueError for neither."""
    number = typed_number(to)
    if number is not None and number.startswith(("+", "(+")):
        return {"phone": number}
    if to.strip().startswith("+"):
        return {"phone": to}  # the service says what is wrong with it
    try:
        return {"account": parse_account(to)}
    except ValueError:
        raise ValueError("a recipient is +, country code and number, or an account id (13 characters)") from None


def message_recipient(to: str) -> dict[str, str]:
    """As `recipient`; or a group that the app manages, by `group:` and its id. Raises ValueError for none of these."""
    if not to.startswith(TO_GROUP):
        return recipient(to)
    try:
        return {"group": parse_account(to.removeprefix(TO_GROUP))}  # ids of groups are written alike
    except ValueError:
        raise ValueError("a group is group: and its id (13 characters)") from None


# One-time passwords


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
    """Whether `code` is right. An attempt is counted once, however often the request has to be repeated."""
    return caller.post(OtpChecked, "otps", id, "checks", body=_given(code=code, purpose=purpose), key=idempotency_key)


def resend_otp(caller: Caller, id: str, *, idempotency_key: str | None = None) -> Steps[Otp]:
    """Send another code, which voids the one before."""
    return caller.post(Otp, "otps", id, "resends", key=idempotency_key)


def get_otp(caller: Caller, id: str) -> Steps[Otp]:
    return caller.get(Otp, "otps", id)


def cancel_otp(caller: Caller, id: str) -> Steps[None]:
    """No code of it is accepted any more."""
    yield from caller.call("DELETE", ("otps", id))


# Messages


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
    """Send a notice from a template, or with a `body` of your own. See `message_recipient` for `to`."""
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
    """The newest first, those that fit all filters."""

    def page(cursor: str | None) -> Steps[Page[Message]]:
        filters = {"status": status, "category": category, "batch": batch, "client_ref": client_ref}
        found = yield from caller.get(MessagePage, "messages", **filters, limit=page_size, cursor=cursor)
        return Page(found.messages, found.cursor)

    return page


def recall_message(caller: Caller, id: str) -> Steps[None]:
    """Take it back while no device has it. Raises AppApiError already_delivered or already_final."""
    yield from caller.call("DELETE", ("messages", id))


# Templates and quotas


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
    """What it would say, and how many SMS it would fill."""
    body = _given(version=version, variables=variables, language=language)
    return caller.post(Preview, "templates", id, "preview", body=body)


def get_usage(caller: Caller) -> Steps[Usage]:
    """The app's quotas and what is left of them."""
    return caller.get(Usage, "usage")


# Batches


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
    """Of up to 1,000 `rows`; or with `upload`: then `upload` the file, which has up to 100,000, and `commit`."""
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
    """Upload the file of a batch by the form of its creation. May be repeated until it is committed.

    Raises AppApiError upload_refused (the address has expired), ValueError for a file of more than 50 MiB, OSError.
    """
    if batch.upload is None:
        raise ValueError("this batch takes no file")
    content = file if isinstance(file, bytes) else file.read_bytes()
    if len(content) > MAX_UPLOAD_BYTES:
        raise ValueError("a batch file has at most 50 MiB")
    yield from caller.post_file(batch.upload.url, batch.upload.fields, content)


def commit_batch(caller: Caller, id: str, *, dry_run: bool = False, idempotency_key: str | None = None) -> Steps[Batch]:
    """Check the rows and send; with `dry_run` check only, and commit again to send."""
    return caller.post(Batch, "batches", id, "commit", body={"dry_run": dry_run}, key=idempotency_key)


def get_batch(caller: Caller, id: str) -> Steps[Batch]:
    return caller.get(Batch, "batches", id)


def batch_results(caller: Caller, id: str, *, page_size: int | None = None) -> Pages[BatchResult]:
    """What became of each row, in their order."""

    def page(cursor: str | None) -> Steps[Page[BatchResult]]:
        found = yield from caller.get(BatchResults, "batches", id, "results", limit=page_size, cursor=cursor)
        return Page(found.results, found.cursor)

    return page


def cancel_batch(caller: Caller, id: str) -> Steps[None]:
    """Rows not yet sent are not sent any more."""
    yield from caller.call("DELETE", ("batches", id))


def wait_for_batch(
    caller: Caller,
    id: str,
    *,
    on_progress: Callable[[Batch], None] | None = None,
    poll_seconds: float = 2.0,
    timeout_seconds: float | None = None,
) -> Steps[Batch]:
    """Ask until the batch is checked, completed, cancelled or failed; `on_progress` hears every answer.

    Raises TimeoutError after `timeout_seconds`; the batch goes on.
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


# Webhooks and events


def create_webhook(
    caller: Caller, url: str, events: Sequence[EventType], *, idempotency_key: str | None = None
) -> Steps[Webhook]:
    """Have events sent to an https address. Keep `public_key`: `verify_webhook` needs it."""
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
    """Change what is given. `paused=False` also takes up one that was disabled."""
    body = _given(url=url, events=None if events is None else list(events), paused=paused)
    return caller.patch(Webhook, "webhooks", id, body=body)


def delete_webhook(caller: Caller, id: str) -> Steps[None]:
    """One that is gone already counts as deleted: the answer to an earlier try may have been lost."""
    try:
        yield from caller.call("DELETE", ("webhooks", id))
    except AppApiError as error:
        if error.code != "not_found":
            raise


def test_webhook(caller: Caller, id: str) -> Steps[WebhookDelivery]:
    """Have a `webhook.test` event sent to it."""
    return caller.post(WebhookDelivery, "webhooks", id, "test")


def webhook_deliveries(
    caller: Caller,
    id: str,
    *,
    state: Literal["pending", "delivered", "failed"] | None = None,
    page_size: int | None = None,
) -> Pages[WebhookDelivery]:
    """The newest events first, those in `state` if one is given."""

    def page(cursor: str | None) -> Steps[Page[WebhookDelivery]]:
        path = ("webhooks", id, "deliveries")
        found = yield from caller.get(WebhookDeliveries, *path, state=state, limit=page_size, cursor=cursor)
        return Page(found.deliveries, found.cursor)

    return page


def redeliver_event(caller: Caller, id: str, event: str) -> Steps[WebhookDelivery]:
    """Send an event to a webhook once more."""
    return caller.post(WebhookDelivery, "webhooks", id, "deliveries", event, "redeliver")


def event_page(caller: Caller, cursor: str | None = None, *, page_size: int | None = None) -> Steps[EventPage]:
    """Events after `cursor`, or from the oldest kept (30 days)."""
    return caller.get(EventPage, "events", cursor=cursor, limit=page_size)


def iterate_events(
    caller: Caller,
    cursor: str | None = None,
    *,
    save: Callable[[str], None] | None = None,
    page_size: int | None = None,
) -> Pages[Event]:
    """The events after `cursor`, until there are no more for now.

    `save` is given a cursor whenever all events before it have been taken: write it down, and begin with it the next
    time. After a crash some events come again, with the same `id`, and none is lost.
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
    """RFC 3339. Raises ValueError for a time that does not say where on earth it is meant."""
    if at is not None and at.tzinfo is None:
        raise ValueError("expires_at needs a time zone")
    return None if at is None else at.isoformat()
