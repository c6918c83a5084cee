"""Makes the copy of all data of a user in the background; invoked by functions/account where it is large."""

from __future__ import annotations

from typing import Any

from enhancer import runtime
from enhancer.accounts import owner_data
from enhancer.domain.owners import Owner
from enhancer.telemetry import logger


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Event: userId, askedAt (epoch ms)."""
    account = runtime.accounts().get(Owner("user", event["userId"]))
    if account is None:  # deleted meanwhile
        return
    owner_data.export(
        account,
        asked_at=event["askedAt"],
        new_name=runtime.new_name,
        owner_records=runtime.owner_records(),
        artifacts=runtime.artifacts(),
    )
    logger.info("export", extra={"owner": account.owner.id})
