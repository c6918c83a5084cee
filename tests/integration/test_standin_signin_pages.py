"""The pages of both sign-in stand-ins open, list everybody, and send the browser back by their form."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from local.standins.signin_flow import s256
from local.standins.started import StandIn

REDIRECT = "http://127.0.0.1:8787/api/auth/{}/callback"
AUTHORIZE = {"google": "/o/oauth2/v2/auth", "github": "/login/oauth/authorize"}
TITLES = {"google": "Stand-in for Google", "github": "Stand-in for GitHub"}
USERS = {
    "google": ["ada", "grace", "admin", "mallory"],
    "github": ["ada", "grace", "admin", "mallory", "hedy", "nora"],
}


class Page(HTMLParser):
    """The title, the form and its controls."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.title, self.form, self.fields = "", {}, []  # type: ignore[var-annotated]
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        if tag == "form":
            self.form = dict(attrs)
        if tag in ("input", "button"):
            self.fields.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        if self._tag == "title":
            self.title += data.strip()

    def users(self) -> list[str]:
        return [field["value"] for field in self.fields if field["name"] == "user"]

    def hidden(self) -> dict[str, str]:
        return {field["name"]: field["value"] for field in self.fields if field.get("type") == "hidden"}


@pytest.fixture(scope="module", params=["google", "github"])
def server(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, StandIn]]:
    with StandIn(request.param, [], log=tmp_path_factory.mktemp("signin") / "log") as started:
        yield request.param, started


@pytest.fixture
def name(server: tuple[str, StandIn]) -> str:
    return server[0]


@pytest.fixture
def provider(server: tuple[str, StandIn]) -> StandIn:
    server[1].reset()
    return server[1]


def opened(name: str, provider: StandIn, **changed: str) -> requests.Response:
    asked = {
        "client_id": f"local-{name}",
        "redirect_uri": REDIRECT.format(name),
        "response_type": "code",
        "scope": "openid email" if name == "google" else "user:email",
        "state": '"><script>alert(1)</script>',
        "code_challenge": s256("v" * 43),
        "code_challenge_method": "S256",
    } | changed
    return requests.get(provider.url + AUTHORIZE[name], params=asked, allow_redirects=False, timeout=60)


def submit(provider: StandIn, page: Page, **pressed: str) -> requests.Response:
    """Post the form as a browser does, with the button that was pressed."""
    assert page.form["method"] == "post"
    url, fields = provider.url + page.form["action"], page.hidden() | pressed
    return requests.post(url, data=fields, allow_redirects=False, timeout=60)


def told(response: requests.Response, name: str) -> dict[str, list[str]]:
    """What the application gets, at the address it registered."""
    assert response.status_code == 302
    where, _, query = response.headers["Location"].partition("?")
    assert where == REDIRECT.format(name)
    return parse_qs(query)


def test_the_page_says_what_it_is_and_lists_everybody(name: str, provider: StandIn) -> None:
    """A title, a viewport for phones, no script, no outside resource, nothing kept or framed."""
    answer = opened(name, provider)
    page = Page(answer.text)
    assert (answer.status_code, page.title, page.users()) == (200, TITLES[name], USERS[name])
    assert 'name="viewport"' in answer.text
    assert "<script" not in answer.text
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "style-src 'unsafe-inline'", "frame-ancestors 'none'"} <= set(policy)
    assert answer.headers["Cache-Control"] == "no-store"


def test_pressing_a_person_sends_code_and_state_back(name: str, provider: StandIn) -> None:
    """The state as it was, character by character."""
    back = told(submit(provider, Page(opened(name, provider).text), user="grace"), name)
    assert back["state"] == ['"><script>alert(1)</script>']
    assert back["code"][0]


def test_cancel_sends_access_denied_and_the_state_back(name: str, provider: StandIn) -> None:
    """And no code."""
    back = told(submit(provider, Page(opened(name, provider).text), cancel="1"), name)
    assert (back["error"], back["state"]) == (["access_denied"], ['"><script>alert(1)</script>'])
    assert "code" not in back


def test_a_fault_outlives_the_page(name: str, provider: StandIn) -> None:
    """A person who presses a button gets the wrong state that was scripted when the page opened."""
    provider.script("authorize", "wrong_state", state="forged")
    page = Page(opened(name, provider).text)
    assert told(submit(provider, page, user="ada"), name)["state"] == ["forged"]


def test_a_forged_or_stale_form_gives_no_redirect(name: str, provider: StandIn) -> None:
    """An unknown request, an unknown person, a request of before a reset, or another address slipped in."""
    page = Page(opened(name, provider).text)
    assert submit(provider, page, user="nobody").status_code == 400
    assert submit(provider, page, user="ada", asked="forged").status_code == 400
    slipped = submit(provider, page, user="ada", redirect_uri="https://evil.example/")
    assert urlsplit(slipped.headers["Location"]).netloc == "127.0.0.1:8787"
    provider.reset()
    assert submit(provider, page, user="ada").status_code == 400


def test_a_refusal_is_a_page_that_repeats_nothing_as_markup(name: str, provider: StandIn) -> None:
    """What was sent is shown as text, if at all."""
    answer = opened(name, provider, redirect_uri="<img src=x>")
    assert (answer.status_code, Page(answer.text).title) == (400, TITLES[name])
    assert "<img" not in answer.text
