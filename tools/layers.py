"""Builds the vendor layer with pip from pinned, hashed wheels, without Docker.

    python -m tools.layers local      for this interpreter and machine
    python -m tools.layers aws        for Python 3.13 on arm64

A layer is built once for each content of requirements/vendor.txt and of this file.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements" / "vendor.txt"

AWS_TARGET = (
    "--platform=manylinux2014_aarch64",
    "--platform=manylinux_2_28_aarch64",
    "--implementation=cp",
    "--python-version=3.13",
)

KEPT_SERVICES = {"apigatewaymanagementapi", "cognito-idp", "dynamodb", "s3", "secretsmanager", "sesv2", "sns", "sqs"}
"""Descriptions that are kept of the 400 services (25 MB) in botocore. Add a name when a function first uses it."""


def build(target: str) -> Path:
    """Build `build/vendor-<target>` unless it is current, and return it. Raise CalledProcessError if pip fails."""
    folder = ROOT / "build" / f"vendor-{target}"
    stamp = folder.with_suffix(".stamp")
    current = _fingerprint()
    if stamp.exists() and stamp.read_text() == current and folder.is_dir():
        return folder
    print(f"building the vendor layer for {target} ...", flush=True)
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        packages = Path(scratch) / "python"
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
                *("--only-binary=:all:", "--require-hashes", "--no-compile"),
                *(f"--target={packages}", f"--requirement={REQUIREMENTS}"),
                *(AWS_TARGET if target == "aws" else ()),
            ],
            check=True,
        )
        _prune(packages)
        _compile(packages, target)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        packages.rename(folder / "python")
    stamp.write_text(current)
    return folder


def _prune(packages: Path) -> None:
    data = packages / "botocore" / "data"
    for service in data.iterdir():
        if service.is_dir() and service.name not in KEPT_SERVICES:
            shutil.rmtree(service)
    endpoints = json.loads((data / "endpoints.json").read_text())  # every cold start would parse over a megabyte
    for partition in endpoints["partitions"]:
        partition["services"] = {
            name: service for name, service in partition["services"].items() if name in KEPT_SERVICES
        }
    (data / "endpoints.json").write_text(json.dumps(endpoints, separators=(",", ":")))
    shutil.rmtree(packages / "bin", ignore_errors=True)


def _compile(packages: Path, target: str) -> None:
    """Compile byte code that stays valid when the files' times change, which they do when a layer is
    unpacked.

    Without it, a cold start compiles everything anew, which takes almost a second. For AWS, Python 3.13 must be on the
    PATH.
    """
    interpreter = sys.executable if target == "local" else shutil.which("python3.13")
    command = (interpreter or "", "-m", "compileall", "-qq", "--invalidation-mode=unchecked-hash", str(packages))
    if not interpreter or subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode:
        print("there is no python3.13 to compile for AWS: cold starts will take about a second longer", file=sys.stderr)


def _fingerprint() -> str:
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + Path(__file__).read_bytes())
    return f"{digest.hexdigest()} {sys.version_info.major}.{sys.version_info.minor}\n"


if __name__ == "__main__":
    targets = sys.argv[1:]
    if not targets or set(targets) - {"local", "aws"}:
        sys.exit("usage: python -m tools.layers local|aws ...")
    for target in targets:
        build(target)
