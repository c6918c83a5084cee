"""Every example event: its name, its request and the status it must be answered with, one declaration each.

`CASES` are all of them; the tests send each to its function, in this process and under Lambda's Runtime Interface
Emulator. `tests.support.make_events` writes a few to files. A new case is a line in the module of its subject.
"""

from __future__ import annotations

from tests.support.event_cases import accounts, billing, direct, images, web
from tests.support.event_cases.builder import STORED, Case, Cases

__all__ = ["CASES", "STORED", "Case"]


def _declared() -> dict[str, Case]:
    cases = Cases()
    for declare in (
        images.generate,
        images.jobs,
        images.usage,
        images.uploads,
        images.results,
        web.pages,
        web.debug_login,
        accounts.signed_out,
        accounts.admin,
        billing.signed_out,
        billing.stripe_webhook,
        direct.provider_webhook,
        direct.export_upscale_and_schedules,
        direct.steps,
    ):
        declare(cases)
    return cases.made


CASES = _declared()
"""Name -> case, in the order of declaration."""
