"""What is saved of a running emulator is the state of one instant."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from local.snapshot import OBJECTS, RECORDS, rows
from local.stack import LocalStack

TABLE, SAVES, WRITERS = "two-sides", 25, 4
FILLING = 3000
"""Items that make a save take its time."""


@pytest.fixture(scope="module")
def names(probe: LocalStack) -> Iterator[dict[str, Any]]:
    """A table of many items and the probe's bucket, by the names that a template might give them."""
    tables = probe.client("dynamodb")
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    tables.create_table(
        TableName=TABLE, AttributeDefinitions=attributes, KeySchema=keys, BillingMode="PAY_PER_REQUEST"
    )
    for start in range(0, FILLING, 25):
        filling = [{"PutRequest": {"Item": item(f"filling-{n}", 0)}} for n in range(start, start + 25)]
        tables.batch_write_item(RequestItems={TABLE: filling})
    yield {"tables": {"Table": TABLE}, "buckets": {"Bucket": probe.physical_id("Bucket")}, "queues": {}}
    tables.delete_table(TableName=TABLE)


def item(pk: str, count: int) -> dict[str, Any]:
    """A record that counts."""
    return {"pk": {"S": pk}, "sk": {"S": "x"}, "count": {"N": str(count)}}


def save(stack: LocalStack, folder: Path, names: dict[str, Any], unless: int = -1) -> dict[str, Any]:
    """One snapshot into a folder of its own; its objects lie beside it."""
    into, objects = folder / str(time.monotonic_ns()), folder / "objects"
    into.mkdir()
    objects.mkdir(exist_ok=True)
    answer = stack.tell("save", into=str(into), objects=str(objects), names=names, unless=unless)
    return {**answer, "folder": into, "objects": objects}


def test_no_transaction_is_seen_by_half(probe: LocalStack, names: dict[str, Any], tmp_path: Path) -> None:
    """Both sides of a transaction are equal in every snapshot, and each object that a record names is there."""
    tables, s3 = probe.client("dynamodb"), probe.client("s3")
    bucket, over = names["buckets"]["Bucket"], False

    def write(number: int) -> int:
        count = 0
        while not over:
            count += 1
            s3.put_object(Bucket=bucket, Key=f"object-{number}-{count}", Body=b"x")
            sides = [item(f"{side}-{number}", count) for side in ("left", "right")]
            tables.transact_write_items(
                TransactItems=[{"Put": {"TableName": TABLE, "Item": side}} for side in sides]
            )
        return count

    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write, number) for number in range(WRITERS)]
        try:
            saves = [save(probe, tmp_path, names) for _ in range(SAVES)]
        finally:
            over = True
    assert sum(one.result() for one in writing) > SAVES
    for one in saves:
        found = {record["pk"]["S"]: record["count"]["N"] for _, record in rows(one["folder"] / RECORDS)}
        there = {key for _, key, _ in rows(one["folder"] / OBJECTS)}
        for number in range(WRITERS):
            assert found.get(f"left-{number}") == found.get(f"right-{number}")
            if count := found.get(f"left-{number}"):
                assert f"object-{number}-{count}" in there


def test_what_was_saved_does_not_change_afterwards(
    probe: LocalStack, names: dict[str, Any], tmp_path: Path
) -> None:
    """An object that is overwritten or deleted later keeps the bytes that it had in the snapshot."""
    s3, bucket = probe.client("s3"), names["buckets"]["Bucket"]
    s3.put_object(Bucket=bucket, Key="changing", Body=b"before")
    saved = save(probe, tmp_path, names)
    s3.put_object(Bucket=bucket, Key="changing", Body=b"after, longer")
    s3.delete_object(Bucket=bucket, Key="changing")
    (about,) = [about for _, key, about in rows(saved["folder"] / OBJECTS) if key == "changing"]
    assert (saved["objects"] / about["file"]).read_bytes() == b"before"


def test_nothing_is_written_while_nothing_changes(
    probe: LocalStack, names: dict[str, Any], tmp_path: Path
) -> None:
    """Reading counts as no change, writing does."""
    tables = probe.client("dynamodb")
    first = save(probe, tmp_path, names)
    tables.get_item(TableName=TABLE, Key={"pk": {"S": "left-0"}, "sk": {"S": "x"}})
    tables.scan(TableName=TABLE, Limit=1)
    assert not save(probe, tmp_path, names, unless=first["writes"])["saved"]
    tables.put_item(TableName=TABLE, Item=item("one more", 1))
    assert save(probe, tmp_path, names, unless=first["writes"])["saved"]


def test_waiting_messages_are_saved(probe: LocalStack, names: dict[str, Any], tmp_path: Path) -> None:
    """Letters that an operator has not read yet, whether or not somebody has just looked at them."""
    queues = probe.client("sqs")
    url = queues.create_queue(QueueName="letters")["QueueUrl"]
    for body in ("first", "second"):
        queues.send_message(QueueUrl=url, MessageBody=body)
    queues.receive_message(QueueUrl=url)
    saved = save(probe, tmp_path, {**names, "queues": {"Letters": url}})
    queues.delete_queue(QueueUrl=url)
    found = [value for logical, value in rows(saved["folder"] / RECORDS) if logical == "Letters"]
    assert found == ["first", "second"]


def test_a_browser_cannot_reach_it(probe: LocalStack, tmp_path: Path) -> None:
    """Neither a page of another site at the emulator's port, nor anybody through the front door."""
    order = json.dumps({"into": str(tmp_path / "image")})
    url, foreign = f"{probe.endpoint}/_local/image", {"Origin": "https://evil.example"}
    assert requests.post(url, data=order, headers=foreign, timeout=60).status_code == 403
    assert requests.post(f"{probe.url}/_local/image", data=order, timeout=60).status_code == 404
    assert not (tmp_path / "image").exists()
