"""POST uploads: a form for one file, for those who have something left."""

import pytest

from enhancer import runtime
from tests.support.events import Browser
from tests.support.images import png

UPLOADS, GENERATE = "/api/ai-image/uploads", "/api/ai-image/generate"
TYPES = "image/jpeg, image/png, image/webp, image/avif, image/heic, image/heif"
WANTED = {"contentType": "image/jpeg", "size": 12_345_678}


@pytest.fixture
def browser(served):
    """A browser in a network of its own."""
    return Browser(ip=f"2001:db8:{served.random.randrange(65536):x}:{served.random.randrange(65536):x}::1")


def use_up(apps, browser):
    """Let a guest use their day."""
    for shade in range(3):
        assert browser.post_form(apps.generate, GENERATE, image=png(shade=shade)).status == 200


def test_a_form_fixes_type_and_size(apps, browser):
    """The answer says where, with which fields, until when and how much."""
    data = browser.post_json(apps.uploads, UPLOADS, WANTED).data
    assert data["fields"]["Content-Type"] == "image/jpeg"
    assert data["maxBytes"] == 25_000_000


def test_a_guest_with_nothing_left_gets_no_form(apps, browser):
    """25 MB are not stored for a run that would be refused; the refusal is that of the run."""
    use_up(apps, browser)
    answer = browser.post_json(apps.uploads, UPLOADS, WANTED)
    assert (answer.status, answer.error["code"]) == (429, "daily_quota_exceeded")
    assert answer.headers["Retry-After"] == str(answer.json["retryAfter"])


def test_a_user_with_nothing_left_gets_a_form(apps, browser):
    """What they paid for before is free for them."""
    browser.post_json(apps.debug_login, "/api/debug-login", {"plan": "free"})
    use_up(apps, browser)
    assert browser.post_json(apps.uploads, UPLOADS, WANTED).status == 200


def test_a_guest_with_nothing_left_costs_no_decoding(apps, browser, monkeypatch):
    """The picture is neither fetched nor decoded: a refusal has to be cheaper than the request."""
    use_up(apps, browser)
    touched = []
    monkeypatch.setattr(runtime, "read_photo", lambda *_, **__: touched.append("decoded"))
    answer = browser.post_form(apps.generate, GENERATE, image=png(shade=9))
    assert (answer.status, answer.error["code"], touched) == (429, "daily_quota_exceeded", [])


@pytest.mark.parametrize(
    ("body", "status", "code", "english", "german"),
    [
        ({"contentType": "image/jpeg", "size": 25_000_001}, 413, "file_too_large",
         "The file has 25000001 bytes; from 1 to 25000000 bytes (25 MB) can be uploaded. Save the picture smaller.",
         "Die Datei hat 25000001 Bytes; hochladen lassen sich 1 bis 25000000 Bytes (25 MB). Bitte kleiner speichern."),
        ({"contentType": "IMAGE/GIF", "size": 5}, 415, "image_format_unsupported",
         f"contentType must be one of: {TYPES}. It says what the file is that will be uploaded.",
         f"contentType muss eines hiervon sein: {TYPES}. Es sagt, was für eine Datei hochgeladen wird."),
    ],
    ids=["size", "contentType"],
)  # fmt: skip
def test_a_refusal_tells_the_limits_of_uploads(apps, browser, body, status, code, english, german):
    """Field, limit and the way on, in the reader's language."""
    for language, text in (("en", english), ("de", german)):
        answer = browser.post_json(apps.uploads, UPLOADS, body, headers={"accept-language": language})
        assert (answer.status, answer.error["code"], answer.error["message"]) == (status, code, text)
