"""Administration on the deployed stack: exact, once, felt at once, and only for administrators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.flags import FlagStore
from enhancer.domain.ledger import Balance
from tests.e2e.conftest import Store
from tests.e2e.deployed import Deployed
from tests.e2e.people import Door, Member, door_fixture, me, member, refused  # noqa: F401
from tests.support.client import Client, picture

Browser = Callable[[], Client]
WHY = {"reason": "as agreed"}


@pytest.fixture(scope="module")
def boss(fresh_client: Browser) -> Member:
    """An administrator; with a plan whose calls nobody here uses up."""
    return member(fresh_client, "enterprise", role="admin")


@pytest.fixture
def user(fresh_client: Browser) -> Member:
    """Somebody without credits."""
    return member(fresh_client)


def ask(boss: Member, path: str, body: dict[str, Any], **headers: str) -> requests.Response:
    """POST as an administrator."""
    return boss.client.post(f"/api/admin/{path}", json=body, headers=headers)


def move(boss: Member, way: str, user: Member, amount: int, **headers: str) -> requests.Response:
    """Give or take."""
    return ask(boss, f"credits/{way}", {"userId": user.user_id, "amount": amount, **WHY}, **headers)


def test_credits_given_are_credits_had(boss: Member, user: Member, deployed: Deployed) -> None:
    """To the tenth, in the books and in what the user sees."""
    assert move(boss, "grant", user, 12).json()["data"] == {"done": True, "repeated": False}
    assert move(boss, "deduct", user, 5).json()["data"] == {"done": True, "repeated": False}
    assert deployed.balance(user.owner) == Balance(available=70, granted=120, clawed_back=50)
    assert user.client.usage()["credits"]["available"] == 7.0


@pytest.mark.parametrize("way", ["grant", "deduct"])
def test_ten_repeats_at_once_are_one_movement(
    boss: Member, user: Member, deployed: Deployed, way: str
) -> None:
    """One entry, and nine who are told that it was done before."""
    move(boss, "grant", user, 100)
    browsers = [boss.client.copy() for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(
                lambda client: move(Member(client, boss.user_id), way, user, 3, **{"Idempotency-Key": "x"}),
                browsers,
            )
        )
    assert sorted(answer.json()["data"]["repeated"] for answer in answers) == [False] + [True] * 9
    assert deployed.balance(user.owner).available == (1030 if way == "grant" else 970)
    assert len(list(deployed.store.ledger.entries(user.owner))) == 2


def test_deductions_at_once_never_go_below_zero(boss: Member, user: Member, deployed: Deployed) -> None:
    """Of ten that want four of fifteen, three get them."""
    move(boss, "grant", user, 15)
    browsers = [boss.client.copy() for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda client: move(Member(client, boss.user_id), "deduct", user, 4), browsers)
        )
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 7
    assert deployed.balance(user.owner) == Balance(available=30, granted=150, clawed_back=120)


def test_more_than_there_is_is_refused_whole(boss: Member, user: Member, deployed: Deployed) -> None:
    """Nothing is taken, and the refusal says what there is."""
    move(boss, "grant", user, 5)
    answer = move(boss, "deduct", user, 6)
    assert refused(answer, 409, "credits_too_few")
    assert answer.json()["error"]["details"] == {"available": 5.0}
    assert deployed.balance(user.owner).available == 50


@pytest.mark.parametrize(
    "change",
    [{"amount": -1}, {"amount": 0.5}, {"amount": 0}, {"amount": 10**12}, {"reason": ""}, {"reason": None}],
)
def test_a_movement_that_cannot_be_is_refused(
    boss: Member, user: Member, deployed: Deployed, change: dict[str, Any]
) -> None:
    """Whole, bounded, with a reason; nothing is written otherwise."""
    body = {"userId": user.user_id, "amount": 5, **WHY, **change}
    assert refused(ask(boss, "credits/grant", body), 400, "invalid_fields")
    assert list(deployed.store.ledger.entries(user.owner)) == []


def test_the_history_says_who_and_why_page_by_page(boss: Member, user: Member) -> None:
    """Newest first, each entry once, and what else was done to the account."""
    for amount in range(1, 6):
        body = {"userId": user.user_id, "amount": amount, "reason": f"gift {amount}"}
        ask(boss, "credits/grant", body)
    ask(boss, "plan", {"userId": user.user_id, "plan": "team", "reason": "a friend"})
    seen, cursor = [], ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        path = f"/api/admin/credits/history?userId={user.user_id}&limit=2{more}"
        page = boss.client.get(path).json()["data"]
        seen += page["entries"]
        cursor = page["nextCursor"]
    assert [(entry["credits"], entry["reason"], entry["actor"]) for entry in seen] == [
        (number, f"gift {number}", boss.user_id) for number in (5, 4, 3, 2, 1)
    ]
    assert [(found["action"], found["value"], found["reason"]) for found in page["actions"]] == [
        ("plan", "team", "a friend")
    ]


def test_a_plan_is_felt_by_the_next_request(boss: Member, user: Member) -> None:
    """By browser and key, without signing in again."""
    program = user.program()
    assert ask(boss, "plan", {"userId": user.user_id, "plan": "team", **WHY}).status_code == 200
    assert user.client.usage()["plan"] == "team"
    assert program.call("GET", "/api/ai-image/usage").json()["data"]["plan"] == "team"


def test_a_block_is_felt_by_the_next_request_and_so_is_its_end(boss: Member, user: Member) -> None:
    """By browser and key; afterwards everything is as it was."""
    program = user.program()
    made = user.client.generate(picture(seed=970)).json()["data"]
    ask(boss, "block", {"userId": user.user_id, "blocked": True, **WHY})
    assert refused(user.client.get("/api/ai-image/usage"), 403, "owner_blocked")
    assert refused(user.client.generate(picture(seed=971)), 403, "owner_blocked")
    assert refused(user.client.get(made["imageUrl"]), 403, "owner_blocked")
    assert refused(program.call("GET", "/api/ai-image/usage"), 403, "owner_blocked")
    ask(boss, "block", {"userId": user.user_id, "blocked": False, **WHY})
    assert user.client.get(made["imageUrl"]).status_code == 200
    assert program.call("GET", "/api/ai-image/usage").status_code == 200


def test_a_blocked_person_cannot_sign_in(boss: Member, door: Door, fresh_client: Browser) -> None:
    """Nor by a fresh browser."""
    first, second = fresh_client(), fresh_client()
    door.sign_in(first, "grace")
    ask(boss, "block", {"userId": me(first)["id"], "blocked": True, **WHY})
    assert refused(door.sign_in(second, "grace"), 403, "owner_blocked")
    assert me(second)["signedIn"] is False


def test_a_user_is_found_by_id_and_by_address(boss: Member, fresh_client: Browser) -> None:
    """With plan and balance, and proof that the books add up."""
    email = "looked.up@example.com"
    found = member(fresh_client, "pro", email=email)
    move(boss, "grant", found, 3)
    by_id = boss.client.get(f"/api/admin/owners?userId={found.user_id}").json()["data"]["owners"]
    by_address = boss.client.get(f"/api/admin/owners?email={email}").json()["data"]["owners"]
    assert by_id == by_address
    assert (by_id[0]["email"], by_id[0]["credits"]["available"], by_id[0]["difference"]) == (email, 3.0, 0.0)


@pytest.mark.parametrize("role", ["user", "guest"])
def test_who_is_no_administrator_changes_nothing(
    user: Member, fresh_client: Browser, deployed: Deployed, role: str
) -> None:
    """403 for a user, 401 for a guest."""
    client = user.client if role == "user" else fresh_client()
    body = {"userId": user.user_id, "amount": 5, **WHY}
    answer = client.post("/api/admin/credits/grant", json=body)
    wanted = (403, "admin_only") if role == "user" else (401, "sign_in_required")
    assert refused(answer, *wanted)
    assert list(deployed.store.ledger.entries(user.owner)) == []


def test_an_administrator_by_another_page_changes_nothing(boss: Member, user: Member) -> None:
    """Their own session, a foreign origin."""
    answer = move(boss, "grant", user, 5, Origin="https://evil.example")
    assert refused(answer, 403, "origin_not_allowed")


# ------------------------------------------------------------------------------------------ who is one


@pytest.mark.parametrize("provider", ["google", "github"])
def test_the_named_address_is_an_administrators_once_verified(
    door: Door, fresh_client: Browser, provider: Any
) -> None:
    """By the stack's AdminEmail; others are users."""
    browser, other = fresh_client(), fresh_client()
    door.sign_in(browser, "admin", provider)
    door.sign_in(other, "ada", provider)
    assert (me(browser)["role"], me(other)["role"]) == ("admin", "user")
    assert browser.get("/api/admin/flags").status_code == 200


def test_the_named_address_unverified_makes_nobody_administrator(
    door: Door, fresh_client: Browser, store: Store
) -> None:
    """Whoever claims it at a provider that did not check."""
    browser = fresh_client()
    back = door.consent(door.login(browser, "google"), "admin")
    door.script("google", "token", "id_token", kind="unverified_email")
    assert refused(door.back(browser, back), 401, "sign_in_failed")
    assert me(browser)["role"] == "guest"


# ------------------------------------------------------------------------------------------ switches


@pytest.fixture
def switches(store: Store) -> Iterator[None]:
    """Everything is on again afterwards."""
    yield
    store.table.delete(keys.flags())


def test_turned_switches_are_stored_with_who_and_why(boss: Member, switches: None, store: Store) -> None:
    """How soon an instance that had just looked follows is shown with a clock, in the unit tests."""
    answer = ask(boss, "flags", {"off": ["gfpgan"], "spendCapUsd": 3, **WHY})
    data = answer.json()["data"]
    assert (data["off"], data["spendCapUsd"]) == (["gfpgan"], 3.0)
    flags = FlagStore(store.table).get()
    assert (flags.off, flags.spend_cap) == (("gfpgan",), 3_000_000)
    audit = [record for record in store.table.under("FLAGS", "AUDIT#") if record["actor"] == boss.user_id]
    assert [(found["document"]["off"], found["reason"]) for found in audit] == [(["gfpgan"], "as agreed")]


def test_a_misspelt_switch_is_refused(boss: Member, switches: None) -> None:
    """Nobody believes to have switched off what goes on."""
    answer = ask(boss, "flags", {"off": ["replicat"], **WHY})
    assert refused(answer, 400, "invalid_fields")
