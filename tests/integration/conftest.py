"""Runs the store contracts on three databases: the one in memory, moto, and the local engine's (mark `engine`).

Other tests use only the database in memory, which must therefore keep the contracts like the two others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandes.crypto.attestation import AttestationKeys
from tests.support.app_groups import AppGroups
from tests.support.batches import batch_backend
from tests.support.dynamodb import memory_dynamodb, moto_dynamodb
from tests.support.service import NOW_MS, Service
from tools.backstage import secret_of

HOUR_MS = 3_600_000


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store_backend" in metafunc.fixturenames:
        contract = metafunc.definition.path.name.startswith("test_store_contract_")
        more = ["moto"] if contract else []
        backends = ["memory", *more, pytest.param("engine", marks=pytest.mark.engine)]
        metafunc.parametrize("store_backend", backends, indirect=True, scope="module")


@pytest.fixture(scope="module")
def store_backend(request: pytest.FixtureRequest) -> Iterator[Service]:
    """Make real stores on the backend. Tests share its tables and make their own ids; `now_ms` is their clock.

    On the engine, this clock is an hour ahead of the real one, by which the engine deletes expired rows and the
    deployed functions sweep every minute.
    """
    if request.param == "engine":
        deployment = request.getfixturevalue("deployment")
        client = deployment.engine.client("dynamodb")
        yield Service(
            client,
            deployment.stack.tables,
            now_ms=time.time_ns() // 1_000_000 + HOUR_MS,
            attestation_keys=AttestationKeys.of(secret_of(deployment.engine, "AttestationSecret")),
        )
        return
    if request.param == "moto":
        with moto_dynamodb() as (client, tables):
            yield Service(client, tables, now_ms=NOW_MS)
        return
    client, tables, _ = memory_dynamodb()
    yield Service(client, tables, now_ms=NOW_MS)


@pytest.fixture
def backend() -> Iterator[tuple[Service, Any]]:
    """Make a service with files for each test."""
    with batch_backend() as made:
        yield made


@pytest.fixture
def app(backend: tuple[Service, Any]) -> AppGroups:
    """Make an app without an organisation. Any official may be in its groups for officials."""
    service, s3 = backend
    return AppGroups(Service(service.client, service.tables), s3, service.app())
