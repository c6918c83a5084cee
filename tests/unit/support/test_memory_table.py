"""The table in a dictionary answers like DynamoDB: both are asked the same, and what they hold is compared."""

import random
from contextlib import suppress

import pytest
from botocore.exceptions import ClientError

from enhancer.adapters.dynamodb.table import ConditionFailed, Write
from tests.support import aws
from tests.support.memory_table import InvalidRequest, MemoryTable
from tests.support.world import World

CONDITIONS = (
    None, "attribute_not_exists(pk)", "attribute_exists(pk) AND n >= :two", "attribute_not_exists(m) OR m = :two",
    "(attribute_not_exists(n) OR n < :two) AND attribute_not_exists(s)", "m <= :one", "#m IN (:one, :two)",
    "n BETWEEN :one AND :two", "NOT #m IN (:one, :two) AND n <> :two", "attribute_exists(l) AND size(l) = :two",
    "#rows[0].m = :one",
)  # fmt: skip
UPDATES = (
    "SET n = if_not_exists(n, :zero) + :two", "SET n = :one, #m = :two REMOVE l", "ADD s :set", "DELETE s :set",
    "SET l = list_append(if_not_exists(l, :list), :list)", "REMOVE n ADD s :set", "ADD n :two, s :set",
)  # fmt: skip
VALUES = {":zero": 0, ":one": 1, ":two": 2, ":set": {"a"}, ":list": [1]}
KEYS = [{"pk": f"p{partition}", "sk": f"s{place}"} for partition in range(2) for place in range(2)]


def used(text):
    """The values and names that these expressions use: DynamoDB refuses others."""
    return (
        {name: value for name, value in VALUES.items() if name in text},
        {name: name[1:] for name in ("#m", "#rows") if name in text},
    )


def some_write(chance):
    """Any write with any condition."""
    key, condition = chance.choice(KEYS), chance.choice(CONDITIONS)
    action = chance.choice(("Put", "Update", "Update", "Update", "Delete", "ConditionCheck"))
    if action == "ConditionCheck":
        condition = condition or "attribute_exists(pk)"
    update = chance.choice(UPDATES) if action == "Update" else None
    values, names = used(f"{condition} {update}")
    record = {"n": chance.randrange(3), "l": [1, 2], "deep": {}, "rows": [{"m": 1}], "none": None}
    return Write(
        action,
        key,
        record if action == "Put" else None,
        update=update,
        condition=condition,
        values=values or None,
        names=names or None,
    )


@pytest.fixture
def table(cloud):
    """Asks both and fails where they differ."""
    aws.empty_table()
    return World.in_aws().table


@pytest.mark.parametrize("seed", range(12))
def test_random_transactions_have_the_same_effect_as_in_dynamodb(table, seed):
    """Forty transactions of one to three writes: the same answer, refusal or error, and the same records after it."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(40):
        writes = [some_write(chance) for _ in range(chance.randint(1, 3))]
        if len({str(write.key) for write in writes}) == len(writes):
            with suppress(ConditionFailed, InvalidRequest, ClientError):
                table.transact(writes)
    assert table.compared > 10


def test_single_writes_and_reads_are_the_same(table):
    """Put, update, delete, take, and all ways to list."""
    for place, moment in enumerate((30, 10, 20)):
        table.put({"pk": "p", "sk": f"LOT#{place}", "gsi1pk": "EXPIRY", "gsi1sk": moment})
    table.put({"pk": "q", "sk": "ACCOUNT", "n": 1}, condition="attribute_not_exists(pk)")
    with pytest.raises(ConditionFailed):
        table.put({"pk": "q", "sk": "ACCOUNT", "n": 2}, condition="attribute_not_exists(pk)")
    table.delete({"pk": "p", "sk": "LOT#2"})
    table.update({"pk": "q", "sk": "ACCOUNT"}, "SET n = n + :one", values={":one": 1})
    assert table.get({"pk": "q", "sk": "ACCOUNT"})["n"] == 2
    table.put({"pk": "q", "sk": "JOB", "items": [{"n": 5}, {"n": 7}]})
    table.update({"pk": "q", "sk": "JOB"}, "SET #items[1].n = #items[0].n - :one",
                 values={":one": 1}, names={"#items": "items"})  # fmt: skip
    assert table.get({"pk": "q", "sk": "JOB"})["items"][1] == {"n": 4}
    assert table.get_many([{"pk": "q", "sk": "ACCOUNT"}, {"pk": "q", "sk": "NOTHING"}])[1] is None
    assert [one["sk"] for one in table.under("p", "LOT#")] == ["LOT#0", "LOT#1"]
    assert [one["sk"] for one in table.under("p", "LOT#", newest_first=True)] == ["LOT#1", "LOT#0"]
    assert [one["sk"] for one in table.under("p", newest_first=True, before="LOT#1")] == ["LOT#0"]
    assert [one["sk"] for one in table.overdue("EXPIRY", 25)] == ["LOT#1"]
    assert [one["pk"] for one in table.everywhere("ACCOUNT")] == ["q"]
    assert table.delete_if({"pk": "p", "sk": "LOT#1"}, "gsi1sk > :one", {":one": 10}) is False
    assert table.delete_if({"pk": "p", "sk": "LOT#1"}, "gsi1sk > :one", {":one": 9}) is True
    assert table.take({"pk": "q", "sk": "ACCOUNT"}, "n = :one", {":one": 1}) is None
    assert (
        table.take({"pk": "q", "sk": "ACCOUNT"}, "n BETWEEN :one AND :two", {":one": 1, ":two": 2})["n"] == 2
    )


VALUE_KINDS = [1, 0, 1.5, "1", "", True, False, [1], [], {"a": 1}, {"a"}, (1, "x"), None]


@pytest.mark.parametrize("compare", ["=", "<>", "<", ">="])
@pytest.mark.parametrize("stored", VALUE_KINDS, ids=repr)
def test_values_of_every_kind_are_kept_and_compared_alike(table, stored, compare):
    """One is not true, a text is not a number, and what is not there is neither less nor more."""
    table.put({**KEYS[0], "n": stored})
    table.get(KEYS[0])
    others = (1, "1", True)
    if compare in ("<", ">="):  # the product orders only numbers and texts, each among themselves
        others = [other for other in (1, "1") if stored is None or type(stored) is type(other)]
    for other in others:
        table.delete_if(KEYS[0], f"n {compare} :other AND attribute_not_exists(pk)", {":other": other})
        table.delete_if(KEYS[0], f"NOT n {compare} :other AND attribute_not_exists(pk)", {":other": other})
    assert table.compared == 2 + 2 * len(others)


def check(condition, **more):
    return Write("ConditionCheck", KEYS[0], condition=condition, **more)


def set_to(update, **more):
    return Write("Update", KEYS[0], update=update, **more)


@pytest.mark.parametrize(
    "writes",
    [
        [check("n = :missing")],
        [check("n = :one", values={":one": 1, ":unused": 2})],
        [check("#n = :one", values={":one": 1})],
        [check("n = :one", values={":one": 1}, names={"#unused": "n"})],
        [set_to("SET status = :one", values={":one": 1})],
        [set_to("SET n = :one", values={":one": 1, ":unused": 2})],
        [set_to("SET n = nowhere + :one", values={":one": 1})],
        [set_to("SET n = :one, n = :one", values={":one": 1})],
        [set_to("SET n = :one SET m = :one", values={":one": 1})],
        [set_to("SET sk = :one", values={":one": "other"})],
        [check("attribute_exists(pk)"), check("attribute_exists(sk)")],
        [],
    ],
)  # fmt: skip
def test_what_dynamodb_refuses_as_invalid_is_refused_in_memory(writes):
    """Whatever is stored: values and names that are missing or unused, reserved words, two writes to one record."""
    memory = MemoryTable()
    memory.put({**KEYS[0], "m": 1})
    with pytest.raises((InvalidRequest, TypeError)):
        memory.transact(writes)
    assert memory.records() == [{**KEYS[0], "m": 1}]


@pytest.mark.parametrize(
    "record",
    [{"s": set()}, {"pk": ""}, {"sk": None}, {"gsi1sk": "text"}, {"n": 10**38}, {"n": object()}, {"n": {1: 2}}],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_in_memory(record):
    """Empty sets, empty keys, index keys of another type, numbers that are too long, objects."""
    with pytest.raises(InvalidRequest):
        MemoryTable().put({**KEYS[0], **record})
