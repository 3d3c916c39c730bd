"""Runs a script of this folder as a function runs: new interpreter, vendor layer, core layer, its own folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tools.engine import ROOT
from tools.layers import build as build_layer

BOOT = "import sys; sys.path[:0] = {paths!r}; sys.argv = {argv!r}; from tools.bench.{module} import main; main()"


class BenchError(Exception):
    """Reports a failed measurement. The text is the output of its process."""


def run(module: str, *argv: str, function: str = "send", options: tuple[str, ...] = ()) -> Any:
    """Return the JSON that `main` of `tools.bench.<module>` writes as the last line of its standard error.

    Its standard output, which has log lines, is thrown away. Raise BenchError.
    """
    paths = [
        str(build_layer("local") / "python"),
        str(ROOT / "layers" / "core" / "python"),
        str(ROOT / "functions" / function),
        str(ROOT),
    ]
    code = BOOT.format(paths=paths, argv=[module, *argv], module=module)
    environment = {
        "PATH": os.defpath,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test-access-key-id00",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "t" * 700,
        "POWERTOOLS_SERVICE_NAME": function,
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }
    finished = subprocess.run(
        [sys.executable, "-S", *options, "-c", code],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise BenchError(f"{module}: {finished.stderr[-2000:]}")
    return json.loads(finished.stderr.splitlines()[-1])
