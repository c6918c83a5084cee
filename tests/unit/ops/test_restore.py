"""Bringing the table back: exactly what the copy holds, nothing while anybody writes, and safe to repeat."""

import argparse

import boto3
import pytest
from moto import mock_aws

from ops import restore
from ops.restore import RestoreError
from tests.support import template
from tests.support.releases import Lambda, deployed
from tests.support.releases import Stack as Deployed

LIVE, COPY, OTHER = "live", "live-restored", "of-another-stack"


class Stack(Deployed):
    """The deployed stack with a table."""

    def __init__(self, functions, tables):
        super().__init__(functions)
        self.tables = tables

    def output(self, name):
        return {"TableName": LIVE, "Release": "x"}[name]

    def client(self, service):
        return self.tables if service == "dynamodb" else super().client(service)


class Stoppable(Lambda):
    """Functions that can be kept from starting."""

    reserved: dict[str, int]

    def put_function_concurrency(self, **order):
        self.reserved[order["FunctionName"]] = order["ReservedConcurrentExecutions"]

    def get_function_concurrency(self, **order):
        name = order["FunctionName"]
        return {"ReservedConcurrentExecutions": self.reserved[name]} if name in self.reserved else {}

    def delete_function_concurrency(self, **order):
        self.reserved.pop(order["FunctionName"], None)


@pytest.fixture
def stack():
    """Two tables of the template: the stack's own and a copy."""
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-central-1")
        for name in (LIVE, OTHER):
            client.create_table(**template.table_definition(template.load(), name))
        client.restore_table_to_point_in_time(SourceTableName=LIVE, TargetTableName=COPY)
        old = deployed()
        functions = Stoppable(old.versions, old.live)
        functions.reserved = {}
        yield Stack(functions, client)


def put(stack, table, pk, sk, **fields):
    stack.tables.put_item(TableName=table, Item={"pk": {"S": pk}, "sk": {"S": sk}, **fields})


def content(stack, table):
    return sorted(map(repr, restore.scan(stack.tables, table)))


def run(stack, **order):
    said = []
    given = {"close": False, "open": False, "source": None, "apply": False, "any_table": False} | order
    restore.run(stack, argparse.Namespace(**given), said.append)
    return said


@pytest.fixture
def diverged(stack):
    """The copy is an hour old: since then an account was changed, a hold written and a job deleted."""
    for number in range(60):
        put(stack, COPY, f"OWNER#user#{number}", f"JOB#{number}", state={"S": "succeeded"})
        if number % 2:
            put(stack, LIVE, f"OWNER#user#{number}", f"JOB#{number}", state={"S": "succeeded"})
    put(stack, COPY, "OWNER#user#1", "ACCOUNT", credits={"N": "50"}, plans={"SS": ["a", "b"]})
    put(stack, LIVE, "OWNER#user#1", "ACCOUNT", credits={"N": "20"}, plans={"SS": ["a", "b"]})
    for number in range(30):
        put(stack, LIVE, "OWNER#user#1", f"ENTRY#{number}", tenths={"N": "5"})
    return stack


def test_without_apply_it_only_counts(diverged):
    """By kind of record, so an operator sees what an hour costs."""
    before = content(diverged, LIVE)
    assert run(diverged, source=COPY) == [
        "missing: 30 (30 JOB)",
        "changed: 1 (1 ACCOUNT)",
        "extra: 30 (30 ENTRY)",
    ]
    assert content(diverged, LIVE) == before


def test_the_table_then_holds_exactly_what_the_copy_holds(diverged):
    """Written, changed and deleted; and a second run finds nothing to do."""
    run(diverged, close=True)
    said = run(diverged, source=COPY, apply=True)
    assert said[-1] == f"{LIVE} holds what {COPY} holds. Next: --open."
    assert content(diverged, LIVE) == content(diverged, COPY)
    assert run(diverged, source=COPY, apply=True)[:3] == ["missing: 0", "changed: 0", "extra: 0"]


def test_nothing_is_written_while_anybody_else_may_write(diverged):
    """One open function is enough to lose what it writes."""
    run(diverged, close=True)
    diverged.functions.reserved.pop("b")
    before = content(diverged, LIVE)
    with pytest.raises(RestoreError, match="--close"):
        run(diverged, source=COPY, apply=True)
    assert content(diverged, LIVE) == before


def test_another_table_does_not_take_the_place_of_the_stacks_own(diverged):
    """A slip of the pen would put the records of staging in production, or leave none at all."""
    run(diverged, close=True)
    before = content(diverged, LIVE)
    put(diverged, OTHER, "OWNER#user#9", "ACCOUNT")
    with pytest.raises(RestoreError, match=f"{OTHER} was not restored from {LIVE}: --any-table"):
        run(diverged, source=OTHER, apply=True)
    assert run(diverged, source=OTHER)[0] == "missing: 1 (1 ACCOUNT)"
    diverged.tables.delete_item(TableName=OTHER, Key={"pk": {"S": "OWNER#user#9"}, "sk": {"S": "ACCOUNT"}})
    with pytest.raises(RestoreError, match="is empty: all of live would be deleted"):
        run(diverged, source=OTHER, apply=True, any_table=True)
    assert content(diverged, LIVE) == before
    put(diverged, OTHER, "OWNER#user#9", "ACCOUNT")
    run(diverged, source=OTHER, apply=True, any_table=True)
    assert content(diverged, LIVE) == content(diverged, OTHER)


def test_a_copy_that_is_still_being_made_is_not_taken(diverged, monkeypatch):
    """What is not there yet would be deleted."""
    real = diverged.tables.describe_table
    summary = {"SourceTableArn": real(TableName=LIVE)["Table"]["TableArn"], "RestoreInProgress": True}

    def early(**order):
        found = real(**order)
        found["Table"]["RestoreSummary"] = summary
        return found

    monkeypatch.setattr(diverged.tables, "describe_table", early)
    run(diverged, close=True)
    with pytest.raises(RestoreError, match="not ready yet"):
        run(diverged, source=COPY, apply=True)


def test_a_stack_without_aliases_is_not_taken_for_closed(diverged):
    """Its functions go on writing."""
    diverged.functions.versions.clear()
    with pytest.raises(RestoreError, match="--close"):
        run(diverged, source=COPY, apply=True)


def test_the_stack_is_closed_and_opened_whole(stack):
    """Reserved concurrency of zero lets nothing start; none at all is how the template has it."""
    assert run(stack, close=True)[0].startswith("3 functions start no more")
    assert stack.functions.reserved == {"a": 0, "b": 0, "new": 0}
    assert run(stack, open=True) == ["3 functions start again."]
    assert stack.functions.reserved == {}
    assert "ReservedConcurrentExecutions" not in str(template.load())  # so opening gives back what there was


def test_the_own_table_is_no_copy(stack):
    """It would delete nothing, but whoever asks for it means something else."""
    with pytest.raises(RestoreError, match="restored copy"):
        run(stack, source=LIVE, apply=True)


def test_a_copy_that_is_not_there_is_named(diverged):
    """Running it again, as for what AWS refuses, would not help."""
    with pytest.raises(RestoreError, match=r"There is no table nowhere .*restore into it first"):
        run(diverged, source="nowhere", apply=False)


def test_what_dynamodb_has_no_room_for_is_written_all_the_same(diverged, monkeypatch):
    """It gives back a part of a batch; what was given back is sent again."""
    real, refused = diverged.tables.batch_write_item, []

    def crowded(**order):
        ((table, batch),) = order["RequestItems"].items()
        if len(batch) > 1 and len(refused) < 5:
            refused.append(batch[1:])
            real(RequestItems={table: batch[:1]})
            return {"UnprocessedItems": {table: batch[1:]}}
        return real(**order)

    monkeypatch.setattr(diverged.tables, "batch_write_item", crowded)
    run(diverged, close=True)
    run(diverged, source=COPY, apply=True)
    assert refused
    assert content(diverged, LIVE) == content(diverged, COPY)


def test_a_set_in_another_order_is_the_same_item():
    """DynamoDB promises no order."""
    one, other = (
        {"pk": {"S": "a"}, "sk": {"S": "b"}, "of": {"SS": order}} for order in (["x", "y"], ["y", "x"])
    )
    assert restore.digest(one) == restore.digest(other) != restore.digest(one | {"of": {"SS": ["x"]}})
