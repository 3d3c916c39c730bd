"""Tests the list of approved templates: each once, page by page, whatever the number of versions."""

from __future__ import annotations

from typing import Any

import pytest

from sandes.apps import app_queries
from sandes.apps.messages import AppsDependencies
from sandes.apps.quotas import Quotas
from sandes.messaging.push import Push
from sandes.model.instant import Instant
from sandes.protocol.app_api import TemplateList
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.app_keys import AppKeys
from tests.support.keys import SERVICE_KEYS
from tests.support.queue import FakeQueue
from tests.support.service import AUDIENCE, MAX_EXPIRY_SECONDS, NOW_MS, PEPPER, Service


class Counting:
    """Counts the queries of a DynamoDB client."""

    def __init__(self, client: Any) -> None:
        self._client, self.queries = client, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def query(self, **arguments: Any) -> Any:
        self.queries += 1
        return self._client.query(**arguments)


def page(service: Service, keys: AppKeys, after: str | None, limit: int, client: Any = None) -> TemplateList:
    view = service.app_view(client)
    deps = AppsDependencies(
        view=view,
        inbox=service.inbox,
        quotas=Quotas(view.deliveries),
        push=Push(service.routing, service.gateway),
        webhook_queue=FakeQueue(),
        pepper=PEPPER,
        sender_hash=service.sender_hash,
        service_keys=SERVICE_KEYS,
        audience=AUDIENCE,
        max_expiry_seconds=MAX_EXPIRY_SECONDS,
    )
    request = keys.request("GET", "/v1/templates", key=None, now_ms=NOW_MS)
    return app_queries.templates(request, after=after, limit=limit, now=Instant(NOW_MS), deps=deps)


@pytest.fixture
def keys(service: Service) -> AppKeys:
    keys = service.app()
    for name in ("notice", "camp", "camp", "camp", "alert"):
        service.operate("template.put", app=keys.app, name=name, kind="message", texts={"en": "Come"})
    return keys


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_every_template_comes_once_in_its_newest_version(service: Service, keys: AppKeys, limit: int) -> None:
    seen, cursor = [], None
    while True:
        client = Counting(service.client)
        found = page(service, keys, cursor, limit, client)
        assert client.queries == 1
        assert len(found.templates) <= limit
        seen += [(one.id, one.version) for one in found.templates]
        cursor = found.cursor
        if cursor is None:
            break
    assert seen == [("alert", 1), ("camp", 3), ("login", 1), ("notice", 1)]


def test_a_cursor_of_another_app_is_refused(service: Service, keys: AppKeys) -> None:
    cursor = page(service, keys, None, 1).cursor
    with pytest.raises(ProtocolError) as refused:
        page(service, service.app(), cursor, 1)
    assert refused.value.code is ErrorCode.INVALID_CURSOR
