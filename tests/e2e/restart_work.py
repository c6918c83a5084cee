"""Work for a local stack that is stopped in the middle of it: what it promised to whom, and if that still holds."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

from enhancer.domain.owners import Owner
from local.stack import LocalStack
from tests.e2e.deployed import LATE_MS, Deployed
from tests.support.client import Client, picture

PACK = 100
AGAIN_S = 60.0
"""How long an event of Stripe may take to be told again after a start."""


@dataclass(frozen=True)
class Promise:
    """Something that the product has answered for: of which kind, to whom, and when (monotonic seconds).

    ``about``: the id of the job or session, the path of the picture; ``content``: the picture's hash.
    """

    kind: str
    client: Client
    at: float
    about: str = ""
    content: str = ""

    def kept(self) -> bool:
        """Whether the product still knows."""
        if self.kind == "account":
            return bool(self.client.usage()["ownerType"] == "user")
        if self.kind == "picture":
            found = self.client.get(self.about)
            return found.status_code == 200 and digest(found.content) == self.content
        found = self.client.get(f"/api/ai-image/jobs/{self.about}")
        if self.kind == "job":
            return found.status_code == 200
        return found.status_code == 200 and found.json()["data"]["status"] == "succeeded"


@dataclass
class Shift:
    """One account and three people who use it at once until they are told to stop or the stack is gone.

    ``promises``: in the order in which they were given.
    """

    stack: LocalStack
    number: int
    promises: list[Promise] = field(default_factory=list)
    owner: Owner | None = None

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._client = Client(self.stack.url, f"127.3.{self.number // 250}.{self.number % 250 + 1}")
        self._threads = [
            threading.Thread(target=self._work, args=(one,), daemon=True) for one in self._jobs()
        ]

    def start(self) -> None:
        """Open the account, and begin to work in the background."""
        self._client.meet()
        self.owner = Owner("user", self._client.login("pro"))
        self._promise("account", self._client)
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop working."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _jobs(self) -> Iterator[Callable[[Client, int], None]]:
        yield self._enhance
        yield self._hand_in
        yield self._buy

    def _work(self, do: Callable[[Client, int], None]) -> None:
        client, turn = self._client.copy(), 0
        while not self._over.is_set():
            turn += 1
            with suppress(
                requests.RequestException, ValueError, KeyError, AssertionError
            ):  # it is being killed
                do(client, turn)
            self._over.wait(0.1)

    def _enhance(self, client: Client, turn: int) -> None:
        answer = client.generate(picture(seed=self.number * 400 + turn))
        if answer.status_code == 200:
            path = answer.json()["data"]["imageUrl"]
            found = client.get(path)
            if found.status_code == 200:
                self._promise("picture", client, path, digest(found.content))

    def _hand_in(self, client: Client, turn: int) -> None:
        photo = picture(seed=self.number * 400 + 200 + turn)
        answer = client.start(image=photo, model="real-esrgan" if turn % 2 else "local")
        if answer.status_code != 202:
            return
        job = answer.json()["data"]["id"]
        self._promise("job", client, job)
        while not self._over.wait(0.3):
            status = client.job(job)["status"]
            if status == "succeeded":
                self._promise("result", client, job)
            if status not in ("queued", "processing"):
                return

    def _buy(self, client: Client, turn: int) -> None:
        if turn > 4:
            self._over.wait()
        key = {"Idempotency-Key": f"{self.number}-{turn}"}
        answer = client.post("/api/billing/credits", json={"pack": PACK}, headers=key)
        if answer.status_code == 200:
            session = urlsplit(answer.json()["url"]).path.rsplit("/", 1)[-1]
            requests.post(
                f"{self.stack.providers.stripe_url}/_ctl/pay", json={"session": session}, timeout=60
            ).raise_for_status()

    def _promise(self, kind: str, client: Client, about: str = "", content: str = "") -> None:
        self.promises.append(Promise(kind, client.copy(), time.monotonic(), about, content))


def digest(content: bytes) -> str:
    """The hash of a picture."""
    return hashlib.sha256(content).hexdigest()


def check_money(stack: LocalStack, owners: list[Owner]) -> int:
    """Every book adds up, and everything paid at Stripe is granted, once, soon; return how many purchases that are."""
    deployed = Deployed(stack)
    found = requests.get(f"{stack.providers.stripe_url}/_ctl/objects/checkout.session", timeout=60).json()
    paid = [
        one["metadata"]["owner"] for one in found["objects"] if one["payment_status"] == "paid"
    ]  # what Stripe forgot with us never happened
    end = time.monotonic() + AGAIN_S
    for owner in owners:
        if deployed.store.accounts.get(owner) is None:
            assert owner.id not in paid, f"{owner.id} has paid and is gone"
            continue
        while deployed.kinds(owner)["purchase"] < paid.count(owner.id) and time.monotonic() < end:
            time.sleep(0.2)
        assert deployed.kinds(owner)["purchase"] == paid.count(owner.id), owner
        assert deployed.balance(owner).purchased == paid.count(owner.id) * PACK * 10
    return len(paid)


def check_nothing_hangs(stack: LocalStack, owners: list[Owner]) -> None:
    """Once the sweep's hour has come, no job is open and nothing is held."""
    deployed = Deployed(stack)
    deployed.sweep(LATE_MS)
    for owner in owners:
        if deployed.store.accounts.get(owner) is None:
            continue
        assert deployed.balance(owner).held == 0
        assert [job.id for job in deployed.jobs_of(owner) if job.is_open] == []
