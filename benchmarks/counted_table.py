"""The table in memory, and what DynamoDB would bill for each call.

A write is billed by the larger of its states before and after, in whole KB, twice in a transaction, once more for each
entry of the index that it makes or removes; a consistent read by whole 4 KB, one of the index by half of that.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from enhancer.adapters.dynamodb.table import Write
from tests.support.memory_table import MemoryTable

WRITE_UNIT, READ_UNIT = 1024, 4096


@dataclass
class Counts:
    """What was asked of AWS. ``invocations`` and ``log_bytes`` by function, ``requests`` of the table by function.

    ``hot``: write units by partition key, its owner or id left out. ``index``: write units of the index. ``metrics``:
    values of each custom metric, by its name and dimension.
    """

    reads: float = 0
    writes: float = 0
    gets: int = 0
    puts: int = 0
    notices: int = 0
    starts: int = 0
    gateway: int = 0
    invocations: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    transactions: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    log_bytes: Counter[str] = field(default_factory=Counter)
    log_events: Counter[str] = field(default_factory=Counter)
    hot: Counter[str] = field(default_factory=Counter)
    index: float = 0
    metrics: Counter[str] = field(default_factory=Counter)

    def plus(self, other: Counts, times: float = 1) -> Counts:
        """Return the sum with ``times`` of another's counts."""
        summed: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, Counter):
                summed[name] = Counter(mine)
                for key, count in theirs.items():
                    summed[name][key] += count * times
            else:
                summed[name] = mine + theirs * times
        return Counts(**summed)

    def over(self, times: float) -> Counts:
        """Return one of so many."""
        return Counts().plus(self, 1 / times)


class CountedTable(MemoryTable):
    """The table in memory; what each call costs goes into ``counts``."""

    def __init__(self) -> None:
        super().__init__()
        self.counts, self.function = Counts(), ""
        self._inside = False

    def get(self, key: Mapping[str, str]) -> Any:
        """One item, consistently."""
        found = super().get(key)
        if not self._inside:
            self._asked()
            self.counts.reads += _units(found, READ_UNIT)
        return found

    def get_many(self, keys: Sequence[Mapping[str, str]]) -> list[Any]:
        """One request; each item is billed by itself."""
        with self._as_one():
            found = super().get_many(keys)
        self.counts.reads += sum(_units(one, READ_UNIT) for one in found)
        return found

    def under(self, pk: str, *arguments: Any, **named: Any) -> Any:
        """A query: its items are billed together."""
        self._asked()
        size = 0
        for record in super().under(pk, *arguments, **named):
            size += record_bytes(record)
            yield record
        self.counts.reads += max(1, ceil(size / READ_UNIT))

    def overdue(self, shard: str, before: int) -> Any:
        """A query of the index, eventually consistent."""
        self._asked()
        found = list(super().overdue(shard, before))
        self.counts.reads += max(1, ceil(sum(map(record_bytes, found)) / READ_UNIT)) / 2
        yield from found

    def everywhere(self, sk: str) -> Any:
        """A scan of the whole table, eventually consistent."""
        self._asked()
        self.counts.reads += max(1, ceil(sum(map(record_bytes, self.records())) / READ_UNIT)) / 2
        yield from super().everywhere(sk)

    def put(self, record: Mapping[str, Any], **named: Any) -> None:
        """One write."""
        self._write([record], lambda: super(CountedTable, self).put(dict(record), **named))

    def update(self, key: Mapping[str, str], update: str, **named: Any) -> Any:
        """One write."""
        return self._write([key], lambda: super(CountedTable, self).update(key, update, **named))

    def delete(self, key: Mapping[str, str]) -> None:
        """One write."""
        self._write([key], lambda: super(CountedTable, self).delete(key))

    def delete_if(self, key: Mapping[str, str], condition: str, values: dict[str, Any]) -> bool:
        """One write."""
        return bool(self._write([key], lambda: super(CountedTable, self).delete_if(key, condition, values)))

    def transact(self, writes: Sequence[Write]) -> None:
        """All writes, each twice the price."""
        self.counts.transactions[self.function] += 1
        self._write(
            [write.key for write in writes], lambda: super(CountedTable, self).transact(writes), times=2
        )

    def _write(self, keys: Sequence[Mapping[str, Any]], call: Callable[[], Any], *, times: int = 1) -> Any:
        if self._inside:
            return call()
        with self._as_one():
            before = [self._at(key) for key in keys]
            try:
                return call()
            finally:
                for key, old in zip(keys, before, strict=True):
                    self._bill(key, old, times)

    def _bill(self, key: Mapping[str, Any], old: Any, times: int) -> None:
        new = self._at(key)
        units = times * max(_units(old, WRITE_UNIT), _units(new, WRITE_UNIT))
        self.counts.writes += units
        place = key["pk"].partition("#")[0]
        self.counts.hot[f"{place} TOTAL" if key["sk"] == "TOTAL" else place] += units
        was, now = ((one or {}).get("gsi1pk") and (one["gsi1pk"], one["gsi1sk"]) for one in (old, new))
        entries = (was is not None and was != now) + (now is not None and was != now)
        self.counts.writes += entries
        self.counts.index += entries

    @contextlib.contextmanager
    def _as_one(self) -> Iterator[None]:
        self._asked()
        self._inside = True
        try:
            yield
        finally:
            self._inside = False

    def _asked(self) -> None:
        self.counts.requests[self.function] += 1


def _units(record: Any, unit: int) -> int:
    return max(1, ceil(record_bytes(record) / unit)) if record else 1


def record_bytes(value: Any) -> int:
    """The size of a record as DynamoDB counts it: names and values; 3 bytes and one per entry for lists and maps."""
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, int | float):
        return len(str(abs(value)).replace(".", "")) // 2 + 2
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return 3 + sum(len(name) + record_bytes(inner) + 1 for name, inner in value.items())
    return 3 + sum(record_bytes(inner) + 1 for inner in value)
