"""Runs the whole service in process: real use cases on real stores, with a fake gateway, fake SMS and the
test's clock.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from nacl.signing import SigningKey

from sandes.administration.apps.app_registry import RegistryDependencies
from sandes.administration.groups.official_groups import OfficialGroupDependencies
from sandes.administration.operators.first_administrators import FirstAdministratorDependencies
from sandes.administration.people.verifications import VerificationDependencies
from sandes.administration.recorder import Recorder
from sandes.apps.app_status import StatusDependencies, take_receipt
from sandes.apps.otp_sms import SmsDependencies
from sandes.apps.otps.otp import OtpDependencies
from sandes.apps.quotas import Quotas
from sandes.counting.tally import Tally
from sandes.crypto import statements
from sandes.crypto.attestation import AttestationKeys
from sandes.crypto.audit_chain import AuditKey
from sandes.crypto.pepper import Pepper
from sandes.crypto.sender_hash import SenderHash
from sandes.crypto.statements import Act
from sandes.groups.group_events import devices_told
from sandes.identity.devices import Caller
from sandes.identity.signed_acts import Signed
from sandes.limits import FRAMES_PER_WRITE, Limit, Meter, PerHour
from sandes.messaging.deliver import DeliverDependencies
from sandes.messaging.push import Push
from sandes.messaging.send import SendDependencies
from sandes.model.device import Account, Device, Routes
from sandes.model.envelope import Envelope, envelope_id
from sandes.model.ids import (
    AccountId,
    ConnectionId,
    DeviceAddress,
    DeviceNumber,
    EnvelopeId,
    MessageId,
    OrganisationId,
    UnitId,
    account_text,
    base64url_text,
    id_text,
    new_message_id,
    parse_organisation,
    parse_unit,
)
from sandes.model.instant import Instant
from sandes.model.phone import PhoneNumber
from sandes.model.principal import Principal
from sandes.model.verification import Verification
from sandes.people import codes, devices
from sandes.people.codes import CodeDependencies
from sandes.people.devices import DeviceDependencies
from sandes.protocol.client_api import ChangePhone, OpenLink, Registered, VerifyRegistration
from sandes.protocol.frames import AccountRecipient, Copy, Send
from sandes.sms import SmsBudget, SmsRules
from sandes.store.administrators import AdministratorStore
from sandes.store.app_view import AppView
from sandes.store.apps import AppStore
from sandes.store.audit import AuditStore
from sandes.store.codes import CodeStore
from sandes.store.deliveries import DeliveryStore
from sandes.store.directory import DirectoryStore
from sandes.store.enrolment import EnrolmentStore
from sandes.store.group_changes import GroupChangeStore
from sandes.store.groups import GroupStore
from sandes.store.inbox import InboxStore
from sandes.store.limits import LimitStore
from sandes.store.organisations import OrganisationStore
from sandes.store.otps import OtpStore
from sandes.store.routing import RoutingStore
from sandes.store.send_view import SendView
from sandes.store.verifications import VerificationStore
from tests.support.app_keys import AppKeys
from tests.support.gateway import FakeGateway
from tests.support.keys import SERVICE_KEYS, DeviceKeys
from tests.support.pool import MemoryPool
from tests.support.queue import FakeQueue
from tests.support.sms import FakeSms
from tools.backstage import operations
from tools.backstage.operations import BackstageDependencies

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW_MS = 1_790_000_000_000
NOW = NOW_MS // 1000
MAX_EXPIRY_SECONDS = 30 * 86_400
SMS_AFTER_SECONDS = 8
AUDIENCE = "sandes:test"
SMS_RULES = SmsRules.of("+91")
REGISTRATIONS_PER_ADDRESS = 100
LOGIN = {
    "en": "{{ code }} is your code for {{ service }}. Tell it to nobody.",
    "hi": "{{ service }} के लिए आपका कोड {{ code }} है। किसी को न बताएँ।",
}
DLT = {"dlt_entity": "1101000000000000001", "dlt_templates": {"en": "1107000000000000001"}}
PEPPER = Pepper.of(b"p" * 32)
ATTESTATION_KEYS = AttestationKeys.of(b"a" * 32)
AUDIT_KEY = AuditKey.of(b"k" * 32)


_phones = count(secrets.randbelow(10**8))
"""The numbers, each once. Among thousands drawn at random on one engine, some would be the same."""


def new_phone() -> PhoneNumber:
    return PhoneNumber(f"+9197{next(_phones) % 10**8:08}")


@dataclass
class Person:
    """Holds an account, its devices as the directory lists them, and the keys that only the devices have."""

    account: AccountId
    phone: PhoneNumber
    devices: list[Device] = field(default_factory=list)
    keys: list[DeviceKeys] = field(default_factory=list)

    def principal(self, index: int = 0, *, connected_at_ms: int = NOW_MS, socket: int = 0) -> Principal:
        return Principal.of(self.devices[index], connected_at_ms, socket=socket)

    def address(self, index: int = 0) -> DeviceAddress:
        return DeviceAddress(self.account, self.devices[index].number)


class Service:
    """Holds the service. On tables that deployed functions share, `attestation_keys` come from the deployment's own
    secret.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        tables: Mapping[str, str],
        *,
        now_ms: int = NOW_MS,
        attestation_keys: AttestationKeys = ATTESTATION_KEYS,
    ) -> None:
        self.client = client
        self.tables = dict(tables)
        self.now_ms = now_ms
        self.pepper = PEPPER
        self.attestation_keys = attestation_keys
        self.gateway = FakeGateway()
        self.sms = FakeSms()
        self.stops: list[str] = []
        self.sms_queue = FakeQueue()
        self.pool = MemoryPool()
        self.inbox = InboxStore(client, tables["inbox"])
        self.routing = RoutingStore(client, tables["routing"])
        self.directory = DirectoryStore(client, tables["directory"])
        self.limits = LimitStore(client, tables["limits"])
        self.codes = CodeStore(client, tables["codes"])
        self.enrolment = EnrolmentStore(self.directory, self.routing, self.codes)
        self.sender_hash = SenderHash.of(b"s" * 32)
        self.webhook_queue = FakeQueue()
        self.group_queue = FakeQueue()
        self.roster_queue = FakeQueue()
        self.import_queue = FakeQueue()
        self._sockets = itertools.count(1)
        self.units_made = 0

    @property
    def code_deps(self) -> CodeDependencies:
        return CodeDependencies(
            self.codes,
            self.limits,
            self.pepper,
            self.sms,
            SMS_RULES,
            self.sms_budget("registrations"),
            PerHour("registrations", REGISTRATIONS_PER_ADDRESS),
        )

    def sms_budget(self, purpose: str, *, per_hour: int = 10**6, per_prefix: int = 10**6) -> SmsBudget:
        return SmsBudget(purpose, per_hour, per_prefix, self.limits, lambda: self.stops.append(purpose))

    @property
    def device_deps(self) -> DeviceDependencies:
        return DeviceDependencies(
            self.directory,
            self.routing,
            self.enrolment,
            self.code_deps,
            self.gateway,
            partial(devices_told, queue=self.group_queue),
            self.import_queue,
        )

    @property
    def view(self) -> SendView:
        return SendView(self.routing, self.directory, self.limits)

    def send_deps(self, **replaced: Any) -> SendDependencies:
        parts: dict[str, Any] = {
            "view": self.view,
            "inbox": self.inbox,
            "meter": Meter(Limit.SENDS, self.limits),
            "push": Push(self.routing, self.gateway),
            "sender_hash": self.sender_hash,
            "service_keys": SERVICE_KEYS,
            "tally": Tally(None),
            "max_expiry_seconds": MAX_EXPIRY_SECONDS,
        }
        return SendDependencies(**parts | replaced)

    def status_deps(self) -> StatusDependencies:
        return StatusDependencies(
            AppStore(self.client, self.tables["directory"]),
            DeliveryStore(self.client, self.tables["deliveries"]),
            self.webhook_queue,
        )

    def deliver_deps(self, **replaced: Any) -> DeliverDependencies:
        parts: dict[str, Any] = {
            "routing": self.routing,
            "inbox": self.inbox,
            "view": self.view,
            "frames": Meter(Limit.FRAMES, self.limits, write_every=FRAMES_PER_WRITE),
            "receipts": Meter(Limit.RECEIPTS, self.limits),
            "tally": Tally(None),
            "push": Push(self.routing, self.gateway),
            "pusher": self.gateway,
            "sender_hash": self.sender_hash,
            "service_keys": SERVICE_KEYS,
            "max_expiry_seconds": MAX_EXPIRY_SECONDS,
            "app_receipts": partial(take_receipt, deps=self.status_deps()),
            "elapsed": lambda: 0.0,
        }
        return DeliverDependencies(**parts | replaced)

    def app_view(self, client: Any = None) -> AppView:
        """Return the view of apps. `client` replaces the real one, to fail or to count."""
        client = client or self.client
        return AppView(
            AppStore(client, self.tables["directory"]),
            OtpStore(client, self.tables["codes"]),
            DeliveryStore(client, self.tables["deliveries"]),
            RoutingStore(client, self.tables["routing"]),
        )

    def otp_deps(self, client: Any = None, **replaced: Any) -> OtpDependencies:
        """Return the dependencies of an execution environment of its own, on `client` if given."""
        view = self.app_view(client)
        parts: dict[str, Any] = {
            "view": view,
            "inbox": InboxStore(client or self.client, self.tables["inbox"]),
            "quotas": Quotas(view.deliveries),
            "push": Push(view.routing, self.gateway),
            "sms_queue": self.sms_queue,
            "pepper": self.pepper,
            "sender_hash": self.sender_hash,
            "service_keys": SERVICE_KEYS,
            "audience": AUDIENCE,
            "sms_after_seconds": SMS_AFTER_SECONDS,
            "sms_rules": SMS_RULES,
        }
        return OtpDependencies(**parts | replaced)

    def sms_deps(self, client: Any = None, **replaced: Any) -> SmsDependencies:
        parts: dict[str, Any] = {
            "view": self.app_view(client),
            "inbox": InboxStore(client or self.client, self.tables["inbox"]),
            "directory": DirectoryStore(client or self.client, self.tables["directory"]),
            "pepper": self.pepper,
            "sms": self.sms,
            "sms_rules": SMS_RULES,
            "sms_budget": self.sms_budget("otps"),
        }
        return SmsDependencies(**parts | replaced)

    @property
    def organisations(self) -> OrganisationStore:
        return OrganisationStore(self.client, self.tables["directory"])

    @property
    def verifications(self) -> VerificationStore:
        return VerificationStore(self.client, self.tables["directory"], self.routing)

    def verification_deps(self, client: Any = None) -> VerificationDependencies:
        client = client or self.client
        routing = RoutingStore(client, self.tables["routing"])
        return VerificationDependencies(
            store=VerificationStore(client, self.tables["directory"], routing),
            directory=DirectoryStore(client, self.tables["directory"]),
            pepper=self.pepper,
            keys=self.attestation_keys,
        )

    @property
    def operator_deps(self) -> BackstageDependencies:
        registry = RegistryDependencies(self.app_view().apps, self.organisations, self.pepper)
        table = self.tables["directory"]
        groups = OfficialGroupDependencies(
            GroupStore(self.client, table),
            GroupChangeStore(self.client, table),
            self.organisations,
            self.directory,
            self.group_queue,
        )
        return BackstageDependencies(
            registry, self.organisations, self.verification_deps(), groups, self.first_administrator_deps
        )

    @property
    def first_administrator_deps(self) -> FirstAdministratorDependencies:
        audit = AuditStore(self.client, self.tables["audit"])
        return FirstAdministratorDependencies(
            AdministratorStore(self.client, self.tables["directory"]),
            self.organisations,
            self.pool,
            Recorder(audit, AUDIT_KEY, sleep=lambda _: None),
        )

    # Apps, organisations and officials, created backstage.

    def operate(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.operate_at(self.now_ms, operation, **parameters)

    def operate_at(self, now_ms: int, operation: str, **parameters: Any) -> dict[str, Any]:
        request = {"operation": operation} | parameters
        return operations.operate(request, now_seconds=now_ms // 1000, deps=self.operator_deps)

    def organisation(self, name: str = "Ministry of Railways", **changed: Any) -> OrganisationId:
        return parse_organisation(self.operate("organisation.create", name=name, **changed)["organisation"])

    def unit(
        self,
        organisation: OrganisationId,
        name: str | None = None,
        *,
        parent: UnitId | None = None,
        kind: str = "department",
    ) -> UnitId:
        """Create a unit, by default directly below the organisation and under a name of its own."""
        name = name or ("Signalling" if not self.units_made else f"Signalling {self.units_made}")
        self.units_made += 1
        below = {"parent": id_text(parent)} if parent else {}
        of = id_text(organisation)
        return parse_unit(self.operate("unit.create", organisation=of, name=name, kind=kind, **below)["unit"])

    def verify(
        self,
        person: Person,
        organisation: OrganisationId | None = None,
        *,
        unit: UnitId | None = None,
        now_ms: int | None = None,
        expires_in_seconds: int = 365 * 86_400,
        **changed: Any,
    ) -> Verification:
        """Make a person an official from now on, by default unlisted and of an organisation of their own."""
        of = organisation or self.organisation()
        terms: dict[str, Any] = {"name": "Asha Rao", "post": "Section Officer", "organisation": id_text(of)}
        terms |= {"unit": id_text(unit)} if unit else {}
        terms |= {"expires_at": (now_ms or self.now_ms) // 1000 + expires_in_seconds}
        account = account_text(person.account)
        self.operate_at(now_ms or self.now_ms, "person.verify", account=account, **terms | changed)
        made = self.verifications.read(person.account)
        assert made is not None
        return made

    def revoke(self, person: Person, reason: str = "left the service", *, now_ms: int | None = None) -> None:
        account = account_text(person.account)
        self.operate_at(now_ms or self.now_ms, "person.revoke", account=account, reason=reason)

    def memberships_have_ended(self, person: Person) -> None:
        """Finish the work of the queue of groups after a verification, so that another organisation may verify the
        person.
        """
        last = self.verifications.read(person.account)
        assert last is not None
        assert self.verifications.done(person.account, last.organisation, last.version)

    def app(self, *, test: bool = False, **changed: Any) -> AppKeys:
        """Create a live app with all scopes, SMS and a `login` template, unless changed."""
        key = SigningKey.generate()
        terms = {"name": "Passport Seva", "organisation": "MEA", "mode": "live", "sms": True}
        terms |= {"scopes": ["otp", "msg", "batch", "group", "hook"]}
        keys = [{"public": base64url_text(bytes(key.verify_key)), "test": test}]
        made = self.operate("app.create", **terms | {"keys": keys} | changed)
        self.operate("template.put", app=made["app"], name="login", kind="otp", texts=LOGIN, **DLT)
        return AppKeys(made["keys"][0]["id"], AUDIENCE, key)

    def more_keys(self, app: AppKeys, *, test: bool = False, networks: tuple[str, ...] = ()) -> AppKeys:
        """Add another key to an app."""
        key = SigningKey.generate()
        public = base64url_text(bytes(key.verify_key))
        known = {entry["id"] for entry in self.operate("app.show", app=app.app)["keys"]}
        made = self.operate("key.add", app=app.app, public=public, test=test, networks=list(networks))
        (kid,) = {entry["id"] for entry in made["keys"]} - known
        return AppKeys(kid, AUDIENCE, key)

    # People, created as the client API does.

    def start(self, phone: PhoneNumber, purpose: Any = "register", *, now_ms: int | None = None) -> str:
        """Send a code from a network address of its own, and return the id of the registration."""
        return codes.send_first_code(
            phone,
            purpose,
            source_address=f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1",
            now=Instant(self.now_ms if now_ms is None else now_ms),
            deps=self.code_deps,
        ).id

    def register(self, phone: PhoneNumber, keys: DeviceKeys, *, now_ms: int | None = None) -> Registered:
        id = self.start(phone, now_ms=now_ms)
        body = VerifyRegistration(code=self.sms.last_code, device=keys.new_device(id))
        return devices.register(id, body, now=Instant(now_ms or self.now_ms), deps=self.device_deps)

    def signed(self, person: Person, act: Act, by: int = 0, *, at_ms: int | None = None) -> Signed:
        """Return an act of the device with index `by`, with its signature."""
        device, at_ms = person.devices[by], self.now_ms if at_ms is None else at_ms
        return person.keys[by].act(
            act, person.account, device=device.number, registration=device.registration, at_ms=at_ms
        )

    def open_link(
        self, person: Person, by: int = 0, *, link: SigningKey | None = None, now_ms: int | None = None
    ) -> SigningKey:
        """Open a link with one of the person's devices, and return its key."""
        link, now_ms = link or SigningKey.generate(), self.now_ms if now_ms is None else now_ms
        body = OpenLink(link=bytes(link.verify_key))
        signed = self.signed(person, statements.open_link(body.link), by, at_ms=now_ms)
        devices.open_link(self.caller(person, by), body, signed, now=Instant(now_ms), deps=self.device_deps)
        return link

    def link(self, person: Person, keys: DeviceKeys, by: int = 0) -> Registered:
        body = keys.joining(self.open_link(person, by), person.account, at_ms=self.now_ms)
        return devices.link(body, now=Instant(self.now_ms), deps=self.device_deps)

    def unlink(
        self,
        person: Person,
        number: int,
        by: int = 0,
        *,
        now_ms: int | None = None,
        deps: DeviceDependencies | None = None,
    ) -> None:
        """Unlink a device of the person by its number, with the device of index `by`."""
        caller, now_ms = self.caller(person, by), self.now_ms if now_ms is None else now_ms
        device = caller.account.devices.get(DeviceNumber(number))
        act = statements.remove_device(number, device.registration if device else 0)
        signed = self.signed(person, act, by, at_ms=now_ms)
        devices.unlink(caller, DeviceNumber(number), signed, now=Instant(now_ms), deps=deps or self.device_deps)

    def change_phone(
        self, person: Person, phone: PhoneNumber, *, by: int = 0, now_ms: int | None = None, id: str | None = None
    ) -> ChangePhone:
        """Move the person's account to `phone`, by the last code that was sent. `id` is that of an existing
        registration.
        """
        id, now_ms = id or self.start(phone, "change_phone"), self.now_ms if now_ms is None else now_ms
        body = ChangePhone(registration=id, phone=phone, code=self.sms.last_code)
        self.give_code(person, body, by=by, now_ms=now_ms)
        return body

    def give_code(self, person: Person, body: ChangePhone, *, by: int = 0, now_ms: int | None = None) -> None:
        now_ms = self.now_ms if now_ms is None else now_ms
        act = statements.change_phone(body.registration, body.phone)
        signed = self.signed(person, act, by, at_ms=now_ms)
        devices.change_phone(self.caller(person, by), body, signed, now=Instant(now_ms), deps=self.device_deps)

    def person(self, device_count: int = 1) -> Person:
        keys = [DeviceKeys() for _ in range(device_count)]
        phone = new_phone()
        made = self.register(phone, keys[0])
        person = Person(made.account, phone, [self.account(made.account).devices[made.device]], keys)  # type: ignore[index]
        for more in keys[1:]:
            linked = self.link(person, more)
            person.devices.append(self.account(made.account).devices[linked.device])  # type: ignore[index]
        return person

    def account(self, id: AccountId) -> Account:
        account = self.directory.account(id)
        assert account is not None
        return account

    def caller(self, person: Person, index: int = 0) -> Caller:
        account = self.account(person.account)
        return Caller(account, account.devices[person.devices[index].number])

    def routes(self, person: Person, *, now_ms: int | None = None) -> Routes:
        routes = self.routing.read(person.account, now_seconds=(now_ms or self.now_ms) // 1000)
        assert routes is not None
        return routes

    def socket(self) -> ConnectionId:
        """Open a socket at API Gateway."""
        connection = ConnectionId(f"socket{next(self._sockets)}")
        self.gateway.open.add(connection)
        return connection

    def online(
        self, person: Person, index: int = 0, *, connected_at_ms: int | None = None, socket: int = 0
    ) -> ConnectionId:
        """Open a socket that sends `hello`. The socket with the highest number is a device's newest one."""
        connection, at_ms = self.socket(), connected_at_ms or self.now_ms
        principal = person.principal(index, connected_at_ms=at_ms, socket=socket)
        self.routing.connect(principal, connection, now_seconds=at_ms // 1000)
        return connection

    def stored(self, person: Person, index: int = 0, *, now_ms: int | None = None) -> list[Envelope]:
        pages = self.inbox.pages(person.devices[index].inbox, now_seconds=(now_ms or self.now_ms) // 1000)
        return [envelope for page in pages for envelope in page]

    def connection(self, person: Person, index: int = 0, *, now_ms: int | None = None) -> ConnectionId | None:
        """Return the live socket of a device."""
        return self.routes(person, now_ms=now_ms).devices[person.devices[index].number].connection

    def leave(self, person: Person, how_many: int, *, sealed: bytes = b"x" * 60, **fields: Any) -> list[EnvelopeId]:
        """Store envelopes for the first device, as another environment would, the oldest first."""
        ids = []
        for number in range(how_many):
            id = envelope_id(new_message_id(self.now_ms - how_many + number), number.to_bytes(8, "big"))
            values: dict[str, Any] = {
                "seal_key_number": 1,
                "service_key": 1,
                "expires_at": self.now_ms // 1000 + 60,
                "accepted_at_ms": self.now_ms,
            }
            self.inbox.add([Envelope(inbox=person.devices[0].inbox, id=id, sealed=sealed, **values | fields)])
            ids.append(id)
        return ids

    def message(
        self,
        recipient: Person,
        body: bytes = b"hello",
        *,
        id: MessageId | None = None,
        expires_in: int | None = None,
        copies: tuple[Copy, ...] | None = None,
    ) -> Send:
        """Build a `send` with a copy for every device of `recipient`."""
        return Send(
            type="send",
            ref="r1",
            id=id or new_message_id(self.now_ms),
            to=AccountRecipient(account=recipient.account),
            kind="message",
            copies=copies_for(recipient, body) if copies is None else copies,
            expires_in=expires_in,
        )


def copies_for(recipient: Person, body: bytes = b"hello", *, without: int | None = None) -> tuple[Copy, ...]:
    """Build a copy for each device of `recipient` except the one with index `without`."""
    return tuple(
        Copy(device=device.number, registration_id=device.registration, body=body)
        for index, device in enumerate(recipient.devices)
        if index != without
    )
