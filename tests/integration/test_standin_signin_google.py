"""The Google stand-in refuses whatever Google or the rules of OAuth refuse, and each fault does what its name says."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from local.processes import LocalError
from local.standins.signin_flow import s256
from local.standins.started import StandIn

REDIRECT = "http://127.0.0.1:8787/api/auth/google/callback"
OTHER = "http://localhost:9000/back?from=google"
VERIFIER = "a-verifier-of-at-least-43-characters-0123456789"
SECRET = {"client_id": "local-google", "client_secret": "google-secret"}
SEVERAL = {
    "discovery": "/.well-known/openid-configuration",
    "authorize": "/o/oauth2/v2/auth",
    "jwks": "/jwks",
    "userinfo": "/userinfo",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    options = ["--redirect", REDIRECT, "--redirect", OTHER]
    with StandIn("google", options, log=tmp_path_factory.mktemp("google") / "log") as started:
        yield started


@pytest.fixture
def google(server: StandIn) -> StandIn:
    server.reset()
    return server


def wanted(**changed: Any) -> dict[str, Any]:
    """A good authorization request with some parameters changed, or left out where they are None."""
    good = {
        "client_id": "local-google",
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "openid email profile",
        "state": "the state & more",
        "nonce": "n-1",
        "code_challenge": s256(VERIFIER),
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (good | changed).items() if value is not None}


def authorize(google: StandIn, headers: Any = None, **changed: Any) -> requests.Response:
    url, parameters = f"{google.url}/o/oauth2/v2/auth", wanted(**changed)
    return requests.get(url, params=parameters, headers=headers, allow_redirects=False, timeout=60)


def answered(response: requests.Response) -> dict[str, str]:
    """What the application is told through the browser."""
    assert response.status_code == 302
    query = parse_qs(urlsplit(response.headers["Location"]).query, strict_parsing=True)
    return {name: value for name, (value,) in query.items()}


def code(google: StandIn, user: str = "ada@example.com", **changed: Any) -> str:
    return answered(authorize(google, login_hint=user, auto="1", **changed))["code"]


def redeem(google: StandIn, given: str, *, auth: Any = None, **changed: Any) -> requests.Response:
    body = {
        "grant_type": "authorization_code", "code": given, "redirect_uri": REDIRECT, "code_verifier": VERIFIER
    } | SECRET | changed  # fmt: skip
    sent = {name: value for name, value in body.items() if value is not None}
    return requests.post(f"{google.url}/token", data=sent, auth=auth, timeout=60)


def error(answer: requests.Response) -> tuple[int, str]:
    """Status and code of a refusal by the token route."""
    document = answer.json()
    assert set(document) == {"error", "error_description"}
    return answer.status_code, document["error"]


def userinfo(google: StandIn, token: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{google.url}/userinfo", headers=headers, timeout=60)


def test_discovery_names_its_own_address_everywhere(google: StandIn) -> None:
    """Issuer and endpoints are those of the port; only the code flow, RS256 and S256 are offered."""
    document = requests.get(f"{google.url}/.well-known/openid-configuration", timeout=60).json()
    assert document["issuer"] == google.url
    places = [value for name, value in document.items() if name.endswith(("_endpoint", "_uri"))]
    assert sorted(places) == [
        google.url + path for path in ("/jwks", "/o/oauth2/v2/auth", "/token", "/userinfo")
    ]
    assert (
        document["response_types_supported"],
        document["id_token_signing_alg_values_supported"],
        document["code_challenge_methods_supported"],
    ) == (["code"], ["RS256"], ["S256"])


@pytest.mark.parametrize(("user", "number"), [("ada@example.com", 1), ("grace", 2), ("admin@example.com", 3)])
def test_a_hint_and_auto_need_no_page(google: StandIn, user: str, number: int) -> None:
    """As a parameter or as a header; the code belongs to whom the hint names, and the state comes back."""
    for shortcut in ({"auto": "1"}, {"headers": {"Auto": "1"}}):
        told = answered(authorize(google, login_hint=user, **shortcut))
        assert told["state"] == "the state & more"
        token = redeem(google, told["code"]).json()["access_token"]
        assert userinfo(google, token).json()["sub"] == f"11000000000000000000{number}"


def test_auto_without_a_known_hint_is_an_error_to_the_application(google: StandIn) -> None:
    """Nobody is signed in by chance."""
    told = answered(authorize(google, login_hint="nobody@example.com", auto="1"))
    assert told == {"error": "login_required", "state": "the state & more"}


@pytest.mark.parametrize(
    "redirect",
    [
        None, "", f"{REDIRECT}/", f"{REDIRECT}/more", f"{REDIRECT}.evil.example", f"{REDIRECT}?next=x",
        f"{REDIRECT}#x", f"{REDIRECT}/../callback", REDIRECT[:-1], REDIRECT.upper(), REDIRECT + "%20",
        REDIRECT.replace("http:", "https:"), REDIRECT.replace("127.0.0.1", "localhost"),
        REDIRECT.replace(":8787", ":8788"), REDIRECT.replace("127.0.0.1", "127.0.0.1.evil.example"),
        REDIRECT.replace("127.0.0.1:8787", "127.0.0.1:8787@evil.example"),
        f"https://evil.example/?{REDIRECT}", "http://localhost:9000/back", "//127.0.0.1:8787",
    ],
)  # fmt: skip
def test_a_redirect_that_is_not_exactly_registered_gets_no_redirect(
    google: StandIn, redirect: str | None
) -> None:
    """Neither a longer nor a shorter nor a similar one; not even for a cancelled request."""
    answer = authorize(google, redirect_uri=redirect, login_hint="ada", auto="1")
    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    assert "redirect_uri_mismatch" in answer.text


@pytest.mark.parametrize(
    ("changed", "status", "expected"),
    [
        ({"client_id": "other"}, 401, "invalid_client"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"response_type": "token"}, 400, "unsupported_response_type"),
        ({"response_type": "code id_token"}, 400, "unsupported_response_type"),
        ({"response_type": None}, 400, "unsupported_response_type"),
        ({"response_mode": "fragment"}, 400, "response_mode"),
        ({"scope": None}, 400, "invalid_scope"),
        ({"scope": "email profile"}, 400, "invalid_scope"),
        ({"scope": "openid drive"}, 400, "invalid_scope"),
        ({"state": None}, 400, "parameter: state"),
        ({"state": ""}, 400, "parameter: state"),
        ({"code_challenge": None, "code_challenge_method": None}, 400, "parameter: code_challenge"),
        ({"code_challenge": None}, 400, "43 characters"),
        ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, 400, "must be S256"),
        ({"code_challenge_method": None}, 400, "must be S256"),
        ({"code_challenge_method": "s256"}, 400, "must be S256"),
        ({"code_challenge": s256(VERIFIER) + "="}, 400, "43 characters"),
        ({"state": ["one", "two"]}, 400, "twice: state"),
    ],
)
def test_a_request_that_is_wrong_gets_a_page_and_no_redirect(
    google: StandIn, changed: dict[str, Any], status: int, expected: str
) -> None:
    """Client, response, scope, state and PKCE are all demanded."""
    answer = authorize(google, **changed, login_hint="ada", auto="1")
    assert (answer.status_code, "Location" in answer.headers) == (status, False)
    assert expected in answer.text


def test_every_registered_redirect_works_with_its_own_query_kept(google: StandIn) -> None:
    """The answer is added to what the address has already."""
    answer = authorize(google, redirect_uri=OTHER, login_hint="ada", auto="1")
    assert answer.headers["Location"].startswith(f"{OTHER}&state=")
    assert redeem(google, answered(answer)["code"], redirect_uri=OTHER).status_code == 200


def test_the_client_may_authenticate_by_post_or_basic_but_not_both(google: StandIn) -> None:
    """Either way gives tokens; two at once are refused."""
    basic = ("local-google", "google-secret")
    nothing = {"client_id": None, "client_secret": None}
    assert redeem(google, code(google)).status_code == 200
    assert redeem(google, code(google), auth=basic, **nothing).status_code == 200
    assert error(redeem(google, code(google), auth=basic)) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("changed", "status", "expected"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"client_id": "other"}, 401, "invalid_client"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"client_secret": None, "auth": ("local-google", "wrong")}, 401, "invalid_client"),
        ({"client_secret": None, "auth": ("other", "google-secret")}, 401, "invalid_client"),
        ({"grant_type": "refresh_token"}, 400, "unsupported_grant_type"),
        ({"grant_type": None}, 400, "unsupported_grant_type"),
        ({"code": None}, 400, "invalid_request"),
        ({"code": "4/0Aunknown"}, 400, "invalid_grant"),
        ({"redirect_uri": None}, 400, "invalid_request"),
        ({"redirect_uri": OTHER}, 400, "redirect_uri_mismatch"),
        ({"redirect_uri": f"{REDIRECT}/"}, 400, "redirect_uri_mismatch"),
        ({"code_verifier": None}, 400, "invalid_grant"),
        ({"code_verifier": VERIFIER + "x"}, 400, "invalid_grant"),
        ({"code_verifier": s256(VERIFIER)}, 400, "invalid_grant"),
        ({"code_verifier": "ä" * 43}, 400, "invalid_grant"),
    ],
)
def test_a_wrong_exchange_gives_nothing_and_leaves_the_code(
    google: StandIn, changed: dict[str, Any], status: int, expected: str
) -> None:
    """Secret, client, code, redirect and verifier must all be right; then the same code works."""
    given = code(google)
    assert error(redeem(google, given, **changed)) == (status, expected)
    assert redeem(google, given).status_code == 200


def test_a_missing_and_a_wrong_verifier_are_told_apart(google: StandIn) -> None:
    """In the description only, as the log of an application would show it."""
    given = code(google)
    texts = [
        redeem(google, given, code_verifier=verifier).json()["error_description"]
        for verifier in (None, "w" * 43)
    ]
    assert texts == ["Missing code verifier.", "Invalid code verifier."]


def test_a_second_use_of_a_code_is_refused_and_revokes_the_first(google: StandIn) -> None:
    """The access token of the first use stops working; others go on."""
    given, bystander = code(google), redeem(google, code(google)).json()["access_token"]
    token = redeem(google, given).json()["access_token"]
    assert userinfo(google, token).status_code == 200
    assert error(redeem(google, given)) == (400, "invalid_grant")
    assert userinfo(google, token).status_code == 401
    assert userinfo(google, bystander).status_code == 200


def test_a_code_used_many_times_at_once_works_once(google: StandIn) -> None:
    """Eight threads, one answer with tokens."""
    given = code(google)
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda _: redeem(google, given), range(8))]
    assert sorted(statuses) == [200] + [400] * 7


def test_a_code_lives_ten_minutes(google: StandIn) -> None:
    """By the clock that can be moved."""
    young, old = code(google), code(google)
    google.advance(590)
    assert redeem(google, young).status_code == 200
    google.advance(11)
    assert error(redeem(google, old)) == (400, "invalid_grant")


def test_userinfo_needs_a_token_that_lives(google: StandIn) -> None:
    """None, a foreign one and one of an hour ago are 401; the scopes decide what is told."""
    full = redeem(google, code(google, "mallory")).json()["access_token"]
    least = redeem(google, code(google, scope="openid")).json()["access_token"]
    known = userinfo(google, full).json()
    assert (known["email"], known["email_verified"], known["name"]) == (
        "mallory@example.com",
        False,
        "Mallory Unverified",
    )
    assert userinfo(google, least).json() == {"sub": "110000000000000000001"}
    assert requests.get(f"{google.url}/userinfo", timeout=60).status_code == 401
    assert userinfo(google, "ya29.foreign").status_code == 401
    google.advance(3600)
    assert userinfo(google, full).status_code == 401


def test_denied_ends_the_request_at_once(google: StandIn) -> None:
    """No page, the state, and another error where the script names one; once."""
    google.script("authorize", "denied")
    assert answered(authorize(google)) == {"error": "access_denied", "state": "the state & more"}
    google.script("authorize", "denied", error="server_error")
    assert answered(authorize(google))["error"] == "server_error"
    assert authorize(google).status_code == 200


def test_wrong_state_comes_with_a_good_code(google: StandIn) -> None:
    """A random one, the one of the script, or none."""
    for script, expected in (({"state": "forged"}, "forged"), ({"state": ""}, None)):
        google.script("authorize", "wrong_state", **script)
        assert answered(authorize(google, login_hint="ada", auto="1")).get("state") == expected
    google.script("authorize", "wrong_state")
    told = answered(authorize(google, login_hint="ada", auto="1"))
    assert told["state"] != "the state & more"
    assert redeem(google, told["code"]).status_code == 200


def test_a_replayed_code_is_refused(google: StandIn) -> None:
    """The one that was used last, one that never was good, or a good one whose use is refused."""
    google.script("authorize", "replayed_code", times=2)
    assert error(redeem(google, code(google))) == (400, "invalid_grant")
    google.reset()
    google.script("authorize", "replayed_code")
    never = code(google)
    used = code(google)
    assert (redeem(google, used).status_code, redeem(google, never).status_code) == (200, 400)
    google.script("authorize", "replayed_code")
    assert code(google) == used
    google.script("token", "replayed_code")
    assert error(redeem(google, code(google))) == (400, "invalid_grant")


@pytest.mark.parametrize("route", list(SEVERAL))
def test_every_route_can_fail_on_the_wire(google: StandIn, route: str) -> None:
    """A status, a page, a reset and a hang, each once."""
    url = google.url + SEVERAL[route]
    google.script(route, "status", status=503, headers={"Retry-After": "2"})
    google.script(route, "html", status=502)
    google.script(route, "reset")
    google.script(route, "hang", seconds=3)
    down = requests.get(url, timeout=60)
    assert (down.status_code, down.headers["Retry-After"]) == (503, "2")
    assert requests.get(url, timeout=60).status_code == 502
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=60)
    with pytest.raises(requests.ReadTimeout):
        requests.get(url, timeout=0.2)


def test_a_lost_answer_has_used_the_code(google: StandIn) -> None:
    """A reset after the exchange leaves a code that is worth nothing; one before leaves it good."""
    for fault, later in (("reset", 200), ("reset_after", 400)):
        given = code(google)
        google.script("token", fault)
        with pytest.raises(requests.ConnectionError):
            redeem(google, given)
        assert redeem(google, given).status_code == later


def test_an_unknown_fault_is_not_queued(google: StandIn) -> None:
    """A misspelt script must not look like a passed test."""
    for route, fault, parameters in (
        ("token", "id_token", {"kind": "expierd"}),
        ("token", "id_token", {}),
        ("token", "denied", {}),
        ("tokens", "status", {}),
    ):
        with pytest.raises(LocalError, match="is one of"):
            google.script(route, fault, **parameters)


def test_a_reset_forgets_codes_tokens_and_the_log(google: StandIn) -> None:
    """And the log before it shows what the application sent."""
    token, given = redeem(google, code(google)).json()["access_token"], code(google)
    assert [call["path"] for call in google.log()] == ["/o/oauth2/v2/auth", "/token", "/o/oauth2/v2/auth"]
    assert f"code_verifier={VERIFIER}" in google.log()[1]["body"]
    google.reset()
    assert google.log() == []
    assert (userinfo(google, token).status_code, redeem(google, given).status_code) == (401, 400)
