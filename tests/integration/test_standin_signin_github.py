"""The GitHub stand-in keeps to GitHub's ways: errors as 200, PKCE where it was begun, addresses on another route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests

from local.standins.signin_flow import s256
from local.standins.started import StandIn

REDIRECT = "http://127.0.0.1:8787/api/auth/github/callback"
VERIFIER = "a-verifier-of-at-least-43-characters-0123456789"
PKCE = {"code_challenge": s256(VERIFIER), "code_challenge_method": "S256"}
JSON = {"Accept": "application/json"}
BAD_CODE = "bad_verification_code"
SEVERAL = {
    "authorize": ("GET", "/login/oauth/authorize"),
    "choose": ("POST", "/choose"),
    "token": ("POST", "/login/oauth/access_token"),
    "user": ("GET", "/user"),
    "emails": ("GET", "/user/emails"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn("github", [], log=tmp_path_factory.mktemp("github") / "log") as started:
        yield started


@pytest.fixture
def github(server: StandIn) -> StandIn:
    server.reset()
    return server


def authorize(github: StandIn, **changed: Any) -> requests.Response:
    good = {"client_id": "local-github", "redirect_uri": REDIRECT, "scope": "user:email", "state": "s-1"}
    asked = {name: value for name, value in (good | PKCE | changed).items() if value is not None}
    url = f"{github.url}/login/oauth/authorize"
    return requests.get(url, params=asked, allow_redirects=False, timeout=60)


def answered(response: requests.Response) -> dict[str, str]:
    """What the application is told through the browser."""
    assert response.status_code == 302
    query = parse_qs(urlsplit(response.headers["Location"]).query, strict_parsing=True)
    return {name: value for name, (value,) in query.items()}


def code(github: StandIn, user: str = "ada@example.com", **changed: Any) -> str:
    told = answered(authorize(github, login_hint=user, auto="1", **changed))
    assert set(told) == {"state", "code"}
    return told["code"]


def redeem(github: StandIn, given: str | None, headers: Any = JSON, **changed: Any) -> requests.Response:
    body = {"client_id": "local-github", "client_secret": "github-secret", "code": given}
    body |= {"redirect_uri": REDIRECT, "code_verifier": VERIFIER} | changed
    sent = {name: value for name, value in body.items() if value is not None}
    url = f"{github.url}/login/oauth/access_token"
    return requests.post(url, data=sent, headers=headers, timeout=60)


def error(answer: requests.Response) -> str:
    """The code of a refusal, which comes as 200."""
    document = answer.json()
    assert (answer.status_code, set(document)) == (200, {"error", "error_description"})
    return str(document["error"])


def get(github: StandIn, path: str, token: str, **headers: Any) -> requests.Response:
    bearer = {"Authorization": f"Bearer {token}"}
    return requests.get(github.url + path, headers=bearer | headers, timeout=60)


def token_of(github: StandIn, user: str = "ada", **changed: Any) -> str:
    return str(redeem(github, code(github, user, **changed)).json()["access_token"])


def test_a_token_comes_as_json_only_when_asked_for(github: StandIn) -> None:
    """Else as a form, errors included; both with 200."""
    answer = redeem(github, code(github)).json()
    assert (answer["token_type"], answer["scope"], answer["access_token"][:4]) == (
        "bearer",
        "user:email",
        "gho_",
    )
    form = redeem(github, code(github), headers=None)
    assert form.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(form.text)).keys() == answer.keys()
    wrong = redeem(github, "unknown", headers={"Accept": "*/*"})
    assert (wrong.status_code, dict(parse_qsl(wrong.text))["error"]) == (200, BAD_CODE)


@pytest.mark.parametrize(
    "redirect",
    [
        "", f"{REDIRECT}/", f"{REDIRECT}/below", f"{REDIRECT}.evil.example", f"{REDIRECT}?next=x",
        REDIRECT[:-1], REDIRECT.replace("http:", "https:"), REDIRECT.replace("127.0.0.1", "localhost"),
        REDIRECT.replace("127.0.0.1", "127.0.0.1.evil.example"), f"https://evil.example/?{REDIRECT}",
    ],
)  # fmt: skip
def test_a_redirect_that_is_not_exactly_registered_gets_no_redirect(github: StandIn, redirect: str) -> None:
    """Neither a longer nor a shorter nor a similar one."""
    answer = authorize(github, redirect_uri=redirect, login_hint="ada", auto="1")
    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    assert "redirect_uri_mismatch" in answer.text


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"client_id": "other"}, 404),
        ({"client_id": None}, 404),
        ({"code_challenge_method": "plain"}, 400),
        ({"code_challenge_method": None}, 400),
        ({"code_challenge": None}, 400),
        ({"code_challenge": "short"}, 400),
        ({"redirect_uri": [REDIRECT, "https://evil.example"]}, 400),
    ],
)
def test_a_request_that_is_wrong_gets_a_page_and_no_redirect(
    github: StandIn, changed: dict[str, Any], status: int
) -> None:
    """An unknown application, and PKCE other than S256."""
    answer = authorize(github, **changed, login_hint="ada", auto="1")
    assert (answer.status_code, "Location" in answer.headers) == (status, False)


def test_without_a_redirect_the_registered_one_is_taken(github: StandIn) -> None:
    """In both requests."""
    answer = authorize(github, redirect_uri=None, login_hint="ada", auto="1")
    assert answer.headers["Location"].startswith(f"{REDIRECT}?")
    assert "access_token" in redeem(github, answered(answer)["code"], redirect_uri=None).json()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"client_secret": "wrong"}, "incorrect_client_credentials"),
        ({"client_secret": None}, "incorrect_client_credentials"),
        ({"client_id": "other"}, "incorrect_client_credentials"),
        ({"given": None}, BAD_CODE),
        ({"given": "unknown"}, BAD_CODE),
        ({"redirect_uri": f"{REDIRECT}/"}, "redirect_uri_mismatch"),
        ({"code_verifier": None}, BAD_CODE),
        ({"code_verifier": VERIFIER[::-1]}, BAD_CODE),
        ({"code_verifier": s256(VERIFIER)}, BAD_CODE),
    ],
)
def test_a_wrong_exchange_is_an_error_with_200_and_leaves_the_code(
    github: StandIn, changed: dict[str, Any], expected: str
) -> None:
    """Secret, client, code, redirect and verifier must all be right; then the same code works."""
    given = code(github)
    assert error(redeem(github, **{"given": given} | changed)) == expected
    assert "access_token" in redeem(github, given).json()


def test_without_a_challenge_no_verifier_may_come(github: StandIn) -> None:
    """PKCE is optional, but a verifier whose challenge got lost on the way is an attack."""
    bare: dict[str, Any] = {"code_challenge": None, "code_challenge_method": None}
    assert "access_token" in redeem(github, code(github, **bare), code_verifier=None).json()
    assert error(redeem(github, code(github, **bare))) == BAD_CODE


def test_a_code_works_once_and_for_ten_minutes(github: StandIn) -> None:
    """A second use is refused without harm to the first; an old one is refused too."""
    given, old = code(github), code(github)
    token = redeem(github, given).json()["access_token"]
    assert error(redeem(github, given)) == BAD_CODE
    assert get(github, "/user", token).status_code == 200
    github.advance(601)
    assert error(redeem(github, old)) == BAD_CODE


@pytest.mark.parametrize(
    ("user", "number", "public", "usable"),
    [
        ("ada", 1001, "ada@example.com", ["ada@example.com"]),
        ("grace", 1002, "grace@example.com", ["grace@example.com"]),
        ("admin", 1003, "admin@example.com", ["admin@example.com"]),
        ("mallory", 1004, "ada@example.com", []),
        ("hedy", 1005, None, ["hedy@example.com"]),
        ("nora", 1006, None, []),
    ],
)
def test_the_address_to_use_is_the_primary_and_verified_one(
    github: StandIn, user: str, number: int, public: str | None, usable: list[str]
) -> None:
    """It may not be in the profile, not be the first of several, or not exist."""
    token = token_of(github, user)
    profile = get(github, "/user", token).json()
    assert (profile["id"], profile["login"], profile["email"]) == (number, user, public)
    addresses = get(github, "/user/emails", token).json()
    assert [found["email"] for found in addresses if found["primary"] and found["verified"]] == usable
    assert all(set(found) == {"email", "primary", "verified", "visibility"} for found in addresses)


def test_hedy_has_several_addresses_and_nora_none_that_is_verified(github: StandIn) -> None:
    """The first of Hedy's is neither primary nor verified."""
    several = get(github, "/user/emails", token_of(github, "hedy")).json()
    assert (len(several), several[0]["primary"], several[0]["verified"]) == (4, False, False)
    nora = get(github, "/user/emails", token_of(github, "nora")).json()
    assert [found["verified"] for found in nora] == [False, False]


@pytest.mark.parametrize(
    ("scope", "status"), [("", 404), ("read:user", 404), ("user:email", 200), ("read:user user:email", 200)]
)
def test_addresses_need_their_scope(github: StandIn, scope: str, status: int) -> None:
    """Without it they are not there; the profile is."""
    token = token_of(github, scope=scope)
    assert get(github, "/user/emails", token).status_code == status
    assert get(github, "/user", token).status_code == 200


@pytest.mark.parametrize("path", ["/user", "/user/emails"])
def test_the_api_wants_a_bearer_and_a_user_agent(github: StandIn, path: str) -> None:
    """401 without a token that is known, 403 without a name."""
    token = token_of(github)
    assert requests.get(github.url + path, timeout=60).status_code == 401
    assert get(github, path, "gho_foreign").json()["message"] == "Bad credentials"
    assert get(github, path, token, Authorization=f"Basic {token}").status_code == 401
    answer = get(github, path, token, **{"User-Agent": ""})
    assert answer.status_code == 403


def test_denied_wrong_state_and_replayed_code_come_through_the_browser(github: StandIn) -> None:
    """As with the other provider, each once."""
    github.script("authorize", "denied")
    denied = answered(authorize(github))
    assert (denied["error"], denied["state"]) == ("access_denied", "s-1")
    github.script("authorize", "wrong_state")
    assert answered(authorize(github, login_hint="ada", auto="1"))["state"] != "s-1"
    github.script("authorize", "replayed_code")
    assert error(redeem(github, code(github))) == BAD_CODE
    assert "access_token" in redeem(github, code(github)).json()


def test_the_token_route_may_fail_with_200(github: StandIn) -> None:
    """A documented error, or whatever the script says; the code stays good."""
    given = code(github)
    github.script("token", "bad_verification_code")
    github.script("token", "error_200")
    github.script("token", "error_200", error="server_error", error_description="as told")
    assert error(redeem(github, given)) == BAD_CODE
    assert error(redeem(github, given)) == "unverified_user_email"
    assert redeem(github, given).json() == {"error": "server_error", "error_description": "as told"}
    assert "access_token" in redeem(github, given).json()


def test_addresses_may_be_missing_or_unverified(github: StandIn) -> None:
    """In the profile, in the list, or all of them unverified; once."""
    token = token_of(github)
    github.script("user", "no_email")
    github.script("emails", "no_email")
    github.script("emails", "unverified_email")
    assert get(github, "/user", token).json()["email"] is None
    assert get(github, "/user/emails", token).json() == []
    assert get(github, "/user/emails", token).json()[0]["verified"] is False
    assert get(github, "/user", token).json()["email"] == "ada@example.com"
    assert get(github, "/user/emails", token).json()[0]["verified"] is True


@pytest.mark.parametrize("route", list(SEVERAL))
def test_every_route_can_fail_on_the_wire(github: StandIn, route: str) -> None:
    """A status, a page, a reset and a hang, each once."""
    verb, path = SEVERAL[route]
    github.script(route, "status", status=503)
    github.script(route, "html", status=502)
    github.script(route, "reset")
    github.script(route, "hang", seconds=3)
    assert requests.request(verb, github.url + path, timeout=60).status_code == 503
    assert requests.request(verb, github.url + path, timeout=60).headers["Content-Type"] == "text/html"
    with pytest.raises(requests.ConnectionError):
        requests.request(verb, github.url + path, timeout=60)
    with pytest.raises(requests.ReadTimeout):
        requests.request(verb, github.url + path, timeout=0.2)
