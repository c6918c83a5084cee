"""The statement: every movement with the balance after it, as JSON and for spreadsheets."""

import csv
import io
import sys

import pytest

from enhancer.accounts import admin
from enhancer.api.shapes.statement_csv import COLUMNS
from enhancer.domain.owners import Owner
from tests.support import functions
from tests.support.events import Browser
from tests.support.world import at

LEDGER = "/api/billing/ledger"
ADMIN = "adm1n" * 5


@pytest.fixture
def browser(apps, served):
    """A browser that is signed in."""
    made = Browser(ip="198.51.100.41")
    found = made.post_json(apps.debug_login, "/api/debug-login", {"plan": "pro"})
    made.owner = Owner("user", found.data["userId"])
    return made


def get(apps, browser, query="", **headers):
    return browser.send(apps.billing, "GET", LEDGER, query=query, headers=headers)


def refusal(answer):
    return answer.status, answer.error["code"]


def given(served, browser, amount=10, reason="as agreed"):
    """An administrator gives credits."""
    served.clock += 1000
    account = served.accounts.get(browser.owner)
    actor = served.accounts.open(
        Owner("user", ADMIN), plan="free", role="admin", email=None, now=served.clock
    )
    admin.grant(
        account, amount, reason=reason, actor=actor, once=served.new_name(), entry_id=served.new_id("ent"),
        now=served.clock, ledger=served.ledger,
    )  # fmt: skip


def rows(answer):
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_a_statement_says_what_moved_and_what_was_there_afterwards(apps, served, browser):
    """Newest first: bought, given, taken back; and how everything stands."""
    session = served.bought(served.accounts.get(browser.owner), 100)
    served.told()
    given(served, browser, 5)
    served.cashier.refund(f"ch_{session.payment_intent}", 500)
    served.clock += 1000
    served.told(since=1)
    found = get(apps, browser).data
    assert [(one["kind"], one["change"], one["balance"], one["reason"], one["actor"], one["ref"])
            for one in found["entries"]] == [
        ("clawback", -50.0, 55.0, "refund", "stripe", session.id),
        ("grant", 5.0, 105.0, "as agreed", "admin", None),
        ("purchase", 100.0, 100.0, "pack_100", "stripe", session.id),
    ]  # fmt: skip
    assert set(found["entries"][0]) == {
        "id", "at", "kind", "change", "balance", "plan", "debt", "jobId", "reason", "actor", "ref",
    }  # fmt: skip
    assert found["totals"] == {
        "available": 55.0, "held": 0.0, "spent": 0.0, "expired": 0.0, "clawedBack": 50.0, "purchased": 100.0,
        "granted": 5.0, "debt": 0.0,
    }  # fmt: skip
    assert sum(one["credits"] for one in found["expiring"]) == 55.0
    assert found["expiring"][0]["at"] == at("2027-06-03 12:00:00")
    assert found["nextCursor"] is None


def test_a_run_is_shown_with_its_job_and_the_plans_part(apps, served, browser):
    """Held, then settled; nobody's name on it."""
    given(served, browser)
    caller = served.caller("pro")
    caller = caller.__class__(browser.owner, caller.plan, "user", caller.network, None)
    job = served.job(caller, [(25, 40)])
    served.hold(job)
    (hold, _) = get(apps, browser).data["entries"]
    assert (hold["kind"], hold["change"], hold["balance"], hold["plan"], hold["jobId"], hold["actor"]) == (
        "hold",
        -4.0,
        6.0,
        2.5,
        job.id,
        "system",
    )


def test_page_by_page_it_is_the_same_statement(apps, served, browser):
    """Every entry once, and the balance goes on where it was."""
    for amount in range(1, 8):
        given(served, browser, amount)
    whole, found, cursor = get(apps, browser).data["entries"], [], ""
    while cursor is not None:
        page = get(apps, browser, f"limit=3&cursor={cursor}" if cursor else "limit=3").data
        found, cursor = found + page["entries"], page["nextCursor"]
    assert found == whole
    assert [one["balance"] for one in found] == [28.0, 21.0, 15.0, 10.0, 6.0, 3.0, 1.0]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=x~y", f"cursor={'x' * 101}", "format=xml"],
)
def test_what_cannot_be_is_400(apps, browser, query):
    """Bounds and a cursor of ours."""
    assert refusal(get(apps, browser, query)) == (400, "invalid_fields")


def test_nobody_sees_the_entries_of_another(apps, served, browser):
    """The partition is the owner's."""
    given(served, browser)
    other = Browser(ip="198.51.100.42")
    other.post_json(apps.debug_login, "/api/debug-login", {"plan": "pro"})
    assert get(apps, other).data["entries"] == []


def test_an_administrators_id_is_never_told(apps, served, browser):
    """That somebody did it is enough; the history of administrators has the id."""
    given(served, browser)
    assert [one.actor for one in served.ledger.entries(browser.owner)] == [ADMIN]
    for answer in (get(apps, browser), get(apps, browser, "format=csv")):
        assert ADMIN not in answer.content.decode()


@pytest.mark.parametrize(("query", "accept"), [("format=csv", "*/*"), ("", "text/csv")])
def test_for_spreadsheets_it_is_a_file(apps, served, browser, query, accept):
    """A header row, times in UTC, an attachment that nobody keeps."""
    given(served, browser, 5)
    answer = get(apps, browser, query, accept=accept)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="credits.csv"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content.decode().splitlines()[0] == ",".join(COLUMNS)
    (row,) = rows(answer)
    assert (row["time"], row["kind"], row["change"], row["balance"], row["job"], row["actor"]) == (
        "2026-11-20T12:00:01.000Z",
        "grant",
        "5.0",
        "5.0",
        "",
        "admin",
    )


def test_json_wins_where_it_is_asked_for(apps, served, browser):
    """The parameter decides before the header."""
    assert get(apps, browser, "format=json", accept="text/csv").data["entries"] == []


@pytest.mark.parametrize(
    ("reason", "cell"),
    [
        ("=1+1", "'=1+1"), ("+1 (555) 0100", "'+1 (555) 0100"), ("-2+3", "'-2+3"), ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx=1", "'\tx=1"), ("\rx=1", "'\rx=1"), ("-5.5", "-5.5"), ("-٣", "'-٣"), ('a "b", c\nd', 'a "b", c\nd'),
    ],
)  # fmt: skip
def test_no_cell_is_run_as_a_formula(apps, served, browser, reason, cell):
    """What an administrator wrote is text; numbers stay numbers."""
    given(served, browser, reason=reason)
    text = get(apps, browser, "format=csv").content.decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["reason"] == cell


def test_a_file_that_would_be_too_long_says_how_to_go_on(served, browser, monkeypatch):
    """So many entries in one file, and the cursor of the next in a header."""
    module = functions.load("billing")
    monkeypatch.setattr(sys.modules["functions.billing.app"], "ROWS_MAX", 2)
    apps = type("Apps", (), {"billing": staticmethod(module.lambda_handler)})
    for amount in (1, 2, 3):
        given(served, browser, amount)
    first = get(apps, browser, "format=csv")
    rest = get(apps, browser, f"format=csv&cursor={first.headers['X-Next-Cursor']}")
    assert [row["balance"] for row in rows(first) + rows(rest)] == ["6.0", "3.0", "1.0"]
    assert "X-Next-Cursor" not in rest.headers
