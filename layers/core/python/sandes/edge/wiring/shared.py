"""Values that the wiring of several functions shares. Each exists once in an execution environment."""

from __future__ import annotations

from sandes.counting.tally import Tally
from sandes.crypto.service_keys import ServiceKeys
from sandes.edge.clients import client_of, secret_of
from sandes.edge.settings import FrameSettings
from sandes.runtime import once
from sandes.store.directory import DirectoryStore
from sandes.store.limits import LimitStore
from sandes.store.routing import RoutingStore
from sandes.store.send_view import SendView
from sandes.store.statistics import StatisticsStore


def send_view(settings: FrameSettings) -> SendView:
    dynamodb = client_of("dynamodb")
    return SendView(
        RoutingStore(dynamodb, settings.routing_table),
        DirectoryStore(dynamodb, settings.directory_table),
        LimitStore(dynamodb, settings.limits_table),
    )


@once
def tally(table: str) -> Tally:
    """Build the tally, one for the whole environment, whatever its function does."""
    return Tally(StatisticsStore(client_of("dynamodb"), table))


@once
def service_keys(secret: str) -> ServiceKeys:
    """Read the service keys once for the whole environment, even if two of its calls seal."""
    return ServiceKeys.of(secret_of(secret))
