"""Starts engines from a snapshot: a copy of the state of an engine on which the stack has just been deployed.

A deployment takes half a minute of CPU, a copy less than a second, and a run of all tests starts four engines. The
fingerprint of everything that a deployment is made from names a snapshot, so that an old one is never used.
"""

from __future__ import annotations

import fcntl
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.engine import (
    PATCHES,
    ROOT,
    Deployment,
    Engine,
    build_vendor_layer,
    deploy,
    deployed_files,
    deployment_of,
    digest_of,
    former_port,
    free_port,
    move_state,
)
from tools.patience import Say

SNAPSHOTS = ROOT / ".local" / "snapshots"
_FOLDERS = ("state", "s3")
_FILES = ("outputs.json", "port")
_TOOLS = (
    ROOT / "tools" / "engine.py",
    PATCHES,
    Path(__file__),
    ROOT / "requirements" / "dev.txt",
    ROOT / "requirements" / "engine.txt",
    ROOT / "package-lock.json",
)
"""The programs that deploy, and the lists of the packages that they use."""


def start_deployed(engine: Engine, say: Say = lambda _: None) -> Deployment:
    """Start an engine with the stack deployed and no other state, and return the addresses of the stack.

    The former state of the engine is removed. The first caller after a change makes the snapshot, for which other
    processes wait. Raises EngineError.
    """
    engine.forget()
    engine.folder.mkdir(parents=True, exist_ok=True)
    with _locked():
        snapshot = _current(say)
        for name in _FOLDERS:
            shutil.copytree(snapshot / name, engine.folder / name)
        for name in _FILES:
            shutil.copy(snapshot / name, engine.folder)
    engine.port = engine.port or free_port()  # two copies cannot share the port of the snapshot
    move_state(engine.folder, former_port(engine.folder / "port"), engine.port)  # outputs.json; `start` moves the rest
    engine.start(say)
    return deployment_of(engine)


@contextmanager
def _locked() -> Iterator[None]:
    SNAPSHOTS.mkdir(parents=True, exist_ok=True)
    with (SNAPSHOTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _current(say: Say) -> Path:
    """Return the folder of the current snapshot, and make it if there is none."""
    build_vendor_layer()
    while not (folder := SNAPSHOTS / fingerprint()).is_dir():
        for former in SNAPSHOTS.iterdir():
            if former.is_dir():
                shutil.rmtree(former)
        making = Engine(SNAPSHOTS / "making", free_port())
        hour = time.time() // 3600
        making.start(say)
        try:
            deploy(making, say)
        finally:
            making.stop(say)
        if time.time() // 3600 != hour:
            continue  # at a full hour the engine's clock has perhaps published audit heads, which a new stack lacks
        if folder != SNAPSHOTS / fingerprint():
            continue  # the code changed during the deployment
        kept = making.folder / "kept"
        kept.mkdir()
        for name in (*_FOLDERS, *_FILES):
            (making.folder / name).rename(kept / name)
        kept.rename(folder)
        shutil.rmtree(making.folder)
    return folder


def fingerprint() -> str:
    """Return the digest of everything that a snapshot is made from."""
    return digest_of([*deployed_files(), *_TOOLS], sys.version, platform.machine())
