"""Dependencies of app-managed groups."""

from __future__ import annotations

from sandes.apps.app_groups import AppGroupDependencies
from sandes.apps.quotas import Quotas
from sandes.crypto.pepper import Pepper
from sandes.edge.clients import client_of, objects_client, secret_of
from sandes.edge.objects import S3Objects
from sandes.edge.queue import SqsQueue
from sandes.edge.settings import AppGroupsSettings
from sandes.edge.wiring.app_view import app_view
from sandes.runtime import once
from sandes.store.app_groups import AppGroupStore
from sandes.store.directory import DirectoryStore
from sandes.store.group_changes import GroupChangeStore
from sandes.store.groups import GroupStore
from sandes.store.rosters import RosterStore


@once
def wire_app_groups() -> AppGroupDependencies:
    settings = AppGroupsSettings.load()
    dynamodb, view = client_of("dynamodb"), app_view(settings)
    return AppGroupDependencies(
        view=view,
        directory=DirectoryStore(dynamodb, settings.directory_table),
        ties=AppGroupStore(dynamodb, settings.directory_table),
        groups=GroupStore(dynamodb, settings.directory_table),
        changes=GroupChangeStore(dynamodb, settings.directory_table),
        rosters=RosterStore(dynamodb, settings.directory_table),
        objects=S3Objects(objects_client(), settings.uploads_bucket),
        work=SqsQueue(client_of("sqs"), settings.group_queue),
        roster_work=SqsQueue(client_of("sqs"), settings.roster_queue),
        quotas=Quotas(view.deliveries),
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        audience=settings.token_audience,
    )
