"""Profiles: data about people besides keys and devices, and the audience of each field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Field = Literal["name", "photo", "post", "number", "email", "last_seen"]
FIELDS: tuple[Field, ...] = ("name", "photo", "post", "number", "email", "last_seen")

Audience = Literal["everyone", "officials", "organisation", "nobody"]
"""The audience of a field, from the widest to the narrowest: everybody who may see the profile, verified officials,
officials of the same organisation, nobody else.
"""

AUDIENCES: tuple[Audience, ...] = ("everyone", "officials", "organisation", "nobody")

OFFICIAL_POLICY: dict[Field, Audience] = {
    "name": "everyone",
    "photo": "everyone",
    "post": "everyone",
    "number": "organisation",
    "email": "officials",
    "last_seen": "organisation",
}
"""The policy for officials of an organisation that has set none."""

PUBLIC_POLICY: dict[Field, Audience] = {
    "name": "everyone",
    "photo": "everyone",
    "post": "nobody",
    "number": "nobody",
    "email": "nobody",
    "last_seen": "nobody",
}
"""The policy for people without an organisation: the widest audience of each field."""


MAX_PHOTO_BYTES = 16 * 1024

PhotoType = Literal["image/jpeg", "image/png", "image/webp"]


@dataclass(frozen=True, slots=True)
class SelfDescription:
    """Holds the data that a person has entered. `choices` are the widest audiences that the person wants for fields."""

    name: str | None = None
    email: str | None = None
    photo: bytes | None = None
    photo_type: PhotoType | None = None
    choices: Mapping[Field, Audience] = field(default_factory=dict)


def photo_type(data: bytes) -> PhotoType | None:
    """Return the image type that the first bytes indicate, or None for any other data."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def stricter(one: Audience, other: Audience) -> Audience:
    return max(one, other, key=AUDIENCES.index)
