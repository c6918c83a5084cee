"""Sign-in with GitHub: refusals that come as success, and which of somebody's addresses counts."""

from urllib.parse import parse_qs, urlsplit

import pytest

from enhancer.adapters.signin.base import Profile
from enhancer.domain.errors import SignInFailed, SignInUnavailable
from tests.support.scripted_server import says
from tests.support.scripted_server import server as server  # noqa: PLC0414 - a fixture
from tests.support.signin_provider import (
    CLIENT,
    GITHUB_TOKEN,
    REDIRECT,
    SECRET,
    STATE,
    GitHub,
)


@pytest.fixture
def github(server):
    return GitHub(server)


def address(email, *, primary=False, verified=True):
    return {"email": email, "primary": primary, "verified": verified, "visibility": None}


def assert_fails(github, reason, **more):
    with pytest.raises(SignInFailed) as found:
        github.sign_in(**more)
    assert found.value.details == {"reason": reason}


def assert_unavailable(act):
    with pytest.raises(SignInUnavailable) as found:
        act()
    assert found.value.details == {"provider": "github"}


def test_a_verified_person_comes_back_as_a_profile(github):
    """The numeric id, and the address from the list, not the one that is shown."""
    assert github.sign_in() == Profile("github", "1001", "ada@example.com", "Ada L")


def test_the_browser_is_sent_with_all_that_protects_it(github):
    """State and the hash of the verifier; GitHub has no nonce."""
    url = github.start()
    asked = parse_qs(urlsplit(url).query)
    assert url.startswith(f"{github.server.url}/login/oauth/authorize?")
    assert len(asked.pop("code_challenge")[0]) == 43
    assert asked == {
        "response_type": ["code"],
        "client_id": [CLIENT],
        "redirect_uri": [REDIRECT],
        "scope": ["read:user user:email"],
        "state": [STATE],
        "code_challenge_method": ["S256"],
    }
    assert github.server.asked == []


def test_the_secret_goes_to_the_token_endpoint_only(github):
    """The API gets the access token and nothing else of ours, never in an address."""
    github.sign_in()
    exchange, *looks = github.server.asked
    assert parse_qs(exchange.body.decode())["client_secret"] == [SECRET]
    assert exchange.headers["accept"] == "application/json"
    assert [look.path for look in looks] == ["/user", "/user/emails?per_page=100"]
    assert [look.headers["authorization"] for look in looks] == ["Bearer gho_token"] * 2
    assert all(look.body == b"" and look.headers["user-agent"] == "image-enhancer/1.0" for look in looks)


@pytest.mark.parametrize("verifier", ["w" * 43, "", "v" * 42])
def test_a_wrong_or_missing_verifier_is_refused(github, verifier):
    """Whoever has the code only is not the browser that asked for it."""
    assert_fails(github, "code", verifier=verifier)


def test_a_start_without_a_verifier_is_refused(github):
    """GitHub would do without PKCE, we do not."""
    with pytest.raises(ValueError, match="verifier"):
        github.adapter.authorize_url(redirect_uri=REDIRECT, state=STATE, nonce="", verifier="")


def test_a_replayed_code_is_refused(github):
    """It works once."""
    code = github.consent(github.start())
    github.finish(code)
    with pytest.raises(SignInFailed) as found:
        github.finish(code)
    assert found.value.details == {"reason": "code"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("bad_verification_code", "code"),
        ("unverified_user_email", "email_unverified"),
        ("access_denied", "denied"),
        ("something_new", "provider"),
        (["odd"], "provider"),
    ],
)
def test_a_refusal_that_comes_as_success_is_a_refusal(github, error, reason):
    """GitHub says 200 and means no."""
    github.server.on(GITHUB_TOKEN, says(200, {"error": error, "error_description": "secret ü text"}))
    assert_fails(github, reason)


@pytest.mark.parametrize(
    "error", ["incorrect_client_credentials", "redirect_uri_mismatch", "application_suspended"]
)
def test_a_refusal_of_our_registration_is_unavailable_and_an_error_in_the_log(github, error, caplog):
    """Ours to repair, not the person's."""
    github.server.on(GITHUB_TOKEN, says(200, {"error": error, "error_description": "secret text"}))
    assert_unavailable(github.sign_in)
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (line.getMessage(), line.error, line.provider) == ("sign-in provider refuses us", error, "github")


def test_wrong_credentials_are_unavailable(github):
    """The server compares them itself."""
    adapter = github.make(secret="old")
    code = github.consent(github.start(adapter))
    assert_unavailable(lambda: github.finish(code, adapter=adapter))


@pytest.mark.parametrize("credentials", [("", ""), (CLIENT, ""), ("", SECRET)])
def test_github_not_set_up_is_unavailable(github, credentials):
    """Without client id and secret nobody is asked anything."""
    adapter = github.make(*credentials)
    assert_unavailable(lambda: github.start(adapter))
    assert_unavailable(lambda: github.finish("code", adapter=adapter))
    assert github.server.asked == []


@pytest.mark.parametrize(
    ("emails", "chosen"),
    [
        ([address("a@x.example"), address("B@x.example", primary=True)], "b@x.example"),
        ([address("a@x.example", primary=True, verified=False), address("b@x.example")], "b@x.example"),
        (
            [address("a@x.example", verified=False), address("b@x.example"), address("c@x.example")],
            "b@x.example",
        ),
        ([address("\u212aim@x.example", primary=True), address("b@x.example")], "b@x.example"),
        ([address(None, primary=True), 5, None, [], address("b@x.example")], "b@x.example"),
    ],
)
def test_the_primary_address_counts_else_the_first_verified_one(github, emails, chosen):
    """Verified comes before primary; what we cannot read is passed over."""
    github.emails = emails
    assert github.sign_in().email == chosen


@pytest.mark.parametrize(
    "emails",
    [
        [],
        [address("a@x.example", primary=True, verified=False)],
        [address("a@x.example", primary=True, verified="true")],
        [address("a@x.example", primary=True, verified=1)],
        [{"email": "a@x.example", "primary": True}],
        [address(None, primary=True)],
        [address("", primary=True)],
    ],
)
def test_nobody_without_a_verified_address_comes_in(github, emails):
    """The address that the profile shows proves nothing."""
    github.emails = emails
    assert_fails(github, "email_unverified")


def test_somebody_who_did_not_grant_the_addresses_is_refused(github):
    """GitHub says 404 for what a token may not see."""
    github.server.on("GET /user/emails", says(404, {"message": "Not Found"}))
    assert_fails(github, "email_unverified")


@pytest.mark.parametrize("route", ["GET /user", "GET /user/emails"])
def test_a_token_that_the_api_refuses_is_a_bad_token(github, route):
    """It was revoked, or never good."""
    github.server.on(route, says(401, {"message": "Bad credentials"}))
    assert_fails(github, "token")


@pytest.mark.parametrize("route", ["GET /user", "GET /user/emails"])
@pytest.mark.parametrize("status", [403, 429, 500, 502, 204])
def test_an_api_that_does_not_answer_is_unavailable(github, route, status):
    """Limits and breakdowns are nobody's fault."""
    github.server.on(route, says(status, {"message": "secret text"}))
    assert_unavailable(github.sign_in)


@pytest.mark.parametrize(
    "user", [None, [], {}, {"id": None}, {"id": "1001"}, {"id": True}, {"id": 0}, {"id": 1.5}]
)
def test_a_person_without_a_number_is_unavailable(github, user):
    """The number is who somebody is; login names change hands."""
    github.user = user
    assert_unavailable(github.sign_in)


@pytest.mark.parametrize("emails", [None, {}, "a@x.example", {"email": "a@x.example", "verified": True}])
def test_a_list_of_addresses_that_is_none_is_unavailable(github, emails):
    """Garbage is no reason to doubt the person."""
    github.emails = emails
    assert_unavailable(github.sign_in)


def test_a_person_without_a_name_comes_in(github):
    """GitHub asks nobody for one."""
    github.user = {"id": 7, "name": None}
    assert github.sign_in() == Profile("github", "7", "ada@example.com", "")
