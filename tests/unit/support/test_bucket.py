"""The bucket in memory answers like S3: both are asked the same."""

import json
from base64 import b64decode
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from enhancer.adapters.aws.artifacts import Artifacts
from enhancer.domain.artifacts import NoArtifact
from tests.support import aws
from tests.support.bucket import Bucket

FACTS = {"width": 8, "height": 0, "cost": -1, "long": 10**15}


@pytest.fixture
def both(cloud):
    """The two of them with the same three objects."""
    stores = [Bucket(), Artifacts(boto3.client("s3"), aws.BUCKET)]
    for store in stores:
        store.delete_under("")
        store.put("a/1.png", b"0123456789", "image/png", facts=FACTS)
        store.put("a/2.webp", b"x", "image/webp")
        store.put("b/3.png", b"", "image/png")
    return stores


def outcome(work):
    """What came of it, errors by their class and code."""
    try:
        return work()
    except NoArtifact as missing:
        return NoArtifact, missing.args
    except ClientError as refused:
        return refused.response["Error"]["Code"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.get("a/1.png"),
        lambda store: store.get("b/3.png"),
        lambda store: store.get("a/missing.png"),
        lambda store: store.get("a/1.png", first=2, last=4),
        lambda store: store.get("a/1.png", first=8, last=99),
        lambda store: store.get("a/1.png", first=10, last=11),
        lambda store: store.exists("a/1.png"),
        lambda store: store.exists("a/"),
        lambda store: store.head("a/missing.png"),
        lambda store: [
            getattr(store.head("a/1.png"), name) for name in ("content_type", "size", "etag", "facts")
        ],
        lambda store: (
            store.copy("a/1.png", "c/1.png"),
            store.delete("a/1.png"),
            store.get("c/1.png"),
            [getattr(store.head("c/1.png"), name) for name in ("content_type", "size", "etag", "facts")],
        ),
        lambda store: store.copy("a/missing.png", "c/missing.png"),
        lambda store: (store.delete("a/1.png"), store.delete("a/1.png"), store.exists("a/1.png")),
        lambda store: (store.delete_under("a/"), store.exists("a/2.webp"), store.exists("b/3.png")),
        lambda store: store.delete_under("nothing/"),
    ],
)
def test_both_buckets_give_the_same_answer(both, ask):
    """Bytes and windows of them, heads, what is missing, and what is left after deletions."""
    memory, real = [outcome(lambda store=store: ask(store)) for store in both]
    assert memory == real


def test_a_file_is_stored_alike(both, tmp_path):
    """With its type."""
    (tmp_path / "copy.zip").write_bytes(b"zip")
    for store in both:
        store.put_file("c/copy.zip", tmp_path / "copy.zip", "application/zip")
    assert [(store.get("c/copy.zip"), store.head("c/copy.zip").content_type) for store in both] == [
        (b"zip", "application/zip")
    ] * 2


def test_links_ask_for_the_same(both):
    """Path, headers of the answer and life are those of S3's."""
    headers = {
        "ResponseContentType": "image/png",
        "ResponseContentDisposition": 'attachment; filename="ä.png"',
    }
    memory, real = [urlsplit(store.link("a/1.png", headers=headers, seconds=60)) for store in both]
    assert real.path.endswith(memory.path)
    asked = parse_qs(memory.query)
    del asked["X-Amz-Signature"]
    assert {name: parse_qs(real.query)[name] for name in asked} == asked


def test_forms_pin_the_same(both):
    """Key, type and length."""
    memory, real = [store.upload_form("i/x", content_type="image/png", size=7)["fields"] for store in both]
    assert memory.keys() == real.keys()
    assert (memory["key"], memory["Content-Type"]) == (real["key"], real["Content-Type"])
    pinned = [json.loads(b64decode(fields["policy"]))["conditions"] for fields in (memory, real)]
    assert all(condition in pinned[1] for condition in pinned[0])
