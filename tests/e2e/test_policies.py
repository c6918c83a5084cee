"""Least privilege: roles are enforced in all end-to-end tests, and this shows that they are."""

from __future__ import annotations

import json

from local.stack import LocalStack
from tests.e2e.conftest import Store
from tests.support.client import picture


def test_function_may_not_read_what_its_role_does_not_name(stack: LocalStack, store: Store) -> None:
    """The embedded model reads originals only: an upload nobody has looked at is denied to it."""
    source = "ai-enhancer/incoming/guest/somebody/something"
    store.s3.put_object(Bucket=store.bucket, Key=source, Body=picture())
    event = {
        "source": source,
        "target": "ai-enhancer/results/x.png",
        "scale": 2,
        "quality": "standard",
        "format": "png",
    }
    reply = stack.client("lambda").invoke(
        FunctionName=stack.physical_id("Upscale"), Payload=json.dumps(event).encode()
    )
    answer = json.loads(reply["Payload"].read())
    assert reply["FunctionError"] == "Unhandled"
    assert "AccessDenied" in answer["errorMessage"]
