"""The providers of the local stack: stand-ins, or the real services if their keys are in the environment.

Real Replicate is reached through a relay on loopback, because in development the product only calls loopback, and
Replicate could not fetch images from the local bucket.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from enhancer.settings import BadSetting, price_tables
from local.build import ROOT
from local.processes import LocalError, Process, free_port

WEBHOOK_SECRET = "whsec_bG9jYWwtd2ViaG9vay1zZWNyZXQtb2YtdGhlLXN0YW5kLWlu"  # noqa: S105 - of the stand-in
GOOGLE_CLIENT, GITHUB_CLIENT = ("local-google", "google-secret"), ("local-github", "github-secret")
REPLICATE_TOKEN, ACCOUNT, WORKERS_TOKEN = "r8_local", "local", "cf_local"
STRIPE_KEY, STRIPE_WEBHOOK_SECRET = "sk_test_local", "whsec_local_stripe_secret"
PLANS = ("pro", "premium", "team", "enterprise")
PRICES = {
    "CreditsPricingTable": {str(size): f"price_pack_{size}" for size in (100, 500, 1000, 1500)},
    "PricingTable": {plan: f"price_{plan}_monthly" for plan in PLANS},
    "PricingTableAnnual": {plan: f"price_{plan}_annual" for plan in PLANS},
}
"""The prices that the stand-in for Stripe sells."""
PRICE_SETTINGS = {
    "CreditsPricingTable": "CREDITS_PRICING_TABLE",
    "PricingTable": "PRICING_TABLE",
    "PricingTableAnnual": "PRICING_TABLE_ANNUAL",
}
STRIPE_HOOK = "/api/billing/stripe-webhook"
CALL_TIMEOUT_S = 60.0
KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "HTTPS_PROXY",
)


@dataclass
class Providers:
    """All providers; `start` starts them, `parameters` and the secrets are what the stack passes to the product.

    ``seconds``: how long a prediction of the stand-ins takes; ``ports`` of Replicate, its deliveries, Workers AI,
    Google, GitHub and Stripe; ``origin`` of the product, to which sign-ins return and Stripe sends its events.
    """

    state: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 1.0
    ports: tuple[int, ...] = (0, 0, 0, 0, 0, 0)
    origin: str = ""

    def __post_init__(self) -> None:
        self._stripe_runs = self._stripe_resumes = False
        (
            self.replicate_port, self.delivery_port, self.workers_port, self.google_port, self.github_port,
            self.stripe_port,
        ) = (port or free_port() for port in self.ports)  # fmt: skip

    @property
    def replicate_url(self) -> str:
        """The URL of the stand-in for Replicate (or the relay) and its control channel."""
        return f"http://127.0.0.1:{self.replicate_port}"

    @property
    def workers_url(self) -> str:
        """The URL of the stand-in for Workers AI and its control channel."""
        return f"http://127.0.0.1:{self.workers_port}"

    @property
    def real_replicate(self) -> str | None:
        """The real API token of Replicate in the environment, None without one."""
        return self.environ.get("REPLICATE_API_TOKEN")

    @property
    def real_workers(self) -> tuple[str, str] | None:
        """Account and token of the real Workers AI in the environment, None unless both are there."""
        found = self.environ.get("CLOUDFLARE_ACCOUNT_ID"), self.environ.get("CLOUDFLARE_API_TOKEN")
        return (found[0], found[1]) if found[0] and found[1] else None

    @property
    def parameters(self) -> dict[str, str]:
        """The template parameters that point the product to these providers."""
        real = {} if self.real_workers else {"WorkersAiBaseUrl": f"{self.workers_url}/client/v4"}
        sign_in: dict[str, str] = {}
        if not self.real_google:
            sign_in["GoogleIssuer"] = self.google_url
        if not self.real_github:
            sign_in |= {"GithubUrl": self.github_url, "GithubApiUrl": self.github_url}
        workers = {"WorkersAiEnabled": "1", **real}
        return {"ReplicateBaseUrl": self.replicate_url, **workers, **sign_in, **self._stripe_parameters}

    @property
    def secret(self) -> dict[str, str]:
        """The content of the secret with the providers' tokens."""
        account, token = self.real_workers or (ACCOUNT, WORKERS_TOKEN)
        return {
            "replicate": self.real_replicate or REPLICATE_TOKEN,
            "replicateWebhook": self.environ.get("REPLICATE_WEBHOOK_SECRET") or WEBHOOK_SECRET,
            "workersAiAccount": account,
            "workersAi": token,
        }

    @property
    def google_url(self) -> str:
        """The URL of the stand-in for Google."""
        return f"http://127.0.0.1:{self.google_port}"

    @property
    def github_url(self) -> str:
        """The URL of the stand-in for GitHub and its API."""
        return f"http://127.0.0.1:{self.github_port}"

    @property
    def real_google(self) -> bool:
        """Whether a real client of Google is in the environment."""
        return bool(self.environ.get("GOOGLE_CLIENT_ID") and self.environ.get("GOOGLE_CLIENT_SECRET"))

    @property
    def real_github(self) -> bool:
        """Whether a real client of GitHub is in the environment."""
        return bool(self.environ.get("GITHUB_CLIENT_ID") and self.environ.get("GITHUB_CLIENT_SECRET"))

    @property
    def sign_in_secret(self) -> dict[str, str]:
        """The content of the secret with the clients of Google and GitHub."""
        real = self.environ
        google_id, google_secret = GOOGLE_CLIENT
        github_id, github_secret = GITHUB_CLIENT
        if self.real_google:
            google_id, google_secret = real["GOOGLE_CLIENT_ID"], real["GOOGLE_CLIENT_SECRET"]
        if self.real_github:
            github_id, github_secret = real["GITHUB_CLIENT_ID"], real["GITHUB_CLIENT_SECRET"]
        return {
            "googleId": google_id,
            "googleSecret": google_secret,
            "githubId": github_id,
            "githubSecret": github_secret,
        }

    @property
    def stripe_url(self) -> str:
        """The URL of the stand-in for Stripe: API, pages and control channel."""
        return f"http://127.0.0.1:{self.stripe_port}"

    @property
    def real_stripe(self) -> str | None:
        """The real key of Stripe in the environment, None without one; LocalError for one that moves real money."""
        key = self.environ.get("STRIPE_SECRET")
        if key and not key.startswith(("sk_test_", "rk_test_")):
            raise LocalError(
                "STRIPE_SECRET must be a test key (sk_test_… or rk_test_…): here nothing is bought for real."
            )
        return key or None

    @property
    def stripe_secret(self) -> dict[str, str]:
        """The content of the secret with Stripe's key and webhook secret."""
        key = self.real_stripe
        if key:
            return {"secretKey": key, "webhookSecret": self.environ.get("STRIPE_WEBHOOK_SECRET", "")}
        return {"secretKey": STRIPE_KEY, "webhookSecret": STRIPE_WEBHOOK_SECRET}

    @property
    def _stripe_parameters(self) -> dict[str, str]:
        if self.real_stripe:
            try:
                sold = price_tables(self.environ)
            except BadSetting as malformed:
                raise LocalError(f"{malformed}.") from None
            return {name: quote_free(sold[setting]) for name, setting in PRICE_SETTINGS.items()}
        tables = {name: quote_free(prices) for name, prices in PRICES.items()}
        return {"StripeBaseUrl": self.stripe_url, **tables}

    @property
    def shown(self) -> list[str]:
        """One line per provider for the terminal: stand-in or real service, and its URL."""
        replicate = "the real service, through a relay" if self.real_replicate else "stand-in"
        workers = "the real service" if self.real_workers else f"stand-in, {self.workers_url}"
        stripe = "the real service in test mode" if self.real_stripe else f"stand-in, {self.stripe_url}"
        if self.real_stripe and not self.environ.get("STRIPE_WEBHOOK_SECRET"):
            stripe += "; STRIPE_WEBHOOK_SECRET is missing, so its events are refused"
        return [
            f"Replicate: {replicate}, {self.replicate_url}",
            f"Workers AI: {workers}",
            f"Stripe: {stripe}",
        ]

    @property
    def standin_ports(self) -> tuple[int, ...]:
        """The ports of all stand-ins, those included that the real services make needless."""
        return (
            self.replicate_port, self.delivery_port, self.workers_port, self.google_port, self.github_port,
            self.stripe_port,
        )  # fmt: skip

    def stripe_state(self) -> dict[str, object] | None:
        """Return the account of the stand-in for Stripe as `start` takes it; None if there is no stand-in."""
        if not self._stripe_runs:
            return None
        with urllib.request.urlopen(f"{self.stripe_url}/_ctl/state", timeout=CALL_TIMEOUT_S) as answer:
            return dict(json.load(answer))

    def deliver(self) -> None:
        """Let the stand-in for Stripe send the events that an earlier run left: the product answers now."""
        if self._stripe_resumes:
            call = urllib.request.Request(f"{self.stripe_url}/_ctl/start", b"{}")
            urllib.request.urlopen(call, timeout=CALL_TIMEOUT_S).close()

    def start(
        self, stop_later: Callable[[Callable[[], object]], object], *, stripe: Path | None = None
    ) -> None:
        """Start the stand-ins and wait until they answer.

        ``stop_later`` gets a function that ends each; ``stripe``: a file with the `stripe_state` of an earlier run.
        """
        real_stripe = self.real_stripe  # refused before anything runs
        started = [self._replicate()]
        if not self.real_workers:
            arguments = ["--port", self.workers_port, "--account", ACCOUNT, "--token", WORKERS_TOKEN]
            started.append(self._process("workers_ai", *arguments, "--seconds", self.seconds / 3))
        if not self.real_google:
            started.append(self._sign_in("google", self.google_port, *GOOGLE_CLIENT))
        if not self.real_github:
            started.append(self._sign_in("github", self.github_port, *GITHUB_CLIENT))
        if not real_stripe:
            arguments = [
                "--port",
                self.stripe_port,
                "--key",
                STRIPE_KEY,
                "--webhook-secret",
                STRIPE_WEBHOOK_SECRET,
            ]
            arguments += ["--webhook-url", f"{self.origin}{STRIPE_HOOK}"]
            arguments += ["--state", stripe] if stripe else []
            started.append(self._process("stripe", *arguments))
            self._stripe_runs, self._stripe_resumes = True, stripe is not None
        for process, _ in started:
            stop_later(process.stop)
        for process, port in started:
            process.await_answer(f"http://127.0.0.1:{port}/_ctl/ready")

    def _replicate(self) -> tuple[Process, int]:
        if self.real_replicate:
            return self._process("relay", "--port", self.replicate_port)
        return self._process(
            "replicate", "--port", self.replicate_port, "--delivery-port", self.delivery_port, "--token",
            REPLICATE_TOKEN, "--webhook-secret", WEBHOOK_SECRET, "--seconds", self.seconds,
        )  # fmt: skip

    def _sign_in(self, name: str, port: int, client: str, secret: str) -> tuple[Process, int]:
        redirect = f"{self.origin}/api/auth/{name}/callback"
        arguments = ("--client-id", client, "--client-secret", secret, "--redirect", redirect)
        return self._process(name, "--port", port, *arguments)

    def _process(self, name: str, *arguments: object) -> tuple[Process, int]:
        command = [sys.executable, "-m", f"local.standins.{name}", *map(str, arguments)]
        env = {key: self.environ[key] for key in KEPT if key in self.environ}
        process = Process(command, env=env, log=self.state / f"{name}.log", cwd=ROOT)
        return process, int(str(arguments[1]))


def quote_free(prices: Mapping[str, str]) -> str:
    """Return a price table in the form that parameters have: ``100=price_a,500=price_b``."""
    return ",".join(f"{sold}={price}" for sold, price in prices.items())
