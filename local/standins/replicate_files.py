"""The Files API of the Replicate stand-in."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from werkzeug.datastructures import FileStorage

from local.standins.control import Clock, Json, Names
from local.standins.replicate_predictions import iso

FILE_BYTES = 100 * 1024 * 1024
KEPT_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An uploaded file. Times are simulated seconds since the epoch."""

    id: str
    name: str
    content_type: str
    data: bytes
    metadata: Json
    created_at: float

    def view(self, base: str) -> Json:
        """The file object of the API."""
        return {
            "id": self.id,
            "name": self.name,
            "content_type": self.content_type,
            "size": len(self.data),
            "etag": base64.b64encode(hashlib.md5(self.data, usedforsecurity=False).digest()).decode(),
            "checksums": {"sha256": hashlib.sha256(self.data).hexdigest()},
            "metadata": self.metadata,
            "created_at": iso(self.created_at),
            "expires_at": iso(self.created_at + KEPT_S),
            "urls": {"get": f"{base}/v1/files/{self.id}"},
        }


class Files:
    """The uploaded files, kept for a day.

    Args:
        clock: decides what has expired.
        names: where ids come from.
        base: the API's URL without ``/v1``.
    """

    def __init__(self, clock: Clock, names: Names, base: str) -> None:
        self._files: dict[str, StoredFile] = {}
        self._clock = clock
        self._names = names
        self._base = base

    def add(self, upload: FileStorage, metadata: Json) -> Json | None:
        """Store an upload and return its object; None for a file over 100 MB, which is not stored."""
        data = upload.stream.read()
        if len(data) > FILE_BYTES:
            return None
        kind = upload.content_type or "application/octet-stream"
        stored = StoredFile(
            self._names.next(), upload.filename or "file", kind, data, metadata, self._clock.now()
        )
        self._files[stored.id] = stored
        return stored.view(self._base)

    def view(self, file_id: str) -> Json | None:
        """Return the object of a file that has not expired, None without one."""
        stored = self._present(file_id)
        return stored.view(self._base) if stored else None

    def remove(self, file_id: str) -> bool:
        """Delete a file; return False if there is none."""
        return self._files.pop(file_id, None) is not None

    def content(self, url: str) -> bytes | None:
        """Return the content of a file by its API URL, None for any other URL."""
        prefix = f"{self._base}/v1/files/"
        stored = self._present(url.removeprefix(prefix)) if url.startswith(prefix) else None
        return stored.data if stored else None

    def clear(self) -> None:
        """Delete everything."""
        self._files.clear()

    def _present(self, file_id: str) -> StoredFile | None:
        stored = self._files.get(file_id)
        return stored if stored and self._clock.now() < stored.created_at + KEPT_S else None
