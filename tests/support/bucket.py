"""A bucket in memory whose links really lead somewhere, and the jobs that use it. No AWS, so real sockets are free."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from botocore.exceptions import ClientError

from enhancer.adapters.aws.artifacts import LINK_SECONDS, NUMBER_DIGITS_MAX, Artifacts, Head
from enhancer.domain.artifacts import UPLOAD_SECONDS, NoArtifact
from enhancer.domain.jobs import Artifact, Item, Job, Prediction
from enhancer.domain.ledger import Hold
from enhancer.domain.models import Params, model_named
from enhancer.domain.owners import Owner
from tests.support.images import encoded, picture

LINK_HEADERS = {
    "ResponseContentType": "response-content-type",
    "ResponseCacheControl": "response-cache-control",
    "ResponseContentDisposition": "response-content-disposition",
}
"""S3's names of a link's headers, as arguments and as they stand in the link."""
FORM_FIELDS = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
KEY_BYTES_MAX = 1_024
_numbers = itertools.count(1)


def _check(key: str) -> None:
    """What S3 and its client refuse, whether something is there or not."""
    if not 1 <= len(key.encode()) <= KEY_BYTES_MAX:
        raise ClientError({"Error": {"Code": "400"}}, "HeadObject")


class Bucket:
    """What `enhancer.adapters.aws.artifacts.Artifacts` does, without S3."""

    def __init__(self, url: str = "http://127.0.0.1:9") -> None:
        self.url = url
        self.stored: dict[str, tuple[bytes, str, dict[str, int]]] = {}

    def put(
        self, key: str, data: bytes, content_type: str, *, facts: Mapping[str, int] | None = None
    ) -> None:
        """Store an image."""
        assert all(name.islower() for name in facts or {}), "S3 tells the names of facts in lower case"
        numbers = {
            name: number for name, number in (facts or {}).items() if 0 <= number < 10**NUMBER_DIGITS_MAX
        }
        self.stored[key] = (bytes(data), content_type, numbers)

    def get(self, key: str, *, first: int | None = None, last: int | None = None) -> bytes:
        """Its bytes, or those from ``first`` to ``last`` inclusive."""
        _check(key)
        if key not in self.stored:
            raise NoArtifact(key)
        data = self.stored[key][0]
        if first is None:
            return data
        if first >= len(data):
            raise ClientError({"Error": {"Code": "InvalidRange"}}, "GetObject")
        return data[first : None if last is None else last + 1]

    def head(self, key: str) -> Head:
        """All but its bytes."""
        data, content_type = self.get(key), self.stored[key][1]
        tag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        return Head(content_type, len(data), tag, datetime.now(UTC), dict(self.stored[key][2]))

    def exists(self, key: str) -> bool:
        """Whether it is there."""
        _check(key)
        return key in self.stored

    def copy(self, key: str, to: str) -> None:
        """Store it a second time."""
        self.get(key)
        self.stored[to] = self.stored[key]

    copy_relabelled = Artifacts.copy_relabelled

    def delete(self, key: str) -> None:
        """Remove it if it is there."""
        self.stored.pop(key, None)

    def delete_under(self, prefix: str) -> int:
        """Remove all whose keys start like this; how many there were."""
        found = self.keys(prefix)
        for key in found:
            del self.stored[key]
        return len(found)

    def keys(self, prefix: str = "") -> list[str]:
        """All keys that start like this, in S3's order; only tests ask."""
        return sorted(key for key in self.stored if key.startswith(prefix))

    def put_file(self, key: str, path: Path, content_type: str) -> None:
        """Store a file."""
        self.put(key, path.read_bytes(), content_type)

    def link(self, key: str, *, headers: dict[str, str], seconds: int = LINK_SECONDS) -> str:
        """A URL that the bucket's own server answers."""
        asked = {"X-Amz-Expires": seconds, "X-Amz-Signature": "secret-signature"}
        asked |= {LINK_HEADERS[name]: value for name, value in headers.items()}
        return f"{self.url}/{quote(key)}?{urlencode(asked, quote_via=quote)}"

    def upload_form(self, key: str, *, content_type: str, size: int) -> dict[str, Any]:
        """A form with the fields that a browser sends."""
        conditions = [{"Content-Type": content_type}, ["content-length-range", size, size], {"key": key}]
        ends = datetime.fromtimestamp(time.time() + UPLOAD_SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        policy = {"conditions": conditions, "expiration": ends}
        fields = {"Content-Type": content_type, "key": key, **dict.fromkeys(FORM_FIELDS, "secret-signature")}
        return {
            "url": f"{self.url}/",
            "fields": fields | {"policy": b64encode(json.dumps(policy).encode()).decode()},
        }


@contextmanager
def serving(bucket: Bucket) -> Iterator[Bucket]:
    """The bucket behind its links, on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = bucket.stored.get(self.path[1:].partition("?")[0])
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(found[0] if found else b"")

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    bucket.url = f"http://127.0.0.1:{server.server_port}"
    yield bucket
    server.shutdown()
    server.server_close()


def now() -> int:
    """The time in epoch ms."""
    return time.time_ns() // 1_000_000


def job_for(
    bucket: Bucket,
    model: str,
    *,
    size: tuple[int, int] = (32, 24),
    output_format: str = "png",
    data: bytes | None = None,
    prediction: Prediction | None = None,
    **params: Any,
) -> tuple[Job, Item]:
    """A job with one picture, whose original lies in the bucket already."""
    number = next(_numbers)
    found = model_named(model)
    original = encoded(picture(size, shade=number)) if data is None else data
    source = Artifact(f"ai-enhancer/uploads/user/o/in{number}-{now()}.png", "image/png", len(original), *size)
    bucket.put(source.key, original, "image/png")
    item = Item(
        index=0,
        status="processing",
        hold=Hold("", 0, 0, 0, "2026-11-20", "2026-11"),
        input=source,
        target=f"ai-enhancer/results/user/o/out{number}-{now()}.png",
        output_format=output_format,
        prediction=prediction,
    )
    prompt = "make it blue" if found.prompt else None
    asked = {"scale": 2 if found.scales else 0, "prompt": prompt} | params
    return (
        Job(
            id=f"job_{number}",
            owner=Owner("user", "o"),
            status="processing",
            model=found.slug,
            provider=found.provider,
            params=Params(**asked),
            fingerprint="",
            items=(item,),
            created_at=now(),
            updated_at=now(),
            deadline=now() + 300_000,
        ),
        item,
    )
