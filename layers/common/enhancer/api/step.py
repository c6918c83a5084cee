"""What every step of the state machine runs in: its ids on each log line, one line and its metrics at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from enhancer import telemetry
from enhancer.domain.errors import EnhancerError
from enhancer.domain.jobs import StaleAttempt

ANSWERS = (EnhancerError, StaleAttempt)
"""Errors that are a step's answer to the state machine; all others are ours, and are reported."""


class Step:
    """Context manager around a step.

    Its lines name job, attempt, item, turn and, once the job was read, the request that ordered it.
    """

    def __init__(self, name: str, event: Mapping[str, Any]) -> None:
        self._name = name
        self._ids = {key: event.get(key) for key in ("jobId", "attempt", "item", "turn")}
        self._running = ExitStack()
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        self._running.enter_context(telemetry.invocation(**self._ids))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Log how the step ended, report what is no answer, and write its metrics."""
        milliseconds = round((time.perf_counter() - self._began) * 1000, 1)
        ended = kind.__name__ if kind else "done"
        with self._running:
            telemetry.logger.info("step", extra={"step": self._name, "ended": ended, "ms": milliseconds})
            if isinstance(problem, Exception) and not isinstance(problem, ANSWERS):
                telemetry.report(problem)
