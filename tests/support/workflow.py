"""A state machine on paper: it remembers what was started, stopped and woken, and runs nothing by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from enhancer.domain.jobs import Job
from enhancer.domain.owners import Owner
from enhancer.domain.refs import Ref


@dataclass
class Execution:
    """One run of the state machine."""

    owner: Owner
    job_id: str
    attempt: int
    items: list[int]
    concurrency: int
    started_at: int
    status: str = "RUNNING"
    turn: int = 0


@dataclass
class ScriptedWorkflow:
    """Does what `enhancer.adapters.aws.workflow.Workflow` does. Tokens in ``gone`` no longer wait."""

    now: Callable[[], int]
    executions: dict[str, Execution] = field(default_factory=dict)
    starts: list[str] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    script: list[BaseException] = field(default_factory=list)

    def start(self, job: Job, *, concurrency: int) -> None:
        """Remember an execution; its name makes it unique."""
        if self.script:
            raise self.script.pop(0)
        self.starts.append(job.execution)
        items, turn = [item.index for item in job.open_items], max(item.turn for item in job.open_items)
        self.executions.setdefault(
            job.execution,
            Execution(job.owner, job.id, job.attempt, items, concurrency, self.now(), turn=turn),
        )

    def stop(self, execution: str) -> None:
        """End it, if it is running."""
        self.stops.append(execution)
        found = self.executions.get(execution)
        if found and found.status == "RUNNING":
            found.status = "ABORTED"

    def status(self, job: Job) -> str | None:
        """The status of the execution that runs this attempt."""
        found = self.executions.get(job.execution)
        return found.status if found else None

    def running(self, *, started_before: int) -> Iterator[tuple[str, Ref]]:
        """What has been running since before then."""
        for name, found in list(self.executions.items()):
            if found.status == "RUNNING" and found.started_at < started_before:
                yield name, Ref(found.owner, found.job_id, found.attempt)

    def wake(self, token: str) -> bool:
        """Remember who was woken."""
        self.woken.append(token)
        return token not in self.gone

    def fail(self, token: str, error: str) -> bool:
        """Remember who was told what went wrong."""
        self.failed.append((token, error))
        return token not in self.gone
