"""Builds the dependencies for the administration of people, on the service of the tests."""

from __future__ import annotations

from functools import partial
from typing import Any

from sandes.administration.people.officials import PeopleDependencies
from sandes.administration.people.suspension import SuspensionDependencies
from sandes.groups.group_events import devices_told
from sandes.store.limits import LimitStore
from sandes.store.suspensions import SuspensionStore
from sandes.store.verification_requests import VerificationRequestStore
from tests.support.administration import Administration
from tests.support.service import Service


def people_deps(
    service: Service, client: Any = None, *, administration: Administration | None = None
) -> PeopleDependencies:
    """Build the dependencies. `client` replaces the real one, to be overtaken or to count."""
    tables = service.tables
    return PeopleDependencies(
        verifications=service.verification_deps(client),
        requests=VerificationRequestStore(client or service.client, tables["directory"]),
        recorder=Administration(service, client).recorder,
        limits=LimitStore(client or service.client, tables["limits"]),
    )


def suspension_deps(service: Service, client: Any = None) -> SuspensionDependencies:
    tables = service.tables
    people = people_deps(service, client)
    return SuspensionDependencies(
        people=people,
        suspensions=SuspensionStore(client or service.client, tables["directory"], tables["routing"]),
        pusher=service.gateway,
        device_changes=partial(devices_told, queue=service.group_queue),
    )
