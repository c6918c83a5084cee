"""Stored images in S3: originals, results, and uploads that were not decoded yet."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ReadTimeoutError

from enhancer.domain.artifacts import UPLOAD_SECONDS, NoArtifact

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from enhancer.domain.images import About

GET_SECONDS = 10.0
"""How long the bytes of an artifact may take to arrive: a bucket that drips must not use up a request's time."""
PIECE_BYTES = 65_536
LINK_SECONDS = 300
"""How long a link is valid unless told otherwise."""
NUMBER_DIGITS_MAX = 15
RELABELLED_BYTES_MAX = 150_000_000
"""Largest result that is changed on its way to another order, in bytes; it takes three times the memory."""
ABSENT = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True, slots=True)
class Head:
    """An artifact without its bytes: content type, size in bytes, ETag, time of storing.

    ``facts`` are the numbers it was stored with, such as width and height in pixels; other metadata is left out.
    """

    content_type: str
    size: int
    etag: str
    modified: datetime
    facts: dict[str, int] = field(default_factory=dict)


class Artifacts:
    """The bucket of artifacts. Keys are made by `enhancer.domain.artifacts`."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(
        self, key: str, data: bytes, content_type: str, *, facts: Mapping[str, int] | None = None
    ) -> None:
        """Store an image; ``facts`` are numbers under short lower-case names, which `head` returns again."""
        metadata = {name: str(number) for name, number in (facts or {}).items()}
        self._client.put_object(
            Bucket=self._bucket, Key=key, Body=data, ContentType=content_type, Metadata=metadata
        )

    def get(self, key: str, *, first: int | None = None, last: int | None = None) -> bytes:
        """Return the bytes, or those from ``first`` to ``last`` inclusive; raise `NoArtifact`.

        Raises botocore's `ReadTimeoutError` when they take longer than `GET_SECONDS` to arrive.
        """
        window: Any = {} if first is None else {"Range": f"bytes={first}-{last}"}
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key, **window)["Body"]
        except ClientError as failed:
            raise _absent(failed, key) from None
        ends, pieces = time.monotonic() + GET_SECONDS, []
        for piece in body.iter_chunks(PIECE_BYTES):
            pieces.append(piece)
            if time.monotonic() > ends:
                raise ReadTimeoutError(endpoint_url=self._bucket)
        return b"".join(pieces)

    def head(self, key: str) -> Head:
        """Return what is stored about an artifact; raise `NoArtifact`."""
        try:
            answer = self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as failed:
            raise _absent(failed, key) from None
        facts = _numbers(answer.get("Metadata", {}))
        return Head(
            answer["ContentType"], answer["ContentLength"], answer["ETag"], answer["LastModified"], facts
        )

    def exists(self, key: str) -> bool:
        """Return whether the artifact is stored."""
        try:
            self.head(key)
        except NoArtifact:
            return False
        return True

    def copy(self, key: str, to: str) -> None:
        """Copy an artifact within the bucket, with its content type and facts; raise `NoArtifact`."""
        source: Any = {"Bucket": self._bucket, "Key": key}
        try:
            self._client.copy_object(Bucket=self._bucket, Key=to, CopySource=source)
        except ClientError as failed:
            raise _absent(failed, key) from None

    def copy_relabelled(self, key: str, to: str, *, before: About, after: About) -> int | None:
        """Copy a result, but let it say ``after`` of its photo instead of ``before``; raise `NoArtifact`.

        Returns how many bytes it has then, None where it is the same file, as it is above `RELABELLED_BYTES_MAX`.
        """
        head = None if before == after else self.head(key)
        if head is None or head.size > RELABELLED_BYTES_MAX:
            self.copy(key, to)
            return None
        from enhancer.adapters.images.relabelled import relabelled  # noqa: PLC0415 - rarely needed

        data = relabelled(self.get(key), before, after)
        if data is None:  # it was made before results said anything
            self.copy(key, to)
            return None
        self.put(to, data, head.content_type, facts=head.facts)
        return len(data)

    def delete(self, key: str) -> None:
        """Delete the artifact if it is stored."""
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def delete_under(self, prefix: str) -> int:
        """Delete every artifact whose key starts with ``prefix``; return how many there were."""
        removed = 0
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        for page in pages:
            found: Any = [{"Key": entry["Key"]} for entry in page.get("Contents", [])]
            if found:
                self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": found, "Quiet": True})
                removed += len(found)
        return removed

    def put_file(self, key: str, path: Path, content_type: str) -> None:
        """Store a file that may be larger than memory, in parts."""
        self._client.upload_file(str(path), self._bucket, key, ExtraArgs={"ContentType": content_type})

    def link(self, key: str, *, headers: dict[str, str], seconds: int = LINK_SECONDS) -> str:
        """Return a presigned URL that serves the artifact for ``seconds``.

        ``headers`` are response headers by the names of S3's parameters, such as ``ResponseContentType``. The URL ends
        earlier with the credentials that signed it: those of a Lambda function last some hours.
        """
        return self._client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": key, **headers},
            ExpiresIn=seconds,
        )

    def upload_form(self, key: str, *, content_type: str, size: int) -> dict[str, Any]:
        """Return ``{"url", "fields"}`` of a presigned POST, valid for `UPLOAD_SECONDS`.

        It stores only a file of exactly this content type and size in bytes.
        """
        form: dict[str, Any] = self._client.generate_presigned_post(
            self._bucket,
            key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", size, size]],
            ExpiresIn=UPLOAD_SECONDS,
        )
        return form


def _absent(failed: ClientError, key: str) -> Exception:
    """Return `NoArtifact` if S3 has no such key, else the error itself."""
    return NoArtifact(key) if failed.response["Error"]["Code"] in ABSENT else failed


def _numbers(metadata: Mapping[str, str]) -> dict[str, int]:
    """Return the metadata that are numbers."""
    return {
        name: int(text)
        for name, text in metadata.items()
        if text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX
    }
