"""Governance apps: their names, rights, recipients and keys, and the webhooks that receive their events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Literal

from sandes.model.administrator import Place
from sandes.model.ids import AppId, AppKeyId, OrganisationId, UnitId, is_test_key

Scope = Literal["otp", "msg", "batch", "group", "hook"]
SCOPES: tuple[Scope, ...] = ("otp", "msg", "batch", "group", "hook")

Mode = Literal["trial", "live"]
"""The mode of an app.

An app on `trial` may send only to its guests, 50 messages and OTPs a day. A `live` app may send to anybody, 3,000 a
minute and 250,000 a day unless its quota is raised.
"""

MAX_KEYS = 2
"""The most live keys, and the most test keys, of one app: the key in use and its successor."""

MAX_WEBHOOKS = 5
"""The most live webhooks, and the most test webhooks, of one app."""

MAX_GUESTS = 200


@dataclass(frozen=True, slots=True)
class AppSender:
    """Names an app as the sender of an envelope. The recipient sees `name`."""

    app: AppId
    name: str


@dataclass(frozen=True, slots=True)
class AppKey:
    """Holds a key of an app. `public` is an Ed25519 key of 32 bytes.

    Only callers in `networks` (CIDR) may use the key; if `networks` is empty, callers anywhere may. A test key sends
    only to the app's guests and to magic recipients. It shares only the app and its templates with live keys
    (docs/adr/0037). Its id shows which kind it is.
    """

    id: AppKeyId
    public: bytes
    networks: tuple[str, ...]
    created_at: int

    @property
    def test(self) -> bool:
        return is_test_key(self.id)

    def allows(self, source_address: str) -> bool:
        if not self.networks:
            return True
        try:
            address = ip_address(source_address)
        except ValueError:
            return False
        return any(address in ip_network(network) for network in self.networks)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Holds a webhook of an app. It receives the events whose types are in `events`.

    `disabled` is the reason why the service no longer sends to the webhook: `gone` or `paused`. A test webhook receives
    only events about what test keys sent.
    """

    id: str
    url: str
    events: tuple[str, ...]
    created_at: int
    test: bool
    disabled: str | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """Holds how many messages and OTPs the keys of one kind may send."""

    per_minute: int
    per_day: int


TEST_ALLOWANCE = Allowance(per_minute=300, per_day=5_000)
"""The allowance of every app's test keys, whatever the app's own quota is."""


@dataclass(frozen=True, slots=True)
class App:
    """Holds a governance app.

    `guests` are the pseudonyms of phone numbers; `guests_sealed` holds the numbers, encrypted with the pepper. If `sms`
    is true, the app may send OTPs by SMS. The quotas `per_minute` and `per_day` count messages and OTPs.

    `organisation` is the name that the app shows. `organisation_id` is the organisation that owns the app and whose
    officials its groups are for. The administrators of `unit` manage the app. `version` rises with every change except
    changes of webhooks.
    """

    id: AppId
    name: str
    organisation: str
    mode: Mode
    scopes: frozenset[str]
    sms: bool
    per_minute: int
    per_day: int
    guests: frozenset[str]
    keys: Mapping[AppKeyId, AppKey]
    webhooks: Mapping[str, Webhook]
    created_at: int
    organisation_id: OrganisationId | None = None
    unit: UnitId | None = None
    version: int = 1
    guests_sealed: bytes = b""

    @property
    def place(self) -> Place | None:
        """Return the place where the app is administered, or None if it belongs to no organisation."""
        if self.organisation_id is None:
            return None
        return Place(self.organisation_id, self.unit or UnitId(self.organisation_id))

    @property
    def sender(self) -> AppSender:
        return AppSender(self.id, self.name)

    def allowance(self, *, test: bool) -> Allowance:
        return TEST_ALLOWANCE if test else Allowance(self.per_minute, self.per_day)

    def hooks(self, *, test: bool) -> dict[str, Webhook]:
        """Return the webhooks of one kind, by id."""
        return {id: hook for id, hook in self.webhooks.items() if hook.test is test}

    def listeners(self, event_type: str, *, test: bool) -> list[Webhook]:
        """Return the enabled webhooks that receive events of this type."""
        hooks = self.hooks(test=test).values()
        return [hook for hook in hooks if event_type in hook.events and hook.disabled is None]
