"""Dependencies of imports of officials."""

from __future__ import annotations

from dataclasses import replace

from sandes import runtime
from sandes.administration.imports.imports import ImportDependencies
from sandes.crypto.attestation import AttestationKeys
from sandes.crypto.pepper import Pepper
from sandes.edge.clients import client_of, objects_client, secret_of
from sandes.edge.objects import S3Objects
from sandes.edge.queue import SqsQueue
from sandes.edge.settings import ImportCallSettings, ImportSettings, ImportWorkSettings
from sandes.edge.wiring.administration import recorder
from sandes.runtime import once
from sandes.store.administrators import AdministratorStore
from sandes.store.imports import ImportStore
from sandes.store.limits import LimitStore
from sandes.store.nominations import NominationStore
from sandes.store.organisations import OrganisationStore
from sandes.store.routing import RoutingStore
from sandes.store.verifications import VerificationStore


@once
def wire_imports() -> ImportDependencies:
    """Build the dependencies of calls about imports."""
    settings = ImportCallSettings.load()
    return replace(_imports(settings), limits=LimitStore(client_of("dynamodb"), settings.limits_table))


@once
def wire_import_work() -> ImportDependencies:
    """Build the dependencies of the function that processes imports, with the keys that sign attestations."""
    settings = ImportWorkSettings.load()
    return _imports(settings, AttestationKeys.of(secret_of(settings.attestation_secret)))


def _imports(settings: ImportSettings, keys: AttestationKeys | None = None) -> ImportDependencies:
    dynamodb, table = client_of("dynamodb"), settings.directory_table
    return ImportDependencies(
        store=ImportStore(dynamodb, table),
        nominations=NominationStore(dynamodb, table),
        verifications=VerificationStore(dynamodb, table, RoutingStore(dynamodb, settings.routing_table)),
        organisations=OrganisationStore(dynamodb, table),
        administrators=AdministratorStore(dynamodb, table),
        objects=S3Objects(objects_client(), settings.uploads_bucket),
        queue=SqsQueue(client_of("sqs"), settings.import_queue),
        recorder=recorder(),
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        clock=runtime.now,
        keys=keys,
    )
