"""Every mistake has its own clear error, and none is charged, held or stored."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import Store
from tests.e2e.test_concurrency import guest_of
from tests.support.client import PATIENCE_SECONDS, Client, picture
from tests.support.hostile_pictures import floods, grid_avif, lying_avif
from tests.support.pictures import chunk, photo, saved

GOOD = picture(seed=11)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


PNG = saved(photo(), "PNG")
ODD = {
    "JPEG without its end": saved(photo(), "JPEG")[:-2],
    "text of 2 MB": PNG[:33] + chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2_000_000))) + PNG[33:],
    "checksum of a text": PNG[:33] + chunk(b"tEXt", b"k\0v")[:-1] + b"\0" + PNG[33:],
    "short JFIF": saved(photo(), "JPEG").replace(b"\xff\xe0\0\x10JFIF\0", b"\xff\xe0\0\x07JFIF\0", 1),
}


def huge_png() -> bytes:
    """A valid PNG header that promises 50000 x 50000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


@dataclass(frozen=True)
class Mistake:
    """A request and the refusal it must meet."""

    name: str
    status: int
    code: str
    image: bytes | None = GOOD
    fields: dict[str, str] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)


MISTAKES = [
    Mistake("no image", 400, "image_missing", image=None),
    Mistake("text named .png", 415, "image_format_unsupported", image=b"hello, I am a picture"),
    Mistake("truncated JPEG", 400, "image_unreadable", image=picture(file_format="JPEG")[:-60]),
    Mistake("50000x50000", 413, "too_many_pixels", image=huge_png()),
    Mistake("0 bytes", 400, "image_empty", image=b""),
    Mistake("CgBI", 400, "image_unreadable", image=PNG[:8] + chunk(b"CgBI", bytes(4)) + PNG[8:]),
    Mistake("AVIF that lies", 400, "image_unreadable", image=lying_avif((2048, 2048), (64, 64))),
    Mistake("AVIF of hostile tiles", 400, "image_unreadable", image=grid_avif((16, 16), 20, 20)),
    Mistake(
        "flood of segments", 400, "image_unreadable", image=floods(3_000_000)["JPEG application segments"]
    ),
    Mistake("rows missing and no end", 400, "image_unreadable", image=picture(file_format="JPEG")[:-400]),
    Mistake("SVG", 415, "image_format_unsupported", image=SVG),
    Mistake("12 MB", 413, "file_too_large", image=GOOD + bytes(12_000_000)),
    Mistake("5 MB", 413, "file_too_large", image=GOOD + bytes(5_000_000)),
    Mistake("wrong model", 400, "unknown_model", fields={"model": "dall-e"}),
    Mistake("scale 3", 400, "scale_not_supported", fields={"scale": "3"}),
    Mistake("scale 4 as guest", 403, "plan_required", fields={"scale": "4"}),
    Mistake("scale in words", 400, "invalid_fields", fields={"scale": "two"}),
    Mistake("unknown field", 400, "invalid_fields", fields={"zoom": "2"}),
    Mistake("prompt for an upscaler", 400, "option_not_supported", fields={"prompt": "a cat"}),
    Mistake("missing CSRF", 403, "csrf_token_invalid", headers={"X-CSRF-Token": None}),
    Mistake("wrong CSRF", 403, "csrf_token_invalid", headers={"X-CSRF-Token": "guess"}),
    Mistake("foreign origin", 403, "origin_not_allowed", headers={"Origin": "https://evil.example"}),
    Mistake("no origin", 403, "origin_not_allowed", headers={"Origin": None}),
    Mistake("endless key", 400, "invalid_idempotency_key", headers={"Idempotency-Key": "k" * 200}),
]


def check_nothing_happened(client: Client, store: Store) -> None:
    """No charge, no hold, no entry, no file."""
    usage = client.usage()
    assert (usage["usage"]["used"], usage["monthlyUsage"]["used"]) == (0, 0)
    owner = guest_of(client)
    assert list(store.ledger.entries(owner)) == []
    kept = store.s3.list_objects_v2(Bucket=store.bucket, Prefix=f"ai-enhancer/uploads/guest/{owner.id}/")
    assert kept["KeyCount"] == 0


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_mistake_is_refused_by_its_name_and_not_charged(
    fresh_client: Callable[[], Client], store: Store, mistake: Mistake
) -> None:
    """The status, the code and our envelope; and nothing happened."""
    client = fresh_client()
    answer = client.generate(mistake.image, headers=mistake.headers, **mistake.fields)
    body = answer.json()
    assert (answer.status_code, body["error"]["code"]) == (mistake.status, mistake.code), answer.text
    assert body["success"] is False
    assert len(body["error"]["message"]) > 10
    assert body["requestId"]
    check_nothing_happened(client, store)


@pytest.mark.parametrize("name", ODD)
def test_odd_picture_whose_pixels_are_there_is_enhanced(
    fresh_client: Callable[[], Client], name: str
) -> None:
    """Broken metadata is nobody's problem: the whole way works, from the decoder to the result."""
    answer = fresh_client().generate(ODD[name])
    assert answer.status_code == 200, answer.text
    assert (answer.json()["data"]["width"], answer.json()["data"]["height"]) == (96, 64)


def test_two_images_are_refused(fresh_client: Callable[[], Client], store: Store) -> None:
    """One call takes one picture."""
    client = fresh_client()
    files = [("image", ("a.png", GOOD)), ("image", ("b.png", GOOD))]
    answer = client.post("/api/ai-image/generate", files=files)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_many_images")
    check_nothing_happened(client, store)


def test_file_over_the_request_limit_is_told_about_uploads(fresh_client: Callable[[], Client]) -> None:
    """The 413 names the way that works."""
    answer = fresh_client().generate(GOOD + bytes(12_000_000))
    assert answer.json()["error"]["details"]["uploads"] == "/api/ai-image/uploads"


def test_german_browser_reads_german(fresh_client: Callable[[], Client]) -> None:
    """Messages follow Accept-Language; codes stay."""
    answer = fresh_client().generate(b"", headers={"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"})
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == ("image_empty", "Das Bild ist leer (0 Bytes).")


BODIES = {
    "deep": b"[" * 100_000, "long number": b'{"scale":' + b"1" * 5_000 + b"}", "NaN": b'{"scale": NaN}',
    "many fields": b"{" + b",".join(b'"f%d":1' % n for n in range(250_000)) + b"}", "0xFF": b"\xff",
    "half a pair": b'{"prompt":"\\ud800"}',
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("kind", ["application/json", "", None])
def test_body_that_cannot_be_read_is_400_in_a_few_words(
    fresh_client: Callable[[], Client], body: str, kind: str | None
) -> None:
    """Through gateway and all: no 5xx, whatever is stated about its type, and a small answer."""
    headers = {"Content-Type": kind}
    answer = fresh_client().post("/api/ai-image/quote", data=BODIES[body], headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_fields"), answer.text
    assert len(answer.content) < 2_000


@pytest.mark.parametrize("part", ["%2f", "%5c", "%00", "%252f", "/../", "/%2e%2e/", "//", "\\"])
def test_path_of_a_result_has_one_spelling_for_its_owner_too(
    fresh_client: Callable[[], Client], part: str
) -> None:
    """Exactly as written, as no browser would send it: 404."""
    client = fresh_client()
    made = client.generate(GOOD).json()["data"]["imageUrl"]
    folder, _, name = made.removeprefix(client.url).rpartition("/")
    cookies = "; ".join(f"{one.name}={one.value}" for one in client.http.cookies)
    place = urlsplit(client.url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE_SECONDS)
    connection.putrequest("GET", f"{folder}{part}{name}")
    connection.putheader("Cookie", cookies)
    connection.endheaders()
    assert connection.getresponse().status == 404
    connection.close()
    assert client.get(made).status_code == 200


def test_range_of_endless_digits_is_the_whole_picture(fresh_client: Callable[[], Client]) -> None:
    """What cannot be read asks for nothing."""
    client = fresh_client()
    made = client.generate(GOOD).json()["data"]["imageUrl"]
    answer = client.get(made, headers={"Range": f"bytes={'9' * 4_301}-"})
    assert answer.status_code == 200


def test_slash_too_many_is_a_redirect_for_who_reads_and_404_for_who_sends(
    fresh_client: Callable[[], Client],
) -> None:
    """Wherever the gateway sends it."""
    client = fresh_client()
    for path in ("/api/ai-image/usage", "/api/auth/me", "/api/ai-image/jobs"):
        answer = client.get(f"{path}/?limit=1")
        assert (answer.status_code, answer.headers["Location"]) == (308, f"{path}?limit=1")
    sent = client.post("/api/ai-image/quote/", json={})
    assert (sent.status_code, sent.json()["error"]["code"]) == (404, "not_found")


def test_key_at_the_development_sign_in_is_no_fault_of_ours(fresh_client: Callable[[], Client]) -> None:
    """Any key, anywhere: 401 with the way to send it."""
    client = fresh_client()
    for headers in ({"Authorization": "Bearer ek_test_unknown"}, {"x-api-key": "ek_test_unknown"}):
        answer = client.post("/api/debug-login", json={"plan": "free"}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert "Authorization: Bearer" in answer.json()["error"]["message"]
