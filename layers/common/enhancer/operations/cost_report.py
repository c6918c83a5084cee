"""Daily at 00:30 UTC and on the first of a month: write the cost report, list it, announce it once.

A report follows from days that were summed up before, so it can be made again at any time and replaces itself. One
whose sources were not complete is made again by the next daily runs until they are, and one that a run could not make
is made up for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from enhancer.domain.artifacts import NoArtifact, report_key
from enhancer.domain.closings import LOOK_BACK_DAYS, bounds, days_between, last_closed
from enhancer.domain.errors import NotFound, StripeNotConfigured
from enhancer.domain.income import DayBook, Figures
from enhancer.domain.money import MoneyDay, Sold, Term
from enhancer.domain.periods import day_of
from enhancer.domain.plans import PLANS
from enhancer.domain.report import Asked, Listed, compose
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from enhancer.adapters.aws.artifacts import Artifacts
    from enhancer.adapters.aws.counts import Counts
    from enhancer.adapters.dynamodb.books import Books
    from enhancer.adapters.dynamodb.spend import Spend
    from enhancer.adapters.stripe.books import StripeBooks

TERM_DAYS = 397
"""How far back is looked for what was paid for plans: a year, and a month for what was paid late."""
DAYS_MAX = 62
"""Days whose reports can be made by hand at once."""
FIRST_YEAR = 2000
"""Before it there is nothing to report."""
WANTED: dict[str, tuple[str, dict[str, str]]] = {
    "requests": ("Requests", {}),
    "reused": ("ResultsReused", {}),
    "tooManyRequests": ("TooManyRequests", {}),
    **{f"refused.{status}": ("Refusals", {"status": status}) for status in ("402", "403", "429")},
    **{f"tooManyRequests.{plan}": ("TooManyRequests", {"plan": plan}) for plan in PLANS},
    **{
        f"jobs.{outcome}": ("JobsEnded", {"outcome": outcome})
        for outcome in ("succeeded", "failed", "canceled")
    },
}
"""Our name -> metric and dimensions."""
_DAY, _MONTH = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII), re.compile(r"\d{4}-\d\d", re.ASCII)
Render = Callable[[Figures], Mapping[str, tuple[bytes, str]]]
"""Returns the files of a report: extension -> content and content type."""


@dataclass(frozen=True, slots=True)
class ReportDeps:
    """What making a report needs. ``budget``: USD micros a month, 0 for none. ``link`` makes an address that expires.

    ``publish`` tells the operator of a report, given its name, main figures and link; it raises where it cannot.
    """

    books: Books
    spend: Spend
    stripe: StripeBooks
    counts: Counts | None
    artifacts: Artifacts
    sold: Sold
    budget: int
    now: Callable[[], int]
    link: Callable[[str], str]
    publish: Callable[[str, Figures, str], None]


@dataclass(slots=True)
class Done:
    """What a run made: names of reports; ``announced`` and ``incomplete`` among them; days read at Stripe."""

    made: list[str] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)


def asked_for(event: Mapping[str, Any], *, now: int) -> list[Asked]:
    """Return the reports that an event asks for: of a ``date``, a ``month``, days ``from`` … ``to``, or what is due.

    Due is yesterday's, and on the first of a month (``{"due": "month"}``) also that of the month before. Raises
    ValueError, which names the field.
    """
    if "date" in event:
        return [day_report(str(event["date"]), now=now)]
    if "month" in event:
        return [month_report(str(event["month"]), now=now)]
    if "from" in event or "to" in event:
        first, last = (day_report(str(event.get(name, "")), now=now).days[0] for name in ("from", "to"))
        days = days_between(first, last)
        if not 0 < len(days) <= DAYS_MAX:
            raise ValueError(f"from and to must be in order and at most {DAYS_MAX} days apart")
        return [day_report(day, now=now) for day in days]
    if event.get("due") == "month":
        this_month = date.fromisoformat(day_of(now)).replace(day=1)
        return [month_report((this_month - timedelta(days=1)).isoformat()[:7], now=now)]
    return [day_report(last_closed(now), now=now)]


def day_report(day: str, *, now: int) -> Asked:
    """Return the report of a day; one that is not over is partial. Raises ValueError."""
    if not _DAY.fullmatch(day) or not _exists(day):
        raise ValueError("date must be a day of the calendar such as 2026-11-28")
    if date.fromisoformat(day) > date.fromisoformat(day_of(now)):
        raise ValueError(f"date must not be after today, {day_of(now)}")
    return Asked("day", f"day-{day}", (day,), partial=day > last_closed(now))


def month_report(month: str, *, now: int) -> Asked:
    """Return the report of a month, of its days so far where it is not over. Raises ValueError."""
    if not _MONTH.fullmatch(month) or not _exists(f"{month}-01"):
        raise ValueError("month must be a month of the calendar such as 2026-11")
    first = date.fromisoformat(f"{month}-01")
    today = date.fromisoformat(day_of(now))
    if first > today:
        raise ValueError(f"month must not be after this one, {today.isoformat()[:7]}")
    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    shown = min(last, today)
    days = tuple(days_between(first.isoformat(), shown.isoformat()))
    return Asked("month", f"month-{month}", days, partial=last.isoformat() > last_closed(now))


def make(
    wanted: Sequence[Asked], *, render: Render, deps: ReportDeps, again: bool = False, tell: bool = True
) -> Done:
    """Make reports, and with ``again`` also those of the last weeks that are incomplete or missing. Safe to repeat.

    ``tell``: announce what was asked for, each report once; those of a time that is not over never. Raises
    `StripeUnavailable` while Stripe does not answer: the schedule tries again.
    """
    done = Done()
    todo = {one.name: one for one in wanted}
    if again:
        todo |= {one.name: one for one in _owed(deps) if one.name not in todo}
    told = {one.name for one in wanted if tell and not one.partial}
    for asked in todo.values():
        _make(asked, done, render=render, deps=deps, tell=asked.name in told)
    return done


def _make(asked: Asked, done: Done, *, render: Render, deps: ReportDeps, tell: bool) -> None:
    has_stripe = _read_stripe(asked, done, deps)
    report = figures(asked, deps=deps, stripe=has_stripe)
    for extension, (content, content_type) in render(report).items():
        deps.artifacts.put(report_key(asked.name, extension), content, content_type)
    shown = {name: value for name, value in report["headline"].items() if name != "earned"}
    entry = Listed(
        asked.name, asked.kind, asked.last_day, made_at=deps.now(), complete=report["complete"], figures=shown
    )
    deps.books.save_report(entry)
    done.made.append(asked.name)
    if not report["complete"]:
        done.incomplete.append(asked.name)
    if tell and deps.books.announce(entry, now=deps.now()):
        told = False
        try:
            deps.publish(asked.name, shown, deps.link(asked.name))
            told = True
        finally:
            if not told:
                deps.books.unannounce(entry)
        done.announced.append(asked.name)


def figures(asked: Asked, *, deps: ReportDeps, stripe: bool) -> Figures:
    """Return the figures of a report from what is stored; ``stripe``: whether there is a key for it."""
    last = asked.days[-1]
    first = _first_of_month_before(last)
    closings, money = deps.books.closings(first, last), deps.books.money(_back(last, TERM_DAYS), last)
    shown = set(asked.days)
    books = {
        day: DayBook(
            day, closings.get(day), money.get(day), tuple(deps.spend.rows(day)),
            _rates(day, deps) if day in shown else {},
        )
        for day in days_between(min(first, asked.days[0]), last)
    }  # fmt: skip
    terms: list[Term] = [term for one in money.values() for term in one.all_terms()]
    made_at = (
        datetime.fromtimestamp(deps.now() / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
    return compose(asked, books, terms, budget=deps.budget, made_at=made_at, stripe=stripe)


def file_of(name: str, extension: str, *, artifacts: Artifacts) -> bytes:
    """Return a file of a report; raise `NotFound` where there is none."""
    try:
        return artifacts.get(report_key(name, extension))
    except NoArtifact:
        raise NotFound from None


def read_day(day: str, *, deps: ReportDeps) -> MoneyDay:
    """Read a day at Stripe and store it; what was stored of it before is replaced."""
    start, end = bounds(day)
    found = MoneyDay(day, final=day <= last_closed(deps.now()))
    for move in deps.stripe.moves(since_ms=start, before_ms=end):
        found.add(move, sold=deps.sold)
    deps.books.save_money(found, now=deps.now())
    return found


def _read_stripe(asked: Asked, done: Done, deps: ReportDeps) -> bool:
    """Read the report's days at Stripe, and days before that were missed; return False without a key for Stripe.

    The last day is always read again; the others only where they are missing: Stripe's books of a day that is over do
    not change.
    """
    last = asked.days[-1]
    earliest = min(asked.days[0], _back(last, LOOK_BACK_DAYS))
    known = deps.books.money(earliest, last)
    for day in days_between(min([*known, asked.days[0]]), last):
        is_known = day in known and known[day].final
        if (is_known and day != last) or day in done.read:
            continue
        try:
            read_day(day, deps=deps)
        except StripeNotConfigured:
            logger.info("no key for Stripe, so the report has no income")
            return False
        done.read.append(day)
    return True


def _owed(deps: ReportDeps) -> Iterable[Asked]:
    """Yield the reports of the last weeks that are incomplete, and those of days between that were never made."""
    oldest = _back(last_closed(deps.now()), LOOK_BACK_DAYS)
    listed, _ = deps.books.reports(limit=2 * LOOK_BACK_DAYS)
    for one in listed:
        if not one.complete and one.last_day >= oldest:
            period = one.name.partition("-")[2]
            yield (day_report if one.kind == "day" else month_report)(period, now=deps.now())
    days = {one.last_day for one in listed if one.kind == "day" and one.last_day >= oldest}
    for day in days_between(min(days), last_closed(deps.now())) if days else ():
        if day not in days:
            yield day_report(day, now=deps.now())


def _rates(day: str, deps: ReportDeps) -> dict[str, int | None]:
    """Return the counts of a day. A metric is written when something happens: it is 0 where requests were counted."""
    found = deps.counts.of_day(day, WANTED) if deps.counts else dict.fromkeys(WANTED)
    return found if found["requests"] is None else {name: count or 0 for name, count in found.items()}


def _exists(day: str) -> bool:
    """Return whether a calendar has such a day, and there could be books of it."""
    try:
        return date.fromisoformat(day).year >= FIRST_YEAR
    except ValueError:
        return False


def _back(day: str, days: int) -> str:
    return (date.fromisoformat(day) - timedelta(days=days)).isoformat()


def _first_of_month_before(day: str) -> str:
    this = date.fromisoformat(day).replace(day=1)
    return (this - timedelta(days=1)).replace(day=1).isoformat()
