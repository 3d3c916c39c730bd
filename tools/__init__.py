"""Holds what contributors run: layers, the local engine, specifications, benchmarks. None of it is deployed."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "layers" / "core" / "python"), str(ROOT / "sdk" / "python")]
