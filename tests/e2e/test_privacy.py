"""A copy of everything and the end of everything, on the deployed stack."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from enhancer.accounts import owner_data
from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.owner_data import SETTLED_MS
from enhancer.domain.artifacts import prefixes_of
from enhancer.runtime import now
from tests.e2e.conftest import Store
from tests.e2e.deployed import SOON_MS, Deployed
from tests.e2e.people import Door, Member, delete, door_fixture, me, member, refused  # noqa: F401
from tests.support.client import Client, picture

Browser = Callable[[], Client]
EXPORT, ACCOUNT = "/api/account/export", "/api/account"
FILES = {
    "README.txt",
    "profile.json",
    "jobs.json",
    "ledger.json",
    "lots.json",
    "keys.json",
    "usage.json",
    "audit.json",
}
LEFT = {"ACCOUNT", "LEDGER", "ONCE", "USAGE"}
"""Kinds of records that outlive an owner."""


def kinds_left(store: Store, user: Member) -> set[str]:
    """The kinds of records in an owner's partition; limits of calls are theirs for a minute."""
    found = store.table.under(keys.account(user.owner)["pk"])
    return {record["sk"].partition("#")[0] for record in found} - {"RATE"}


def pictures(store: Store, user: Member) -> list[str]:
    """Every object of an owner."""
    found = []
    for prefix in prefixes_of(user.owner):
        listed = store.s3.list_objects_v2(Bucket=store.bucket, Prefix=prefix)
        found += [entry["Key"] for entry in listed.get("Contents", [])]
    return found


def opened(answer: requests.Response) -> zipfile.ZipFile:
    """The zip in an answer, every file of it read."""
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return archive


# ------------------------------------------------------------------------------------------ the copy


def test_a_small_copy_has_everything_of_its_owner_and_nothing_else(fresh_client: Browser) -> None:
    """At once: every file, every picture, no hash, no secret, nobody else."""
    user, other = member(fresh_client, "premium"), member(fresh_client, "premium")
    secret = user.new_key()["secret"]
    jobs = [user.client.generate(picture(seed=990 + number)).json()["data"] for number in range(2)]
    foreign = other.client.generate(picture(seed=990)).json()["data"]
    answer = user.client.get(EXPORT)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    archive = opened(answer)
    results = [f"artifacts/results/{job['imageUrl'].split('/')[-1]}" for job in jobs]
    assert {name for name in archive.namelist() if not name.startswith("artifacts/uploads/")} == FILES | set(
        results
    )
    assert len(archive.namelist()) == len(FILES) + 4
    assert archive.read(results[0]) == user.client.get(jobs[0]["imageUrl"]).content
    assert {job["id"] for job in json.loads(archive.read("jobs.json"))} == {job["jobId"] for job in jobs}
    text = "".join(archive.read(name).decode("latin-1") for name in archive.namelist())
    session = user.client.http.cookies["session_id"]
    for private in (secret, secret[8:], session, '"hash"', "fingerprint", other.user_id, foreign["jobId"]):
        assert private not in text


def test_a_large_copy_is_made_in_the_background_once_and_then_linked_to(
    fresh_client: Browser, store: Store, deployed: Deployed
) -> None:
    """202 to five requests at once, then 302 to a link that needs no cookie and ends soon; the owner's alone."""
    user, other = member(fresh_client, "premium"), member(fresh_client, "premium")
    answer = user.client.start(image=picture(700, 500, seed=3, noise=True), scale="4")
    assert deployed.ended(user.owner, answer.json()["data"]["id"]).status == "succeeded"
    assert owner_data.size_of(user.owner, owner_records=store.owner_records) > owner_data.INLINE_BYTES_MAX
    browsers = [user.client.copy() for _ in range(5)]
    with ThreadPoolExecutor(5) as pool:
        asked = list(pool.map(lambda client: client.get(EXPORT), browsers))
    assert {one.status_code for one in asked} <= {202, 302}
    waiting = next(one for one in asked if one.status_code == 202)
    assert (waiting.json()["data"], waiting.headers["Retry-After"]) == ({"status": "running"}, "5")
    deployed.until(lambda: ready(store, user), "the copy")
    answer = user.client.get(EXPORT)
    assert answer.status_code == 302
    assert "X-Amz-Expires=300" in answer.headers["Location"]
    archive = opened(requests.get(answer.headers["Location"], timeout=60))
    assert set(archive.namelist()) >= FILES
    made = [key for key in pictures(store, user) if key.startswith("ai-enhancer/exports/")]
    assert len(made) == 1
    assert f"/user/{user.user_id}/" in made[0]
    assert other.client.get(EXPORT).status_code == 200  # a small one of their own


def ready(store: Store, user: Member) -> bool:
    """Whether the copy is there."""
    found = store.owner_records.export(user.owner, now=now())
    return found is not None and found.status == "ready"


def test_a_guest_has_no_copy(fresh_client: Browser) -> None:
    """Nor has anybody without a session."""
    assert refused(fresh_client().get(EXPORT), 401, "sign_in_required")


# ------------------------------------------------------------------------------------------ the end


def test_the_end_of_an_account_is_an_end(fresh_client: Browser, store: Store, deployed: Deployed) -> None:
    """Pictures 404 at once, job, session, key and address gone; the books still add up."""
    user = member(fresh_client, "premium", email="leaving@example.com")
    program, made = user.program(), user.client.generate(picture(seed=995)).json()["data"]
    user.client.upload(picture(seed=996), "image/png")
    store.ledger.grant(
        user.owner,
        100,
        source="admin#x",
        reason="for you",
        actor="b",
        entry_id=f"ent_{user.user_id}",
        now=now(),
    )
    copied = user.client.copy()
    answer = delete(user.client, ACCOUNT)
    assert (answer.status_code, answer.json()["data"]) == (200, {"deleted": True})
    assert "session_id" not in user.client.http.cookies
    assert user.client.get(made["originalUrl"]).status_code == 404
    assert pictures(store, user) == []
    assert refused(copied.get(f"/api/ai-image/jobs/{made['jobId']}"), 404, "not_found")
    assert refused(program.call("GET", "/api/ai-image/usage"), 401, "invalid_api_key")
    assert me(copied)["signedIn"] is False
    assert store.accounts.by_email("leaving@example.com") == []
    assert kinds_left(store, user) == LEFT | {"LOT"}
    assert deployed.balance(user.owner).granted == 100
    assert [entry.reason for entry in store.ledger.entries(user.owner) if entry.kind == "grant"] == [None]


def test_the_end_stops_running_work_and_gives_its_hold_back(
    fresh_client: Browser, store: Store, deployed: Deployed
) -> None:
    """Nothing is charged, nothing is kept, and the sweep finds nothing broken."""
    user = member(fresh_client, "premium")
    upload = user.client.upload(picture(900, 900, seed=997, noise=True), "image/png")
    started = user.client.start({"uploadKey": upload}, scale="4")
    assert started.status_code == 202, started.text
    assert deployed.used(user.owner) == (1, 20)
    assert delete(user.client, ACCOUNT).status_code == 200
    assert deployed.used(user.owner) == (0, 0)
    assert deployed.open_jobs(user.owner) == 0
    assert deployed.kinds(user.owner) == {"hold": 1, "release": 1}
    swept = deployed.sweep(SOON_MS)
    assert swept.broken == 0
    assert (kinds_left(store, user), pictures(store, user)) == (LEFT, [])


def test_who_signs_in_again_is_somebody_new(door: Door, fresh_client: Browser) -> None:
    """The same person at the provider, another account here."""
    browser = fresh_client()
    door.sign_in(browser)
    before = me(browser)["id"]
    assert delete(browser, ACCOUNT).status_code == 200
    door.sign_in(browser)
    assert me(browser)["id"] != before
    assert browser.get("/api/ai-image/jobs").json()["data"]["jobs"] == []


def test_deleting_twice_is_401_the_second_time(fresh_client: Browser) -> None:
    """There is nobody any more."""
    user = member(fresh_client)
    copied = user.client.copy()
    delete(user.client, ACCOUNT)
    assert refused(delete(copied, ACCOUNT), 401, "sign_in_required")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "https://evil.example"}, "origin_not_allowed"),
        ({"X-CSRF-Token": None}, "csrf_token_invalid"),
    ],
)
def test_a_foreign_page_deletes_nobody(
    fresh_client: Browser, store: Store, headers: dict[str, str | None], code: str
) -> None:
    """Origin and token, both."""
    user = member(fresh_client)
    assert refused(delete(user.client, ACCOUNT, headers=headers), 403, code)
    assert store.accounts.get(user.owner)


def test_a_deletion_that_died_is_finished_by_the_sweep(
    fresh_client: Browser, store: Store, deployed: Deployed
) -> None:
    """Buried and not purged: a minute later nothing is left, and a quarter of an hour later the sweep is done."""
    user = member(fresh_client, "premium")
    user.client.generate(picture(seed=998))
    user.new_key()
    account = store.accounts.get(user.owner)
    assert account
    owner_records = store.owner_records
    owner_records.mark_deleted(account, now=now())
    assert "JOB" in kinds_left(store, user)
    assert deployed.sweep(SOON_MS).purged >= 1
    assert (kinds_left(store, user), pictures(store, user)) == (LEFT, [])
    deployed.sweep(SETTLED_MS + SOON_MS)
    assert user.owner not in owner_records.deleted_owners(before=now() + SETTLED_MS + SOON_MS)


def test_one_identity_gets_its_pictures_of_a_day_once_however_often_it_deletes(
    door: Door, fresh_client: Browser
) -> None:
    """Four accounts one after another, each deleted in the midst of four runs: three pictures, not twelve."""
    made = 0

    def runs(browser: Client, seed: int) -> bool:
        answer = browser.generate(picture(seed=seed))
        # Once the account is gone, the browser is a guest's, who has a day of their own.
        return answer.status_code == 200 and "/results/user/" in answer.json()["data"]["imageUrl"]

    for account in range(4):
        browser = fresh_client()
        door.sign_in(browser)
        with ThreadPoolExecutor(5) as pool:
            under_way = [pool.submit(runs, browser, 40 * account + seed) for seed in range(4)]
            gone = pool.submit(delete, browser, ACCOUNT)
            assert gone.result().status_code == 200
            made += sum(one.result() for one in under_way)
    browser = fresh_client()
    door.sign_in(browser)
    used = browser.usage()["usage"]["used"]
    assert made <= used <= 3
    for seed in range(3):
        made += runs(browser, 200 + seed)
    assert made <= 3
    assert refused(browser.generate(picture(seed=300)), 429, "daily_quota_exceeded")
