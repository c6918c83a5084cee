"""Settings from environment variables, which are read nowhere else; a missing or malformed one is named."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from enhancer.domain import credits
from enhancer.domain.cohorts import PHASES, Phase
from enhancer.domain.costs import SPEND_CAP_MICROS
from enhancer.domain.flags_document import MICROS_PER_USD, SPEND_CAP_USD_MAX
from enhancer.domain.models import CATALOGUE
from enhancer.domain.paths import is_loopback
from enhancer.domain.plans import PLANS

Choice = TypeVar("Choice", bound=str)
ENVIRONMENTS = ("development", "testing", "staging", "production")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")
_PRICE = re.compile(r"[A-Za-z0-9_.-]{1,255}")
PACKS = tuple(str(size) for size in credits.PACKS)
HOSTED_MODELS = tuple(
    name for one in CATALOGUE if one.provider == "workers_ai" for name in (one.alias, one.slug)
)
PAID_PLANS = tuple(plan.name for plan in PLANS.values() if plan.price_per_month)
VERSION = "0.4.0"
"""The product's version, as in pyproject.toml and CHANGELOG.md."""
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


class BadSetting(ValueError):
    """A setting is missing or malformed. The message names it and what is allowed, never its value."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, typed.

    ``edge_hashes``: SHA-256 of the secrets by which a CDN in front of the API may show that a request came through it;
    none means there is no such thing. ``…_prices``: Stripe's price id of each pack of credits, and of each plan by the
    month and by the year; what has none is not sold here. No price id is there twice. ``launch_phase``, ``spend_cap``
    (USD micros a day), ``plan_gating``, ``credits_cta``: what holds until the operator's flags say otherwise.
    ``flags_fresh_seconds``: how old flags may be, shorter where nobody wants to wait for half a minute.
    ``function``: this function's name in the template. ``sentry_dsn``: where errors of ours are sent; "" for nowhere.
    """

    environment: str
    release: str
    edge_hashes: tuple[str, ...]
    table: str
    bucket: str
    signing_secret: str
    upscale_function: str
    state_machine: str
    app_origin: str
    allowed_origins: tuple[str, ...]
    provider_secret: str
    replicate_url: str
    workers_ai_url: str
    workers_ai_enabled: bool
    testing_workers_ai: bool
    testing_models: frozenset[str]
    memory_mb: int
    sign_in_secret: str
    google_issuer: str
    github_url: str
    github_api_url: str
    admin_email: str
    export_function: str
    stripe_secret: str
    stripe_url: str
    credits_prices: dict[str, str]
    monthly_prices: dict[str, str]
    annual_prices: dict[str, str]
    promotion_codes: bool
    notices_topic: str
    parked_queue: str
    launch_phase: Phase
    spend_cap: int
    plan_gating: bool
    credits_cta: bool
    flags_fresh_seconds: int
    function: str
    sentry_dsn: str
    reports_topic: str
    api_url: str
    metrics_namespace: str
    monthly_budget_usd: int

    @property
    def sells_plans(self) -> bool:
        """True where a plan can be bought."""
        return bool(self.monthly_prices or self.annual_prices)

    @property
    def replicate_is_local(self) -> bool:
        """True where Replicate is a stand-in on this machine."""
        return is_loopback(self.replicate_url)

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read and check every setting."""
        sold = price_tables(environ)
        environment = _one_of(environ, "ENVIRONMENT", ENVIRONMENTS)
        default_cap = SPEND_CAP_MICROS // MICROS_PER_USD
        return cls(
            environment=environment,
            release=environ.get("RELEASE", ""),
            edge_hashes=_hashes(environ, "EDGE_SECRET_SHA256"),
            table=_required(environ, "TABLE_NAME"),
            bucket=_required(environ, "BUCKET_NAME"),
            signing_secret=_required(environ, "SIGNING_SECRET_NAME"),
            upscale_function=environ.get("UPSCALE_FUNCTION_NAME", ""),
            state_machine=environ.get("STATE_MACHINE_ARN", ""),
            app_origin=environ.get("APP_ORIGIN", "").rstrip("/"),
            allowed_origins=_origins(environ, "ALLOWED_ORIGINS"),
            provider_secret=environ.get("PROVIDER_SECRET_NAME", ""),
            replicate_url=_url(environ, "REPLICATE_BASE_URL", "https://api.replicate.com"),
            workers_ai_url=_url(environ, "WORKERS_AI_BASE_URL", "https://api.cloudflare.com/client/v4"),
            workers_ai_enabled=_flag(environ, "WORKERS_AI_ENABLED"),
            testing_workers_ai=_flag(environ, "TESTING_WORKERS_AI_ALLOW"),
            testing_models=_hosted_models(environ, "TESTING_ALLOWED_CF_MODELS"),
            sign_in_secret=environ.get("SIGN_IN_SECRET_NAME", ""),
            google_issuer=_url(environ, "GOOGLE_ISSUER", "https://accounts.google.com"),
            github_url=_url(environ, "GITHUB_URL", "https://github.com"),
            github_api_url=_url(environ, "GITHUB_API_URL", "https://api.github.com"),
            admin_email=environ.get("ADMIN_EMAIL", ""),
            export_function=environ.get("EXPORT_FUNCTION_NAME", ""),
            stripe_secret=environ.get("STRIPE_SECRET_NAME", ""),
            stripe_url=_url(environ, "STRIPE_BASE_URL", "https://api.stripe.com"),
            credits_prices=sold["CREDITS_PRICING_TABLE"],
            monthly_prices=sold["PRICING_TABLE"],
            annual_prices=sold["PRICING_TABLE_ANNUAL"],
            promotion_codes=_flag(environ, "PROMOTION_CODES"),
            notices_topic=environ.get("NOTICES_TOPIC_ARN", ""),
            parked_queue=environ.get("PARKED_QUEUE_URL", ""),
            launch_phase=_one_of({"LAUNCH_PHASE": "open", **environ}, "LAUNCH_PHASE", PHASES),
            spend_cap=_whole(environ, "SPEND_CAP_USD", default_cap, most=SPEND_CAP_USD_MAX) * MICROS_PER_USD,
            plan_gating=_flag(environ, "PUBLIC_ENHANCER_PLAN_GATING_V1", default=True),
            credits_cta=_flag(environ, "PUBLIC_ENABLE_CREDITS_CTA", default=environment != "production"),
            flags_fresh_seconds=_whole(environ, "FLAGS_FRESH_SECONDS", 30, least=1, most=30),
            function=_function(environ),
            sentry_dsn=environ.get("SENTRY_DSN", ""),
            reports_topic=environ.get("REPORTS_TOPIC_ARN", ""),
            api_url=environ.get("API_URL", "").rstrip("/"),
            metrics_namespace=environ.get("POWERTOOLS_METRICS_NAMESPACE", ""),
            monthly_budget_usd=_whole(environ, "MONTHLY_BUDGET_USD", 0),
            memory_mb=_whole(environ, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 1769),
        )


def _function(environ: Mapping[str, str]) -> str:
    """Return the name of this function in the template: its own is ``<stack>-<name>-<random>``."""
    name = environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    own = name.removeprefix(environ.get("POWERTOOLS_METRICS_NAMESPACE", "")).strip("-")
    return own.partition("-")[0] or "unknown"


def _required(environ: Mapping[str, str], name: str) -> str:
    if not environ.get(name):
        raise BadSetting(f"{name} must be set")
    return environ[name]


def _one_of(environ: Mapping[str, str], name: str, allowed: tuple[Choice, ...]) -> Choice:
    for one in allowed:
        if environ.get(name) == one:
            return one
    raise BadSetting(f"{name} must be one of {', '.join(allowed)}")


def _flag(environ: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    """Return whether a switch is on; ``default`` where nothing is said."""
    value = environ.get(name, "").strip().lower()
    if not value:
        return default
    if value not in TRUE + FALSE:
        raise BadSetting(f"{name} must be one of {', '.join(TRUE + FALSE[:-1])}")
    return value in TRUE


def _origins(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise BadSetting(f"{name} must be origins such as https://app.example, separated by commas")
    return origins


def _hashes(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    hashes = tuple(part for part in environ.get(name, "").split(",") if part)
    if not all(re.fullmatch(r"[0-9a-f]{64}", one) for one in hashes):
        raise BadSetting(f"{name} must be SHA-256 hashes in lower-case hexadecimal, separated by commas")
    return hashes


def _url(environ: Mapping[str, str], name: str, default: str) -> str:
    url = (environ.get(name) or default).rstrip("/")
    if not re.match(r"https://[^/]", url) and not (url.startswith("http://") and is_loopback(url)):
        raise BadSetting(f"{name} must be an https URL, or an http URL on this machine")
    return url


def _whole(
    environ: Mapping[str, str], name: str, default: int, *, least: int = 0, most: int | None = None
) -> int:
    value = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise BadSetting(f"{name} must be a whole number")
    if int(value) < least or (most is not None and int(value) > most):
        raise BadSetting(f"{name} must be a whole number from {least} to {most}")
    return int(value)


def _hosted_models(environ: Mapping[str, str], name: str) -> frozenset[str]:
    """Return slugs or aliases of models at Workers AI, separated by commas; a JSON list of them is read too."""
    text = environ.get(name, "").strip()
    found = (
        _json(text) if text.startswith("[") else [part.strip() for part in text.split(",") if part.strip()]
    )
    if not isinstance(found, list) or not all(isinstance(one, str) and one in HOSTED_MODELS for one in found):
        aliases = (alias for alias in HOSTED_MODELS if "/" not in alias)
        raise BadSetting(
            f"{name} must be models of Workers AI separated by commas, out of {', '.join(aliases)}"
        )
    return frozenset(found)


def price_tables(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the price ids of what is sold, by the name of the setting; raise `BadSetting`."""
    known = {"CREDITS_PRICING_TABLE": PACKS, "PRICING_TABLE": PAID_PLANS, "PRICING_TABLE_ANNUAL": PAID_PLANS}
    tables: dict[str, dict[str, str]] = {}
    seen: set[str] = set()
    for name, allowed in known.items():
        tables[name] = table = _prices(environ, name, allowed)
        if len(seen | set(table.values())) < len(seen) + len(table):
            raise BadSetting(
                f"{name} must be without a price id that is there twice or in another price table"
            )
        seen |= set(table.values())
    return tables


def _prices(environ: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> dict[str, str]:
    """Return Stripe's price ids by what they sell, out of ``100=price_a,500=price_b``; a JSON object is read too."""
    text = environ.get(name, "").strip()
    found = _json(text) if text.startswith("{") else _pairs(text)
    if (
        not isinstance(found, dict)
        or not found.keys() <= set(allowed)
        or not all(isinstance(price, str) and _PRICE.fullmatch(price) for price in found.values())
    ):
        raise BadSetting(
            f"{name} must be Stripe price ids separated by commas, such as {allowed[0]}=price_a,"
            f"{allowed[1]}=price_b, each of {', '.join(allowed)} at most once"
        )
    return found


def _pairs(text: str) -> dict[str, str] | None:
    """Return ``a=b,c=d`` as a dict, None for anything else and for a name that is there twice."""
    pairs = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    found = {before.strip(): after.strip() for before, _, after in pairs}
    return found if len(found) == len(pairs) and all(sign for _, sign, _ in pairs) else None


def _json(text: str) -> object:
    """Return what the JSON says, None where it is none, or where an object has a name twice."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except ValueError:
        return None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found
