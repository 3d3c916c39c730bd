"""What is known of a person beside keys and devices, and to whom each field is shown."""

from __future__ import annotations

from typing import Literal

Field = Literal["name", "photo", "post", "number", "email", "last_seen"]
FIELDS: tuple[Field, ...] = ("name", "photo", "post", "number", "email", "last_seen")

Audience = Literal["everyone", "officials", "organisation", "nobody"]
"""To whom a field is shown, from the widest to the narrowest: anybody who may see the profile, verified officials,
officials of the same organisation, nobody else."""

AUDIENCES: tuple[Audience, ...] = ("everyone", "officials", "organisation", "nobody")

OFFICIAL_POLICY: dict[Field, Audience] = {
    "name": "everyone",
    "photo": "everyone",
    "post": "everyone",
    "number": "organisation",
    "email": "officials",
    "last_seen": "organisation",
}
"""For officials of an organisation that has set nothing else."""

PUBLIC_POLICY: dict[Field, Audience] = {
    "name": "everyone",
    "photo": "everyone",
    "post": "nobody",
    "number": "nobody",
    "email": "nobody",
    "last_seen": "nobody",
}
"""For people of no organisation: the widest that each field is shown."""


def stricter(one: Audience, other: Audience) -> Audience:
    return max(one, other, key=AUDIENCES.index)
