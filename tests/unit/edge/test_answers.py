"""Tests the answers of every API's routes: fields without a value are absent, as the specifications say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from functions.admin.handler import app as admin
from functions.admin_apps.handler import app as admin_apps
from functions.admin_people.handler import app as admin_people
from functions.app_groups.handler import app as app_groups
from functions.apps.handler import app as apps
from functions.client.handler import app as client
from functions.otp.handler import app as otp
from sandes.model.ids import GroupId
from sandes.protocol.client_api import GroupEntry, GroupPage
from sandes.protocol.fields import Answer
from tools.specs.routes import routes_of

APPS = (client, otp, apps, app_groups, admin, admin_people, admin_apps)


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield every model that a type consists of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for part in get_args(annotation):
        yield from models(part)


ROUTES = [
    pytest.param(route.dependant.return_param.field_info.annotation, id=f"{route.method} {route.path}")
    for app in APPS
    for route in routes_of(app)
    if route.dependant.return_param is not None
]


def test_there_are_routes_with_answers() -> None:
    assert len(ROUTES) > 80


@pytest.mark.parametrize("annotation", ROUTES)
def test_an_answer_is_made_of_what_leaves_out_fields_without_a_value(annotation: Any) -> None:
    assert [model.__name__ for model in models(annotation) if not issubclass(model, Answer)] == []


def test_a_field_without_a_value_is_left_out_however_deep_it_lies() -> None:
    page = GroupPage(groups=[GroupEntry(group=GroupId(bytes(8)), name="Flood relief")])
    assert page.model_dump(mode="json") == {"groups": [{"group": "a" * 13, "name": "Flood relief"}]}
