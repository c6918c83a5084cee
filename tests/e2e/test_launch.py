"""The launch as an operator plays it: phase by phase with a client of each kind, and back again within a minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from enhancer.adapters.dynamodb import keys
from enhancer.domain.flags import CANARY_STEPS, canary_step
from enhancer.domain.owners import Owner
from enhancer.runtime import new_name, now
from local.stack import LocalStack
from ops import flags as operator
from tests.e2e.conftest import FLAGS_FRESH_SECONDS, Store
from tests.e2e.deployed import Deployed
from tests.e2e.gate import gate
from tests.e2e.people import Member, Program, member
from tests.support.client import Client, picture

API, FELT_SECONDS = "/api/ai-image", 60
IN, OUT, PAUSED = "in", "not_in_cohort", "runs_paused"
DOORS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("generate", {}, "image_missing"),
    ("jobs", {"items": [{"uploadKey": "none"}]}, "upload_not_found"),
    ("uploads", {"contentType": "image/png", "size": 5}, ""),
)
"""Where something would run: path, a body that is refused a step later or harmless, and with which code."""


@dataclass(frozen=True)
class Visitor:
    """Somebody who asks at every door."""

    name: str
    owner: Owner
    ask: Callable[[str, str, dict[str, Any] | None], requests.Response]
    client: Client

    def usage(self) -> dict[str, Any]:
        """What they are told about themselves."""
        data: dict[str, Any] = self.ask("GET", "usage", None).json()["data"]
        return data

    def met(self) -> str:
        """What all doors say alike: in, or the code of the refusal."""
        found = set()
        for path, body, later in DOORS:
            answer = self.ask("POST", path, body)
            code = answer.json()["error"]["code"] if answer.status_code >= 400 else ""
            found.add(IN if code == later else code)
        refusal = self.ask("POST", "quote", {}).json()["data"]["refusal"]
        found.add(refusal["code"] if refusal and refusal["code"] in (OUT, PAUSED) else IN)
        access = self.usage()["access"]
        found.add(OUT if not access["admitted"] else PAUSED if access["paused"] else IN)
        (met,) = found
        return met


def by_cookie(client: Client) -> Callable[[str, str, dict[str, Any] | None], requests.Response]:
    """How a browser asks."""

    def ask(method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        return client.get(f"{API}/{path}") if method == "GET" else client.post(f"{API}/{path}", json=body)

    return ask


def by_key(program: Program) -> Callable[[str, str, dict[str, Any] | None], requests.Response]:
    """How a program asks."""
    return lambda method, path, body: program.call(method, f"{API}/{path}", json=body)


class Launch:
    """The operator, everybody who wants in, and the time each change took to be felt."""

    def __init__(self, boss: Member, visitors: list[Visitor], deployed: Deployed) -> None:
        self.boss, self.deployed = boss, deployed
        self.visitors = {visitor.name: visitor for visitor in visitors}
        self.seconds: list[float] = []

    def change(self, **what: Any) -> dict[str, Any]:
        """Change flags as an administrator does."""
        answer = self.boss.client.post("/api/admin/flags", json={**what, "reason": "the launch"})
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def felt(self, *admitted: str, unasked: str = "") -> None:
        """Once the flags are read again, these are let in at every door and all others are not."""
        started = time.monotonic()
        time.sleep(FLAGS_FRESH_SECONDS)  # by then every warm function must look again, whatever it did before
        asked = {name: one for name, one in self.visitors.items() if name != unasked}
        for visitor in asked.values():
            self._forget_rates(visitor)
        found = {name: visitor.met() for name, visitor in asked.items()}
        assert found == {name: IN if name in admitted else OUT for name in asked}
        self.seconds.append(time.monotonic() - started)

    def _forget_rates(self, visitor: Visitor) -> None:
        """Nobody here asks too often; how often they may is shown elsewhere."""
        table = self.deployed.store.table
        for record in list(table.under(keys.account(visitor.owner)["pk"], "RATE#")):
            table.delete({"pk": record["pk"], "sk": record["sk"]})
        self.deployed.forget_network(visitor.client.address, "RATE#")


def at_step(low: int, high: int) -> Owner:
    """A new user whose place in the canary lies between two percentages."""
    while True:
        owner = Owner("user", new_name())
        if low <= canary_step(owner) * 100 / CANARY_STEPS < high:
            return owner


def signed_in(make: Callable[[], Client], store: Store, owner: Owner, email: str = "") -> Member:
    """A free user with this id, in a browser."""
    client, token = make(), new_name() + new_name()
    store.accounts.open(owner, plan="free", role="user", email=email or None, now=now())
    store.accounts.start_session(owner, token, now=now())
    client.http.cookies.set("session_id", token, domain="127.0.0.1", path="/")
    assert client.usage()["ownerType"] == "user"
    return Member(client, owner.id)


@pytest.fixture
def launch(fresh_client: Callable[[], Client], store: Store, deployed: Deployed) -> Iterator[Launch]:
    """Before the launch; afterwards everybody is let in again, and every function knows."""
    people = {
        "invited": signed_in(fresh_client, store, at_step(50, 100), "ada@launch.example"),
        "paying": member(fresh_client, "pro"),
        "in 10 %": signed_in(fresh_client, store, at_step(0, 10)),
        "in 50 %": signed_in(fresh_client, store, at_step(10, 50)),
        "outside": signed_in(fresh_client, store, at_step(50, 100)),
    }
    visitors = [Visitor(name, one.owner, by_cookie(one.client), one.client) for name, one in people.items()]
    for name in ("paying", "outside"):
        one = people[name]
        visitors.append(Visitor(f"{name}, key", one.owner, by_key(one.program()), one.client))
    guest = fresh_client()
    owner = Owner("guest", guest.http.cookies["guest_id"].partition(".")[0])
    visitors.append(Visitor("guest", owner, by_cookie(guest), guest))
    yield Launch(member(fresh_client, "enterprise", role="admin"), visitors, deployed)
    store.table.delete(keys.flags())
    time.sleep(FLAGS_FRESH_SECONDS)


I1 = ("invited", "paying", "paying, key")
I2 = (*I1, "in 10 %", "in 50 %", "outside", "outside, key")
MakeFlags = Callable[..., str]


@pytest.fixture
def make_flags(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> MakeFlags:
    """``make flags ENV=local`` with these words; returns what it prints."""
    monkeypatch.setenv("EMULATOR_PORT", str(stack.emulator_port))

    def run(**environ: str) -> str:
        assert operator.main([], {"ENV": "local", **environ}) == 0
        return capsys.readouterr().out

    return run


def test_a_launch_in_phases_and_its_rollback_are_felt_everywhere_within_a_minute(
    launch: Launch, make_flags: MakeFlags
) -> None:
    """Without a deployment; who was let in and has a run under way gets it after the rollback."""
    version = start(launch, make_flags)
    widen(launch)
    let_guests_in(launch)
    switch_a_provider_off(launch)
    go_back(launch, make_flags, version)
    pause(launch, make_flags)
    assert max(launch.seconds) < FELT_SECONDS


def start(launch: Launch, make_flags: MakeFlags) -> str:
    """I1, from a shell: invited and paying, all others are refused politely; returns the version."""
    assert "phase          open" in make_flags()
    told = make_flags(DO="set", SET="phase=I1 invited+=Ada@launch.example", REASON="launch")
    assert "phase: open -> I1" in told
    launch.felt(*I1)
    for name, cohort in (("guest", "C3"), ("outside", "C2")):
        client = launch.visitors[name].client
        refused = client.generate(picture(), headers={"Accept-Language": "de"})
        details = refused.json()["error"]["details"]
        assert (refused.status_code, details["cohort"]) == (403, cohort)
        assert details["upgradeUrl"] == "/de/pricing"
        assert client.get(details["upgradeUrl"]).status_code == 200
    assert launch.visitors["paying"].client.generate(picture(seed=801)).status_code == 200
    return str(launch.boss.client.get("/api/admin/flags").json()["data"]["version"])


def widen(launch: Launch) -> None:
    """A growing share of the free users, then all of them."""
    launch.change(canaryPercent=10)
    launch.felt(*I1, "in 10 %")
    launch.change(canaryPercent=50)
    launch.felt(*I1, "in 10 %", "in 50 %")
    launch.change(phase="I2", canaryPercent=0)
    launch.felt(*I2)


def let_guests_in(launch: Launch) -> None:
    """One picture a day each."""
    launch.change(guests={"on": True})
    launch.felt(*I2, "guest")
    guest = launch.visitors["guest"]
    assert guest.usage()["usage"]["limit"] == 1
    assert guest.client.generate(picture(seed=802)).status_code == 200
    full = guest.client.generate(picture(seed=803))
    assert (full.status_code, full.json()["error"]["details"]["limit"]) == (429, 1)


def switch_a_provider_off(launch: Launch) -> None:
    """Its models are refused; the embedded one goes on."""
    launch.change(off=["replicate"])
    launch.felt(*I2, unasked="guest")  # who has used up their day
    client = launch.visitors["paying"].client
    hosted = client.generate(picture(seed=804), model="real-esrgan")
    assert (hosted.status_code, hosted.json()["error"]["code"]) == (403, "provider_disabled")
    assert client.generate(picture(seed=804)).status_code == 200


def go_back(launch: Launch, make_flags: MakeFlags, version: str) -> None:
    """To I1, from a shell, while somebody's picture is made who is not let in any more."""
    deployed, outside = launch.deployed, launch.visitors["outside"]
    with gate(deployed, "FinishItem") as shut:
        job_id = outside.client.start(image=picture(seed=805)).json()["data"]["id"]
        shut.wait_for(1, job_id)
        told = make_flags(DO="rollback", VERSION=version, REASON="too many errors")
        assert "phase: I2 -> I1" in told
        assert 'off: ["replicate"] -> []' in told
        launch.felt(*I1)
        assert deployed.job(outside.owner, job_id).is_open
    done = deployed.ended(outside.owner, job_id)
    assert done.status == "succeeded"
    assert deployed.kinds(outside.owner, done) == {"hold": 1, "settle": 1}
    assert outside.client.get(outside.client.job(job_id)["output"]["url"]).status_code == 200


def pause(launch: Launch, make_flags: MakeFlags) -> None:
    """Nothing new at all, then as before the pause."""
    launch.change(jobsPaused=True)
    time.sleep(FLAGS_FRESH_SECONDS)
    paying = launch.visitors["paying"]
    refused = paying.client.generate(picture(seed=806))
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
    assert paying.met() == PAUSED
    make_flags(DO="rollback", REASON="repaired")
    launch.felt(*I1)
    assert "too many errors" in make_flags(DO="history")
