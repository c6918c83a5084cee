"""What every step of the state machine runs in: its ids on each log line, one line and its metrics at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from enhancer import telemetry
from enhancer.domain.errors import EnhancerError
from enhancer.domain.jobs import StaleAttempt

ANSWERS = (EnhancerError, StaleAttempt)
"""Errors that are a step's answer to the state machine; all others are ours, and are reported."""


@contextmanager
def step(name: str, event: Mapping[str, Any]) -> Iterator[None]:
    """Run a step. Its lines name job, attempt, item, turn and, once the job was read, the request that ordered it."""
    began, ended = time.perf_counter(), "done"
    with telemetry.invocation(**{key: event.get(key) for key in ("jobId", "attempt", "item", "turn")}):
        try:
            yield
        except Exception as problem:
            ended = type(problem).__name__
            if not isinstance(problem, ANSWERS):
                telemetry.report(problem)
            raise
        finally:
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            telemetry.logger.info("step", extra={"step": name, "ended": ended, "ms": milliseconds})
