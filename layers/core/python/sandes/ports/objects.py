"""Stored files as use cases see them: uploads of apps, and the rows of batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol


class ObjectMissing(Exception):
    """Reports that no object has this name, or has it any more."""


class ObjectChanged(Exception):
    """Reports that the object no longer has the requested ETag."""


@dataclass(frozen=True, slots=True)
class Found:
    etag: str
    bytes: int


@dataclass(frozen=True, slots=True)
class UploadForm:
    """Describes a form that uploads a file to `url` as multipart/form-data: POST `fields`, then the file as the field
    `file`.
    """

    url: str
    fields: dict[str, str]


class Objects(Protocol):
    """Reads and writes objects. Every method may raise StoreUnavailable."""

    def upload_form(self, name: str, *, content_type: str, most_bytes: int, seconds: int) -> UploadForm:
        """Create a form with which somebody without credentials can upload the object.

        The object must have this type and at most `most_bytes`. The form is valid for `seconds`.
        """
        ...

    def find(self, name: str) -> Found | None: ...

    def names(self, prefix: str, *, after: str) -> list[str]:
        """Return the names that begin with `prefix` and come after a name, in order, with one call for each
        thousand.
        """
        ...

    def put(self, name: str, content: BinaryIO) -> None: ...

    def put_new(self, name: str, content: BinaryIO) -> bool:
        """Write an object, and return True. If the name exists, write nothing and return False."""
        ...

    def read(self, name: str, *, etag: str | None) -> Iterator[bytes]:
        """Yield the content piece by piece. Raises ObjectMissing or ObjectChanged."""
        ...

    def part(self, name: str, at: int, bytes: int) -> bytes:
        """Return a part of the content. Raises ObjectMissing."""
        ...

    def delete(self, name: str) -> None:
        """Delete an object. Do nothing if there is none."""
        ...
