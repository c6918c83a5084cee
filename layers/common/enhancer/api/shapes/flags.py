"""The operator's flags on the wire: the document, a change of it, its history. Bounds are those of `flags_document`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from enhancer.api.shapes.wire import Asked, Wire
from enhancer.domain.flags import Flags, FlagsVersion
from enhancer.domain.flags_document import (
    EMAIL_MAX,
    INVITED_MAX,
    MICROS_PER_USD,
    OFF_MAX,
    OFF_NAME_MAX,
    SPEND_CAP_USD_MAX,
    document_of,
)
from enhancer.domain.plans import PLANS
from enhancer.operations.flags import REASON_MAX, REASON_MIN

Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=REASON_MIN, max_length=REASON_MAX)]
Version = Annotated[int, Field(ge=0, le=99_999_999)]


class GuestsChange(Asked):
    """``on``: guests are let in from phase I2 on. ``imagesPerDay``: each one's cap; null is the phase's own."""

    on: bool = False
    images_per_day: int | None = Field(None, ge=0, le=PLANS["guest"].images_per_day)


class PlanCapChange(Asked):
    """Limits of a plan that are lower for the time being, each at most the plan's own; null lifts one."""

    images_per_day: int | None = Field(None, ge=0)
    credits_per_month: int | None = Field(None, ge=0)
    scale_max: int | None = Field(None, ge=1)


class FlagsRequest(Asked):
    """What to change, and why. What is not named stays; lists are replaced as a whole.

    ``version``: the one that you have before you; when another one is in force, nothing is changed (409).
    ``canaryPercent``: the share that is let in of those whom the next phase would add. ``off``: providers or models.
    ``spendCapUsd``: of all providers, a day; null is the stack's own. ``planCaps``: by plan; null lifts a plan's.
    """

    phase: Literal["I1", "I2", "open"] = "open"
    guests: GuestsChange = Field(default_factory=lambda: GuestsChange(on=False, images_per_day=None))
    canary_percent: int = Field(0, ge=0, le=100)
    off: list[Annotated[str, StringConstraints(max_length=OFF_NAME_MAX)]] = Field([], max_length=OFF_MAX)
    spend_cap_usd: float | None = Field(None, ge=0, le=SPEND_CAP_USD_MAX)
    plan_caps: dict[str, PlanCapChange | None] = Field({}, max_length=len(PLANS))
    jobs_paused: bool = False
    plan_gating: bool = True
    credits_cta: bool = True
    invited: list[Annotated[str, StringConstraints(max_length=EMAIL_MAX)]] = Field([], max_length=INVITED_MAX)
    reason: Why
    version: Version | None = None

    def change(self) -> dict[str, Any]:
        """Return what was named of the document, and nothing else."""
        return self.model_dump(by_alias=True, exclude_unset=True, exclude={"reason", "version"})


class RollbackRequest(Asked):
    """Which version to bring back, the one before what is in force when left out; and why."""

    version: Version | None = None
    reason: Why


class GuestsView(Wire):
    """As in `GuestsChange`."""

    on: bool
    images_per_day: int | None


class FlagsView(Wire):
    """The flags as they are, and what the providers cost today so far, running ones as estimated.

    ``spendCapUsd`` is null where nobody set one; ``capTodayUsd`` is what counts then, too. ``ignored``: why the record
    in the table counts for nothing (bad, newer), and the last good one is in force.
    """

    phase: Literal["I1", "I2", "open"]
    guests: GuestsView
    canary_percent: int
    off: list[str]
    spend_cap_usd: float | None
    plan_caps: dict[str, dict[str, int]]
    jobs_paused: bool
    plan_gating: bool
    credits_cta: bool
    invited: list[str]
    version: int
    cap_today_usd: float
    spent_today_usd: float
    ignored: str | None = None

    @classmethod
    def of(cls, flags: Flags, *, cap: int, spent: int, ignored: str | None = None) -> FlagsView:
        """Return the view of the flags; ``cap`` and ``spent`` in USD micros."""
        return cls(
            **document_of(flags),
            version=flags.version,
            cap_today_usd=cap / MICROS_PER_USD,
            spent_today_usd=spent / MICROS_PER_USD,
            ignored=ignored,
        )


class FlagsVersionView(Wire):
    """A version of the flags: the whole document, who made it and why. ``at`` in epoch ms.

    ``restores``: the version that was rolled back to. ``version`` is null for one of an earlier release.
    """

    version: int | None
    at: int
    actor: str
    reason: str
    restores: int | None
    flags: dict[str, Any]

    @classmethod
    def of(cls, entry: FlagsVersion) -> FlagsVersionView:
        """Return the view of a version."""
        return cls(
            version=entry.version,
            at=entry.at,
            actor=entry.actor,
            reason=entry.reason,
            restores=entry.restores,
            flags=dict(entry.document),
        )


class FlagsHistoryView(Wire):
    """Versions, newest first. ``nextCursor`` leads to older ones."""

    versions: list[FlagsVersionView]
    next_cursor: int | None
