"""What nobody may read in a log or reach by a token: prompts, names, addresses, keys, pictures, signed URLs."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from enhancer.domain.owners import Owner
from local.providers import REPLICATE_TOKEN, WEBHOOK_SECRET, WORKERS_TOKEN
from tests.e2e.deployed import Deployed
from tests.e2e.provider_lab import REPLICATE, WORKERS, Lab
from tests.support.client import Client, picture

MARKS = {
    "prompt": "marigold-lighthouse-4711",
    "negative prompt": "no-umbrella-0815",
    "file name": "grandmother-at-the-sea-1955",
    "e-mail": "a.private.person@example.org",
    "picture address": "album-of-a-stranger",
    "token of Replicate": REPLICATE_TOKEN,
    "token of Workers AI": WORKERS_TOKEN,
    "webhook secret": WEBHOOK_SECRET.removeprefix("whsec_"),
}
SLICE = 40
"""So many characters of a picture in base64 are no coincidence."""


@pytest.fixture(scope="module")
def lab(deployed: Deployed, fresh_client: Callable[[], Client]) -> Iterator[Lab]:
    """The stack as a laboratory."""
    opened = Lab(deployed, fresh_client)
    with opened.held(REPLICATE, WORKERS):
        yield opened
    opened.canary.close()


@pytest.fixture(scope="module")
def original() -> bytes:
    """The picture in every request of the scenario."""
    return picture(200, 150, seed=4711, noise=True)


@pytest.fixture(scope="module")
def heard(lab: Lab, original: bytes) -> list[dict[str, object]]:
    """Play the scenario, good and bad ends through both providers; return what the providers were sent."""
    client = lab.fresh()
    owner = Owner("user", client.login("premium", MARKS["e-mail"]))
    edit = {"prompt": MARKS["prompt"]}
    restyle = {**edit, "model": "sd15", "negative_prompt": MARKS["negative prompt"]}
    echo = f"refused: {MARKS['prompt']} {MARKS['file name']} {REPLICATE_TOKEN}"

    def send(path: str = "generate", **fields: str) -> int:
        files = {"image": (f"{MARKS['file name']}.png", original)}
        return client.post(f"/api/ai-image/{path}", files=files, data=fields).status_code

    assert send(**restyle) == 200
    assert send(model="nano-banana", **edit) == 200
    assert send(model="flux-klein", **edit) == 200
    assert send("jobs", model="gfpgan") == 202
    lab.is_over(lab.deployed.jobs_of(owner)[0])
    lab.replicate.script("outcome", "failed", error=f"NSFW: {echo}")
    assert send(model="nano-banana", prompt=f"{MARKS['prompt']} again") == 400
    lab.replicate.script("create", "status", status=422, json={"title": echo, "detail": echo, "status": 422})
    assert send(model="topaz") == 400
    lab.replicate.script("create", "status", status=401, json={"detail": echo}, times=2)
    assert send(model="real-esrgan") == 403
    lab.replicate.script("create", "reset_after")
    assert send(model="real-esrgan", scale="4") == 200
    lab.replicate.script("output", "status", status=503, times=4)
    assert send(model="topaz") == 202
    lab.workers.script("run", "code", code=3030, message=echo)
    assert send(**{**restyle, "strength": "0.5"}) == 400
    lab.workers.script("run", "code", code=10000, message=echo)
    assert send(**{**restyle, "strength": "0.6"}) == 403
    answer = client.start(
        {"imageUrl": f"https://localhost/{MARKS['picture address']}.png?key=1"}, model="gfpgan"
    )
    assert answer.status_code in (400, 202), answer.text
    for job in lab.deployed.jobs_of(owner):
        lab.is_over(job)
        client.job(job.id)
    lab.check_tokens()
    return [*lab.replicate.log(), *lab.workers.log()]


@pytest.fixture(scope="module")
def logs(lab: Lab, heard: list[dict[str, object]]) -> str:
    """Everything any function logged so far: the file, and what the emulator's CloudWatch holds."""
    assert heard
    client, found = lab.deployed.stack.client("logs"), []
    for group in client.get_paginator("describe_log_groups").paginate():
        for one in group["logGroups"]:
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=one["logGroupName"])
            found += [event["message"] for page in pages for event in page["events"]]
    text = (lab.deployed.stack.state / "functions.log").read_text(errors="replace")
    assert found
    assert "provider refuses us" in text
    return "\n".join([text, *found])


@pytest.mark.parametrize("what", MARKS)
def test_no_log_line_holds_what_is_private(logs: str, what: str) -> None:
    """Not even where a provider's error repeats it."""
    assert [line[:300] for line in logs.splitlines() if MARKS[what] in line] == []


def test_no_log_line_holds_a_part_of_a_picture(
    logs: str, heard: list[dict[str, object]], original: bytes
) -> None:
    """Neither the original nor what was sent to a provider, in base64."""
    sent = [json.loads(str(call["body"])) for call in heard if '"image_b64"' in str(call["body"])]
    assert sent
    texts = [b64encode(original[shift:]).decode() for shift in range(3)]
    texts += [body["image_b64"] for body in sent]
    slices = {text[at : at + SLICE] for text in texts for at in range(0, len(text) - SLICE, SLICE)}
    assert [part for part in slices if part in logs] == []


def test_no_log_line_holds_an_address_that_opens_something(logs: str, heard: list[dict[str, object]]) -> None:
    """Signatures of presigned links and call-backs, and the places of results, stay between us and the provider."""
    secrets = set()
    for call in heard:
        if str(call["path"]).endswith("/predictions") and call["method"] == "POST":
            body = json.loads(str(call["body"]))
            secrets.add(body["webhook"].rpartition(".")[2])
            (link,) = [
                value[0] if isinstance(value, list) else value
                for value in body["input"].values()
                if "Signature=" in str(value)
            ]
            query = parse_qs(urlsplit(link).query)
            secrets |= {value[0] for name, value in query.items() if name.endswith("Signature")}
        elif str(call["path"]).endswith("/output.png"):
            secrets.add(str(call["path"]))
    assert len(secrets) > 10
    assert [secret for secret in secrets if secret in logs] == []


def test_tokens_reach_the_provider_they_belong_to_and_nobody_else(heard: list[dict[str, object]]) -> None:
    """Each API sees its own token and never the other one; the delivery host sees none."""
    seen: dict[str, set[str | None]] = {}
    for call in heard:
        headers, path = dict(call["headers"]), str(call["path"])  # type: ignore[call-overload]
        place = "replicate" if path.startswith("/v1/") else "workers" if "/ai/run/" in path else "delivery"
        seen.setdefault(place, set()).add(headers.get("authorization"))
    assert seen == {
        "replicate": {f"Bearer {REPLICATE_TOKEN}"},
        "workers": {f"Bearer {WORKERS_TOKEN}"},
        "delivery": {None},
    }
