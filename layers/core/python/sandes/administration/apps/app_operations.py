"""The changes of apps that need two people, by their names in approvals."""

from __future__ import annotations

from typing import Any

from sandes.administration.approvals import ApprovedOperation
from sandes.administration.apps.app_registry import RegistryDependencies
from sandes.administration.apps.app_templates import APPROVE, ApprovingTemplate
from sandes.administration.apps.app_terms import CHANGE, GO_LIVE, QUOTA, ChangingLive, GoingLive, SettingQuota


def app_operations(registry: RegistryDependencies) -> dict[str, ApprovedOperation[Any]]:
    return {
        GO_LIVE: GoingLive(registry),
        QUOTA: SettingQuota(registry),
        CHANGE: ChangingLive(registry),
        APPROVE: ApprovingTemplate(registry),
    }
