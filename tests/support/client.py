"""A browser's worth of HTTP: cookies, CSRF token, Origin, and an address of its own."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from PIL import Image
from requests.adapters import HTTPAdapter

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PATIENCE_SECONDS = 160
"""Longer than the front door of the tests waits; nothing here asserts speed."""


class _From(HTTPAdapter):
    """Connects from a given loopback address, so that each client can be a network of its own."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__(pool_maxsize=4)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, source_address=(self._address, 0), **kwargs)


class Client:
    """One browser at one address. ``copy`` gives another with the same cookies, for another thread."""

    def __init__(self, url: str, address: str = "127.0.0.1") -> None:
        self.url = url
        self.address = address
        self.http = requests.Session()
        self.http.mount("http://", _From(address))

    def copy(self) -> Client:
        """The same browser again, with connections of its own."""
        twin = Client(self.url, self.address)
        twin.http.cookies.update(self.http.cookies)
        return twin

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET a path of ours, or one of our addresses."""
        return self.http.get(self.at(path), timeout=PATIENCE_SECONDS, allow_redirects=False, **options)

    def post(self, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> requests.Response:
        """POST as our own page would; ``headers`` with the value None are left out."""
        token = self.http.cookies.get("csrf_token", "")
        sent: dict[str, Any] = {"Origin": self.url, "X-CSRF-Token": token, **(headers or {})}
        return self.http.post(self.url + path, headers=sent, timeout=PATIENCE_SECONDS, **options)

    def at(self, path: str) -> str:
        """The address of a path here; of one of our addresses, the same path."""
        place = urlsplit(path)
        return self.url + (path if not place.netloc else place._replace(scheme="", netloc="").geturl())

    def meet(self) -> Client:
        """Get cookies, like a page that loads."""
        assert self.get("/api/ai-image/usage").status_code == 200
        return self

    def login(self, plan: str, email: str | None = None) -> str:
        """Sign in with a plan and return the user's id."""
        body = {"plan": plan, "email": email} if email else {"plan": plan}
        answer = self.post("/api/debug-login", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["userId"])

    def generate(
        self, image: bytes | None, *, headers: dict[str, str] | None = None, **fields: str
    ) -> requests.Response:
        """Enhance a picture."""
        files = {"image": ("photo.png", image)} if image is not None else {"nothing": (None, "")}
        return self.post("/api/ai-image/generate", files=files, data=fields, headers=headers)

    def upload(self, data: bytes, content_type: str = "image/jpeg") -> str:
        """Post a file by form, as the page does, and return its key."""
        body = {"contentType": content_type, "size": len(data)}
        form = self.post("/api/ai-image/uploads", json=body).json()["data"]
        stored = requests.post(form["url"], data=form["fields"], files={"file": data}, timeout=60)
        assert stored.ok, stored.text
        return str(form["uploadKey"])

    def start(
        self,
        *items: dict[str, str],
        image: bytes | None = None,
        headers: dict[str, str] | None = None,
        **fields: str,
    ) -> requests.Response:
        """Start a job: of ``items`` with ``fields`` as common parameters, or of one picture in the request."""
        path = "/api/ai-image/jobs"
        if image is not None:
            files = {"image": ("photo.png", image)}
            return self.post(path, files=files, data=fields, headers=headers)
        return self.post(path, json={"items": list(items), "params": fields}, headers=headers)

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as the API shows it."""
        answer = self.get(f"/api/ai-image/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def cancel(self, job_id: str) -> requests.Response:
        """Cancel a job."""
        return self.post(f"/api/ai-image/jobs/{job_id}/cancel")

    def retry(self, job_id: str, *, headers: dict[str, str] | None = None) -> requests.Response:
        """Run what failed in a job again."""
        return self.post(f"/api/ai-image/jobs/{job_id}/retry", headers=headers)

    def usage(self) -> dict[str, Any]:
        """What this client has used."""
        data: dict[str, Any] = self.get("/api/ai-image/usage").json()["data"]
        return data


def picture(
    width: int = 24, height: int = 16, *, seed: int = 1, file_format: str = "PNG", noise: bool = False
) -> bytes:
    """A small picture, different for each seed; with ``noise`` it does not compress."""
    if noise:
        image = Image.effect_noise((width, height), 90 + seed).convert("RGB")
    else:
        image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
        image.putpixel((seed % width, seed // width % height), (255, seed % 256, seed // 256 % 256))
    out = BytesIO()
    image.save(out, file_format)
    return out.getvalue()


def crops(count: int, width: int, height: int, *, start: int = 0) -> list[bytes]:
    """Parts of the sample photos as JPEG files, all different; another ``start`` gives others."""
    photos = [Image.open(path).convert("RGB") for path in sorted(SAMPLES.glob("*.jpg"))]
    found = []
    for number in range(start, start + count):
        photo = photos[number % len(photos)]
        left, top = (37 * number) % (photo.width - width), (23 * number) % (photo.height - height)
        out = BytesIO()
        photo.crop((left, top, left + width, top + height)).save(out, "JPEG", quality=90)
        found.append(out.getvalue())
    return found
