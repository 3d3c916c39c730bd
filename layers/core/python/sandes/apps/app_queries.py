"""Answers an app's questions about its approved templates, their rendered texts, and its quotas."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from sandes.apps.messages import AppsDependencies
from sandes.apps.quotas import Window
from sandes.apps.templates import CODE, check_variables, render, sms_segments
from sandes.cursors import cursor, position
from sandes.identity.apps import AppRequest, identify
from sandes.model.instant import Instant
from sandes.model.template import LANGUAGES, Template
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.app_view import Wanted

_TEMPLATES = "templates"


def templates(
    request: AppRequest, *, after: str | None, limit: int, now: Instant, deps: AppsDependencies
) -> app_api.TemplateList:
    """Return a page of the newest versions, by name, with one query.

    Raises ProtocolError invalid_cursor, and the errors of `identify`.
    """
    caller = identify(request, Wanted(), scope=None, audience=deps.audience, now=now, view=deps.view)
    app = caller.app.id
    start = position(after, owner=app, of=_TEMPLATES, pepper=deps.pepper) if after is not None else None
    found, last = deps.view.apps.templates_page(app, after=start, limit=limit)
    return app_api.TemplateList(
        templates=[_template(one) for one in found],
        cursor=cursor(last, owner=app, of=_TEMPLATES, pepper=deps.pepper) if last else None,
    )


def preview(
    request: AppRequest, name: str, body: app_api.PreviewTemplate, *, now: Instant, deps: AppsDependencies
) -> app_api.Preview:
    """Render a template. The code of an OTP template is shown as eights.

    Raises ProtocolError not_found, template_variables, and the errors of `identify`.
    """
    wanted = Wanted(template=(name, body.version))
    caller = identify(request, wanted, scope=None, audience=deps.audience, now=now, view=deps.view)
    template = caller.facts.template
    if template is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    check_variables(template, body.variables)
    code = "888888" if template.kind == "otp" else None
    text = render(template, body.variables, language=body.language, code=code)
    segments, encoding = sms_segments(text)
    return app_api.Preview(
        text=text,
        language=cast("Any", template.language(body.language)),
        characters=len(text),
        sms_segments=segments,
        sms_encoding=cast("Any", encoding),
    )


def usage(request: AppRequest, *, now: Instant, deps: AppsDependencies) -> app_api.Usage:
    """Return the part of the quotas that functions have taken, for the caller's kind of keys.

    Each function takes a share at a time, so the result may be more than the app has sent. Raises ProtocolError like
    `identify`.
    """
    caller = identify(request, Wanted(), scope=None, audience=deps.audience, now=now, view=deps.view)
    minute, day = deps.quotas.usage(caller.app, test=caller.key.test, now_seconds=now.seconds)
    return app_api.Usage(mode=caller.app.mode, test=caller.key.test, per_minute=_quota(minute), per_day=_quota(day))


def _template(template: Template) -> app_api.Template:
    return app_api.Template(
        id=template.name,
        version=template.version,
        kind=template.kind,
        languages=[language for language in LANGUAGES if language in template.texts],
        variables=sorted(template.variables - {CODE}),
        may_be_empty=sorted(template.may_be_empty),
        sms=template.dlt is not None,
        approved_at=datetime.fromtimestamp(template.approved_at, UTC),
    )


def _quota(window: Window) -> app_api.Quota:
    return app_api.Quota(
        limit=window.limit,
        used=window.used,
        left=window.left,
        resets_at=datetime.fromtimestamp(window.resets_at, UTC),
    )
