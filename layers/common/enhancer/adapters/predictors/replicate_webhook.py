"""Verify Replicate's webhooks, which are signed as https://www.standardwebhooks.com specifies.

See https://replicate.com/docs/topics/webhooks/verify-webhook.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError

from enhancer.domain.errors import WebhookInvalid

HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def verified(body: bytes, headers: Mapping[str, str], secrets: Iterable[str]) -> dict[str, Any]:
    """Return the JSON object in a webhook's body, signed with one of ``secrets`` (``whsec_…``).

    Its time may differ from now by 5 minutes. Raises `WebhookInvalid` for every other request, and does not tell what
    was wrong with it.
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
        ):  # also malformed parts
            continue
        if isinstance(found, dict):
            return found
    raise WebhookInvalid
