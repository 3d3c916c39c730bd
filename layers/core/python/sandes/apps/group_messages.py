"""Messages of apps to the groups that they manage (docs/apps/groups.md, "Messages").

A message is recorded first and posted afterwards. A repetition of the request posts it again under the same id, if it
may not have been posted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sandes.apps import messages
from sandes.apps.app_groups import own_group, reached, weight
from sandes.apps.messages import AppsDependencies, Written, deadline_of, repeated, time_of, write
from sandes.apps.quotas import Window
from sandes.crypto.seal import notice_body
from sandes.groups.fanout import Fanout
from sandes.identity.apps import AppCaller, AppRequest, first_answer, identify
from sandes.model.app import App, AppSender
from sandes.model.delivery import AppMessage, Envelopes, Status
from sandes.model.fanout import GroupPost
from sandes.model.group import Group
from sandes.model.ids import GroupId, MessageId, new_message_id
from sandes.model.instant import Instant
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.app_view import Wanted
from sandes.store.deliveries import Answer
from sandes.store.directory import DirectoryStore
from sandes.store.dynamo import ConditionFailed


@dataclass(frozen=True, slots=True)
class GroupMessageDependencies:
    apps: AppsDependencies
    directory: DirectoryStore
    fanout: Fanout


def create(
    request: AppRequest, body: app_api.NewMessage, to: GroupId, *, now: Instant, deps: GroupMessageDependencies
) -> tuple[app_api.MessageAccepted, list[Window]]:
    """Post a message to the members, or answer a repetition as before. Return the app's quotas too.

    The call also needs the scope `group`. Raises ProtocolError not_permitted (if there is no such group), not_a_guest
    (if some member is no guest), unknown_template, template_variables, invalid_request (expires_at), quota_exceeded,
    idempotency_mismatch, and the errors of `identify`.
    """
    apps, now_seconds = deps.apps, now.seconds
    by = request.request_hash(apps.pepper)
    wanted = Wanted(group=to, template=(body.template, body.version) if body.template else None, request=by)
    caller = identify(request, wanted, scope="msg", audience=apps.audience, now=now, view=apps.view)
    if "group" not in caller.app.scopes:
        raise ProtocolError(ErrorCode.SCOPE_MISSING)
    fingerprint = request.body_fingerprint(apps.pepper)
    if before := first_answer(request, caller, pepper=apps.pepper, now_seconds=now_seconds, view=apps.view):
        accepted = repeated(before, request, apps.pepper)
        _post_again(accepted.id, body, caller, now, deps)
        return accepted, []
    try:
        group, _ = own_group(caller)
    except ProtocolError:
        raise ProtocolError(ErrorCode.NOT_PERMITTED) from None  # here it is the recipient that does not exist
    to_members = reached(caller, group, groups=deps.fanout.groups, directory=deps.directory, pepper=apps.pepper)
    deadline = deadline_of(body, now_seconds=now_seconds, max_expiry_seconds=apps.max_expiry_seconds)
    written = write(body, caller.facts.template, body.variables, deadline=deadline)
    windows = apps.quotas.take(caller.app, weight(group), test=caller.key.test, now_seconds=now_seconds)
    message = replace(_message(caller, group, written, body.client_ref, now), to=to_members)
    accepted = app_api.MessageAccepted(id=message.id, status="accepted", expires_at=time_of(deadline))
    answer = Answer(fingerprint, accepted.model_dump_json())
    try:
        apps.view.deliveries.write(
            [
                apps.view.deliveries.creating(message),
                apps.view.deliveries.remembering(caller.app.id, by, answer, now_seconds=now_seconds),
            ]
        )
    except ConditionFailed:
        stands = apps.view.deliveries.remembered(caller.app.id, by, now_seconds=now_seconds)
        if stands is None:
            raise
        accepted = repeated(stands, request, apps.pepper)
        _post_again(accepted.id, body, caller, now, deps)
        return accepted, windows
    _post(message, group, written, caller.app, now=now, deps=deps)
    return accepted, windows


def _message(caller: AppCaller, group: Group, written: Written, client_ref: str | None, now: Instant) -> AppMessage:
    return AppMessage(
        app=caller.app.id,
        id=new_message_id(now.ms),
        status=Status.QUEUED,
        account=None,
        envelopes=Envelopes(()),
        deadline=written.deadline,
        category=written.category,
        language=written.language,
        template=written.template,
        client_ref=client_ref,
        batch=None,
        failure=None,
        test=caller.key.test,
        times_ms={Status.ACCEPTED: now.ms, Status.QUEUED: now.ms},
        group=group.id,
    )


def _post_again(
    id: MessageId, body: app_api.NewMessage, caller: AppCaller, now: Instant, deps: GroupMessageDependencies
) -> None:
    """Post the message if the first request ended before it had posted it. Do nothing if the group is gone."""
    deliveries = deps.apps.view.deliveries
    message = deliveries.message(caller.app.id, id, now_seconds=now.seconds)
    group = caller.facts.group
    if message is None or message.status_at(now.seconds) is not Status.QUEUED or group is None or not group.live:
        return
    written = write(body, caller.facts.template, body.variables, deadline=message.deadline)
    _post(message, group, written, caller.app, now=now, deps=deps)


def _post(
    message: AppMessage, group: Group, written: Written, app: App, *, now: Instant, deps: GroupMessageDependencies
) -> None:
    """Post a message to the group. Raises StoreUnavailable; the caller must then repeat the request."""
    body = notice_body(
        text=written.text,
        category=written.category,
        confidential=written.confidential,
        priority=written.priority,
        language=written.language,
    )
    post = GroupPost(
        group=group,
        message=message.id,
        sender=app.sender,
        sender_class=None,
        event=False,
        body=body,
        at_ms=message.times_ms[Status.ACCEPTED],
        expires_at=message.deadline,
    )
    deps.fanout(post, to=message.to, now=now)
    deps.apps.view.deliveries.advance(app.id, message.id, Status.SENT, now_ms=now.ms)


def status(request: AppRequest, id: MessageId, *, now: Instant, deps: GroupMessageDependencies) -> app_api.Message:
    """Return the status of any message, and the progress of one to a group.

    Raises ProtocolError not_found, and the errors of `identify`.
    """
    found = messages.status(request, id, now=now, deps=deps.apps)
    if found.group is None:
        return found
    message = deps.apps.view.deliveries.message(request.app, id, now_seconds=now.seconds)
    if message is None:
        return found
    name = deps.fanout.keys.post(found.group.id, id, AppSender(request.app, ""), message.to)
    stands = deps.fanout.store.read(name, now_seconds=now.seconds)
    if stands is None:
        return found
    record, done = stands
    devices, complete = record.progress(done)
    delivery = app_api.GroupMessage(id=found.group.id, members=record.members, devices=devices, complete=complete)
    return found.model_copy(update={"group": delivery})
