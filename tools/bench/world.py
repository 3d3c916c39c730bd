"""Holds a governance app and a recipient, with AWS kept in process: rows are put, read and removed as in
DynamoDB.

Handlers read later what they write, so one-time passwords go their whole way. Conditions are not evaluated, because
nothing races here. Every call is counted with its capacity by the rules of the DynamoDB developer guide.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nacl.public import PrivateKey
from nacl.signing import SigningKey

from sandes.crypto.pepper import Pepper
from sandes.edge import clients
from sandes.model.app import App, AppKey
from sandes.model.ids import AppKeyId, app_text, base64url_text, new_app_id
from sandes.model.phone import PhoneNumber
from sandes.model.template import Dlt, Template
from sandes.store.apps import AppStore
from sandes.store.directory import phone_key
from sandes.store.schema import TABLES, DeliveryRow, DirectoryRow, OtpRow
from tools.bench import canned
from tools.bench.measuring import item_bytes

FUNCTIONS = Path(__file__).parents[2] / "functions"
PHONE = PhoneNumber("+919876543210")
READ_UNIT_BYTES, WRITE_UNIT_BYTES = 4096, 1024
Item = dict[str, Any]


def load(folder: str) -> Any:
    """Load a handler. Several functions have a module with this name."""
    spec = importlib.util.spec_from_file_location(f"{folder}_handler", FUNCTIONS / folder / "handler.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(folder)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(slots=True)
class Rows:
    """Emulates DynamoDB as far as these handlers use it, and what is sent to queues, sockets and phones."""

    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    units: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    queued: list[str] = field(default_factory=list)
    posted: list[bytes] = field(default_factory=list)

    def answer(self, operation: str, request: Any) -> bytes:
        """Return AWS's answer. Raise NotImplementedError for a call that nothing here makes so far."""
        if operation == "PostToConnection":
            self.posted.append(request.body)
            return b""
        if operation == "GetSecretValue":
            return canned.SECRET
        body = json.loads(request.body)
        handle: Callable[[dict[str, Any]], dict[str, Any]] | None = getattr(self, f"_{operation.lower()}", None)
        if handle is None:
            raise NotImplementedError(operation)
        return json.dumps(handle(body), separators=(",", ":")).encode()

    def _sendmessage(self, body: dict[str, Any]) -> dict[str, Any]:
        self.queued.append(body["MessageBody"])
        return {"MessageId": "1", "MD5OfMessageBody": hashlib.md5(body["MessageBody"].encode()).hexdigest()}  # noqa: S324  # SQS's own check

    def _batchgetitem(self, body: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, list[Item]] = {}
        for table, wanted in body["RequestItems"].items():
            found[table] = []
            for key in wanted["Keys"]:
                found[table] += self._read(table, key, consistent=wanted.get("ConsistentRead", False))
        return {"Responses": found, "UnprocessedKeys": {}}

    def _getitem(self, body: dict[str, Any]) -> dict[str, Any]:
        found = self._read(body["TableName"], body["Key"], consistent=body.get("ConsistentRead", False))
        return {"Item": found[0]} if found else {}

    def _read(self, table: str, key: Item, *, consistent: bool) -> list[Item]:
        item = self.items.get(_name(table, key))
        self.units[f"{_short(table)} read"] += units(item or {}, READ_UNIT_BYTES) * (2 if consistent else 1) / 2
        return [item] if item else []

    def _putitem(self, body: dict[str, Any], *, each: int = 1) -> dict[str, Any]:
        self.items[_name(body["TableName"], body["Item"])] = body["Item"]
        self._written(body["TableName"], body["Item"], each)
        return {}

    def _deleteitem(self, body: dict[str, Any], *, each: int = 1) -> dict[str, Any]:
        item = self.items.pop(_name(body["TableName"], body["Key"]), body["Key"])
        self._written(body["TableName"], item, each)
        return {}

    def _updateitem(self, body: dict[str, Any], *, each: int = 1) -> dict[str, Any]:
        """Apply assignments of whole values, and the three sums that the handlers need."""
        table, values = body["TableName"], body.get("ExpressionAttributeValues", {})
        item = self.items.setdefault(_name(table, body["Key"]), dict(body["Key"]))
        names = body.get("ExpressionAttributeNames", {})
        if "#check" in names:
            item[OtpRow.ATTEMPTS_LEFT] = {"N": str(int(item[OtpRow.ATTEMPTS_LEFT]["N"]) - 1)}
            item[OtpRow.CHECKS]["M"][names["#check"]] = item[OtpRow.ATTEMPTS_LEFT]
        elif " ADD " in body["UpdateExpression"]:
            count = int(item.get(DeliveryRow.COUNT, {"N": "0"})["N"]) + int(values[":count"]["N"])
            item |= {DeliveryRow.COUNT: {"N": str(count)}, DeliveryRow.EXPIRES_AT: values[":keep"]}
        else:
            for assignment in body["UpdateExpression"].removeprefix("SET ").split(", "):
                name, value = assignment.split(" = ")
                if "." in name:
                    outer, inner = name.split(".")
                    item[names.get(outer, outer)]["M"][names.get(inner, inner)] = values[value]
                else:
                    item[names.get(name, name)] = values[value]
        self._written(table, item, each)
        return {"Attributes": item} if body.get("ReturnValues", "NONE") != "NONE" else {}

    def _transactwriteitems(self, body: dict[str, Any]) -> dict[str, Any]:
        for operation in body["TransactItems"]:
            ((kind, part),) = operation.items()
            {"Put": self._putitem, "Update": self._updateitem, "Delete": self._deleteitem}[kind](part, each=2)
        return {}

    def _written(self, table: str, item: Item, each: int) -> None:
        self.units[f"{_short(table)} write"] += units(item, WRITE_UNIT_BYTES) * each


_KEYS = {
    canned.ENVIRONMENT[f"{table.name.upper()}_TABLE"]: (
        table.name,
        [key.name for key in (table.partition, table.sort) if key],
    )
    for table in TABLES
}


def _short(table: str) -> str:
    return _KEYS[table][0]


def _name(table: str, item: Item) -> tuple[str, str]:
    return table, json.dumps([item[key] for key in _KEYS[table][1]])


def units(item: Item, unit_bytes: int) -> int:
    return max(1, -(-item_bytes(item) // unit_bytes))


@dataclass(slots=True)
class World:
    """Holds an app with a template of each kind, and a person with one device online, known by phone number."""

    aws: canned.Aws
    rows: Rows
    app: App
    signing: SigningKey
    person: canned.Person

    @classmethod
    def new(cls, aws: canned.Aws) -> World:
        """Return a new world. `aws` is connected already. The code that fills the tables fills its rows."""
        rows = aws.rows = Rows()
        signing, person = SigningKey.generate(), canned.Person.new()
        key = AppKey(AppKeyId("k1234567"), bytes(signing.verify_key), networks=(), created_at=0)
        app = App(
            id=new_app_id(),
            name="Passport Seva",
            organisation="MEA",
            mode="live",
            scopes=frozenset({"otp", "msg"}),
            sms=True,
            per_minute=3_000,
            per_day=250_000,
            guests=frozenset(),
            keys={key.id: key},
            webhooks={},
            created_at=0,
        )
        dynamodb, environment = clients.client_of("dynamodb"), canned.ENVIRONMENT
        apps = AppStore(dynamodb, environment["DIRECTORY_TABLE"])
        apps.create(app)
        for kind, name, text in (
            ("otp", "login", "{{ code }} is your code for {{ service }}. Tell it to nobody."),
            ("message", "ready", "Your file {{ file }} is ready."),
        ):
            names = frozenset({"service"} if kind == "otp" else {"file"})
            dlt = Dlt("1101000000000000001", {"en": "1107000000000000001"})
            apps.add_template(Template(app.id, name, 1, kind, {"en": text}, names, dlt, 0), previous=0)  # type: ignore[arg-type]
        index = Pepper.of(canned.PEPPER).index("phone", PHONE)
        account = {"B": base64.b64encode(person.device.account).decode()}
        seal_public = bytes(PrivateKey.generate().public_key)
        for table, item in (
            ("DIRECTORY_TABLE", phone_key(index) | {DirectoryRow.ACCOUNT: account}),
            ("ROUTING_TABLE", person.routing_item(seal_public)),
        ):
            rows.items[_name(environment[table], item)] = item
        rows.units.clear()
        aws.calls.clear()
        return cls(aws, rows, app, signing, person)

    def request(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return a signed call as API Gateway passes it on, with its own Idempotency-Key."""
        text, key, now = json.dumps(body), secrets.token_urlsafe(16), int(time.time())
        header = {"alg": "EdDSA", "kid": f"{app_text(self.app.id)}.{next(iter(self.app.keys))}", "typ": "JWT"}
        claims = {
            "iss": app_text(self.app.id),
            "aud": canned.ENVIRONMENT["TOKEN_AUDIENCE"],
            "iat": now,
            "exp": now + 60,
            "htm": method,
            "htu": path,
            "bh": base64url_text(hashlib.sha256(text.encode()).digest()),
            "ik": key,
        }
        signed = ".".join(base64url_text(json.dumps(part).encode()) for part in (header, claims))
        token = f"{signed}.{base64url_text(self.signing.sign(signed.encode()).signature)}"
        return {
            "version": "2.0",
            "routeKey": "ANY /v1/otps",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {
                "accept": "*/*",
                "authorization": f"Bearer {token}",
                "content-length": str(len(text)),
                "content-type": "application/json",
                "host": "api.example",
                "idempotency-key": key,
                "user-agent": "bench",
                "x-amzn-trace-id": "Root=1-00000000-000000000000000000000000",
                "x-forwarded-for": "192.0.2.1",
                "x-forwarded-port": "443",
                "x-forwarded-proto": "https",
            },
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "bench",
                "domainName": "api.example",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
                "requestId": "BENCH=",
                "routeKey": "ANY /v1/otps",
                "stage": "$default",
                "timeEpoch": now * 1000,
            },
            "body": text,
            "isBase64Encoded": False,
        }

    def new_otp(self) -> dict[str, Any]:
        body = {"to": {"phone": PHONE}, "template": "login", "variables": {"service": "passports"}}
        return self.request("POST", "/v1/otps", body)

    def new_message(self) -> dict[str, Any]:
        body = {"to": {"phone": PHONE}, "template": "ready", "variables": {"file": "A-1234"}}
        return self.request("POST", "/v1/messages", body)

    def code_of(self, otp: str) -> str:
        """Return the code as the function that sends SMS reads it: from the queue, sealed with the pepper."""
        queued = json.loads(self.rows.queued[-1])
        sealed = Pepper.of(canned.PEPPER).open(base64.b64decode(queued["sealed"]), otp.encode())
        return str(json.loads(sealed)[1][:6])

    def forget_sends(self) -> None:
        """Delete recent sends, so that their limits are never reached."""
        table = canned.ENVIRONMENT["DELIVERIES_TABLE"]
        for name in [name for name, item in self.rows.items.items() if name[0] == table and DeliveryRow.SENDS in item]:
            del self.rows.items[name]
