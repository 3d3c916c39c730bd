"""Dependencies of the `$connect` authorizer."""

from __future__ import annotations

from sandes.edge.authorizer import AuthorizerDependencies
from sandes.edge.clients import client_of
from sandes.edge.settings import ConnectSettings
from sandes.runtime import once
from sandes.store.directory import DirectoryStore
from sandes.store.routing import RoutingStore


@once
def wire_connect() -> AuthorizerDependencies:
    settings = ConnectSettings.load()
    dynamodb = client_of("dynamodb")
    return AuthorizerDependencies(
        DirectoryStore(dynamodb, settings.directory_table),
        RoutingStore(dynamodb, settings.routing_table),
        settings.token_audience,
    )
