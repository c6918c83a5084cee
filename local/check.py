"""The self-check of `make run`: enhance the sample photos as a browser would, and check the size of each result."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from PIL import Image

from local.processes import LocalError

ACCOUNT = {"email": "self-check@example.com", "plan": "pro"}
JOB_TIMEOUT_S = 120.0


def enhance_samples(url: str, samples: Path, results: Path) -> Iterator[str]:
    """Yield one line per sample: name, size before and after in pixels, seconds, URL and file of the result."""
    browser = sign_in(url)
    results.mkdir(parents=True, exist_ok=True)
    for sample in sorted(samples.glob("*.jpg")):
        started = time.perf_counter()
        image_url, known = enhance(browser, url, sample)
        result = browser.get(absolute(url, image_url), timeout=30)
        if result.status_code != 200:
            raise LocalError(f"{image_url} answered {result.status_code}")
        seconds = time.perf_counter() - started
        kept = results / f"{sample.stem}{Path(image_url.partition('?')[0]).suffix}"
        kept.write_bytes(result.content)
        before, after = dimensions(sample.read_bytes()), dimensions(result.content)
        if after != (before[0] * 2, before[1] * 2):
            raise LocalError(f"{sample.name}: {before} became {after}, not twice the size")
        sizes = f"{before[0]}×{before[1]} → {after[0]}×{after[1]}"
        how = f"in {seconds:.1f} s" + (", kept from an earlier run" if known else "")
        yield f"{sample.name}: {sizes} {how}   {absolute(url, image_url)}   ({kept})"


def sign_in(url: str) -> requests.Session:
    """Return a session signed in to the self-check's own account, so that no guest quota is used."""
    browser = requests.Session()
    browser.trust_env = False  # no proxy and no .netrc between us and loopback
    expect(browser.get(f"{url}/api/ai-image/usage", timeout=30), 200)
    login = browser.post(
        f"{url}/api/debug-login", json=ACCOUNT, headers=own_headers(browser, url), timeout=30
    )
    expect(login, 200)
    return browser


def own_headers(browser: requests.Session, url: str) -> dict[str, str]:
    """Return the headers that our page sends with an unsafe request (CSRF)."""
    return {"Origin": url, "X-CSRF-Token": browser.cookies.get("csrf_token") or ""}


def enhance(browser: requests.Session, url: str, sample: Path) -> tuple[str, bool]:
    """Return the path of the enhanced image, and whether it was a stored result of an earlier run."""
    with sample.open("rb") as image:
        answer = browser.post(
            f"{url}/api/ai-image/generate",
            data={"model": "local", "scale": "2"},
            files={"image": (sample.name, image, "image/jpeg")},
            headers=own_headers(browser, url),
            timeout=60,
        )
    if answer.status_code == 202:
        return await_job(browser, absolute(url, answer.headers["Location"])), False
    enhanced = expect(answer, 200)["data"]
    return str(enhanced["imageUrl"]), bool(enhanced["deduplicated"])


def await_job(browser: requests.Session, job_url: str) -> str:
    """Wait for a job and return the path of its result; LocalError if it fails or takes too long."""
    deadline = time.monotonic() + JOB_TIMEOUT_S
    while time.monotonic() < deadline:
        job = expect(browser.get(job_url, timeout=30), 200)["data"]
        if job["status"] == "succeeded":
            return str(job["output"]["url"])
        if job["status"] in ("failed", "canceled"):
            raise LocalError(f"the job ended as {job['status']}: {job.get('error')}")
        time.sleep(0.5)
    raise LocalError(f"the job is not done after {JOB_TIMEOUT_S:.0f} s")


def expect(answer: requests.Response, status: int) -> dict[str, Any]:
    """Return the answer's JSON; LocalError if it has another status."""
    if answer.status_code != status:
        where = f"{answer.request.method} {answer.request.path_url}"
        raise LocalError(f"{where} answered {answer.status_code}: {answer.text[:300]}")
    return dict(answer.json())


def absolute(url: str, path: str) -> str:
    """Return a whole URL for a path of the product or a whole URL."""
    return path if "://" in path else url + path


def dimensions(image: bytes) -> tuple[int, int]:
    """Return width and height of an image file in pixels."""
    with Image.open(io.BytesIO(image)) as opened:
        return opened.size
