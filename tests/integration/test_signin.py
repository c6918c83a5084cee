"""The sign-in adapter in front of the stand-ins for Google and GitHub: a person agrees, comes back, or is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from enhancer.adapters.signin.base import Profile, SignIn
from enhancer.domain.errors import SignInFailed, SignInUnavailable
from enhancer.runtime import sign_in_with
from local.standins.started import StandIn

NONCE, VERIFIER = "nonce-of-the-browser", "v" * 43
TOKENS = ["expired", "wrong_nonce", "no_nonce", "wrong_audience", "wrong_issuer", "alg_none", "hs256_with_public_key",
          "unknown_kid", "bad_signature", "future_iat", "kid_path"]  # fmt: skip


class Browser:
    """Somebody with a browser, a stand-in and the adapter in front of it."""

    def __init__(self, name: str, stand_in: StandIn) -> None:
        self.name, self.stand_in = name, stand_in
        self.redirect = f"http://127.0.0.1:8787/api/auth/{name}/callback"
        self.adapter = self.make(f"{name}-secret")

    def make(self, secret: str) -> SignIn:
        return sign_in_with(
            self.name,  # type: ignore[arg-type]
            credentials=lambda: (f"local-{self.name}", secret),
            urls=dict.fromkeys(("google_issuer", "github", "github_api"), self.stand_in.url),
        )

    def agree(self, who: str) -> str:
        """Go where the adapter says, be ``who``, and return the code that comes back."""
        url = self.adapter.authorize_url(
            redirect_uri=self.redirect, state="state", nonce=NONCE, verifier=VERIFIER
        )
        answer = requests.get(f"{url}&auto=1&login_hint={who}", allow_redirects=False, timeout=60)
        back = urlsplit(answer.headers["Location"])
        given = parse_qs(back.query)
        assert (f"{back.scheme}://{back.netloc}{back.path}", given["state"]) == (self.redirect, ["state"])
        return given["code"][0]

    def finish(self, code: str, adapter: SignIn | None = None, **more: Any) -> Profile:
        given = {"redirect_uri": self.redirect, "verifier": VERIFIER, "nonce": NONCE} | more
        return (adapter or self.adapter).profile(code=code, now=int(time.time() * 1000), **given)

    def sign_in(self, who: str = "ada", **more: Any) -> Profile:
        return self.finish(self.agree(who), **more)


def started(name: str, folder: Any) -> Iterator[StandIn]:
    with StandIn(name, [], log=folder.mktemp(name) / "log") as found:
        yield found


@pytest.fixture(scope="module")
def _google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    yield from started("google", tmp_path_factory)


@pytest.fixture(scope="module")
def _github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    yield from started("github", tmp_path_factory)


@pytest.fixture
def google(_google: StandIn) -> Browser:
    _google.reset()
    return Browser("google", _google)


@pytest.fixture
def github(_github: StandIn) -> Browser:
    _github.reset()
    return Browser("github", _github)


@pytest.fixture(params=["google", "github"])
def either(request: pytest.FixtureRequest) -> Browser:
    found: Browser = request.getfixturevalue(request.param)
    return found


def refused(reason: str, act: Any) -> None:
    with pytest.raises(SignInFailed) as found:
        act()
    assert found.value.details == {"reason": reason}


def unavailable(act: Any) -> None:
    with pytest.raises(SignInUnavailable):
        act()


def test_ada_signs_in_with_google(google: Browser) -> None:
    """From the page of the stand-in to a profile."""
    assert google.sign_in() == Profile("google", "110000000000000000001", "ada@example.com", "Ada Lovelace")


def test_ada_signs_in_with_github(github: Browser) -> None:
    """The number is who she is."""
    assert github.sign_in() == Profile("github", "1001", "ada@example.com", "Ada Lovelace")


@pytest.mark.parametrize("kind", TOKENS)
def test_a_bad_id_token_is_refused(google: Browser, kind: str) -> None:
    """Each way to spoil one that the stand-in knows; the next sign-in is good again."""
    google.stand_in.script("token", "id_token", kind=kind)
    refused("token", google.sign_in)
    assert google.sign_in().email == "ada@example.com"


@pytest.mark.parametrize("kind", ["unverified_email", "no_email"])
def test_a_google_account_without_a_verified_email_is_refused(google: Browser, kind: str) -> None:
    """Whatever else the token says."""
    google.stand_in.script("token", "id_token", kind=kind)
    refused("email_unverified", google.sign_in)


def test_mallory_is_refused_by_her_unverified_google_email(google: Browser) -> None:
    """Anybody could have typed it in."""
    refused("email_unverified", lambda: google.sign_in("mallory"))


def test_mallory_at_github_gets_only_the_address_that_is_hers(github: Browser) -> None:
    """She shows Ada's address, and has it as her primary one, unverified."""
    assert github.sign_in("mallory").email == "mallory@example.com"


def test_hedy_at_github_gets_her_primary_address(github: Browser) -> None:
    """Her profile shows none, the list has four."""
    assert github.sign_in("hedy").email == "hedy@example.com"


def test_nora_at_github_is_refused_without_a_verified_address(github: Browser) -> None:
    """She has two, and has proved neither."""
    refused("email_unverified", lambda: github.sign_in("nora"))


@pytest.mark.parametrize("fault", ["no_email", "unverified_email"])
def test_a_github_list_without_a_verified_address_is_refused(github: Browser, fault: str) -> None:
    """Empty, or nothing verified in it."""
    github.stand_in.script("emails", fault)
    refused("email_unverified", github.sign_in)


def test_a_github_profile_without_an_address_comes_in(github: Browser) -> None:
    """The list counts."""
    github.stand_in.script("user", "no_email")
    assert github.sign_in().email == "ada@example.com"


def test_a_replayed_code_is_refused(either: Browser) -> None:
    """It works once."""
    code = either.agree("ada")
    either.finish(code)
    refused("code", lambda: either.finish(code))


@pytest.mark.parametrize("verifier", ["w" * 43, ""])
def test_a_wrong_or_missing_verifier_is_refused(either: Browser, verifier: str) -> None:
    """The code alone is worth nothing."""
    refused("code", lambda: either.sign_in(verifier=verifier))


def test_a_code_nobody_gave_is_refused(either: Browser) -> None:
    """Made up in the address bar."""
    refused("code", lambda: either.finish("made-up"))


def test_an_expired_code_is_refused(either: Browser) -> None:
    """Ten minutes."""
    code = either.agree("ada")
    either.stand_in.advance(601)
    refused("code", lambda: either.finish(code))


def test_a_google_browser_with_another_nonce_is_refused(google: Browser) -> None:
    """The token was made for somebody else's sign-in."""
    refused("token", lambda: google.sign_in(nonce="another"))


def test_wrong_credentials_are_unavailable(either: Browser) -> None:
    """Ours to repair."""
    code = either.agree("ada")
    unavailable(lambda: either.finish(code, adapter=either.make("wrong")))


def test_another_redirect_is_unavailable(either: Browser) -> None:
    """Both ends are ours: a difference is a mistake in our registration."""
    code = either.agree("ada")
    unavailable(lambda: either.finish(code, redirect_uri="http://127.0.0.1:8787/elsewhere"))


@pytest.mark.parametrize("drop", [False, True])
def test_a_rotated_google_key_works_at_once(google: Browser, drop: bool) -> None:  # noqa: FBT001
    """We know the old key set, and look again."""
    google.sign_in()
    google.stand_in.control("rotate", drop=drop)
    assert google.sign_in().email == "ada@example.com"
    fetched = [call for call in google.stand_in.log() if call["path"] == "/jwks"]
    assert len(fetched) == 2


def test_unknown_google_keys_are_looked_for_once_a_minute(google: Browser) -> None:
    """Ten bad tokens, two requests for keys."""
    google.stand_in.script("token", "id_token", kind="unknown_kid", times=10)
    for _ in range(10):
        refused("token", google.sign_in)
    assert len([call for call in google.stand_in.log() if call["path"] == "/jwks"]) == 2


@pytest.mark.parametrize("route", ["discovery", "token", "jwks"])
def test_a_google_that_breaks_down_is_unavailable_and_recovers(google: Browser, route: str) -> None:
    """The next sign-in is good again."""
    google.stand_in.script(route, "status", status=503, text="secret")
    unavailable(google.sign_in)
    assert google.sign_in().email == "ada@example.com"


@pytest.mark.parametrize("route", ["token", "user", "emails"])
def test_a_github_that_breaks_down_is_unavailable_and_recovers(github: Browser, route: str) -> None:
    """The next sign-in is good again."""
    github.stand_in.script(route, "status", status=503, text="secret")
    unavailable(github.sign_in)
    assert github.sign_in().email == "ada@example.com"


def test_codes_and_secrets_travel_in_bodies_only(either: Browser) -> None:
    """No address that the provider could log holds one."""
    code = either.sign_in() and either.agree("ada")
    either.finish(code)
    paths = [f"{call['path']}?{call.get('query', '')}" for call in either.stand_in.log()]
    assert not [path for path in paths if code in path or "-secret" in path or VERIFIER in path]
