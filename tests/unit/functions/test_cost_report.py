"""The cost report from the schedule to the administrator: made, announced once, listed, read, and by nobody else."""

import base64
import hashlib
import json

import pytest

from enhancer import runtime
from enhancer.adapters.signing import Signer
from enhancer.adapters.stripe.books import StripeBooks
from enhancer.api.report import links
from enhancer.domain.errors import StripeUnavailable
from enhancer.domain.periods import DAY_MS
from tests.support.aws import SIGNING_KEY
from tests.support.events import CONTEXT, Browser

YESTERDAY = "day-2026-11-19"


@pytest.fixture
def reporting(apps, served, monkeypatch):
    """The function; Stripe has nothing to tell, and topics are a list."""
    told = []
    monkeypatch.setattr(runtime, "stripe_books", lambda: Till([]))
    monkeypatch.setattr(runtime, "counts", lambda: None)
    monkeypatch.setattr(runtime, "publish_report", lambda subject, text: told.append((subject, text)))
    run = apps.cost_report
    served.told_reports = told
    return lambda event=None: run(event or {}, CONTEXT)


class Till:
    """Stripe's books: these moves every day, or a problem."""

    def __init__(self, moves, problem=None):
        self.moves_, self.problem = moves, problem

    def moves(self, *, since_ms, before_ms):
        if self.problem:
            raise self.problem
        return iter(self.moves_)


class Reader:
    """A browser that reads what administrators read; with a role it is signed in."""

    def __init__(self, apps, role=None):
        self.app, self.browser = apps.admin, Browser(ip="198.51.100.31")
        if role:
            self.browser.post_json(apps.debug_login, "/api/debug-login", {"plan": "pro", "role": role})

    def get(self, address):
        path, _, query = address.partition("?")
        return self.browser.send(self.app, "GET", path, query=query)


@pytest.fixture
def boss(apps, served):
    """An administrator."""
    return Reader(apps, "admin")


def test_yesterdays_report_is_stored_listed_and_announced_once(reporting, served, apps):
    """However often it is made; without its closing it is incomplete, and made again by the next daily run."""
    assert reporting() == {
        "made": [YESTERDAY], "announced": [YESTERDAY], "incomplete": [YESTERDAY],
        "read": ["2026-11-19"],
    }  # fmt: skip
    assert reporting()["announced"] == []
    assert len(served.told_reports) == 1
    apps.quota_reset({}, CONTEXT)
    served.clock += DAY_MS
    done = reporting()
    assert (done["made"], done["incomplete"]) == (["day-2026-11-20", YESTERDAY], ["day-2026-11-20"])
    found = json.loads(served.artifacts.get("ai-enhancer/reports/day/2026-11-19.json"))
    assert (found["complete"], found["missing"]) == (True, {})
    for extension, start in (("csv", b"report,table"), ("html", b"<!doctype html>")):
        assert served.artifacts.get(f"ai-enhancer/reports/day/2026-11-19.{extension}").startswith(start)


def test_an_announcement_that_cannot_be_made_is_made_by_the_next_try(reporting, served, monkeypatch):
    """The right to announce goes back when the topic does not take it."""

    def refuse(subject, text):
        raise RuntimeError("the topic is gone")

    with monkeypatch.context() as broken:
        broken.setattr(runtime, "publish_report", refuse)
        with pytest.raises(RuntimeError, match="topic"):
            reporting()
    assert reporting()["announced"] == [YESTERDAY]


def test_while_stripe_does_not_answer_there_is_no_report(reporting, served, monkeypatch):
    """One without its income would be wrong; the schedule tries again."""
    monkeypatch.setattr(runtime, "stripe_books", lambda: Till([], StripeUnavailable()))
    with pytest.raises(StripeUnavailable):
        reporting()
    assert served.books.reports(limit=10) == ([], None)


def test_a_day_whose_runs_all_failed_is_made_up_for(reporting, served, monkeypatch):
    """Quietly, by the next daily run: a gap in the list would stay for ever."""
    reporting()
    served.clock += DAY_MS
    with monkeypatch.context() as broken:
        broken.setattr(runtime, "stripe_books", lambda: Till([], StripeUnavailable()))
        with pytest.raises(StripeUnavailable):
            reporting()
    served.clock += DAY_MS
    done = reporting()
    assert sorted(done["made"]) == [YESTERDAY, "day-2026-11-20", "day-2026-11-21"]
    assert done["announced"] == ["day-2026-11-21"]
    assert reporting({"date": "2026-11-19"})["made"] == [YESTERDAY]


def test_without_a_key_for_stripe_there_is_a_report_without_income(reporting, served, monkeypatch):
    """A stack that sells nothing has costs all the same."""
    monkeypatch.setattr(runtime, "stripe_books", lambda: StripeBooks(lambda _: "", "https://api.stripe.com"))
    done = reporting({"date": "2026-11-19"})
    assert (done["made"], done["read"]) == ([YESTERDAY], [])
    found = json.loads(served.artifacts.get("ai-enhancer/reports/day/2026-11-19.json"))
    assert (found["money"], found["missing"]) == ({}, {"ledger": ["2026-11-19"]})


@pytest.mark.parametrize(
    ("event", "made"),
    [
        ({"due": "month"}, ["month-2026-10"]), ({"month": "2026-11"}, ["month-2026-11"]),
        ({"from": "2026-10-31", "to": "2026-11-01"}, ["day-2026-10-31", "day-2026-11-01"]),
        ({"date": "2026-11-20"}, ["day-2026-11-20"]),
    ],
)  # fmt: skip
def test_reports_are_made_by_hand_and_announced_once_and_only_when_their_time_is_over(
    reporting, served, event, made
):
    """It is the twentieth at noon: today and this month are partial; days that are made up for are no news."""
    done = reporting(event)
    quiet = {"day-2026-11-20", "month-2026-11"} | (set(made) if "from" in event else set())
    assert (done["made"], set(done["announced"])) == (made, set(made) - quiet)


def test_a_month_that_goes_on_is_one_report_in_the_list(reporting, served):
    """Made every day by hand, it replaces itself and stands where the whole month will."""
    for _ in range(3):
        reporting({"month": "2026-11"})
        served.clock += DAY_MS
    (found,), _ = served.books.reports(limit=10)
    assert (found.name, found.last_day, found.complete) == ("month-2026-11", "2026-11-30", False)


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"date": "19.11.2026"}, "date"), ({"date": "2026-11-21"}, "date"), ({"month": "2026-12"}, "month"),
        ({"date": "2026-11-31"}, "date must be a day of"), ({"month": "2026-13"}, "month must be a month of"),
        ({"month": "november"}, "month"), ({"date": "2026-02-30"}, "date"), ({"date": "0001-01-01"}, "date"),
        ({"month": "9999-12"}, "month"), ({"from": "0001-01-01"}, "date"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "from"),
        ({"from": "2026-01-01", "to": "2026-11-01"}, "from"),
    ],
)  # fmt: skip
def test_what_is_no_time_that_has_begun_is_refused_by_name(reporting, event, field):
    """Before anything is read."""
    with pytest.raises(ValueError, match=f"^{field}"):
        reporting(event)


# ------------------------------------------------------------------------------------ administrators


def announced(served):
    """Path and query of the announced address."""
    (text,) = [text for _, text in served.told_reports]
    url = next(line for line in text.splitlines() if "/api/admin/reports/" in line)
    return url[url.index("/api/") :]


def test_administrators_see_the_list_and_the_files(reporting, served, apps, boss):
    """Newest first, page by page; a month stands right above its last day."""
    for event in ({"date": "2026-10-31"}, {"month": "2026-10"}, {"date": "2026-11-19"}):
        reporting(event)
    first = boss.get("/api/admin/reports?limit=2").json["data"]
    assert [one["name"] for one in first["reports"]] == [YESTERDAY, "month-2026-10"]
    rest = boss.get(f"/api/admin/reports?limit=2&cursor={first['nextCursor'].replace('#', '%23')}").json[
        "data"
    ]
    assert ([one["name"] for one in rest["reports"]], rest["nextCursor"]) == (["day-2026-10-31"], None)
    for field, kind in (("page", "text/html"), ("csv", "text/csv"), ("data", "application/json")):
        answer = boss.get(first["reports"][0][field])
        assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (200, kind)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "script" not in answer.headers["Content-Security-Policy"]
    page = boss.get(first["reports"][0]["page"])
    style = page.content.decode().partition("<style>")[2].partition("</style>")[0]
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{allowed}'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path", ["", f"/{YESTERDAY}.html", f"/{YESTERDAY}.json", "/day-2026-01-01.html", "/x"]
)
def test_nobody_else_sees_any_of_it(reporting, served, apps, path):
    """Users and guests are refused alike, whether there is such a report or not."""
    reporting()
    assert Reader(apps, "user").get(f"/api/admin/reports{path}").status == 403
    assert Reader(apps).get(f"/api/admin/reports{path}").status == 401


@pytest.mark.parametrize(
    "name", ["day-2026-01-01.html", "day-2026-11-19.exe", "closing.json", "..%2Fclosing.json"]
)
def test_what_is_no_report_is_not_there(reporting, boss, name):
    """Nothing else of the bucket can be read by this way."""
    reporting()
    assert boss.get(f"/api/admin/reports/{name}").status == 404


def test_the_announced_address_is_good_for_its_file_and_its_time_alone(reporting, served, apps):
    """Seven days, then no longer; another file, time or signature is nothing."""
    reporting()
    path = announced(served)
    anybody = Reader(apps)
    assert anybody.get(path).status == 200
    assert "day-2026-11-19.html" in path
    assert anybody.get(path.replace("2026-11-19.html", "2026-11-19.json")).status == 401
    until = int(path.partition("until=")[2].partition("&")[0])
    assert anybody.get(path.replace(f"{until}", f"{until + 1}")).status == 401
    assert anybody.get(path[:-1] + ("A" if path[-1] != "A" else "B")).status == 401
    served.clock = until * 1000 - 1
    assert anybody.get(path).status == 200
    served.clock = until * 1000
    assert anybody.get(path).status == 401


def test_a_signature_for_another_purpose_or_longer_than_allowed_is_refused(served):
    """What was signed elsewhere, or for ever, opens nothing."""
    signer, now = Signer([SIGNING_KEY]), served.clock
    far = now // 1000 + links.LINK_SECONDS + 1
    for purpose, until in (("guest", now // 1000 + 60), (links.PURPOSE, far)):
        signature = signer.sign(purpose, f"{YESTERDAY}.html.{until}").rpartition(".")[2]
        assert not links.is_good(f"{YESTERDAY}.html", until, signature, verified=signer.verified, now=now)
