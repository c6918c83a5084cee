"""A function that is killed at any of its AWS calls charges nothing twice and loses nothing."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from enhancer.domain.jobs import DEADLINE_MS
from enhancer.domain.ledger import add_up
from enhancer.domain.owners import Owner
from enhancer.domain.periods import month_of
from enhancer.runtime import new_id, now
from local.deployment import REGION
from local.stack import LocalStack
from tests.e2e.crashing_function import KILLED
from tests.e2e.deployed import LATE_MS, Deployed, Store
from tests.support.client import Client, picture

ROOT = Path(__file__).resolve().parents[2]
BOUNDARY = "pixels"
BOUGHT = 50
PRICE = 10
CALLS = 16
"""AWS calls of one priced run: secret, session, account, rate, flags, earlier, hold (refused, standing, again),
original, model, its cost, settle, whether few credits are left, the notice of it, standing. The test below fails when
this number is wrong."""


@dataclass(frozen=True)
class Buyer:
    """A user whose month is used up and who lives on bought credits."""

    deployed: Deployed
    client: Client
    owner: Owner
    generate: subprocess.Popen[str]

    @property
    def stack(self) -> LocalStack:
        """The running stack."""
        return self.deployed.stack

    @property
    def store(self) -> Store:
        """What it stored."""
        return self.deployed.store

    def event(self, key: str, seed: int) -> dict[str, Any]:
        """The event API Gateway would send."""
        cookies = self.client.http.cookies.get_dict()
        body = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="p.png"\r\n\r\n'.encode()
            + picture(seed=seed)
            + f"\r\n--{BOUNDARY}--\r\n".encode()
        )
        path = "/api/ai-image/generate"
        return {
            "version": "2.0",
            "rawPath": path,
            "headers": {
                "origin": self.stack.url,
                "x-csrf-token": cookies["csrf_token"],
                "content-type": f"multipart/form-data; boundary={BOUNDARY}",
                "idempotency-key": key,
            },
            "cookies": [f"{name}={value}" for name, value in cookies.items()],
            "requestContext": {
                "http": {"method": "POST", "path": path, "sourceIp": "127.0.0.1"},
                "requestId": "crash",
                "stage": "$default",
            },
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }

    def run(self, event: dict[str, Any], call: int = 0, moment: str = "before") -> tuple[int, dict[str, Any]]:
        """Run the generate function in a process of its own; return its exit code and what came of it."""
        assert self.generate.stdin
        assert self.generate.stdout
        self.generate.stdin.write(json.dumps({"event": event, "call": call, "moment": moment}) + "\n")
        self.generate.stdin.flush()
        told = json.loads(self.generate.stdout.readline())
        return told.pop("code"), told

    def check_books(self, *, spent: int, held: int) -> None:
        """The balance adds up, and so do the entries."""
        balance = self.store.ledger.usage_and_balance(self.owner, now=now()).balance
        assert (balance.available, balance.held, balance.spent) == (BOUGHT - spent - held, held, spent)
        assert balance.difference == 0
        assert add_up(self.store.ledger.entries(self.owner)) == balance

    def sweep_later(self) -> None:
        """What the schedule does once the deadline has passed."""
        self.deployed.sweep(LATE_MS)


@pytest.fixture(scope="module")
def generate(deployed: Deployed) -> Iterator[subprocess.Popen[str]]:
    """The generate function outside the emulator, with the environment of the deployed one."""
    stack = deployed.stack
    function = deployed.functions.get_function_configuration(FunctionName=stack.physical_id("Generate"))
    environment = {
        **function["Environment"]["Variables"],
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "layers/common"),
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    command = [sys.executable, str(ROOT / "tests/e2e/crashing_function.py"), "generate"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def buyer(deployed: Deployed, fresh_client: Callable[[], Client], generate: subprocess.Popen[str]) -> Buyer:
    """A premium user with 0 of the month and 5 bought credits left."""
    client, store = fresh_client(), deployed.store
    owner = Owner("user", client.login("premium"))
    used_up = {"pk": f"OWNER#user#{owner.id}", "sk": f"USAGE#{month_of(now())}", "used": 10_000}
    store.table.put(used_up)
    store.ledger.grant(
        owner, BOUGHT, source="test", reason="test", actor="test", entry_id=new_id("ent"), now=now()
    )
    return Buyer(deployed, client, owner, generate)


def test_undisturbed_run_makes_the_calls_that_are_crashed_below(buyer: Buyer) -> None:
    """The crash tests cover every AWS call of a run that spends bought credits."""
    code, printed = buyer.run(buyer.event("whole", seed=500))
    assert (code, printed["answer"]["statusCode"], printed["calls"]) == (0, 200, CALLS)
    buyer.check_books(spent=PRICE, held=0)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_killed_run_is_charged_at_most_once_and_gives_back_what_it_held(
    buyer: Buyer, call: int, moment: str
) -> None:
    """Dead before or after any call: the books hold at once, the sweep frees the hold, a retry costs once."""
    event = buyer.event("same key", seed=500)
    code, _ = buyer.run(event, call, moment)
    assert code == KILLED
    kinds = [entry.kind for entry in buyer.store.ledger.entries(buyer.owner)][1:]
    assert kinds in ([], ["hold"], ["hold", "settle"])
    settled, held = "settle" in kinds, kinds == ["hold"]
    buyer.check_books(spent=PRICE * settled, held=PRICE * held)
    open_jobs = [
        job for job in buyer.store.jobs.overdue(now=now() + DEADLINE_MS + 1) if job.owner == buyer.owner
    ]
    assert len(open_jobs) == held
    buyer.sweep_later()
    buyer.sweep_later()
    buyer.check_books(spent=PRICE * settled, held=0)
    again = buyer.event("another key", seed=500)
    code, printed = buyer.run(again)
    assert (code, printed["answer"]["statusCode"]) == (0, 200)
    assert json.loads(printed["answer"]["body"])["data"]["deduplicated"] is settled
    buyer.check_books(spent=PRICE, held=0)
