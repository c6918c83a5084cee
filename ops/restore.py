"""``make restore``: bring the stack's table back to what a restored copy of it holds.

DynamoDB restores into a new table only, and a stack cannot take another table over without a replacement of its own.
So the copy is the source and the stack's table the target: what is missing or different is written, what is new is
deleted, and name, rights, alarms and backups stay as they are. Without ``--apply`` it only counts. While it writes,
nothing else may: ``--close`` lets no function start (callers get 429 or 503, Stripe tries again for three days),
``--open`` lets them start again. docs/deploy.md says the whole procedure.

::

    python -m ops.restore ENV --close
    python -m ops.restore ENV --from TABLE             # what would change
    python -m ops.restore ENV --from TABLE --apply     # do it; safe to repeat
    python -m ops.restore ENV --open
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ops.command import CommandError, ended
from ops.rollback import AT_ONCE, functions_of
from ops.stack import Stack, stack_of

KEY = ("pk", "sk")
BATCH = 25
"""Items in one call; DynamoDB takes no more."""

Item = dict[str, Any]
Key = tuple[str, str]


class RestoreError(CommandError):
    """What was asked cannot be done. The message says why and what to do."""


@dataclass(frozen=True)
class Difference:
    """What has to happen to the stack's table: keys to write from the copy, and keys to delete."""

    missing: list[Key]
    changed: list[Key]
    extra: list[Key]

    def lines(self) -> list[str]:
        """Return one line per kind of change and kind of record."""
        found = []
        for what in ("missing", "changed", "extra"):
            kinds = Counter(sk.partition("#")[0] for _, sk in getattr(self, what))
            told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            found.append(f"{what}: {sum(kinds.values())}" + (f" ({told})" if told else ""))
        return found


def digests(client: Any, table: str, segments: int = AT_ONCE) -> dict[Key, bytes]:
    """Return a digest of every item of a table by its key; reads it side by side, strongly consistent."""

    def part(segment: int) -> dict[Key, bytes]:
        items = scan(client, table, Segment=segment, TotalSegments=segments)
        return {key_of(item): digest(item) for item in items}

    with ThreadPoolExecutor(segments) as pool:
        return {key: one for found in pool.map(part, range(segments)) for key, one in found.items()}


def scan(client: Any, table: str, **order: Any) -> Iterator[Item]:
    """Yield the items of a table, as DynamoDB's own types."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True, **order)
    for page in pages:
        yield from page["Items"]


def key_of(item: Item) -> Key:
    """Return an item's key."""
    return item[KEY[0]]["S"], item[KEY[1]]["S"]


def digest(item: Item) -> bytes:
    """Return a hash that two items share only if they say the same; the order within a set means nothing."""
    return hashlib.sha256(json.dumps(_ordered(item), sort_keys=True, default=repr).encode()).digest()


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: sorted(one) if name in ("SS", "NS", "BS") else _ordered(one) for name, one in value.items()
        }
    return [_ordered(one) for one in value] if isinstance(value, list) else value


def compare(client: Any, source: str, target: str) -> Difference:
    """Return what has to change in ``target`` for it to hold what ``source`` holds; `RestoreError` if it is empty."""
    wanted, there = digests(client, source), digests(client, target)
    if not wanted:
        raise RestoreError(f"{source} is empty: all of {target} would be deleted.")
    return Difference(
        missing=sorted(wanted.keys() - there.keys()),
        changed=sorted(key for key in wanted.keys() & there.keys() if wanted[key] != there[key]),
        extra=sorted(there.keys() - wanted.keys()),
    )


def apply(client: Any, source: str, target: str, difference: Difference) -> None:
    """Write and delete what differs. Whatever breaks off, the next comparison shows what is left."""
    written = set(difference.missing) | set(difference.changed)
    puts = [
        {"PutRequest": {"Item": item}} for item in scan(client, source) if key_of(item) in written
    ] if written else []  # fmt: skip
    deletes = [
        {"DeleteRequest": {"Key": {name: {"S": part} for name, part in zip(KEY, key, strict=True)}}}
        for key in difference.extra
    ]
    requests = [*puts, *deletes]
    batches = [requests[start : start + BATCH] for start in range(0, len(requests), BATCH)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda batch: _write(client, target, batch), batches))


def _write(client: Any, table: str, batch: list[Item]) -> None:
    left: list[Item] = batch
    while left:  # DynamoDB gives back what it had no room for; botocore waits between throttled calls
        answer = client.batch_write_item(RequestItems={table: left})
        left = answer.get("UnprocessedItems", {}).get(table, [])


def close(stack: Stack) -> int:
    """Let no function of the stack start; return how many there are. What runs goes on to its end."""
    client, found = stack.client("lambda"), functions_of(stack)
    for one in found:
        client.put_function_concurrency(FunctionName=one.name, ReservedConcurrentExecutions=0)
    return len(found)


def reopen(stack: Stack) -> int:
    """Let all functions of the stack start again; return how many there are."""
    client, found = stack.client("lambda"), functions_of(stack)
    for one in found:
        client.delete_function_concurrency(FunctionName=one.name)
    return len(found)


def is_closed(stack: Stack) -> bool:
    """Return whether no function of the stack can start."""
    client, found = stack.client("lambda"), functions_of(stack)
    return bool(found) and all(
        client.get_function_concurrency(FunctionName=one.name).get("ReservedConcurrentExecutions") == 0
        for one in found
    )


def check_copy(client: Any, source: str, target: str) -> None:
    """Raise `RestoreError` unless ``source`` is a restored copy of ``target``, and whole.

    A wrong name would make the stack's table one of another stack, or delete all of it.
    """
    own, copy = (client.describe_table(TableName=name)["Table"] for name in (target, source))
    restored = copy.get("RestoreSummary", {})
    if restored.get("SourceTableArn") != own["TableArn"]:
        raise RestoreError(f"{source} was not restored from {target}: --any-table takes it all the same.")
    if copy["TableStatus"] != "ACTIVE" or restored.get("RestoreInProgress"):
        raise RestoreError(f"{source} is not ready yet: aws dynamodb wait table-exists --table-name {source}")


def run(stack: Stack, order: argparse.Namespace, say: Callable[[str], None] = print) -> None:
    """Do what the command line asks."""
    if order.close:
        say(f"{close(stack)} functions start no more. Wait 15 minutes for the longest that runs, then go on.")
    elif order.open:
        say(f"{reopen(stack)} functions start again.")
    else:
        client, target = stack.client("dynamodb"), stack.output("TableName")
        if order.source == target:
            raise RestoreError(f"{target} is the stack's own table: --from names the restored copy.")
        if order.apply and not is_closed(stack):
            raise RestoreError("The stack is open: what it writes meanwhile would be lost. First: --close.")
        try:
            if order.apply and not order.any_table:
                check_copy(client, order.source, target)
            difference = compare(client, order.source, target)
        except client.exceptions.ResourceNotFoundException:
            raise RestoreError(
                f'There is no table {order.source} ({stack.place}): restore into it first (docs/deploy.md, "Restore'
                ' the table"), and wait until it is there.'
            ) from None
        for line in difference.lines():
            say(line)
        if order.apply:
            apply(client, order.source, target, difference)
            say(f"{target} holds what {order.source} holds. Next: --open.")


def main(arguments: list[str]) -> int:
    """Read the command line and run; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="make restore",
        usage='make restore ENV=... ARGS="--close | --from TABLE [--apply] | --open"',
        description="Bring the table back from a restored copy.",
    )
    parser.add_argument("env", help="local, or a section of samconfig.toml")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--close", action="store_true", help="let no function start")
    what.add_argument("--from", dest="source", metavar="TABLE", help="compare with this table")
    what.add_argument("--open", action="store_true", help="let functions start again")
    parser.add_argument("--apply", action="store_true", help="with --from: write and delete what differs")
    parser.add_argument(
        "--any-table", action="store_true", help="also one that was not restored from the stack's"
    )
    order = parser.parse_args(arguments)
    return ended(lambda: run(stack_of(order.env), order), then=" Nothing is lost: run it again.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
