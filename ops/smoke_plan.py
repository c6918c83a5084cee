"""Checks of the smoke: their names and order, what each needs, and how an outcome is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from ops.shown import printable
from ops.smoke_client import Answers, Failed, NoAnswer, Visitor

Word = Literal["ok", "FAIL", "skip"]
Work = Callable[["Smoke"], str]
"""Does one check and returns what it saw; raises `Failed`, `Skipped` or `Blocked`."""


class Skipped(Exception):
    """The check was not asked for, or has nothing to look at here."""


class Blocked(Exception):
    """The check could not be made, though it was asked for: a limit was used up before, for example."""


@dataclass(frozen=True)
class Options:
    """What is asked for. ``environment``: what the deployment claims to be; ``patience``: seconds for a job to end."""

    url: str
    key: str = ""
    admin_key: str = ""
    environment: str = "production"
    burst: bool = False
    patience: float = 90.0
    deadline: float = 240.0


@dataclass
class Spent:
    """What the runs of this smoke took from their owners."""

    images: int = 0
    credits: float = 0.0


@dataclass
class Smoke:
    """One smoke under way: who visits, what was found and made so far.

    ``runner`` pays for the runs: the user of KEY, else the guest. ``jobs``: whose they are, and ids to delete.
    ``kept``: what one check leaves to others.
    """

    options: Options
    answers: Answers = field(default_factory=Answers)
    spent: Spent = field(default_factory=Spent)
    jobs: list[tuple[Visitor, str]] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guest = self.browser()
        self.stranger = self.browser()
        self.nobody = Visitor(self.options.url, self.answers, cookies=False)
        self.user = self.program(self.options.key) if self.options.key else None
        self.runner = self.user or self.guest

    def browser(self) -> Visitor:
        """A new guest."""
        return Visitor(self.options.url, self.answers)

    def program(self, key: str) -> Visitor:
        """Whoever an API key speaks for."""
        return Visitor(self.options.url, self.answers, key=key)

    def another_runner(self) -> Visitor:
        """Somebody to pay for one more run: the same user, or a fresh guest with a day of their own."""
        return self.user or self.browser()

    @property
    def who(self) -> str:
        """Who pays, for people."""
        return "the user" if self.user else "the guest"

    @property
    def is_https(self) -> bool:
        """Whether cookies must be Secure."""
        return urlsplit(self.options.url).scheme == "https"


@dataclass(frozen=True)
class Check:
    """One check. ``needs``: checks that must have been fine before."""

    name: str
    needs: tuple[str, ...]
    work: Work


@dataclass(frozen=True)
class Outcome:
    """How a check ended; ``blocked``: it was asked for and could not be made. ``ms`` in milliseconds."""

    word: Word
    name: str
    detail: str
    ms: int
    blocked: bool = False

    def line(self) -> str:
        """One line for people."""
        return f"{self.word:<4}  {self.name:<18}  {printable(' '.join(self.detail.split()))}  {self.ms} ms"

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return asdict(self)


MAKES, CLEANS = "generate", "cleanup"
"""The check that all runs need, and the one that takes back what they made, also after the deadline."""
CHECKS: dict[str, Check] = {}
"""All checks in their order."""


def check(name: str, *, needs: tuple[str, ...] = ()) -> Callable[[Work], Work]:
    """Make a function a check; its docstring is the promise."""

    def decorate(work: Work) -> Work:
        CHECKS[name] = Check(name, needs, work)
        return work

    return decorate


def expect(held: object, otherwise: str) -> None:
    """Raise `Failed` with this text unless it holds."""
    if not held:
        raise Failed(otherwise)


def chosen(only: Collection[str]) -> list[Check]:
    """Return the checks of these names and all that they need, in their order; all without any name.

    Where pictures are made, cleaning up belongs to it.
    """
    wanted = set(only or CHECKS)
    while more := {name for one in wanted for name in CHECKS[one].needs} - wanted:
        wanted |= more
    if MAKES in wanted:
        wanted.add(CLEANS)
    return [one for name, one in CHECKS.items() if name in wanted]


def run(smoke: Smoke, checks: list[Check]) -> Iterator[Outcome]:
    """Run checks one after another and yield how each ended. After the deadline the rest fails without being run."""
    began, fine = time.monotonic(), set[str]()
    for one in checks:
        started = time.monotonic()
        late = started - began > smoke.options.deadline and one.name != CLEANS
        missing = [name for name in one.needs if name not in fine]
        if late:
            outcome = _outcome(one, Failed(f"not run: the smoke took {smoke.options.deadline:g} s"), started)
        elif missing:
            outcome = _outcome(one, Skipped(f"needs {', '.join(missing)}"), started)
        else:
            outcome = _tried(smoke, one, started)
        if outcome.word == "ok":
            fine.add(one.name)
        yield outcome
        if isinstance(smoke.kept.get("gone"), NoAnswer):
            return


def _tried(smoke: Smoke, one: Check, started: float) -> Outcome:
    try:
        detail: str | Exception = one.work(smoke)
    except (Failed, Skipped, Blocked) as problem:
        detail = problem
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        RecursionError,
    ) as odd:  # an answer of another shape
        detail = Failed(f"an answer has another shape than promised: {type(odd).__name__} {odd}"[:200])
    return _outcome(one, detail, started)


def _outcome(one: Check, detail: str | Exception, started: float) -> Outcome:
    ms = round((time.monotonic() - started) * 1000)
    word: Word = "ok"
    if isinstance(detail, Exception):
        word = "FAIL" if isinstance(detail, Failed) else "skip"
    return Outcome(word, one.name, str(detail), ms, blocked=isinstance(detail, Blocked))
