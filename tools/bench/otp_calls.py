"""Counts AWS calls and DynamoDB capacity of OTP round trips, at the clients (run by deployed.py).

In a round trip, the app sends a code, the person's device gets and acks it, the queued SMS finds it acked, the app
checks the code, and the device gets and acks the `control` envelope that invalidates the bubble.
"""

import base64
import json
import os
import sys
import time
from collections import Counter
from typing import Any

from sandes.edge.wiring.deliver import wire_deliver
from sandes.edge.wiring.otps import wire_otp, wire_otp_sms
from tools.bench import canned
from tools.bench.world import World, load

STEPS = ("send the code", "ack it", "SMS not needed", "check the code", "ack the control envelope")


def main() -> None:
    sys.stderr.write(json.dumps(measure(int(sys.argv[1]))) + "\n")


def measure(trips: int) -> dict[str, Any]:
    """Return totals over `trips` round trips of one environment, whose clients exist and whose secrets are read."""
    os.environ.update(canned.ENVIRONMENT)
    aws = canned.Aws()
    aws.connect()
    for wire in (wire_otp, wire_otp_sms, wire_deliver):
        wire()
    world = World.new(aws)
    otp, deliver = load("otp"), load("deliver")
    calls: dict[str, Counter[str]] = {step: Counter() for step in STEPS}
    for _ in range(trips):
        for step, calls_made in _round_trip(world, otp, deliver):
            calls[step].update(calls_made)
        world.forget_sends()
        wire_deliver().frames._buckets.clear()  # nobody acks as fast as this
    return {
        "trips": trips,
        "calls": {step: dict(counted) for step, counted in calls.items()},
        "units": dict(world.rows.units),
        "frame_bytes": max(len(frame) for frame in world.rows.posted),
    }


def _round_trip(world: World, otp: Any, deliver: Any) -> list[tuple[str, list[str]]]:
    steps: list[tuple[str, list[str]]] = []

    def done(step: str) -> None:
        steps.append((step, list(world.aws.calls)))
        world.aws.calls.clear()

    def ack(step: str) -> None:
        (envelope,) = json.loads(world.rows.posted[-1])["envelopes"]
        frame = {"type": "ack", "ref": "1", "ids": [envelope["id"]]}
        _expect(json.loads(deliver.handler(world.person.event(frame), canned.CONTEXT)["body"])["type"] == "acked")
        done(step)

    made = otp.handler(world.new_otp(), canned.CONTEXT)
    _expect(made["statusCode"] == 202)
    id = json.loads(made["body"])["id"]
    done(STEPS[0])
    code = world.code_of(id)
    ack(STEPS[1])
    _expect(otp.sms({"Records": [_record(world.rows.queued[-1])]}, canned.CONTEXT) == {"batchItemFailures": []})
    done(STEPS[2])
    checked = otp.handler(world.request("POST", f"/v1/otps/{id}/checks", {"code": code}), canned.CONTEXT)
    _expect(json.loads(checked["body"]).get("result") == "approved")
    done(STEPS[3])
    ack(STEPS[4])
    return steps


def _record(body: str) -> dict[str, Any]:
    attributes = {"SentTimestamp": str(int(time.time() * 1000)), "ApproximateReceiveCount": "1"}
    id = base64.b64encode(os.urandom(6)).decode()
    return {"messageId": id, "body": body, "attributes": attributes, "eventSourceARN": "arn:aws:sqs:us-east-1:1:sms"}


def _expect(holds: bool) -> None:
    if not holds:
        sys.exit("a step of the round trip got an unexpected answer")
