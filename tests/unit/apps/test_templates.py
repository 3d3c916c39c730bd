"""Tests templates: they consist of text and names, and the sent text is the approved text with its variables."""

from __future__ import annotations

from dataclasses import replace
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
    check_variables(template(en="{{ code }} {{ a }} {{ b }}"), {"a": "y", "b": "x"})
    assert faults({"a": "1"}) == [fault("/variables/b", "missing")]
    assert faults({"a": "1", "b": "2", "c": "3"}) == [fault("/variables/c", "unknown")]
    assert [found["pointer"] for found in faults({"z": "1"})] == ["/variables/a", "/variables/b", "/variables/z"]


def test_an_app_cannot_give_the_code_itself() -> None:
    assert faults({"a": "1", "b": "2", "code": "000000"}) == [fault("/variables/code", "unknown")]


def test_the_names_of_a_text_are_told() -> None:
    assert names_in("{{ a }} {{b}} {{\tc_1   }} {{ a }} { { d } } {e} 100% #1 }{ ${f} [g] <h> %s") == {"a", "b", "c_1"}
    assert names_in("plain") == frozenset()


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
        *(
            "a }}",
            "}}",
            "{{ a }} }}",
            "{{ {{ a }} }}",
            "{{{ a }}}",
            "{{{ a }}",
            "{{ a }}}",
            "{ a }}",
            "{{ a\n}}",
            "{{\na }}",
        ),
        *("{{- a }}", "{{ a -}}", "{{- a -}}", "{{+ a }}", "{{a-b}}", "{{ a\u00a0}}", "{{\u200ba }}", "{{ \u0430 }}"),
        *(
            "{# a #}",
            "{#var#}",
            "{#",
            "#}",
            "{##}",
            "Dear {#name#}, {{ a }}",
            "{#\n#}",
            "{{#if a}}",
            "{{/if}}",
            "{{> a}}",
        ),
        *(
            "{% raw %}{{ a }}{% endraw %}",
            "{%- raw -%}",
            "{%",
            "%}",
            "{{ a }}{%",
            "{{ '{{' }}",
            '{{ "a" }}',
            "{{{{ a }}}}",
        ),
        *(
            "\uff5b\uff5b a \uff5d\uff5d",
            "{\uff05 if a \uff05}",
            "{\u2060% if a %\u2060}",
            "{\u200b{ a }\u200b}",
            "}\u200d}",
        ),
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


@pytest.mark.parametrize(
    "text",
    [
        "Dear {#var#}, hello",
        "{{ code }} is the OTP for {#alphanumeric#} login.",
        "{#",
        "#}",
        "Dear { #var# }",
        "{ # var # }",
        "{\u200b#var#\u200b}",
        "{\u17b5#var#\u17b4}",
        "<#var#>",
        "\u2039\uff03var\uff03\u203a",
        "{\uff03var\uff03}",
        "\uff5b#var#\uff5d",
        "\ufe5b\ufe5fvar\ufe5f\ufe5c",
        "{\u2066#var#\u2069}",
    ],
)
def test_a_placeholder_of_the_operators_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1: \{#var#\} is how operators \(DLT\) write a variable"):
        names_in(text)


def test_the_line_of_what_is_no_text_is_told() -> None:
    with pytest.raises(ValueError, match="line 4: only text"):
        names_in("a\n{{ b }}\nc\n d {% e %}")


TEXTS = (
    "",
    "a",
    "{",
    "}",
    " { ",
    "}{",
    "\n",
    "%",
    "#",
    "100% {a} #1",
    "\u0928\u092e\u0938\u094d\u0924\u0947 ",
    "\U0001f642",
    "\\1 \\g<0> $1",
)


@pytest.mark.parametrize("before", TEXTS)
@pytest.mark.parametrize("behind", TEXTS)
def test_nothing_of_an_approved_text_is_missing_from_what_is_sent(before: str, behind: str) -> None:
    """Every accepted text is sent completely, around a value and without one."""
    text = f"{before}{{{{ x }}}}{behind}"
    try:
        made = template(en=text)
    except ValueError:
        assert before.endswith("{") or behind.startswith("}")
    else:
        assert render(made, {"x": "VALUE"}, language="en") == f"{before}VALUE{behind}"
    assert render(template(en=f"{before} {behind}"), {}, language="en") == f"{before} {behind}"


def test_a_version_that_was_approved_before_and_is_no_template_any_more_is_not_sent() -> None:
    made = Template(AppId(bytes(8)), "t", 1, "message", {"en": "Dear {#name#}, hello"}, frozenset(), None, 0)
    with pytest.raises(ProtocolError) as caught:
        render(made, {}, language="en")
    assert caught.value.code is ErrorCode.UNKNOWN_TEMPLATE
    assert caught.value.details["errors"][0]["code"] == "not_a_template"


@pytest.mark.parametrize(
    "value", ["", " ", "\n\t", "\u00a0", "\u200b", "\u200d\u2060", "\u3000", "\u2800", "\u3164", "\u00ad", "\ufeff"]
)
def test_a_value_that_shows_nothing_is_refused_unless_the_template_allows_it(value: str) -> None:
    made = template(en="{{ a }}")
    with pytest.raises(ProtocolError) as caught:
        check_variables(made, {"a": value})
    assert caught.value.code is ErrorCode.TEMPLATE_VARIABLES
    assert caught.value.details["errors"] == [fault("/variables/a", "empty")]
    check_variables(replace(made, may_be_empty=frozenset({"a"})), {"a": value})


@pytest.mark.parametrize("value", ["0", "-", ".", " x ", "\u0905", "\U0001f642"])
def test_a_value_that_shows_something_is_not_empty(value: str) -> None:
    check_variables(template(en="{{ a }}"), {"a": value})


@pytest.mark.parametrize(
    ("text", "parts", "encoding"),
    [
        ("]" * 80, 1, "GSM-7"),
        ("]" * 81, 2, "GSM-7"),
        ("]" * 152, 2, "GSM-7"),
        ("]" * 153, 3, "GSM-7"),  # 306 units, which two parts of 153 would hold if an escape were split
        ("a" * 152 + "]" + "a" * 151, 2, "GSM-7"),
        ("a" * 152 + "]" + "a" * 152, 3, "GSM-7"),
        ("\U0001f642" * 35, 1, "UCS-2"),
        ("\U0001f642" * 66, 2, "UCS-2"),
        ("\U0001f642" * 67, 3, "UCS-2"),
        ("\u0905" * 66 + "\U0001f642" + "\u0905" * 65, 2, "UCS-2"),
        ("\u0905" * 66 + "\U0001f642" + "\u0905" * 66, 3, "UCS-2"),
    ],
)
def test_a_character_of_two_units_is_not_split_between_two_sms(text: str, parts: int, encoding: str) -> None:
    assert sms_segments(text) == (parts, encoding)
