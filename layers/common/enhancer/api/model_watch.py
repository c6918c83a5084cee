"""Ties a running upscale to its job: stop when canceled, wake the waiting step at the end."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from enhancer import runtime
from enhancer.domain.errors import JobCanceled
from enhancer.domain.jobs import Item, Job
from enhancer.domain.refs import Ref
from enhancer.telemetry import logger

CHECK_SECONDS = 2.0
"""How often the table is asked at most whether the job is still wanted."""


class Watch:
    """Context manager around the work; a no-op without a job.

    If the job has moved to another attempt, no step is woken.

    The token is read when the work has ended, after its result was stored: whoever comes to wait for it later finds
    the result there.
    """

    def __init__(self, ref: Ref | None) -> None:
        self._ref = ref
        self._checked = time.monotonic()

    @property
    def named(self) -> dict[str, Any]:
        """Job and item, for log lines."""
        return {"jobId": self._ref.job_id, "item": self._ref.item} if self._ref else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wake the waiting step, or let it fail with the name of the error's class."""
        if kind:
            logger.info("upscale stopped", extra={**self.named, "errorType": kind.__name__})
        _, item = self._look()
        token = item.prediction.token if item and item.prediction else None
        if token and kind is None:
            runtime.workflow().wake(token)
        elif token and kind:
            runtime.workflow().fail(token, kind.__name__)

    def check(self) -> None:
        """Raise `JobCanceled` when job or item have ended; asks the table every `CHECK_SECONDS` at most."""
        if self._ref is None or time.monotonic() - self._checked < CHECK_SECONDS:
            return
        self._checked = time.monotonic()
        job, item = self._look()
        if job is None or item is None or not job.is_open or not item.is_open:
            raise JobCanceled

    def _look(self) -> tuple[Job | None, Item | None]:
        if self._ref is None:
            return None, None
        job = runtime.jobs().get(self._ref.owner, self._ref.job_id)
        if job is None or job.attempt != self._ref.attempt:
            return None, None
        return job, job.items[self._ref.item]
