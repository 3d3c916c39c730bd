"""Templates: rendering, their variables, and the length of the result as an SMS (docs/apps/README.md, "Templates").

A template consists of text and `{{ name }}`. The approved text is sent unchanged except for its variables. A text with
the markup of any other template language is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from sandes.model.template import Template
from sandes.protocol.app_api import VARIABLE_NAME
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.faults import fault

CODE = "code"
"""The variable for the code in templates of OTPs. Apps do not give it."""

GSM_7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_TWO = set("^{}\\[~]|€")
"""GSM 03.38: the basic alphabet, and the characters that count as two."""

_NAME = re.compile(VARIABLE_NAME)
_VARIABLE = re.compile(r"\{\{[ \t]*([^\s{}]*)[ \t]*\}\}")
_UNSEEN_MARKS = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u200b-\u200f\u202a-\u202e\u2060-\u2069\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0"
)
_APART = rf"[\s{_UNSEEN_MARKS}]*"
_MARKUP = re.compile(
    rf"\{{[{_UNSEEN_MARKS}]*[{{%#]|[}}%#][{_UNSEEN_MARKS}]*\}}|\{{{_APART}#{_APART}\w+{_APART}#{_APART}\}}"
    rf"|[<\u2039\u00ab]{_APART}#{_APART}\w+{_APART}#{_APART}[>\u203a\u00bb]"
)
"""Markup of other template languages, also with invisible characters inside, and operators' placeholders with blanks.

It is searched in form NFKC, which converts full-width braces to braces.
"""

_CONSTANTS = frozenset(("true", "false", "none"))
"""Constants of most template languages, which nobody can intend as names of variables."""

_ONLY = "only text and {{ name }} may stand in a template"
_PLACEHOLDER = (
    "{#var#} is how operators (DLT) write a variable; here it is {{ name }}, and only the text that is registered with "
    "the operator has {#var#}"
)
_NAMES = "names are lower-case letters, digits and _, a letter first, at most 32"

_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters that are drawn as nothing, although Unicode counts them as letters, marks or symbols."""


def names_in(text: str) -> frozenset[str]:
    """Return the variables of a text. Raises ValueError for any other markup, or for a name that no request can
    give.
    """
    return frozenset(_parts(text)[1::2])


@lru_cache(maxsize=512)
def _parts(text: str) -> tuple[str, ...]:
    """Return text and names alternately, beginning and ending with text. Raises ValueError like `names_in`."""
    parts = tuple(_VARIABLE.split(text))
    for index, part in enumerate(parts):
        if index % 2:
            if not _NAME.fullmatch(part) or part in _CONSTANTS:
                raise ValueError(f"{_line(parts, index)}: {_NAMES}")
        elif found := _MARKUP.search(part if part.isascii() else unicodedata.normalize("NFKC", part)):
            reason = _PLACEHOLDER if "#" in found[0] else _ONLY
            raise ValueError(f"{_line(parts, index, found.start())}: {reason}")
        elif (index and part.startswith("}")) or (index + 1 < len(parts) and part.endswith("{")):
            raise ValueError(f"{_line(parts, index)}: {_ONLY}; three braces in a row are no variable")
    return parts


def _line(parts: tuple[str, ...], index: int, offset: int = 0) -> str:
    """Return the line in which a part of the text begins."""
    before = sum(part.count("\n") for part in parts[:index]) + parts[index].count("\n", 0, offset)
    return f"line {before + 1}"


def check_variables(template: Template, variables: Mapping[str, str]) -> None:
    """Check the variables. Raises ProtocolError template_variables with a pointer for each fault.

    A fault is a missing or unknown variable, or an empty one that the template does not allow to be empty.
    """
    empty = {name for name, value in variables.items() if is_blank(value)} & template.variables
    faults = [
        fault(f"/variables/{name}", code)
        for code, names in (
            ("missing", template.variables - variables.keys()),
            ("unknown", variables.keys() - template.variables),
            ("empty", empty - template.may_be_empty),
        )
        for name in sorted(names)
    ]
    if faults:
        raise ProtocolError(ErrorCode.TEMPLATE_VARIABLES, details={"errors": faults})


def is_blank(value: str) -> bool:
    """Tell whether a reader would see nothing: no text, only spaces, or only invisible characters."""
    return not any(_is_seen(char) for char in value)


def _is_seen(char: str) -> bool:
    if "!" <= char <= "~":
        return True
    return unicodedata.category(char) not in {"Cc", "Cf", "Zs", "Zl", "Zp", "Mn"} and char not in _UNSEEN


def render(template: Template, variables: Mapping[str, str], *, language: str, code: str | None = None) -> str:
    """Return the text in the language, or in English if the template has none in this language.

    Raises ProtocolError unknown_template for a version whose text is no longer a valid template. It is not sent with
    holes.
    """
    text = template.texts[template.language(language)]
    try:
        parts = _parts(text)
    except ValueError as error:
        raise ProtocolError(
            ErrorCode.UNKNOWN_TEMPLATE, details={"errors": [fault("/template", "not_a_template", str(error))]}
        ) from None
    given = variables if code is None else {**variables, CODE: code}
    return "".join(given[part] if index % 2 else part for index, part in enumerate(parts))


def sms_segments(text: str) -> tuple[int, str]:
    """Return the number of SMS for a text, and their encoding.

    3GPP TS 23.038: GSM-7 has 160 characters, or 153 in each part; UCS-2 has 70, or 67. A character of two units, an
    escape of GSM-7 or a surrogate pair, is not split: the part before it ends a unit early.
    """
    if all(char in GSM_7 or char in GSM_7_TWO for char in text):
        sizes, alone, joined, encoding = [2 if char in GSM_7_TWO else 1 for char in text], 160, 153, "GSM-7"
    else:
        sizes, alone, joined, encoding = [2 if char > "\uffff" else 1 for char in text], 70, 67, "UCS-2"
    if sum(sizes) <= alone:
        return 1, encoding
    parts, left = 1, joined
    for size in sizes:
        if size > left:
            parts, left = parts + 1, joined
        left -= size
    return parts, encoding
