"""The stand-ins of the providers from outside: their script, what they heard, and what a fault left in our books."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import count
from typing import Any

import requests
from PIL import Image

from enhancer.domain.jobs import Job
from enhancer.domain.owners import Owner
from enhancer.domain.periods import day_of
from enhancer.runtime import now
from local.providers import REPLICATE_TOKEN
from tests.e2e.deployed import Deployed
from tests.support.client import Client

REPLICATE, WORKERS = "replicate", "workers_ai"
OUTPUT = re.compile(r"/([0-9a-f]{48})/")
WATCHER = "watcher"
"""What we call ourselves where a request of ours would be written into a log that we count."""
PLANS = ("premium", "team")
"""So that two calls at a time can be told apart in the record of what they cost."""


class Channel:
    """The control channel of one stand-in."""

    def __init__(self, url: str) -> None:
        self.url = url

    def control(self, what: str, **order: Any) -> dict[str, Any]:
        """POST to ``/_ctl/<what>``."""
        answer = requests.post(f"{self.url}/_ctl/{what}", json=order, timeout=60)
        assert answer.ok, answer.text
        return dict(answer.json())

    def script(self, route: str, fault: str, **parameters: Any) -> None:
        """The next call of a route (the next ``times`` calls) plays a fault."""
        self.control("script", route=route, fault=fault, **parameters)

    def reset(self) -> None:
        """Forget faults, log, predictions and clock; whatever hangs is let go."""
        self.control("reset")

    def log(self) -> list[dict[str, Any]]:
        """Every request but our own, oldest first."""
        found = requests.get(f"{self.url}/_ctl/log", timeout=60).json()["requests"]
        return [call for call in found if call["headers"].get("user-agent") != WATCHER]

    def attempts(self) -> list[dict[str, Any]]:
        """Every attempt of Replicate to deliver the webhook of an end, with what came back."""
        found: list[dict[str, Any]] = requests.get(f"{self.url}/_ctl/deliveries", timeout=60).json()[
            "deliveries"
        ]
        return [sent for sent in found if sent["event"] != "start"]

    def predictions(self) -> list[dict[str, Any]]:
        """All predictions there are at Replicate, newest first."""
        headers = {"Authorization": f"Bearer {REPLICATE_TOKEN}", "User-Agent": WATCHER}
        found: list[dict[str, Any]] = requests.get(
            f"{self.url}/v1/predictions", headers=headers, timeout=60
        ).json()["results"]
        return found


class Canary:
    """A server that nobody should ever call: where a redirect of the delivery host leads to."""

    def __init__(self) -> None:
        heard: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                heard.append(dict(self.headers))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.heard = heard
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/output.png"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Hear nothing more."""
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class Calls:
    """What was asked of the providers, and how many predictions there are at Replicate because of it."""

    creates: int = 0
    gets: int = 0
    cancels: int = 0
    downloads: int = 0
    runs: int = 0
    made: int = 0

    def __str__(self) -> str:
        names = ("create", "get", "cancel", "download", "run")
        numbers = (self.creates, self.gets, self.cancels, self.downloads, self.runs)
        told = [
            f"{number} {name}{'s' * (number > 1)}"
            for number, name in zip(numbers, names, strict=True)
            if number
        ]
        return ", ".join(told) or "none"


@dataclass
class Lab:
    """A deployed stack and its providers. Whoever plays a fault holds its provider: faults are played in order."""

    deployed: Deployed
    fresh: Callable[[], Client]
    canary: Canary = field(default_factory=Canary)
    seeds: Iterator[int] = field(default_factory=lambda: count(20_000))

    def __post_init__(self) -> None:
        providers = self.deployed.stack.providers
        self.replicate, self.workers = Channel(providers.replicate_url), Channel(providers.workers_url)
        self._channels = {REPLICATE: self.replicate, WORKERS: self.workers}
        self._locks = {name: threading.Lock() for name in self._channels}
        self._delivery = providers.delivery_port

    @contextmanager
    def held(self, *names: str) -> Iterator[None]:
        """Have these providers for ourselves, with nothing scripted, heard or made."""
        with ExitStack() as held:
            for name in sorted(names):
                held.enter_context(self._locks[name])
                self._channels[name].reset()
            try:
                yield
            finally:
                for name in names:
                    self._channels[name].reset()

    def someone(self, plan: str = PLANS[0]) -> tuple[Client, Owner]:
        """A new browser, signed in, and who is in it."""
        client = self.fresh()
        return client, Owner("user", client.login(plan))

    def predictions_of(self, owner: Owner) -> list[dict[str, Any]]:
        """What there is at Replicate about pictures of this owner: their keys say whose they are."""
        return [found for found in self.replicate.predictions() if owner.id in json.dumps(found["input"])]

    def left_running(self, owner: Owner) -> int:
        """How many predictions of this owner go on at Replicate, a moment after all is over."""

        def left() -> list[str]:
            return [found["id"] for found in self.predictions_of(owner) if not found["completed_at"]]

        with suppress(AssertionError):
            self.deployed.until(lambda: not left(), "no prediction left")
        return len(left())

    def calls(self, owner: Owner, *names: str) -> Calls:
        """What these providers heard about an owner since they were taken. Runs do not say whose they are."""
        seen: Counter[str] = Counter()
        made = []
        if REPLICATE in names:
            made = self.predictions_of(owner)
            marks = [owner.id, *(found["id"] for found in made)]
            marks += [path for found in made for path in OUTPUT.findall(json.dumps(found["output"]))]
            log = [
                call for call in self.replicate.log() if any(m in call["path"] + call["body"] for m in marks)
            ]
            seen.update(self._kind(call) for call in log)
        if WORKERS in names:
            seen.update("runs" for call in self.workers.log() if "/ai/run/" in call["path"])
        seen.pop("", None)
        return Calls(**seen, made=len(made))

    def _kind(self, call: dict[str, Any]) -> str:
        path, is_post = call["path"], call["method"] == "POST"
        if call["port"] == self._delivery:
            return "downloads"
        if path.endswith("/cancel"):
            return "cancels"
        return "creates" if is_post else "gets"

    def check_tokens(self) -> None:
        """Nobody but the API ever saw a token, and nobody followed a redirect."""
        delivered = [call for call in self.replicate.log() if call["port"] == self._delivery]
        assert [call for call in delivered if "authorization" in call["headers"]] == []
        assert self.canary.heard == []

    def check_books(self, owner: Owner) -> None:
        """Nothing is held or open, every hold was resolved once, a failure costs nothing, a fallback never more."""
        deployed = self.deployed
        jobs = deployed.jobs_of(owner)
        assert [job.id for job in jobs if job.is_open or job.open_items] == []
        assert owner not in {job.owner for job in deployed.store.jobs.open()}
        assert deployed.open_jobs(owner) == 0
        balance, kinds = deployed.balance(owner), deployed.kinds(owner)
        assert balance.held == 0
        items = [item for job in jobs for item in job.items]
        for item in items:
            assert item.charge <= item.hold.total, item
            assert item.charge == 0 or item.status == "succeeded", item
        charge = sum(item.charge for item in items)
        assert balance.spent + deployed.used(owner)[1] == charge
        assert deployed.used(owner)[0] == sum(item.status == "succeeded" and not item.free for item in items)
        assert kinds["hold"] >= len(items)

    def booked(self, *providers: str, plan: str = "") -> Counter[str]:
        """What was booked today, USD micros by provider; only for owners of a plan, if one is given."""
        found: Counter[str] = Counter()
        for provider in providers:
            for record in self.deployed.store.table.under(f"COST#{day_of(now())}", f"{provider}#"):
                if not plan or f"#{plan}#" in record["sk"]:
                    found[provider] += record["micros"]
        return found

    def check_spending(self, unseen: int) -> None:
        """The cap counts what was booked, and ``unseen``: the estimates of predictions whose end nobody looked at."""
        total = self.deployed.job_deps.spend.total(day_of(now()))
        booked = sum(self.booked(REPLICATE, WORKERS).values())
        assert total == booked + unseen, (total, booked, unseen)

    def is_over(self, job: Job) -> Job:
        """The job once it ended, and its execution too where it has one: the last step books what it cost."""
        ended = self.deployed.ended(job.owner, job.id)
        if ended.kind == "async":
            self.deployed.over(ended)
        return self.deployed.job(job.owner, job.id)


def size_of(client: Client, url: str) -> tuple[int, int]:
    """Width and height of a result, which opens."""
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    with Image.open(BytesIO(answer.content)) as image:
        image.load()
        return image.size
