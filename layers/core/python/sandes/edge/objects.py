"""Implements the storage of uploads with a bucket of S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from botocore.exceptions import ClientError

from sandes.ports.objects import Found, ObjectChanged, ObjectMissing, UploadForm

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client as Client
else:
    Client = Any

_PIECE_BYTES = 256 * 1024
_ANOTHER = {"PreconditionFailed", "412"}
_MISSING = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True, slots=True)
class S3Objects:
    """Reads and writes the objects of a bucket. `client` signs with SigV4, which upload forms need."""

    client: Client
    bucket: str

    def upload_form(self, name: str, *, content_type: str, most_bytes: int, seconds: int) -> UploadForm:
        """Sign a POST policy, which limits the length, unlike a presigned PUT.

        https://docs.aws.amazon.com/AmazonS3/latest/developerguide/sigv4-HTTPPOSTConstructPolicy.html
        """
        signed = self.client.generate_presigned_post(
            self.bucket,
            name,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", 0, most_bytes]],
            ExpiresIn=seconds,
        )
        return UploadForm(signed["url"], signed["fields"])

    def find(self, name: str) -> Found | None:
        try:
            answer = self.client.head_object(Bucket=self.bucket, Key=name)
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise
        return Found(answer["ETag"], answer["ContentLength"])

    def names(self, prefix: str, *, after: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.bucket, Prefix=prefix, StartAfter=after)
        return [one["Key"] for page in found for one in page.get("Contents", [])]

    def put(self, name: str, content: BinaryIO) -> None:
        self.client.put_object(Bucket=self.bucket, Key=name, Body=content)

    def put_new(self, name: str, content: BinaryIO) -> bool:
        """Write a new object with a checksum, which a bucket with Object Lock requires."""
        try:
            self.client.put_object(
                Bucket=self.bucket, Key=name, Body=content, IfNoneMatch="*", ChecksumAlgorithm="SHA256"
            )
        except ClientError as error:
            if _code(error) in _ANOTHER:
                return False
            raise
        return True

    def read(self, name: str, *, etag: str | None) -> Iterator[bytes]:
        condition: dict[str, Any] = {"IfMatch": etag} if etag else {}
        body = self._get(name, **condition)
        with body:
            yield from body.iter_chunks(_PIECE_BYTES)

    def part(self, name: str, at: int, bytes: int) -> bytes:
        with self._get(name, Range=f"bytes={at}-{at + bytes - 1}") as body:
            return body.read()  # type: ignore[no-any-return]  # the body has no types

    def _get(self, name: str, **options: Any) -> Any:
        try:
            return self.client.get_object(Bucket=self.bucket, Key=name, **options)["Body"]
        except ClientError as error:
            if _code(error) in _MISSING:
                raise ObjectMissing from None
            if _code(error) in _ANOTHER:
                raise ObjectChanged from None
            raise

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=name)


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
