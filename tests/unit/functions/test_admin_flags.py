"""The operator's flags over the API: read, changed, told, rolled back, by administrators alone."""

import pytest

from enhancer import runtime
from enhancer.adapters.dynamodb import flags as flag_store
from enhancer.adapters.dynamodb import keys
from tests.support.events import Browser
from tests.support.flags import set_flags
from tests.unit.domain.test_flags_document import BAD, UNKNOWN

FLAGS, WHY = "/api/admin/flags", {"reason": "as agreed"}
DEFAULT = {
    "phase": "open", "guests": {"on": False, "imagesPerDay": None}, "canaryPercent": 0, "off": [],
    "spendCapUsd": None, "planCaps": {}, "jobsPaused": False, "planGating": True, "creditsCta": True, "invited": [],
    "version": 0, "capTodayUsd": 20.0, "spentTodayUsd": 0.0, "ignored": None,
}  # fmt: skip


class Boss:
    """An administrator's browser."""

    def __init__(self, apps):
        self.app, self.browser = apps.admin, Browser(ip="198.51.100.31")
        login = {"plan": "pro", "role": "admin", "email": "boss@example.com"}
        self.id = self.browser.post_json(apps.debug_login, "/api/debug-login", login).data["userId"]

    def get(self, path="", query=""):
        return self.browser.send(self.app, "GET", f"{FLAGS}{path}", query=query)

    def change(self, **body):
        return self.browser.post_json(self.app, FLAGS, {**WHY, **body})

    def roll_back(self, **body):
        return self.browser.post_json(self.app, f"{FLAGS}/rollback", {**WHY, **body})


@pytest.fixture
def boss(apps, served):
    """The administrator."""
    return Boss(apps)


def told(answer):
    return (
        answer.status,
        answer.error["code"],
        [one["field"] for one in answer.error["details"].get("fields", [])],
    )


def test_the_document_is_there_before_anybody_changed_it(boss):
    """With the stack's own values, what counts today, and what was spent."""
    assert boss.get().data == DEFAULT


def test_a_change_is_answered_with_the_whole_document(boss):
    """What is not named stays."""
    boss.change(off=["sd15"], guests={"imagesPerDay": 1})
    found = boss.change(phase="I1", guests={"on": True}, invited=["Ada@Example.com"], spendCapUsd=1.5)
    assert found.data == {
        **DEFAULT, "phase": "I1", "guests": {"on": True, "imagesPerDay": 1}, "off": ["sd15"], "spendCapUsd": 1.5,
        "invited": ["ada@example.com"], "version": 2, "capTodayUsd": 1.5,
    }  # fmt: skip
    assert boss.get().data == found.data


def test_a_change_is_felt_within_a_minute_elsewhere_and_at_once_here(boss, monkeypatch):
    """By every instance, without a deployment."""
    seconds = [1000.0]
    monkeypatch.setattr(flag_store.time, "monotonic", lambda: seconds[0])
    elsewhere = flag_store.FlagStore(runtime.table())
    assert list(elsewhere.get().off) == []
    boss.change(off=["replicate"], spendCapUsd=1.5)
    assert runtime.spend_cap() == 1_500_000
    seconds[0] += flag_store.FRESH_SECONDS
    assert (list(elsewhere.get().off), elsewhere.get().spend_cap) == (["replicate"], 1_500_000)


@pytest.mark.parametrize(
    ("what", "field", "problem"), [case for case in BAD + UNKNOWN if "nan" not in str(case)]
)
def test_a_bad_change_is_refused_with_the_field_and_nothing_is_kept(boss, served, what, field, problem):
    """The same bounds as for a stored document and in a shell."""
    status, code, fields = told(boss.change(**what))
    assert (status, code) == (400, "invalid_fields")
    assert fields[0].startswith(field)
    assert not [record for record in served.records() if record["pk"] == "FLAGS"]


@pytest.mark.parametrize("body", [{"reason": ""}, {"reason": "ok"}, {"reason": "x" * 301}, {"reason": None}])
def test_every_change_and_every_rollback_needs_a_reason(boss, body):
    """Like everything administrators do."""
    boss.change(phase="I1")
    for answer in (boss.change(phase="I2", **body), boss.roll_back(**body)):
        assert told(answer) == (400, "invalid_fields", ["reason"])
    assert boss.get().data["version"] == 1


def test_who_had_an_older_version_before_them_gets_409_with_the_way_on(boss):
    """Of two operators, one is told to read again; nothing of theirs is kept."""
    boss.change(phase="I1", version=0)
    late = boss.change(phase="I2", version=0)
    assert (late.status, late.error["code"], late.error["details"]) == (
        409, "flags_changed", {"version": 1, "expected": 0},
    )  # fmt: skip
    assert "Read them again" in late.error["message"]
    assert boss.change(phase="I2", version=1).data["version"] == 2


def test_of_two_changes_at_the_same_moment_one_is_refused(boss, served, monkeypatch):
    """Also where nobody names a version: the write itself is on condition."""
    real = flag_store.FlagStore.seen

    def seen(store):
        found = real(store)
        monkeypatch.setattr(flag_store.FlagStore, "seen", real)
        set_flags(served.table, phase="I2")
        return found

    monkeypatch.setattr(flag_store.FlagStore, "seen", seen)
    assert boss.change(phase="I1").error["code"] == "flags_changed"
    assert boss.get().data["phase"] == "I2"


def test_the_history_tells_who_when_why_and_the_whole_document(boss, served):
    """Newest first, page by page."""
    boss.change(phase="I1", reason="launch")
    boss.change(phase="I2", reason="next")
    page = boss.get("/history", "limit=2").data
    assert [(one["version"], one["actor"], one["reason"], one["at"]) for one in page["versions"]] == [
        (2, boss.id, "next", served.clock), (1, boss.id, "launch", served.clock),
    ]  # fmt: skip
    assert [one["flags"]["phase"] for one in page["versions"]] == ["I2", "I1"]
    assert page["versions"][0]["flags"]["guests"] == {"on": False}
    rest = boss.get("/history", f"limit=2&cursor={page['nextCursor']}").data
    assert ([one["version"] for one in rest["versions"]], rest["nextCursor"]) == ([0], None)


@pytest.mark.parametrize("query", ["limit=0", "limit=26", "cursor=-1", "cursor=x", "page=2"])
def test_a_page_of_the_history_that_is_none_is_400(boss, query):
    """With the field."""
    assert told(boss.get("/history", query))[:2] == (400, "invalid_fields")


def test_a_rollback_is_one_call(boss):
    """To the version before, or to one that is named."""
    for phase in ("I1", "I2", "open"):
        boss.change(phase=phase)
    assert (boss.roll_back().data["phase"], boss.roll_back().data["phase"]) == ("I2", "I1")
    found = boss.roll_back(version=3).data
    assert (found["phase"], found["version"]) == ("open", 6)
    assert boss.get("/history", "limit=1").data["versions"][0]["restores"] == 3
    assert told(boss.roll_back(version=99)) == (400, "invalid_fields", ["version"])


def test_a_record_that_counts_for_nothing_is_told_and_repaired(boss, served):
    """Here the operator sees the newest that can be read; their change puts things right."""
    boss.change(phase="I2")
    served.table.put({**keys.flags(), "version": 7, "document": {"phase": "I9"}})
    found = boss.get().data
    assert (found["phase"], found["ignored"]) == ("I2", "bad")
    repaired = boss.change(phase="I1").data
    assert (repaired["phase"], repaired["ignored"], repaired["version"]) == ("I1", None, 2)


def test_the_log_names_what_was_changed_and_nobody_who_was_invited(boss, logs):
    """Who, which version, which fields."""
    boss.change(invited=["ada@example.com"], phase="I1")
    (line,) = [line for line in logs.lines if line["message"] == "flags"]
    assert (line["actor"], line["version"], sorted(line["changed"])) == (boss.id, 1, ["invited", "phase"])
    assert "ada@example.com" not in logs.text
