"""Builds the view of the rows that every call of an app reads first."""

from __future__ import annotations

from sandes.edge.clients import client_of
from sandes.edge.settings import AppGroupsSettings, AppSettings, OtpSmsSettings
from sandes.store.app_view import AppView
from sandes.store.apps import AppStore
from sandes.store.deliveries import DeliveryStore
from sandes.store.otps import OtpStore
from sandes.store.routing import RoutingStore


def app_view(settings: AppSettings | AppGroupsSettings | OtpSmsSettings) -> AppView:
    dynamodb = client_of("dynamodb")
    return AppView(
        AppStore(dynamodb, settings.directory_table),
        OtpStore(dynamodb, settings.codes_table),
        DeliveryStore(dynamodb, settings.deliveries_table),
        RoutingStore(dynamodb, settings.routing_table),
    )
