"""The closing of a day: what every ledger did on it, and what was owed to owners at its midnight (UTC).

A closing follows from ledger entries and lots alone, which never change once their day is over. So it comes out the
same whenever it is made: the next morning, a month late, or twice.

Credits are tenths. Money is in the smallest unit of its currency, each currency by itself. Bought credits are worth
what was paid for their lot, in proportion. They are spent oldest first, so those left belong to the newest lots.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from enhancer.domain.credits import CURRENCY, PACKS, Lot
from enhancer.domain.ledger import Entry, add_up
from enhancer.domain.periods import DAY_MS, day_of

SETTLED_MS = 180_000
"""A day is closed once it has been over for so long: an entry is written at most seconds after the time it states."""
LOOK_BACK_DAYS = 35
"""Missing closings of so many days are made up for by the next daily run; older ones by hand."""
FLOWS = ("opened", "paid_in", "taken_back", "used", "lapsed", "closed")
"""What becomes of the money paid for credits: opened + paid_in - taken_back - used - lapsed == closed, per day."""

DAYS_MAX = 400
"""Days that can be closed by hand at once."""
_DAY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", re.ASCII)
Plans = Callable[[int], str]
"""Returns the name of an owner's plan at a time (epoch ms)."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What bought credits are worth at a moment, by currency: ``paid`` for them, ``taken_back``, ``left`` unspent."""

    paid: Counter[str]
    taken_back: Counter[str]
    left: Counter[str]
    bought_tenths: int = 0
    given_tenths: int = 0

    def recognised(self, currency: str) -> int:
        """Return what is neither taken back nor left: it was spent or has lapsed."""
        return self.paid[currency] - self.taken_back[currency] - self.left[currency]


@dataclass(slots=True)
class Closing:
    """A day of all ledgers. ``entries``: kind -> plan -> count, credits, plan credits and debt that changed.

    ``released``: how many holds were given back, by reason. ``worth``: currency -> the `FLOWS` of its bought credits.
    ``used_by_plan``: currency -> plan -> value of the credits that its owners spent. ``active``: owners with a settled
    run, by cohort; guests count only where they have an account record. ``missing``: owners whose ledger could not be
    read, so that the closing is not complete.
    """

    day: str
    owners: int = 0
    missing: int = 0
    entries: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    released: dict[str, int] = field(default_factory=dict)
    balance: dict[str, int] = field(default_factory=dict)
    worth: dict[str, dict[str, int]] = field(default_factory=dict)
    used_by_plan: dict[str, dict[str, int]] = field(default_factory=dict)
    active: dict[str, int] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether every ledger is in it."""
        return self.missing == 0

    def add(
        self, entries: Sequence[Entry], lots: Sequence[Lot], *, plan_at: Plans, invited: bool = False
    ) -> None:
        """Add one owner's ledger: all entries, oldest first, and all lots."""
        start, end = bounds(self.day)
        until = [one for one in entries if one.at < end]
        self.owners += bool(until)
        if not until:
            return
        before = [one for one in until if one.at < start]
        today = [one for one in until if one.at >= start]
        for one in today:
            self._count(one, one.owner_plan or plan_at(one.at))
        plan = plan_at(end - 1)
        self._weigh(before, until, lots, plan)
        if any(one.kind == "settle" for one in today):
            _plus(self.active, "C0" if invited else cohort(plan), 1)

    def _count(self, one: Entry, plan: str) -> None:
        found = self.entries.setdefault(one.kind, {}).setdefault(
            plan, {"count": 0, "credits": 0, "plan": 0, "debt": 0}
        )
        found["count"] += 1
        found["credits"] += one.credits
        found["plan"] += one.plan
        found["debt"] += one.debt
        if one.kind == "release":
            _plus(self.released, one.reason or "unknown", 1)

    def _weigh(self, before: Sequence[Entry], until: Sequence[Entry], lots: Sequence[Lot], plan: str) -> None:
        """Add what the owner's credits are worth at both ends of the day, and what became of them."""
        start, end = bounds(self.day)
        balance = add_up(until)
        for name in ("available", "held", "debt"):
            _plus(self.balance, name, getattr(balance, name))
        first, last = worth(before, lots, start), worth(until, lots, end)
        lapsed = sum(one.credits for one in until if one.at >= start and lapses(one))
        kept = worth(until, lots, end, more=lapsed) if lapsed else last
        _plus(self.balance, "bought", last.bought_tenths)
        _plus(self.balance, "given", last.given_tenths)
        for currency in sorted(last.paid):
            used = kept.recognised(currency) - first.recognised(currency)
            flows = {
                "opened": first.left[currency],
                "paid_in": last.paid[currency] - first.paid[currency],
                "taken_back": last.taken_back[currency] - first.taken_back[currency],
                "used": used,
                "lapsed": kept.left[currency] - last.left[currency],
                "closed": last.left[currency],
            }
            into = self.worth.setdefault(currency, dict.fromkeys(FLOWS, 0))
            for name, amount in flows.items():
                into[name] += amount
            if used:
                _plus(self.used_by_plan.setdefault(currency, {}), plan, used)


def worth(entries: Sequence[Entry], lots: Iterable[Lot], at: int, *, more: int = 0) -> Worth:
    """Return what an owner's bought credits were worth at a time, by the entries until then.

    ``more``: tenths that are counted as still there although they have lapsed.
    """
    owed, clawed = _taken_back(entries)
    balance = add_up(entries)
    left = balance.available + balance.held + more
    paid, back, rest = Counter[str](), Counter[str](), Counter[str]()
    bought = given = 0
    there = [lot for lot in lots if lot.arrived_at < at]
    for lot in sorted(there, key=lambda one: (one.expires_at, one.source), reverse=True):
        share = max(0, min(left, lot.credits - clawed[lot.source]))
        left -= share
        price, currency = price_of(lot)
        if not price:
            given += share
            continue
        bought += share
        paid[currency] += price
        back[currency] += _part(price, owed[lot.source], lot.credits)
        rest[currency] += _part(price, share, lot.credits)
    return Worth(paid, back, rest, bought, given + left)


def price_of(lot: Lot) -> tuple[int, str]:
    """Return what was paid for a lot and in what currency; its list price where an earlier version stored it."""
    if lot.currency or not lot.source.startswith("checkout#"):
        return lot.paid, lot.currency
    listed = [pack.cents for pack in PACKS.values() if pack.tenths == lot.credits]
    return (listed[0], CURRENCY) if listed else (0, "")


def lapses(one: Entry) -> bool:
    """Return whether an entry ends credits without a use: they expired, or an administrator took them."""
    return one.kind == "expiry" or (one.kind == "clawback" and one.ref is None and one.debt == 0)


def cohort(plan: str) -> str:
    """Return the cohort of owners on a plan; who was invited is not known from it."""
    return {"guest": "C3", "free": "C2"}.get(plan, "C1")


def bounds(day: str) -> tuple[int, int]:
    """Return when a day begins and ends, epoch ms, UTC."""
    start = int(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp() * 1000)
    return start, start + DAY_MS


def days_between(first: str, last: str) -> list[str]:
    """Return the names of the days from one to another, both included; none where the last comes before the first."""
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(begin + timedelta(days=number)).isoformat() for number in range((end - begin).days + 1)]


def spans(days: Sequence[str]) -> list[str]:
    """Return days for people, those in a row as the first and the last: ``2026-11-01 to 2026-11-28``."""
    rows: list[list[str]] = []
    for day in sorted(days):
        if rows and len(days_between(rows[-1][-1], day)) == 2:
            rows[-1].append(day)
        else:
            rows.append([day])
    return [row[0] if len(row) == 1 else f"{row[0]} to {row[-1]}" for row in rows]


def last_closed(now: int) -> str:
    """Return the latest day that can be closed at a time (epoch ms)."""
    return day_of(now - SETTLED_MS - DAY_MS)


def missing_days(known: Iterable[str], *, now: int) -> list[str]:
    """Return the days to close: those after the first known one that have no complete closing, up to yesterday.

    ``known``: days of the last `LOOK_BACK_DAYS` with a complete closing. Without any, only yesterday is closed.
    """
    last = last_closed(now)
    oldest = day_of(bounds(last)[0] - (LOOK_BACK_DAYS - 1) * DAY_MS)
    complete = {day for day in known if oldest <= day <= last}
    return [day for day in days_between(min(complete, default=last), last) if day not in complete]


def days_asked(event: Mapping[str, Any], *, now: int) -> list[str] | None:
    """Return the days that an event names: ``{"close": day}`` or ``{"from": day, "to": day}``; None if it names none.

    Raises ValueError, which names the field, for anything but at most `DAYS_MAX` days that are over.
    """
    if not {"close", "from", "to"} & set(event):
        return None
    first, last = (str(event.get(name, event.get("close", ""))) for name in ("from", "to"))
    for name, day in (("from", first), ("to", last)):
        if not _DAY.fullmatch(day):
            raise ValueError(f"{name} must be a day such as 2026-11-28, or close a single one")
    days = days_between(first, last)
    if not 0 < len(days) <= DAYS_MAX:
        raise ValueError(f"from and to must be in order and at most {DAYS_MAX} days apart")
    if last > last_closed(now):
        raise ValueError(f"to must be a day that is over: {last_closed(now)} at the latest")
    return days


def as_record(closing: Closing) -> dict[str, Any]:
    """Return a closing as plain values, for the table."""
    return {name: getattr(closing, name) for name in Closing.__slots__}


def from_record(record: dict[str, Any]) -> Closing:
    """Return the closing that `as_record` wrote."""
    return Closing(**{name: record[name] for name in Closing.__slots__ if name in record})


def _taken_back(entries: Iterable[Entry]) -> tuple[Counter[str], Counter[str]]:
    """Return tenths owed back and tenths clawed back by refunds and disputes, by the lot's source.

    What pays off debt refers to a checkout too, but is no refund of it: its debt goes down.
    """
    owed, clawed = Counter[str](), Counter[str]()
    for one in entries:
        if one.ref is None or (one.kind == "clawback" and one.debt < 0):
            continue
        source = f"checkout#{one.ref}"
        if one.kind == "clawback":
            owed[source] += one.credits + one.debt
            clawed[source] += one.credits
        elif one.kind == "grant":
            owed[source] -= one.credits - one.debt
            clawed[source] = max(0, clawed[source] - one.credits)
    return owed, clawed


def _part(price: int, tenths: int, whole: int) -> int:
    """Return the price of a part of a lot, rounded half up."""
    return (2 * price * tenths + whole) // (2 * whole) if whole else 0


def _plus(counts: dict[str, int], name: str, by: int) -> None:
    counts[name] = counts.get(name, 0) + by
