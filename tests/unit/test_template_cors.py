"""Calls from other pages: what API Gateway and the bucket tell browsers, beside what the handlers take and give."""

import re

import pytest

from tests.support import template

TEMPLATE = template.load()
CORS = TEMPLATE["Resources"]["Api"]["Properties"]["CorsConfiguration"]
(BUCKET,) = (found["Properties"] for found in template.resources(TEMPLATE, "AWS::S3::Bucket").values())
SOURCES = {path: path.read_text("utf-8") for folder in ("functions", "layers/common/enhancer/api")
           for path in (template.ROOT / folder).rglob("*.py")}  # fmt: skip
SAFELISTED_ANSWER = {
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
}
BROWSERS_OWN = {
    "accept", "accept-encoding", "cookie", "host", "origin", "referer", "stripe-signature", "user-agent",
    "x-csrf-token", "x-forwarded-for", "x-forwarded-proto",
}  # fmt: skip
"""Request headers that browsers send by themselves, that need a cookie, or that only a machine sends."""
FOR_THE_BROWSER = {
    "content-encoding", "content-security-policy", "cross-origin-opener-policy", "permissions-policy",
    "referrer-policy", "set-cookie", "strict-transport-security", "vary", "x-content-type-options",
    "x-debug-network", "x-debug-owner", "x-frame-options",
}  # fmt: skip
"""Answer headers that browsers act upon, or that are not for scripts."""


def names(pattern):
    """What the pattern finds in the handlers and in what they run in, in lower case."""
    return {found.lower() for text in SOURCES.values() for found in re.findall(pattern, text)}


def test_any_page_may_call_but_never_with_cookies():
    """A star and credentials exclude each other; a cookie stays with the pages of its own site."""
    assert CORS["AllowOrigins"] == ["*"]
    assert not CORS.get("AllowCredentials")


def test_a_page_may_use_every_verb_that_a_route_has():
    """As the functions declare them."""
    routed = {verb.upper() for verb in names(r"@app\.(get|post|put|patch|delete|head)\(")}
    assert routed
    assert routed <= set(CORS["AllowMethods"])


def test_a_page_may_send_every_header_that_a_handler_reads():
    """The key before all: a star would not cover it."""
    read = names(r"(?:request|self|request_)\.?headers\.get\(\s*\"([A-Za-z-]+)\"")
    read |= names(r"Header\(alias=\"([A-Za-z-]+)\"")
    assert {"authorization", "content-type", "idempotency-key", "if-none-match", "prefer", "range"} <= read
    assert read - BROWSERS_OWN <= set(CORS["AllowHeaders"])


def test_a_page_may_read_every_header_that_we_answer_with():
    """Balance, limits, where the job is and when to ask again."""
    given = names(r"\"([A-Z][A-Za-z]*(?:-[A-Za-z]+)+)\"(?=[:\]])") | {
        "location",
        "etag",
        "allow",
        "ratelimit",
    }
    assert {"x-credits-charged", "retry-after", "x-request-id"} <= given
    wanted = given - SAFELISTED_ANSWER - FOR_THE_BROWSER - set(CORS["AllowHeaders"])
    assert wanted <= set(CORS["ExposeHeaders"])


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_the_bucket_takes_and_gives_what_is_signed_to_and_from_any_page(method):
    """An upload form or a link that a page got with its API key works there, after a redirect too (origin "null")."""
    (rule,) = BUCKET["CorsConfiguration"]["CorsRules"]
    assert method in rule["AllowedMethods"]
    assert (rule["AllowedOrigins"], rule["AllowedHeaders"]) == (["*"], ["*"])
    assert {"ETag", "Content-Disposition", "Content-Range"} <= set(rule["ExposedHeaders"])


def test_the_bucket_lets_no_page_put_or_delete():
    """Forms are posted; nothing signs another way to change anything."""
    (rule,) = BUCKET["CorsConfiguration"]["CorsRules"]
    assert set(rule["AllowedMethods"]) == {"GET", "HEAD", "POST"}


def test_no_function_speaks_about_origins():
    """The gateway ignores what it says: a rule in two places would be one that is not true."""
    assert not [path for path, text in SOURCES.items() if "access-control-" in text.lower()]
