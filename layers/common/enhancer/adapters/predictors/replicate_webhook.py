"""Signatures of call-backs after the Standard Webhooks specification."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError

from enhancer.domain.errors import WebhookInvalid

HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def verified(body: bytes, headers: Mapping[str, str], secrets: Iterable[str]) -> dict[str, Any]:
    """Return the JSON object of a call-back signed with one of ``secrets`` (``whsec_…``), at most 5 minutes old or new.

    Raises `WebhookInvalid` for every other one; what was wrong with it is nobody's business.
    """
    wanted = {name: headers.get(name, "") for name in HEADERS}
    for secret in secrets:
        try:
            found = Webhook(secret).verify(body, wanted)
        except (
            WebhookVerificationError,
            EmptyWebhookSecretError,
            ValueError,
            TypeError,
        ):  # malformed parts, too
            continue
        if isinstance(found, dict):
            return found
    raise WebhookInvalid
