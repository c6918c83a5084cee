"""What administrators may ask for, what they may not, and who is none."""

import json

import pytest

from enhancer import runtime
from enhancer.domain.api_keys import ApiKey
from enhancer.domain.owners import Owner
from tests.support.events import CONTEXT, Answer, Browser, http_event

NOBODY = "0" * 26
WHY = {"reason": "as agreed"}
ROUTES = [
    ("GET", "/api/admin/owners", {"userId": NOBODY}),
    ("POST", "/api/admin/credits/grant", {"userId": NOBODY, "amount": 1, **WHY}),
    ("POST", "/api/admin/credits/deduct", {"userId": NOBODY, "amount": 1, **WHY}),
    ("GET", "/api/admin/credits/history", {"userId": NOBODY}),
    ("POST", "/api/admin/plan", {"userId": NOBODY, "plan": "pro", **WHY}),
    ("POST", "/api/admin/block", {"userId": NOBODY, "blocked": True, **WHY}),
    ("GET", "/api/admin/flags", {}),
    ("POST", "/api/admin/flags", {"off": ["replicate"], **WHY}),
    ("GET", "/api/admin/flags/history", {}),
    ("POST", "/api/admin/flags/rollback", {"version": 1, **WHY}),
    ("GET", "/api/admin/reports", {}),
]


def member(apps, role="user", **more):
    browser = Browser(ip="198.51.100.30")
    found = browser.post_json(apps.debug_login, "/api/debug-login", {"plan": "pro", "role": role, **more})
    return browser, Owner("user", found.data["userId"])


def ask(apps, browser, method, path, body, **headers):
    if method == "GET":
        query = "&".join(f"{name}={value}" for name, value in body.items())
        return browser.send(apps.admin, "GET", path, query=query)
    return browser.post_json(apps.admin, path, body, headers=headers)


def refusal(answer):
    return answer.status, answer.error["code"]


@pytest.fixture
def boss(apps, served):
    """An administrator's browser."""
    return member(apps, "admin")[0]


@pytest.fixture
def user(apps, served):
    """Somebody's id."""
    return member(apps)[1]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_a_user_is_no_administrator(apps, served, method, path, body):
    """403 on every route, whatever the body says."""
    browser, _ = member(apps)
    before = served.records()
    for said in (body, {"amount": "much", "zoom": 2}):
        assert refusal(ask(apps, browser, method, path, said)) == (403, "admin_only")
    assert [r for r in served.records() if not r["sk"].startswith("RATE#")] == [
        r for r in before if not r["sk"].startswith("RATE#")
    ]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_a_guest_is_no_administrator(apps, served, method, path, body):
    """401 on every route, whatever the body says."""
    for said in (body, {"amount": "much", "zoom": 2}):
        assert refusal(ask(apps, Browser(), method, path, said)) == (401, "sign_in_required")


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_an_administrators_key_is_no_administrator(apps, served, method, path, body):
    """403 on every route, with every scope there is."""
    _, owner = member(apps, "admin")
    key = ApiKey("key_x", "ci", ("read", "generate", "billing"), served.clock, "xxxx")
    runtime.api_keys().create(owner, key, "ek_test_x")
    headers = {"authorization": "Bearer ek_test_x", "content-type": "application/json"}
    query = "&".join(f"{name}={value}" for name, value in body.items()) if method == "GET" else ""
    sent = json.dumps(body) if method == "POST" else None
    event = http_event(method, path, headers=headers, query=query, body=sent)
    answer = Answer(apps.admin(event, CONTEXT))
    assert refusal(answer) == (403, "scope_missing")
    assert answer.error["details"] == {"scope": "session"}


def test_these_are_all_routes_there_are(apps):
    """A new one does not slip past this file."""
    from tests.support import functions

    app = functions.load("admin").app
    there = {(route.method, route.path) for route in app._static_routes + app._dynamic_routes}
    here = {(method, path) for method, path, _ in ROUTES}
    here |= {
        ("GET", "/api/admin/reports/<file>")
    }  # also by signed addresses: tests/unit/functions/test_cost_report.py
    assert there == here


@pytest.mark.parametrize(
    "change",
    [
        {"amount": -1}, {"amount": 0}, {"amount": 0.5}, {"amount": 100_001}, {"amount": 10**30}, {"amount": "5"},
        {"amount": True}, {"amount": 5.01}, {"amount": None}, {"reason": ""}, {"reason": "  "}, {"reason": "ab"},
        {"reason": "x" * 301}, {"reason": None}, {"userId": "../x"}, {"userId": ""}, {"userId": None},
        {"actor": "somebody"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("way", ["grant", "deduct"])
def test_a_movement_that_cannot_be_is_400(apps, boss, user, way, change):
    """Whole credits within bounds, a reason, a user, and nothing else; None stands for a field left out."""
    body = {"userId": user.id, "amount": 5, **WHY, **change}
    body = {name: value for name, value in body.items() if value is not None}
    assert refusal(ask(apps, boss, "POST", f"/api/admin/credits/{way}", body)) == (400, "invalid_fields")
    assert list(runtime.ledger().entries(user)) == []


def test_another_way_to_move_credits_is_404(apps, boss, user):
    """Only give and take."""
    body = {"userId": user.id, "amount": 5, **WHY}
    assert refusal(ask(apps, boss, "POST", "/api/admin/credits/burn", body)) == (404, "not_found")


@pytest.mark.parametrize(("method", "path", "body"), [row for row in ROUTES[1:6] if row[0] == "POST"])
def test_nobody_gets_nothing(apps, served, boss, method, path, body):
    """An id without an account is 404, and nothing is written under it."""
    assert refusal(ask(apps, boss, method, path, body)) == (404, "not_found")
    assert not [record for record in served.records() if NOBODY in record["pk"]]


def test_a_repeated_grant_says_so(apps, boss, user):
    """The same Idempotency-Key: one entry."""
    body = {"userId": user.id, "amount": 5, **WHY}
    answers = [
        ask(apps, boss, "POST", "/api/admin/credits/grant", body, **{"idempotency-key": "one"}).data
        for _ in range(3)
    ]
    assert [answer["repeated"] for answer in answers] == [False, True, True]
    assert runtime.ledger().usage_and_balance(user, now=runtime.now()).balance.available == 50


def test_a_key_used_for_another_amount_is_422(apps, boss, user):
    """Nobody is told that it was done."""
    headers, body = {"idempotency-key": "one"}, {"userId": user.id, "amount": 5, **WHY}
    ask(apps, boss, "POST", "/api/admin/credits/grant", body, **headers)
    answer = ask(apps, boss, "POST", "/api/admin/credits/grant", body | {"amount": 6}, **headers)
    assert refusal(answer) == (422, "idempotency_mismatch")


def test_a_key_of_blanks_is_refused_and_not_taken_for_none(apps, served, boss, user):
    """Its sender wants no second grant; blanks around a key are no part of it."""
    body = {"userId": user.id, "amount": 5, **WHY}
    answers = [
        ask(apps, boss, "POST", "/api/admin/credits/grant", body, **{"idempotency-key": key})
        for key in ("", "  ", "one", " one ")
    ]
    assert [refusal(one) for one in answers[:2]] == [(400, "invalid_idempotency_key")] * 2
    assert [one.data["repeated"] for one in answers[2:]] == [False, True]


def test_more_than_there_is_is_409_with_what_there_is(apps, boss, user):
    """Never below zero."""
    ask(apps, boss, "POST", "/api/admin/credits/grant", {"userId": user.id, "amount": 5, **WHY})
    answer = ask(apps, boss, "POST", "/api/admin/credits/deduct", {"userId": user.id, "amount": 6, **WHY})
    assert refusal(answer) == (409, "credits_too_few")
    assert answer.error["details"] == {"available": 5.0}


def test_the_history_pages_through_every_entry_once(apps, served, boss, user):
    """Newest first, with actor and reason, whatever the page size."""
    for amount in range(1, 8):
        served.clock += 1
        body = {"userId": user.id, "amount": amount, "reason": f"gift {amount}"}
        ask(apps, boss, "POST", "/api/admin/credits/grant", body)
    seen, cursor = [], ""
    while cursor is not None:
        query = {"userId": user.id, "limit": 3} | ({"cursor": cursor} if cursor else {})
        page = ask(apps, boss, "GET", "/api/admin/credits/history", query).data
        seen += page["entries"]
        cursor = page["nextCursor"]
    assert [(found["credits"], found["reason"]) for found in seen] == [
        (n, f"gift {n}") for n in range(7, 0, -1)
    ]
    actor = boss.send(apps.sign_in, "GET", "/api/auth/me").data["id"]
    assert {found["actor"] for found in seen} == {actor}


@pytest.mark.parametrize("query", [{}, {"limit": 0}, {"limit": 101}, {"limit": "x"}, {"cursor": "x" * 101}])
def test_a_page_that_cannot_be_is_400(apps, boss, user, query):
    """Bounded, and strictly read; a user must be named."""
    wanted = {"userId": user.id, **query} if query else {}
    assert refusal(ask(apps, boss, "GET", "/api/admin/credits/history", wanted)) == (400, "invalid_fields")


@pytest.mark.parametrize("by", ["userId", "email"])
def test_a_user_is_looked_up_by_id_or_address(apps, boss, by):
    """With plan, balance, and whether the books add up."""
    _, owner = member(apps, email="ada@example.com")
    query = {"userId": owner.id} if by == "userId" else {"email": "ADA@example.com"}
    (found,) = ask(apps, boss, "GET", "/api/admin/owners", query).data["owners"]
    assert (found["userId"], found["plan"], found["difference"], found["blocked"]) == (
        owner.id, "pro", 0, False,
    )  # fmt: skip


@pytest.mark.parametrize("query", [{}, {"userId": NOBODY, "email": "a@example.com"}])
def test_a_look_up_needs_exactly_one_of_id_and_address(apps, boss, query):
    """Nobody lists everybody."""
    assert refusal(ask(apps, boss, "GET", "/api/admin/owners", query)) == (400, "invalid_fields")


def test_nobody_found_is_an_empty_list(apps, boss):
    """No error tells more than that."""
    assert ask(apps, boss, "GET", "/api/admin/owners", {"email": "x@example.com"}).data == {"owners": []}


@pytest.mark.parametrize("plan", ["gold", "", "PRO"])
def test_an_unknown_plan_is_400(apps, boss, user, plan):
    """Never guessed."""
    answer = ask(apps, boss, "POST", "/api/admin/plan", {"userId": user.id, "plan": plan, **WHY})
    assert refusal(answer) == (400, "invalid_fields")
