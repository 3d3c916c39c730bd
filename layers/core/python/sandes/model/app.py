"""Governance apps: what they are called, may do and may reach; and the webhooks they are told by."""

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
"""`trial`: only its guests, 50 a day; `live`: anybody, 3,000 a minute and 250,000 a day unless raised."""

MAX_KEYS = 2
"""Live keys at a time, and test keys likewise: one in use and its successor."""

MAX_WEBHOOKS = 5
"""Live webhooks, and test webhooks likewise."""

MAX_GUESTS = 200


@dataclass(frozen=True, slots=True)
class AppSender:
    """An app as the sender of an envelope; `name` is what the recipient sees."""

    app: AppId
    name: str


@dataclass(frozen=True, slots=True)
class AppKey:
    """`public` is Ed25519, 32 bytes. `networks` (CIDR) may call with it; none means anywhere.

    A test key sends only to the app's guests and to magic recipients, and shares nothing with live keys but the app and
    its templates (docs/adr/0037). Its id says which kind it is of.
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
    """`events` are the types it wants. `disabled` says why nothing is sent to it any more: `gone` or `paused`.

    A test webhook gets the events of what test keys do, and no others.
    """

    id: str
    url: str
    events: tuple[str, ...]
    created_at: int
    test: bool
    disabled: str | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many messages and OTPs keys of one kind may send."""

    per_minute: int
    per_day: int


TEST_ALLOWANCE = Allowance(per_minute=300, per_day=5_000)
"""Of every app's test keys: enough to test with, whatever the app's own quota is."""


@dataclass(frozen=True, slots=True)
class App:
    """`guests` are pseudonyms of phone numbers; `guests_sealed` are the numbers, by the pepper.

    `sms`: OTPs may go out by SMS. Quotas count messages and OTPs.

    `organisation` is what the app calls it, `organisation_id` the one that it belongs to and whose officials its groups
    are for; `unit` the one of its units whose administrators keep the app. `version` rises with every change but those
    of webhooks.
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
        """Where it is administered; None for one of no organisation, which nobody administers."""
        if self.organisation_id is None:
            return None
        return Place(self.organisation_id, self.unit or UnitId(self.organisation_id))

    @property
    def sender(self) -> AppSender:
        return AppSender(self.id, self.name)

    def allowance(self, *, test: bool) -> Allowance:
        return TEST_ALLOWANCE if test else Allowance(self.per_minute, self.per_day)

    def hooks(self, *, test: bool) -> dict[str, Webhook]:
        """Selects the webhooks of one kind, by id."""
        return {id: hook for id, hook in self.webhooks.items() if hook.test is test}

    def listeners(self, event_type: str, *, test: bool) -> list[Webhook]:
        """Selects the webhooks that want to hear of such an event."""
        hooks = self.hooks(test=test).values()
        return [hook for hook in hooks if event_type in hook.events and hook.disabled is None]
