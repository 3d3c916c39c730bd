"""Dependencies of the admin API's calls about people."""

from __future__ import annotations

from functools import partial

from sandes.administration.people.officials import PeopleDependencies
from sandes.administration.people.suspension import SuspensionDependencies
from sandes.administration.people.verifications import VerificationDependencies
from sandes.crypto.attestation import AttestationKeys
from sandes.crypto.pepper import Pepper
from sandes.edge.clients import client_of, secret_of
from sandes.edge.pusher import GatewayPusher
from sandes.edge.queue import SqsQueue
from sandes.edge.settings import AdminPeopleSettings
from sandes.edge.wiring.administration import recorder
from sandes.groups.group_events import devices_told
from sandes.runtime import once
from sandes.store.directory import DirectoryStore
from sandes.store.limits import LimitStore
from sandes.store.routing import RoutingStore
from sandes.store.suspensions import SuspensionStore
from sandes.store.verification_requests import VerificationRequestStore
from sandes.store.verifications import VerificationStore


@once
def wire_people() -> PeopleDependencies:
    settings = AdminPeopleSettings.load()
    dynamodb, table = client_of("dynamodb"), settings.directory_table
    return PeopleDependencies(
        verifications=VerificationDependencies(
            store=VerificationStore(dynamodb, table, RoutingStore(dynamodb, settings.routing_table)),
            directory=DirectoryStore(dynamodb, table),
            pepper=Pepper.of(secret_of(settings.pepper_secret)),
            keys=AttestationKeys.of(secret_of(settings.attestation_secret)),
        ),
        requests=VerificationRequestStore(dynamodb, table),
        recorder=recorder(),
        limits=LimitStore(dynamodb, settings.limits_table),
    )


@once
def wire_suspension() -> SuspensionDependencies:
    settings = AdminPeopleSettings.load()
    return SuspensionDependencies(
        people=wire_people(),
        suspensions=SuspensionStore(client_of("dynamodb"), settings.directory_table, settings.routing_table),
        pusher=GatewayPusher(client_of("apigatewaymanagementapi")),
        device_changes=partial(devices_told, queue=SqsQueue(client_of("sqs"), settings.group_queue)),
    )
