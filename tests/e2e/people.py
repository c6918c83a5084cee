"""People at the end-to-end tests: browsers that sign in at the stand-ins, programs with a key, administrators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
import requests

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.table import Table
from enhancer.domain.owners import Owner
from enhancer.domain.periods import day_of, month_of
from enhancer.runtime import now
from local.stack import LocalStack
from tests.e2e.deployed import Store
from tests.support.client import Client

Provider = Literal["google", "github"]
SUBJECTS = {
    "google": [f"11000000000000000000{number}" for number in range(1, 5)],
    "github": [str(number) for number in range(1001, 1007)],
}
"""The ids of the stand-ins' people."""
ASKED_BY_PERSON = {"Accept": "text/html,application/xhtml+xml"}


@dataclass(frozen=True)
class Door:
    """Signing in at one of the stand-ins, step by step. ``seen``: every Location header of ours and of theirs."""

    stack: LocalStack
    seen: list[str]

    def login(self, browser: Client, provider: Provider, query: str = "", **headers: str) -> str:
        """Ask to sign in; return where the browser is sent."""
        answer = browser.get(f"/api/auth/{provider}/login{query}", headers=headers)
        assert answer.status_code == 302, answer.text
        return self._noted(answer)

    def begin_link(self, browser: Client, provider: Provider, **body: str) -> str:
        """Ask to add a way to sign in, as our page does; return where the browser is sent."""
        answer = browser.post(f"/api/auth/{provider}/link", json=body)
        assert answer.status_code == 200, answer.text
        self.seen.append(answer.json()["url"])
        return self.seen[-1]

    def link(self, browser: Client, who: str, provider: Provider) -> requests.Response:
        """All of it; return the answer to the last step."""
        return self.back(browser, self.consent(self.begin_link(browser, provider), who))

    def consent(self, url: str, who: str) -> str:
        """Agree at the stand-in; return the path and query it sends the browser back to."""
        answer = requests.get(f"{url}&login_hint={who}&auto=1", allow_redirects=False, timeout=30)
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["Location"])
        assert f"{back.scheme}://{back.netloc}" == self.stack.url
        return f"{back.path}?{back.query}"

    def back(self, browser: Client, path: str, **headers: str) -> requests.Response:
        """Come back with what the stand-in gave."""
        answer = browser.get(path, headers=headers)
        if "Location" in answer.headers:
            self._noted(answer)
        return answer

    def sign_in(
        self, browser: Client, who: str = "ada", provider: Provider = "google", query: str = ""
    ) -> requests.Response:
        """All of it; return the answer to the last step."""
        return self.back(browser, self.consent(self.login(browser, provider, query), who))

    def script(self, provider: Provider, route: str, fault: str, **more: Any) -> None:
        """Let the stand-in play a fault once."""
        order = {"route": route, "fault": fault, **more}
        answer = requests.post(f"{self._channel(provider)}/script", json=order, timeout=30)
        assert answer.ok, answer.text

    def reset(self) -> None:
        """Nothing is scripted any more."""
        for provider in ("google", "github"):
            assert requests.post(f"{self._channel(provider)}/reset", timeout=30).ok

    def _channel(self, provider: Provider) -> str:
        places = self.stack.providers
        return f"{places.google_url if provider == 'google' else places.github_url}/_ctl"

    def _noted(self, answer: requests.Response) -> str:
        self.seen.append(answer.headers["Location"])
        return self.seen[-1]


def forget_everybody(table: Table) -> None:
    """Let nobody at the stand-ins have an account here, or have had one today."""
    for period in (day_of(now()), month_of(now())):
        for record in list(table.everywhere(f"USAGE#{period}")):
            if record["pk"].startswith("IDENTITY#"):
                table.delete({"pk": record["pk"], "sk": record["sk"]})
    for provider, subjects in SUBJECTS.items():
        for subject in subjects:
            table.delete(keys.identity(provider, subject))


def identities(table: Table) -> dict[str, str]:
    """Who of the stand-ins' people has an account: ``<provider>#<subject>`` -> user."""
    found = {}
    for provider, subjects in SUBJECTS.items():
        for subject in subjects:
            record = table.get(keys.identity(provider, subject))
            if record:
                found[f"{provider}#{subject}"] = record["user"]
    return found


def me(client: Client) -> dict[str, Any]:
    """Who this browser is."""
    answer = client.get("/api/auth/me")
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def delete(client: Client, path: str, *, headers: dict[str, str | None] | None = None) -> requests.Response:
    """DELETE as our own page would; ``headers`` with the value None are left out."""
    token = client.http.cookies.get("csrf_token", "")
    sent: dict[str, Any] = {"Origin": client.url, "X-CSRF-Token": token, **(headers or {})}
    return client.http.delete(client.url + path, headers=sent, timeout=60)


@dataclass(frozen=True)
class Member:
    """Somebody signed in, with a browser of their own."""

    client: Client
    user_id: str

    @property
    def owner(self) -> Owner:
        """Their partition."""
        return Owner("user", self.user_id)

    def new_key(self, *scopes: str, cap: int | None = None, name: str = "tests") -> dict[str, Any]:
        """Make an API key; return it with its secret."""
        body = {"name": name, "scopes": scopes or ("read", "generate"), "monthlyCredits": cap}
        answer = self.client.post("/api/auth/keys", json=body)
        assert answer.status_code == 201, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def program(self, *scopes: str, cap: int | None = None) -> Program:
        """A program with a new key."""
        return Program(self.client.url, self.new_key(*scopes, cap=cap)["secret"], self.client)


@dataclass(frozen=True)
class Program:
    """Calls without cookies and without Origin, with an API key."""

    url: str
    secret: str
    client: Client

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request from the address of the key's owner."""
        headers = {"Authorization": f"Bearer {self.secret}", **more.pop("headers", {})}
        bare = Client(self.url, self.client.address)
        return bare.http.request(
            method, bare.at(path), headers=headers, timeout=90, allow_redirects=False, **more
        )

    def generate(self, image: bytes, **fields: str) -> requests.Response:
        """Enhance a picture."""
        return self.call("POST", "/api/ai-image/generate", files={"image": ("photo.png", image)}, data=fields)


def member(make: Callable[[], Client], plan: str = "pro", *, role: str = "user", email: str = "") -> Member:
    """Somebody new with this plan."""
    client = make()
    body = {"plan": plan, "role": role, **({"email": email} if email else {})}
    answer = client.post("/api/debug-login", json=body)
    assert answer.status_code == 200, answer.text
    return Member(client, str(answer.json()["data"]["userId"]))


def refused(answer: requests.Response, status: int, code: str) -> bool:
    """Whether this is exactly that refusal; says what it is if not."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), answer.text
    return True


@pytest.fixture(name="door")
def door_fixture(stack: LocalStack, store: Store) -> Iterator[Door]:
    """Both stand-ins as they start, and nobody of theirs known here; no Location may ever carry a secret of ours."""
    forget_everybody(store.table)
    opened = Door(stack, [])
    opened.reset()
    yield opened
    opened.reset()
    ours = [place for place in opened.seen if not place.startswith("http")]
    assert not [place for place in ours if "code=" in place or "state=" in place or "token" in place]


def stays_outside(browser: Client, store: Store) -> bool:
    """Whether this browser is a guest, and nobody got an account."""
    assert "session_id" not in browser.http.cookies
    assert me(browser)["signedIn"] is False
    assert identities(store.table) == {}
    return True
