"""Fixtures for tests of memberships. Tests of posts have groups of their own, seeded without the use cases."""

from __future__ import annotations

import pytest

from tests.support.groups import Groups
from tests.support.service import Person, Service


@pytest.fixture
def groups(service: Service) -> Groups:
    return Groups(service)


@pytest.fixture
def asha(service: Service) -> Person:
    return service.person()


@pytest.fixture
def ravi(service: Service) -> Person:
    return service.person()


@pytest.fixture
def mira(service: Service) -> Person:
    return service.person()
