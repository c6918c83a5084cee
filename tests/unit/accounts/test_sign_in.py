"""Out to the provider and back to the same browser, once; and where it leads afterwards."""

import base64
import hashlib
from dataclasses import dataclass, field

import pytest

from enhancer.accounts import sign_in
from enhancer.accounts.sign_in import SignInFlow
from enhancer.adapters.dynamodb.accounts import SIGN_IN_SECONDS
from enhancer.adapters.signin.base import Profile, SignIn
from enhancer.domain import paths
from enhancer.domain.errors import (
    IdentityTaken,
    OwnerBlocked,
    ReturnToInvalid,
    SignInFailed,
    SignInUnavailable,
)

CALLBACK = "https://enhance.example/api/auth/google/callback"
ADA = Profile("google", "1", "ada@example.com", "Ada")


def secret(letter):
    """One of our 256-bit secrets, easy to tell from others."""
    return letter * 43


@dataclass
class Scripted(SignIn):
    """A provider that gives this profile, or raises this; remembers what it was asked."""

    answer: object = ADA
    asked: list = field(default_factory=list)

    def authorize_url(self, *, redirect_uri, state, nonce, verifier):
        self.asked.append((redirect_uri, nonce, verifier))
        return f"https://provider.example/authorize?state={state}"

    def profile(self, *, code, redirect_uri, verifier, nonce, now):
        self.asked.append((redirect_uri, nonce, verifier))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def way(world, answer=ADA, provider="google"):
    return SignInFlow(provider, CALLBACK, Scripted(answer), world.accounts)


def begin(world, there=None, *, state="s", browser="b", return_to=None, linking=None):
    return sign_in.begin(
        there or way(world),
        state=secret(state),
        browser=secret(browser),
        return_to=return_to,
        linking=linking,
        now=world.clock,
    )


def complete(world, there=None, *, query=None, browser="b", caller=None, old=None, new="t", admin=""):
    return sign_in.complete(
        there or way(world),
        {"state": secret("s"), "code": "code"} if query is None else query,
        browser=secret(browser) if browser else browser,
        caller=caller,
        old_token=old,
        new_token=secret(new),
        new_user=world.new_name(),
        admin_email=admin,
        now=world.clock,
    )


def signed_in(world, profile=ADA, **more):
    """Whom a whole sign-in ends with."""
    there = way(world, profile)
    begin(world, there, **{name: more.pop(name) for name in ("linking",) if name in more})
    return complete(world, there, **more)[0]


def nobody_came_in(world):
    """Whether there is neither a session nor an account."""
    kinds = {record["pk"].partition("#")[0] for record in world.records()}
    return world.accounts.session(secret("t"), now=world.clock) is None and not kinds & {
        "OWNER",
        "IDENTITY",
    }


# ------------------------------------------------------------------------------------------ it works


def test_a_sign_in_ends_with_an_account_a_session_and_the_path(world):
    """The new token is the user's, and the browser goes where it began."""
    there = way(world)
    begin(world, there, return_to="/de/jobs?status=open")
    account, path = complete(world, there)
    assert path == "/de/jobs?status=open"
    assert world.accounts.session(secret("t"), now=world.clock).owner == account.owner


def test_the_exchange_carries_the_verifier_and_nonce_that_went_out(world):
    """Both halves ask for the same two, although neither was stored."""
    there = way(world)
    begin(world, there)
    complete(world, there)
    out, back = there.sign_in.asked
    assert out == back
    assert out[0] == CALLBACK
    assert len({out[1], out[2], secret("s"), secret("b")}) == 4


def test_verifier_and_nonce_need_the_browsers_secret(world):
    """The same state from another browser has others: the URL that went out does not give them away."""
    first, second = way(world), way(world)
    begin(world, first, state="x", browser="b")
    world.table.stored.clear()
    begin(world, second, state="x", browser="c")
    assert not set(first.sign_in.asked[0][1:]) & set(second.sign_in.asked[0][1:])


def test_the_table_knows_only_hashes_of_a_sign_in_under_way(world):
    """Whoever reads it can neither finish the sign-in nor answer the provider's challenge."""
    there = way(world)
    begin(world, there)
    stored = repr(world.records())
    _, nonce, verifier = there.sign_in.asked[0]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
    for private in (secret("s"), secret("b"), nonce, verifier, challenge[:43]):
        assert private not in stored


def test_the_browsers_old_session_ends(world):
    """A token from before is dead after signing in."""
    account = signed_in(world)
    begin(world)
    complete(world, old=secret("t"), new="u")
    assert world.accounts.session(secret("t"), now=world.clock) is None
    assert world.accounts.session(secret("u"), now=world.clock).owner == account.owner


# ------------------------------------------------------------------------------------------ state


@pytest.mark.parametrize(
    ("state", "browser"),
    [
        (None, "b"), ("", "b"), ("s" * 42, "b"), ("s" * 44, "b"), ("\u00e9" * 43, "b"), ("s" * 42 + "=", "b"),
        (secret("s"), None), (secret("s"), ""), (secret("x"), "b"), (secret("s"), "x"), (secret("s") + "\n", "b"),
    ],
)  # fmt: skip
def test_a_state_that_is_missing_foreign_or_malformed_is_refused(world, state, browser):
    """Nothing is asked at the provider, and nobody comes in."""
    there = way(world)
    begin(world, there)
    query = {"code": "code"} | ({"state": state} if state is not None else {})
    with pytest.raises(SignInFailed) as refused:
        complete(world, there, query=query, browser=browser)
    assert refused.value.details == {"reason": "state"}
    assert len(there.sign_in.asked) == 1
    assert nobody_came_in(world)


def test_a_foreign_browsers_try_does_not_use_the_state_up(world):
    """Its own browser still comes in."""
    begin(world)
    with pytest.raises(SignInFailed):
        complete(world, browser="x")
    assert complete(world)[0].email == "ada@example.com"


def test_a_state_is_good_once(world):
    """Also when the first use was refused by the provider."""
    begin(world)
    with pytest.raises(SignInUnavailable):
        complete(world, way(world, SignInUnavailable(provider="google")))
    with pytest.raises(SignInFailed) as refused:
        complete(world)
    assert refused.value.details == {"reason": "state"}


@pytest.mark.parametrize(
    ("seconds", "comes_in"),
    [(SIGN_IN_SECONDS - 1, True), (SIGN_IN_SECONDS, False), (SIGN_IN_SECONDS + 1, False)],
)
def test_a_state_is_good_for_ten_minutes(world, seconds, comes_in):
    """To the second, whenever the table deletes it."""
    begin(world)
    world.clock += seconds * 1000
    try:
        complete(world)
    except SignInFailed:
        assert not comes_in
    else:
        assert comes_in


def test_a_state_of_another_provider_is_refused(world):
    """What began at Google cannot end at GitHub."""
    begin(world)
    with pytest.raises(SignInFailed):
        complete(world, way(world, provider="github"))
    assert nobody_came_in(world)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"error": "access_denied"}, "denied"),
        ({"error": "server_error"}, "provider"),
        ({"error": "access_denied", "code": "code"}, "denied"),
        ({"code": ""}, "provider"),
        ({}, "provider"),
    ],
)
def test_what_the_provider_refuses_is_told_in_a_word_of_ours(world, query, reason):
    """Never in the provider's."""
    begin(world)
    with pytest.raises(SignInFailed) as refused:
        complete(world, query={"state": secret("s"), **query})
    assert refused.value.details == {"reason": reason}
    assert nobody_came_in(world)


@pytest.mark.parametrize(
    "problem",
    [SignInFailed(reason="token"), SignInFailed(reason="code"), SignInUnavailable(provider="google")],
)
def test_a_profile_that_is_none_leaves_nothing_behind(world, problem):
    """No session, no account, and the browser's old session goes on."""
    begin(world)
    world.accounts.start_session(world.caller().owner, secret("o"), now=world.clock)
    with pytest.raises(type(problem)):
        complete(world, way(world, problem), old=secret("o"))
    assert nobody_came_in(world)
    assert world.accounts.session(secret("o"), now=world.clock)


# ------------------------------------------------------------------------------------------ who


@pytest.mark.parametrize(
    ("admin", "role"),
    [("ada@example.com", "admin"), ("ADA@Example.com", "admin"), ("eve@example.com", "user"), ("", "user")],
)
def test_only_the_named_address_becomes_an_administrator(world, admin, role):
    """By its verified form, which every profile has; without a setting, nobody does."""
    assert signed_in(world, admin=admin).role == role


def test_a_user_becomes_administrator_once_the_setting_names_them(world):
    """At the next sign-in; and stays one when the setting goes."""
    assert signed_in(world).role == "user"
    assert signed_in(world, admin="ada@example.com", new="u").role == "admin"
    assert signed_in(world, new="v").role == "admin"


def test_a_blocked_user_gets_no_session(world):
    """And what the browser had before goes on."""
    account = signed_in(world)
    audit = {"id": "act", "action": "block", "actor": "x", "reason": "spam", "value": True}
    world.accounts.change(account.owner, "blocked", True, audit=audit, now=world.clock)
    begin(world)
    with pytest.raises(OwnerBlocked):
        complete(world, old=secret("t"), new="u")
    assert world.accounts.session(secret("u"), now=world.clock) is None
    assert world.accounts.session(secret("t"), now=world.clock)


HEDY = Profile("github", "1005", "hedy@example.com", "Hedy")


def test_linking_adds_the_identity_to_who_asked_for_it(world):
    """The account keeps its address, and the new identity signs it in."""
    account = signed_in(world)
    assert signed_in(world, HEDY, linking=account, caller=account, new="u") == account
    assert world.accounts.get(account.owner).identities == ("google#1", "github#1005")
    assert signed_in(world, HEDY, new="v").owner == account.owner


def test_linking_twice_changes_nothing(world):
    """The identity is there once."""
    account = signed_in(world)
    for token in "uv":
        signed_in(world, HEDY, linking=account, caller=account, new=token)
    assert world.accounts.get(account.owner).identities == ("google#1", "github#1005")


@pytest.mark.parametrize("who", ["nobody", "somebody else"])
def test_linking_needs_the_same_user_to_come_back(world, who):
    """A link begun by one user never ends in another's account."""
    account = signed_in(world)
    eve = signed_in(world, Profile("google", "666", "eve@example.com", "Eve"), new="e")
    with pytest.raises(SignInFailed) as refused:
        signed_in(world, HEDY, linking=account, caller=eve if who == "somebody else" else None, new="u")
    assert refused.value.details == {"reason": "state"}
    assert world.accounts.get(account.owner).identities == ("google#1",)


def test_linking_what_signs_somebody_else_in_is_refused(world):
    """Both stay as they were, and no session starts."""
    account, hedy = signed_in(world), signed_in(world, HEDY, new="h")
    with pytest.raises(IdentityTaken):
        signed_in(world, HEDY, linking=account, caller=account, new="u")
    assert world.accounts.get(account.owner).identities == ("google#1",)
    assert world.accounts.get(hedy.owner).identities == ("github#1005",)
    assert world.accounts.session(secret("u"), now=world.clock) is None


# ------------------------------------------------------------------------------------------ where to


@pytest.mark.parametrize(
    "path", [None, "", "/", "/de/", "/en/jobs?status=open,done#top", "/account?tab=keys", "/a..b/.well"]
)
def test_a_path_of_our_page_is_kept(path):
    """Without one it is the start page."""
    assert paths.safe_path(path) == (path or "/")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "javascript:alert(1)", "evil",
        "%2f%2fevil.example", "/%2fevil.example", "/%2F/evil.example", "/%252fevil.example", "/%5cevil.example",
        "/%255Cevil.example", "/a\r\nSet-Cookie: a=b", "/a%0d%0ab", "/a%250ab", "/a%00", "/\tevil", "/%09/evil",
        "/api/auth/logout", "/%61pi/auth/logout", "/%2561pi/x", "/./api/x", "/x/../api/x", "/%2e%2e/api/x",
        "/x/..", "/caf\u00e9", "/ a", '/"><script>', "/" + "a" * 500,
    ],
)  # fmt: skip
def test_a_path_that_leads_anywhere_else_is_refused(world, path):
    """In whatever writing; and no sign-in is begun."""
    with pytest.raises(ReturnToInvalid):
        begin(world, return_to=path)
    assert world.records() == []
