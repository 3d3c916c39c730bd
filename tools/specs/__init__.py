"""Generates the protocol's specifications and pages of reference from the code.

    python -m tools.specs              write asyncapi.json and the *-openapi.json in docs/protocol,
                                       docs/errors.md, docs/limits.md, docs/permissions.md, docs/policy.md
                                       and docs/admin/rights.md
    python -m tools.specs --check      exit 1 if a committed file differs from the code
    python -m tools.specs --breaking   write them even if programs written against the old ones would break

The websocket comes from the models of sandes.protocol.frames, and the HTTPS APIs from the routes of functions/client,
functions/otp, functions/apps, functions/app_groups and functions/admin*. The pages about permissions of people come
from the matrices of sandes.policy and sandes.administration.authority, and docs/permissions.md from infra/functions.py.
Objects that the server sends stay open to new fields, so a client must ignore unknown fields. Objects that it accepts
are closed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "core" / "python")]

from tools.specs.changes import breaking  # noqa: E402  # needs the path above
from tools.specs.errors import errors_page  # noqa: E402
from tools.specs.https import admin_openapi, app_openapi, client_openapi  # noqa: E402
from tools.specs.limits import limits_page  # noqa: E402
from tools.specs.permissions import permissions_page  # noqa: E402
from tools.specs.policy import policy_page  # noqa: E402
from tools.specs.rights import rights_page  # noqa: E402
from tools.specs.schemas import Json  # noqa: E402
from tools.specs.websocket import asyncapi  # noqa: E402

FOLDER = ROOT / "docs" / "protocol"

SPECIFICATIONS: dict[str, Callable[[], Json]] = {
    "asyncapi.json": asyncapi,
    "client-openapi.json": client_openapi,
    "app-openapi.json": app_openapi,
    "admin-openapi.json": admin_openapi,
}

PAGES: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "errors.md": errors_page,
    ROOT / "docs" / "limits.md": limits_page,
    ROOT / "docs" / "permissions.md": permissions_page,
    ROOT / "docs" / "policy.md": policy_page,
    ROOT / "docs" / "admin" / "rights.md": rights_page,
}
"""Generated pages for people."""


def rendered(document: Json) -> str:
    """Return the same text for the same document, whatever the order of its keys."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def outdated() -> list[str]:
    """Return the names of the committed files that differ from the code."""
    return [path.name for path, text in _files().items() if not path.exists() or path.read_text("utf-8") != text]


def _files() -> dict[Path, str]:
    """Return every generated file with its content."""
    return {FOLDER / name: rendered(build()) for name, build in SPECIFICATIONS.items()} | {
        path: build() for path, build in PAGES.items()
    }


def broken() -> list[str]:
    """Return what programs written against the committed files would notice if they were written anew."""
    return [
        f"{name}: {change}"
        for name, build in SPECIFICATIONS.items()
        if (FOLDER / name).exists()
        for change in breaking(json.loads((FOLDER / name).read_text(encoding="utf-8")), build())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.specs", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    parser.add_argument("--breaking", action="store_true", help="write even changes that break programs in use")
    options = parser.parse_args()
    if options.check:
        stale = outdated()
        if stale:
            sys.exit(f"out of date in docs: {', '.join(stale)}; run `make specs` and commit")
        return
    changes = [] if options.breaking else broken()
    if changes:
        sys.exit("\n".join(["programs in use would break; nothing was written (--breaking writes it):", *changes]))
    for path, text in _files().items():
        path.write_text(text, encoding="utf-8")
