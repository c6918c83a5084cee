"""The page's function: what a browser, a crawler and an attacker get from it."""

import base64
import gzip
import importlib.util
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from enhancer import runtime
from enhancer.api import page
from enhancer.api.http.request import Request

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    "ENVIRONMENT": "testing",
    "TABLE_NAME": "table",
    "BUCKET_NAME": "photos",
    "SIGNING_SECRET_NAME": "signing",
    "WORKERS_AI_ENABLED": "0",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
}
CONTEXT = SimpleNamespace(
    function_name="web",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn",
    aws_request_id="r",
    log_group_name="l",
)
BROWSER = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture(name="web")
def web_fixture(monkeypatch):
    """The function as Lambda loads it; call it with a path and headers."""
    for name in ("AWS_ENDPOINT_URL", "APP_ORIGIN", "ALLOWED_ORIGINS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    runtime.settings.cache_clear()
    runtime.artifacts.cache_clear()
    spec = importlib.util.spec_from_file_location("web_app", ROOT / "functions/web/app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def call(path, *, method="GET", body="", **headers):
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {name.replace("_", "-"): value for name, value in headers.items()},
            "requestContext": {
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
                "requestId": "req-1",
                "stage": "$default",
                "domainName": "enhance.example",
            },
            "body": body,
            "isBase64Encoded": False,
        }
        return module.lambda_handler(event, CONTEXT)

    yield call
    runtime.settings.cache_clear()
    runtime.artifacts.cache_clear()


def body_of(answer):
    return base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()


def nonce_of(answer):
    return re.search(r"'nonce-([^']+)'", answer["headers"]["Content-Security-Policy"])[1]


def test_every_page_answer_carries_a_fresh_nonce(web):
    """A nonce is never used twice, and each one is the nonce of every script and style of its own page."""
    first, second = web("/"), web("/")
    assert nonce_of(first) != nonce_of(second)
    tags = re.findall(r"<(?:script|link rel=\"stylesheet\")[^>]*>", first["body"])
    assert tags
    assert all(f'nonce="{nonce_of(first)}"' in tag for tag in tags)


def test_the_policy_names_nobody_but_us_and_the_bucket(web):
    """Scripts, styles and connections go to our own origin, the nonce and the bucket only; nothing inline runs."""
    rules = web("/")["headers"]["Content-Security-Policy"]
    assert set(re.findall(r"https?://[^ ;]+", rules)) == {"https://photos.s3.eu-central-1.amazonaws.com"}
    assert "unsafe" not in rules
    assert "*" not in rules


def test_the_page_has_no_inline_style_and_no_inline_handler(web):
    """Nothing in the page needs what the policy forbids."""
    page = web("/")["body"]
    assert not re.search(r"<[^>]+\s(?:style|on\w+)=", page)
    assert "{{" not in page


def test_a_page_answer_is_not_stored_and_says_what_it_depends_on(web):
    """Caches keep no page, because it depends on cookie and language and carries a nonce."""
    headers = web("/")["headers"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Vary"] == "Cookie, Accept-Language"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "headers", "language"),
    [
        ("/", {}, "en"),
        ("/", {"accept_language": "de-AT,de;q=0.9,en;q=0.5"}, "de"),
        ("/", {"accept_language": "fr,pt"}, "en"),
        ("/", {"cookie": "lang=de", "accept_language": "en"}, "de"),
        ("/", {"cookie": "lang=xx", "accept_language": "de"}, "de"),
        ("/en/", {"cookie": "lang=de", "accept_language": "de"}, "en"),
        ("/de", {}, "de"),
        ("/de/tools/ai-image-enhancer", {"cookie": "lang=en"}, "de"),
        ("/jobs", {"accept_language": "de-AT,de;q=0.9"}, "de"),
        ("/jobs", {"cookie": "lang=en", "accept_language": "de"}, "en"),
        ("/de/jobs", {"cookie": "lang=en"}, "de"),
        ("/en/jobs/", {"accept_language": "de"}, "en"),
    ],
)
def test_path_beats_cookie_beats_browser_in_choosing_the_language(web, path, headers, language):
    """The language shown, `lang` and `Content-Language` agree and follow path, then choice, then browser."""
    answer = web(path, **headers)
    assert answer["statusCode"] == 200
    assert answer["headers"]["Content-Language"] == language
    assert f'<html lang="{language}">' in answer["body"]


@pytest.mark.parametrize(
    ("path", "place"),
    [("/de/", ""), ("/de/jobs", "jobs"), ("/de/account", "account"), ("/de/pricing", "pricing")],
)
def test_language_links_stay_on_the_page(web, path, place):
    """Changing the language does not lead elsewhere, and every page knows where it is."""
    body = web(path)["body"]
    assert f'<a href="/en/{place}" lang="en"' in body
    assert f'<body data-place="{place}">' in body
    assert '<a href="/de/jobs" data-place="jobs">' in body


@pytest.mark.parametrize(
    "path", ["/en/jobs/x", "/fr/jobs", "/en/job", "/en/accounts", "/assets/parts/top.html"]
)
def test_a_path_that_only_looks_like_a_page_is_404(web, path):
    """No page answers beyond its own address, and pieces of pages are not served."""
    assert web(path)["statusCode"] == 404


@pytest.mark.parametrize("path", ["/", "/en/jobs", "/en/account", "/en/pricing", "/docs", "/nowhere"])
def test_no_hole_of_a_template_is_left(web, path):
    """Pieces that pages share are filled in as well."""
    body = web(path, **BROWSER)["body"]
    assert "{{" not in body


@pytest.mark.parametrize(
    ("path", "back"),
    [("/de/", "/de/"), ("/en/jobs", "/en/jobs"), ("/account", "/en/account"), ("/pricing", "/en/pricing")],
)
def test_every_page_offers_to_sign_in_and_to_come_back(web, path, back):
    """Both ways stand in the page itself, so they work before any script does."""
    body = web(path)["body"]
    for provider in ("google", "github"):
        assert f'href="/api/auth/{provider}/login?returnTo={back}"' in body


def test_texts_of_the_locale_cannot_end_the_script_they_travel_in(web):
    """The locale is embedded so that no text of it can close its element."""
    page = web("/de/")["body"]
    embedded = re.search(r'id="locale"[^>]*>(.*?)</script>', page, re.DOTALL)[1]
    assert "<" not in embedded
    assert json.loads(embedded)["enhance"] == "Verbessern"


def test_both_languages_have_the_same_texts():
    """No text is missing in either language, and placeholders agree."""

    def flat(node, path=""):
        if isinstance(node, dict):
            return {key: value for name in node for key, value in flat(node[name], f"{path}.{name}").items()}
        return {path: sorted(re.findall(r"\{\w+\}", json.dumps(node)))}

    parts = [part.parent.relative_to(ROOT / "web") for part in (ROOT / "web/js/texts").glob("*/en.json")]
    assert len(parts) == 3
    for folder in ("locales", "js/texts", *parts):
        english, german = (
            flat(json.loads((ROOT / f"web/{folder}/{language}.json").read_text("utf-8")))
            for language in ("en", "de")
        )
        assert english == german


def test_every_error_code_of_the_api_has_a_text_on_the_page():
    """The page says in its own words what any code of the API means."""
    from enhancer.domain.errors import leaves

    now, later = (
        json.loads((ROOT / f"web/{folder}/en.json").read_text("utf-8")) for folder in ("locales", "js/texts")
    )
    hidden = {
        "not_the_owner",
        "not_found",
        "method_not_allowed",
        "too_many_images",
        "invalid_idempotency_key",
        "flags_changed",  # operators use the API or a shell
    }
    told = {*now["errors"], *later["errors"], *now["jobs"]["problems"], *now["billing"]["problems"]}
    assert {leaf.code for leaf in leaves()} - hidden <= told


def test_assets_under_the_current_version_may_be_kept_for_a_year(web):
    """The version in the address changes with any asset, so what it names never changes."""
    path = re.search(r'href="(/assets/[^"]+\.css)"', web("/")["body"])[1]
    answer = web(path)
    assert answer["statusCode"] == 200
    assert answer["headers"]["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer["headers"]["Content-Type"] == "text/css; charset=utf-8"


def test_assets_of_another_version_are_revalidated(web):
    """A page from before a deployment still gets its scripts, but nobody keeps them under the old name."""
    answer = web("/assets/0123456789ab/js/main.js")
    assert answer["statusCode"] == 200
    assert answer["headers"]["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.8"])
def test_an_asset_is_compressed_for_who_accepts_it(web, accepted):
    """The compressed and the plain answer are the same file, and caches can tell them apart."""
    plain, zipped = web("/assets/js/main.js"), web("/assets/js/main.js", accept_encoding=accepted)
    assert zipped["headers"]["Content-Encoding"] == "gzip"
    assert gzip.decompress(body_of(zipped)) == body_of(plain)
    assert zipped["headers"]["ETag"] != plain["headers"]["ETag"]
    assert zipped["headers"]["Vary"] == "Accept-Encoding"


def test_the_page_is_compressed_for_who_accepts_it(web):
    """The page travels compressed, and is the same page."""
    answer = web("/de/", accept_encoding="gzip, br")
    assert answer["headers"]["Content-Encoding"] == "gzip"
    assert '<html lang="de">' in gzip.decompress(body_of(answer)).decode()


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.0, br"])
def test_nothing_is_compressed_for_who_refuses_it(web, accepted):
    """Who does not take gzip gets plain bytes."""
    for path in ("/", "/assets/js/main.js"):
        assert "Content-Encoding" not in web(path, accept_encoding=accepted)["headers"]


def test_a_known_etag_is_answered_with_304_and_no_body(web):
    """A browser that has the asset gets no bytes."""
    etag = web("/assets/js/main.js")["headers"]["ETag"]
    answer = web("/assets/js/main.js", if_none_match=f'"other", W/{etag}')
    assert answer["statusCode"] == 304
    assert body_of(answer) == b""
    assert answer["headers"]["ETag"] == etag


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets/../app.py",
        "/assets/js/../../app.py",
        "/assets/%2e%2e/app.py",
        "/assets/..%2f..%2fapp.py",
        "/assets//etc/passwd",
        "/assets/js/main.js%00.png",
        "/assets/js\\main.js",
        "/assets/locales/en.json",
        "/assets/index.html",
        "/assets/vendor/README.md",
        "/assets/0123456789ab/swagger/../../app.py",
    ],
)
def test_an_asset_path_that_is_not_a_listed_file_is_404(web, path):
    """Only files found at start are served, by exact name; no path is ever joined to a folder."""
    answer = web(path)
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["error"]["code"] == "not_found"


def test_every_file_the_page_names_is_served(web):
    """No script, style, font or picture of the page or of its modules is a dead link."""
    page = web("/")["body"]
    for path in set(re.findall(r'(?:href|src)="(/assets/[^"]+|/favicon.svg)"', page)):
        assert web(path)["statusCode"] == 200, path
    for module in (ROOT / "web/js").glob("*.js"):
        for name in re.findall(r'(?:from|import\(?) ?"\./([^"]+)"', module.read_text("utf-8")):
            assert web(f"/assets/js/{name}")["statusCode"] == 200, name


def test_an_unknown_path_is_a_page_for_browsers_and_the_envelope_for_the_api(web):
    """People get a page with a way back, programs get JSON; both are 404."""
    page = web("/nowhere", **BROWSER)
    assert page["statusCode"] == 404
    assert page["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert 'href="/en/"' in page["body"]
    assert nonce_of(page) in page["body"]
    for answer in (web("/api/nowhere", **BROWSER), web("/nowhere", accept="application/json")):
        assert answer["statusCode"] == 404
        assert json.loads(answer["body"])["error"]["type"] == "not_found"


def test_the_404_page_speaks_german_to_germans(web):
    """The language of a missing page is negotiated like any other."""
    assert web("/nirgends", accept_language="de", **BROWSER)["headers"]["Content-Language"] == "de"


@pytest.mark.parametrize(("path", "allow"), [("/", "GET"), ("/assets/js/main.js", "GET")])
def test_another_verb_on_a_known_path_is_405_with_allow(web, path, allow):
    """A wrong verb names the right one."""
    answer = web(path, method="DELETE")
    assert answer["statusCode"] == 405
    assert answer["headers"]["Allow"] == allow


def test_the_api_browser_is_served_by_us(web):
    """The documentation page loads its script and style from our own origin."""
    page = web("/docs")["body"]
    assert not re.search(r"(?:src|href)=\"https?:", page)
    for path in re.findall(r'(?:src|href)="(/assets/swagger/[^"]+)"', page):
        assert web(path, accept_encoding="gzip")["statusCode"] == 200


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_the_api_description_is_served_as_json(web, tmp_path, encoding):
    """The built function has it beside the page, and what is sent is the file."""
    shutil.copytree(ROOT / "web", tmp_path / "web")
    described = shutil.copy(ROOT / "docs/openapi.json", tmp_path / "web/openapi.json").read_bytes()
    event = {
        "rawPath": "/openapi.json",
        "headers": {"accept-encoding": encoding},
        "requestContext": {"http": {"method": "GET", "path": "/openapi.json"}},
    }
    answer = page.Pages(tmp_path / "web").file(Request(event, ""))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.base64_encoded is True
    sent = base64.b64decode(answer.body)
    assert (gzip.decompress(sent) if encoding == "gzip" else sent) == described
