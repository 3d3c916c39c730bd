"""Routes of the admin API about governance apps, their keys, webhooks and templates."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse

from sandes.administration import approvals
from sandes.administration.apps import app_administration, app_templates, app_terms, app_webhooks
from sandes.administration.apps.app_templates import APPROVE
from sandes.administration.apps.app_terms import QUOTA, Quota
from sandes.administration.authority import Permission
from sandes.edge.admin.caller import call
from sandes.edge.admin.params import (
    DEFAULT_LIMIT,
    VERSIONED,
    AppPath,
    CursorQuery,
    IfMatch,
    LimitQuery,
    OrganisationQuery,
    UnitQuery,
    place_asked,
)
from sandes.edge.admin.roles_http import shown_approval
from sandes.edge.admin.routes import ASKING, described
from sandes.edge.http import accepted, created, no_content, tagged, version_needed
from sandes.edge.paths import app_in_path
from sandes.edge.wiring.administered_apps import wire_app_administration, wire_app_approvals, wire_app_webhooks
from sandes.protocol.admin_apps_api import (
    AdminApp,
    AdminAppKey,
    AdminAppPage,
    AdminTemplatePage,
    AskQuota,
    BackToTrial,
    ChangeApp,
    NewApp,
    NewAppKey,
    PutGuests,
    TemplateDraft,
)
from sandes.protocol.admin_roles_api import AdminApproval
from sandes.protocol.app_api import ChangeWebhook, NewWebhook, Webhook, WebhookList
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out

CHANGED_OR_ASKED: dict[int, OpenAPIResponse] = {
    HTTPStatus.OK: {"description": "Done", "content": {"application/json": {"model": AdminApp}}},
    HTTPStatus.ACCEPTED: {
        "description": "A second person must approve it",
        "content": {"application/json": {"model": AdminApproval}},
    },
}


# Apps


@router.post(
    "/admin/v1/apps",
    status_code=HTTPStatus.CREATED,
    **described(
        "Register an app; it starts on trial",
        permission=Permission.APPS,
        need="act",
        refuses=(ErrorCode.INVALID_PHONE, ErrorCode.FRESH_SIGN_IN_REQUIRED),
    ),
)
def create_app(body: NewApp) -> Response[AdminApp]:
    caller, now = call(router)
    made = app_administration.register(caller, body, now=now, deps=wire_app_administration())
    return tagged(made, made.version, HTTPStatus.CREATED)


@router.get(
    "/admin/v1/apps",
    **described(
        "List the apps of an organisation, or of a unit and all units below it",
        permission=Permission.APPS,
        need="read",
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def list_apps(
    *,
    organisation: OrganisationQuery = None,
    unit: UnitQuery = None,
    cursor: CursorQuery = None,
    limit: LimitQuery = DEFAULT_LIMIT,
) -> AdminAppPage:
    caller, _ = call(router)
    place, deps = place_asked(caller, organisation, unit), wire_app_administration().registry
    return app_administration.page(caller, place, after=cursor, limit=limit, deps=deps)


@router.get("/admin/v1/apps/<id>", **described("Get an app with its keys", permission=Permission.APPS, need="read"))
def get_app(id: AppPath) -> Response[AdminApp]:
    caller, _ = call(router)
    found = app_administration.read(caller, app_in_path(id), deps=wire_app_administration().registry)
    return tagged(found, found.version)


@router.patch(
    "/admin/v1/apps/<id>",
    responses=CHANGED_OR_ASKED,
    **described(
        "Change an app's name, scopes, SMS or unit; for a live app, request another name, more scopes or SMS",
        permission=Permission.APPS,
        need="act",
        refuses=(*VERSIONED, ErrorCode.APP_MODE, *ASKING),
    ),
)
def change_app(id: AppPath, body: ChangeApp, if_match: IfMatch = None) -> Response[AdminApp | AdminApproval]:
    caller, now = call(router)
    version, deps = version_needed(if_match), wire_app_administration()
    changed = app_terms.change(
        caller, app_in_path(id), body, version=version, now=now, deps=deps, asking=wire_app_approvals()
    )
    if isinstance(changed, AdminApp):
        return tagged(changed, changed.version)
    return accepted(shown_approval(changed, now))


@router.put(
    "/admin/v1/apps/<id>/guests",
    **described(
        "Replace the guests of an app, to whom it may send on trial or with a test key",
        permission=Permission.APPS,
        need="act",
        refuses=(*VERSIONED, ErrorCode.INVALID_PHONE),
    ),
)
def put_guests(id: AppPath, body: PutGuests, if_match: IfMatch = None) -> Response[AdminApp]:
    caller, now = call(router)
    version, deps = version_needed(if_match), wire_app_administration()
    changed = app_administration.set_guests(caller, app_in_path(id), body, version=version, now=now, deps=deps)
    return tagged(changed, changed.version)


# Keys


KeyPath = Annotated[
    str, Path(pattern=r"^([a-z2-7]{12}[acegikmoqsuwy246]\.)?[a-z2-7]{8}$", description="with or without the app's id")
]


@router.post(
    "/admin/v1/apps/<id>/keys",
    status_code=HTTPStatus.CREATED,
    **described(
        "Add a key; if the server makes it, the answer has its private half, only this once",
        permission=Permission.APPS,
        need="act",
        refuses=(ErrorCode.FRESH_SIGN_IN_REQUIRED, ErrorCode.TOO_MANY_KEYS),
    ),
)
def add_key(id: AppPath, body: NewAppKey) -> Response[AdminAppKey]:
    caller, now = call(router)
    deps = wire_app_administration()
    return created(app_administration.add_key(caller, app_in_path(id), body, now=now, deps=deps))


@router.delete(
    "/admin/v1/apps/<id>/keys/<key>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Revoke a key immediately", permission=Permission.APPS, need="act"),
)
def revoke_key(id: AppPath, key: KeyPath) -> Response[str]:
    caller, now = call(router)
    app_administration.revoke_key(caller, app_in_path(id), key, now=now, deps=wire_app_administration())
    return no_content()


# Trial, live, quotas


@router.post(
    "/admin/v1/apps/<id>/go-live",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Request that an app goes live",
        permission=Permission.TERMS,
        need="second",
        refuses=(ErrorCode.APP_MODE, *ASKING),
    ),
)
def go_live(id: AppPath) -> AdminApproval:
    caller, now = call(router)
    deps, asking = wire_app_administration().registry, wire_app_approvals()
    asked = app_terms.ask_to_go_live(caller, app_in_path(id), now=now, deps=deps, asking=asking)
    return shown_approval(asked, now)


@router.post(
    "/admin/v1/apps/<id>/quota",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Request other quotas for a live app",
        permission=Permission.TERMS,
        need="second",
        refuses=(ErrorCode.APP_MODE, *ASKING),
    ),
)
def set_quota(id: AppPath, body: AskQuota) -> AdminApproval:
    caller, now = call(router)
    wanted = Quota(app=app_in_path(id), per_minute=body.per_minute, per_day=body.per_day)
    return shown_approval(approvals.request(caller, QUOTA, wanted, now=now, deps=wire_app_approvals()), now)


@router.post(
    "/admin/v1/apps/<id>/trial",
    **described(
        "Put a live app back on trial immediately",
        permission=Permission.TERMS,
        need="second",
        refuses=(ErrorCode.APP_MODE,),
    ),
)
def back_to_trial(id: AppPath, body: BackToTrial) -> Response[AdminApp]:
    caller, now = call(router)
    deps = wire_app_administration()
    changed = app_administration.back_to_trial(caller, app_in_path(id), body, now=now, deps=deps)
    return tagged(changed, changed.version)


# Webhooks


HookPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]


@router.get(
    "/admin/v1/apps/<id>/webhooks",
    **described("List an app's webhooks, without their secrets", permission=Permission.APPS, need="read"),
)
def list_webhooks(id: AppPath) -> WebhookList:
    caller, _ = call(router)
    return app_webhooks.all_of(caller, app_in_path(id), deps=wire_app_webhooks())


@router.post(
    "/admin/v1/apps/<id>/webhooks",
    status_code=HTTPStatus.CREATED,
    **described(
        "Register a webhook; the answer has its secret, only this once",
        permission=Permission.APPS,
        need="act",
        refuses=(ErrorCode.FRESH_SIGN_IN_REQUIRED, ErrorCode.WEBHOOK_ADDRESS, ErrorCode.TOO_MANY_WEBHOOKS),
    ),
)
def create_webhook(id: AppPath, body: NewWebhook) -> Response[Webhook]:
    caller, now = call(router)
    return created(app_webhooks.create(caller, app_in_path(id), body, now=now, deps=wire_app_webhooks()))


@router.patch(
    "/admin/v1/apps/<id>/webhooks/<hook>",
    **described(
        "Change, pause or resume a webhook",
        permission=Permission.APPS,
        need="act",
        refuses=(ErrorCode.FRESH_SIGN_IN_REQUIRED, ErrorCode.WEBHOOK_ADDRESS),
    ),
)
def change_webhook(id: AppPath, hook: HookPath, body: ChangeWebhook) -> Webhook:
    caller, now = call(router)
    return app_webhooks.change(caller, app_in_path(id), hook, body, now=now, deps=wire_app_webhooks())


@router.delete(
    "/admin/v1/apps/<id>/webhooks/<hook>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Remove a webhook", permission=Permission.APPS, need="act"),
)
def remove_webhook(id: AppPath, hook: HookPath) -> Response[str]:
    caller, now = call(router)
    app_webhooks.remove(caller, app_in_path(id), hook, now=now, deps=wire_app_webhooks())
    return no_content()


# Templates


TemplatePath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]


@router.post(
    "/admin/v1/templates",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Draft a text, which becomes the template's next version once it is approved",
        permission=Permission.TEMPLATES,
        need="draft",
        refuses=ASKING,
    ),
)
def draft_template(body: TemplateDraft) -> AdminApproval:
    caller, now = call(router)
    return shown_approval(approvals.request(caller, APPROVE, body, now=now, deps=wire_app_approvals()), now)


@router.get(
    "/admin/v1/templates",
    **described(
        "List the templates of an app, the newest version of each",
        permission=Permission.TEMPLATES,
        need="read",
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def list_templates(
    *,
    of_app: Annotated[str, Query(alias="app", pattern=r"^[a-z2-7]{12}[acegikmoqsuwy246]$")],
    cursor: CursorQuery = None,
    limit: LimitQuery = DEFAULT_LIMIT,
) -> AdminTemplatePage:
    caller, _ = call(router)
    deps = wire_app_administration().registry
    return app_templates.page(caller, app_in_path(of_app), after=cursor, limit=limit, deps=deps)


@router.get(
    "/admin/v1/templates/<id>/<name>",
    **described(
        "List the versions of a template, the newest first",
        permission=Permission.TEMPLATES,
        need="read",
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def get_template(
    id: AppPath, name: TemplatePath, *, cursor: CursorQuery = None, limit: LimitQuery = DEFAULT_LIMIT
) -> AdminTemplatePage:
    caller, _ = call(router)
    deps = wire_app_administration().registry
    return app_templates.versions(caller, app_in_path(id), name, after=cursor, limit=limit, deps=deps)
