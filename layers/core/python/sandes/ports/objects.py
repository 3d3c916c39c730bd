"""Files of a bucket as use cases see them: what apps upload, and the rows of batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol


class ObjectMissing(Exception):
    """There is no object of this name, or not any more."""


class ObjectChanged(Exception):
    """The object is another one than that with the ETag asked for."""


@dataclass(frozen=True, slots=True)
class Found:
    etag: str
    bytes: int


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A form that uploads a file: POST `fields`, then the file as the field `file`, to `url` (multipart/form-data)."""

    url: str
    fields: dict[str, str]


class Objects(Protocol):
    """Every method may raise StoreUnavailable."""

    def upload_form(self, name: str, *, content_type: str, most_bytes: int, seconds: int) -> UploadForm:
        """Let somebody without credentials put the object: of this type, of at most so many bytes, for so long."""
        ...

    def find(self, name: str) -> Found | None: ...

    def names(self, prefix: str, *, after: str) -> list[str]:
        """Of all objects that begin with `prefix` and come after a name, in order. A call for each thousand."""
        ...

    def put(self, name: str, content: BinaryIO) -> None: ...

    def put_new(self, name: str, content: BinaryIO) -> bool:
        """False, and nothing written, if there is an object of this name."""
        ...

    def read(self, name: str, *, etag: str | None) -> Iterator[bytes]:
        """The whole, piece by piece. Raises ObjectMissing, ObjectChanged."""
        ...

    def part(self, name: str, at: int, bytes: int) -> bytes:
        """Raises ObjectMissing."""
        ...

    def delete(self, name: str) -> None:
        """Nothing happens if there is none."""
        ...
