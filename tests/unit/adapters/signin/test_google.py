"""Sign-in with Google: where a browser is sent, what is asked and remembered, and who comes back."""

import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import pytest

from enhancer.adapters.signin.base import Profile
from enhancer.domain.errors import SignInFailed, SignInUnavailable
from enhancer.runtime import sign_in_with
from tests.support.scripted_server import says
from tests.support.scripted_server import server as server  # noqa: PLC0414 - a fixture
from tests.support.scripted_server import stranger as stranger  # noqa: PLC0414
from tests.support.signin_provider import (
    CLIENT,
    DISCOVERY,
    KEYS,
    NONCE,
    REDIRECT,
    SECRET,
    STATE,
    TOKEN,
    VERIFIER,
    Google,
)
from tests.support.template import ROOT


@pytest.fixture
def google(server):
    return Google(server)


def assert_fails(google, reason="code", **more):
    with pytest.raises(SignInFailed) as found:
        google.sign_in(**more)
    assert found.value.details == {"reason": reason}


def assert_unavailable(act):
    with pytest.raises(SignInUnavailable) as found:
        act()
    assert found.value.details == {"provider": "google"}


def test_a_verified_person_comes_back_as_a_profile(google):
    """The e-mail in lower case, everything from the ID token."""
    assert google.sign_in() == Profile("google", "1122", "ada@example.com", "Ada L")


def test_the_browser_is_sent_with_all_that_protects_it(google):
    """State, nonce and the hash of the verifier; neither the verifier nor the secret leaves us."""
    url = google.start()
    asked = parse_qs(urlsplit(url).query)
    assert url.startswith(f"{google.server.url}/auth?")
    assert asked.pop("code_challenge") != [VERIFIER]
    assert asked == {
        "response_type": ["code"],
        "client_id": [CLIENT],
        "redirect_uri": [REDIRECT],
        "scope": ["openid email profile"],
        "state": [STATE],
        "nonce": [NONCE],
        "code_challenge_method": ["S256"],
    }
    assert VERIFIER not in url


def test_the_code_is_exchanged_in_a_body_of_its_own(google):
    """Client id and secret by post, no header, nothing in the address."""
    google.sign_in()
    (asked,) = google.server.calls(TOKEN)
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["authorization_code"],
        "redirect_uri": [REDIRECT],
        "code": ["code-0"],
        "code_verifier": [VERIFIER],
        "client_id": [CLIENT],
        "client_secret": [SECRET],
    }
    assert asked.path == "/token"
    assert "authorization" not in asked.headers
    assert asked.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "missing",
    [{"state": ""}, {"nonce": ""}, {"verifier": ""}, {"verifier": "v" * 42}, {"verifier": "ü" * 43}],
)
def test_a_start_without_a_protection_is_refused(google, missing):
    """A library that leaves out what is empty must not switch it off unseen."""
    given = {"redirect_uri": REDIRECT, "state": STATE, "nonce": NONCE, "verifier": VERIFIER} | missing
    with pytest.raises(ValueError, match="a sign-in"):
        google.adapter.authorize_url(**given)


@pytest.mark.parametrize("verifier", ["w" * 43, "", "v" * 42, "v" * 42 + "\n"])
def test_a_wrong_or_missing_verifier_is_refused(google, verifier):
    """Whoever has the code only is not the browser that asked for it."""
    assert_fails(google, verifier=verifier)
    assert len(google.server.calls(TOKEN)) == (verifier == "w" * 43)


@pytest.mark.parametrize("code", ["", "made-up", "a b", "c" * 3000, "ü"])
def test_a_code_that_was_never_given_is_refused(google, code):
    """Whatever somebody puts into the address of the call-back."""
    google.start()
    with pytest.raises(SignInFailed) as found:
        google.finish(code)
    assert found.value.details == {"reason": "code"}
    assert len(google.server.calls(TOKEN)) == (code == "made-up")


def test_a_replayed_code_is_refused(google):
    """It works once."""
    code = google.consent(google.start())
    google.finish(code)
    with pytest.raises(SignInFailed) as found:
        google.finish(code)
    assert found.value.details == {"reason": "code"}


def test_another_redirect_than_the_one_asked_for_is_refused(google):
    """The provider compares them."""
    assert_fails(google, redirect_uri="https://evil.example/")


def test_discovery_and_keys_are_fetched_once_an_hour(google):
    """Two sign-ins ask for each once, and again when the hour is over."""
    google.sign_in()
    google.clock.at += 3599
    google.sign_in()
    assert (len(google.server.calls(DISCOVERY)), len(google.server.calls(KEYS))) == (1, 1)
    google.clock.at += 2
    google.sign_in()
    assert (len(google.server.calls(DISCOVERY)), len(google.server.calls(KEYS))) == (2, 2)


def test_a_rotated_key_is_found_at_once(google):
    """A token may be signed with a key that was published after we looked."""
    google.sign_in()
    google.keys = ["first", "second"]
    assert google.sign_in().subject == "1122"
    google.sign_in()
    assert len(google.server.calls(KEYS)) == 2


def test_a_key_taken_out_no_longer_holds(google):
    """After the next fetch, what is not published is not trusted."""
    google.sign_in()
    google.keys = ["second"]
    google.sign_in()
    google.sign = lambda claims: Google.signed(_signing_with(google, "first"), claims)
    assert_fails(google, "token")


def _signing_with(google, name):
    copy = object.__new__(Google)
    copy.keys = [*google.keys, name]
    return copy


def test_a_flood_of_unknown_keys_fetches_once_a_minute(google):
    """Bad tokens do not make us hammer the provider."""
    google.sign = lambda claims: google.signed(claims, kid="nobody")
    for _ in range(5):
        assert_fails(google, "token")
    assert len(google.server.calls(KEYS)) == 2
    google.clock.at += 61
    for _ in range(5):
        assert_fails(google, "token")
    assert len(google.server.calls(KEYS)) == 3


@pytest.mark.parametrize("credentials", [("", ""), (CLIENT, ""), ("", SECRET)])
def test_google_not_set_up_is_unavailable(google, credentials):
    """Without client id and secret nobody is asked anything."""
    adapter = google.make(*credentials)
    assert_unavailable(lambda: google.start(adapter))
    assert_unavailable(lambda: google.finish("code", adapter=adapter))
    assert google.server.asked == []


def test_refused_credentials_are_unavailable_and_an_error_in_the_log(google, caplog):
    """Ours to repair, not the person's; the log says so and no more."""
    adapter = google.make(secret="old")
    code = google.consent(google.start(adapter))
    assert_unavailable(lambda: google.finish(code, adapter=adapter))
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (line.getMessage(), line.error) == ("sign-in provider refuses us", "invalid_client")


def test_a_discovery_document_of_a_foreign_issuer_is_unavailable(google):
    """It must be about whom we asked, to the letter."""
    for issuer in ("https://accounts.google.com", f"{google.server.url}/", None, [google.server.url]):
        google.document = {"issuer": issuer}
        assert_unavailable(google.start)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "place",
    [
        "http://accounts.example/x",
        "https://a@b.example/",
        "//x/",
        "javascript:alert(1)",
        "https://",
        "https://x:y/",
        None,
        5,
    ],
)
def test_a_discovery_document_with_an_unsafe_endpoint_is_unavailable(google, name, place):
    """Codes, secrets and browsers go over https only."""
    google.document = {name: place}
    assert_unavailable(google.start)
    assert len(google.server.asked) == 1


def test_http_on_loopback_is_for_stand_ins_only(google):
    """The real Google cannot send us to this very machine; nor may it be configured over http elsewhere."""
    from enhancer.adapters.signin.client import trusted

    assert trusted("http://127.0.0.1:1/", local=True)
    assert not trusted("http://127.0.0.1:1/", local=False)
    assert not sign_in_with("google", credentials=lambda: (CLIENT, SECRET))._local
    for issuer in ("http://accounts.example", "http://10.0.0.1"):
        adapter = sign_in_with("google", credentials=lambda: (CLIENT, SECRET), urls={"google_issuer": issuer})
        assert_unavailable(lambda found=adapter: google.start(found))


def test_a_redirect_of_the_token_endpoint_is_not_followed(google, stranger):
    """The secret goes where it was meant to go, or nowhere."""
    google.server.on(TOKEN, says(307, b"", Location=f"{stranger.url}/token"))
    assert_unavailable(google.sign_in)
    assert stranger.asked == []


def test_the_real_google_may_name_itself_without_a_scheme():
    """Both spellings of the issuer are documented, for nobody else."""
    real = sign_in_with("google", credentials=lambda: (CLIENT, SECRET))
    other = sign_in_with(
        "google", credentials=lambda: (CLIENT, SECRET), urls={"google_issuer": "https://x.example"}
    )
    assert real._issuers == ["https://accounts.google.com", "accounts.google.com"]
    assert other._issuers == ["https://x.example"]


def test_importing_the_adapter_loads_no_library():
    """Functions that sign nobody in start as fast as before."""
    script = "import enhancer.adapters.signin.base, sys; print({'authlib', 'joserfc', 'requests'} & set(sys.modules))"
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, cwd=ROOT / "layers/common", capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
