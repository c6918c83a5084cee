"""Rate limits in the table: one conditional update per call, exact across all instances."""

from __future__ import annotations

from dataclasses import dataclass

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.table import TRIES, ConditionFailed, Table, TableBusy
from enhancer.domain.errors import RateLimited
from enhancer.domain.owners import Owner
from enhancer.domain.rate_limits import RateLimit

TTL_MARGIN_SECONDS = 3600
"""How long a rate limit's record is stored after its window is over."""


@dataclass(frozen=True, slots=True)
class RateState:
    """What is left of a rate limit after a call.

    ``remaining``: calls that are allowed at once. ``reset_seconds``: whole seconds until the whole limit is free again.
    """

    limit: RateLimit
    remaining: int
    reset_seconds: int


class Rates:
    """Rate limits, on items of their own, so that a call never conflicts with a transaction on the account."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def take(self, subject: Owner | str, limit: RateLimit, *, now: int) -> RateState:
        """Count one call of an owner, or of a network given by its hash; raise `RateLimited` when it is not allowed.

        DynamoDB's update expressions have no max(), hence two updates: one for a ``tat`` that lies in the past, one for
        a ``tat`` that lies ahead. A refused condition returns the record, which tells whether the other one applies or
        the limit is reached. Raises `TableBusy` when other calls are always faster.
        """
        key = keys.rate(subject, limit.name)
        idle = True
        for _ in range(TRIES):
            try:
                tat = self._idle(key, limit, now) if idle else self._busy(key, limit, now)
            except ConditionFailed as failed:
                tat = failed.record.get("tat", 0)
                if tat > limit.latest_ms(now):
                    raise RateLimited(
                        retry_after_seconds=limit.retry_after(tat, now),
                        scope=limit.name,
                        limit=limit.limit,
                        windowSeconds=limit.window_seconds,
                    ) from None
                idle = tat < now
            else:
                return RateState(limit, limit.remaining(tat, now), max(0, -(-(tat - now) // 1000)))
        raise TableBusy

    def _idle(self, key: keys.Key, limit: RateLimit, now: int) -> int:
        tat = now + limit.interval_ms
        self._table.update(
            key,
            "SET tat = :tat, expires = :ttl",
            values={":tat": tat, ":now": now, ":ttl": self._ttl(limit, now)},
            condition="attribute_not_exists(tat) OR tat < :now",
        )
        return tat

    def _busy(self, key: keys.Key, limit: RateLimit, now: int) -> int:
        record = self._table.update(
            key,
            "SET tat = tat + :step, expires = :ttl",
            values={
                ":step": limit.interval_ms,
                ":now": now,
                ":latest": limit.latest_ms(now),
                ":ttl": self._ttl(limit, now),
            },
            condition="tat BETWEEN :now AND :latest",
        )
        return int(record["tat"])

    @staticmethod
    def _ttl(limit: RateLimit, now: int) -> int:
        return now // 1000 + limit.window_seconds + TTL_MARGIN_SECONDS
