"""Lambda: execution environments with clocks of their own, and their calls of AWS, which may fail in every way.

What AWS documents of retries: botocore repeats a call that was throttled, or whose answer did not come, up to three
times (docs/aws-facts.md), so an effect may happen although the answer of its first call was lost. A repeated
transaction has the token of the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from botocore.exceptions import ReadTimeoutError

from sandes import runtime
from tests.simulation.faults import Faults, Rates, Site
from tests.simulation.loop import VirtualLoop, blocking, wait_for
from tests.support.memory.clients import raised
from tests.support.memory.dynamodb import Refused

TRIES = 4
"""botocore's `max_attempts` of the clients in edge/clients.py."""

READ_TIMEOUT_SECONDS = 4.0
SKEWS_MS = (0, 0, 0, 50, -50, 250, -250, 5000, -5000)
"""How far clocks of environments are off; most are right."""

CALLS_UNTIL_RECYCLED = 40

_READS = frozenset({"GetItem", "Query", "Scan", "BatchGetItem"})
_BATCHES = frozenset({"BatchGetItem", "BatchWriteItem", "SendMessageBatch"})
_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})

Service = Callable[[str, dict[str, Any], "Attempt"], dict[str, Any]]
"""Carries out an operation with its arguments at this moment."""


class Crashed(BaseException):
    """The environment is gone: nothing that a handler catches may catch this."""


class InvocationFailed(Exception):
    """The caller of a function gets no answer of it: it crashed, or took too long."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Tells a service how to answer one attempt: how stale, and how much of a batch."""

    stale_ms: int = 0
    most: int | None = None
    token: str | None = None


@dataclass
class CallFaults:
    """Holds the rates of faults at a call of AWS. The rates of the operation's kind apply together."""

    every: Rates = field(
        default_factory=lambda: {
            "crash before": 0.001,
            "crash after": 0.001,
            "answer lost": 0.003,
            "no answer at all": 0.001,
            "throttled": 0.004,
            "throttled throughout": 0.001,
            "timed out": 0.002,
            "slow": 0.01,
        }
    )
    reads: Rates = field(default_factory=lambda: {"stale": 0.05})
    batches: Rates = field(default_factory=lambda: {"left half done": 0.01})
    writes: Rates = field(default_factory=lambda: {"conflict": 0.004})

    def rates(self, operation: str) -> Rates:
        found = dict(self.every)
        for kinds, rates in ((_READS, self.reads), (_BATCHES, self.batches), (_WRITES, self.writes)):
            if operation in kinds:
                found |= rates
        return found


class Environment(runtime.Runtime):
    """One execution environment: its clock, and what its code keeps between invocations."""

    def __init__(self, function: Function, number: int) -> None:
        super().__init__()
        self.function = function
        self.number = number
        self.name = f"{function.name}.{number}"
        site = (self.name, "clock", 0)
        faults = function.lambdas.faults
        skewed = faults.active or function.lambdas.skewed
        self.skew_ms = SKEWS_MS[int(faults.fraction(site, "skew") * len(SKEWS_MS))] if skewed else 0
        self.invocations = 0
        self.is_dead = False

    def now_ms(self) -> int:
        return self.function.lambdas.loop.now_ms + self.skew_ms

    def elapsed(self) -> float:
        return self.function.lambdas.loop.time()

    def sleep(self, seconds: float) -> None:
        self.check_alive()
        kept = _RouterState.of(self.function.router)
        wait_for(asyncio.sleep(seconds))
        if kept is not None:
            kept.put_back()
        self.check_alive()

    def together(self, work: Callable[[Any], Any], items: Any, *, at_once: int) -> list[Any]:  # one thread
        return [work(item) for item in items]

    def die(self) -> None:
        self.is_dead = True

    def check_alive(self) -> None:
        if self.is_dead:
            raise Crashed


@dataclass
class Context:
    """Describes an invocation to its function."""

    aws_request_id: str
    function_name: str
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:simulated"


@dataclass
class Function:
    """A function: its handler, and its environments. `handler` takes an event and a context."""

    name: str
    handler: Callable[[Any, Any], Any]
    timeout_seconds: float
    lambdas: Lambdas
    router: Any = None
    """Powertools' router of a function that serves HTTP."""
    idle: list[Environment] = field(default_factory=list)
    made: int = 0

    async def invoke(self, event: Any) -> Any:
        """Run the handler once. Raises InvocationFailed."""
        lambdas = self.lambdas
        site = lambdas.faults.site(self.name, "invoke")
        fault = lambdas.faults.draw(site, lambdas.invocation_rates, at_ms=lambdas.loop.now_ms)
        environment = self._environment(fresh=fault == "cold start")
        limit = self.timeout_seconds
        if fault == "cut short":
            limit = min(limit, lambdas.faults.between(site, "limit", 0.0, 0.08))
        lambdas.invocations += 1
        environment.invocations += 1
        context = Context(f"{self.name}-{site[2]}", self.name)
        try:
            work = blocking(lambda: self._run(environment, event, context), cut_short=environment.die)
            result = await asyncio.wait_for(work, limit)
        except (Crashed, TimeoutError):
            raise InvocationFailed from None
        if environment.invocations < CALLS_UNTIL_RECYCLED:
            self.idle.append(environment)
        return result

    def _environment(self, *, fresh: bool) -> Environment:
        if self.idle and not fresh:
            return self.idle.pop()
        self.made += 1
        return Environment(self, self.made)

    def _run(self, environment: Environment, event: Any, context: Context) -> Any:
        runtime.use(environment)
        return self.handler(event, context)


@dataclass
class Lambdas:
    """All functions, and the services that they call. `call` is the one hook: clients of AWS end here."""

    loop: VirtualLoop
    faults: Faults
    services: Mapping[str, Service]
    call_faults: CallFaults = field(default_factory=CallFaults)
    invocation_rates: Rates = field(default_factory=lambda: {"cut short": 0.002, "cold start": 0.02})
    skewed: bool = False
    functions: dict[str, Function] = field(default_factory=dict)
    invocations: int = 0
    calls: int = 0

    def add(
        self, name: str, handler: Callable[[Any, Any], Any], *, timeout_seconds: float = 29.0, router: Any = None
    ) -> Function:
        made = self.functions[name] = Function(name, handler, timeout_seconds, self, router)
        return made

    def call(self, service: str, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Make a call of AWS for the environment that runs now, with botocore's retries."""
        environment = runtime.current()
        assert isinstance(environment, Environment)
        kept = _RouterState.of(environment.function.router)
        try:
            return self._call(environment, service, operation, arguments)
        finally:
            if kept is not None:
                kept.put_back()

    def _call(
        self, environment: Environment, service: str, operation: str, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        environment.check_alive()
        self.calls += 1
        site = self.faults.site(environment.function.name, operation)
        fault = self.faults.draw(site, self.call_faults.rates(operation), at_ms=self.loop.now_ms)
        perform = self.services[service]
        attempt = self._attempt(site, fault, operation, arguments)
        if fault == "crash before":
            self._crash(environment)
        for number in range(TRIES):
            self._wait(environment, self._latency(site, number) + (2.0 if fault == "slow" else 0.0))
            if fault == "throttled throughout" or (fault == "throttled" and number == 0):
                continue
            if fault == "timed out" and number == 0:
                self._wait(environment, READ_TIMEOUT_SECONDS)
                continue
            if fault == "conflict" and number == 0:
                raise raised(_conflict(operation, arguments), operation)
            answer: dict[str, Any] | Refused
            try:
                answer = perform(operation, arguments, attempt)
            except Refused as refused:
                answer = refused
            if fault == "crash after":
                self._crash(environment)
            if fault == "no answer at all" or (fault == "answer lost" and number == 0):
                self._wait(environment, READ_TIMEOUT_SECONDS)
                continue
            self._wait(environment, self._latency(site, number))
            if isinstance(answer, Refused):
                raise raised(answer, operation)
            return answer
        if fault == "throttled throughout":
            raise raised(Refused(_throttling(service), "Rate exceeded"), operation)
        raise ReadTimeoutError(endpoint_url=service)

    def _attempt(self, site: Site, fault: str | None, operation: str, arguments: dict[str, Any]) -> Attempt:
        token = f"{site}" if operation == "TransactWriteItems" else None
        if fault == "stale":
            return Attempt(stale_ms=round(self.faults.between(site, "stale", 5, 1500)))
        if fault == "left half done":
            size = _size_of_batch(operation, arguments)
            return Attempt(most=max(1, int(self.faults.fraction(site, "most") * size)))  # AWS throttles if none is done
        return Attempt(token=token)

    def _latency(self, site: Site, number: int) -> float:
        """Half of a call's time: mostly 1 to 4 ms, seldom ten times as long."""
        fraction = self.faults.fraction(site, f"latency {number}")
        return 0.001 + 0.003 * fraction + (0.03 if fraction > 0.97 else 0.0)

    def _wait(self, environment: Environment, seconds: float) -> None:
        wait_for(asyncio.sleep(seconds))
        environment.check_alive()

    def _crash(self, environment: Environment) -> None:
        environment.die()
        raise Crashed


def _throttling(service: str) -> str:
    return {
        "dynamodb": "ProvisionedThroughputExceededException",
        "apigatewaymanagementapi": "LimitExceededException",
    }.get(service, "ThrottlingException")


def _conflict(operation: str, arguments: Mapping[str, Any]) -> Refused:
    if operation != "TransactWriteItems":
        return Refused("TransactionConflictException", "Transaction is ongoing for the item")
    reasons = [{"Code": "TransactionConflict"}, *({"Code": "None"} for _ in arguments["TransactItems"][1:])]
    return Refused("TransactionCanceledException", "Transaction cancelled", CancellationReasons=reasons)


def _size_of_batch(operation: str, arguments: Mapping[str, Any]) -> int:
    if operation == "SendMessageBatch":
        return len(arguments["Entries"])
    asked = arguments["RequestItems"].values()
    return sum(len(one["Keys"]) if isinstance(one, dict) else len(one) for one in asked)


@dataclass(frozen=True, slots=True)
class _RouterState:
    """Keeps the state of Powertools' router for one invocation, because another may run while this one waits."""

    router: Any
    event: Any
    context: Any
    beside: dict[str, Any]

    @classmethod
    def of(cls, router: Any) -> _RouterState | None:
        if router is None:
            return None
        return cls(router, BaseRouter.current_event, BaseRouter.lambda_context, dict(router.context))

    def put_back(self) -> None:
        BaseRouter.current_event, BaseRouter.lambda_context = self.event, self.context
        self.router.context.clear()
        self.router.context.update(self.beside)
