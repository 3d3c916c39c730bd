"""Dependencies of statistics and of the gauge of queues."""

from __future__ import annotations

import json

from sandes.counting.adding_up import AddingDependencies, Owners
from sandes.counting.queue_depths import DepthDependencies
from sandes.edge.clients import client_of
from sandes.edge.queue import SqsGauge
from sandes.edge.settings import AddingUpSettings, QueueDepthSettings
from sandes.runtime import once
from sandes.store import schema
from sandes.store.apps import AppStore
from sandes.store.statistics import StatisticsStore


@once
def wire_adding_up() -> AddingDependencies:
    settings = AddingUpSettings.load()
    dynamodb = client_of("dynamodb")
    return AddingDependencies(
        tables={
            settings.directory_table: schema.DIRECTORY.name,
            settings.codes_table: schema.CODES.name,
            settings.deliveries_table: schema.DELIVERIES.name,
            settings.statistics_table: schema.STATISTICS.name,
        },
        store=StatisticsStore(dynamodb, settings.statistics_table),
        owners=Owners(AppStore(dynamodb, settings.directory_table)),
    )


@once
def wire_queue_depths() -> DepthDependencies:
    settings = QueueDepthSettings.load()
    queues = {name: (queue, dead) for name, (queue, dead) in json.loads(settings.queues).items()}
    return DepthDependencies(
        SqsGauge(client_of("sqs")), queues, StatisticsStore(client_of("dynamodb"), settings.statistics_table)
    )
