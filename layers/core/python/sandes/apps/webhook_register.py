"""Which webhooks an app has, whoever keeps them: the app itself, or its administrators (docs/apps/webhooks.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sandes.apps.webhook_address import AddressRefused, AddressRule
from sandes.crypto.webhook_keys import WebhookKeys
from sandes.model.app import MAX_WEBHOOKS, App, Webhook
from sandes.model.ids import new_one_time_id
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.store.apps import AppStore


@dataclass(frozen=True, slots=True)
class WebhookRegister:
    apps: AppStore
    keys: WebhookKeys
    addresses: AddressRule


def new(app: App, body: app_api.NewWebhook, *, now_seconds: int, register: WebhookRegister) -> Webhook:
    """Not registered yet. Raises ProtocolError: too_many_webhooks, webhook_address."""
    if len(app.webhooks) >= MAX_WEBHOOKS:  # before anything is asked of a name server
        raise ProtocolError(ErrorCode.TOO_MANY_WEBHOOKS)
    _check_address(body.url, register)
    return Webhook(new_one_time_id(), body.url, _each_once(body.events), now_seconds)


def change(app: App, id: str, body: app_api.ChangeWebhook, register: WebhookRegister) -> Webhook:
    """What the body names. Raises ProtocolError: not_found, webhook_address."""
    hook = one(app, id)
    if body.url is not None:
        _check_address(body.url, register)
    if body.url is None and body.events is None and body.paused is None:
        return hook
    events = _each_once(body.events) if body.events is not None else None
    changed = register.apps.change_webhook(app.id, id, url=body.url, events=events, paused=body.paused)
    if changed is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return changed


def remove(app: App, id: str, register: WebhookRegister) -> None:
    """Nothing is sent to it any more, nor tried again. Raises ProtocolError not_found."""
    if not register.apps.remove_entry(app.id, "webhook", id):
        raise ProtocolError(ErrorCode.NOT_FOUND)


def one(app: App, id: str) -> Webhook:
    """Raises ProtocolError not_found, for another app's as well."""
    hook = app.webhooks.get(id)
    if hook is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return hook


def all_of(app: App, register: WebhookRegister) -> list[app_api.Webhook]:
    """The oldest first."""
    hooks = sorted(app.webhooks.values(), key=lambda hook: (hook.created_at, hook.id))
    return [shown(hook, register) for hook in hooks]


def shown(hook: Webhook, register: WebhookRegister) -> app_api.Webhook:
    """Without its secret."""
    return app_api.Webhook(
        id=hook.id,
        url=hook.url,
        events=cast("Any", list(hook.events)),
        disabled=cast("Any", hook.disabled),
        public_key=register.keys.public_key(hook.id),
        created_at=datetime.fromtimestamp(hook.created_at, UTC),
    )


def with_secret(hook: app_api.Webhook, register: WebhookRegister) -> app_api.Webhook:
    """For the answer that it is registered with, and no other."""
    return hook.model_copy(update={"secret": register.keys.secret(hook.id)})


def _check_address(url: str, register: WebhookRegister) -> None:
    try:
        register.addresses.check(url)
    except AddressRefused as refused:
        raise invalid(ErrorCode.WEBHOOK_ADDRESS, "/url", refused.reason) from None


def _each_once(events: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(events))
