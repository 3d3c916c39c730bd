"""Dependencies of the admin API's calls about apps, templates and groups."""

from __future__ import annotations

from sandes.administration.approvals import ApprovalDependencies
from sandes.administration.apps.app_administration import AppAdministrationDependencies
from sandes.administration.apps.app_operations import app_operations
from sandes.administration.apps.app_registry import RegistryDependencies
from sandes.administration.apps.app_webhooks import AppWebhookDependencies
from sandes.administration.groups.group_administration import GroupAdministrationDependencies
from sandes.administration.groups.official_groups import OfficialGroupDependencies
from sandes.apps.webhook_address import AddressRule, networks_of
from sandes.apps.webhook_register import WebhookRegister
from sandes.crypto.pepper import Pepper
from sandes.crypto.webhook_keys import WebhookKeys
from sandes.edge.clients import client_of, secret_of
from sandes.edge.queue import SqsQueue
from sandes.edge.settings import AdminAppsSettings
from sandes.edge.webhook_http import SystemResolver
from sandes.edge.wiring.administration import recorder, wire_administrators
from sandes.runtime import once
from sandes.store.approvals import ApprovalStore
from sandes.store.apps import AppStore
from sandes.store.directory import DirectoryStore
from sandes.store.group_changes import GroupChangeStore
from sandes.store.groups import GroupStore
from sandes.store.organisations import OrganisationStore


@once
def wire_app_administration() -> AppAdministrationDependencies:
    settings = AdminAppsSettings.load()
    dynamodb, table = client_of("dynamodb"), settings.directory_table
    registry = RegistryDependencies(
        AppStore(dynamodb, table), OrganisationStore(dynamodb, table), Pepper.of(secret_of(settings.pepper_secret))
    )
    return AppAdministrationDependencies(registry=registry, administrators=wire_administrators(), recorder=recorder())


@once
def wire_app_approvals() -> ApprovalDependencies:
    """Build the dependencies of requests only. Decisions call another function, which knows all operations."""
    apps = wire_app_administration()
    return ApprovalDependencies(
        store=ApprovalStore(apps.registry.apps.client, apps.registry.apps.table),
        administrators=wire_administrators(),
        organisations=apps.registry.organisations,
        recorder=apps.recorder,
        pepper=apps.registry.pepper,
        operations=app_operations(apps.registry),
    )


@once
def wire_app_webhooks() -> AppWebhookDependencies:
    settings, apps = AdminAppsSettings.load(), wire_app_administration()
    register = WebhookRegister(
        apps.registry.apps,
        WebhookKeys.of(secret_of(settings.webhook_secret)),
        AddressRule(SystemResolver(), networks_of(settings.webhook_networks)),
    )
    return AppWebhookDependencies(
        registry=apps.registry, register=register, administrators=apps.administrators, recorder=apps.recorder
    )


@once
def wire_group_administration() -> GroupAdministrationDependencies:
    settings, apps = AdminAppsSettings.load(), wire_app_administration()
    dynamodb, table = client_of("dynamodb"), settings.directory_table
    groups = OfficialGroupDependencies(
        groups=GroupStore(dynamodb, table),
        changes=GroupChangeStore(dynamodb, table),
        organisations=apps.registry.organisations,
        directory=DirectoryStore(dynamodb, table),
        work=SqsQueue(client_of("sqs"), settings.group_queue),
    )
    return GroupAdministrationDependencies(
        groups=groups,
        apps=apps.registry.apps,
        administrators=apps.administrators,
        recorder=apps.recorder,
        pepper=apps.registry.pepper,
    )
