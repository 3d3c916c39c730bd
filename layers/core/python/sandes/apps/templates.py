"""Templates: rendering, what they ask for, and how long the result is as an SMS (docs/apps/README.md, "Templates").

Jinja2 does it, in its sandbox, without escaping (the text is no HTML) and with unknown names as errors. A template may
only name variables: no filters, calls, loops or conditions, so rendering cannot fail or take long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2 import Template as Compiled
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sandes.model.template import Template
from sandes.protocol.app_api import VARIABLE_NAME
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.faults import fault

CODE = "code"
"""The variable that stands for the code in templates of OTPs; apps do not give it."""

GSM_7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_TWO = set("^{}\\[~]|€")
"""GSM 03.38: the basic alphabet, and the characters that take the place of two."""

_NAME = re.compile(VARIABLE_NAME)

_environment = ImmutableSandboxedEnvironment(
    autoescape=False,  # plain text, not HTML
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


def names_in(text: str) -> frozenset[str]:
    """The variables a text names. Raises ValueError for anything but text and plain `{{ name }}`, or a name that no
    request can give.
    """
    try:
        tree = _environment.parse(text)
    except TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.message}") from None
    except RecursionError:
        raise ValueError("only text and {{ name }} may stand in a template") from None
    names = set()
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            raise ValueError("only text and {{ name }} may stand in a template")
        for part in output.nodes:
            if isinstance(part, nodes.Name):
                if not _NAME.fullmatch(part.name):
                    raise ValueError("names are lower-case letters, digits and _, a letter first, at most 32")
                names.add(part.name)
            elif not isinstance(part, nodes.TemplateData):
                raise ValueError("only text and {{ name }} may stand in a template")
    return frozenset(names)


def check_variables(template: Template, variables: Mapping[str, str]) -> None:
    """Raises ProtocolError template_variables with a pointer for each missing or extra one."""
    faults = [
        fault(f"/variables/{name}", code)
        for code, names in (
            ("missing", template.variables - variables.keys()),
            ("unknown", variables.keys() - template.variables),
        )
        for name in sorted(names)
    ]
    if faults:
        raise ProtocolError(ErrorCode.TEMPLATE_VARIABLES, details={"errors": faults})


def render(template: Template, variables: Mapping[str, str], *, language: str, code: str | None = None) -> str:
    """The text in the language, or in English where the template has none in it."""
    text = template.texts[template.language(language)]
    return _compiled(text).render(variables if code is None else {**variables, CODE: code})


@lru_cache(maxsize=512)
def _compiled(text: str) -> Compiled:
    return _environment.from_string(text)


def sms_segments(text: str) -> tuple[int, str]:
    """How many SMS a text fills, and in which encoding (GSM 03.38: 160, or 153 each; UCS-2: 70, or 67 each)."""
    if all(char in GSM_7 or char in GSM_7_TWO for char in text):
        units, alone, joined, encoding = sum(2 if char in GSM_7_TWO else 1 for char in text), 160, 153, "GSM-7"
    else:
        units, alone, joined, encoding = len(text.encode("utf-16-be")) // 2, 70, 67, "UCS-2"
    return (1 if units <= alone else -(-units // joined)), encoding
