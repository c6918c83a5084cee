"""The table: values in and out, and what a refused or lost transaction means."""

from itertools import repeat
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from enhancer.adapters.dynamodb import table as table_module
from enhancer.adapters.dynamodb.table import TRIES, ConditionFailed, Table, TableBusy, Write, absent, retried
from tests.support import aws


class First(Exception):
    """The error of the first write."""


class Second(Exception):
    """The error of the second write."""


def key(name):
    return {"pk": f"TEST#{name}", "sk": "-"}


def put(name, refusal=ConditionFailed):
    return Write("Put", key(name), {"n": 1}, condition=absent(), refusal=lambda _: refusal())


@pytest.fixture
def stubbed(cloud):
    """A table whose client answers what the test scripts."""
    client = boto3.client("dynamodb")
    with Stubber(client) as stub:
        yield Table(client, aws.TABLE), stub
        stub.assert_no_pending_responses()


def canceled(stub, *codes):
    stub.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
    )


def test_values_come_back_as_they_went_in(world):
    """Integers stay integers, fractions stay exact, None is absent, also inside lists and maps."""
    record = {"n": 3, "f": 0.1, "b": True, "s": "ä", "list": [1, 0.5, {"x": 2, "gone": None}], "gone": None}
    world.table.put({**key("values"), **record})
    found = world.table.get(key("values"))
    assert found == {
        **key("values"), "n": 3, "f": 0.1, "b": True, "s": "ä", "list": [1, 0.5, {"x": 2}],
    }  # fmt: skip
    assert [type(found["n"]), type(found["f"]), type(found["b"])] == [int, float, bool]


def test_many_records_come_back_in_the_order_asked(world):
    """Missing ones are None in their place."""
    for name in ("m1", "m3"):
        world.table.put({**key(name), "name": name})
    found = world.table.get_many([key("m3"), key("m2"), key("m1")])
    assert [record and record["name"] for record in found] == ["m3", None, "m1"]


def test_a_refused_put_shows_what_is_stored(world):
    """The record that stands in the way comes with the refusal, without a second read."""
    world.table.put({**key("taken"), "n": 1}, condition=absent())
    with pytest.raises(ConditionFailed) as refused:
        world.table.put({**key("taken"), "n": 2}, condition=absent())
    assert refused.value.record["n"] == 1
    assert world.table.get(key("taken"))["n"] == 1


def test_a_deleted_record_is_gone(world):
    """Deleting works, also a second time."""
    world.table.put({**key("deleted"), "n": 1})
    world.table.delete(key("deleted"))
    world.table.delete(key("deleted"))
    assert world.table.get(key("deleted")) is None


def test_records_under_a_prefix_come_in_both_directions(world):
    """A query yields the whole prefix and nothing else, oldest or newest first."""
    for sort in ("A#1", "A#2", "B#1"):
        world.table.put({"pk": "TEST#under", "sk": sort})
    assert [found["sk"] for found in world.table.under("TEST#under", "A#")] == ["A#1", "A#2"]
    assert [found["sk"] for found in world.table.under("TEST#under", "A#", newest_first=True)] == [
        "A#2",
        "A#1",
    ]


@pytest.mark.parametrize(("taken", "named"), [(["t1", "t2"], First), (["t1"], First), (["t2"], Second)])
def test_the_first_failed_condition_names_the_error(world, taken, named):
    """In a refused transaction the first write in order decides what the caller is told."""
    for name in ("t1", "t2"):
        world.table.delete(key(name))
    for name in taken:
        world.table.put({**key(name), "n": 0})
    with pytest.raises(named):
        world.table.transact([put("t1", First), put("t2", Second)])
    assert [bool(found and found["n"] == 1) for found in world.table.get_many([key("t1"), key("t2")])] == [
        False
    ] * 2


def test_a_lost_race_is_tried_again_and_then_done(stubbed):
    """Conflicts and throttling pass; the attempt after them counts."""
    table, stub = stubbed
    canceled(stub, "None", "TransactionConflict")
    canceled(stub, "ThrottlingError", "None")
    canceled(stub, "ProvisionedThroughputExceeded", "None")
    stub.add_client_error("transact_write_items", "TransactionInProgressException")
    stub.add_response("transact_write_items", {})
    table.transact([put("a"), put("b")])
    stub.assert_no_pending_responses()


def test_a_race_lost_for_ever_ends_as_table_busy(stubbed):
    """The number of attempts is bounded, and nothing was written."""
    table, stub = stubbed
    for _ in repeat(None, TRIES):
        canceled(stub, "TransactionConflict", "None")
    with pytest.raises(TableBusy):
        table.transact([put("a"), put("b")])


def test_a_failed_condition_beats_a_conflict_beside_it(stubbed):
    """A refusal that cannot be cured is told at once, although another item lost a race."""
    table, stub = stubbed
    canceled(stub, "TransactionConflict", "ConditionalCheckFailed")
    with pytest.raises(Second):
        table.transact([put("a", First), put("b", Second)])


def test_a_transaction_that_no_retry_cures_is_not_retried(stubbed):
    """A malformed transaction is our bug and surfaces as such."""
    table, stub = stubbed
    canceled(stub, "ValidationError", "None")
    with pytest.raises(ClientError):
        table.transact([put("a"), put("b")])


def test_unprocessed_keys_are_asked_for_again(stubbed):
    """A batch answered in part is completed."""
    table, stub = stubbed
    packed = {"pk": {"S": "TEST#u2"}, "sk": {"S": "-"}}
    left = {aws.TABLE: {"Keys": [packed]}}
    first = {"pk": {"S": "TEST#u1"}, "sk": {"S": "-"}}
    stub.add_response("batch_get_item", {"Responses": {aws.TABLE: [first]}, "UnprocessedKeys": left})
    stub.add_response(
        "batch_get_item",
        {"Responses": {aws.TABLE: [packed]}, "UnprocessedKeys": {}},
        {"RequestItems": {aws.TABLE: {"Keys": [packed], "ConsistentRead": True}}},
    )
    assert table.get_many([key("u1"), key("u2")]) == [key("u1"), key("u2")]


def test_a_batch_never_completed_ends_as_table_busy(stubbed):
    """Reading is bounded too."""
    table, stub = stubbed
    left = {aws.TABLE: {"Keys": [{"pk": {"S": "TEST#u1"}, "sk": {"S": "-"}}]}}
    for _ in repeat(None, TRIES):
        stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": left})
    with pytest.raises(TableBusy):
        table.get_many([key("u1")])


def test_an_error_that_is_no_refusal_is_not_swallowed(stubbed):
    """Throttling of a single write reaches the caller as what it is."""
    table, stub = stubbed
    stub.add_client_error("put_item", "ProvisionedThroughputExceededException")
    with pytest.raises(ClientError):
        table.put(key("x"), condition=absent())


def test_the_pause_between_attempts_grows_and_is_bounded(real_pause):
    """Exponential with full jitter: never longer than its bound, which doubles up to half a second."""
    with (
        patch.object(table_module.time, "sleep") as sleep,
        patch.object(table_module.random, "uniform", side_effect=lambda low, high: (low, high)),
    ):
        for attempt in range(TRIES):
            real_pause(attempt)
    bounds = [call.args[0] for call in sleep.call_args_list]
    assert bounds[:5] == [(0, 0.02), (0, 0.04), (0, 0.08), (0, 0.16), (0, 0.32)]
    assert set(bounds[5:]) == {(0, 0.5)}


@pytest.mark.parametrize("races", [0, 1, TRIES - 1])
def test_what_lost_a_race_starts_over_until_it_holds(races):
    """The whole function runs again, at most as often as there are attempts."""
    runs = []

    @retried(First)
    def once(name):
        runs.append(name)
        if len(runs) <= races:
            raise First
        return len(runs)

    assert once("x") == races + 1
    assert runs == ["x"] * (races + 1)


def test_what_keeps_losing_races_is_given_up_as_busy():
    """After the last attempt the caller learns that nothing was written; other errors are theirs at once."""
    runs = []

    @retried(First)
    def once(problem):
        runs.append(problem)
        raise problem

    with pytest.raises(TableBusy):
        once(First)
    assert runs == [First] * TRIES
    with pytest.raises(Second):
        once(Second)
    assert len(runs) == TRIES + 1
