"""The runbook, typed into a stack of its own from top to bottom: its commands run, and do what the page says."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.domain.plans import plan_named
from local.providers import STRIPE_KEY
from local.stack import LocalStack
from tests.e2e.conftest import WARM_SECONDS, be_patient
from tests.e2e.deployed import PATIENCE_SECONDS, Deployed
from tests.e2e.people import Member, me
from tests.e2e.shop import Buyer, Shop
from tests.support import runbook
from tests.support.client import Client, picture
from tests.support.runbook import Block, Shell
from tests.support.template import ROOT
from tests.support.warm_commands import serving

PAYER = "ada@example.com"
PRELUDE = 'make() { command make --no-print-directory -o venv -o venv-local "MODULE=$WARM" "$@"; }'
"""Everything is installed here, and loaded: starting Python some eighty times would take longer than all it does."""
LETTER = {"reason": "unknown_price", "about": "price_unknown", "context": {}, "at": 0}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack whose secrets, flags and books may be turned over."""
    patience = {"warm_seconds": WARM_SECONDS, "integration_seconds": PATIENCE_SECONDS}
    felt = {"FlagsFreshSeconds": "1"}
    state = tmp_path_factory.mktemp("runbook")
    with LocalStack(port=0, emulator_port=0, state=state, parameters=felt, **patience) as running:
        be_patient(running)
        yield running


class Scene:
    """The people and things that the runbook is about, and what is true after each of its sections."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack, self.deployed = stack, Deployed(stack)
        self.shop = Shop(self.deployed)
        self.payer = self.person("pro", PAYER, "127.4.0.1")
        self._addresses = (f"127.4.1.{number}" for number in range(1, 250))
        self.buyer = Buyer(self.shop, self.payer)
        self.known = {"user id": self.payer.user_id, "e-mail": PAYER}
        self._seeds = iter(range(50_000, 60_000))

    def person(self, plan: str, email: str | None = None, address: str = "") -> Member:
        """Somebody signed in."""
        client = self.visitor(address)
        return Member(client, client.login(plan, email))

    def visitor(self, address: str = "") -> Client:
        """Somebody new, in a network that nobody used before: what was tried before a change was felt is not theirs."""
        return Client(self.stack.url, address or next(self._addresses)).meet()

    def run(self, client: Client) -> Any:
        """Ask for a new picture."""
        return client.generate(picture(seed=next(self._seeds)))

    def becomes(self, client: Client, status: int, code: str = "") -> None:
        """A run is answered so, once the change is felt."""

        def look() -> bool:
            answer = self.run(client)
            said = answer.json().get("error", {}).get("code", "")
            return (answer.status_code, said) == (status, code)

        self.deployed.until(look, f"{status} {code}")

    # ----------------------------------------------------------------------------------- before sections

    def before_first_look(self) -> None:
        """Something happened, and its last line is in the log, which comes after the answer."""
        answer = self.run(self.payer.client)
        assert answer.status_code == 200, answer.text
        self.known |= {"request id": answer.headers["X-Request-Id"], "job id": answer.json()["data"]["jobId"]}
        logs, group = self.stack.client("logs"), self.stack.physical_id("FunctionLogs")
        pattern = f'{{ $.requestId = "{self.known["request id"]}" && $.status = 200 }}'
        self.deployed.until(
            lambda: logs.filter_log_events(logGroupName=group, filterPattern=pattern)["events"],
            "the line of the request",
        )

    def before_stuck_job(self) -> None:
        """A job that was held, whose machine then died, past its deadline."""
        deps = self.deployed.job_deps
        like = self.deployed.job(self.payer.owner, self.known["job id"])
        now, job_id = deps.now(), deps.new_id("job")
        hold = replace(like.items[0].hold, job_id=job_id)
        item = replace(
            like.items[0], status="processing", hold=hold, output=None, result_digest=deps.new_name()
        )
        stuck = replace(
            like, id=job_id, status="processing", kind="async", items=(item,), created_at=now - 400_000,
            updated_at=now - 400_000, deadline=now - 1_000,
        )  # fmt: skip
        entries = [deps.new_id("ent")]
        self.deployed.store.ledger.hold(
            stuck, plan=plan_named("pro"), key_hash=None, entry_ids=entries, now=now - 400_000
        )
        self.known["job id"] = job_id

    def before_refund(self) -> None:
        """They bought credits."""
        self.known["pi_…"] = self.buyer.intent(self.buyer.buys(100))
        assert self.buyer.balance.available == 1000

    def before_dead_letters(self) -> None:
        """Stripe said something strange."""
        queue = self.stack.physical_id("BillingDeadLetters")
        self.stack.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(LETTER))

    def before_ledger_difference(self) -> None:
        """Somebody edited money by hand."""
        table = self.deployed.store.table
        table.update(keys.account(self.payer.owner), "ADD spent :one", values={":one": 1})

    # ------------------------------------------------------------------------------------ after sections

    def after_i1_paying_plans(self) -> None:
        """Who pays is let in, who does not is told how."""
        self.becomes(self.person("free").client, 403, "not_in_cohort")
        self.becomes(self.payer.client, 200)

    def after_canary_5_10_50_100(self) -> None:
        """All whom the next phase would add are in."""
        self.becomes(self.person("free").client, 200)

    def after_i2_every_signedin_user(self) -> None:
        """Signed in is enough, a guest is not; the free day is smaller."""
        guest = self.visitor()
        self.becomes(guest, 403, "not_in_cohort")
        free = self.person("free").client
        self.deployed.until(lambda: free.usage()["usage"]["limit"] == 2, "the smaller day")

    def after_guests_if_at_all(self) -> None:
        """One picture a day for a guest."""
        guest = self.visitor()
        self.becomes(guest, 200)
        self.becomes(guest, 429, "daily_quota_exceeded")

    def after_roll_back_the_launch(self) -> None:
        """As in the first phase."""
        self.becomes(self.person("free").client, 403, "not_in_cohort")
        self.becomes(self.payer.client, 200)

    def after_roll_back_quotas(self) -> None:
        """One picture a day."""
        free = self.person("free").client
        self.deployed.until(lambda: free.usage()["usage"]["limit"] == 1, "the day of one")

    def after_roll_back_a_provider_or_a_model(self) -> None:
        """Nobody runs at Replicate, and the page knows."""

        def look() -> bool:
            found = self.payer.client.get("/api/ai-image/models").json()["data"]["models"]
            return not any(model["available"] for model in found if model["provider"] == "replicate")

        self.deployed.until(look, "Replicate off")

    def after_stop_everything_for_now(self) -> None:
        """And it goes on."""
        self.becomes(self.payer.client, 200)

    def after_stuck_job(self) -> None:
        """Failed, given back, free for the next one."""
        owner = self.payer.owner
        job = self.deployed.job(owner, self.known["job id"])
        assert (job.status, [item.error.code for item in job.items if item.error]) == (
            "failed",
            ["job_expired"],
        )
        assert self.deployed.kinds(owner, job) == {"hold": 1, "release": 1}
        assert self.deployed.balance(owner).held == 0
        assert self.deployed.open_jobs(owner) == 0

    def after_cost_spike(self) -> None:
        """Everything an administrator did is kept."""
        actions = [one["action"] for one in self.deployed.store.accounts.audit(self.payer.owner)]
        assert actions[:2] == ["unblock", "block"]
        self.becomes(self.payer.client, 200)

    def after_the_signing_key(self) -> None:
        """Nobody is signed out, guests keep their cookies."""
        assert me(self.payer.client)["id"] == self.payer.user_id
        kept = self.secret("SigningSecret")
        assert set(kept) == {"signing", "previous"}
        assert kept["signing"] != kept["previous"]

    def after_stripe_key_and_webhook(self) -> None:
        """Events signed with the secret before are still believed."""
        assert self.secret("StripeSecret")["webhookSecret"] == "whsec_new_of_stripe"
        owner, customer = self.shop.account()
        self.shop.do("pay", session=self.shop.session(owner, customer, _price("100"), pack="100"))
        self.deployed.until(lambda: self.deployed.balance(owner).available == 1000, "the credits")

    def after_refund(self) -> None:
        """The pack's credits went back with its money, and the gesture came once."""
        balance = self.buyer.balance
        assert (balance.available, balance.clawed_back, balance.granted) == (500, 1000, 500)

    def after_dead_letters(self) -> None:
        """Read and gone."""
        assert self.shop.letters(LETTER["about"]) == []  # type: ignore[arg-type]

    def after_ledger_difference(self) -> None:
        """Blocked until it is mended."""
        assert self.run(self.payer.client).status_code == 403

    def after_restore_from_a_backup(self) -> None:
        """The books add up, and the owner is let in again."""
        assert self.deployed.balance(self.payer.owner).difference == 0
        self.becomes(self.payer.client, 200)
        tables = self.stack.client("dynamodb").list_tables()["TableNames"]
        assert [name for name in tables if name.endswith("-restored")] == []

    def after_signin_administrators_blocked_owners(self) -> None:
        """Five credits fewer."""
        assert self.buyer.balance.available == 450

    def secret(self, name: str) -> dict[str, str]:
        """What is stored."""
        stored = self.stack.client("secretsmanager").get_secret_value(SecretId=self.stack.physical_id(name))
        found: dict[str, str] = json.loads(stored["SecretString"])
        return found


def test_the_runbook_does_what_it_says(stack: LocalStack, tmp_path: Path) -> None:
    """Launch, canary, roll back, stuck job, provider down, rotation, refund, ledger, restore: in one evening."""
    scene = Scene(stack)
    with serving(tmp_path) as (caller, variables):
        problems = typed(scene, environment(stack, tmp_path, caller) | variables)
    assert problems == [], "\n\n".join(problems)


def environment(stack: LocalStack, folder: Path, caller: list[str]) -> dict[str, str]:
    """What the operator's shell has: tools, the emulator's port, and what the providers gave out anew."""
    aws = folder / "bin/aws"
    aws.parent.mkdir()
    aws.write_text(f'#!/bin/sh\nexec {shlex.join(caller)} aws "$@"\n')
    aws.chmod(0o755)
    tools = os.pathsep.join((str(aws.parent), str(Path(sys.executable).parent), os.environ["PATH"]))
    return {
        "PATH": tools,
        "HOME": str(folder),
        "WARM": shlex.join(caller),
        "EMULATOR_PORT": str(stack.emulator_port),
        "STRIPE_API": stack.providers.stripe_url,
        "STRIPE_KEY": STRIPE_KEY,
        "REPLICATE_TOKEN": "r8_new",
        "REPLICATE_WEBHOOK": "whsec_bmV3",
        "REPLICATE_WEBHOOK_NEW": "whsec_bmV3ZXI=",
        "GOOGLE_SECRET": "new-secret-of-google",
        "STRIPE_WEBHOOK_NEW": "whsec_new_of_stripe",
    }


def typed(scene: Scene, env: Mapping[str, str]) -> list[str]:
    """Type every block that runs, with what comes before and must be true after its section; return what is wrong."""
    found = [block for block in runbook.blocks(runbook.PAGE.read_text("utf-8")) if block.runs]
    done: set[str] = set()
    problems: list[str] = []
    with Shell(env, PRELUDE, ROOT) as shell:
        for place, block in enumerate(found):
            name = _name(block.heading)
            if place == 0 or found[place - 1].heading != block.heading:
                _call(scene, f"before_{name}", done, problems)
            _typed(shell, block, scene, problems)
            if place + 1 == len(found) or found[place + 1].heading != block.heading:
                _call(scene, f"after_{name}", done, problems)
    hooks = {name for name in vars(Scene) if name.startswith(("before_", "after_"))}
    assert hooks - done == set(), "sections that were renamed"
    return problems


def _typed(shell: Shell, block: Block, scene: Scene, problems: list[str]) -> None:
    """Type a block as the reader would, and look at what it answers."""
    scene.shop.told()
    try:
        code = runbook.filled(block.code.replace("ENV=production", "ENV=local"), scene.known)
    except AssertionError as unknown:  # what comes before the section failed, and says why
        problems.append(f"## {block.heading}\n{unknown}")
        return
    output, failed = shell.type(code)
    left = runbook.missing(block.expected, output)
    if failed or left:
        problems.append(
            f"## {block.heading}\nfailed: {failed}\nnot said: {left}\n{code}--- answered\n{output}"
        )


def _call(scene: Scene, name: str, done: set[str], problems: list[str]) -> None:
    """Do what comes before a section, or look at what must be true after it."""
    if not (hook := getattr(scene, name, None)):
        return
    done.add(name)
    try:
        hook()
    except AssertionError as wrong:
        problems.append(f"{name}: {wrong}")


def _name(heading: str) -> str:
    return re.sub(r"\W+", "_", re.sub(r"[-,%:.]", "", heading.lower())).strip("_")


def _price(pack: str) -> str:
    from local.providers import PRICES

    table: dict[str, str] = PRICES["CreditsPricingTable"]
    return table[pack]
