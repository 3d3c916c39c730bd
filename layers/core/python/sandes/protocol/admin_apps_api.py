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
    """Limits the use of a key. `networks` are the CIDR blocks that may use it; without any, it may be used anywhere."""

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
    """Holds an app's public key: Ed25519, base64url."""

    public: Key32

    @field_validator("public")
    @classmethod
    def _usable(cls, public: bytes) -> bytes:
        return _point(public)


class NewAppKey(KeyTerms):
    """Holds an app's public key: Ed25519, base64url.

    Without `public`, the server makes the pair and shows the private half once. It is safer to make the key in the app.
    """

    public: Key32 | None = None

    @field_validator("public")
    @classmethod
    def _usable(cls, public: bytes | None) -> bytes | None:
        return public if public is None else _point(public)


class NewApp(Wire):
    """Registers an app in a unit; by default, that is the organisation itself. The app starts on trial.

    On trial, it may send 50 messages a day, to its guests.
    """

    organisation: OrganisationField
    unit: UnitField | None = None
    name: AppName
    scopes: Scopes
    sms: bool = False
    guests: Guests = Field(default_factory=list)
    key: NewAppKey | None = None


class ChangeApp(Wire):
    """Changes an app. Absent fields stay unchanged."""

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
    """Replaces all guests of an app."""

    guests: Guests


class AskQuota(Wire):
    per_minute: PerMinute
    per_day: PerDay


class BackToTrial(Wire):
    reason: Reason


class AdminAppKey(Answer):
    """Describes a key. Tokens name it by `id`.

    `private_key` is its Ed25519 seed in base64url. Only the answer to its creation has it, and only if the server made
    the key.
    """

    id: str
    test: bool
    networks: list[str]
    created_at: datetime
    private_key: str | None = None


class AdminApp(Answer):
    """Describes an app. `guests` is their number; their phone numbers are stored encrypted and shown to nobody.

    `version` is also the ETag.
    """

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
    """Lists apps by unit. A page can have fewer than requested, even none, and still have a cursor."""

    apps: list[AdminAppEntry]
    cursor: str | None = None


class TemplateText(Wire):
    """Holds the text of a template. `texts` is by language and must contain `en`.

    `dlt_entity` and `dlt_templates` are the ids registered for SMS. Apps may give the variables in `may_be_empty`
    without a visible character; all others are refused without one.
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
    """Proposes a text as the next version of an app's template, or as the first version if the name is new."""

    app: AppField


class AdminTemplate(Answer):
    """Describes an approved version of a template."""

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
    """Lists templates. A page can have fewer than requested, even none, and still have a cursor."""

    templates: list[AdminTemplate]
    cursor: str | None = None
