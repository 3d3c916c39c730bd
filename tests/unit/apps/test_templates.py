"""Templates: text with names in it and nothing else; what arrives is what was approved, filled in."""

from __future__ import annotations

from typing import Any

import pytest

from sandes.apps.templates import check_variables, names_in, render, sms_segments
from sandes.model.ids import AppId
from sandes.model.template import Template
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.faults import fault

HINDI = "सुरक्षा"


def template(**texts: str) -> Template:
    names = names_in(next(iter(texts.values())))
    return Template(AppId(bytes(8)), "t", 1, "message", texts, names - {"code"}, None, 0)


def test_variables_and_code_are_filled_in() -> None:
    made = template(en="{{ code }} for {{name}}, {{ name }}.\n")
    assert render(made, {"name": "Asha"}, language="en", code="012345") == "012345 for Asha, Asha.\n"


@pytest.mark.parametrize("value", ['<&">', "{{ code }}", "{% if x %}", "a\nb", "", " x ", HINDI, "$1 \\1 %s {0}"])
def test_a_value_arrives_as_it_was_given_and_is_no_template_itself(value: str) -> None:
    assert render(template(en="[{{ x }}]"), {"x": value}, language="en", code="012345") == f"[{value}]"


def test_the_text_itself_arrives_as_it_was_approved() -> None:
    assert render(template(en="<b>&\"'</b>  \n{{ x }}\n\n"), {"x": "1"}, language="en") == "<b>&\"'</b>  \n1\n\n"


@pytest.mark.parametrize(("wanted", "text"), [("en", "water"), ("hi", "पानी"), ("mr", "water")])
def test_a_language_without_a_text_falls_back_to_english(wanted: str, text: str) -> None:
    made = template(en="water", hi="पानी")
    assert render(made, {}, language=wanted) == text
    assert made.language(wanted) == ("hi" if wanted == "hi" else "en")


def test_the_cache_of_compiled_texts_does_not_mix_two_up() -> None:
    for _ in range(2):
        assert [render(template(en=f"{n} {{{{ x }}}}"), {"x": "y"}, language="en") for n in range(3)] == [
            "0 y",
            "1 y",
            "2 y",
        ]


def faults(given: dict[str, str]) -> list[dict[str, Any]]:
    with pytest.raises(ProtocolError) as caught:
        check_variables(template(en="{{ code }} {{ a }} {{ b }}"), given)
    assert caught.value.code is ErrorCode.TEMPLATE_VARIABLES
    return list(caught.value.details["errors"])


def test_each_missing_and_each_extra_variable_is_named() -> None:
    check_variables(template(en="{{ code }} {{ a }} {{ b }}"), {"a": "", "b": "x"})
    assert faults({"a": "1"}) == [fault("/variables/b", "missing")]
    assert faults({"a": "1", "b": "2", "c": "3"}) == [fault("/variables/c", "unknown")]
    assert [found["pointer"] for found in faults({"z": "1"})] == ["/variables/a", "/variables/b", "/variables/z"]


def test_an_app_cannot_give_the_code_itself() -> None:
    assert faults({"a": "1", "b": "2", "code": "000000"}) == [fault("/variables/code", "unknown")]


def test_the_names_of_a_text_are_told() -> None:
    assert names_in("{{ a }} {{b}} {{- c_1 -}} {{ a }} { { d } } {# e #}") == {"a", "b", "c_1"}
    assert names_in("plain") == frozenset()
    assert names_in("{% raw %}{{ a }}{% endraw %}") == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "{{ a.b }}",
        "{{ a['b'] }}",
        "{{ a() }}",
        "{{ a|upper }}",
        "{{ a|e }}",
        "{{ a + b }}",
        "{{ a ~ b }}",
        "{{ a, b }}",
        "{{ a if b else c }}",
        "{{ not a }}",
        "{{ 'text' }}",
        "{{ 1 }}",
        "{{ true }}",
        "{{ none }}",
        "{{ [a] }}",
        "{{ ''.__class__ }}",
        "{{ range(10) }}",
        "{% if a %}x{% endif %}",
        "{% for a in b %}x{% endfor %}",
        "{% set a = 1 %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% macro m() %}x{% endmacro %}",
        "{% block b %}x{% endblock %}",
        "{% filter upper %}x{% endfilter %}",
        "{{",
        "{{ }}",
        "{{ a }",
        "{{ a b }}",
        "{% %}",
        "{{ " + "(" * 900 + "a" + ")" * 900 + " }}",
        "{{ A }}",
        "{{ _a }}",
        "{{ größe }}",
        "{{ " + "a" * 33 + " }}",
    ],
)
def test_logic_and_names_that_no_request_can_give_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        names_in(text)


@pytest.mark.parametrize(
    ("text", "segments", "encoding"),
    [
        ("", 1, "GSM-7"),
        ("a" * 160, 1, "GSM-7"),
        ("a" * 161, 2, "GSM-7"),
        ("a" * 306, 2, "GSM-7"),
        ("a" * 307, 3, "GSM-7"),
        ("€" * 80, 1, "GSM-7"),
        ("€" * 80 + "a", 2, "GSM-7"),
        ("^{}\\[~]|€" + "a" * 142, 1, "GSM-7"),
        ("^{}\\[~]|€" + "a" * 143, 2, "GSM-7"),
        ("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ", 1, "GSM-7"),
        ("क" * 70, 1, "UCS-2"),
        ("क" * 71, 2, "UCS-2"),
        ("क" * 134, 2, "UCS-2"),
        ("क" * 135, 3, "UCS-2"),
        ("a" * 69 + "क", 1, "UCS-2"),
        ("a" * 70 + "क", 2, "UCS-2"),
        ("\U0001f600" * 35, 1, "UCS-2"),
        ("\U0001f600" * 36, 2, "UCS-2"),
        ("`", 1, "UCS-2"),
        ("ç", 1, "UCS-2"),
        ("\t", 1, "UCS-2"),
    ],
)
def test_segments_of_an_sms_are_counted_as_operators_do(text: str, segments: int, encoding: str) -> None:
    assert sms_segments(text) == (segments, encoding)
