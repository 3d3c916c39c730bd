"""Registers webhooks, for the app itself and for its administrators (docs/apps/webhooks.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def new(app: App, body: app_api.NewWebhook, *, test: bool, now_seconds: int, register: WebhookRegister) -> Webhook:
    """Build a webhook that is not stored yet. Raises ProtocolError too_many_webhooks, webhook_address."""
    if len(app.hooks(test=test)) >= MAX_WEBHOOKS:  # before any question to a name server
        raise ProtocolError(ErrorCode.TOO_MANY_WEBHOOKS)
    _check_address(body.url, register)
    return Webhook(new_one_time_id(), body.url, _each_once(body.events), now_seconds, test)


def change(hook: Webhook, body: app_api.ChangeWebhook, *, app: App, register: WebhookRegister) -> Webhook:
    """Change the fields that the body has. Raises ProtocolError not_found, webhook_address."""
    if body.url is not None:
        _check_address(body.url, register)
    if body.url is None and body.events is None and body.paused is None:
        return hook
    events = _each_once(body.events) if body.events is not None else None
    changed = register.apps.change_webhook(
        app.id, hook.id, test=hook.test, url=body.url, events=events, paused=body.paused
    )
    if changed is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return changed


def remove(hook: Webhook, *, app: App, register: WebhookRegister) -> None:
    """Remove a webhook. Nothing is sent to it any more, also no retries. Raises ProtocolError not_found."""
    if not register.apps.remove_entry(app.id, "test webhook" if hook.test else "webhook", hook.id):
        raise ProtocolError(ErrorCode.NOT_FOUND)


def one(hooks: Mapping[str, Webhook], id: str) -> Webhook:
    """Return one of the webhooks that the caller may see. Raises ProtocolError not_found."""
    hook = hooks.get(id)
    if hook is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return hook


def all_of(hooks: Mapping[str, Webhook], register: WebhookRegister) -> list[app_api.Webhook]:
    """Return webhooks for an answer, the oldest first."""
    ordered = sorted(hooks.values(), key=lambda hook: (hook.created_at, hook.id))
    return [shown(hook, register) for hook in ordered]


def shown(hook: Webhook, register: WebhookRegister) -> app_api.Webhook:
    """Return a webhook for an answer, without its secret."""
    return app_api.Webhook(
        id=hook.id,
        url=hook.url,
        events=cast("Any", list(hook.events)),
        test=hook.test,
        disabled=cast("Any", hook.disabled),
        public_key=register.keys.public_key(hook.id),
        created_at=datetime.fromtimestamp(hook.created_at, UTC),
    )


def with_secret(hook: app_api.Webhook, register: WebhookRegister) -> app_api.Webhook:
    """Add the secret, only for the answer to the registration."""
    return hook.model_copy(update={"secret": register.keys.secret(hook.id)})


def _check_address(url: str, register: WebhookRegister) -> None:
    try:
        register.addresses.check(url)
    except AddressRefused as refused:
        raise invalid(ErrorCode.WEBHOOK_ADDRESS, "/url", refused.reason) from None


def _each_once(events: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(events))
