"""Signatures of call-backs: the good one, and everything that somebody else could send."""

import base64
import hashlib
import hmac
import json
import time

import pytest

from enhancer.adapters.predictors.replicate_webhook import verified
from enhancer.domain.errors import WebhookInvalid
from tests.support.callbacks import FOREIGN_SECRET, OLD_SECRET, WEBHOOK_SECRET, signed

SECRETS = [WEBHOOK_SECRET, OLD_SECRET]
BODY = json.dumps({"id": "p1", "status": "succeeded"}).encode()


def now():
    return int(time.time())


def refused(body, headers, secrets=SECRETS):
    with pytest.raises(WebhookInvalid) as found:
        verified(body, headers, secrets)
    assert found.value.details == {}
    return True


@pytest.mark.parametrize("secret", SECRETS)
def test_a_call_back_signed_with_either_secret_is_read(secret):
    """During a rotation both hold."""
    assert verified(BODY, signed(BODY, secret, at=now()), SECRETS) == {"id": "p1", "status": "succeeded"}


def test_one_good_signature_among_several_is_enough():
    """The provider lists one for each of its keys."""
    headers = signed(BODY, WEBHOOK_SECRET, at=now())
    others = f"v1,{base64.b64encode(bytes(32)).decode()} v2,abc {headers['webhook-signature']} v1a,x"
    assert verified(BODY, headers | {"webhook-signature": others}, SECRETS)["id"] == "p1"


@pytest.mark.parametrize("off", [-299, 0, 299])
def test_a_call_back_within_five_minutes_is_read(off):
    """Clocks differ, in both directions."""
    assert verified(BODY, signed(BODY, WEBHOOK_SECRET, at=now() + off), SECRETS)["id"] == "p1"


@pytest.mark.parametrize("off", [-302, 302, -86_400, 10**9])
def test_a_call_back_beyond_five_minutes_is_refused(off):
    """A recorded one cannot be played again later, nor one be made for the future."""
    assert refused(BODY, signed(BODY, WEBHOOK_SECRET, at=now() + off))


def test_a_foreign_secret_is_refused():
    """Whoever signed it, it was not the provider."""
    assert refused(BODY, signed(BODY, FOREIGN_SECRET, at=now()))


@pytest.mark.parametrize("secrets", [[], ["whsec_"], [""], ["whsec_%%%"], ["not base64!"]])
def test_without_a_usable_secret_everything_is_refused(secrets):
    """An unset or malformed secret opens no door, not even for who signs with nothing."""
    assert refused(BODY, signed(BODY, WEBHOOK_SECRET, at=now()), secrets)
    forged = signed(BODY, "whsec_", at=now())
    assert refused(BODY, forged, [secret for secret in secrets if secret != "whsec_"])


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_or_empty_header_is_refused(name, value):
    """All three are signed."""
    headers = signed(BODY, WEBHOOK_SECRET, at=now())
    del headers[name]
    assert refused(BODY, headers | ({} if value is None else {name: value}))


@pytest.mark.parametrize(
    "signature",
    ["v1", "v1,", ",", " ", "v1,%%%", "v1,AAAA", "v1,ü", "v1,\u2603\u2603", "v2," + "A" * 44, "A" * 44,
     "v1,a,b,c", "\x00",
     "v1," + "A" * 100_000],
)  # fmt: skip
def test_a_malformed_signature_is_refused(signature):
    """Other versions, no base64, letters that no signature has, far too long."""
    assert refused(BODY, signed(BODY, WEBHOOK_SECRET, at=now()) | {"webhook-signature": signature})


@pytest.mark.parametrize(
    "stamp", ["", "soon", "NaN", "inf", "-inf", "1e400", "0", "-1", "٣", "1795176000.5x", "9" * 400]
)
def test_a_malformed_time_is_refused(stamp):
    """Signed or not, it is no moment of the last five minutes."""
    assert refused(BODY, signed(BODY, WEBHOOK_SECRET, at=now(), stamp=stamp))


@pytest.mark.parametrize("changed", [BODY + b" ", BODY[:-1], BODY.replace(b"p1", b"p2"), b"", b"\xff" + BODY])
def test_another_body_under_a_good_signature_is_refused(changed):
    """A byte is enough."""
    assert refused(changed, signed(BODY, WEBHOOK_SECRET, at=now()))


@pytest.mark.parametrize("other", ["webhook-id", "webhook-timestamp"])
def test_another_id_or_time_under_a_good_signature_is_refused(other):
    """Both are signed."""
    headers = signed(BODY, WEBHOOK_SECRET, at=now())
    assert refused(BODY, headers | {other: str(now() - 7)})


@pytest.mark.parametrize("body", [b"[1]", b'"text"', b"7", b"null", b"", b"{", b"\xff\xfe", b"true"])
def test_a_signed_body_that_is_no_json_object_is_refused(body):
    """Even from the provider itself."""
    assert refused(body, raw(body))


def raw(body):
    """Headers for any bytes, text or not."""
    stamp, key = str(now()), base64.b64decode(WEBHOOK_SECRET.removeprefix("whsec_"))
    mac = hmac.new(key, b"msg_1." + stamp.encode() + b"." + body, hashlib.sha256).digest()
    return {
        "webhook-id": "msg_1", "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }  # fmt: skip
