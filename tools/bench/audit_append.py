"""Measures CPU and AWS calls of an act with its entry in the audit chain, and without (run by deployed.py)."""

import json
import os
import sys
import time
from typing import Any

from sandes.edge import clients
from sandes.edge.wiring.administration import recorder
from sandes.model.audit import Act
from sandes.model.ids import new_organisation_id, new_unit_id
from sandes.model.instant import Instant
from sandes.store.organisations import OrganisationStore
from tools.bench import canned
from tools.bench.measuring import summary, watched

WARM = 200


def main() -> None:
    sys.stderr.write(json.dumps(measure(int(sys.argv[1]))) + "\n")


def measure(count: int) -> dict[str, Any]:
    os.environ.update(canned.ENVIRONMENT)
    aws = canned.Aws(rows=Nothing())
    aws.connect()
    chains = recorder()
    organisation, unit = new_organisation_id(), new_unit_id()
    plain = OrganisationStore(clients.client_of("dynamodb"), os.environ["DIRECTORY_TABLE"])

    def act() -> None:
        done = Act(
            action="unit.rename",
            actor="01234567-89ab-cdef-0123-456789abcdef",
            role="unit_admin",
            organisation=organisation,
            unit=unit,
            subject="aeaqcaibaeaqc",
            details={"name": ["Signalling", "Signalling and telecommunication"]},
        )
        writer = chains.writer(done, now=Instant(time.time_ns() // 1_000_000))
        OrganisationStore(plain.client, plain.table, writer).rename(organisation, unit, "Signalling")

    aws.calls.clear()
    act()
    first = list(aws.calls)
    aws.calls.clear()
    replay = watched(act)
    next_ones = list(aws.calls)
    clock, audited, alone, without = time.process_time_ns, [], [], []
    for number in range(WARM + count):
        times = [clock()]
        act()
        times.append(clock())
        for call, parameters in replay:
            call(**parameters)
        times.append(clock())
        plain.rename(organisation, unit, "Signalling")
        times.append(clock())
        if number >= WARM:
            audited.append(times[1] - times[0])
            alone.append(times[2] - times[1])
            without.append(times[3] - times[2])
    return {
        "first_calls": first,
        "calls": next_ones,
        "audited_ms": summary(audited),
        "alone_ms": summary(alone),
        "without_ms": summary(without),
    }


class Nothing:
    """Answers as an empty database on which every write succeeds."""

    def answer(self, operation: str, _: Any) -> bytes:
        if operation == "Query":
            return b'{"Items":[],"Count":0,"ScannedCount":0}'
        return canned.SECRET if operation == "GetSecretValue" else b"{}"
