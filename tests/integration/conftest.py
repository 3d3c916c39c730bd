"""One contract, two databases: moto in process, and the local engine's DynamoDB if it is deployed (mark `engine`).

moto is held to the contracts of the stores twice: called directly, as by all other tests, and through all of botocore.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandes.crypto.attestation import AttestationKeys
from tests.support.app_groups import AppGroups
from tests.support.batches import batch_backend
from tests.support.dynamodb import moto_dynamodb
from tests.support.service import NOW_MS, Service
from tools.backstage import secret_of

HOUR_MS = 3_600_000


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store_backend" in metafunc.fixturenames:
        contract = metafunc.definition.path.name.startswith("test_store_contract_")
        backends = ["moto", *(["moto by HTTP"] if contract else []), pytest.param("engine", marks=pytest.mark.engine)]
        metafunc.parametrize("store_backend", backends, indirect=True, scope="module")


@pytest.fixture(scope="module")
def store_backend(request: pytest.FixtureRequest) -> Iterator[Service]:
    """Real stores on the backend. Tests share its tables and make ids of their own; `now_ms` is their clock.

    On the engine that clock is an hour ahead of the real one, by which the engine deletes rows by time to live and the
    deployed functions sweep, each minute, what is due.
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
    with moto_dynamodb(whole_way=request.param == "moto by HTTP") as (client, tables):
        yield Service(client, tables, now_ms=NOW_MS)


@pytest.fixture
def backend() -> Iterator[tuple[Service, Any]]:
    """Anew for each test: a transaction in moto takes as long as its tables are large."""
    with batch_backend() as made:
        yield made


@pytest.fixture
def app(backend: tuple[Service, Any]) -> AppGroups:
    """Of no organisation: any official may be in its groups for officials."""
    service, s3 = backend
    return AppGroups(Service(service.client, service.tables), s3, service.app())
