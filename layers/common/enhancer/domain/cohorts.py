"""Who is let in while the product is opened step by step: phases, cohorts, and what a caller is told.

========== ============================ ================== =================== ====
cohort     who                          I1                 I2                  open
========== ============================ ================== =================== ====
C0         invited, by verified address yes                yes                 yes
C1         on a plan that is paid for   yes                yes                 yes
C2         any other signed-in user     the canary's share yes                 yes
C3         guest                        no                 if guests are on,   yes
                                                           else canary's share
========== ============================ ================== =================== ====

A caller is the first cohort that fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from enhancer.domain.errors import NotInCohort, RunsPaused

Phase = Literal["I1", "I2", "open"]
Cohort = Literal["C0", "C1", "C2", "C3"]
Needs = Literal["sign_in", "paid_plan", "invitation"]
PHASES: tuple[Phase, ...] = ("I1", "I2", "open")
PAUSED_SECONDS = 60
"""When to ask again while new runs are paused."""


@dataclass(frozen=True, slots=True)
class Access:
    """Whether a caller may start runs now.

    ``needs``: what would let in who is not admitted; ``upgrade_url``: the path where they get it. ``paused``: no new
    run starts for anybody; what runs goes on.
    """

    phase: Phase
    cohort: Cohort
    admitted: bool
    needs: Needs | None = None
    upgrade_url: str | None = None
    paused: bool = False

    def check(self) -> None:
        """Raise `NotInCohort` for a caller who is not let in yet, `RunsPaused` while nothing new may start."""
        if not self.admitted:
            raise NotInCohort(
                phase=self.phase, cohort=self.cohort, needs=self.needs, upgradeUrl=self.upgrade_url
            )
        if self.paused:
            raise RunsPaused(retry_after_seconds=PAUSED_SECONDS)


EVERYBODY = Access("open", "C3", admitted=True)
"""Access without any restriction."""
