from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sandes.edge.http import route_of

SPECIFICATION = Path(__file__).parents[3] / "docs" / "protocol" / "client-openapi.json"


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/v1/me", "/v1/me"),
        ("/v1/registrations/z7KItFtAxnb1mvK8Dttyfw/verification", "/v1/registrations/{}/verification"),
        ("/v1/accounts/+919876543210", "/v1/accounts/{}"),
        ("/admin.php", "/{}"),
    ],
)
def test_the_log_line_names_the_route_and_hides_ids(path: str, logged: str) -> None:
    assert route_of(path) == logged


def test_every_route_of_the_api_can_be_told_from_its_log_line() -> None:
    paths = json.loads(SPECIFICATION.read_text())["paths"]
    assert len(paths) > 5
    for path in paths:
        assert route_of(path) == re.sub(r"\{[^}]*\}", "{}", path)
