"""What the health check answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field

from enhancer.api.shapes.wire import Wire
from enhancer.domain.health import Checked, Reason


class CheckView(Wire):
    """One part that the product needs."""

    name: str
    ok: bool = Field(description="Fine, or off on purpose.")
    ms: int = Field(description="How long the check took, in milliseconds.")
    reason: Reason | None = Field(description="null where the part answers as it should.")


class HealthView(Wire):
    """How we are. ``checks`` is empty without ``deep=1``."""

    status: Literal["ok", "failing"]
    checks: list[CheckView]

    @classmethod
    def of(cls, found: Sequence[Checked]) -> Self:
        """Describe what a deep check found."""
        checks = [CheckView(name=one.name, ok=one.ok, ms=one.ms, reason=one.reason) for one in found]
        return cls(status="ok" if all(one.ok for one in found) else "failing", checks=checks)


class HealthAnswer(Wire):
    """The same body whether all is fine (200) or not (503)."""

    success: bool
    data: HealthView

    @classmethod
    def of(cls, found: Sequence[Checked]) -> Self:
        """Describe what was found; without any check all is fine."""
        view = HealthView.of(found)
        return cls(success=view.status == "ok", data=view)
