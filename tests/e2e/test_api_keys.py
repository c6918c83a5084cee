"""API keys on the deployed stack: programs without cookies, with scopes and a cap of their own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.accounts import hashed
from enhancer.adapters.dynamodb.api_keys import ApiKeys
from enhancer.domain.api_keys import KEYS_MAX, ApiKey
from enhancer.domain.plans import PLANS
from enhancer.runtime import new_id, now
from tests.e2e.conftest import Store
from tests.e2e.deployed import Deployed
from tests.e2e.people import Member, Program, delete, member, refused
from tests.support.client import Client, picture

Browser = Callable[[], Client]
SHARED: dict[tuple[str, ...], str] = {}
USAGE, GENERATE = "/api/ai-image/usage", "/api/ai-image/generate"


@pytest.fixture(scope="module")
def ada(fresh_client: Browser) -> Member:
    """Somebody with a good plan, for all tests that do not count."""
    return member(fresh_client, "premium")


def shared(owner: Member, *scopes: str) -> str:
    """A key with these scopes, made once: an account may have twenty."""
    wanted = (owner.user_id, *scopes)
    if wanted not in SHARED:
        SHARED[wanted] = owner.new_key(*scopes)["secret"]
    return SHARED[wanted]


def everything(store: Store) -> str:
    """The whole table, as it is stored."""
    pages = store.table._client.get_paginator("scan").paginate(TableName=store.table._name)
    return repr([page["Items"] for page in pages])


# ------------------------------------------------------------------------------------------ making them


def test_a_key_is_shown_once_and_stored_only_as_a_hash(ada: Member, store: Store) -> None:
    """Neither the list nor the table gives it back."""
    made = ada.new_key(name="shown once")
    listed = ada.client.get("/api/auth/keys")
    assert made["secret"].startswith("ek_test_")
    assert made["id"] in [key["id"] for key in listed.json()["data"]["keys"]]
    assert made["secret"] not in listed.text
    stored = everything(store)
    assert made["secret"] not in stored
    assert made["secret"].removeprefix("ek_test_") not in stored
    assert hashed(made["secret"]) in stored


def test_a_used_key_says_when_and_how_much(fresh_client: Browser) -> None:
    """The owner sees the last use and what was charged through it this month."""
    owner = member(fresh_client)
    made = owner.new_key(cap=50)
    assert (made["lastUsedAt"], made["usedThisMonth"], made["monthlyCredits"]) == (None, 0.0, 50.0)
    program = Program(owner.client.url, made["secret"], owner.client)
    assert program.generate(picture(seed=911)).status_code == 200
    (key,) = owner.client.get("/api/auth/keys").json()["data"]["keys"]
    assert key["lastUsedAt"] >= made["createdAt"]
    assert key["usedThisMonth"] == 1.0


def test_the_twenty_first_key_is_refused(fresh_client: Browser, store: Store) -> None:
    """Whatever else the account may do."""
    owner = member(fresh_client)
    for number in range(KEYS_MAX):
        key = ApiKey(new_id("key"), f"{number}", ("read",), now(), "xxxx")
        ApiKeys(store.table).create(owner.owner, key, f"ek_test_{owner.user_id}_{number}")
    answer = owner.client.post("/api/auth/keys", json={"name": "one more"})
    assert refused(answer, 409, "too_many_keys")


# ------------------------------------------------------------------------------------------ using them


def test_a_program_enhances_looks_and_fetches_without_cookies(ada: Member) -> None:
    """Usage, generate, a job, its list and its result, with nothing but the header."""
    program = ada.program()
    assert program.call("GET", USAGE).json()["data"]["plan"] == "premium"
    made = program.generate(picture(seed=912))
    assert (made.status_code, made.cookies.get_dict()) == (200, {})
    started = program.call("POST", "/api/ai-image/jobs", files={"image": ("p.png", picture(seed=913))})
    assert started.status_code == 202
    jobs = [job["id"] for job in program.call("GET", "/api/ai-image/jobs").json()["data"]["jobs"]]
    assert {started.json()["data"]["id"], made.json()["data"]["jobId"]} <= set(jobs)
    assert program.call("GET", started.headers["Location"]).status_code == 200
    assert program.call("GET", made.json()["data"]["imageUrl"]).headers["Content-Type"] == "image/png"


def test_key_and_browser_of_an_account_see_the_same(ada: Member) -> None:
    """One account, whatever it comes with."""
    made = ada.program().generate(picture(seed=914)).json()["data"]
    assert ada.client.get(made["imageUrl"]).status_code == 200
    assert ada.client.job(made["jobId"])["status"] == "succeeded"


@pytest.mark.parametrize(
    ("scope", "method", "path", "missing"),
    [
        ("read", "POST", GENERATE, "generate"),
        ("billing", "POST", GENERATE, "generate"),
        ("generate", "GET", USAGE, "read"),
        ("billing", "GET", "/api/ai-image/jobs", "read"),
    ],
)
def test_a_key_does_only_what_its_scope_says(
    ada: Member, scope: str, method: str, path: str, missing: str
) -> None:
    """The refusal names the scope."""
    secret = shared(ada, scope)
    answer = Program(ada.client.url, secret, ada.client).call(method, path)
    assert refused(answer, 403, "scope_missing")
    assert answer.json()["error"]["details"] == {"scope": missing}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/auth/keys"),
        ("POST", "/api/auth/keys"),
        ("DELETE", "/api/auth/keys/key_x"),
        ("GET", "/api/account/export"),
        ("DELETE", "/api/account"),
        ("POST", "/api/auth/logout?everywhere=1"),
        ("GET", "/api/admin/flags"),
        ("POST", "/api/admin/flags"),
        ("POST", "/api/admin/flags/rollback"),
    ],
)
def test_no_key_reaches_account_keys_or_administration(ada: Member, method: str, path: str) -> None:
    """Whatever its scopes: those need a browser that is signed in."""
    secret = shared(ada, "read", "generate", "billing")
    body = {"json": {"name": "x", "reason": "why"}} if method == "POST" and "logout" not in path else {}
    answer = Program(ada.client.url, secret, ada.client).call(method, path, **body)
    assert refused(answer, 403, "scope_missing")
    assert answer.json()["error"]["details"] == {"scope": "session"}


def test_a_revoked_key_is_refused_by_the_next_request(ada: Member) -> None:
    """In every function at once."""
    made = ada.new_key()
    program = Program(ada.client.url, made["secret"], ada.client)
    assert program.call("GET", USAGE).status_code == 200
    assert delete(ada.client, f"/api/auth/keys/{made['id']}").status_code == 200
    assert refused(program.call("GET", USAGE), 401, "invalid_api_key")
    assert refused(program.generate(picture(seed=915)), 401, "invalid_api_key")
    assert refused(program.call("GET", "/api/ai-image/jobs"), 401, "invalid_api_key")


@pytest.mark.parametrize("place", [0, 7, 8, 20, 35, -1])
def test_a_key_with_one_character_changed_is_refused(ada: Member, place: int) -> None:
    """At its beginning, in its middle, at its end."""
    secret = shared(ada, "read", "generate")
    place %= len(secret)
    changed = secret[:place] + ("A" if secret[place] != "A" else "B") + secret[place + 1 :]
    answer = Program(ada.client.url, changed, ada.client).call("GET", USAGE)
    assert refused(answer, 401, "invalid_api_key")


@pytest.mark.parametrize("cut", [8, 20, -1])
def test_a_part_of_a_key_is_refused(ada: Member, cut: int) -> None:
    """However long."""
    secret = shared(ada, "read", "generate")
    answer = Program(ada.client.url, secret[:cut], ada.client).call("GET", USAGE)
    assert refused(answer, 401, "invalid_api_key")


def test_a_key_in_the_url_is_refused(ada: Member) -> None:
    """And opens nothing there."""
    secret = shared(ada, "read", "generate")
    answer = Client(ada.client.url, ada.client.address).get(f"{USAGE}?api_key={secret}")
    assert refused(answer, 400, "api_key_in_url")


# ------------------------------------------------------------------------------------------ cookies


def test_cookies_next_to_a_key_are_ignored(ada: Member, fresh_client: Browser) -> None:
    """The key's owner pays, not the session's."""
    other = member(fresh_client)
    program = ada.program()
    made = other.client.http.post(
        ada.client.url + GENERATE,
        headers={"Authorization": f"Bearer {program.secret}"},
        files={"image": ("p.png", picture(seed=916))},
        timeout=60,
    ).json()["data"]
    assert ada.client.get(made["imageUrl"]).status_code == 200
    assert other.client.usage()["usage"]["used"] == 0


def test_a_bad_key_is_not_made_good_by_a_session(ada: Member) -> None:
    """No falling back to who is signed in."""
    answer = ada.client.get(USAGE, headers={"Authorization": "Bearer ek_test_wrong"})
    assert refused(answer, 401, "invalid_api_key")


def test_a_key_works_from_a_foreign_page(ada: Member) -> None:
    """There is no cookie that a page could abuse."""
    answer = ada.program().call(
        "POST", "/api/ai-image/quote", json={"scale": 2}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 200


def test_a_session_does_not_work_from_a_foreign_page(ada: Member) -> None:
    """The same call with cookies and the right token."""
    answer = ada.client.post(
        "/api/ai-image/quote", json={"scale": 2}, headers={"Origin": "https://evil.example"}
    )
    assert refused(answer, 403, "origin_not_allowed")


def test_a_key_is_not_made_without_the_token(ada: Member) -> None:
    """Nobody gets one for a person who only opened a page."""
    answer = ada.client.post("/api/auth/keys", json={"name": "x"}, headers={"X-CSRF-Token": "wrong"})
    assert refused(answer, 403, "csrf_token_invalid")


# ------------------------------------------------------------------------------------------ limits


def test_the_monthly_cap_of_a_key_is_exact_for_twenty_at_once(
    fresh_client: Browser, deployed: Deployed
) -> None:
    """Five credits are five pictures; the others are told when the cap is new, and cost nothing."""
    owner = member(fresh_client, "premium")
    made = owner.new_key(cap=5)
    program = Program(owner.client.url, made["secret"], owner.client)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(program.generate, [picture(seed=920 + number) for number in range(20)]))
    assert Counter(answer.status_code for answer in answers) == {200: 5, 429: 15}
    for answer in answers:
        if answer.status_code == 429:
            assert refused(answer, 429, "key_cap_reached")
            assert answer.json()["retryAfter"] == int(answer.headers["Retry-After"]) > 0
    assert owner.client.usage()["usage"]["used"] == 5
    assert ApiKeys(deployed.store.table).used(owner.owner, made["id"], now=now()) == 50
    assert owner.client.generate(picture(seed=950)).status_code == 200  # the browser has no such cap
    assert deployed.used(owner.owner) == (6, 60)


def test_a_canceled_run_gives_back_to_the_keys_cap(fresh_client: Browser, store: Store) -> None:
    """What was not done is not used."""
    owner = member(fresh_client, "premium")
    made = owner.new_key(cap=2)
    program = Program(owner.client.url, made["secret"], owner.client)
    key = owner.client.upload(picture(900, 900, seed=951, noise=True), "image/png")
    body = {"params": {"scale": 4}, "items": [{"uploadKey": key}]}
    started = program.call("POST", "/api/ai-image/jobs", json=body)
    assert started.status_code == 202, started.text
    assert refused(program.generate(picture(seed=952)), 429, "key_cap_reached")
    assert program.call("POST", f"{started.headers['Location']}/cancel").status_code == 200
    assert ApiKeys(store.table).used(owner.owner, made["id"], now=now()) == 0
    assert program.generate(picture(seed=952)).status_code == 200


def test_a_quote_says_that_the_keys_cap_would_refuse(fresh_client: Browser) -> None:
    """As generate would."""
    program = member(fresh_client).program(cap=1)
    quoted = program.call("POST", "/api/ai-image/quote", json={"scale": 4}).json()["data"]
    assert quoted["refusal"]["code"] == "key_cap_reached"
    assert program.call("POST", "/api/ai-image/quote", json={"scale": 2}).json()["data"]["refusal"] is None


def test_two_keys_of_an_account_share_its_budget(fresh_client: Browser) -> None:
    """The calls a minute of the plan in all, exactly, however many keys and addresses."""
    owner = member(fresh_client, "free")
    programs = [
        owner.program("read"),
        Program(owner.client.url, owner.new_key("read")["secret"], fresh_client()),
    ]
    spent, began = owner.client.get(USAGE).headers["RateLimit"], time.monotonic()
    left = int(spent.partition("r=")[2].partition(";")[0])
    with ThreadPoolExecutor(8) as pool:
        asked = [programs[number % 2] for number in range(2 * left + 15)]
        statuses = Counter(pool.map(lambda program: program.call("GET", USAGE).status_code, asked))
    grown = int((time.monotonic() - began) * PLANS["free"].other_per_minute / 60) + 1  # refilled meanwhile
    assert set(statuses) == {200, 429}
    assert left <= statuses[200] <= left + grown


def test_a_blocked_owners_key_is_refused(fresh_client: Browser, store: Store) -> None:
    """Wherever it is used."""
    owner = member(fresh_client)
    program = owner.program()
    made = program.generate(picture(seed=960)).json()["data"]
    store.table.update(keys.account(owner.owner), "SET blocked = :yes", values={":yes": True})
    assert refused(program.call("GET", USAGE), 403, "owner_blocked")
    assert refused(program.generate(picture(seed=961)), 403, "owner_blocked")
    assert refused(program.call("GET", made["imageUrl"]), 403, "owner_blocked")
