"""What the admin API's calls about people need, built once per environment (edge/wiring.py)."""

from __future__ import annotations

from functools import cache

from sandes.administration.people.people import PeopleDependencies
from sandes.administration.people.suspension import SuspensionDependencies
from sandes.administration.people.verifications import VerificationDependencies
from sandes.crypto.attestation import AttestationKey
from sandes.crypto.pepper import Pepper
from sandes.edge.pusher import GatewayPusher
from sandes.edge.queue import SqsQueue
from sandes.edge.settings import AdminPeopleSettings
from sandes.edge.wiring import _client, _recorder, _secret
from sandes.store.directory import DirectoryStore
from sandes.store.limits import LimitStore
from sandes.store.routing import RoutingStore
from sandes.store.suspensions import SuspensionStore
from sandes.store.verification_requests import VerificationRequestStore
from sandes.store.verifications import VerificationStore


@cache
def wire_people() -> PeopleDependencies:
    settings = AdminPeopleSettings.load()
    dynamodb, table = _client("dynamodb"), settings.directory_table
    return PeopleDependencies(
        verifications=VerificationDependencies(
            store=VerificationStore(dynamodb, table, RoutingStore(dynamodb, settings.routing_table)),
            directory=DirectoryStore(dynamodb, table),
            pepper=Pepper.of(_secret(settings.pepper_secret)),
            key=AttestationKey.of(_secret(settings.attestation_secret)),
        ),
        requests=VerificationRequestStore(dynamodb, table),
        recorder=_recorder(),
        limits=LimitStore(dynamodb, settings.limits_table),
    )


@cache
def wire_suspension() -> SuspensionDependencies:
    settings = AdminPeopleSettings.load()
    return SuspensionDependencies(
        people=wire_people(),
        suspensions=SuspensionStore(_client("dynamodb"), settings.directory_table, settings.routing_table),
        pusher=GatewayPusher(_client("apigatewaymanagementapi")),
        group_work=SqsQueue(_client("sqs"), settings.group_queue),
    )
