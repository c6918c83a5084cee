"""The deployed stack past its API: what it stored, what it logged, and its schedules at another hour."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from enhancer.accounts.caller import network_of
from enhancer.adapters.aws.artifacts import Artifacts
from enhancer.adapters.aws.secrets import Secrets
from enhancer.adapters.aws.workflow import Workflow
from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.accounts import Accounts
from enhancer.adapters.dynamodb.allowances import Allowances
from enhancer.adapters.dynamodb.jobs import Jobs
from enhancer.adapters.dynamodb.ledger import Ledger
from enhancer.adapters.dynamodb.owner_data import OwnerRecords
from enhancer.adapters.dynamodb.spend import Spend
from enhancer.adapters.dynamodb.table import Table
from enhancer.adapters.predictors.embedded import Embedded
from enhancer.adapters.predictors.replicate import Replicate
from enhancer.adapters.predictors.results import Results
from enhancer.adapters.predictors.workers_ai import WorkersAi
from enhancer.domain.costs import SPEND_CAP_MICROS
from enhancer.domain.jobs import DEADLINE_MS, Item, Job
from enhancer.domain.ledger import Balance, add_up
from enhancer.domain.owners import Owner
from enhancer.domain.predictions import Predictor
from enhancer.jobs.deps import JobDeps
from enhancer.operations import sweep
from enhancer.operations.sweep import GRACE_MS, Swept
from enhancer.runtime import new_id, new_name, now, read_photo
from local.stack import LocalStack

Found = TypeVar("Found")
SOON_MS, LATE_MS = GRACE_MS + 1000, DEADLINE_MS + 1000
"""How far the clock goes for the sweep to see what lost its other half, and what is overdue."""
PATIENCE_SECONDS = 150.0
"""For machines that are busy with other things; nothing here asserts speed."""

LOOK_SECONDS, LOOK_SECONDS_MAX = 0.03, 0.5


@dataclass(frozen=True)
class Store:
    """The deployed table and bucket, read and written past the API."""

    table: Table
    ledger: Ledger
    jobs: Jobs
    s3: Any
    bucket: str

    @property
    def accounts(self) -> Accounts:
        """Users and sessions."""
        return Accounts(self.table, Allowances(self.table, lambda: [b"of the tests"]))

    @property
    def owner_records(self) -> OwnerRecords:
        """Everything of an owner."""
        return OwnerRecords(self.table, Allowances(self.table, lambda: [b"of the tests"]))


class Deployed:
    """One running stack."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        table = Table(stack.client("dynamodb"), stack.physical_id("Table"))
        self.s3, self.bucket = stack.client("s3"), stack.physical_id("Bucket")
        self.store = Store(table, Ledger(table), Jobs(table), self.s3, self.bucket)
        self.states = stack.client("stepfunctions")
        self.machine = stack.physical_id("Enhance")
        self.artifacts = Artifacts(self.s3, self.bucket)
        self.functions = stack.client("lambda")
        upscale = Embedded(lambda _: self.functions, stack.physical_id("Upscale"), self.artifacts)
        self.job_deps = JobDeps(
            predictors={"embedded": upscale, **self._hosted(stack)},
            artifacts=self.artifacts,
            jobs=self.store.jobs,
            ledger=self.store.ledger,
            spend=Spend(table),
            workflow=Workflow(self.states, self.machine),
            now=now,
            new_id=new_id,
            new_name=new_name,
            read_photo=read_photo,
            download=lambda _: b"",
            enabled=lambda _: True,
            spend_cap=lambda: SPEND_CAP_MICROS,
            notify=lambda *_, **__: None,
        )

    def _hosted(self, stack: LocalStack) -> dict[str, Predictor]:
        """The predictors of the providers, for what the sweep asks them."""
        secret, results = stack.providers.secret, Results(self.artifacts)
        return {
            "replicate": Replicate(
                base_url=stack.providers.replicate_url,
                token=lambda _: secret["replicate"],
                results=results,
                artifacts=self.artifacts,
                callback_url=lambda _job, _item: None,
                now=now,
            ),
            "workers_ai": WorkersAi(
                base_url=f"{stack.providers.workers_url}/client/v4",
                credentials=lambda _: (secret["workersAiAccount"], secret["workersAi"]),
                results=results,
                artifacts=self.artifacts,
            ),
        }

    # ------------------------------------------------------------------------------------------ time

    def sweep(self, later_ms: int) -> Swept:
        """What the schedule does when its hour has come."""
        return sweep.sweep(
            deps=replace(self.job_deps, now=lambda: now() + later_ms),
            owner_records=self.store.owner_records,
        )

    def until(self, look: Callable[[], Found | None], what: str) -> Found:
        """Return what ``look`` finds soon after there is something: a wait gets longer by a tenth at most.

        Looking costs what is looked at the cores that it needs.
        """
        began = time.monotonic()
        while (waited := time.monotonic() - began) < PATIENCE_SECONDS:
            if found := look():
                return found
            time.sleep(max(LOOK_SECONDS, min(waited / 10, LOOK_SECONDS_MAX)))
        raise AssertionError(f"never seen: {what}")

    # ------------------------------------------------------------------------------------------ jobs

    def job(self, owner: Owner, job_id: str) -> Job:
        """The job as stored."""
        job = self.store.jobs.get(owner, job_id)
        assert job
        return job

    def when(self, owner: Owner, job_id: str, is_so: Callable[[Job], bool], what: str) -> Job:
        """The job as soon as it is so; read from the store, so that nobody polls the API."""

        def look() -> Job | None:
            job = self.job(owner, job_id)
            return job if is_so(job) else None

        return self.until(look, f"{job_id} {what}")

    def ended(self, owner: Owner, job_id: str) -> Job:
        """The job once it ended and every item with it."""
        return self.when(owner, job_id, lambda job: not job.is_open and not job.open_items, "ended")

    def running(self, owner: Owner, job_id: str) -> Job:
        """The job once the model works on its first open item."""
        return self.when(
            owner, job_id, lambda job: any(item.prediction for item in job.open_items), "running"
        )

    def jobs_of(self, owner: Owner) -> list[Job]:
        """All jobs of an owner, newest first."""
        return self.store.jobs.page(owner, statuses=(), limit=1000, after=None)[0]

    def is_unclosed(self, job: Job) -> bool:
        """Whether the sweep still knows the job."""
        return job.id in {found.id for found in self.store.jobs.open()}

    def put_result(self, item: Item, data: bytes = b"a picture") -> None:
        """Store a result as the model would."""
        self.artifacts.put(item.target, data, "image/png")

    def step(self, name: str, job: Job, item: int = 0, **more: Any) -> Mapping[str, Any]:
        """Deliver an event to a deployed step, as the state machine would; return its answer or error."""
        event = {**step_event(job, item), **more}
        reply = self.functions.invoke(FunctionName=self.stack.physical_id(name), Payload=json.dumps(event))
        answer: Mapping[str, Any] = json.loads(reply["Payload"].read()) or {}
        return answer

    # ---------------------------------------------------------------------------------------- limits

    def forget_network(self, address: str, prefix: str = "") -> None:
        """Forget what guests at an address used up of its limits; with ``RATE#`` only of those per minute."""
        secrets = Secrets(self.stack.client("secretsmanager"))
        key = secrets.signing_keys(self.stack.physical_id("SigningSecret"))[0]
        for record in self.store.table.under(f"NET#{network_of(address, key)}", prefix):
            self.store.table.delete({"pk": record["pk"], "sk": record["sk"]})

    # ------------------------------------------------------------------------------- state machine

    def execution(self, job: Job) -> str:
        """The ARN of the execution that runs this attempt."""
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{job.execution}"

    def status(self, job: Job) -> str | None:
        """The status of that execution, None when there is none."""
        return self.job_deps.workflow.status(job)

    def over(self, job: Job) -> str:
        """The status of that execution once it is not running any more."""

        def look() -> str | None:
            status = self.status(job)
            return None if status == "RUNNING" else status

        return self.until(look, f"the end of {job.execution}")

    def history(self, job: Job) -> Counter[str]:
        """What happened in the execution: types of events, and states entered or called by name."""
        seen: Counter[str] = Counter()
        pages = self.states.get_paginator("get_execution_history").paginate(
            executionArn=self.execution(job), maxResults=1000
        )
        for page in pages:
            for event in page["events"]:
                details = (
                    event.get("stateEnteredEventDetails") or event.get("taskScheduledEventDetails") or {}
                )
                name = details.get("name") or details.get("resource", "").rpartition(":::")[2]
                seen[" ".join(filter(None, [event["type"], name]))] += 1
        return seen

    # ------------------------------------------------------------------------------------------ logs

    def logged(self, message: str, job: Job | None = None, *, least: int = 0) -> list[dict[str, Any]]:
        """The log lines with this message, of this job; ``least``: a function's lines come after its effects."""
        if least:
            self.until(lambda: len(self.logged(message, job)) >= least, f"{least} lines of {message}")
        found = []
        for line in (self.stack.state / "functions.log").read_text(errors="replace").split("\n"):
            _, _, text = line.partition("  ")
            entry = json.loads(text) if text.startswith('{"') and text.endswith("}") else {}
            if entry.get("message") == message and (job is None or entry.get("jobId") == job.id):
                found.append(entry)
        return found

    # ----------------------------------------------------------------------------------------- money

    def balance(self, owner: Owner) -> Balance:
        """The totals of an owner, after making sure that they add up, and that the entries say the same."""
        balance = self.store.ledger.usage_and_balance(owner, now=now()).balance
        assert balance.difference == 0, balance
        assert min(getattr(balance, name) for name in Balance.__slots__) >= 0, balance
        assert add_up(self.store.ledger.entries(owner)) == balance
        return balance

    def used(self, owner: Owner) -> tuple[int, int]:
        """Images of the day and plan tenths of the month."""
        usage_and_balance = self.store.ledger.usage_and_balance(owner, now=now())
        return usage_and_balance.day_used, usage_and_balance.month_used

    def kinds(self, owner: Owner, job: Job | None = None) -> Counter[str]:
        """How many entries of each kind an owner has, of one job or of all."""
        entries = self.store.ledger.entries(owner)
        return Counter(entry.kind for entry in entries if job is None or entry.job_id == job.id)

    def open_jobs(self, owner: Owner) -> int:
        """How many places among the jobs at once an owner takes."""
        account = self.store.table.get(keys.account(owner)) or {}
        return int(account.get("open_jobs", 0))


def step_event(job: Job, item: int = 0) -> dict[str, Any]:
    """What the state machine sends to a step."""
    return {
        "ownerType": job.owner.type,
        "ownerId": job.owner.id,
        "jobId": job.id,
        "attempt": job.attempt,
        "item": item,
    }


@contextmanager
def step_timeout(deployed: Deployed, seconds: int) -> Iterator[None]:
    """Let executions started here wait for a call-back only so long."""
    definition = deployed.states.describe_state_machine(stateMachineArn=deployed.machine)["definition"]
    short = json.loads(definition)
    short["States"]["Items"]["ItemProcessor"]["States"]["StartPrediction"]["TimeoutSeconds"] = seconds
    deployed.states.update_state_machine(stateMachineArn=deployed.machine, definition=json.dumps(short))
    try:
        yield
    finally:
        deployed.states.update_state_machine(stateMachineArn=deployed.machine, definition=definition)


def kill_function(deployed: Deployed, logical_id: str) -> None:
    """Kill the processes in which the emulator of this stack runs a function."""
    name = f"AWS_LAMBDA_FUNCTION_NAME={deployed.stack.physical_id(logical_id)}".encode()
    endpoint = f"AWS_ENDPOINT_URL={deployed.stack.endpoint}".encode()

    def kill() -> bool:
        return bool([os.kill(process, signal.SIGKILL) for process in processes(name, endpoint)])

    deployed.until(kill, f"a process of {logical_id}")


def processes(*marks: bytes) -> list[int]:
    """The processes whose environment has all of these."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                environment = (process / "environ").read_bytes()
            except OSError:  # it has ended, or is not ours
                continue
            if all(mark in environment for mark in marks):
                found.append(int(process.name))
    return found
