"""Bodies of the admin API about organisations, their units and the visibility of their officials
(docs/admin/README.md).
"""

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
    """Requests a new organisation. `kind` is that of its root unit. `officer` becomes its first nodal officer."""

    name: PlaceName
    kind: UnitKind = "ministry"
    officer: NewOfficer


class AskForOfficer(NewOfficer):
    """Requests another nodal officer. `home` is the unit where the officer works.

    It must differ from the other officer's, because two officers of one unit cannot approve each other's requests.
    """

    home: UnitField


class AdminOrganisation(Answer):
    """Describes an organisation. `version` rises with each change of name, visibility and mail domains; it is also the
    ETag.

    Administrators and officials must have addresses at one of `mail_domains`, not at subdomains. Without mail domains,
    addresses at all domains are accepted.
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
    """Changes either `name` or all `mail_domains`. A change of mail domains needs a second person.

    Existing attestations keep the old name until they are renewed. Without any domain, addresses at all domains are
    accepted.
    """

    name: PlaceName | None = None
    mail_domains: MailDomains | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.name is None) == (self.mail_domains is None):
            raise ValueError("give either name or mail_domains")
        return self


class Visibility(Answer):
    """Describes the widest audience of each field of the organisation's officials. `version` is the organisation's."""

    audiences: dict[ProfileField, Audience]
    version: int


class ChangeVisibility(Wire):
    """Changes the visibility of fields. Absent fields stay unchanged."""

    audiences: Annotated[dict[ProfileField, Audience], Field(min_length=1)]


class AdminUnit(Answer):
    """Describes a unit. `level` is 1 for the organisation itself.

    `officials`, `groups` and `apps` count those of the unit itself, without the units below it. `version` rises with
    each change of name and place; it is also the ETag.
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
    """Lists units. Each unit comes after the unit above it. A full page can be the last one."""

    units: list[AdminUnit]
    cursor: str | None = None


class NewUnit(Wire):
    """Creates a unit. By default, `parent` is the organisation itself."""

    organisation: OrganisationField
    parent: UnitField | None = None
    name: PlaceName
    kind: UnitKind


class ChangeUnit(Wire):
    """Changes a unit. Absent fields stay unchanged. With another `parent`, the unit moves with everything below it."""

    name: PlaceName | None = None
    parent: UnitField | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.name is None and self.parent is None:
            raise ValueError("give name or parent")
        return self
