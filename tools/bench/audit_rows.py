"""Builds the rows of the budget table about audit chains: appending, parallel appending, verifying."""

from __future__ import annotations

import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from sandes.administration.recorder import Recorder
from sandes.crypto import audit_chain
from sandes.crypto.audit_chain import FIRST, AuditKey
from sandes.model.audit import Act
from sandes.model.ids import OrganisationId, new_organisation_id
from sandes.model.instant import Instant
from sandes.store.audit import AuditStore
from sandes.store.dynamo import StoreUnavailable
from tools.bench import deployed
from tools.bench.latency import FOLDER, Say
from tools.bench.table import Row
from tools.engine import ROOT, Engine, EngineError, deploy, free_port

LIMIT_US = 20.0
"""Budget in microseconds for an entry: 50,000 entries a second."""

KEY = AuditKey.of(b"k" * 32)


def append_rows(count: int) -> list[Row]:
    figures = deployed.run("audit_append", str(count), function="admin")
    audited, alone, without = (figures[f"{name}_ms"]["median"] for name in ("audited", "alone", "without"))
    return [
        Row("Act of administration with its audit entry: AWS calls", len(figures["calls"]), note="without: 1"),
        Row("  the first of an environment", len(figures["first_calls"]), note=", ".join(figures["first_calls"])),
        Row("  CPU, AWS at no latency", audited, "ms", note=f"n = {count:,}"),
        Row("  of which the transaction", alone, "ms"),
        Row("  the same act without", without, "ms", note="one UpdateItem"),
    ]


def verifier_rows(count: int) -> list[Row]:
    sys.path.insert(0, str(ROOT / "sdk" / "python"))
    from sandes_client.audit import public_keys, verify

    file = ROOT / ".local" / "bench-chain.ndjson"
    file.parent.mkdir(exist_ok=True)
    made = _make(file, count)
    try:
        started = time.process_time()
        with file.open("rb") as opened:
            found = verify(opened, keys=public_keys([KEY.public]))
        taken = time.process_time() - started
        size = file.stat().st_size
    finally:
        file.unlink()
    if found.fault or found.entries != count:
        raise deployed.BenchError(f"the chain is not whole: {found.fault}")
    return [
        Row(
            "Offline check of an audit chain: CPU for an entry",
            taken / count * 1e6,
            "µs",
            LIMIT_US,
            f"{count / taken:,.0f} entries/s, {size // count} bytes each, n = {count:,}",
        ),
        Row("  making and signing an entry, without AWS", made / count * 1e6, "µs"),
    ]


def _make(file: Path, count: int) -> float:
    """Make a chain of that length, and return the CPU seconds."""
    started, prev, chain = time.process_time(), FIRST, new_organisation_id()
    with file.open("wb") as opened:
        for seq in range(1, count + 1):
            act = _act(chain, seq)
            content = audit_chain.body(act.details, seq.to_bytes(16, "big"))
            bound = audit_chain.body_hash(content)
            statement = audit_chain.statement(act, seq=seq, at_ms=seq, body_hash=bound, prev=prev, key=KEY.id)
            signature = KEY.sign_entry(statement)
            prev = audit_chain.link_hash(statement, signature)
            opened.write(audit_chain.line(statement, signature, content) + b"\n")
    return time.process_time() - started


def _act(chain: OrganisationId, number: int) -> Act:
    return Act(
        action="unit.rename",
        actor="01234567-89ab-cdef-0123-456789abcdef",
        role="unit_admin",
        organisation=chain,
        subject="aeaqcaibaeaqc",
        details={"name": ["Signalling", f"Signalling {number}"]},
    )


def engine_rows(seconds: float, say: Say) -> list[Row]:
    """Measure the entries a second that several writers append to one chain, each with its own environment."""
    shutil.rmtree(FOLDER / "engine", ignore_errors=True)
    engine = Engine(FOLDER / "engine", free_port())
    say("starting an engine")
    engine.start()
    try:
        table = deploy(engine, say).tables["audit"]
        rates = {writers: _rate(engine, table, writers, seconds) for writers in (1, 4, 16)}
    finally:
        with suppress(EngineError):  # its state is not needed
            engine.stop()
    return [
        Row(
            f"Entries a second onto one audit chain, engine, {writers} writers",
            rate,
            note=f"{refused} gave up" if refused else "",
        )
        for writers, (rate, refused) in rates.items()
    ]


def _rate(engine: Engine, table: str, writers: int, seconds: float) -> tuple[float, int]:
    chain, end = new_organisation_id(), time.monotonic() + seconds

    def work(_: int) -> tuple[int, int]:
        recorder, done, refused = Recorder(AuditStore(engine.client("dynamodb"), table), KEY), 0, 0
        while time.monotonic() < end:
            try:
                recorder.record(_act(chain, done), now=Instant(time.time_ns() // 1_000_000))
                done += 1
            except StoreUnavailable:
                refused += 1
        return done, refused

    started = time.monotonic()
    with ThreadPoolExecutor(writers) as pool:
        counts = list(pool.map(work, range(writers)))
    last = AuditStore(engine.client("dynamodb"), table).last(chain)
    written = sum(done for done, _ in counts)
    if last is None or last.seq != written:
        raise EngineError(f"{written} entries were written, the chain ends at {last.seq if last else 0}")
    return written / (time.monotonic() - started), sum(refused for _, refused in counts)
