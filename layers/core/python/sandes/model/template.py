"""Message templates: approved texts with named variables, in up to three languages, stored by version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import AppId

Language = Literal["en", "hi", "mr"]
LANGUAGES: tuple[Language, ...] = ("en", "hi", "mr")
FALLBACK: Language = "en"

TemplateKind = Literal["otp", "message"]


@dataclass(frozen=True, slots=True)
class Dlt:
    """Holds the ids that India's operators require to deliver an SMS: that of the sender and that of each registered
    text.
    """

    entity_id: str
    template_ids: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Template:
    """Holds a template. `texts` is by language and always contains `en`.

    The app must give exactly the variables in `variables`. Only those in `may_be_empty` may have an empty value.
    """

    app: AppId
    name: str
    version: int
    kind: TemplateKind
    texts: Mapping[str, str]
    variables: frozenset[str]
    dlt: Dlt | None
    approved_at: int
    may_be_empty: frozenset[str] = frozenset()

    def language(self, wanted: str) -> str:
        """Return the language in which the message will be written."""
        return wanted if wanted in self.texts else FALLBACK
