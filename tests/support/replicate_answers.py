"""What Replicate answers, and the adapter in front of a server that says so."""

import time
from datetime import UTC, datetime

from enhancer.adapters.predictors.replicate import Replicate
from enhancer.adapters.predictors.results import Results
from tests.support.bucket import now
from tests.support.images import png
from tests.support.scripted_server import says

CREATE, LIST, GET = "POST /v1/predictions", "GET /v1/predictions", "GET /v1/predictions/p1"


class Tokens:
    """A store whose token was rotated once."""

    def __init__(self, *tokens):
        self.tokens, self.asked = tokens or ("r8_secret",), []

    def __call__(self, fresh):
        self.asked.append(fresh)
        return self.tokens[-1] if fresh else self.tokens[0]


def adapter(server, bucket, *, token=None, callback=None, clock=now):
    return Replicate(
        base_url=server.url,
        token=token or Tokens(),
        results=Results(bucket),
        artifacts=bucket,
        callback_url=lambda job, item: callback,
        now=clock,
    )


def told(status="succeeded", *, id="p1", at=0.0, **more):
    """A prediction object."""
    created = datetime.fromtimestamp(time.time() + at, UTC).isoformat().replace("+00:00", "Z")
    return {
        "id": id, "model": "owner/name", "version": "hidden", "status": status, "input": {}, "output": None,
        "error": None, "logs": "", "metrics": {"predict_time": 2.0}, "created_at": created, "urls": {},
    } | more  # fmt: skip


def ready(server, size=(64, 48), **more):
    """A prediction that succeeded; its output lies on the same server."""
    server.on("GET /out.png", says(200, png(size), Content_Type="image/png"))
    return told(output=f"{server.url}/out.png", **more)
