"""Metrics: what the code counts, the dashboard and alarms show, and docs/metrics.md tells, is the same."""

import ast
import json
import re
from functools import cache
from typing import get_args

import pytest

from enhancer.domain.models import ProviderName
from enhancer.domain.plans import PLANS
from enhancer.telemetry import METRICS, REFUSED
from tests.support import template

ROOT = template.ROOT
TEMPLATE = template.load()
ALARMS = template.resources(TEMPLATE, "AWS::CloudWatch::Alarm")
FILTERS = template.resources(TEMPLATE, "AWS::Logs::MetricFilter")
DOC = (ROOT / "docs" / "metrics.md").read_text("utf-8")
OWN = "${AWS::StackName}"
BODY = json.loads(TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
WIDGETS = [one["properties"] for one in BODY["widgets"] if one["type"] == "metric"]
FILTERED = {transform["MetricName"]: name for name, one in FILTERS.items()
            for transform in one["Properties"]["MetricTransformations"]}  # fmt: skip
LABELS = {"function", "status", "plan", "provider", "outcome", "reason", "problem"}
"""What metrics may be told apart by. Nothing that grows with owners, jobs or pictures."""
FLAGS_IGNORED = ("bad", "newer", "unreachable")


@cache
def counted():
    """Every call of `count` in the product: metric, the file, the names of its dimensions."""
    found = []
    for path in sorted([*(ROOT / "layers/common").rglob("*.py"), *(ROOT / "functions").rglob("app.py")]):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = getattr(node, "func", None)
            if isinstance(node, ast.Call) and getattr(called, "attr", getattr(called, "id", "")) == "count":
                first = node.args[0] if node.args else None
                if (
                    isinstance(first, ast.Constant)
                    and isinstance(first.value, str)
                    and first.value[:1].isupper()
                ):
                    where = path.relative_to(ROOT).as_posix().removeprefix("layers/common/enhancer/")
                    found.append((first.value, where, {keyword.arg for keyword in node.keywords}))
    return found


def watched(alarm):
    found = alarm["Properties"]
    stats = [one["MetricStat"]["Metric"] for one in found.get("Metrics", ()) if "MetricStat" in one] or [
        found
    ]
    return {one["MetricName"] for one in stats if one["Namespace"] == {"Ref": "AWS::StackName"}}


def shown(widget):
    """The metrics of ours that a widget shows."""
    text = json.dumps(widget["metrics"])
    return {*re.findall(rf'\["{re.escape(OWN)}", "(\w+)"', text), *re.findall(r'MetricName=\\+"(\w+)', text)}


def table():
    """The table of docs/metrics.md as it has to be."""
    rows = ["| metric | in all, and by | unit | written by | widget | alarm |", "|---|---|---|---|---|---|"]
    for name in [*METRICS, *FILTERED]:
        known = METRICS.get(name)
        by, unit = (f"`{known.by}`" if known and known.by else ""), known.unit.value if known else "Count"
        files = sorted({where for metric, where, _ in counted() if metric == name})
        written = ", ".join(f"`{file}`" for file in files) or f"log filter `{FILTERED[name]}`"
        widgets = ", ".join(one["title"] for one in WIDGETS if name in shown(one))
        alarms = ", ".join(f"`{alarm}`" for alarm, one in ALARMS.items() if name in watched(one))
        rows.append(f"| `{name}` | {by} | {unit} | {written} | {widgets} | {alarms} |")
    return "\n".join(rows)


def test_the_page_tells_what_the_code_and_the_template_do():
    """Copy the expected table into the page when this fails."""
    assert table() in DOC, "\n" + table()


def test_every_metric_is_counted_somewhere_and_no_other_is():
    """By the dimension that it was declared with, everywhere."""
    calls = counted()
    assert {metric for metric, _, _ in calls} == set(METRICS)
    for metric, where, dimensions in calls:
        assert dimensions == {METRICS[metric].by} - {None}, (metric, where)


def test_no_dimension_grows_with_owners():
    """A metric costs by the number of its dimension's values, and may name nobody."""
    assert {one.by for one in METRICS.values()} - {None} == LABELS


@pytest.mark.parametrize("name", [*METRICS, *FILTERED])
def test_every_metric_is_looked_at(name):
    """On the dashboard or by an alarm; else it is paid for in vain."""
    assert any(name in shown(one) for one in WIDGETS) or any(name in watched(one) for one in ALARMS.values())


def test_every_metric_that_is_looked_at_is_written():
    """An alarm on a name that nobody counts never goes off."""
    looked_at = set().union(*map(shown, WIDGETS), *map(watched, ALARMS.values()))
    assert looked_at == set(METRICS) | set(FILTERED)


def test_what_the_metrics_cost_is_as_the_page_says():
    """By the number of values that each dimension has, in any environment but development."""
    functions = template.functions(TEMPLATE)
    behind = [
        name
        for name, one in functions.items()
        if any(event["Type"] == "HttpApi" for event in one.get("Events", {}).values())
    ]
    reasons = set()
    for path in (ROOT / "layers/common/enhancer").rglob("*.py"):
        reasons |= set(re.findall(r'Parked\(\s*"(\w+)"', path.read_text("utf-8")))
    values = {
        "function": len(set(behind) - {"DebugLogin"}), "status": len(REFUSED), "plan": len(PLANS), "outcome": 3,
        "provider": len(get_args(ProviderName)), "reason": len(reasons), "problem": len(FLAGS_IGNORED),
    }  # fmt: skip
    most = sum(1 + (values[one.by] if one.by else 0) for one in METRICS.values()) + len(FILTERED)
    looks = sum(len([one for one in alarm["Properties"].get("Metrics", [{"MetricStat": 1}]) if "MetricStat" in one])
                for alarm in ALARMS.values())  # fmt: skip
    assert f"at most {most} custom metrics" in DOC
    assert f"{0.3 * most:.2f} USD" in DOC
    assert f"{len(ALARMS)} alarms on {looks} metrics" in DOC
    assert f"{0.1 * looks:.2f} USD" in DOC


def test_the_dashboard_says_where_it_is_and_asks_the_operators_questions():
    """Its rows, in this order; nothing overlaps, nothing sticks out, and its JSON holds after substitution."""
    texts = [one["properties"]["markdown"] for one in BODY["widgets"] if one["type"] == "text"]
    assert texts[0] == "# ${AWS::StackName} (${Environment})"
    assert texts[1:] == [
        "## Is it up?",
        "## Is it fast?",
        "## Does it earn?",
        "## Who is refused?",
        "## Queue and table",
    ]
    cells = [(x, y) for one in BODY["widgets"] for x in range(one["x"], one["x"] + one["width"])
             for y in range(one["y"], one["y"] + one["height"])]  # fmt: skip
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    (states,) = [one["properties"]["alarms"] for one in BODY["widgets"] if one["type"] == "alarm"]
    always = [name for name, one in ALARMS.items() if "Condition" not in one]
    assert sorted(states) == sorted(f"${{{name}.Arn}}" for name in always)
    for one in WIDGETS:
        assert one["region"] == "${AWS::Region}"
        ids = [
            metric[-1]["id"]
            for metric in one["metrics"]
            if isinstance(metric[-1], dict) and "id" in metric[-1]
        ]
        assert len(set(ids)) == len(ids)
    statistics = re.findall(r"PredictionMilliseconds\\+\"', '(\w+)'", json.dumps(WIDGETS))
    assert statistics == ["p50", "p95"]


def test_the_saved_queries_look_at_the_logs_of_this_stack():
    """By request, by job, errors, the slowest, 5xx by route; the emulator cannot save them."""
    queries = template.resources(TEMPLATE, "AWS::Logs::QueryDefinition")
    assert [one["Properties"]["Name"]["Fn::Sub"].partition("/")[2] for one in queries.values()] == [
        "by request", "by job", "errors", "slowest requests", "5xx by route",
    ]  # fmt: skip
    for one in queries.values():
        assert one["Condition"] == "IsAws"
        assert {group["Ref"] for group in one["Properties"]["LogGroupNames"]} <= {"FunctionLogs", "ApiLogs"}
    assert 'order = "[request id]"' in queries["QueryByRequest"]["Properties"]["QueryString"]
