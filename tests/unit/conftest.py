"""Runs use cases on the real stores over a database in memory. Only the gateway, the SMS and the clock are doubles."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from sandes.edge.telemetry import logger
from tests.support.dynamodb import memory_dynamodb
from tests.support.service import Service

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

os.environ.setdefault("STAGE", "test")  # what metrics are told by

logger()  # here, so that it writes to the output of the run and not to that of whichever test logs first

settings.register_profile("sandes", deadline=None, database=None)
settings.load_profile("sandes")


@pytest.fixture(scope="module")
def dynamodb() -> tuple[DynamoDBClient, dict[str, str]]:
    client, tables, _ = memory_dynamodb()
    return client, tables


@pytest.fixture
def service(dynamodb: tuple[DynamoDBClient, dict[str, str]]) -> Service:
    """Make a service for each test. A module shares the tables, but each test has its own people."""
    client, tables = dynamodb
    return Service(client, tables)
