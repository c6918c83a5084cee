"""Stripe's events: signed with a secret of ours, now, and well-formed; nothing else, and never another error."""

import hashlib
import hmac
import json
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stripe import WebhookSignature

from enhancer.adapters.stripe.webhook import verified
from enhancer.domain.errors import WebhookInvalid
from enhancer.domain.payments import Event
from tests.support.template import ROOT

NOW = 1_790_000_000_000
NEW, OLD = "whsec_new_secret", "whsec_old_secret"
SECRETS = [NEW, OLD]
EVENT = {
    "id": "evt_1", "object": "event", "api_version": "2026-10-28.endive", "created": 1_789_000_000,
    "type": "checkout.session.completed", "livemode": False, "pending_webhooks": 1,
    "data": {"object": {"id": "cs_1", "object": "checkout.session", "metadata": {"owner": "Jürgen"}}},
}  # fmt: skip
BODY = json.dumps(EVENT, ensure_ascii=False).encode()


def mac(stamp, body=BODY, secret=NEW):
    key = secret if isinstance(secret, bytes) else secret.encode()
    return hmac.new(key, str(stamp).encode() + b"." + body, hashlib.sha256).hexdigest()


def header(body=BODY, *, at=NOW // 1000, secret=NEW):
    return f"t={at},v1={mac(at, body, secret)}"


def refused(body, signature, secrets=SECRETS, now=NOW):
    with pytest.raises(WebhookInvalid):
        verified(body, signature, secrets, now=now)
    return True


@pytest.mark.parametrize("secret", SECRETS)
def test_an_event_signed_with_a_secret_of_ours_is_read(secret):
    """As Stripe's own library signs; during a rotation with either secret."""
    signed = WebhookSignature.generate_signature_header(BODY.decode(), secret, NOW // 1000)
    assert signed == header(secret=secret)
    assert verified(BODY, signed, SECRETS, now=NOW) == Event(
        id="evt_1", type="checkout.session.completed", created=1_789_000_000_000, livemode=False,
        object=EVENT["data"]["object"],
    )  # fmt: skip


def test_what_is_verified_here_stripes_library_verifies_too():
    """The same rule, by somebody else."""
    assert WebhookSignature.verify_header(BODY, header(at=NOW // 1000), NEW, None) is True


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_five_minutes_old_or_new_are_accepted(seconds):
    """Clocks differ."""
    assert verified(BODY, header(at=NOW // 1000 + seconds), SECRETS, now=NOW).id == "evt_1"


@pytest.mark.parametrize("seconds", [-86_400, -301, 301, 86_400, 10**10])
def test_older_or_newer_ones_are_refused(seconds):
    """One that was recorded, or made for later, is worth nothing."""
    assert refused(BODY, header(at=NOW // 1000 + seconds))


def test_one_good_signature_among_several_is_enough():
    """While Stripe signs with two secrets; other schemes are ignored."""
    stamp = NOW // 1000
    several = f"t={stamp},v0={mac(stamp)},v1={'0' * 64},v1=,v1,v1={mac(stamp)}"
    assert verified(BODY, several, SECRETS, now=NOW).id == "evt_1"
    assert verified(BODY, f"v1={mac(stamp)},t={stamp}", SECRETS, now=NOW).id == "evt_1"


@pytest.mark.parametrize("scheme", ["v0", "v2", "V1", " v1", "v1 ", ""])
def test_a_signature_of_another_scheme_does_not_count(scheme):
    """``v0`` is a test scheme of Stripe's."""
    stamp = NOW // 1000
    assert refused(BODY, f"t={stamp},{scheme}={mac(stamp)}")


@pytest.mark.parametrize("secrets", [[], [""], ["", "whsec_other"], ["new_secret"], ["whsec_new_secret "]])
def test_another_secret_does_not_verify(secrets):
    """Nor a part of it, nor none."""
    assert refused(BODY, header(), secrets)


def test_an_empty_secret_never_verifies():
    """Everybody knows it."""
    assert refused(BODY, header(secret=""), [""])
    assert refused(BODY, header(secret=""), ["", NEW])


@pytest.mark.parametrize("body", [BODY + b" ", BODY.replace(b"evt_1", b"evt_2"), b"", BODY[:-1]])
def test_a_changed_body_is_refused(body):
    """Every byte is signed."""
    assert refused(body, header())


def test_a_changed_time_is_refused():
    """An old signature does not become new."""
    stamp = NOW // 1000
    assert refused(BODY, f"t={stamp},v1={mac(stamp - 600)}")


@pytest.mark.parametrize(
    "signature",
    ["", ",", "=", "t", "t=", "v1=", "t=,v1=", f"v1={mac(NOW // 1000)}", f"t={NOW // 1000}", "t=x,v1=y", "t=1e9,v1=y",
     f"t={NOW // 1000},t={NOW // 1000},v1={mac(NOW // 1000)}", f"t=+{NOW // 1000},v1={mac('+' + str(NOW // 1000))}",
     f"t= {NOW // 1000},v1={mac(' ' + str(NOW // 1000))}", f"t={'9' * 5000},v1=y",
     f"t={NOW // 1000},v1={mac(NOW // 1000)[:-1]}", f"t={NOW // 1000},v1={mac(NOW // 1000).upper()}",
     f"t={NOW // 1000},v1=ä", f"t={NOW // 1000},v1=\udc80", f"t={NOW // 1000};v1={mac(NOW // 1000)}",
     "t=１７９００００００0,v1=y"],
)  # fmt: skip
def test_a_malformed_header_is_refused(signature):
    """Missing, doubled, cut, in another alphabet."""
    assert refused(BODY, signature)


def shaped(**change):
    return json.dumps({key: value for key, value in (EVENT | change).items() if value != "gone"}).encode()


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", "{}".encode("utf-16"), BODY.decode().encode("utf-16"), b"{", b"null", b"[]", b'"event"', b"1",
     b"[" * 100_000, b'{"id": 1' + b"0" * 5000 + b"}", b"\xef\xbb\xbf" + BODY,
     shaped(id="gone"), shaped(id=""), shaped(id=1), shaped(id=None), shaped(type="gone"), shaped(type=""),
     shaped(type=["x"]), shaped(created="gone"), shaped(created="1789000000"), shaped(created=True),
     shaped(created=1.5), shaped(created=None), shaped(livemode="gone"), shaped(livemode="false"), shaped(livemode=0),
     shaped(data="gone"), shaped(data=None), shaped(data=[]), shaped(data={}), shaped(data={"object": None}),
     shaped(data={"object": []}), shaped(data={"object": "cs_1"})],
)  # fmt: skip
def test_a_signed_body_that_is_no_event_is_refused(body):
    """Not UTF-8, not JSON, or of another shape: 400, never 500."""
    assert refused(body, header(body))


def test_a_known_event_may_have_any_further_field():
    """Stripe adds some at any time."""
    body = shaped(account="acct_1", request=None, previous={"a": 1})
    assert verified(body, header(body), SECRETS, now=NOW).id == "evt_1"


SIGNATURES = st.text() | st.builds(
    lambda stamp, parts: f"t={stamp}," + ",".join(parts),
    st.integers(NOW // 1000 - 400, NOW // 1000 + 400) | st.text(),
    st.lists(st.builds("{}={}".format, st.sampled_from(["v1", "v0", "t"]), st.text())),
)


@settings(max_examples=300, deadline=None)
@given(st.binary(), SIGNATURES)
@example(b"", "t=1,v1=\x00")
def test_nothing_but_a_refusal_comes_of_noise(body, signature):
    """Whatever the internet sends."""
    assert refused(body, signature)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
SOME = st.sampled_from(["id", "type", "created", "livemode", "data"])


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(SOME, JSON).map(lambda change: EVENT | change) | JSON)
def test_of_signed_json_comes_an_event_or_a_refusal(document):
    """Also if the secret leaked: no other error, and an event has parts of the right kind."""
    body = json.dumps(document).encode()
    try:
        found = verified(body, header(body), SECRETS, now=NOW)
    except WebhookInvalid:
        return
    assert (type(found.id), type(found.type), type(found.created)) == (str, str, int)
    assert (type(found.livemode), type(found.object)) == (bool, dict)


def test_hearing_an_event_does_not_load_stripes_library():
    """A cold start of the webhook's function stays short."""
    program = "import sys, enhancer.adapters.stripe.webhook; sys.exit('stripe' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "layers/common")},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0


def test_building_the_adapter_does_not_load_stripes_library():
    """Only a question to Stripe does."""
    program = (
        "import sys; from enhancer.adapters.stripe.gateway import Payments; "
        "Payments(lambda fresh: 'sk_test_x', 'http://127.0.0.1:9').is_live(); sys.exit('stripe' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "layers/common")},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
