"""A bucket in memory whose links really lead somewhere, and the jobs that use it. No AWS, so real sockets are free."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from enhancer.adapters.aws.artifacts import Head
from enhancer.domain.artifacts import NoArtifact
from enhancer.domain.jobs import Artifact, Item, Job, Prediction
from enhancer.domain.ledger import Hold
from enhancer.domain.models import Params, model_named
from enhancer.domain.owners import Owner
from tests.support.images import encoded, picture

_numbers = itertools.count(1)


class Bucket:
    """What `enhancer.adapters.aws.artifacts.Artifacts` does, without S3."""

    def __init__(self, url: str = "http://127.0.0.1:9") -> None:
        self.url = url
        self.stored: dict[str, tuple[bytes, str, dict[str, int]]] = {}

    def put(
        self, key: str, data: bytes, content_type: str, *, facts: Mapping[str, int] | None = None
    ) -> None:
        """Store an image."""
        self.stored[key] = (data, content_type, dict(facts or {}))

    def get(self, key: str) -> bytes:
        """Its bytes."""
        if key not in self.stored:
            raise NoArtifact(key)
        return self.stored[key][0]

    def head(self, key: str) -> Head:
        """All but its bytes."""
        data, content_type = self.get(key), self.stored[key][1]
        return Head(content_type, len(data), '"tag"', datetime.now(UTC), self.stored[key][2])

    def link(self, key: str, *, headers: dict[str, str], seconds: int = 300) -> str:
        """A URL that the bucket's own server answers."""
        return f"{self.url}/{key}?X-Amz-Expires={seconds}&X-Amz-Signature=secret-signature"


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
