"""SQS with the functions that process its queues, and EventBridge's schedules.

A standard queue delivers at least once, in no order. Lambda hides the entries that a function has not processed until
their visibility timeout ends, and moves them to the dead-letter queue after too many receptions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.faults import Faults, Rates
from tests.simulation.functions import Attempt, Function, InvocationFailed
from tests.simulation.loop import VirtualLoop
from tests.support.memory.dynamodb import Refused

MOST_CHAINED = 16
"""Lambda's detection of recursive loops stops a chain of invocations after about so many, unless it is allowed."""


@dataclass
class Entry:
    """One message of a queue. `sent_at_ms` is epoch milliseconds."""

    id: str
    body: str
    sent_at_ms: int
    receives: int = 0
    is_done: bool = False


@dataclass
class Queue:
    """A queue and the function that processes it, `batch` entries at a time."""

    name: str
    function: Function
    batch: int
    visibility_seconds: float
    most_receives: int
    queues: Queues
    waiting: list[Entry] = field(default_factory=list)
    """The entries that can be received now."""
    dead: list[Entry] = field(default_factory=list)
    pending: int = 0
    """How many entries are delayed, hidden or being processed."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_empty(self) -> bool:
        return not self.waiting and not self.pending

    def put(self, body: str, *, delay_seconds: float) -> str:
        site = self.queues.faults.site(self.name, "deliver")
        fault = self.queues.faults.draw(site, self.queues.rates, at_ms=self.queues.loop.now_ms)
        entry = Entry(f"{self.name}-{site[2]}", body, self.queues.loop.now_ms)
        late = self.queues.faults.between(site, "late", 1, 60) if fault == "late" else 0.0
        self.show(entry, delay_seconds + late + self.queues.faults.between(site, "delay", 0.005, 0.2))
        if fault == "twice":
            again = Entry(entry.id, body, entry.sent_at_ms)
            self.show(again, delay_seconds + self.queues.faults.between(site, "again", 0, 60))
        return entry.id

    def show(self, entry: Entry, seconds: float) -> None:
        """Let the entry be received after a while."""
        self.pending += 1

        def now() -> None:
            self.pending -= 1
            self.waiting.append(entry)
            self._news.set()

        self.queues.loop.call_later(seconds, now)

    async def work(self) -> None:
        """Process entries for ever."""
        while True:
            while not self.waiting:
                self._news.clear()
                await self._news.wait()
            taken = [self.waiting.pop(0) for _ in range(min(self.batch, len(self.waiting)))]
            self.pending += len(taken)
            self.queues.later(self._process(taken))

    async def _process(self, taken: list[Entry]) -> None:
        records = []
        for entry in taken:
            entry.receives += 1
            records.append(
                {
                    "messageId": entry.id,
                    "body": entry.body,
                    "attributes": {
                        "SentTimestamp": str(entry.sent_at_ms),
                        "ApproximateReceiveCount": str(entry.receives),
                    },
                    "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{self.name}",
                }
            )
        try:
            answer = await self.function.invoke({"Records": records})
            failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        except InvocationFailed:
            failed = {entry.id for entry in taken}
        for entry in taken:
            self.pending -= 1
            if entry.id not in failed:
                entry.is_done = True
            elif entry.receives >= self.most_receives:
                self.dead.append(entry)
            else:
                self.show(entry, self.visibility_seconds)

    def redrive(self) -> int:
        """Move what the dead-letter queue has back, and return how many entries that were."""
        dead, self.dead = self.dead, []
        for entry in dead:
            self.show(Entry(entry.id, entry.body, entry.sent_at_ms), 0.0)
        return len(dead)


@dataclass
class Queues:
    loop: VirtualLoop
    faults: Faults
    rates: Rates = field(default_factory=lambda: {"twice": 0.02, "late": 0.02})
    by_name: dict[str, Queue] = field(default_factory=dict)
    _works: set[asyncio.Task[Any]] = field(default_factory=set)

    def add(
        self,
        name: str,
        function: Function,
        *,
        batch: int = 10,
        visibility_seconds: float = 60.0,
        most_receives: int = 5,
    ) -> Queue:
        made = Queue(name, function, batch, visibility_seconds, most_receives, self)
        self.by_name[name] = made
        self.later(made.work())
        return made

    @property
    def are_empty(self) -> bool:
        return all(queue.is_empty for queue in self.by_name.values())

    def perform(self, operation: str, arguments: dict[str, Any], attempt: Attempt) -> dict[str, Any]:
        """The API of SQS."""
        queue = self._queue(arguments)
        match operation:
            case "SendMessage":
                id = queue.put(arguments["MessageBody"], delay_seconds=arguments.get("DelaySeconds", 0))
                return {"MessageId": id}
            case "SendMessageBatch":
                return _batch(queue, arguments["Entries"], attempt.most)
            case "GetQueueAttributes":
                return {"Attributes": dict.fromkeys(arguments["AttributeNames"], str(len(queue.waiting)))}
        raise Refused("InvalidAction", operation)

    def _queue(self, arguments: Mapping[str, Any]) -> Queue:
        name = arguments["QueueUrl"].rpartition("/")[2]
        if name not in self.by_name:
            raise Refused("QueueDoesNotExist", name)
        return self.by_name[name]

    def later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)


def _batch(queue: Queue, entries: list[Any], most: int | None) -> dict[str, Any]:
    done = len(entries) if most is None else most
    for one in entries[:done]:
        queue.put(one["MessageBody"], delay_seconds=one.get("DelaySeconds", 0))
    failed = [{"Id": one["Id"], "SenderFault": False, "Code": "InternalError"} for one in entries[done:]]
    return {"Successful": [{"Id": one["Id"]} for one in entries[:done]], "Failed": failed}


async def every(seconds: float, function: Function) -> None:
    """Invoke a function on a schedule. A failed run is repeated, as Lambda does with asynchronous invocations."""
    while True:
        await asyncio.sleep(seconds)
        for _ in range(3):
            try:
                await function.invoke({"time": "now"})
                break
            except InvocationFailed:
                await asyncio.sleep(60)
