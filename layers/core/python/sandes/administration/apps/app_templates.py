"""Templates of apps. One person drafts a text, which becomes a version when another one approves it (approvals.py)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sandes.administration.approvals import ApprovedOperation, Decision, Write
from sandes.administration.apps import app_registry
from sandes.administration.apps.app_administration import at_place, place_of
from sandes.administration.apps.app_registry import RegistryDependencies
from sandes.administration.authority import Permission
from sandes.cursors import cursor, position
from sandes.model.administrator import Caller, Place
from sandes.model.ids import AppId, app_text
from sandes.model.template import Template
from sandes.protocol.admin_apps_api import AdminTemplate, AdminTemplatePage, TemplateDraft
from sandes.protocol.errors import ErrorCode, ProtocolError

APPROVE = "template.approve"


@dataclass(frozen=True)
class ApprovingTemplate(ApprovedOperation[TemplateDraft]):
    """Makes a draft the next version. A nodal officer's draft needs another nodal officer."""

    registry: RegistryDependencies
    permission = Permission.TEMPLATES
    asks = "draft"
    model = TemplateDraft

    def place(self, parameters: TemplateDraft) -> Place:
        return place_of(parameters.app, self.registry)

    def check(self, parameters: TemplateDraft, by: Caller, *, now_seconds: int) -> None:  # noqa: ARG002  # whoever asks
        """Check the text. Raises ProtocolError invalid_request with the field at fault."""
        app_registry.check_text(parameters.app, parameters, self.registry)

    def carry_out(self, parameters: TemplateDraft, decision: Decision, write: Write) -> None:
        writing = self.registry.writing(lambda done: write(done, subject=app_text(parameters.app)))
        app_registry.put_template(parameters.app, parameters, now_seconds=decision.now.seconds, deps=writing)

    def recorded(self, parameters: TemplateDraft) -> dict[str, Any]:
        """Return the parameters with the SHA-256 of each text. The template holds the texts, which are too long for an
        entry.
        """
        told = parameters.model_dump(mode="json", exclude_none=True)
        texts = {language: hashlib.sha256(text.encode()).hexdigest() for language, text in parameters.texts.items()}
        return told | {"texts": texts}


def page(caller: Caller, app: AppId, *, after: str | None, limit: int, deps: RegistryDependencies) -> AdminTemplatePage:
    """Return the newest version of each template, by name. Raises ProtocolError not_found, invalid_cursor."""
    at_place(caller, app, "read", deps, permission=Permission.TEMPLATES)
    of = f"templates {app_text(app)}"
    start = position(after, owner=caller.id, of=of, pepper=deps.pepper) if after else None
    found, last = deps.apps.templates_page(app, after=start, limit=limit)
    return _page(found, cursor(last, owner=caller.id, of=of, pepper=deps.pepper) if last else None)


def versions(
    caller: Caller, app: AppId, name: str, *, after: str | None, limit: int, deps: RegistryDependencies
) -> AdminTemplatePage:
    """Return the versions of one template, the newest first. Raises ProtocolError not_found, invalid_cursor."""
    at_place(caller, app, "read", deps, permission=Permission.TEMPLATES)
    of = f"versions {app_text(app)} {name}"
    start = position(after, owner=caller.id, of=of, pepper=deps.pepper) if after else None
    found, last = deps.apps.template_versions(app, name, after=start, limit=limit)
    if not found and start is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return _page(found, cursor(last, owner=caller.id, of=of, pepper=deps.pepper) if last else None)


def _page(found: list[Template], further: str | None) -> AdminTemplatePage:
    return AdminTemplatePage(templates=[_shown(one) for one in found], cursor=further)


def _shown(template: Template) -> AdminTemplate:
    return AdminTemplate(
        app=template.app,
        name=template.name,
        version=template.version,
        kind=template.kind,
        texts=cast("Any", dict(template.texts)),
        variables=sorted(template.variables),
        dlt_entity=template.dlt.entity_id if template.dlt else None,
        dlt_templates=cast("Any", dict(template.dlt.template_ids)) if template.dlt else None,
        may_be_empty=sorted(template.may_be_empty) or None,
        approved_at=datetime.fromtimestamp(template.approved_at, UTC),
    )
