"""Tests that a number in a path or query has only one spelling, in every route of every API."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from functions.admin.handler import app as admin
from functions.admin_apps.handler import app as admin_apps
from functions.admin_people.handler import app as admin_people
from functions.app_groups.handler import app as app_groups
from functions.apps.handler import app as apps
from functions.client.handler import app as client
from functions.otp.handler import app as otp
from sandes.protocol.faults import faults_of
from tools.specs.routes import routes_of

APPS = (client, otp, apps, app_groups, admin, admin_people, admin_apps)
NOT_NUMBERS = [
    *(
        "1.0",
        "01",
        "+1",
        " 1",
        "1 ",
        "1_0",
        "1e1",
        "0x1",
        "00",
        "-0",
        "-01",
        "",
        "-",
        "\u0661",
        "\u0967",
        "1\n",
        "1\u00a0",
        "1,1",
    ),
    *("1.", ".1", "1.00", "true", "null", "NaN"),
]
NOT_FLAGS = ["1", "0", "yes", "no", "on", "off", "t", "T", "True", "TRUE", " true", "", "false "]


def parameters(of: type) -> list[Any]:
    """Return the parameters of all routes that have this type, by route and name."""
    return [
        pytest.param(field, id=f"{route.method} {route.path} {field.alias}")
        for app in APPS
        for route in routes_of(app)
        for field in (*route.dependant.path_params, *route.dependant.query_params, *route.dependant.header_params)
        if of in (field.field_info.annotation, *get_args(field.field_info.annotation))
    ]


def refusal(field: Any, text: str) -> str | None:
    """Return the code with which a parameter refuses a text, or None if it is accepted."""
    adapter = TypeAdapter[Any](Annotated[field.field_info.annotation, "parameter", *field.field_info.metadata])
    try:
        adapter.validate_python(text)
    except ValidationError as error:
        return str(faults_of([{**error.errors()[0], "loc": ("path", field.alias)}])[0]["code"])
    return None


def test_there_are_numbers_and_flags_to_try() -> None:
    assert len(parameters(int)) > 15
    assert len(parameters(bool)) >= 1


@pytest.mark.parametrize("field", parameters(int))
def test_a_number_has_one_form(field: Any) -> None:
    assert [text for text in NOT_NUMBERS if refusal(field, text) != "int_parsing"] == []
    assert refusal(field, "1") is None
    assert refusal(field, "-1") == "greater_than_equal"
    assert refusal(field, "9" * 20) in ("less_than_equal", "int_parsing_size")


@pytest.mark.parametrize("field", parameters(bool))
def test_a_flag_is_true_or_false(field: Any) -> None:
    assert [text for text in NOT_FLAGS if refusal(field, text) != "bool_parsing"] == []
    assert [refusal(field, text) for text in ("true", "false")] == [None, None]
