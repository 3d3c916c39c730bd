"""Verifications: an organisation's statement that an account belongs to an official, with post, unit and end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sandes.model.ids import AccountId, OrganisationId, UnitId
from sandes.model.imports import Origin
from sandes.model.profile import Audience, Field
from sandes.model.standing import Standing

AttestedField = Literal["name", "post", "unit"]
"""A field that is attested by a commitment, so that it can be shown to some people and hidden from others."""

ATTESTED: tuple[AttestedField, ...] = ("name", "post", "unit")

End = Literal["revoked", "replaced", "expired"]
"""Why a verification ended. `revoked`: by the organisation; `replaced`: the number was registered again; `expired`: it
was not renewed in time.
"""

MAX_SECONDS = 1_827 * 86_400
"""The longest duration of a verification: five years, two of them leap years."""

WORDS_OF_EACH = 8
"""The number of words of a name, and of a post, that are indexed for the search."""

UNASKED_SECONDS = 7 * 86_400
"""How long an organisation cannot suspend somebody whom it verified without a request. The person can see the badge in
this time and end it by registering the number again. Otherwise an organisation could switch off strangers by verifying
them.
"""


@dataclass(frozen=True, slots=True)
class Attestation:
    """Holds a statement signed by the platform (docs/protocol/attestation.md), and the openings of its commitments.

    `values` are those at the time of the attestation. The unit may have been renamed since.
    """

    statement: bytes
    signature: bytes
    values: Mapping[AttestedField, str]
    salts: Mapping[AttestedField, bytes]


@dataclass(frozen=True, slots=True)
class Verification:
    """Holds a verification. Times are epoch seconds. `version` rises with every change.

    `words` are the sort keys in the search index. `hidden` is the widest audience that the organisation allows for a
    field of this person. It outlives the verification: `hidden_by_others` keeps the settings of former organisations,
    in case one of them verifies the person again. `origin` is the row of an import that last changed or ended it.

    Since `first_issued_at` the organisation has verified the person without a gap; renewals and changes keep this time.
    `asked` is true if the person has requested verification since then.

    `ended` stays None after the expiry until the sweep has processed it: use `in_force`.
    """

    account: AccountId
    organisation: OrganisationId
    unit: UnitId
    name: str
    post: str
    email: str | None
    listed: bool
    issued_at: int
    first_issued_at: int
    expires_at: int
    attestation: Attestation
    words: tuple[str, ...]
    version: int
    ended: End | None = None
    ended_at: int | None = None
    reason: str | None = None
    hidden: Mapping[Field, Audience] = field(default_factory=dict)
    origin: Origin | None = None
    asked: bool = False
    hidden_by_others: Mapping[OrganisationId, Mapping[Field, Audience]] = field(default_factory=dict)

    def in_force(self, now_seconds: int) -> bool:
        return self.ended is None and self.expires_at > now_seconds

    def settled(self, now_seconds: int) -> bool:
        """Tell whether the person requested the verification, or has had the time to notice it."""
        return self.asked or self.first_issued_at + UNASKED_SECONDS <= now_seconds

    def hidden_by(self) -> dict[OrganisationId, Mapping[Field, Audience]]:
        """Return the settings by which each organisation hides fields of the person, whether or not it verifies them
        now.
        """
        own = {self.organisation: self.hidden} if self.hidden else {}
        return {**self.hidden_by_others, **own}

    @property
    def standing(self) -> Standing:
        return Standing(self.organisation, self.unit, self.expires_at, self.listed)


@dataclass(frozen=True, slots=True)
class Official:
    """Holds an official as the list of their organisation shows them. `expires_at` is epoch seconds."""

    account: AccountId
    unit: UnitId
    name: str
    post: str
    listed: bool
    expires_at: int


@dataclass(frozen=True, slots=True)
class Ending:
    """Plans the end of an account's memberships in an organisation's groups at `at` (epoch seconds).

    They stay if the organisation verifies the account at that time. `version` is that of the verification when it was
    made or ended.
    """

    account: AccountId
    organisation: OrganisationId
    at: int
    version: int


def address_kept(previous: Verification | None, organisation: OrganisationId, *, now_seconds: int) -> str | None:
    """Return the address that the organisation has given its official, or None if there is none.

    The address stays valid for the official even if the organisation has set other mail domains since.
    """
    if previous is None or previous.organisation != organisation or not previous.in_force(now_seconds):
        return None
    return previous.email
