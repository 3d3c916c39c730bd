"""The whole service of one run: the functions of infra/functions.py, AWS in memory, people with devices."""

from __future__ import annotations

import importlib
import os
import re
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from infra.function_spec import FunctionSpec
from infra.functions import FUNCTIONS, QUEUES
from sandes.edge import clients
from sandes_client import Store
from tests.simulation.devices import Device, DeviceClock, Network
from tests.simulation.faults import Faults, Site
from tests.simulation.functions import Attempt, Function, Lambdas
from tests.simulation.gateway import HttpApi, WebSockets
from tests.simulation.loop import START_MS, VirtualLoop
from tests.simulation.queues import Queues
from tests.support.memory.clients import MemoryClient
from tests.support.memory.dynamodb import Dynamo, Refused
from tools.specs.routes import routes_of

SECRETS = {"pepper": "p", "sender": "s", "seal": "e", "attestation": "a", "audit": "k", "webhook": "w"}
SETTINGS = {
    "STAGE": "simulation",
    "TOKEN_AUDIENCE": "sandes:test",
    "MAX_EXPIRY_SECONDS": str(30 * 86_400),
    "FANOUT_POSTS_PER_SECOND": "100",
    "REGISTRATIONS_PER_ADDRESS_HOUR": "100000",
    "SMS_SENDER_ID": "SANDES",
    "SMS_ENTITY_ID": "",
    "SMS_TEMPLATE_ID": "",
    "SMS_CALLING_CODES": "+91",
    "SMS_REGISTRATIONS_HOUR": "100000",
    "SMS_REGISTRATIONS_PREFIX_HOUR": "100000",
    "SMS_OTPS_HOUR": "100000",
    "SMS_OTPS_PREFIX_HOUR": "100000",
    "SMS_AFTER_SECONDS": "8",
    "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "https://gateway.test",
    "WEBHOOK_NETWORKS": "",
    "UPLOADS_BUCKET": "uploads",
    "HEADS_BUCKET": "heads",
    "ADMINISTRATOR_POOL": "pool",
    "FEDERATION_PROVIDER": "",
    "MAIL_FROM": "sandes@example.gov.in",
    "AUDIT_FORMER_KEYS": "",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "POWERTOOLS_LOG_LEVEL": os.environ.get("POWERTOOLS_LOG_LEVEL", "CRITICAL"),
    "POWERTOOLS_METRICS_DISABLED": "true",
}

_CODE = re.compile(r"\b\d{6}\b")


def environment() -> dict[str, str]:
    """Return the environment variables of all functions together."""
    told = dict(SETTINGS)
    told |= {f"{table.upper()}_TABLE": table for table in Dynamo(lambda: 0).tables}
    told |= {f"{name.upper()}_SECRET": name for name in SECRETS}
    told |= {queue.field.upper(): f"https://sqs.test/{queue.name}" for queue in QUEUES}
    return told


def seeded(text: str) -> Random:
    """Make a stream of numbers that depends on a text only."""
    return Random(text)  # noqa: S311  # a run must be the same again


@dataclass
class World:
    """One run. `random` is the workload's own; faults come from `faults`."""

    loop: VirtualLoop
    seed: int
    left_out: frozenset[Site] = frozenset()
    only: frozenset[Site] | None = None
    texts: list[tuple[str, str]] = field(default_factory=list)
    """Numbers and SMS, in order."""
    devices: list[Device] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    deliveries: int = 0
    watchers: list[Callable[[str], None]] = field(default_factory=list)
    """What a workload does after each operation of DynamoDB that took effect."""
    _exit: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.random = seeded(f"workload {self.seed}")
        self.faults = Faults(self.seed, self.left_out, self.only)
        self.dynamo = Dynamo(lambda: self.loop.now_ms)
        self.queues = Queues(self.loop, self.faults)
        services = {
            "dynamodb": self._dynamodb,
            "sqs": self.queues.perform,
            "apigatewaymanagementapi": self._connections,
            "secretsmanager": self._secrets,
            "sns": self._sns,
        }
        self.lambdas = Lambdas(self.loop, self.faults, services)
        self._functions()
        self.sockets = WebSockets(self.loop, self.faults, self.lambdas.functions)
        self.http = HttpApi(self.loop, self.faults, self._function_of)

    def __enter__(self) -> World:
        ids = seeded(f"ids {self.seed}")
        chosen = seeded(f"jitter {self.seed}")
        enter = self._exit.enter_context
        enter(patch.dict(os.environ, environment()))
        enter(patch.object(clients, "_session", lambda: self))
        enter(patch.object(clients, "lighten", lambda made: made))
        enter(patch("secrets.token_bytes", ids.randbytes))
        enter(patch("secrets.token_hex", lambda size: ids.randbytes(size).hex()))
        enter(patch("secrets.randbelow", ids.randrange))
        enter(patch("random.uniform", chosen.uniform))
        enter(patch("random.random", chosen.random))
        enter(patch("random.randrange", chosen.randrange))
        folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  # profiles in memory if possible
        self.profiles = Path(enter(tempfile.TemporaryDirectory(dir=folder)))
        return self

    def __exit__(self, *error: object) -> None:
        self._exit.close()

    # AWS

    def create_client(self, service: str, **_: Any) -> Any:
        """Make a client as a session of botocore does."""
        return MemoryClient(service, lambda operation, arguments: self.lambdas.call(service, operation, arguments))

    def _dynamodb(self, operation: str, arguments: dict[str, Any], attempt: Attempt) -> dict[str, Any]:
        if attempt.token:
            arguments = arguments | {"ClientRequestToken": attempt.token}
        answer = self.dynamo.perform(operation, arguments, stale_ms=attempt.stale_ms, most=attempt.most)
        for watcher in self.watchers:
            watcher(operation)
        return answer

    def _connections(self, operation: str, arguments: dict[str, Any], attempt: Attempt) -> dict[str, Any]:
        return self.sockets.perform(operation, arguments, attempt)

    def _secrets(self, operation: str, arguments: dict[str, Any], _: Attempt) -> dict[str, Any]:
        if operation != "GetSecretValue" or arguments["SecretId"] not in SECRETS:
            raise Refused("ResourceNotFoundException", operation)
        return {"SecretString": SECRETS[arguments["SecretId"]] * 32}

    def _sns(self, operation: str, arguments: dict[str, Any], _: Attempt) -> dict[str, Any]:
        if operation != "Publish":
            raise Refused("InvalidAction", operation)
        self.texts.append((arguments["PhoneNumber"], arguments["Message"]))
        return {"MessageId": str(len(self.texts))}

    # Functions

    def _functions(self) -> None:
        for spec in FUNCTIONS:
            module = importlib.import_module(f"functions.{spec.folder}.handler")
            handler = getattr(module, spec.entry)
            router = module.app if spec.entry == "handler" and hasattr(module, "app") else None
            made = self.lambdas.add(spec.name, handler, timeout_seconds=float(spec.timeout_seconds), router=router)
            if spec.works:
                self._works(spec, made)

    def _works(self, spec: FunctionSpec, function: Function) -> None:
        assert spec.works is not None
        self.queues.add(
            spec.works.queue.name,
            function,
            batch=spec.works.batch,
            visibility_seconds=6.0 * spec.timeout_seconds,
        )

    def _function_of(self, method: str, path: str) -> Function:
        for function in self.lambdas.functions.values():
            router = function.router
            if router is None:
                continue
            for route in routes_of(router):
                if method in route.method and route.rule.match(path):
                    return function
        raise LookupError(f"no function takes {method} {path}")

    # People

    def device(self, name: str, *, skew_ms: int = 0) -> Device:
        """Make a device that has no account yet."""
        made = Device(
            name,
            self.profiles / f"{name}.sqlite3",
            Network(self.sockets, self.http),
            DeviceClock(self.loop, skew_ms),
            seeded(f"{name} {self.seed}"),
        )
        self.devices.append(made)
        return made

    async def register(self, device: Device, phone: str) -> None:
        store = Store.open(device.profile)
        async with device.enrolment(store) as enrolment:
            started = await enrolment.start(phone)
            await enrolment.verify(started.id, self.code_of(phone))
        store.close()
        await device.start()

    def code_of(self, phone: str) -> str:
        """Return the newest code that was sent to a number."""
        text = next(text for number, text in reversed(self.texts) if number == phone)
        found = _CODE.search(text)
        assert found is not None, text
        return found.group()

    def check(self, holds: object, what: str) -> None:
        """Note a violated invariant."""
        if not holds:
            self.violations.append(what)

    @property
    def seconds(self) -> float:
        """Return how long the run has lasted."""
        return (self.loop.now_ms - START_MS) / 1000


Workload = Callable[[World], Awaitable[None]]
