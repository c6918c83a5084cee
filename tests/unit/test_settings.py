"""Settings: every malformed value is refused by its name, and never shown."""

import json

import pytest

from enhancer import settings
from enhancer.domain import credits
from enhancer.domain.plans import PLANS
from enhancer.settings import PAID_PLANS, BadSetting, Settings

GOOD = {
    "ENVIRONMENT": "production", "TABLE_NAME": "table", "BUCKET_NAME": "photos", "SIGNING_SECRET_NAME": "signing",
}  # fmt: skip


def test_the_required_settings_are_enough():
    """Everything else has a safe default."""
    found = Settings.load(GOOD)
    assert (found.environment, found.table, found.bucket, found.signing_secret) == (
        "production", "table", "photos", "signing",
    )  # fmt: skip
    assert (found.app_origin, found.allowed_origins, found.workers_ai_enabled) == ("", (), False)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("missing", [True, False])
def test_a_missing_or_empty_required_setting_is_refused_by_name(name, missing):
    """The message says which one."""
    environ = {key: value for key, value in GOOD.items() if key != name} if missing else GOOD | {name: ""}
    with pytest.raises(BadSetting, match=name):
        Settings.load(environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "prod"), ("ENVIRONMENT", "Production"), ("ENVIRONMENT", " development"),
        ("WORKERS_AI_ENABLED", "maybe"), ("WORKERS_AI_ENABLED", "2"), ("WORKERS_AI_ENABLED", "truee"),
        ("ALLOWED_ORIGINS", "app.example"), ("ALLOWED_ORIGINS", "*"), ("ALLOWED_ORIGINS", '["https://a.example"]'),
        ("ALLOWED_ORIGINS", "https://a.example/path"), ("ALLOWED_ORIGINS", "https://a.example/"),
        ("ALLOWED_ORIGINS", "https://a.example,javascript:x"), ("ALLOWED_ORIGINS", "null"),
        ("TESTING_WORKERS_AI_ALLOW", "maybe"), ("TESTING_WORKERS_AI_ALLOW", "[]"),
        ("TESTING_ALLOWED_CF_MODELS", "["), ("TESTING_ALLOWED_CF_MODELS", "{}"),
        ("TESTING_ALLOWED_CF_MODELS", "sd15;flux-klein"), ("TESTING_ALLOWED_CF_MODELS", "sd51"),
        ("TESTING_ALLOWED_CF_MODELS", "real-esrgan"), ("TESTING_ALLOWED_CF_MODELS", "null"),
        ("TESTING_ALLOWED_CF_MODELS", "sd15 flux-klein"), ("TESTING_ALLOWED_CF_MODELS", '["sd15",""]'),
        ("TESTING_ALLOWED_CF_MODELS", "[1]"),
        ("TESTING_ALLOWED_CF_MODELS", '["sd15"'), ("TESTING_ALLOWED_CF_MODELS", '"sd15"'),
        ("TESTING_ALLOWED_CF_MODELS", '[["sd15"]]'),
        ("REPLICATE_BASE_URL", "api.replicate.com"), ("REPLICATE_BASE_URL", "http://api.replicate.com"),
        ("REPLICATE_BASE_URL", "ftp://127.0.0.1"), ("REPLICATE_BASE_URL", "http://127.0.0.1.evil.example"),
        ("REPLICATE_BASE_URL", "http://localhost.evil.example"), ("REPLICATE_BASE_URL", "http://localhost@evil.example"),
        ("REPLICATE_BASE_URL", "//127.0.0.1"), ("REPLICATE_BASE_URL", "http://"), ("REPLICATE_BASE_URL", "HTTPS"),
        ("WORKERS_AI_BASE_URL", "http://10.0.0.1"), ("WORKERS_AI_BASE_URL", "http://0.0.0.0"),
        ("WORKERS_AI_BASE_URL", "file:///etc/passwd"), ("WORKERS_AI_BASE_URL", "http://[::1"), ("WORKERS_AI_BASE_URL", "https://"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1.5"),
        ("STRIPE_BASE_URL", "api.stripe.com"), ("STRIPE_BASE_URL", "http://api.stripe.com"),
        ("STRIPE_BASE_URL", "http://127.0.0.1.evil.example"),
        ("CREDITS_PRICING_TABLE", "price_1"), ("CREDITS_PRICING_TABLE", "[]"), ("CREDITS_PRICING_TABLE", "null"),
        ("CREDITS_PRICING_TABLE", '{"100": 1}'), ("CREDITS_PRICING_TABLE", '{"100": ""}'),
        ("CREDITS_PRICING_TABLE", '{"100": null}'), ("CREDITS_PRICING_TABLE", '{"100": "price 1"}'),
        ("CREDITS_PRICING_TABLE", '{"200": "price_1"}'), ("CREDITS_PRICING_TABLE", '{"pro": "price_1"}'),
        ("CREDITS_PRICING_TABLE", '{"100": "price_1", "500": "price_1"}'), ("CREDITS_PRICING_TABLE", '{"100": '),
        ("PRICING_TABLE", '{"free": "price_1"}'), ("PRICING_TABLE", '{"Pro": "price_1"}'),
        ("PRICING_TABLE", '{"100": "price_1"}'), ("PRICING_TABLE", '{"pro": ["price_1"]}'),
        ("PRICING_TABLE", '{"pro": "price_1", "team": "price_1"}'),
        ("PRICING_TABLE_ANNUAL", '{"free": "price_1"}'), ("PRICING_TABLE_ANNUAL", "pro:price_1"),
        ("CREDITS_PRICING_TABLE", "{"), ("CREDITS_PRICING_TABLE", '{"100": "a", "100": "b"}'),
        ("CREDITS_PRICING_TABLE", "100=a,100=b"), ("CREDITS_PRICING_TABLE", "100="),
        ("CREDITS_PRICING_TABLE", "=price_1"), ("CREDITS_PRICING_TABLE", "100=a=b"),
        ("CREDITS_PRICING_TABLE", "100=a;500=b"), ("CREDITS_PRICING_TABLE", "200=a"),
        ("CREDITS_PRICING_TABLE", "100=a,500"), ("CREDITS_PRICING_TABLE", '"100=a"'), ("PRICING_TABLE", "pro=a,pro=b"),
        ("PRICING_TABLE", "pro=a,team=a"), ("PRICING_TABLE", "free=a"), ("PRICING_TABLE", "100=a"),
        ("PRICING_TABLE_ANNUAL", '{"pro": "price_1", "team": "price_1"}'),
        ("EDGE_SECRET_SHA256", "secret"), ("EDGE_SECRET_SHA256", "A" * 64), ("EDGE_SECRET_SHA256", "0" * 63),
        ("LAUNCH_PHASE", "I3"), ("LAUNCH_PHASE", ""), ("SPEND_CAP_USD", "-1"), ("SPEND_CAP_USD", "10001"),
        ("SPEND_CAP_USD", "1.5"), ("PUBLIC_ENABLE_CREDITS_CTA", "maybe"), ("PUBLIC_ENHANCER_PLAN_GATING_V1", "v1"),
        ("FLAGS_FRESH_SECONDS", "0"), ("FLAGS_FRESH_SECONDS", "31"),
        ("ALLOWED_ORIGINS", "https://user@a.example"), ("ALLOWED_ORIGINS", "https://a.example https://b.example"),
    ],
)  # fmt: skip
def test_a_malformed_value_is_refused_by_name(name, value):
    """The operator learns which setting and what is allowed."""
    with pytest.raises(BadSetting, match=f"^{name} must be "):
        Settings.load(GOOD | {name: value})


@pytest.mark.parametrize(
    "name",
    ["ENVIRONMENT", "WORKERS_AI_ENABLED", "ALLOWED_ORIGINS", "TESTING_WORKERS_AI_ALLOW", "TESTING_ALLOWED_CF_MODELS",
     "REPLICATE_BASE_URL", "WORKERS_AI_BASE_URL", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "STRIPE_BASE_URL",
     "CREDITS_PRICING_TABLE", "PRICING_TABLE", "PRICING_TABLE_ANNUAL", "EDGE_SECRET_SHA256"],
)  # fmt: skip
def test_the_refusal_does_not_show_the_value(name):
    """What was put into the wrong setting by mistake may be a secret and stays out of the log."""
    with pytest.raises(BadSetting) as refused:
        Settings.load(GOOD | {name: "sk_live_0123456789"})
    assert "0123456789" not in str(refused.value)


@pytest.mark.parametrize("value", ["1", "true", "YES", " on "])
def test_a_flag_is_on_in_all_usual_spellings(value):
    """One meaning everywhere."""
    assert Settings.load(GOOD | {"WORKERS_AI_ENABLED": value}).workers_ai_enabled is True


@pytest.mark.parametrize("value", ["0", "false", "No", "off", "", " "])
def test_a_flag_is_off_in_all_usual_spellings(value):
    """Empty means off."""
    assert Settings.load(GOOD | {"WORKERS_AI_ENABLED": value}).workers_ai_enabled is False


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("", ()), (" , ", ()), ("https://a.example", ("https://a.example",)),
        ("https://a.example, http://localhost:8787", ("https://a.example", "http://localhost:8787")),
        ("http://[::1]:3000", ("http://[::1]:3000",)),
    ],
)  # fmt: skip
def test_origins_are_listed_with_commas(value, origins):
    """Spaces and empty parts do not matter."""
    assert Settings.load(GOOD | {"ALLOWED_ORIGINS": value}).allowed_origins == origins


def test_the_apps_origin_has_no_slash_at_its_end():
    """So that it equals what browsers send."""
    assert Settings.load(GOOD | {"APP_ORIGIN": "https://a.example/"}).app_origin == "https://a.example"


def test_without_a_word_the_providers_are_the_real_ones_and_switched_off_in_tests():
    """The public addresses, no secret, nothing allowed in testing."""
    found = Settings.load(GOOD)
    assert (found.replicate_url, found.workers_ai_url) == (
        "https://api.replicate.com", "https://api.cloudflare.com/client/v4",
    )  # fmt: skip
    assert (found.replicate_is_local, found.provider_secret, found.testing_workers_ai) == (False, "", False)
    assert (found.testing_models, found.memory_mb) == (frozenset(), 1769)


@pytest.mark.parametrize(
    "name",
    [
        "REPLICATE_BASE_URL",
        "WORKERS_AI_BASE_URL",
        "STRIPE_BASE_URL",
        "CREDITS_PRICING_TABLE",
        "PRICING_TABLE",
    ],
)
def test_an_empty_address_is_the_providers_own(name):
    """An unset parameter of the template is an empty string."""
    assert Settings.load(GOOD | {name: ""}) == Settings.load(GOOD)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:9000", True), ("http://localhost:9000/", True), ("http://[::1]:9000", True),
        ("https://127.0.0.1", True), ("http://127.9.9.9", True), ("https://api.replicate.com/", False),
        ("https://127.0.0.1.evil.example", False), ("https://localhost@evil.example", False),
        ("https://evil.example/127.0.0.1", False), ("https://0x7f000001.evil.example", False),
    ],
)  # fmt: skip
def test_only_an_address_of_this_machine_is_a_stand_in(url, local):
    """Who only looks like it is not; a slash at the end does not matter."""
    found = Settings.load(GOOD | {"REPLICATE_BASE_URL": url})
    assert (found.replicate_is_local, found.replicate_url) == (local, url.rstrip("/"))


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", set()), ("[]", set()), (" , ", set()), ("sd15", {"sd15"}),
        ("sd15,flux-klein", {"sd15", "flux-klein"}), (" sd15 , flux-klein,", {"sd15", "flux-klein"}),
        ('["sd15", "flux-klein", "sd15"]', {"sd15", "flux-klein"}),
        ("@cf/black-forest-labs/flux-2-klein-4b,sd15", {"@cf/black-forest-labs/flux-2-klein-4b", "sd15"}),
    ],
)  # fmt: skip
def test_the_models_of_the_tests_are_a_list(value, names):
    """Separated by commas, or as JSON, in any order; by slug or alias."""
    assert Settings.load(GOOD | {"TESTING_ALLOWED_CF_MODELS": value}).testing_models == names


def test_the_functions_memory_is_what_lambda_says():
    """The cost of our own model depends on it."""
    assert Settings.load(GOOD | {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008"}).memory_mb == 3008


def test_without_a_word_nothing_is_sold():
    """The real Stripe, no secret, no prices."""
    found = Settings.load(GOOD)
    assert (found.stripe_url, found.stripe_secret) == ("https://api.stripe.com", "")
    assert (found.credits_prices, found.monthly_prices, found.annual_prices) == ({}, {}, {})


SOLD = {
    "CREDITS_PRICING_TABLE": {"100": "price_1", "1500": "price_2"}, "PRICING_TABLE": {"pro": "price_3"},
    "PRICING_TABLE_ANNUAL": {"pro": "price_4", "enterprise": "price_5"},
}  # fmt: skip


@pytest.mark.parametrize(
    "written",
    [
        lambda prices: ",".join(f"{sold}={price}" for sold, price in prices.items()),
        lambda prices: " , ".join(f"{sold} = {price}" for sold, price in reversed(prices.items())) + " ,",
        json.dumps,
    ],
)
def test_the_price_tables_are_read(written):
    """By pack, and by plan for both intervals; without quotes, which parameters of a deployment need, or as JSON."""
    found = Settings.load(GOOD | {name: written(prices) for name, prices in SOLD.items()})
    assert (found.credits_prices, found.monthly_prices, found.annual_prices) == tuple(SOLD.values())


def test_another_cashier_has_an_address_without_a_slash_at_its_end():
    """And the secret by its name."""
    found = Settings.load(
        GOOD | {"STRIPE_SECRET_NAME": "stripe", "STRIPE_BASE_URL": "http://127.0.0.1:8796/"}
    )
    assert (found.stripe_secret, found.stripe_url) == ("stripe", "http://127.0.0.1:8796")


@pytest.mark.parametrize(
    ("first", "second"),
    [("CREDITS_PRICING_TABLE", "PRICING_TABLE"), ("CREDITS_PRICING_TABLE", "PRICING_TABLE_ANNUAL"),
     ("PRICING_TABLE", "PRICING_TABLE_ANNUAL")],
)  # fmt: skip
def test_a_price_of_two_tables_is_refused(first, second):
    """Who paid it would be given one of the two by chance."""
    sold = {"CREDITS_PRICING_TABLE": "100", "PRICING_TABLE": "pro", "PRICING_TABLE_ANNUAL": "team"}
    tables = {name: f"{sold[name]}=price_1" for name in (first, second)}
    with pytest.raises(BadSetting, match=f"^{second} must be without a price id"):
        Settings.load(GOOD | tables)


def test_what_is_for_sale_are_the_packs_and_the_paid_plans():
    """The settings know the names that the rules know."""
    paid = {name for name in PLANS if name not in ("guest", "free")}
    assert set(PAID_PLANS) == paid
    assert tuple(map(str, credits.PACKS)) == settings.PACKS


@pytest.mark.parametrize(("value", "allowed"), [("1", True), ("0", False), ("", False)])
def test_promotion_codes_are_off_unless_they_are_switched_on(value, allowed):
    """As the parameter of the template says; anything else is refused by name."""
    assert Settings.load(GOOD | {"PROMOTION_CODES": value}).promotion_codes is allowed
    with pytest.raises(BadSetting, match="PROMOTION_CODES"):
        Settings.load(GOOD | {"PROMOTION_CODES": "maybe"})


@pytest.mark.parametrize(
    ("environment", "shown"), [("production", False), ("staging", True), ("development", True)]
)
def test_a_new_stack_is_open_and_sells_credits_everywhere_but_in_production(environment, shown):
    """Until its parameters or the operator's flags say otherwise."""
    found = Settings.load(GOOD | {"ENVIRONMENT": environment})
    assert (found.launch_phase, found.spend_cap, found.plan_gating) == ("open", 20_000_000, True)
    assert (found.credits_cta, found.flags_fresh_seconds, found.sells_plans) == (shown, 30, False)


def test_what_a_stack_starts_its_launch_with_is_said_by_its_parameters():
    """The offer of credits may be shown in production and hidden elsewhere."""
    wanted = {"LAUNCH_PHASE": "I1", "SPEND_CAP_USD": "5", "PUBLIC_ENHANCER_PLAN_GATING_V1": "0",
              "PUBLIC_ENABLE_CREDITS_CTA": "1", "ENVIRONMENT": "production", "FLAGS_FRESH_SECONDS": "2",
              "PRICING_TABLE_ANNUAL": "pro=price_a"}  # fmt: skip
    found = Settings.load(GOOD | wanted)
    assert (found.launch_phase, found.spend_cap, found.plan_gating) == ("I1", 5_000_000, False)
    assert (found.credits_cta, found.flags_fresh_seconds, found.sells_plans) == (True, 2, True)


def test_the_name_of_a_function_is_the_template_s():
    """The stack's name in front and the random letters behind would make a new metric with each stack."""
    named = {"POWERTOOLS_METRICS_NAMESPACE": "ai-image-enhancer-staging",
             "AWS_LAMBDA_FUNCTION_NAME": "ai-image-enhancer-staging-StripeWebhook-aB3dE5fG7h"}  # fmt: skip
    assert Settings.load(GOOD | named).function == "StripeWebhook"
    assert Settings.load(GOOD).function == "unknown"
