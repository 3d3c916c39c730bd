"""Verifications: that an organisation vouches for an account, as what, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sandes.model.ids import AccountId, OrganisationId, UnitId
from sandes.model.imports import Origin
from sandes.model.profile import Audience, Field
from sandes.model.standing import Standing

AttestedField = Literal["name", "post", "unit"]
"""What is attested behind a commitment, so that it can be shown to some and kept from others."""

ATTESTED: tuple[AttestedField, ...] = ("name", "post", "unit")

End = Literal["revoked", "replaced", "expired"]
"""`revoked`: by the organisation; `replaced`: the number was registered anew; `expired`: not renewed in time."""

MAX_SECONDS = 1_827 * 86_400
"""The longest a verification may last: five years, two leap days among them."""

WORDS_OF_EACH = 8
"""How many words of a name, and of a post, an official is found by."""

UNASKED_SECONDS = 7 * 86_400
"""So long an organisation does not suspend somebody whom it verified without being asked: the badge is there for them
to see, and registering the number anew ends it. Without that, verifying strangers would be a way to switch them off.
"""


@dataclass(frozen=True, slots=True)
class Attestation:
    """A statement signed by the platform (docs/protocol/attestation.md), and what opens its commitments.

    `values` are as they were attested: a unit may have another name since.
    """

    statement: bytes
    signature: bytes
    values: Mapping[AttestedField, str]
    salts: Mapping[AttestedField, bytes]


@dataclass(frozen=True, slots=True)
class Verification:
    """Times are epoch seconds. `words`: sort keys in the search index. `version` rises with every change.

    `hidden`: to whom at most the organisation shows a field of this very person. It belongs to person and organisation
    and outlives a verification: `hidden_by_others` keeps what former organisations have hidden, for the case that one
    of them verifies the person again. `origin`: the row of an import that made it as it is, or ended it.
    `first_issued_at`: since when the organisation has vouched without a gap: renewals and changes keep it. `asked`:
    whether the person has asked for it since then.

    `ended` is None also of one whose time is over as long as the sweep has not come by: ask `in_force`.
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
        """Whether the person wanted it, or has had the time to notice it."""
        return self.asked or self.first_issued_at + UNASKED_SECONDS <= now_seconds

    def hidden_by(self) -> dict[OrganisationId, Mapping[Field, Audience]]:
        """Return what each organisation hides of the person, whether or not it vouches for them now."""
        own = {self.organisation: self.hidden} if self.hidden else {}
        return {**self.hidden_by_others, **own}

    @property
    def standing(self) -> Standing:
        return Standing(self.organisation, self.unit, self.expires_at, self.listed)


@dataclass(frozen=True, slots=True)
class Official:
    """Somebody verified, as a list of their organisation shows them. `expires_at`: epoch seconds."""

    account: AccountId
    unit: UnitId
    name: str
    post: str
    listed: bool
    expires_at: int


@dataclass(frozen=True, slots=True)
class Ending:
    """That memberships of an account in an organisation's groups are to end at `at`, epoch seconds, unless the
    organisation vouches for it then. `version` is that of the verification as it was made, or as it ended.
    """

    account: AccountId
    organisation: OrganisationId
    at: int
    version: int


def address_kept(previous: Verification | None, organisation: OrganisationId, *, now_seconds: int) -> str | None:
    """Return the address that the organisation has given somebody who is its official: it stays good for them, also
    where the organisation has set other mail domains since.
    """
    if previous is None or previous.organisation != organisation or not previous.in_force(now_seconds):
        return None
    return previous.email
