"""The cost model counts what is there: the template's figures, the product's own calls; and its page is not stale."""

import copy
import re

import pytest

from benchmarks import cost_limits, cost_margins, cost_model, cost_page, cost_use
from benchmarks.counted_table import CountedTable, Counts, record_bytes
from enhancer.adapters.dynamodb.table import Write
from enhancer.domain.aws_prices import AWS_PRICES, aws_cost
from tests.load.jobs_at_once import TRANSITIONS_MAX
from tests.support import template

PAGE = cost_page.PAGE.read_text("utf-8")
STALE, STALE_USD = 0.10, 3.0
"""How far the page's figures may be from those of the code (a share, or USD) before `make cost` is due."""


@pytest.fixture(scope="module")
def use():
    return cost_use.counted()


def rows_of(heading):
    """The cells of a table of the page, without its head."""
    (section,) = [part for part in PAGE.split("\n## ") if part.startswith(heading)]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def number(text):
    return float(re.sub(r"[^\d.+-]", "", text))


def test_memory_and_timeouts_of_the_page_are_those_of_the_template():
    """A function whose memory changes is priced anew, or this fails."""
    rows, loaded = rows_of("Lambda"), template.load()
    assert len(rows) >= 12
    for name, memory, timeout, *_ in rows:
        properties = template.functions(loaded)[cost_use.logical(name.strip("`"))]
        wanted = properties["MemorySize"]
        if isinstance(wanted, dict):
            wanted = loaded["Parameters"][wanted["Ref"]]["Default"]
        assert (number(memory), number(timeout)) == (wanted, properties["Timeout"]), name


def test_every_schedule_of_the_template_is_priced(use):
    """The sweep every minute, the closing every day; a schedule of another form is refused instead of left out."""
    scheduled = {
        name
        for name, found in template.functions(template.load()).items()
        if any(event["Type"] == "ScheduleV2" for event in found.get("Events", {}).values())
    }
    assert set(cost_use.runs_a_month()) == scheduled
    assert cost_use.runs_a_month()["Sweep"] == 30 * 24 * 60
    assert cost_use.runs_a_month()["QuotaReset"] == 30
    idle = cost_model.month(0, use)
    assert (idle.counts.invocations["sweep"], idle.counts.invocations["quota_reset"]) == (43_200, 30)
    for name in scheduled:
        assert idle.seconds[cost_use.folder(name)] > 0, name
    with pytest.raises(ValueError, match="not a schedule"):
        cost_use.runs("cron(0/5 * * * ? *)")


def test_the_page_is_what_the_model_says(use):
    """Totals of each volume, within a tenth: after a larger change run `make cost`."""
    (totals,) = (row for row in rows_of("A month, in USD") if row[0] == "**all**")
    for cell, images in zip(totals[1:], cost_model.VOLUMES, strict=True):
        assert number(cell) == pytest.approx(cost_model.month(images, use).total, rel=STALE, abs=STALE_USD), (
            images
        )
    limits = {row[0]: row[3] for row in rows_of("The first limits")}
    for found in cost_limits.limits(use):
        if found.a_month:
            assert number(limits[found.name]) == pytest.approx(found.a_month, rel=STALE), found.name


def test_calls_are_counted_as_the_documents_say(use):
    """Eight requests to the table for a user's picture, two of them transactions; seven transitions of a job."""
    embedded = use.flows["local"].sync
    assert (embedded.requests["generate"], embedded.transactions["generate"]) == (8, 2)
    assert (embedded.gateway, embedded.invocations["upscale"], embedded.puts, embedded.gets) == (1, 1, 2, 1)
    assert cost_model.transitions_of_a_job() == TRANSITIONS_MAX
    assert use.flows["local"].sync.hot["COST TOTAL"] == 0
    assert use.flows["real-esrgan"].sync.hot["COST TOTAL"] == 2


def test_units_are_dynamodbs():
    """By the larger state in whole KB, twice in a transaction; one for each place in the index it gets or leaves."""
    table = CountedTable()
    key = {"pk": "OWNER#user#x", "sk": "JOB#1"}
    table.put({**key, "text": "x" * 900})
    assert (table.counts.writes, table.counts.index) == (1, 0)
    table.update(
        key, "SET gsi1pk = :p, gsi1sk = :s, more = :m", values={":p": "OPEN#0", ":s": 1, ":m": "y" * 100}
    )
    assert (table.counts.writes, table.counts.index) == (1 + 2 + 1, 1)
    table.counts = Counts()
    table.transact([Write("Update", key, update="SET gsi1sk = :s", values={":s": 2})])
    assert (table.counts.writes, table.counts.index, table.counts.hot) == (2 * 2 + 2, 2, {"OWNER": 4})
    table.counts = Counts()
    table.get(key)
    table.get_many([key, {"pk": "OWNER#user#y", "sk": "ACCOUNT"}])
    assert (table.counts.reads, table.counts.requests[""]) == (3, 2)
    assert record_bytes({"pk": "ab", "n": 12, "list": ["x"]}) == 3 + (2 + 2 + 1) + (1 + 3 + 1) + (
        4 + 3 + 1 + 1 + 1
    )


def test_a_sold_plan_earns_whatever_its_credits_are_spent_on():
    """With the dearest hosted model, the largest pictures and the slowest quality; packs, too."""
    found = cost_margins.margins()
    assert {one.plan for one in found if one.income} == {"pro", "premium", "team", "enterprise"}
    assert [(one.plan, one.run.name) for one in found if one.income and one.left <= 0] == []
    assert [one.plan for one in found if not one.income and one.left < -2] == []
    assert [size for size, income, worst in cost_margins.packs() if income <= 2 * worst] == []


def test_limits_follow_the_template(use, monkeypatch):
    """Half the throttle is half the images; the first limits come first."""

    def throttle():
        return next(found for found in cost_limits.limits(use) if found.name == "API Gateway throttle")

    before = throttle().images
    halved = copy.deepcopy(cost_limits.TEMPLATE)
    halved["Resources"]["Api"]["Properties"]["DefaultRouteSettings"]["ThrottlingRateLimit"] /= 2
    monkeypatch.setattr(cost_limits, "TEMPLATE", halved)
    assert throttle().images == pytest.approx(before / 2)
    images = [found.images for found in cost_limits.limits(use) if found.images]
    assert images == sorted(images)


def test_every_price_has_a_unit_and_a_page_of_aws_as_its_source():
    """A figure without a source is a guess."""
    for name, price in AWS_PRICES.items():
        assert price.usd > 0, name
        assert price.unit, name
        assert price.source.startswith("aws.amazon.com/"), name
        assert price.source.endswith(("/pricing", "/pricing/on-demand")), name
    assert aws_cost("lambda.request", 2e6) == pytest.approx(0.40)


def test_every_cost_of_a_month_is_in_the_chart(use):
    """Each service has a colour, so none is left out of a bar."""
    assert set(cost_model.month(1_000, use).services) == set(cost_page.COLOURS)
    assert cost_page.CHART.read_text("utf-8").count("<title>") == 3 * len(cost_page.COLOURS)
