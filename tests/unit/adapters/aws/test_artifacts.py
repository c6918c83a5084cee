"""The bucket: bytes in and out, links and forms that pin what they allow."""

import json
import time
from base64 import b64decode
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from enhancer.adapters.aws import artifacts as module
from enhancer.adapters.aws.artifacts import Artifacts
from enhancer.domain.artifacts import NoArtifact


def test_what_is_put_comes_back_whole_and_in_parts(world):
    """A window is inclusive at both ends."""
    world.artifacts.put("k/whole.png", b"0123456789", "image/png")
    assert world.artifacts.get("k/whole.png") == b"0123456789"
    assert world.artifacts.get("k/whole.png", first=2, last=4) == b"234"


def test_a_bucket_whose_bytes_do_not_come_is_given_up(monkeypatch):
    """Each piece comes before any time-out of the connection, but all of them would take for ever."""
    monkeypatch.setattr(module, "GET_SECONDS", 0.2)

    class Body:
        def iter_chunks(self, _size):
            while True:
                time.sleep(0.05)
                yield b"x"

    class Slow:
        def get_object(self, **_asked):
            return {"Body": Body()}

    began = time.monotonic()
    with pytest.raises(ReadTimeoutError):
        Artifacts(Slow(), "bucket").get("k")
    assert time.monotonic() - began < 5


def test_a_head_knows_type_size_and_tag(world):
    """Everything an answer needs, without the bytes."""
    world.artifacts.put("k/head.png", b"12345", "image/png")
    head = world.artifacts.head("k/head.png")
    assert (head.content_type, head.size, head.etag[0], head.etag[-1]) == ("image/png", 5, '"', '"')


def test_a_head_knows_the_numbers_an_artifact_was_stored_with(world):
    """Width, height, cost; none where none were given."""
    world.artifacts.put("k/facts.png", b"1", "image/png", facts={"width": 64, "height": 48, "cost": 0})
    assert world.artifacts.head("k/facts.png").facts == {"width": 64, "height": 48, "cost": 0}
    world.artifacts.put("k/plain.png", b"1", "image/png")
    assert world.artifacts.head("k/plain.png").facts == {}


class Telling:
    """A bucket whose objects have this metadata."""

    def __init__(self, metadata):
        self.metadata = metadata

    def head_object(self, **_asked):
        return {
            "ContentType": "",
            "ContentLength": 1,
            "ETag": "",
            "LastModified": None,
            "Metadata": self.metadata,
        }


@pytest.mark.parametrize("text", ["", "x", "1.5", "-1", "\u0664", "9" * 5000, "0x10", " 1"])
def test_a_fact_that_is_no_number_is_left_out(text):
    """Whoever wrote it."""
    head = Artifacts(Telling({"width": text, "height": "7"}), "photos").head("k")
    assert head.facts == {"height": 7}


@pytest.mark.parametrize("read", ["get", "head"])
def test_a_missing_artifact_is_no_artifact(world, read):
    """Absence is one error, whichever way it was noticed."""
    with pytest.raises(NoArtifact):
        getattr(world.artifacts, read)("k/missing.png")


def test_existence_follows_put_and_delete(world):
    """Deleting is final and may be repeated."""
    assert world.artifacts.exists("k/there.png") is False
    world.artifacts.put("k/there.png", b"x", "image/png")
    assert world.artifacts.exists("k/there.png") is True
    world.artifacts.delete("k/there.png")
    world.artifacts.delete("k/there.png")
    assert world.artifacts.exists("k/there.png") is False


class Refusing:
    """A bucket that refuses every read."""

    def head_object(self, **_asked):
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "HeadObject")

    get_object = head_object


@pytest.mark.parametrize("read", ["get", "head", "exists"])
def test_a_store_that_fails_is_not_taken_for_an_absent_artifact(read):
    """Anything but a 404 surfaces: a broken bucket must not look like a deleted picture."""
    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(Artifacts(Refusing(), "photos"), read)("k")


def test_a_link_carries_its_headers_and_ends_after_five_minutes(world):
    """The redirect's target answers with our type and disposition, for a short while."""
    link = world.artifacts.link("k/large.png", headers={"ResponseContentType": "image/png"})
    query = parse_qs(urlsplit(link).query)
    assert query["X-Amz-Expires"] == ["300"]
    assert query["response-content-type"] == ["image/png"]
    assert urlsplit(link).path.endswith("/k/large.png")


def test_a_link_for_a_provider_lives_as_long_as_it_may_take(world):
    """A cold model fetches its input late."""
    link = world.artifacts.link("k/input.png", headers={}, seconds=3600)
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["3600"]


def test_an_upload_form_pins_key_type_and_length(world):
    """Nothing but exactly the announced file can be stored with the form."""
    form = world.artifacts.upload_form("incoming/x", content_type="image/png", size=1234)
    conditions = json.loads(b64decode(form["fields"]["policy"]))["conditions"]
    assert ["content-length-range", 1234, 1234] in conditions
    assert {"Content-Type": "image/png"} in conditions
    assert {"key": "incoming/x"} in conditions
    assert form["fields"]["Content-Type"] == "image/png"
