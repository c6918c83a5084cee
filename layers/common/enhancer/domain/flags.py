"""What the operator sets at run time: who is let in, which models run, what is capped, and what the page shows.

`flags_document` reads and changes them as a JSON document; `cohorts` says what a phase means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import Access, Cohort, Needs, Phase
from enhancer.domain.models import CATALOGUE, Model
from enhancer.domain.owners import Owner
from enhancer.domain.plans import PLANS, Plan

GUEST_IMAGES_IN_I2 = 1
"""Images a day of a guest in phase I2, unless the operator says otherwise."""
CANARY_STEPS = 10_000
"""How finely the canary's share is cut: a hundredth of a percent."""


@dataclass(frozen=True, slots=True)
class Guests:
    """``on``: guests are let in from phase I2 on. ``images_per_day``: each one's cap; None is the phase's own."""

    on: bool = False
    images_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class PlanCap:
    """Limits of a plan that are lower for the time being; None leaves the plan's own. Credits are whole ones."""

    images_per_day: int | None = None
    credits_per_month: int | None = None
    scale_max: int | None = None

    def applied(self, plan: Plan) -> Plan:
        """Return the plan within these limits; none is ever raised."""
        return replace(
            plan,
            images_per_day=_lower(plan.images_per_day, self.images_per_day),
            credits_per_month=_lower(plan.credits_per_month, self.credits_per_month),
            scale_max=_lower(plan.scale_max, self.scale_max),
        )


@dataclass(frozen=True, slots=True)
class Flags:
    """What the operator sets at run time.

    ``off``: providers, or slugs or aliases of models, that must not run. ``spend_cap``: what all providers together may
    cost us in a day, in USD micros; None means the stack's own. ``canary_percent``: the share that is let in of those
    whom the next phase would add. ``plan_caps``: by plan. ``jobs_paused``: nothing new runs. ``plan_gating``: the page
    locks what the plan lacks. ``credits_cta``: the page offers credits to buy. ``invited``: verified e-mail addresses,
    in lower case. ``version``: counts the changes; 0 where nobody has changed anything.
    """

    off: Collection[str] = ()
    spend_cap: int | None = None
    phase: Phase = "open"
    guests: Guests = Guests()
    canary_percent: int = 0
    plan_caps: Mapping[str, PlanCap] = field(default_factory=dict)
    jobs_paused: bool = False
    plan_gating: bool = True
    credits_cta: bool = True
    invited: Collection[str] = ()
    version: int = 0

    def lets_run(self, model: Model) -> bool:
        """Return whether neither the model nor its provider is switched off. The embedded model cannot be."""
        names = {model.provider, model.slug, model.alias}
        return model.provider == "embedded" or not names & set(self.off)

    def cohort_of(self, caller: Caller) -> Cohort:
        """Return the first cohort that fits: invited, on a plan that is paid for, signed in, guest."""
        if caller.is_guest:
            return "C3"
        email = caller.account.email.strip().lower() if caller.account else ""
        if email and email in self.invited:
            return "C0"
        return "C1" if caller.plan.price_per_month else "C2"

    def admits(self, caller: Caller, *, language: str = "en", plans_sold: bool = True) -> Access:
        """Return whether this caller may start runs now; ``language`` is that of the page with the plans.

        ``plans_sold``: a plan can be bought here; where none can, only an invitation helps in phase I1.
        """
        cohort = self.cohort_of(caller)
        admitted = self._lets_in(cohort, caller.owner)
        return Access(
            phase=self.phase,
            cohort=cohort,
            admitted=admitted,
            needs=None if admitted else self._needs(plans_sold=plans_sold),
            upgrade_url=None if admitted else f"/{language}/pricing",
            paused=self.jobs_paused,
        )

    def plan(self, name: str) -> Plan:
        """Return a plan within the operator's caps, for guests also within theirs."""
        plan = self.plan_caps.get(name, PlanCap()).applied(PLANS[name])
        if name != "guest":
            return plan
        own = self.guests.images_per_day
        if own is None and self.phase != "open":
            own = GUEST_IMAGES_IN_I2
        return PlanCap(images_per_day=own).applied(plan)

    def plans(self) -> dict[str, Plan]:
        """Return all plans within the operator's caps, by name, from the smallest to the largest."""
        return {name: self.plan(name) for name in PLANS}

    def seen_by(self, caller: Caller, *, language: str = "en", plans_sold: bool = True) -> Caller:
        """Return the caller with the plans as capped now and what they may start; arguments as in `admits`."""
        access = self.admits(caller, language=language, plans_sold=plans_sold)
        plans = self.plans()
        return replace(caller, plan=plans[caller.plan.name], plans=plans, access=access)

    def _lets_in(self, cohort: Cohort, owner: Owner) -> bool:
        match cohort, self.phase:
            case ("C0" | "C1", _) | (_, "open") | ("C2", "I2"):
                return True
            case ("C2", _):
                return self._in_canary(owner)
            case (_, "I2"):
                return self.guests.on or self._in_canary(owner)
            case _:
                return False

    def _in_canary(self, owner: Owner) -> bool:
        return canary_step(owner) * 100 < self.canary_percent * CANARY_STEPS

    def _needs(self, *, plans_sold: bool) -> Needs:
        if self.phase == "I2":
            return "sign_in"
        return "paid_plan" if plans_sold else "invitation"


@dataclass(frozen=True, slots=True)
class FlagsVersion:
    """A version of the flags: the document (see `flags_document`), who made it, why, and when (epoch ms).

    ``version`` is None for an entry of a release without versions. ``restores``: the version that was rolled back to.
    """

    version: int | None
    document: Mapping[str, Any]
    actor: str
    reason: str
    at: int
    restores: int | None = None


CLOSED = Flags(
    phase="I1",
    off=tuple(sorted({one.provider for one in CATALOGUE if one.provider != "embedded"})),
    spend_cap=0,
    credits_cta=False,
)
"""What a function goes by that finds flags it cannot read and never knew better: who pays is served, by the embedded
model alone. Nobody who paid is turned away, and nothing costs us a provider's price."""


def canary_step(owner: Owner) -> int:
    """Return where an owner stands in the order in which a growing canary lets in, from 0 to `CANARY_STEPS` - 1.

    It never changes, so a larger share keeps everybody whom a smaller one had let in.
    """
    digest = hashlib.sha256(f"canary:{owner.type}:{owner.id}".encode()).digest()
    return int.from_bytes(digest[:8]) % CANARY_STEPS


def _lower(own: int, cap: int | None) -> int:
    return own if cap is None else min(own, cap)
