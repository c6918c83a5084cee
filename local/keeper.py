"""Saves a running stack every few seconds and at its end, and puts what was saved into a stack just deployed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from local.corrections.release import Json
from local.processes import LocalError
from local.providers import Providers
from local.saved import Generation, Saved
from local.snapshot import RECORDS, rows

PERIOD_S = 1.5
"""Between two looks whether something changed; with the time that saving takes, a kill loses less than 5 s."""
DRAIN_S = 10.0
"""How long a stop waits at most for requests and executions under way; what is left then, the sweep repairs."""
PROBLEMS = (OSError, ValueError, HTTPException, LocalError, BotoCoreError, ClientError)
"""What saving may meet: a full disk, an emulator that is just ending."""
STRIPE, SECRETS = "stripe.json", "secrets.json"
KINDS = {
    "tables": "AWS::DynamoDB::Table",
    "buckets": "AWS::S3::Bucket",
    "queues": "AWS::SQS::Queue",
    "secrets": "AWS::SecretsManager::Secret",
}


class Stack(Protocol):
    """What is kept of a `local.stack.LocalStack`, which imports this module."""

    state: Path
    providers: Providers

    def running(self) -> bool:
        """Whether the emulator runs."""

    def busy(self) -> bool:
        """Whether a request is not answered yet, or an execution has not ended."""

    def client(self, service: str) -> Any:
        """A client of the emulator."""

    def physical_ids(self, type_: str) -> dict[str, str]:
        """The physical name of every resource of a type by its name in the template."""

    def tell(self, route: str, **order: Any) -> dict[str, Any]:
        """Call a route of `local.snapshot` in the emulator."""


class Keeper:
    """Keeps the records, objects, messages, secrets and the Stripe account of one `LocalStack`.

    Args:
        stack: whose they are.
        report: called with one line when saving fails, and when it works again.
    """

    def __init__(self, stack: Stack, report: Callable[[str], None]) -> None:
        self._stack, self._report = stack, report
        self._saved = Saved(stack.state)
        self._names: dict[str, dict[str, str]] = {}
        self._writes = -1
        self._problem = ""
        self._ending = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.newest: Generation | None = None

    def open(self, closing: ExitStack) -> None:
        """Find what is to be restored; LocalError if another run has the folder."""
        self.newest = self._saved.open(closing)

    @property
    def lines(self) -> list[str]:
        """What the developer should know about the last run, a line each."""
        return self._saved.lines

    def restore(self) -> None:
        """Put what was saved into the stack, which was just deployed and serves nobody yet."""
        self._names = {kind: self._stack.physical_ids(type_) for kind, type_ in KINDS.items()}
        if self.newest is None:
            return
        self._tell("restore", source=str(self.newest.folder))
        secrets, queues = self._stack.client("secretsmanager"), self._stack.client("sqs")
        for logical, value in (self.newest.read(SECRETS) or {}).items():
            if name := self._names["secrets"].get(logical):
                secrets.put_secret_value(SecretId=name, SecretString=value)
        for logical, body in rows(self.newest.folder / RECORDS):
            if url := self._names["queues"].get(logical):
                queues.send_message(QueueUrl=url, MessageBody=body)

    def start(self) -> None:
        """Begin to save: from now on the product serves."""
        self._saved.serving()
        self._thread.start()

    def hurry(self) -> None:
        """Wait no longer for what is under way."""
        self._hurry.set()

    def drain(self) -> None:
        """Wait for requests and executions under way, at most `DRAIN_S` seconds."""
        deadline, told = time.monotonic() + DRAIN_S, False
        while not self._hurry.is_set() and time.monotonic() < deadline and self._stack.busy():
            if not told:
                self._report(f"waiting at most {DRAIN_S:.0f} s for what is under way; Ctrl-C again stops now")
                told = True
            self._hurry.wait(0.1)

    def end(self) -> None:
        """Save for the last time, unless the start was not completed or the emulator is gone.

        Raises:
            LocalError: it cannot be saved.
        """
        self._ending.set()
        if not self._thread.ident:
            return
        self._thread.join()
        if not self._stack.running():
            return
        try:
            self._writes = -1  # whatever was written: a dead letter comes by no request
            self.save()
        except PROBLEMS as problem:
            raise LocalError(f"The last seconds could not be saved: {plain(problem)}.") from None
        self._saved.close()

    def save(self) -> None:
        """Save, if something was written since the last time.

        The records come first: what they refer to at Stripe is there by then, and of what Stripe is ahead it
        tells again after a restart.
        """
        at = time.time()
        partial = self._saved.begin()
        answer = self._tell("save", into=str(partial), unless=self._writes)
        if not answer["saved"]:
            self._saved.complete_at(at)
            return
        secrets = self._stack.client("secretsmanager")
        documents: Json = {
            SECRETS: {
                logical: secrets.get_secret_value(SecretId=name)["SecretString"]
                for logical, name in self._names["secrets"].items()
            }
        }
        if (stripe := self._stack.providers.stripe_state()) is not None:
            documents[STRIPE] = stripe
        self.newest = self._saved.commit(partial, documents, at=at)
        self._writes = answer["writes"]

    def _work(self) -> None:
        while not self._ending.wait(PERIOD_S):
            problem = ""
            try:
                self.save()
            except PROBLEMS as failed:
                problem = plain(failed)
            if problem and problem != self._problem and self._stack.running():
                self._report(f"Cannot save: {problem}. Until that is mended, a kill loses what is done here.")
            elif self._problem and not problem:
                self._report("Saving works again.")
            self._problem = problem

    def _tell(self, route: str, **order: Any) -> Json:
        """Call a route of `local.snapshot` for everything that is kept."""
        return self._stack.tell(route, objects=str(self._saved.objects), names=self._names, **order)


def plain(problem: Exception) -> str:
    """Return what went wrong in words, without the number of an error."""
    return str(getattr(problem, "strerror", None) or problem)
