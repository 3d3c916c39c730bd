"""Starts `sandes` and `sandes-admin`, or says what to install if the packages of the extra `cli` are missing.

This module imports nothing but the standard library, so that it can run without them.
"""

from __future__ import annotations

import sys
from importlib import import_module

CLI_PACKAGES = {"platformdirs", "rich", "segno", "textual", "typer"}
"""The modules of the extra `cli` in pyproject.toml."""

MISSING = "error: This command needs packages that are not installed: run `pip install 'sandes-client[cli]'`."


def sandes() -> None:
    _start("sandes_client.cli.main")


def sandes_admin() -> None:
    _start("sandes_client.cli.admin")


def _start(program: str) -> None:
    """Run a program. Exits with status 1 and one sentence if a package of the extra `cli` is missing."""
    try:
        module = import_module(program)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in CLI_PACKAGES:
            raise
        sys.exit(MISSING)
    module.main()
