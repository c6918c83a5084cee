"""Every minute: jobs past their deadline fail and their holds are given back."""

from __future__ import annotations

from typing import Any

from enhancer import maintenance, runtime
from enhancer.telemetry import logger


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Return ``{"released": number of holds given back}``."""
    released = maintenance.sweep(
        jobs=runtime.jobs(), ledger=runtime.ledger(), now=runtime.now(), new_id=runtime.new_id
    )
    logger.info("sweep", extra={"released": released})
    return {"released": released}
