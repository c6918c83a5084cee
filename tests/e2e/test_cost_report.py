"""The cost report on the deployed stack: by the operator's command, from real runs and a real purchase."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from local.deployment import REGION, STACK_NAME
from local.stack import LocalStack
from ops import report
from ops.stack import Stack
from tests.e2e.conftest import Store
from tests.e2e.people import member
from tests.e2e.shop import Buyer, buyer_fixture, newcomer_fixture, shop_fixture, whole_shop_fixture  # noqa: F401
from tests.support.client import Client


def test_make_report_shows_what_was_paid_and_run_today(
    stack: LocalStack,
    store: Store,
    fresh_client: Callable[[], Client],
    buyer: Buyer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A pack and a run are in it; the page is for administrators, and nobody's id is on it."""
    session = buyer.buys(100)
    assert session
    assert buyer.runs(41).status_code == 200
    today = datetime.now(UTC).date().isoformat()
    here = Stack("local", STACK_NAME, REGION, endpoint=stack.endpoint)
    assert report.main({"ENV": "local", "DATE": today}, stack_named=lambda _: here) == 0
    shown = capsys.readouterr().out
    assert f"day-{today} (incomplete" in shown
    assert f"/api/admin/reports/day-{today}.html" in shown
    key = f"ai-enhancer/reports/day/{today}.json"
    found = json.loads(store.s3.get_object(Bucket=store.bucket, Key=key)["Body"].read())
    assert found["partial"] is True
    assert found["money"]["usd"]["gross"] >= 1000
    assert "pack_100" in {one["name"] for one in found["sold"]}
    assert found["runs"]["runs"] >= 1
    assert {"embedded"} <= {one["provider"] for one in found["costs"]}
    boss = member(fresh_client, "enterprise", role="admin")
    page = boss.client.get(f"/api/admin/reports/day-{today}.html")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.text.startswith("<!doctype html>")
    assert buyer.owner.id not in page.text
    assert fresh_client().get(f"/api/admin/reports/day-{today}.html").status_code == 401
    listed = boss.client.get("/api/admin/reports").json()["data"]["reports"]
    assert f"day-{today}" in {one["name"] for one in listed}
