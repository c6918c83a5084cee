"""Each alarm about jobs, money and books goes off when it should, is heard through SNS, and says when it is over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.domain.costs import SPEND_CAP_MICROS
from enhancer.domain.owners import Owner
from enhancer.domain.periods import day_of
from enhancer.runtime import now
from local.deployment import STACK_NAME
from tests.e2e.bell import Bell, listening
from tests.e2e.deployed import Deployed
from tests.e2e.gate import gate
from tests.support.client import Client, picture

Fresh = Callable[[], Client]
OURS = ("JobsFail", "JobTooOld", "SpendHigh", "SpendCapReached", "LedgerAlarm")


@pytest.fixture
def bell(deployed: Deployed) -> Iterator[Bell]:
    """The operator's ear, after all has been well for long enough."""
    with listening(deployed) as heard:
        heard.after(20)
        assert {heard.state(name) for name in OURS} == {"OK"}
        heard.heard.clear()
        yield heard


def run(deployed: Deployed, function: str) -> None:
    """Run a scheduled function now."""
    reply = deployed.functions.invoke(FunctionName=deployed.stack.physical_id(function), Payload=b"{}")
    assert "FunctionError" not in reply, reply["Payload"].read()


def spend(deployed: Deployed, share: float) -> None:
    """Let so much of today's cap be spent."""
    used = int(SPEND_CAP_MICROS * share)
    deployed.store.table.update(keys.spend_total(day_of(now())), "SET used = :used", values={":used": used})
    run(deployed, "Sweep")


def rung(heard: list[tuple[str, str]]) -> set[str]:
    """Which of ours went off; they may be over again: minutes pass by themselves, too, on a machine that is busy."""
    return {name for name, state in heard if name in OURS and state == "ALARM"}


def test_what_goes_wrong_rings_and_what_is_right_again_ends_it(
    fresh_client: Fresh, deployed: Deployed, bell: Bell
) -> None:
    """Failing jobs, an old one, spent money, books that do not add up: none before its time, all over in the end."""
    client = fresh_client()
    owner = Owner("user", client.login("enterprise"))
    before = bell.sum("JobsEnded", outcome="failed"), bell.sum("JobsEnded")

    def fail(jobs: int, sum_of_all: int) -> None:
        failing = [client.start({"uploadKey": broken}).json()["data"]["id"] for _ in range(jobs)]
        assert {deployed.ended(owner, job).status for job in failing} == {"failed"}
        deployed.until(
            lambda: bell.sum("JobsEnded", outcome="failed") - before[0] >= sum_of_all, f"{sum_of_all} ends"
        )
        assert bell.sum("JobsEnded") - before[1] == sum_of_all

    broken = client.upload(picture(60, 50, seed=900)[:60], "image/png")
    fail(4, 4)
    assert rung(bell.after(6)) == set()  # four are no share
    fail(5, 9)

    with gate(deployed, "StartPrediction") as shut:
        held = client.start(image=picture(60, 50, seed=901)).json()["data"]["id"]
        shut.wait_for(1, held)
        account = keys.account(owner)
        deployed.store.table.update(account, "ADD available :much", values={":much": 7})
        run(deployed, "QuotaReset")
        assert rung(bell.after(1)) == {"JobsFail", "LedgerAlarm"}
        old, long_ago = keys.job(owner, held), {":then": now() - 301_000}
        deployed.store.table.update(old, "SET ordered_at = :then", values=long_ago)
        spend(deployed, 0.85)
        assert rung(bell.after(1)) == {"JobTooOld", "SpendHigh"}
        spend(deployed, 1.0)
        assert "SpendCapReached" in rung(bell.after(1))
        shut.open()
        assert deployed.ended(owner, held).status == "succeeded"

    deployed.store.table.update(account, "ADD available :much", values={":much": -7})
    spend(deployed, 0)
    run(deployed, "QuotaReset")
    assert rung(bell.after(8)) == set()
    assert {name: bell.state(name) for name in OURS} == dict.fromkeys(OURS, "OK")
    for name in OURS:
        told = [state for alarm, state in bell.heard if alarm == name]
        assert told[:2] == ["ALARM", "OK"], (name, told)
        assert told == ["ALARM", "OK"] * (len(told) // 2), (name, told)


def test_the_numbers_of_the_dashboard_are_there_to_be_read(
    fresh_client: Fresh, deployed: Deployed, bell: Bell
) -> None:
    """Requests by function add up to all of them, a refusal is counted by its status, and nobody is named."""
    client = fresh_client()
    before = {name: bell.sum("Requests", function=name) for name in ("Usage", "Billing")}
    for _ in range(3):
        client.usage()
    assert client.get("/api/billing/ledger").status_code == 401
    assert bell.sum("Requests", function="Usage") - before["Usage"] == 3
    assert bell.sum("Requests", function="Billing") - before["Billing"] == 1
    assert bell.sum("Refusals", status="401") >= 1
    assert bell.sum("RequestMilliseconds", function="Usage") > 0
    found = deployed.stack.client("cloudwatch").list_metrics(Namespace=STACK_NAME)["Metrics"]
    labels = {one["Name"]: set() for metric in found for one in metric["Dimensions"]}  # type: ignore[var-annotated]
    for metric in found:
        for one in metric["Dimensions"]:
            labels[one["Name"]].add(one["Value"])
    assert set(labels) <= {"function", "status", "plan", "provider", "outcome", "reason", "problem"}
    by_function = sum(bell.sum("Requests", function=name) for name in labels["function"])
    assert bell.sum("Requests") == by_function
    dashboard = deployed.stack.client("cloudwatch").get_dashboard(
        DashboardName=deployed.stack.physical_id("Dashboard")
    )
    body = json.loads(dashboard["DashboardBody"])
    assert body["widgets"][0]["properties"]["markdown"] == f"# {STACK_NAME} (development)"
