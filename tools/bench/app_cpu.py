"""CPU of app calls with AWS answered in process, of those AWS calls alone, of Powertools (run by deployed.py).

What AWS answers is recorded once from a call on kept rows and then said again, so that no row is looked up in the time
that is measured. Tokens are real ones, made before the clock starts.
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
"""What a quota's counter answers when an environment takes its next share, at the turn of a minute for one."""


def main() -> None:
    sys.stderr.write(json.dumps(measure(int(sys.argv[1]))) + "\n")


@dataclass(slots=True)
class Script:
    """Answers as they were given before, by operation; of several calls of one operation, in their order."""

    answers: dict[str, list[bytes]] = field(default_factory=dict)
    said: dict[str, int] = field(default_factory=dict)

    def answer(self, operation: str, _: Any) -> bytes:
        given = self.answers[operation]
        number = self.said[operation] = self.said.get(operation, -1) + 1
        return given[number % len(given)]


@dataclass(slots=True)
class Recorder:
    """Passes on what the rows answer, and keeps it."""

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
    otp(world.new_otp(), canned.CONTEXT)  # secrets are read, shares of the quotas taken
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
    """A route with the models of POST /v1/otps that does nothing: event, route, validation, answer, log line."""
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
