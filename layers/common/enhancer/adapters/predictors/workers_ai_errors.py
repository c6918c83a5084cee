"""Failures at Workers AI, and our error for each.

The codes are those of https://developers.cloudflare.com/workers-ai/platform/errors/; 4006, 7003 and 10000 are not
listed there but were seen, 3030 and 5006 are not confirmed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from enhancer.domain import errors
from enhancer.domain.errors import EnhancerError
from enhancer.domain.models import Model
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from enhancer.adapters.predictors.workers_ai_http import Answer

NAME = "workers_ai"
EXHAUSTED = {3036, 4006}
EXHAUSTED_TEXT = "daily free allocation"
BUSY = {3040}
WRONG_TOKEN = {10000}
FORBIDDEN = WRONG_TOKEN | {3023, 3041, 5016, 5018}
REFUSED = {3030}
BROKEN_OFF = {3007, 3008}
MISPLACED = {3042, 5005, 5007, 5019, 7003}
"""Our own mistake: a wrong account, path, method or model. Logged as an error, because only we can correct it."""
REJECTED = MISPLACED | {3003, 3006, 5004, 5006}


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed answer: HTTP status, error codes, error texts in lower case, and the wait it asks for in seconds."""

    status: int
    codes: frozenset[int] = frozenset()
    text: str = ""
    retry_after: float | None = None

    @classmethod
    def of(cls, answer: Answer) -> Failure | None:
        """Return the failure in an answer, None for a successful one."""
        document = _json(answer)
        envelope = document if isinstance(document, dict) else {}
        if answer.status == 200 and envelope.get("success") is not False:
            return None
        listed = envelope.get("errors", document)
        found = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        codes = frozenset(entry["code"] for entry in found if isinstance(entry.get("code"), int))
        text = " ".join(str(entry.get("message")) for entry in found).lower()
        return cls(answer.status, codes, text, answer.retry_after)


def refuses_credentials(failure: Failure) -> bool:
    """Return whether the account id or token was refused, so that newer ones might work."""
    return failure.status in (401, 403) or bool(failure.codes & WRONG_TOKEN)


def error_of(failure: Failure, model: Model) -> EnhancerError:
    """Return our error for a failure; it does not carry the provider's texts."""
    codes, status = failure.codes, failure.status
    if codes & EXHAUSTED or EXHAUSTED_TEXT in failure.text:
        logger.error("provider exhausted", extra={"provider": NAME, "status": status})
        return errors.ProviderExhausted(provider=NAME)
    if codes & BUSY or status == 429:
        return errors.ProviderThrottled(provider=NAME, retry_after=failure.retry_after)
    if codes & FORBIDDEN or status in (401, 403):
        logger.error("provider refuses us", extra={"provider": NAME, "status": status})
        return errors.ProviderForbidden(provider=NAME)
    if codes & REFUSED:
        return errors.PromptRefused(model=model.alias)
    rejected = bool(codes & REJECTED) or 400 <= status < 500
    if rejected and status != 408 and not codes & BROKEN_OFF:
        tell = logger.error if codes & MISPLACED else logger.warning
        tell("provider rejects", extra={"provider": NAME, "status": status, "codes": sorted(codes)})
        return errors.ProviderRejected(provider=NAME, model=model.alias)
    return errors.ProviderUnavailable(provider=NAME, retry_after=failure.retry_after)


def _json(answer: Answer) -> Any:
    """Return the JSON document of an answer, None for a body of another kind."""
    if not answer.is_json:
        return None
    try:
        return json.loads(answer.body)
    except ValueError:
        return None
