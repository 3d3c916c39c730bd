"""Measures the CPU of one send with AWS answered in process, of its AWS calls alone, and of sealing (run by
deployed.py).
"""

import json
import os
import statistics
import sys
import time
from typing import Any

import handler  # type: ignore[import-not-found]  # functions/send, as deployed.py has it
from nacl.public import PrivateKey

from sandes.crypto.seal import Content, Kind, Sealing
from sandes.crypto.sender_hash import SenderHash
from sandes.crypto.service_keys import ServiceKeys
from sandes.edge.wiring.send import wire_send
from sandes.limits import Limit
from sandes.messaging.envelopes import seal_for
from sandes.model.device import Route, SealKey
from sandes.model.ids import new_message_id
from tools.bench import canned
from tools.bench.measuring import item_bytes, summary, watched

SENDERS = 100  # a device may send 60 messages at once
WARM = 300


def main() -> None:
    sys.stderr.write(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))) + "\n")


def measure(count: int, body_bytes: int) -> dict[str, Any]:
    os.environ.update(canned.ENVIRONMENT)
    aws = canned.Aws()
    aws.connect()
    wire_send()
    seal_public = bytes(PrivateKey.generate().public_key)
    recipient = canned.Person.new()
    senders = [canned.Person.new() for _ in range(SENDERS)]
    answers = [canned.facts(s, recipient, limit=Limit.SENDS.label, seal_public=seal_public) for s in senders]
    body = os.urandom(body_bytes)
    aws.batch_get = answers[0]
    replay = watched(lambda: handler.handler(senders[0].event(canned.send_frame(recipient, body)), canned.CONTEXT))
    total, calls_alone, with_limit_write = [], [], 0
    clock = time.process_time_ns
    for number in range(WARM + count):
        event = senders[number % SENDERS].event(canned.send_frame(recipient, body))
        aws.batch_get = answers[number % SENDERS]
        aws.calls.clear()
        started = clock()
        answer = handler.handler(event, canned.CONTEXT)
        ended = clock()
        if '"accepted"' not in answer["body"]:
            sys.exit(answer["body"])
        extra = "UpdateItem" in aws.calls
        alone_started = clock()
        for call, parameters in replay:
            call(**parameters)
        alone_ended = clock()
        if number >= WARM:
            total.append(ended - started)
            calls_alone.append(alone_ended - alone_started)
            with_limit_write += extra
    return {
        "count": count,
        "with_limit_write": with_limit_write,
        "total_ms": summary(total),
        "aws_ms": summary(calls_alone),
        "row_bytes": item_bytes(next(parameters["Item"] for _, parameters in replay if "Item" in parameters)),
        "seal_us": _seal(recipient, senders[0], seal_public),
    }


def _seal(recipient: canned.Person, sender: canned.Person, seal_public: bytes) -> float:
    """Return the median microseconds for one envelope with a body of 1 KB: encode, hash, seal."""
    device = recipient.device
    route = Route(device.number, device.registration, device.inbox, SealKey(7, seal_public), 1, None)
    now_ms = time.time_ns() // 1_000_000
    content = Content(
        new_message_id(now_ms), sender.address, "public", device.account, Kind.MESSAGE, now_ms, os.urandom(1024)
    )
    sender_hash, keys = SenderHash.of(bytes(32)), ServiceKeys.of(canned.PEPPER)
    taken = []
    for _ in range(3000):
        started = time.process_time_ns()
        sealing = Sealing.by(keys, now_ms=now_ms)
        seal_for(route, content, expires_at=1_800_000_000, sender_hash=sender_hash, sealing=sealing)
        taken.append(time.process_time_ns() - started)
    return round(statistics.median(taken) / 1000, 1)
