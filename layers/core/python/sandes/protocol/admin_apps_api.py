"""Bodies of the HTTPS admin API about apps, their webhooks and templates (docs/admin/README.md)."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from nacl import bindings
from pydantic import Field, field_validator, model_validator

from sandes.model.app import MAX_GUESTS, Scope
from sandes.model.template import Language
from sandes.protocol.app_api import MAX_VARIABLES, Printable, TemplateName, VariableName
from sandes.protocol.fields import Answer, AppField, Key32, Name, OneLine, OrganisationField, UnitField, Wire

AppName = Annotated[str, Name, Field(min_length=1, max_length=64)]
Scopes = Annotated[list[Scope], Field(min_length=1)]
Guests = Annotated[list[str], Field(max_length=MAX_GUESTS, description="phone numbers in international form")]
Networks = Annotated[list[str], Field(max_length=20)]
Reason = Annotated[str, OneLine, Field(min_length=1, max_length=200)]
Text = Annotated[str, Printable, Field(min_length=1, max_length=2_000)]
DltId = Annotated[str, Field(pattern=r"^[0-9]{1,30}$")]
PerMinute = Annotated[int, Field(ge=1, le=100_000)]
PerDay = Annotated[int, Field(ge=1, le=10_000_000)]


class KeyTerms(Wire):
    """`networks`: CIDR blocks from which it may be used; none means anywhere."""

    test: bool = False
    networks: Networks = Field(default_factory=list)

    @field_validator("networks")
    @classmethod
    def _blocks(cls, networks: list[str]) -> list[str]:
        return [str(ip_network(text)) for text in networks]


def _point(public: bytes) -> bytes:
    if not bindings.crypto_core_ed25519_is_valid_point(public):
        raise ValueError("this is no Ed25519 public key")
    return public


class NewKey(KeyTerms):
    """`public`: Ed25519, base64url."""

    public: Key32

    @field_validator("public")
    @classmethod
    def _usable(cls, public: bytes) -> bytes:
        return _point(public)


class NewAppKey(KeyTerms):
    """`public`: Ed25519, base64url. Left out, the server makes the pair and shows the private half once: better is a
    key that never leaves the app.
    """

    public: Key32 | None = None

    @field_validator("public")
    @classmethod
    def _usable(cls, public: bytes | None) -> bytes | None:
        return public if public is None else _point(public)


class NewApp(Wire):
    """An app of an organisation, in one of its units, the organisation itself if left out. It starts on trial: 50 a
    day, to its guests.
    """

    organisation: OrganisationField
    unit: UnitField | None = None
    name: AppName
    scopes: Scopes
    sms: bool = False
    guests: Guests = Field(default_factory=list)
    key: NewAppKey | None = None


class ChangeApp(Wire):
    """What is left out stays as it is."""

    name: AppName | None = None
    scopes: Scopes | None = None
    sms: bool | None = None
    unit: UnitField | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set or any(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("give name, scopes, sms or unit")
        return self


class PutGuests(Wire):
    """All of them: they take the place of those before."""

    guests: Guests


class AskQuota(Wire):
    per_minute: PerMinute
    per_day: PerDay


class BackToTrial(Wire):
    reason: Reason


class AdminAppKey(Answer):
    """`id` is what tokens name it by. `private_key`: its Ed25519 seed, base64url, where the server made it; only the
    answer that it was made with has it.
    """

    id: str
    test: bool
    networks: list[str]
    created_at: datetime
    private_key: str | None = None


class AdminApp(Answer):
    """`guests` counts them: their numbers are kept encrypted, and shown to nobody. `version` is the ETag too."""

    app: AppField
    organisation: OrganisationField
    unit: UnitField
    name: str
    mode: Literal["trial", "live"]
    scopes: list[Scope]
    sms: bool
    per_minute: int
    per_day: int
    guests: int
    keys: list[AdminAppKey]
    webhooks: int
    version: int
    created_at: datetime


class AdminAppEntry(Answer):
    app: AppField
    unit: UnitField
    name: str
    mode: Literal["trial", "live"]


class AdminAppPage(Answer):
    """By unit. A page may hold fewer than were asked for, even none, with a cursor."""

    apps: list[AdminAppEntry]
    cursor: str | None = None


class TemplateText(Wire):
    """`texts` by language, `en` always among them. `dlt_entity` and `dlt_templates`: ids of what is registered for
    SMS. `may_be_empty`: variables that apps may give without a visible character; for all others that is refused.
    """

    name: TemplateName
    kind: Literal["otp", "message"]
    texts: dict[Language, Text]
    dlt_entity: DltId | None = None
    dlt_templates: dict[Language, DltId] = Field(default_factory=dict)
    may_be_empty: Annotated[list[VariableName], Field(max_length=MAX_VARIABLES)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if "en" not in self.texts:
            raise ValueError("a template needs a text in en, to which every other language falls back")
        if bool(self.dlt_entity) != bool(self.dlt_templates) or self.dlt_templates.keys() - self.texts.keys():
            raise ValueError("DLT ids: one of the entity, and one for each text that may go out by SMS")
        return self


class TemplateDraft(TemplateText):
    """A text as the next version of a template of an app; the first of a new one if the name is new."""

    app: AppField


class AdminTemplate(Answer):
    """One version of a template, as it was approved."""

    app: AppField
    name: TemplateName
    version: int
    kind: Literal["otp", "message"]
    texts: dict[Language, str]
    variables: list[str]
    dlt_entity: str | None = None
    dlt_templates: dict[Language, str] | None = None
    may_be_empty: list[str] | None = None
    approved_at: datetime


class AdminTemplatePage(Answer):
    """A page may hold fewer than were asked for, even none, with a cursor."""

    templates: list[AdminTemplate]
    cursor: str | None = None
