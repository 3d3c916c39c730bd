"""Creates organisations, officials, groups and apps on the local engine without administrators, for set-up.

It runs the deployed use cases in this process, with the engine's own credentials. No deployed code offers these ways
around administrators and approvals.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Self

from sandes.administration.apps.app_registry import RegistryDependencies
from sandes.administration.groups.official_groups import OfficialGroupDependencies
from sandes.administration.operators.first_administrators import FirstAdministratorDependencies
from sandes.administration.people.verifications import VerificationDependencies
from sandes.administration.recorder import Recorder
from sandes.crypto.attestation import AttestationKeys
from sandes.crypto.audit_chain import AuditKey
from sandes.crypto.pepper import Pepper
from sandes.edge.admin.cognito import CognitoPool
from sandes.edge.queue import SqsQueue
from sandes.store.administrators import AdministratorStore
from sandes.store.apps import AppStore
from sandes.store.audit import AuditStore
from sandes.store.directory import DirectoryStore
from sandes.store.group_changes import GroupChangeStore
from sandes.store.groups import GroupStore
from sandes.store.organisations import OrganisationStore
from sandes.store.routing import RoutingStore
from sandes.store.verifications import VerificationStore
from tools.backstage.operations import BackstageDependencies, operate
from tools.engine import Deployment, Engine, EngineError


@dataclass(frozen=True, slots=True)
class Backstage:
    deps: BackstageDependencies

    @classmethod
    def of(cls, engine: Engine, deployment: Deployment) -> Self:
        """Build the dependencies from the engine's deployment, with the queues of the deployed functions."""
        dynamodb, table = engine.client("dynamodb"), deployment.tables["directory"]
        pepper = Pepper.of(secret_of(engine, "Pepper"))
        organisations, directory = OrganisationStore(dynamodb, table), DirectoryStore(dynamodb, table)
        return cls(
            BackstageDependencies(
                registry=RegistryDependencies(AppStore(dynamodb, table), organisations, pepper),
                organisations=organisations,
                verifications=VerificationDependencies(
                    store=VerificationStore(dynamodb, table, RoutingStore(dynamodb, deployment.tables["routing"])),
                    directory=directory,
                    pepper=pepper,
                    keys=AttestationKeys.of(secret_of(engine, "AttestationSecret")),
                ),
                groups=OfficialGroupDependencies(
                    groups=GroupStore(dynamodb, table),
                    changes=GroupChangeStore(dynamodb, table),
                    organisations=organisations,
                    directory=directory,
                    work=SqsQueue(engine.client("sqs"), _queue(engine, "GROUP_QUEUE")),
                ),
                administrators=FirstAdministratorDependencies(
                    administrators=AdministratorStore(dynamodb, table),
                    organisations=organisations,
                    pool=CognitoPool(engine.client("cognito-idp"), deployment.admin_pool),
                    recorder=Recorder(
                        AuditStore(dynamodb, deployment.tables["audit"]),
                        AuditKey.of(secret_of(engine, "AuditSecret")),
                    ),
                ),
            )
        )

    def operate(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Carry out one operation now. Raise ProtocolError as its use case does."""
        return operate({"operation": operation} | parameters, now_seconds=int(time.time()), deps=self.deps)


def _queue(engine: Engine, variable: str) -> str:
    """Return the address of the queue in this environment variable of the functions."""
    for page in engine.client("lambda").get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            told = function.get("Environment", {}).get("Variables", {})
            if variable in told:
                return str(told[variable])
    raise EngineError(f"no function has the variable {variable}")


def secret_of(engine: Engine, name: str) -> bytes:
    """Read a secret of the deployed stack. `name` is as in infra/functions.py; the engine adds a prefix and suffix."""
    secrets = engine.client("secretsmanager")
    (found,) = [one["Name"] for one in secrets.list_secrets()["SecretList"] if name in one["Name"]]
    return str(secrets.get_secret_value(SecretId=found)["SecretString"]).encode()
