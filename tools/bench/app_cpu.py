"""Measures the CPU of app calls with AWS answered in process, of those AWS calls alone, and of Powertools.

It is run by deployed.py. It records AWS's answers once from a call on stored rows and then repeats them, so that no row
is looked up in the measured time. Tokens are real ones, made before the clock starts.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools.event_handler import Response

from sandes.edge.http import http_handler, resolver
from sandes.edge.wiring.apps import wire_apps
from sandes.edge.wiring.otps import wire_otp
from sandes.protocol import app_api
from tools.bench import canned
from tools.bench.measuring import summary, watched
from tools.bench.world import Rows, World, load

WARM = 200
NEXT_SHARE = b'{"Attributes":{"n":{"N":"30"}}}'
"""The answer of a quota's counter when an environment takes its next share, for example at the turn of a minute."""


def main() -> None:
    sys.stderr.write(json.dumps(measure(int(sys.argv[1]))) + "\n")


@dataclass(slots=True)
class Script:
    """Answers as before, by operation. Several calls of one operation are answered in their order."""

    answers: dict[str, list[bytes]] = field(default_factory=dict)
    said: dict[str, int] = field(default_factory=dict)

    def answer(self, operation: str, _: Any) -> bytes:
        given = self.answers[operation]
        number = self.said[operation] = self.said.get(operation, -1) + 1
        return given[number % len(given)]


@dataclass(slots=True)
class Recorder:
    """Passes the answers of the rows on, and records them."""

    rows: Rows
    script: Script = field(default_factory=Script)

    def answer(self, operation: str, request: Any) -> bytes:
        body = self.rows.answer(operation, request)
        self.script.answers.setdefault(operation, []).append(body)
        return body


def measure(count: int) -> dict[str, Any]:
    os.environ.update(canned.ENVIRONMENT)
    aws = canned.Aws()
    aws.connect()
    wire_otp()
    wire_apps()
    world = World.new(aws)
    otp, apps = load("otp").handler, load("apps").handler
    otp(world.new_otp(), canned.CONTEXT)  # reads secrets and takes shares of the quotas
    apps(world.new_message(), canned.CONTEXT)
    world.forget_sends()
    made = json.loads(otp(world.new_otp(), canned.CONTEXT)["body"])["id"]
    right = {"code": world.code_of(made)}
    calls: dict[str, tuple[Any, Callable[[], dict[str, Any]], int]] = {
        "POST /v1/otps": (otp, world.new_otp, 202),
        "POST /v1/otps/{id}/checks": (otp, lambda: world.request("POST", f"/v1/otps/{made}/checks", right), 200),
        "POST /v1/messages": (apps, world.new_message, 202),
    }
    world.forget_sends()
    return {name: _measure(world, *call, count) for name, call in calls.items()} | {"powertools": _powertools(world)}


def _measure(
    world: World, handler: Any, event: Callable[[], dict[str, Any]], status: int, count: int
) -> dict[str, Any]:
    recorder = Recorder(world.rows)
    world.aws.rows = recorder
    replay = watched(lambda: handler(event(), canned.CONTEXT))
    script = recorder.script
    updates = script.answers.get("UpdateItem", [b"{}"])
    script.answers["UpdateItem"] = [NEXT_SHARE if answer == b"{}" else answer for answer in updates]
    world.aws.rows = script
    total, alone = [], []
    clock = time.process_time_ns
    for number in range(WARM + count):
        request = event()
        script.said.clear()
        started = clock()
        answer = handler(request, canned.CONTEXT)
        ended = clock()
        if answer["statusCode"] != status:
            sys.exit(answer["body"])
        script.said.clear()
        alone_started = clock()
        for call, parameters in replay:
            call(**parameters)
        alone_ended = clock()
        if number >= WARM:
            total.append(ended - started)
            alone.append(alone_ended - alone_started)
    world.aws.rows = world.rows
    return {"count": count, "calls": len(replay), "total_ms": summary(total), "aws_ms": summary(alone)}


def _powertools(world: World) -> dict[str, float]:
    """Measure a route with the models of POST /v1/otps that does nothing: event, route, validation, answer,
    log line.
    """
    app = resolver()
    said = app_api.Otp.model_validate(
        {
            "id": "A" * 22,
            "status": "pending",
            "channel": "app",
            "expires_at": "2026-01-01T00:00:00Z",
            "resend_after": "2026-01-01T00:00:00Z",
            "attempts_left": 3,
        },
        strict=False,
    )

    @app.post("/v1/otps")
    def nothing(body: app_api.NewOtp) -> Response[app_api.Otp]:  # noqa: ARG001  # validated all the same
        return Response(status_code=202, content_type="application/json", body=said)

    handler, event = http_handler(app), world.new_otp()
    taken = []
    for _ in range(WARM + 1_000):
        started = time.process_time_ns()
        handler(event, canned.CONTEXT)
        taken.append(time.process_time_ns() - started)
    return summary(taken[WARM:])
