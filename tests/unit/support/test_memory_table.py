"""The table in a dictionary answers like DynamoDB: both are asked the same, and what they hold is compared."""

import random
from contextlib import suppress

import pytest

from enhancer.adapters.dynamodb.table import ConditionFailed, Write
from tests.support import aws
from tests.support.memory_table import MemoryTable

CONDITIONS = (
    None, "attribute_not_exists(pk)", "attribute_exists(pk) AND n >= :two", "attribute_not_exists(m) OR m = :two",
    "(attribute_not_exists(n) OR n < :two) AND attribute_not_exists(s)", "m <= :one", "#m IN (:one, :two)",
)  # fmt: skip
UPDATES = (
    "SET n = if_not_exists(n, :zero) + :two", "SET n = :one, #m = :two REMOVE l", "ADD s :set", "DELETE s :set",
    "SET l = list_append(if_not_exists(l, :list), :list)", "REMOVE n ADD s :set",
)  # fmt: skip
VALUES = {":zero": 0, ":one": 1, ":two": 2, ":set": {"a"}, ":list": [1]}
KEYS = [{"pk": f"p{partition}", "sk": f"s{place}"} for partition in range(2) for place in range(2)]


def used(text):
    """The values and names that these expressions use: DynamoDB refuses others."""
    return (
        {name: value for name, value in VALUES.items() if name in text},
        {"#m": "m"} if "#m" in text else {},
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


def outcome(work):
    """What came of it; the record that a condition failed on included."""
    try:
        return work()
    except ConditionFailed as failed:
        return "refused", failed.record
    except Exception as broken:  # noqa: BLE001 - an expression that reads what is not there
        return "broken", type(broken).__name__ == ""


@pytest.mark.parametrize("seed", range(12))
def test_random_transactions_have_the_same_effect_as_in_dynamodb(world, seed):
    """Forty transactions of one to three writes; after each, both hold the same."""
    chance, memory = random.Random(seed), MemoryTable()  # noqa: S311
    for _ in range(40):
        writes = [some_write(chance) for _ in range(chance.randint(1, 3))]
        if len({str(write.key) for write in writes}) < len(writes):
            continue
        real = outcome(lambda: world.table.transact(writes))  # noqa: B023
        if isinstance(real, tuple) and real[0] == "broken":
            continue
        assert outcome(lambda: memory.transact(writes)) == real  # noqa: B023
        held = {(record["pk"], record["sk"]): record for record in aws.records()}
        mine = {(pk, sk): record for pk, found in memory.records.items() for sk, record in found.items()}
        assert mine == held


def test_single_writes_and_reads_are_the_same(world):
    """Put, update, delete, under, overdue, everywhere."""
    memory = MemoryTable()
    for table in (world.table, memory):
        for place, moment in enumerate((30, 10, 20)):
            table.put({"pk": "p", "sk": f"LOT#{place}", "gsi1pk": "EXPIRY", "gsi1sk": moment})
        table.put({"pk": "q", "sk": "ACCOUNT", "n": 1}, condition="attribute_not_exists(pk)")
        with suppress(ConditionFailed):
            table.put({"pk": "q", "sk": "ACCOUNT", "n": 2}, condition="attribute_not_exists(pk)")
        table.delete({"pk": "p", "sk": "LOT#2"})
        table.update({"pk": "q", "sk": "ACCOUNT"}, "SET n = n + :one", values={":one": 1})
    for ask in (
        lambda table: table.get({"pk": "q", "sk": "ACCOUNT"}),
        lambda table: list(table.under("p", "LOT#", newest_first=True)),
        lambda table: list(table.under("p", "LOT#", newest_first=True, before="LOT#1")),
        lambda table: [record["sk"] for record in table.overdue("EXPIRY", 25)],
        lambda table: list(table.everywhere("ACCOUNT")),
    ):
        assert ask(memory) == ask(world.table)
