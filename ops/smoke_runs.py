"""Checks that enhance a tiny picture: what a run gives, who may see it, what it costs."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import requests

from ops.smoke_client import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    Answer,
    Failed,
    Json,
    Visitor,
    in_time,
    seconds_of,
)
from ops.smoke_open import NOT_IN_COHORT, PAUSED
from ops.smoke_picture import tiny_png
from ops.smoke_plan import Blocked, Skipped, Smoke, check, expect

JOBS, GENERATE = "/api/ai-image/jobs", "/api/ai-image/generate"
WIDTH, HEIGHT = 24, 16
RESULTS, UPLOADS = "/r2-ai/ai-enhancer/results/", "/r2-ai/ai-enhancer/uploads/"
OPEN = ("queued", "processing")
PAUSE_SECONDS = 0.5
PNG = b"\x89PNG\r\n\x1a\n"


@check("generate")
def generate(smoke: Smoke) -> str:
    """A small picture comes back enlarged within the request; or is refused exactly as the phase wants."""
    before = smoke.runner.get("/api/ai-image/usage").data()
    answer = smoke.runner.post(GENERATE, files=_form(tiny_png(WIDTH, HEIGHT)), data={"model": "local"})
    if refusal := _refused_by_phase(smoke, answer, before):
        smoke.kept["refused"] = refusal
        return refusal
    _limits(answer)
    result, how = _finished(smoke, answer)
    size = (result["width"], result["height"])
    wanted = (2 * WIDTH, 2 * HEIGHT)
    expect(size == wanted, f"the result is {size[0]}x{size[1]}, expected {wanted[0]}x{wanted[1]}")
    for name, folder in (("imageUrl", RESULTS), ("originalUrl", UPLOADS)):
        start = f"{smoke.options.url}{folder}"
        expect(str(result[name]).startswith(start), f"{name} is {result[name]}, expected {start}...")
    _spend(smoke, 1, float(result["charge"]["total"]))
    smoke.kept |= {"before": before, "result": result}
    return f"{how}, {size[0]}x{size[1]}, charge {result['charge']['total']:g}"


def _finished(smoke: Smoke, answer: Answer) -> tuple[Json, str]:
    """Return the result of a run, and how it came: with the answer, or as a job that the answer named."""
    if answer.status == 202:
        job_id = str(answer.data(202)["id"])
        smoke.jobs.append((smoke.runner, job_id))
        found = _ended(smoke, smoke.runner, job_id)
        urls = {"imageUrl": found["output"]["url"], "originalUrl": found["input"]["url"]}
        return {**found["output"], **urls, "charge": found["charge"]}, "202, ended as a job"
    result = answer.data()
    smoke.jobs.append((smoke.runner, str(result["jobId"])))
    for name in ("usage", "monthlyUsage", "limits", "entitlements", "model", "provider"):
        expect(name in result, f"{name} is missing in the answer")
    for name in ("X-Credits-Charged", "X-Credits-Available"):
        expect(answer.headers.get(name), f"the header {name} is missing")
    return result, "200"


@check("usage-moves", needs=("generate",))
def usage_moves(smoke: Smoke) -> str:
    """Day and month moved by exactly this run."""
    result, before = _result(smoke), smoke.kept["before"]
    after = smoke.runner.get("/api/ai-image/usage").data()
    images = after["usage"]["used"] - before["usage"]["used"]
    month = round(after["monthlyUsage"]["used"] - before["monthlyUsage"]["used"], 1)
    bought = round(before["credits"]["available"] - after["credits"]["available"], 1)
    charge = result["charge"]
    expect(images == 1, f"images of the day moved by {images:g}, expected 1")
    expect(charge["total"] == 1.0, f"the run was charged {charge['total']:g}, expected 1")
    paid = (month, bought)
    wanted = (charge["planPortion"], charge["creditsPortion"])
    expect(paid == wanted, f"month and credits moved by {paid}, the run was charged {wanted}")
    return f"day +1, month +{month:g}, credits -{bought:g}"


@check("upload-public", needs=("generate",))
def upload_public(smoke: Smoke) -> str:
    """The original is public under its unguessable name, kept by caches for a while, and sets no cookie."""
    answer = smoke.nobody.get(str(_result(smoke)["originalUrl"]))
    _picture(answer)
    _cache(answer, "public, max-age=900, immutable")
    expect(not answer.set_cookies, "a public picture sets a cookie")
    return answer.headers["Cache-Control"]


@check("result-owner", needs=("generate",))
def result_owner(smoke: Smoke) -> str:
    """The owner gets the result, kept by their own browser only."""
    url = str(_result(smoke)["imageUrl"])
    answer = smoke.runner.get(url)
    _picture(answer)
    _cache(answer, "private, max-age=31536000, immutable")
    again = smoke.runner.get(url, **{"If-None-Match": answer.headers.get("ETag", "")})
    expect(again.status == 304, f"the same ETag gives {again.status}, expected 304")
    return answer.headers["Cache-Control"]


@check("result-stranger", needs=("generate",))
def result_stranger(smoke: Smoke) -> str:
    """Another guest does not get it."""
    smoke.stranger.get("/api/ai-image/usage")
    return _kept_from(smoke.stranger, str(_result(smoke)["imageUrl"]))


@check("result-nobody", needs=("generate",))
def result_nobody(smoke: Smoke) -> str:
    """Without cookies and without a key nobody gets it."""
    return _kept_from(smoke.nobody, str(_result(smoke)["imageUrl"]))


@check("result-missing", needs=("generate",))
def result_missing(smoke: Smoke) -> str:
    """A name of the owner's that nothing is stored under is 404."""
    folder = str(_result(smoke)["imageUrl"]).rpartition("/")[0]
    smoke.runner.get(f"{folder}/{'0' * 26}.png").refused(404, "not_found")
    return "404"


@check("job", needs=("generate",))
def job(smoke: Smoke) -> str:
    """A job is taken at once and ends well, and a stranger does not find it."""
    _result(smoke)
    runner = smoke.another_runner()
    answer = runner.post(JOBS, files=_form(tiny_png(WIDTH, HEIGHT)), data={"model": "local"})
    _limits(answer)
    job_id = _taken(smoke, runner, answer)
    smoke.stranger.get(f"{JOBS}/{job_id}").refused(404, "not_found")
    found = _ended(smoke, runner, job_id)
    _spend(smoke, 1, float(found["charge"]["total"]))
    _picture(runner.get(str(found["output"]["url"])))
    return f"202, succeeded after {_seconds(found):.1f} s, charge {found['charge']['total']:g}"


@check("cancel", needs=("job",))
def cancel(smoke: Smoke) -> str:
    """A job can be canceled, and then costs nothing."""
    runner = smoke.another_runner()
    answer = runner.post(JOBS, files=_form(tiny_png(WIDTH, HEIGHT)), data={"model": "local"})
    _limits(answer)
    job_id = _taken(smoke, runner, answer)
    canceled = runner.post(f"{JOBS}/{job_id}/cancel")
    if canceled.status == 409:  # it was faster
        found = _ended(smoke, runner, job_id)
        _spend(smoke, 1, float(found["charge"]["total"]))
        return f"the job ended before it could be canceled: {canceled.code}"
    found = canceled.data()
    status, charge = found["status"], float(found["charge"]["total"])
    if status == "succeeded":
        _spend(smoke, 1, charge)
        return "the job ended before it could be canceled"
    expect(status == "canceled", f"the job is {status}, expected canceled")
    expect(charge == 0, f"a canceled job is charged {charge:g}")
    return "canceled, charge 0"


@check("batch", needs=("job",))
def batch(smoke: Smoke) -> str:
    """Two uploads by form become one job with two results."""
    runner = smoke.another_runner()
    day = runner.get("/api/ai-image/usage").data()["usage"]
    if day["limit"] < 2:
        raise Skipped(f"the plan has {day['limit']:g} image a day here, a batch needs two")
    if day["remaining"] < 2:
        raise Blocked(f"needs two images of today, {day['remaining']:g} are left")
    items = [{"uploadKey": _uploaded(runner, tiny_png(WIDTH, HEIGHT))} for _ in range(2)]
    answer = runner.post(JOBS, json={"model": "local", "items": items})
    _limits(answer)
    job_id = _taken(smoke, runner, answer)
    found = _ended(smoke, runner, job_id)
    progress = found["progress"]
    _spend(smoke, progress["done"], float(found["charge"]["total"]))
    expect((progress["done"], progress["failed"]) == (2, 0), f"progress is {progress}")
    smoke.left.append("the two uploads by form, which the bucket deletes within a day")
    return f"2 of 2, charge {found['charge']['total']:g}"


def _form(picture: bytes) -> dict[str, Any]:
    return {"image": ("smoke.png", picture, "image/png")}


def _refused_by_phase(smoke: Smoke, answer: Answer, usage: Json) -> str:
    """Return how a run was refused as the usage had said, "" for a run that was not; raise `Failed` if they differ."""
    access = usage.get("access") or {}
    if access and not access.get("admitted", True):
        answer.refused(403, "forbidden", NOT_IN_COHORT)
        expect(answer.details.get("upgradeUrl") or answer.details.get("needs"), "the refusal shows no way on")
        return f"refused as expected: {smoke.who} is not admitted in phase {access.get('phase')}"
    if access.get("paused"):
        answer.refused(503, "provider_error", PAUSED)
        expect(answer.headers.get("Retry-After"), "Retry-After is missing")
        return "refused as expected: runs are paused"
    if answer.code in (NOT_IN_COHORT, PAUSED):
        raise Failed(f"{answer.what} gives {answer.said}, but usage.access admits {smoke.who}")
    return ""


def _limits(answer: Answer) -> None:
    """Raise `Blocked` for a limit that earlier runs used up, after looking at how it is told."""
    if answer.status == 429:
        answer.refused(429, "rate_limit")
        wait = answer.headers.get("Retry-After", "")
        expect(seconds_of(wait) is not None, f"429 without Retry-After: {answer.code}")
        raise Blocked(
            f"{answer.code}: earlier runs used it up, Retry-After {wait} (KEY has limits of its own)"
        )
    if answer.status == 402:
        raise Blocked("neither plan nor credits of KEY cover the run")


def _result(smoke: Smoke) -> Json:
    if "refused" in smoke.kept:
        raise Skipped(f"no run: {smoke.kept['refused']}")
    found: Json = smoke.kept["result"]
    return found


def _taken(smoke: Smoke, owner: Visitor, answer: Answer) -> str:
    found = answer.data(202)
    job_id = str(found["id"])
    smoke.jobs.append((owner, job_id))
    expect(found["status"] == "queued", f"a new job is {found['status']}, expected queued")
    place = answer.headers.get("Location", "")
    expect(place.endswith(f"{JOBS}/{job_id}"), f"Location is {place or 'missing'}")
    return job_id


def _ended(smoke: Smoke, owner: Visitor, job_id: str) -> Json:
    """Wait for a job to succeed."""
    end = time.monotonic() + smoke.options.patience
    while True:
        found = owner.get(f"{JOBS}/{job_id}").data()
        if found["status"] not in OPEN:
            break
        if time.monotonic() > end:
            raise Failed(f"the job is still {found['status']} after {smoke.options.patience:g} s")
        time.sleep(PAUSE_SECONDS)
    error = (found.get("error") or {}).get("code", "")
    expect(found["status"] == "succeeded", f"the job is {found['status']} {error}".strip())
    return found


def _seconds(found: Json) -> float:
    return float(found["updatedAt"] - found["createdAt"]) / 1000


def _uploaded(owner: Visitor, picture: bytes) -> str:
    """Post a picture by the form of the bucket, and return its key."""
    body = {"contentType": "image/png", "size": len(picture)}
    form = owner.post("/api/ai-image/uploads", json=body).data()
    place = urlsplit(str(form["url"]))
    expect(place.scheme in ("http", "https") and place.hostname, "the form for an upload names no address")
    try:
        status = in_time(lambda: _stored(form, picture))
    except requests.RequestException as lost:
        raise Failed(f"the bucket does not take an upload ({type(lost).__name__})") from None
    expect(200 <= status < 300, f"the bucket answers {status} to an upload by form")
    return str(form["uploadKey"])


def _stored(form: Json, picture: bytes) -> int:
    """Send a form to where it says, and there only; return the status. Whatever else is answered is not read."""
    with requests.Session() as session:
        session.trust_env = False  # a .netrc would add somebody's password
        with session.post(
            form["url"],
            data=form["fields"],
            files={"file": ("smoke.png", picture, "image/png")},
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            allow_redirects=False,
            stream=True,
        ) as stored:
            return int(stored.status_code)


def _kept_from(visitor: Visitor, url: str) -> str:
    answer = visitor.get(url)
    expect(
        answer.status in (401, 403, 404),
        f"a result of somebody else gives {answer.status}, expected 403 or 404",
    )
    return answer.said


def _picture(answer: Answer) -> None:
    expect(answer.status == 200, f"{answer.what} gives {answer.said}, expected 200")
    fits = answer.kind == "image/png" and answer.body.startswith(PNG)
    expect(fits, f"{answer.what} is {answer.kind or 'without content type'}, expected image/png")


def _cache(answer: Answer, wanted: str) -> None:
    found = answer.headers.get("Cache-Control", "")
    expect(found == wanted, f"Cache-Control is {found or 'missing'}, expected {wanted}")


def _spend(smoke: Smoke, images: int, credits: float) -> None:
    smoke.spent.images += images
    smoke.spent.credits = round(smoke.spent.credits + credits, 1)
