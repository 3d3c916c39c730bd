"""Messages and notices of apps: sending, status, recall (docs/apps/README.md, "Messages")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, cast

from sandes.apps.app_events import message_event, tell_webhooks
from sandes.apps.quotas import Quotas, Window
from sandes.apps.recipients import Outcome, check_reach, read_address
from sandes.apps.templates import check_variables, render
from sandes.crypto.pepper import Pepper
from sandes.crypto.seal import Content, Kind, Sealing, Void, notice_body, void_body
from sandes.crypto.sender_hash import SenderHash
from sandes.crypto.service_keys import ServiceKeys
from sandes.cursors import cursor, position
from sandes.identity.apps import AppCaller, AppRequest, first_answer, identify
from sandes.messaging.envelopes import seal_for
from sandes.messaging.push import Push
from sandes.model.app import App
from sandes.model.delivery import AppMessage, Envelopes, Status
from sandes.model.device import Routes
from sandes.model.envelope import MIN_EXPIRY_SECONDS, Envelope
from sandes.model.ids import AccountId, MessageId, message_text, new_message_id
from sandes.model.instant import Instant
from sandes.model.template import Template
from sandes.ports.queues import Queue
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.protocol.faults import fault
from sandes.store.app_view import AppView, Wanted
from sandes.store.deliveries import Answer
from sandes.store.dynamo import ConditionFailed
from sandes.store.inbox import InboxStore

EXPIRES_AFTER_SECONDS: dict[str, int] = {"notice": 30 * 86_400, "transaction": 7 * 86_400, "alert": 86_400}
"""The default lifetime by category. It is never longer than the stage allows."""

UNKNOWN_RECIPIENT = "unknown_recipient"
_LIST_QUERIES = 8

_MAGIC: dict[Outcome, tuple[Status, str | None]] = {
    "delivered": (Status.DELIVERED, None),
    "read": (Status.READ, None),
    "unknown": (Status.FAILED, UNKNOWN_RECIPIENT),
    "expired": (Status.EXPIRED, None),
    "failed": (Status.FAILED, ErrorCode.INTERNAL.value),
}


@dataclass(frozen=True, slots=True)
class AppsDependencies:
    view: AppView
    inbox: InboxStore
    quotas: Quotas
    push: Push
    webhook_queue: Queue
    pepper: Pepper
    sender_hash: SenderHash
    service_keys: ServiceKeys
    audience: str
    max_expiry_seconds: int


@dataclass(frozen=True, slots=True)
class Written:
    """Holds the text of a message and how to show it. `template` is `name@version`; `deadline` is epoch seconds."""

    text: str
    template: str | None
    language: str
    category: str
    confidential: bool
    priority: str
    deadline: int


@dataclass(frozen=True, slots=True)
class Composed:
    """Holds a message before it is stored. `final` messages have their last status already, and need an event."""

    message: AppMessage
    envelopes: Sequence[Envelope]

    @property
    def final(self) -> bool:
        return self.message.status >= Status.DELIVERED


def write(
    content: app_api.Content, template: Template | None, variables: Mapping[str, str], *, deadline: int
) -> Written:
    """Write the text of one message. `template` is the template that `content` names, if it was found.

    Raises ProtocolError unknown_template or template_variables.
    """
    if content.template is None:
        if variables:
            faults = [fault(f"/variables/{name}", "unknown") for name in sorted(variables)]
            raise ProtocolError(ErrorCode.TEMPLATE_VARIABLES, details={"errors": faults})
        text, label, language = content.body or "", None, content.language
    else:
        if template is None or template.kind != "message":
            raise ProtocolError(ErrorCode.UNKNOWN_TEMPLATE)
        check_variables(template, variables)
        text = render(template, variables, language=content.language)
        label, language = f"{template.name}@{template.version}", cast("Any", template.language(content.language))
    return Written(text, label, language, content.category, content.confidential, content.priority, deadline)


def deadline_of(content: app_api.Content, *, now_seconds: int, max_expiry_seconds: int) -> int:
    """Return the expiry in epoch seconds. Raises ProtocolError invalid_request if it is too near or too far."""
    if content.expires_at is None:
        return now_seconds + min(EXPIRES_AFTER_SECONDS[content.category], max_expiry_seconds)
    deadline = int(content.expires_at.timestamp())
    if not now_seconds + MIN_EXPIRY_SECONDS <= deadline <= now_seconds + max_expiry_seconds:
        reason = f"between_{MIN_EXPIRY_SECONDS}_and_{max_expiry_seconds}_seconds_from_now"
        raise invalid(ErrorCode.INVALID_REQUEST, "/expires_at", reason)
    return deadline


def compose(
    written: Written,
    *,
    app: App,
    id: MessageId,
    account: AccountId | None,
    routes: Routes | None,
    test: bool,
    sender_hash: SenderHash,
    service_keys: ServiceKeys,
    now: Instant,
    client_ref: str | None = None,
    batch: str | None = None,
    magic: Outcome | None = None,
) -> Composed:
    """Seal a message to every device of its recipient. Without devices, it fails with `unknown_recipient`."""
    envelopes: list[Envelope] = []
    if routes and routes.devices:
        body = notice_body(
            text=written.text,
            category=written.category,
            confidential=written.confidential,
            priority=written.priority,
            language=written.language,
        )
        content = Content(id, app.sender, None, routes.account, Kind.NOTICE, now.ms, body)
        sealing = Sealing.by(service_keys, now_ms=now.ms)
        envelopes = [
            seal_for(route, content, expires_at=written.deadline, sender_hash=sender_hash, sealing=sealing)
            for route in routes.devices.values()
        ]
    if magic:
        status, failure = _MAGIC[magic]
    else:
        status, failure = (Status.QUEUED, None) if envelopes else (Status.FAILED, UNKNOWN_RECIPIENT)
    message = AppMessage(
        app=app.id,
        id=id,
        status=status,
        account=account,
        envelopes=Envelopes(tuple((envelope.inbox, envelope.id) for envelope in envelopes)),
        deadline=written.deadline,
        category=written.category,
        language=written.language,
        template=written.template,
        client_ref=client_ref,
        batch=batch,
        failure=failure,
        test=test,
        times_ms={Status.ACCEPTED: now.ms, status: now.ms},
    )
    return Composed(message, envelopes)


def create(
    request: AppRequest, body: app_api.NewMessage, *, now: Instant, deps: AppsDependencies
) -> tuple[app_api.MessageAccepted, list[Window]]:
    """Store a message for every device of its recipient, then try to push it, or answer a repetition as before.

    Also return the app's quotas (none for a repetition). Raises ProtocolError invalid_phone, not_a_guest,
    unknown_template, template_variables, invalid_request (expires_at), quota_exceeded, idempotency_mismatch, and the
    errors of `identify`. Nothing is stored then.
    """
    address = read_address(body.to, deps.pepper)
    by, now_seconds = request.request_hash(deps.pepper), now.seconds
    wanted = Wanted(
        phone_index=address.index,
        template=(body.template, body.version) if body.template else None,
        request=by,
    )
    caller = identify(request, wanted, scope="msg", audience=deps.audience, now=now, view=deps.view)
    fingerprint = request.body_fingerprint(deps.pepper)
    if answer := first_answer(request, caller, pepper=deps.pepper, now_seconds=now_seconds, view=deps.view):
        return repeated(answer, request, deps.pepper), []
    check_reach(caller, address)
    deadline = deadline_of(body, now_seconds=now_seconds, max_expiry_seconds=deps.max_expiry_seconds)
    written = write(body, caller.facts.template, body.variables, deadline=deadline)
    windows = deps.quotas.take(caller.app, 1, test=caller.key.test, now_seconds=now_seconds)
    account = address.account or caller.facts.account
    routes, _ = deps.view.recipient(account, now_seconds=now_seconds)
    made = compose(
        written,
        app=caller.app,
        id=new_message_id(now.ms),
        account=account,
        routes=routes,
        test=caller.key.test,
        sender_hash=deps.sender_hash,
        service_keys=deps.service_keys,
        now=now,
        client_ref=body.client_ref,
        magic=address.magic,
    )
    accepted = app_api.MessageAccepted(id=made.message.id, status="accepted", expires_at=time_of(deadline))
    operations = [
        deps.view.deliveries.creating(made.message),
        deps.view.deliveries.remembering(
            caller.app.id, by, Answer(fingerprint, accepted.model_dump_json()), now_seconds=now_seconds
        ),
        *(deps.inbox.adding(envelope) for envelope in made.envelopes),
    ]
    if made.final:
        event = message_event(made.message, made.message.status, now=now, failure=made.message.failure)
        tell_webhooks(caller.app, [event], deps.webhook_queue)
        operations.append(deps.view.deliveries.recording(event))
    try:
        deps.view.deliveries.write(operations)
    except ConditionFailed:
        stands = deps.view.deliveries.remembered(caller.app.id, by, now_seconds=now_seconds)
        if stands is None:
            raise
        return repeated(stands, request, deps.pepper), windows
    if routes:
        hand_over(made, routes, now=now, deps=deps)
    return accepted, windows


def hand_over(made: Composed, routes: Routes, *, now: Instant, deps: AppsDependencies) -> None:
    """Push a stored message to live sockets, and record it as sent if one of them accepted it."""
    if not made.envelopes:
        return
    pushed = deps.push(made.envelopes, routes, now_seconds=now.seconds)
    if pushed.posted:
        deps.view.deliveries.advance(made.message.app, made.message.id, Status.SENT, now_ms=now.ms)


def repeated(answer: Answer, request: AppRequest, pepper: Pepper) -> app_api.MessageAccepted:
    if not request.has_body(answer.fingerprint, pepper):
        raise ProtocolError(ErrorCode.IDEMPOTENCY_MISMATCH)
    return app_api.MessageAccepted.model_validate_json(answer.answer)


def status(request: AppRequest, id: MessageId, *, now: Instant, deps: AppsDependencies) -> app_api.Message:
    """Return the status of a message. Raises ProtocolError not_found, and the errors of `identify`."""
    wanted = Wanted(message=id)
    caller = identify(request, wanted, scope="msg", audience=deps.audience, now=now, view=deps.view)
    return shown(own_message(caller), now.seconds)


@dataclass(frozen=True, slots=True)
class Filters:
    """Selects messages. A filter that is None selects all."""

    status: str | None = None
    category: str | None = None
    batch: str | None = None
    client_ref: str | None = None

    def pass_(self, message: AppMessage, now_seconds: int) -> bool:
        wanted = (self.status, self.category, self.batch, self.client_ref)
        given = (message.status_at(now_seconds).label, message.category, message.batch, message.client_ref)
        return all(want is None or want == have for want, have in zip(wanted, given, strict=True))


def page(
    request: AppRequest, filters: Filters, *, after: str | None, limit: int, now: Instant, deps: AppsDependencies
) -> app_api.MessagePage:
    """Return a page of messages, the newest first. It can be short or empty and still have a cursor.

    The reason is that filters apply after reading. Raises ProtocolError invalid_cursor, and the errors of `identify`.
    """
    caller = identify(request, Wanted(), scope="msg", audience=deps.audience, now=now, view=deps.view)
    app, now_seconds = caller.app.id, now.seconds
    of = "test messages" if caller.key.test else "messages"
    before = position(after, owner=app, of=of, pepper=deps.pepper) if after is not None else None
    found: list[AppMessage] = []
    pages = deps.view.deliveries.message_pages(app, before=before, limit=limit, now_seconds=now_seconds)
    last: str | None = None
    for messages, after_page in islice(pages, _LIST_QUERIES):
        passed = [one for one in messages if one.test is caller.key.test and filters.pass_(one, now_seconds)]
        room = limit - len(found)
        found += passed[:room]
        last = message_text(found[-1].id) if len(passed) > room else after_page
        if len(found) == limit:
            break
    return app_api.MessagePage(
        messages=[shown(message, now_seconds) for message in found],
        cursor=cursor(last, owner=app, of=of, pepper=deps.pepper) if last else None,
    )


def recall(request: AppRequest, id: MessageId, *, now: Instant, deps: AppsDependencies) -> None:
    """Recall a message while no device has acknowledged it. Devices that show it already mark it as invalid.

    Repeating it is harmless. A message to a group cannot be recalled. Raises ProtocolError not_found,
    already_delivered, already_final, and the errors of `identify`.
    """
    wanted, now_seconds = Wanted(message=id), now.seconds
    caller = identify(request, wanted, scope="msg", audience=deps.audience, now=now, view=deps.view)
    message = own_message(caller)
    now_is = message.status_at(now_seconds)
    if now_is is Status.RECALLED:
        return
    if now_is in {Status.DELIVERED, Status.READ}:
        raise ProtocolError(ErrorCode.ALREADY_DELIVERED)
    if now_is > Status.READ or message.group is not None:
        raise ProtocolError(ErrorCode.ALREADY_FINAL)
    routes, _ = deps.view.recipient(message.account, now_seconds=now_seconds)
    voids = _voids(message, caller.app, routes, now, deps)
    event = message_event(message, Status.RECALLED, now=now)
    tell_webhooks(caller.app, [event], deps.webhook_queue)
    deliveries = deps.view.deliveries
    try:
        deliveries.write(
            [
                deliveries.advancing(caller.app.id, id, Status.RECALLED, now_ms=now.ms, below=Status.DELIVERED),
                deliveries.recording(event),
                *(deps.inbox.taking_back(inbox, envelope) for inbox, envelope in message.envelopes.rows),
                *(deps.inbox.adding(void) for void in voids),
            ]
        )
    except ConditionFailed:
        stands = deliveries.message(caller.app.id, id, now_seconds=now_seconds)
        stands_at = stands.status_at(now_seconds) if stands else Status.EXPIRED
        if stands_at is Status.RECALLED:
            return
        final = stands_at > Status.READ
        raise ProtocolError(ErrorCode.ALREADY_FINAL if final else ErrorCode.ALREADY_DELIVERED) from None
    if routes and voids:
        deps.push(voids, routes, now_seconds=now_seconds)


def _voids(
    message: AppMessage, app: App, routes: Routes | None, now: Instant, deps: AppsDependencies
) -> list[Envelope]:
    """Build `control` envelopes for those devices that the message was stored for and that still exist."""
    stored = {inbox for inbox, _ in message.envelopes.rows}
    if routes is None:
        return []
    body = void_body((message.id,), Void.RECALLED)
    content = Content(new_message_id(now.ms), app.sender, None, routes.account, Kind.CONTROL, now.ms, body)
    sealing, expires_at = Sealing.by(deps.service_keys, now_ms=now.ms), max(message.deadline, now.seconds + 86_400)
    return [
        seal_for(route, content, expires_at=expires_at, sender_hash=deps.sender_hash, sealing=sealing)
        for route in routes.devices.values()
        if route.inbox in stored
    ]


def own_message(caller: AppCaller) -> AppMessage:
    message = caller.facts.message
    if message is None or message.test != caller.key.test:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return message


def shown(message: AppMessage, now_seconds: int) -> app_api.Message:
    now_is = message.status_at(now_seconds)
    times = {status.label: datetime.fromtimestamp(at / 1000, UTC) for status, at in sorted(message.times_ms.items())}
    if now_is is Status.EXPIRED:
        times.setdefault(now_is.label, time_of(message.deadline))
    return app_api.Message(
        id=message.id,
        group=app_api.GroupMessage(id=message.group) if message.group else None,
        status=cast("Any", now_is.label),
        seq=int(now_is),
        category=cast("Any", message.category),
        template=message.template,
        language=cast("Any", message.language),
        client_ref=message.client_ref,
        batch=message.batch,
        failure=message.failure,
        expires_at=time_of(message.deadline),
        times=times,
    )


def time_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
