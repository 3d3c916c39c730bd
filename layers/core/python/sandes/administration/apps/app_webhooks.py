"""Administration of apps' webhooks, with the same rules as for the apps themselves (apps/webhook_register.py)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from sandes.administration.apps.app_administration import at_place
from sandes.administration.apps.app_registry import RegistryDependencies
from sandes.administration.recorder import Acts, act
from sandes.administration.sign_in import fresh
from sandes.apps import webhook_register
from sandes.apps.webhook_register import WebhookRegister
from sandes.model.administrator import Assignment, Caller, Place
from sandes.model.audit import Act
from sandes.model.ids import AppId, app_text
from sandes.model.instant import Instant
from sandes.protocol.app_api import ChangeWebhook, NewWebhook, Webhook, WebhookList
from sandes.races import Raced, retry_raced


@dataclass(frozen=True, slots=True)
class AppWebhookDependencies(Acts):
    registry: RegistryDependencies
    register: WebhookRegister

    def recorded(self, what: Act, right: Assignment, place: Place, *, now: Instant) -> WebhookRegister:
        """Return the register, whose changes are written with an entry of the act while right and place are
        unchanged.
        """
        writer = self.by_right(what, right, now=now)
        return replace(self.register, apps=replace(self.register.apps, writer=writer, place=place))


def all_of(caller: Caller, app: AppId, *, deps: AppWebhookDependencies) -> WebhookList:
    """Return live and test webhooks, the oldest first. Raises ProtocolError not_found."""
    found, _, _ = at_place(caller, app, "read", deps.registry)
    return WebhookList(webhooks=webhook_register.all_of(found.webhooks, deps.register))


def create(caller: Caller, app: AppId, body: NewWebhook, *, now: Instant, deps: AppWebhookDependencies) -> Webhook:
    """Register a live webhook and return it with its secret, which no other answer has. Needs a fresh sign-in.

    Raises ProtocolError not_found, fresh_sign_in_required, webhook_address, too_many_webhooks, unavailable.
    """

    def attempt() -> Webhook:
        found, place, right = at_place(caller, app, "act", deps.registry)
        fresh(caller, now_seconds=now.seconds)
        hook = webhook_register.new(found, body, test=False, now_seconds=now.seconds, register=deps.register)
        did = act(
            caller,
            right,
            "app.webhook.create",
            place,
            app_text(app),
            webhook=hook.id,
            host=_host(hook.url),
            events=hook.events,
        )
        register = deps.recorded(did, right, place, now=now)
        if register.apps.set_entry(app, hook, beside=list(found.hooks(test=False))):
            return webhook_register.with_secret(webhook_register.shown(hook, register), register)
        raise Raced

    return retry_raced(attempt)


def change(
    caller: Caller, app: AppId, id: str, body: ChangeWebhook, *, now: Instant, deps: AppWebhookDependencies
) -> Webhook:
    """Change the fields that the body has. Changes of address or events need a fresh sign-in.

    Raises ProtocolError not_found, fresh_sign_in_required, webhook_address.
    """
    found, place, right = at_place(caller, app, "act", deps.registry)
    if body.url is not None or body.events is not None:
        fresh(caller, now_seconds=now.seconds)
    changed = body.model_dump(mode="json", exclude_none=True, exclude={"url"})
    changed |= {"host": _host(body.url)} if body.url is not None else {}
    did = act(caller, right, "app.webhook.change", place, app_text(app), webhook=id, changed=changed)
    register = deps.recorded(did, right, place, now=now)
    hook = webhook_register.one(found.webhooks, id)
    return webhook_register.shown(webhook_register.change(hook, body, app=found, register=register), register)


def remove(caller: Caller, app: AppId, id: str, *, now: Instant, deps: AppWebhookDependencies) -> None:
    """Remove a webhook. Raises ProtocolError not_found."""
    found, place, right = at_place(caller, app, "act", deps.registry)
    did = act(caller, right, "app.webhook.remove", place, app_text(app), webhook=id)
    hook = webhook_register.one(found.webhooks, id)
    webhook_register.remove(hook, app=found, register=deps.recorded(did, right, place, now=now))


def _host(url: str) -> str | None:
    """Return the host for the audit entry. Path and query may hold a secret of the receiver."""
    try:
        return urlsplit(url).hostname
    except ValueError:  # refused before anything is recorded
        return None
