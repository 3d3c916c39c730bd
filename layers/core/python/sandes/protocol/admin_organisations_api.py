"""Bodies of the admin API about organisations, their units, and what their officials show (docs/admin/README.md)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from sandes.model.organisation import MAX_MAIL_DOMAINS, UnitKind
from sandes.model.profile import Audience
from sandes.model.profile import Field as ProfileField
from sandes.protocol.admin_roles_api import NewOfficer
from sandes.protocol.app_api import Time
from sandes.protocol.fields import Answer, MailDomain, Name, OrganisationField, UnitField, Wire

PlaceName = Annotated[str, Name, Field(min_length=1, max_length=128)]
MailDomains = Annotated[
    list[MailDomain], Field(max_length=MAX_MAIL_DOMAINS), AfterValidator(lambda given: sorted(set(given)))
]


class AskForOrganisation(Wire):
    """An organisation is its root unit, of the kind given. `officer` becomes its first nodal officer."""

    name: PlaceName
    kind: UnitKind = "ministry"
    officer: NewOfficer


class AskForOfficer(NewOfficer):
    """`home`: the unit that the officer works in, another one than the other officer's: two of one unit cannot approve
    what the other one asks for.
    """

    home: UnitField


class AdminOrganisation(Answer):
    """`version` rises with each change of name, visibility and mail domains; it is the ETag too. `mail_domains`: at
    which its administrators and officials are given addresses, subdomains not included; none: at any.
    """

    id: OrganisationField
    name: str
    mail_domains: list[str]
    created_at: Time
    version: int


class AdminOrganisations(Answer):
    organisations: list[AdminOrganisation]
    cursor: str | None = None


class ChangeOrganisation(Wire):
    """Either another `name`, or all `mail_domains`, which takes two. What was attested keeps the name of its day until
    renewed. Without any domain, addresses at all domains are accepted.
    """

    name: PlaceName | None = None
    mail_domains: MailDomains | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.name is None) == (self.mail_domains is None):
            raise ValueError("give either name or mail_domains")
        return self


class Visibility(Answer):
    """To whom at most each field of the organisation's officials is shown. `version` is that of the organisation."""

    audiences: dict[ProfileField, Audience]
    version: int


class ChangeVisibility(Wire):
    """What is left out stays as it is."""

    audiences: Annotated[dict[ProfileField, Audience], Field(min_length=1)]


class AdminUnit(Answer):
    """`level` is 1 for the organisation itself. `officials`, `groups`, `apps`: how many there are in this very unit.
    `version` rises with each change of name and place; it is the ETag too.
    """

    id: UnitField
    name: str
    kind: UnitKind
    parent: UnitField | None = None
    level: int
    officials: int
    groups: int
    apps: int
    created_at: Time
    version: int


class AdminUnits(Answer):
    """Each unit behind what it is in. A page may be the last one although it is full."""

    units: list[AdminUnit]
    cursor: str | None = None


class NewUnit(Wire):
    """`parent` is the organisation itself if left out."""

    organisation: OrganisationField
    parent: UnitField | None = None
    name: PlaceName
    kind: UnitKind


class ChangeUnit(Wire):
    """What is left out stays as it is. With another `parent` it moves, with everything below it."""

    name: PlaceName | None = None
    parent: UnitField | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.name is None and self.parent is None:
            raise ValueError("give name or parent")
        return self
