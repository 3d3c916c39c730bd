"""What is known of a person beside keys and devices, and to whom each field is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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


MAX_PHOTO_BYTES = 16 * 1024

PhotoType = Literal["image/jpeg", "image/png", "image/webp"]


@dataclass(frozen=True, slots=True)
class SelfDescription:
    """What a person says of themselves. `choices`: to whom they want a field shown at most."""

    name: str | None = None
    email: str | None = None
    photo: bytes | None = None
    photo_type: PhotoType | None = None
    choices: Mapping[Field, Audience] = field(default_factory=dict)


def photo_type(data: bytes) -> PhotoType | None:
    """What kind of picture the data begins like; None for any other."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def stricter(one: Audience, other: Audience) -> Audience:
    return max(one, other, key=AUDIENCES.index)
