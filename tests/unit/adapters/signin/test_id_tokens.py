"""ID tokens that somebody could bring instead of a good one: each is refused, the good ones beside them not."""

import hashlib
import hmac
import json
import time

import pytest
from joserfc import jws, jwt
from joserfc.jwk import OctKey, RSAKey

from enhancer.adapters.signin.id_tokens import keys_of
from enhancer.domain.errors import SignInFailed
from tests.support.scripted_server import server as server  # noqa: PLC0414 - a fixture
from tests.support.signin_provider import CLIENT, KEYS, NONCE, Google, b64, key, now


@pytest.fixture
def google(server):
    return Google(server)


def refused(google, reason="token", **more):
    with pytest.raises(SignInFailed) as found:
        google.sign_in(**more)
    assert found.value.details == {"reason": reason}
    return True


def raw(header, claims, signature=b""):
    return f"{b64(header)}.{b64(claims)}.{b64(signature)}"


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, ["RS256"]])
def test_a_token_without_a_signature_is_refused(google, name):
    """No algorithm at all, in every spelling."""
    google.sign = lambda claims: raw({"alg": name, "kid": "first"}, claims)
    assert refused(google)
    assert len(google.server.calls(KEYS)) == 1


@pytest.mark.parametrize("private", [False, "der", "jwk"])
def test_a_public_key_is_no_secret(google, private):
    """HS256 with what everybody can download, in each of its forms."""

    def sign(claims):
        public = {
            False: key("first").as_pem(private=False),
            "der": key("first").as_der(private=False),
            "jwk": str(key("first").as_dict(private=False)).encode(),
        }[private]
        head = f"{b64({'alg': 'HS256', 'kid': 'first'})}.{b64(claims)}"
        return f"{head}.{b64(hmac.new(public, head.encode(), hashlib.sha256).digest())}"

    google.sign = sign
    assert refused(google)


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "HS256"])
def test_another_algorithm_is_refused(google, algorithm):
    """RS256 and nothing else, even with the right key."""
    signer = OctKey.import_key("s" * 32) if algorithm == "HS256" else RSAKey(key("first").raw_value, b"")
    google.sign = lambda claims: jwt.encode(
        {"alg": algorithm, "kid": "first"}, claims, signer, algorithms=[algorithm]
    )
    assert refused(google)


@pytest.mark.parametrize(
    "kid", ["../../etc/passwd", "/dev/null", "' OR 1=1 --", "https://evil.example/key", "x" * 200, ""]
)
def test_a_key_id_is_looked_up_and_nothing_else(google, kid):
    """Neither a path nor an address nor a query."""
    google.sign = lambda claims: google.signed(claims, kid=kid)
    assert refused(google)
    assert {asked.path for asked in google.server.calls("GET")} == {
        "/.well-known/openid-configuration",
        "/keys",
    }


@pytest.mark.parametrize("kid", [None, 1, ["first"]])
def test_a_token_that_names_no_key_is_refused(google, kid):
    """Google always names it, so guessing helps nobody."""
    google.sign = lambda claims: raw({"alg": "RS256", "kid": kid}, claims, b"x" * 256)
    assert refused(google)


def test_a_token_of_the_only_key_that_does_not_name_it_is_refused(google):
    """Its signature is good, and still."""
    unnamed = RSAKey(key("first").raw_value, b"")
    google.sign = lambda claims: jws.serialize_compact({"alg": "RS256"}, json.dumps(claims), unnamed)
    assert refused(google)


def test_a_token_with_an_unknown_key_is_refused(google):
    """After one more look at the keys."""
    google.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "other"}, claims, key("other"))
    assert refused(google)
    assert len(google.server.calls(KEYS)) == 2


def test_a_token_that_brings_its_own_key_is_refused(google):
    """A key in the header proves nothing."""
    own = key("other").as_dict(private=False)
    google.sign = lambda claims: jwt.encode(
        {"alg": "RS256", "kid": "other", "jwk": own}, claims, key("other")
    )
    assert refused(google)


def test_a_token_signed_by_somebody_else_is_refused(google):
    """The right key's name, the wrong key."""
    google.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, key("other"))
    assert refused(google)


def test_a_token_changed_after_signing_is_refused(google):
    """Another subject under the same signature."""

    def sign(claims):
        head, _, signature = google.signed(claims).split(".")
        return f"{head}.{b64(claims | {'sub': '9'})}.{signature}"

    google.sign = sign
    assert refused(google)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "a.b.c.d.e", "é.é.é", "x" * 200_000])
def test_what_is_no_token_is_refused(google, token):
    """Text in the shape of nothing."""
    google.sign = lambda claims: token
    assert refused(google)


SECOND = 1000


@pytest.mark.parametrize(("after", "good"), [(3659, True), (3661, False), (86_400, False)])
def test_an_expired_token_is_refused_after_a_minute_of_grace(google, after, good):
    """Clocks differ by so much and no more."""
    at = now() // SECOND * SECOND
    google.change = {"iat": at // SECOND, "exp": at // SECOND + 3600}
    if good:
        assert google.sign_in(at=at + after * SECOND).subject
    else:
        assert refused(google, at=at + after * SECOND)


@pytest.mark.parametrize(("ahead", "good"), [(60, True), (61, False), (86_400, False)])
def test_a_token_from_the_future_is_refused_beyond_a_minute(google, ahead, good):
    """Nobody signs in tomorrow."""
    at = now() // SECOND * SECOND
    google.change = {"iat": at // SECOND + ahead, "exp": at // SECOND + ahead + 3600}
    if good:
        assert google.sign_in(at=at).subject
    else:
        assert refused(google, at=at)


@pytest.mark.parametrize("claim", ["exp", "iat"])
@pytest.mark.parametrize("value", [..., None, "9999999999", True, [], float("nan"), float("inf")])
def test_a_token_without_proper_times_is_refused(google, claim, value):
    """What has no end would never end."""
    google.change = {claim: value}
    assert refused(google)


@pytest.mark.parametrize(
    "aud", ["another", ["another"], [CLIENT, 1], [], "", ..., None, {}, CLIENT + " ", CLIENT.upper()]
)
def test_a_token_for_another_audience_is_refused(google, aud):
    """Made for somebody else's application, however good it is."""
    google.change = {"aud": aud}
    assert refused(google)


@pytest.mark.parametrize("azp", [CLIENT, ...])
def test_a_token_for_a_list_of_us_alone_is_taken(google, azp):
    """An audience may be a list."""
    google.change = {"aud": [CLIENT], "azp": azp}
    assert google.sign_in().subject == "1122"


def test_a_token_for_several_is_taken_if_made_for_us(google):
    """The authorized party says so."""
    google.change = {"aud": [CLIENT, "another"], "azp": CLIENT}
    assert google.sign_in().subject == "1122"


@pytest.mark.parametrize(
    ("aud", "azp"), [([CLIENT, "b"], "b"), ([CLIENT, "b"], ...), (CLIENT, "b"), ([CLIENT, "b"], [CLIENT])]
)
def test_a_token_for_several_made_for_another_is_refused(google, aud, azp):
    """Being among the audience is not enough."""
    google.change = {"aud": aud, "azp": azp}
    assert refused(google)


@pytest.mark.parametrize(
    "iss",
    ["https://accounts.google.com", "accounts.google.com", "", ..., None, ["x"], "https://evil.example"],
)
def test_a_token_of_a_wrong_issuer_is_refused(google, iss):
    """Even the real Google is foreign where a stand-in is configured."""
    google.change = {"iss": iss}
    assert refused(google)


@pytest.mark.parametrize("nonce", ["another", "", ..., None, 1, [NONCE], NONCE.upper(), "\ud800"])
def test_a_wrong_nonce_is_refused(google, nonce):
    """A token that was made for another sign-in."""
    google.change = {"nonce": nonce}
    assert refused(google)


@pytest.mark.parametrize("nonce", ["another", ""])
def test_a_browser_with_another_nonce_is_refused(google, nonce):
    """An empty one equals nothing, not even an empty one."""
    if not nonce:
        google.change = {"nonce": ""}
    assert refused(google, nonce=nonce)


@pytest.mark.parametrize("sub", ["", ..., None, 5, "s" * 256, "a\nb", "ü", ["x"]])
def test_a_token_without_a_proper_subject_is_refused(google, sub):
    """It becomes the name of an account."""
    google.change = {"sub": sub}
    assert refused(google)


def test_the_longest_subject_is_taken(google):
    """255 characters are allowed."""
    google.change = {"sub": "s" * 255}
    assert google.sign_in().subject == "s" * 255


@pytest.mark.parametrize("verified", [False, "true", 1, ..., None])
def test_an_unverified_email_is_refused(google, verified):
    """True is what Google says, and nothing like it."""
    google.change = {"email_verified": verified}
    assert refused(google, "email_unverified")


@pytest.mark.parametrize(
    "email",
    [..., None, "", 5, ["a@b.example"], "a", "@", "a@", "@b", "a@b@c", "a b@c.example", "a@b.example\n",
     "\u212aim@b.example", "a@" + "b" * 250],
)  # fmt: skip
def test_a_token_without_a_usable_email_is_refused(google, email):
    """Among them a Kelvin sign, which in lower case would be somebody else's k."""
    google.change = {"email": email}
    assert refused(google, "email_unverified")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (..., ""),
        (None, ""),
        (5, ""),
        ("  Ada \n\t L\u202e ", "Ada L"),
        ("Ö" * 300, "Ö" * 200),
        ("Zoë 李", "Zoë 李"),
    ],
)
def test_a_name_is_shown_as_text_of_one_line(google, name, shown):
    """People spell their names; control characters and floods are left out."""
    google.change = {"name": name}
    assert google.sign_in().name == shown


def test_a_token_not_yet_valid_is_refused(google):
    """A beginning counts where it is given."""
    google.change = {"nbf": int(time.time()) + 120}
    assert refused(google)


@pytest.mark.filterwarnings("ignore:Key size")
def test_only_rsa_keys_for_signatures_are_kept():
    """A key set may hold keys for other uses, of other kinds, too short or broken; they are passed over."""
    good = key("first").as_dict(private=False)
    short = good | {"kid": "short", "n": b64(b"\xff" * 128)}
    others = [good | {"kid": "enc", "use": "enc"}, good | {"kid": "rs512", "alg": "RS512"}, good | {"kid": None}, short,
              {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}, {"kty": "RSA", "kid": "empty"}, 5, None,
              good | {"kid": "broken", "n": "!"}, good | {"kid": "number", "e": 3}]  # fmt: skip
    assert list(keys_of({"keys": [*others, good]})) == ["first"]


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, {"keys": {}}, "keys"])
def test_what_is_no_key_set_has_no_keys(document):
    """Whatever was published."""
    assert keys_of(document) == {}
