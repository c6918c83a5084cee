"""A photo goes in and comes back larger, and only its owner can fetch it."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
import requests
from PIL import Image

from tests.e2e.conftest import Store
from tests.support.client import Client, picture

Fresh = Callable[[], Client]


def test_guest_gets_a_photo_exactly_twice_as_large(fresh_client: Fresh) -> None:
    """The result opens, is exactly scale times the size, and looks like the original."""
    client, photo = fresh_client(), picture(61, 37, file_format="JPEG")
    answer = client.generate(photo, model="local", scale="2")
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert (data["width"], data["height"]) == (122, 74)
    assert data["charge"] == {"total": 1.0, "planPortion": 1.0, "creditsPortion": 0.0}
    assert answer.headers["X-Credits-Charged"] == "1.0"
    result = client.get(data["imageUrl"])
    assert result.headers["Content-Type"] == "image/jpeg"
    image = Image.open(BytesIO(result.content)).convert("RGB")
    assert image.size == (122, 74)
    small, original = image.resize((61, 37)), Image.open(BytesIO(photo)).convert("RGB")
    pairs = zip(small.tobytes(), original.tobytes(), strict=True)
    assert sum(abs(new - old) for new, old in pairs) / len(small.tobytes()) < 8
    assert client.usage()["usage"] == data["usage"]
    assert data["usage"]["remaining"] == 2


def test_result_is_refused_to_everybody_but_its_owner(fresh_client: Fresh) -> None:
    """Another guest and a caller without cookies get 403 for the result, and the original stays readable."""
    owner, other = fresh_client(), fresh_client()
    data = owner.generate(picture(seed=2)).json()["data"]
    assert owner.get(data["imageUrl"]).status_code == 200
    assert other.get(data["imageUrl"]).status_code == 403
    assert requests.get(data["imageUrl"], timeout=30).status_code == 403
    original = requests.get(data["originalUrl"], timeout=30)
    assert original.status_code == 200
    assert "Set-Cookie" not in original.headers
    assert original.headers["Cache-Control"] == "public, max-age=900, immutable"


def test_signed_in_browser_keeps_what_it_made_as_guest(fresh_client: Fresh) -> None:
    """After sign-in both the guest's and the user's results are served to the same browser."""
    client = fresh_client()
    as_guest = client.generate(picture(seed=3)).json()["data"]["imageUrl"]
    client.login("pro")
    as_user = client.generate(picture(seed=3), scale="4").json()["data"]["imageUrl"]
    assert "/user/" in as_user
    assert [client.get(url).status_code for url in (as_guest, as_user)] == [200, 200]


def test_result_answers_head_range_validators_and_download(fresh_client: Fresh) -> None:
    """HEAD has the length, Range gives a part, a known ETag gives 304, ?download=1 names a file."""
    client = fresh_client()
    url = client.generate(picture(seed=4)).json()["data"]["imageUrl"]
    whole = client.get(url)
    head = client.http.head(client.at(url), timeout=30)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(whole.content)))
    part = client.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole.content)}"
    assert client.get(url, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert "attachment" in client.get(url, params={"download": "1"}).headers["Content-Disposition"]


def test_same_picture_again_costs_nothing(fresh_client: Fresh) -> None:
    """The same pixels with the same parameters are answered with a copy of the paid result, also from another file."""
    client = fresh_client()
    first = client.generate(picture(seed=5)).json()["data"]
    again = client.generate(picture(seed=5) + b"another file, the same pixels").json()["data"]
    assert again["deduplicated"] is True
    assert (again["imageUrl"] != first["imageUrl"], again["charge"]["total"]) == (True, 0.0)
    pictures = [client.get(one["imageUrl"].removeprefix(client.url)).content for one in (first, again)]
    assert pictures[0] == pictures[1]
    assert client.usage()["usage"]["used"] == 1


def test_large_file_goes_through_a_prepared_upload(fresh_client: Fresh) -> None:
    """A file over the request limit is posted to the bucket by form and enhanced by its key."""
    client = fresh_client()
    client.login("pro")
    photo = picture(seed=6) + bytes(5_000_000)  # large as a file, small as a picture
    form = client.post("/api/ai-image/uploads", json={"contentType": "image/png", "size": len(photo)}).json()[
        "data"
    ]
    stored = requests.post(form["url"], data=form["fields"], files={"file": photo}, timeout=60)
    assert stored.status_code in (200, 204), stored.text
    answer = client.generate(None, uploadKey=form["uploadKey"], output_format="png")
    assert answer.status_code == 200, answer.text
    original = client.get(answer.json()["data"]["originalUrl"]).content
    assert len(original) < 10_000


def test_large_result_is_a_short_lived_link_for_its_owner_only(fresh_client: Fresh, store: Store) -> None:
    """What does not fit through Lambda is a 302 to a presigned URL, behind the same owner gate."""
    owner, other = fresh_client(), fresh_client()
    url = owner.generate(picture(seed=10)).json()["data"]["imageUrl"]
    photo = picture(1500, 1400, noise=True)
    assert len(photo) > 4_400_000
    key = url.removeprefix(f"{owner.url}/r2-ai/")
    store.s3.put_object(Bucket=store.bucket, Key=key, Body=photo, ContentType="image/png")
    answer = owner.get(url, params={"download": "1"})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (302, "private, no-store")
    linked = requests.get(answer.headers["Location"], timeout=60)
    assert (linked.content, linked.headers["Content-Type"]) == (photo, "image/png")
    assert "attachment" in linked.headers["Content-Disposition"]
    assert other.get(url).status_code == 403


def test_upload_form_refuses_another_size(fresh_client: Fresh) -> None:
    """The form takes exactly the announced length."""
    client = fresh_client()
    form = client.post("/api/ai-image/uploads", json={"contentType": "image/png", "size": 100}).json()["data"]
    stored = requests.post(form["url"], data=form["fields"], files={"file": b"x" * 101}, timeout=60)
    assert stored.status_code >= 400
    refused = client.generate(None, uploadKey=form["uploadKey"])
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "upload_not_found")


@pytest.mark.parametrize(
    "path", ["/r2-ai/", "/r2-ai/ai-enhancer/results/guest", "/r2-ai/ai-enhancer/incoming/guest/a/b"]
)
def test_other_keys_are_not_found(fresh_client: Fresh, path: str) -> None:
    """Whatever is not an original or a result is a 404 in our envelope."""
    answer = fresh_client().get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
