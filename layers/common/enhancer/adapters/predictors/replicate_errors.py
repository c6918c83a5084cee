"""Failures at Replicate: requests without a usable answer, predictions that ended badly, and our error for each.

Statuses are those of https://replicate.com/docs/reference/http; ``E…`` codes are those of
https://replicate.com/docs/reference/error-codes.
"""

from __future__ import annotations

import re

from enhancer.domain import errors
from enhancer.domain.errors import EnhancerError
from enhancer.domain.models import Model
from enhancer.telemetry import logger

NAME = "replicate"
_CONTENT_FILTER = re.compile(r"nsfw|sensitive|safety|flagged", re.IGNORECASE)
_START_TIMEOUT = "E6716"


class RequestFailed(Exception):
    """A request that did not end in an answer we can use."""


class StatusError(RequestFailed):
    """Any status but success. ``retry_after``: seconds the provider asks us to wait, None if it does not say."""

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.retry_after = retry_after


class NoAnswer(RequestFailed):
    """The connection failed or took too long. ``sent``: the request may have arrived."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__(sent)
        self.sent = sent


class UnreadableAnswer(RequestFailed):
    """A status of success with a body that is not what the API documents."""


def error_of_request(failed: RequestFailed, model: Model) -> EnhancerError:
    """Return our error for a request that was refused or not answered."""
    status = failed.status if isinstance(failed, StatusError) else 0
    retry_after = failed.retry_after if isinstance(failed, StatusError) else None
    if status in (401, 402, 403):
        logger.error("provider refuses us", extra={"provider": NAME, "status": status})
    if status in (401, 403):
        return errors.ProviderForbidden(provider=NAME)
    if status == 402:
        return errors.ProviderExhausted(provider=NAME)
    if status == 429:
        return errors.ProviderThrottled(provider=NAME, retry_after=retry_after)
    if 400 <= status < 500:
        logger.warning("provider rejects", extra={"provider": NAME, "status": status})
        return errors.ProviderRejected(provider=NAME, model=model.alias)
    return errors.ProviderUnavailable(provider=NAME, retry_after=retry_after)


def error_of_run(model: Model, *, status: str, error: str, cost: int) -> EnhancerError:
    """Return our error for a prediction that did not succeed and cost us so many USD micros.

    ``status`` and ``error`` are the prediction's; the error text is not part of ours.
    """
    if status in ("canceled", "aborted"):
        return errors.ProviderTimeout(provider=NAME, cost=cost)
    if _CONTENT_FILTER.search(error):
        return errors.PromptRefused(model=model.alias, cost=cost)
    if _START_TIMEOUT in error:
        return errors.ProviderUnavailable(provider=NAME, cost=cost)
    return errors.ProviderFailed(provider=NAME, cost=cost)
