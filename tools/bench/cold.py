"""Measures a new environment of the send function up to its first answer, in milliseconds (run by deployed.py)."""

import sys
import time

started, started_cpu = time.perf_counter(), time.process_time()

import handler  # type: ignore[import-not-found]  # noqa: E402  # what is measured: functions/send

imported, imported_cpu = time.perf_counter(), time.process_time()

import json  # noqa: E402
import os  # noqa: E402

from sandes.edge.wiring.send import wire_send  # noqa: E402
from tools.bench import canned  # noqa: E402

os.environ.update(canned.ENVIRONMENT)
sender, recipient = canned.Person.new(), canned.Person.new()
seal_public = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
aws = canned.Aws(canned.facts(sender, recipient, limit="sends", seal_public=seal_public))
event = sender.event(canned.send_frame(recipient, bytes(587)))

wiring_started, wiring_started_cpu = time.perf_counter(), time.process_time()
aws.connect()
wire_send()
wired, wired_cpu = time.perf_counter(), time.process_time()
answer = handler.handler(event, canned.CONTEXT)
answered, answered_cpu = time.perf_counter(), time.process_time()
if '"accepted"' not in answer["body"]:
    sys.exit(answer["body"])


def milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def main() -> None:
    sys.stderr.write(
        json.dumps(
            {
                "import": milliseconds(imported - started),
                "clients": milliseconds(wired - wiring_started),
                "first_frame": milliseconds(answered - wired),
                "cpu": milliseconds(imported_cpu - started_cpu + answered_cpu - wiring_started_cpu),
            }
        )
        + "\n"
    )
