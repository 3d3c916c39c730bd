"""Measures CPU, AWS calls and write units of a message to a group, with AWS answered in process (run by
deployed.py).

The real handlers process the sender's frame, the entry that splits the members into chunks, and every chunk. All
members have one device and are offline: each of them costs an envelope, and a second read of routing.
"""

import base64
import importlib.util
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from nacl.public import PrivateKey

from sandes.edge.wiring.groups import wire_fanout
from sandes.model.group import Group, Member
from sandes.model.ids import AccountId, GroupId, account_text, base64url_text, id_text, message_text, new_message_id
from sandes.store.groups import group_item, member_item
from sandes.store.schema import DirectoryRow, RoutingRow
from tools.bench import canned
from tools.bench.measuring import item_bytes

FUNCTIONS = Path(__file__).parents[2] / "functions"
MEMBERS_A_PAGE = 6_000  # a member's row takes about 160 bytes of the page's megabyte
WRITE_UNIT = 1_024


def main() -> None:
    counts = [int(argument) for argument in sys.argv[1].split(",")]
    sys.stderr.write(json.dumps(measure(counts, int(sys.argv[2]))) + "\n")


def _handler(folder: str, entry: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"{folder}_handler", FUNCTIONS / folder / "handler.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(folder)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, entry)


BODY_BYTES = 2_048
"""Size above which envelopes do not hold the body. It is stored once, and fetched."""


@dataclass(slots=True)
class Crowd:
    """Is a group with prepared answers, so that nothing is looked up in the measured time."""

    group: Group
    sender: canned.Person
    facts: bytes
    pages: list[bytes]
    routing: dict[AccountId, str]

    @classmethod
    def new(cls, members: int, seal_public: bytes) -> "Crowd":
        people = sorted((canned.Person.new() for _ in range(members)), key=lambda one: account_text(one.device.account))
        sender = people[0]
        now = int(time.time())
        group = Group(
            id=GroupId(os.urandom(8)),
            name="All of the ministry",
            kind="official",
            audience="members",
            posting="all",
            open=False,
            members=members,
            limit=100_000,
            version=members,
            state="live",
            created_at=now,
        )
        rows = [member_item(group.id, Member(one.device.account, "member", now * 1000)) for one in people]
        pages = []
        for start in range(0, members, MEMBERS_A_PAGE):
            some = rows[start : start + MEMBERS_A_PAGE]
            more = {"LastEvaluatedKey": _key(some[-1])} if start + MEMBERS_A_PAGE < members else {}
            pages.append(_json({"Items": some, "Count": len(some), "ScannedCount": len(some)} | more))
        offline = {one.device.account: _text(_offline(one.routing_item(seal_public))) for one in people}
        tables = canned.ENVIRONMENT
        facts = {
            "Responses": {
                tables["ROUTING_TABLE"]: [sender.routing_item(seal_public)],
                tables["DIRECTORY_TABLE"]: [group_item(group), rows[0]],
                tables["DELIVERIES_TABLE"]: [],
                tables["LIMITS_TABLE"]: [],
            },
            "UnprocessedKeys": {},
        }
        return cls(group, sender, _json(facts), pages, offline)

    def answer_for(self, accounts: list[AccountId]) -> bytes:
        items = ",".join(self.routing[account] for account in accounts)
        table = canned.ENVIRONMENT["ROUTING_TABLE"]
        return f'{{"Responses":{{"{table}":[{items}]}},"UnprocessedKeys":{{}}}}'.encode()


@dataclass(slots=True)
class Script:
    """Answers by operation, and keeps the queue's entries for later."""

    crowd: Crowd
    batch_get: bytes = b"{}"
    page: int = 0
    queued: list[str] = field(default_factory=list)
    written: list[bytes] | None = None

    def answer(self, operation: str, request: Any) -> bytes:
        match operation:
            case "BatchGetItem":
                return self.batch_get
            case "Query":
                self.page += 1
                return self.crowd.pages[self.page - 1]
            case "SendMessage":
                self.queued.append(json.loads(request.body)["MessageBody"])
            case "SendMessageBatch":
                self.queued += [entry["MessageBody"] for entry in json.loads(request.body)["Entries"]]
            case "GetSecretValue":
                return canned.SECRET
        if self.written is not None and operation in {"PutItem", "UpdateItem", "BatchWriteItem"}:
            self.written.append(request.body)
        return b"{}"


def measure(counts: list[int], repetitions: int) -> dict[int, Any]:
    os.environ.update(canned.ENVIRONMENT | {"FANOUT_POSTS_PER_SECOND": "400"})
    aws = canned.Aws()
    aws.connect()
    send, fanout = _handler("send", "handler"), _handler("groups", "fanout")
    seal_public = bytes(PrivateKey.generate().public_key)
    _once(aws, Crowd.new(200, seal_public), send, fanout)  # reads secrets, fills caches
    measured = {}
    for count in counts:
        crowd = Crowd.new(count, seal_public)
        runs = [_once(aws, crowd, send, fanout) for _ in range(repetitions)]
        cpu_ms = sorted(sum(run["cpu_ms"].values()) for run in runs)[len(runs) // 2]
        counted = _once(aws, crowd, send, fanout, count_writes=True)
        measured[count] = {
            "cpu_us_a_device": 1000 * cpu_ms / (count - 1),
            "cpu_ms": runs[-1]["cpu_ms"],
            "calls": counted["calls"],
            "write_units": counted["write_units"],
            "chunks": counted["chunks"],
        }
    return measured


def _once(aws: canned.Aws, crowd: Crowd, send: Any, fanout: Any, *, count_writes: bool = False) -> dict[str, Any]:
    script = Script(crowd, batch_get=crowd.facts, written=[] if count_writes else None)
    aws.rows = script
    aws.calls.clear()
    cpu = Counter[str]()
    calls: dict[str, Any] = {}

    def timed(step: str, run: Callable[[], Any]) -> Any:
        aws.calls.clear()
        started = time.process_time_ns()
        answer = run()
        cpu[step] += (time.process_time_ns() - started) / 1e6  # type: ignore[assignment]
        calls.setdefault(step, dict(Counter(aws.calls)))
        return answer

    frame = {
        "type": "send",
        "ref": "1",
        "id": message_text(new_message_id(time.time_ns() // 1_000_000)),
        "to": {"group": id_text(crowd.group.id)},
        "kind": "message",
        "body": base64url_text(os.urandom(BODY_BYTES)),
    }
    answer = timed("send", lambda: send(crowd.sender.event(frame), canned.CONTEXT))
    if '"accepted"' not in answer["body"]:
        sys.exit(answer["body"])
    keys = wire_fanout().keys
    plan, script.queued = script.queued[0], []
    _worked(timed("plan", lambda: fanout(_event(plan), canned.CONTEXT)))
    chunks, script.queued = script.queued, []
    for chunk in chunks:
        members = keys.open(_bytes(json.loads(chunk)["post"]))[-800:]
        accounts = [AccountId(members[at : at + 8]) for at in range(0, len(members), 8)]
        script.batch_get = crowd.answer_for([account for account in accounts if account in crowd.routing])
        _worked(timed("chunks", partial(fanout, _event(chunk), canned.CONTEXT)))
    return {
        "cpu_ms": dict(cpu),
        "calls": calls,
        "chunks": len(chunks),
        "write_units": sum(map(_units, script.written)) if script.written is not None else None,
    }


def _units(body: bytes) -> int:
    """Return the write units by the rules of the DynamoDB developer guide: one for each started KiB of a row."""
    asked = json.loads(body)
    if "RequestItems" in asked:
        items = [one["PutRequest"]["Item"] for rows in asked["RequestItems"].values() for one in rows]
    elif "Item" in asked:
        items = [asked["Item"]]
    else:  # an update of the post's record has the size of all its attributes
        items = [asked["Key"] | asked["ExpressionAttributeValues"] | {"rest": {"B": bytes(60)}}]
    return sum(-(-item_bytes(item) // WRITE_UNIT) for item in items)


def _event(body: str) -> dict[str, Any]:
    attributes = {"SentTimestamp": str(time.time_ns() // 1_000_000), "ApproximateReceiveCount": "1"}
    arn = "arn:aws:sqs:us-east-1:1:fanout"
    return {"Records": [{"messageId": "bench", "body": body, "attributes": attributes, "eventSourceARN": arn}]}


def _worked(answer: dict[str, Any]) -> None:
    if answer["batchItemFailures"]:
        sys.exit("an entry of the queue failed")


def _offline(item: dict[str, Any]) -> dict[str, Any]:
    for entry in item[RoutingRow.DEVICES]["M"].values():
        for name in (RoutingRow.CONNECTION, RoutingRow.CONNECTION_EXPIRES_AT, RoutingRow.CONNECTED_AT_MS):
            del entry["M"][name]
    return item


def _key(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in (DirectoryRow.PARTITION, DirectoryRow.SORT)}


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=lambda data: base64.b64encode(data).decode())


def _json(value: Any) -> bytes:
    return _text(value).encode()
