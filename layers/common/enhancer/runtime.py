"""Composition root: builds each client and adapter once, on first use, and hands out time and ids."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import boto3
from botocore.config import Config

from enhancer.adapters.aws.artifacts import Artifacts
from enhancer.adapters.aws.secrets import Secrets
from enhancer.adapters.aws.workflow import Workflow
from enhancer.adapters.dynamodb.accounts import Accounts
from enhancer.adapters.dynamodb.allowances import Allowances
from enhancer.adapters.dynamodb.api_keys import ApiKeys
from enhancer.adapters.dynamodb.flags import FlagStore
from enhancer.adapters.dynamodb.jobs import Jobs
from enhancer.adapters.dynamodb.ledger import Ledger
from enhancer.adapters.dynamodb.rates import Rates
from enhancer.adapters.dynamodb.spend import Spend
from enhancer.adapters.dynamodb.table import Table
from enhancer.domain.availability import Gate
from enhancer.domain.flags import Flags
from enhancer.domain.health import PartOff
from enhancer.domain.ids import RANDOM_BYTES, ordered_id, random_name
from enhancer.domain.models import CATALOGUE
from enhancer.jobs.deps import JobDeps
from enhancer.settings import VERSION, Settings
from enhancer.telemetry import count, report_to

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from enhancer.adapters.aws.counts import Counts
    from enhancer.adapters.aws.dead_letters import DeadLetters
    from enhancer.adapters.aws.notices import Notices
    from enhancer.adapters.dynamodb.books import Books
    from enhancer.adapters.dynamodb.owner_data import OwnerRecords
    from enhancer.adapters.http.download import Downloads
    from enhancer.adapters.images.pixels import Photo
    from enhancer.adapters.signin.base import SignIn
    from enhancer.adapters.signing import Signer
    from enhancer.adapters.stripe.books import StripeBooks
    from enhancer.adapters.stripe.gateway import Payments
    from enhancer.billing.deps import BillingDeps, Parked
    from enhancer.domain.jobs import Item, Job
    from enhancer.domain.models import Model, ProviderName
    from enhancer.domain.owners import Owner
    from enhancer.domain.predictions import Predictor
    from enhancer.domain.stripe_prices import Prices
    from enhancer.operations.health import Check

PREDICT_SECONDS_MAX = 25.0
"""The longest a request waits for a predictor; HTTP APIs end at 30 s."""
_QUICK = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=20,
)
_BUCKET = _QUICK.merge(
    # "virtual" makes presigned addresses name the bucket's region; without it they name the global host, which only
    # redirects, and a redirect breaks their signature. An address like 127.0.0.1 stays as it is.
    Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual"},
        read_timeout=6,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
)
"""A bucket that does not answer costs a request 17 s of its 29 at most."""
PROBE_SECONDS = 8.0
"""How long one read of the deep health check may take."""
_PROBE = Config(
    connect_timeout=2,
    read_timeout=PROBE_SECONDS,
    retries={"mode": "standard", "total_max_attempts": 1},
    s3={"addressing_style": "virtual"},
)


def now() -> int:
    """Return the time in epoch ms."""
    return time.time_ns() // 1_000_000


def new_id(prefix: str) -> str:
    """Return a fresh id that sorts by time."""
    return ordered_id(prefix, now(), os.urandom(RANDOM_BYTES))


def new_name() -> str:
    """Return 128 fresh random bits, as a name."""
    return random_name(os.urandom(RANDOM_BYTES))


@cache
def settings() -> Settings:
    """The environment, read and checked once."""
    return Settings.load()


@cache
def table() -> Table:
    """The DynamoDB table."""
    return Table(boto3.client("dynamodb", config=_QUICK), settings().table)


@cache
def artifacts() -> Artifacts:
    """The S3 bucket of pictures, reports and copies."""
    return Artifacts(boto3.client("s3", config=_BUCKET), settings().bucket)


@cache
def secrets() -> Secrets:
    """Secrets Manager, with a cache of some minutes."""
    return Secrets(boto3.client("secretsmanager", config=_QUICK))


def signing_keys() -> list[bytes]:
    """The keys that cookies and call-back paths are signed with, newest first; the newest also hashes networks."""
    return secrets().signing_keys(settings().signing_secret)


def signer() -> Signer:
    """What signs with these keys; made anew each time, because they may be other ones by now."""
    from enhancer.adapters.signing import Signer  # noqa: PLC0415 - only functions that meet a cookie or a call-back

    return Signer(signing_keys())


@cache
def ledger() -> Ledger:
    """The ledger, sole writer of holds, settles and credits."""
    return Ledger(table())


@cache
def jobs() -> Jobs:
    """Jobs and their items."""
    return Jobs(table())


@cache
def accounts() -> Accounts:
    """Users and sessions."""
    return Accounts(table(), allowances())


@cache
def allowances() -> Allowances:
    """What identities had used when their accounts were deleted."""
    return Allowances(table(), signing_keys)


@cache
def api_keys() -> ApiKeys:
    """API keys."""
    return ApiKeys(table())


@cache
def owner_records() -> OwnerRecords:
    """All records of one owner, for export and account deletion."""
    from enhancer.adapters.dynamodb.owner_data import OwnerRecords  # noqa: PLC0415 - only for copies and deletions

    return OwnerRecords(table(), allowances())


@cache
def sign_in(provider: Literal["google", "github"]) -> SignIn:
    """The adapter that signs people in with a provider, with its client id and secret from the secret store."""
    here = settings()

    def credentials() -> tuple[str, str]:
        found = secrets().get(here.sign_in_secret) if here.sign_in_secret else {}
        return found.get(f"{provider}Id", ""), found.get(f"{provider}Secret", "")

    urls = {"google_issuer": here.google_issuer, "github": here.github_url, "github_api": here.github_api_url}
    return sign_in_with(provider, credentials=credentials, urls=urls)


def sign_in_with(
    provider: Literal["google", "github"],
    *,
    credentials: Callable[[], tuple[str, str]],
    urls: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> SignIn:
    """Return the adapter of a provider; loads an HTTP client and cryptography, so call it where it is needed.

    ``credentials``: client id and secret, asked for at each use; empty ones mean "not set up". ``urls`` replaces
    entries of `URLS`; ``clock`` (seconds) tells how old a remembered answer is.
    """
    from enhancer.adapters.signin.base import URLS  # noqa: PLC0415 - only functions that sign people in

    places = {**URLS, **(urls or {})}
    if provider == "google":
        from enhancer.adapters.signin.google import Google  # noqa: PLC0415 - cold starts of all the others

        return Google(credentials=credentials, issuer=places["google_issuer"], clock=clock)
    from enhancer.adapters.signin.github import GitHub  # noqa: PLC0415

    return GitHub(credentials=credentials, site=places["github"], api=places["github_api"])


@cache
def rates() -> Rates:
    """Rate limits."""
    return Rates(table())


@cache
def spend() -> Spend:
    """What providers cost us, by day."""
    return Spend(table())


@cache
def books() -> Books:
    """Days summed up, for the cost report."""
    from enhancer.adapters.dynamodb.books import Books  # noqa: PLC0415 - only functions that close days or report

    return Books(table())


@cache
def flags() -> FlagStore:
    """The operator's flags, at most half a minute old; until there are any, what the stack's parameters say."""
    here = settings()
    defaults = Flags(phase=here.launch_phase, plan_gating=here.plan_gating, credits_cta=here.credits_cta)
    return FlagStore(table(), defaults=defaults, fresh_seconds=here.flags_fresh_seconds)


@cache
def gate() -> Gate:
    """Which models this environment lets run."""
    here = settings()
    return Gate(
        environment=here.environment,
        replicate_is_local=here.replicate_is_local,
        workers_ai=here.workers_ai_enabled,
        testing_workers_ai=here.testing_workers_ai,
        testing_models=here.testing_models,
    )


def enabled(model: Model) -> bool:
    """Return whether a model may run here now: the environment admits it, it has a key, nobody switched it off.

    The embedded model needs none of that, so asking about it costs nothing.
    """
    if model.provider == "embedded":
        return True
    return gate().admits(model) and _has_key(model.provider) and flags().get().lets_run(model)


def invited() -> frozenset[str]:
    """Return the e-mail addresses that the operator's flags invite (cohort C0), none where the flags know no such."""
    return frozenset(getattr(flags().get(), "invited", ()))


def spend_cap() -> int:
    """Return what all providers together may cost today, in USD micros."""
    cap = flags().get().spend_cap
    return settings().spend_cap if cap is None else cap


def provider_secret(*, fresh: bool = False) -> dict[str, str]:
    """Tokens of the providers: ``replicate``, ``replicateWebhook``, ``workersAiAccount``, ``workersAi``.

    Kept for some minutes; ``fresh`` reads them anew, for a token that was refused.
    """
    name = settings().provider_secret
    return secrets().get(name, fresh=fresh) if name else {}


def webhook_secrets() -> list[str]:
    """What Replicate signs its call-backs with, newest first."""
    found = provider_secret()
    return [found[name] for name in ("replicateWebhook", "replicateWebhookPrevious") if found.get(name)]


@cache
def payments() -> Payments:
    """Stripe."""
    from enhancer.adapters.stripe.gateway import Payments  # noqa: PLC0415 - only functions that ask Stripe

    def secret_key(fresh: bool) -> str:  # noqa: FBT001 - the adapter's question
        return stripe_secret(fresh=fresh).get("secretKey", "")

    return Payments(secret_key, settings().stripe_url)


@cache
def stripe_books() -> StripeBooks:
    """Stripe's own books, for the cost report."""
    from enhancer.adapters.stripe.books import StripeBooks  # noqa: PLC0415 - only the report

    def secret_key(fresh: bool) -> str:  # noqa: FBT001 - the adapter's question
        return stripe_secret(fresh=fresh).get("secretKey", "")

    return StripeBooks(secret_key, settings().stripe_url)


@cache
def counts() -> Counts | None:
    """Our metrics at CloudWatch; None where nothing says under which name they are."""
    from enhancer.adapters.aws.counts import Counts  # noqa: PLC0415 - only the report

    namespace = settings().metrics_namespace
    return Counts(boto3.client("cloudwatch", config=_QUICK), namespace) if namespace else None


def publish_report(subject: str, text: str) -> None:
    """Tell the operator of a cost report, by the topic of reports; raises where it does not take it."""
    from enhancer.adapters.aws.notices import publish_text  # noqa: PLC0415 - only the report

    topic = settings().reports_topic
    publish_text(boto3.client("sns", config=_QUICK) if topic else None, topic, subject=subject, text=text)


def stripe_secret(*, fresh: bool = False) -> dict[str, str]:
    """What we share with Stripe: ``secretKey``, ``webhookSecret`` and, in its rotation, ``webhookSecretPrevious``.

    Kept for some minutes; ``fresh`` reads it anew, for a key that was refused.
    """
    name = settings().stripe_secret
    return secrets().get(name, fresh=fresh) if name else {}


def stripe_webhook_secrets(*, fresh: bool = False) -> list[str]:
    """What Stripe signs its events with, newest first."""
    found = stripe_secret(fresh=fresh)
    return [found[name] for name in ("webhookSecret", "webhookSecretPrevious") if found.get(name)]


@cache
def prices() -> Prices:
    """What is sold here, and under which of Stripe's price ids."""
    from enhancer.domain.stripe_prices import Prices  # noqa: PLC0415 - only functions about money

    here = settings()
    return Prices(credits=here.credits_prices, monthly=here.monthly_prices, annual=here.annual_prices)


def stripe_mode() -> Literal["live", "test"] | None:
    """Return whether real money is paid here or Stripe's test money, None without a key for Stripe."""
    if not stripe_secret().get("secretKey"):
        return None
    return "live" if payments().is_live() else "test"


def billing_deps(*, keyless: bool = False) -> BillingDeps:
    """What the use cases of billing need; raises `StripeNotConfigured` without a key, unless ``keyless``.

    Made anew each time, because the key may be another one by now.
    """
    from enhancer.adapters.dynamodb.stripe_links import StripeLinks  # noqa: PLC0415 - only functions about money
    from enhancer.billing.deps import BillingDeps  # noqa: PLC0415

    return BillingDeps(
        payments=payments(),
        links=StripeLinks(table()),
        accounts=accounts(),
        ledger=ledger(),
        books=books(),
        prices=prices(),
        live=stripe_mode() == "live" if keyless else payments().is_live(),
        promotion_codes=settings().promotion_codes,
        now=now,
        new_id=new_id,
        park=park,
    )


@cache
def notices() -> Notices:
    """Notices to owners, through SNS."""
    from enhancer.adapters.aws.notices import Notices  # noqa: PLC0415 - only who has something to tell

    topic = settings().notices_topic
    return Notices(boto3.client("sns", config=_QUICK) if topic else None, topic)


def notify(kind: str, owner: Owner, **fields: object) -> None:
    """Publish a notice to an owner; never raises."""
    notices().publish(kind, owner, now=now(), **fields)


@cache
def dead_letters() -> DeadLetters:
    """The queue of payments that an operator must look at."""
    from enhancer.adapters.aws.dead_letters import DeadLetters  # noqa: PLC0415 - only functions about money

    queue = settings().parked_queue
    return DeadLetters(boto3.client("sqs", config=_QUICK) if queue else None, queue)


def park(parked: Parked, context: str) -> None:
    """Put a payment that cannot be right into the operator's queue and count it; never raises."""
    count("BillingParked", reason=parked.reason)
    dead_letters().put(parked.reason, about=parked.about, context=context, now=now())


def _has_key(provider: ProviderName) -> bool:
    needed = {"replicate": ("replicate",), "workers_ai": ("workersAiAccount", "workersAi")}
    found = provider_secret()
    return all(found.get(name) for name in needed.get(provider, ()))


def health_checks() -> dict[str, Check]:
    """One cheap read of everything the product stands on, by name, each with time-outs of its own.

    All clients are built here, because boto3 does not build them in threads. A provider or Stripe that is not set up or
    is switched off raises `PartOff`.
    """
    from enhancer.adapters.aws import probes  # noqa: PLC0415 - only the deep health check

    here = settings()
    dynamodb, s3, states, functions = (
        boto3.client("dynamodb", config=_PROBE),
        boto3.client("s3", config=_PROBE),
        boto3.client("stepfunctions", config=_PROBE),
        boto3.client("lambda", config=_PROBE),
    )
    store = secrets()
    names = [here.signing_secret, here.provider_secret, here.stripe_secret]
    return {
        "table": lambda: probes.table(dynamodb, here.table),
        "bucket": lambda: probes.bucket(s3, here.bucket),
        "stateMachine": lambda: probes.state_machine(states, here.state_machine),
        "upscale": lambda: probes.function(functions, here.upscale_function),
        "secrets": lambda: probes.secrets(
            lambda name: store.get(name, fresh=True), [name for name in names if name]
        ),
        "replicate": lambda: _ask_outside("replicate"),
        "workersAi": lambda: _ask_outside("workers_ai"),
        "stripe": lambda: _ask_outside("stripe"),
    }


def _ask_outside(who: Literal["replicate", "workers_ai", "stripe"]) -> None:
    """Read something small at a provider or at Stripe with our token; raise `PartFailed`."""
    from enhancer.adapters.aws.probes import reasons  # noqa: PLC0415 - only the deep health check
    from enhancer.adapters.http import probe  # noqa: PLC0415 - loads an HTTP client

    here = settings()
    with reasons():
        if who == "stripe":
            token = stripe_secret(fresh=True).get("secretKey", "")
            url = f"{here.stripe_url}/v1/checkout/sessions?limit=1"
        else:
            used = any(enabled(model) for model in CATALOGUE if model.provider == who)
            found = provider_secret(fresh=True) if used else {}
            token = found.get("replicate" if who == "replicate" else "workersAi", "")
            url = f"{here.replicate_url}/v1/account"
            if who == "workers_ai":
                account = quote(found.get("workersAiAccount", ""), safe="")
                url = f"{here.workers_ai_url}/accounts/{account}/ai/models/search?per_page=1"
    if not token:
        raise PartOff
    probe.read(url, token, seconds=PROBE_SECONDS)


@cache
def predictors() -> dict[str, Predictor]:
    """Every provider's predictor, by name; also of those that are switched off, for what still runs there."""
    from enhancer.adapters.predictors.embedded import Embedded  # noqa: PLC0415 - only functions that run models
    from enhancer.adapters.predictors.replicate import Replicate  # noqa: PLC0415
    from enhancer.adapters.predictors.results import Results  # noqa: PLC0415
    from enhancer.adapters.predictors.workers_ai import WorkersAi  # noqa: PLC0415

    results = Results(artifacts())

    def replicate_token(fresh: bool) -> str:  # noqa: FBT001 - the adapter's question
        return provider_secret(fresh=fresh).get("replicate", "")

    def workers_ai_credentials(fresh: bool) -> tuple[str, str]:  # noqa: FBT001
        found = provider_secret(fresh=fresh)
        return found.get("workersAiAccount", ""), found.get("workersAi", "")

    return {
        "embedded": Embedded(lambda_client, settings().upscale_function, artifacts()),
        "replicate": Replicate(
            base_url=settings().replicate_url,
            token=replicate_token,
            results=results,
            artifacts=artifacts(),
            callback_url=callback_url,
            now=now,
        ),
        "workers_ai": WorkersAi(
            base_url=settings().workers_ai_url,
            credentials=workers_ai_credentials,
            results=results,
            artifacts=artifacts(),
        ),
    }


def callback_url(job: Job, item: Item) -> str | None:
    """Return where a provider reports the end of this item's prediction, None where it could not reach us.

    The path names item and turn and is signed, so that nobody can point a call-back at another job.
    """
    from enhancer.jobs import callbacks  # noqa: PLC0415 - only functions that run models

    origin = settings().app_origin
    if not origin.startswith("https://") and not settings().replicate_is_local:
        return None
    return f"{origin}{callbacks.path_of(job, item, signer=signer())}"


def lambda_client(seconds_max: float) -> LambdaClient:
    """A Lambda client that waits for an answer at most so long, in whole seconds, and never sends twice."""
    return _lambda_client(max(1, int(seconds_max)))


@cache
def _lambda_client(seconds: int) -> LambdaClient:
    """One client per whole second of time-out: the time left of a request is hardly ever the same twice."""
    config = Config(
        connect_timeout=2, read_timeout=seconds, retries={"mode": "standard", "total_max_attempts": 1}
    )
    return boto3.client("lambda", config=config)


@cache
def workflow() -> Workflow:
    """Step Functions: starts, stops and wakes executions of the state machine."""
    return Workflow(boto3.client("stepfunctions", config=_QUICK), settings().state_machine)


@cache
def downloads() -> Downloads:
    """Downloads of pictures by URL, from public addresses only."""
    from enhancer.adapters.http.download import Downloads  # noqa: PLC0415 - only the step that fetches

    return Downloads()


@cache
def job_deps() -> JobDeps:
    """What the use cases of jobs need, built once."""
    return JobDeps(
        predictors=predictors(),
        artifacts=artifacts(),
        jobs=jobs(),
        ledger=ledger(),
        spend=spend(),
        workflow=workflow(),
        now=now,
        new_id=new_id,
        new_name=new_name,
        read_photo=read_photo,
        download=lambda url: downloads().get(url),
        enabled=enabled,
        spend_cap=spend_cap,
        notify=notify,
    )


def _send_report(problem: BaseException, about: dict[str, Any]) -> None:
    """Send an error of ours to Sentry, where a DSN is set."""
    here = settings()
    if here.sentry_dsn:
        from enhancer.adapters import error_reports  # noqa: PLC0415 - only where errors are reported, with the first

        place = error_reports.Place(here.sentry_dsn, VERSION, here.environment, here.function)
        error_reports.send(problem, about=about, place=place)


report_to(_send_report)


def read_photo(data: bytes, *, pixels_max: int) -> Photo:
    """Decode a picture; the decoder is loaded on first use. See `enhancer.adapters.images.pixels.read`."""
    from enhancer.adapters.images.pixels import read  # noqa: PLC0415 - Pillow costs a cold start 20 ms

    return read(data, pixels_max=pixels_max)
