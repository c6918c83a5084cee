"""Which models may run where: refused before anything is stored, held or counted, and the same for every call.

Stacks of four environments would take minutes to start, so the handlers run in this process, on AWS in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest

from enhancer import runtime
from enhancer.adapters.dynamodb import flags as flag_store
from enhancer.adapters.dynamodb import keys
from enhancer.domain.errors import ProviderFailed
from enhancer.domain.models import CATALOGUE, model_named
from tests.support import aws
from tests.support.events import Answer, Browser
from tests.support.functions import load
from tests.support.images import png
from tests.support.predictors import ScriptedPredictor
from tests.support.workflow import ScriptedWorkflow

PATHS = {name: f"/api/ai-image/{name}" for name in ("generate", "jobs", "models", "quote")}
PROMPT = {"prompt": "a calm harbour"}
LOCAL, REMOTE = "http://127.0.0.1:9", "https://api.replicate.com"
KEYS = {
    "replicate": "r8_test",
    "replicateWebhook": "whsec_dGVzdA==",
    "workersAiAccount": "a",
    "workersAi": "cf_test",
}
HOSTED = [model.alias for model in CATALOGUE if model.provider != "embedded"]
AT_REPLICATE = [model.alias for model in CATALOGUE if model.provider == "replicate"]
AT_WORKERS_AI = [model.alias for model in CATALOGUE if model.provider == "workers_ai"]
ALLOWED = {
    "WORKERS_AI_ENABLED": "1",
    "TESTING_WORKERS_AI_ALLOW": "1",
    "TESTING_ALLOWED_CF_MODELS": "sd15",
}
CALLS = ("generate", "job", "batch", "quote", "models")


@dataclass
class Here:
    """The handlers in an environment that can be changed, and a signed-in browser."""

    monkeypatch: pytest.MonkeyPatch
    browser: Browser = field(default_factory=lambda: Browser(ip="192.0.2.7"))
    script: list[Any] = field(default_factory=list)
    seconds: float = 1000.0

    def __post_init__(self) -> None:
        workflow = ScriptedWorkflow(runtime.now)
        self.monkeypatch.setattr(runtime, "predictors", self._predictors)
        self.monkeypatch.setattr(runtime, "workflow", lambda: workflow)
        self.monkeypatch.setattr(flag_store.time, "monotonic", lambda: self.seconds)
        self.keys(**KEYS)
        self.environment("development", REPLICATE_BASE_URL=LOCAL)
        login = self.call("debug_login", "/api/debug-login", {"plan": "premium"})
        assert login.status == 200, login.content

    def _predictors(self) -> dict[str, ScriptedPredictor]:
        names = {model.provider for model in CATALOGUE}
        return {name: ScriptedPredictor(runtime.artifacts(), script=self.script) for name in names}

    def environment(self, name: str, **values: str) -> Here:
        """Be in this environment, with these settings and the defaults for all others."""
        for setting in (*ALLOWED, "REPLICATE_BASE_URL"):
            self.monkeypatch.delenv(setting, raising=False)
        self.monkeypatch.setenv("WORKERS_AI_ENABLED", "0")
        for setting, value in {"ENVIRONMENT": name, **values}.items():
            self.monkeypatch.setenv(setting, value)
        aws.clear_caches()
        return self

    def keys(self, **secret: str) -> None:
        """Let the secret of the providers hold this."""
        aws.store_secret(secret, name=aws.PROVIDERS)
        aws.clear_caches()

    def call(self, function: str, path: str, body: dict[str, Any]) -> Answer:
        """POST as JSON."""
        return self.browser.post_json(load(function).lambda_handler, path, body)

    def form(self, name: str, alias: str, shade: int = 0) -> Answer:
        """POST a picture to ``generate`` or ``jobs``."""
        fields = {"model": alias, **(PROMPT if model_named(alias).prompt else {})}
        return self.browser.post_form(load(name).lambda_handler, PATHS[name], fields, image=png(shade=shade))

    def verdict(self, call: str, alias: str) -> str:
        """What a call says about a model: its refusal's code, or "allowed"."""
        prompt = PROMPT if model_named(alias).prompt else {}
        if call == "models":
            listed = self.browser.send(load("usage").lambda_handler, "GET", PATHS["models"]).data["models"]
            (found,) = [model for model in listed if model["alias"] == alias]
            assert found["available"] == (found["reason"] is None)
            return found["reason"] or "allowed"
        if call == "quote":
            quoted = self.call("usage", PATHS["quote"], {"model": alias, **prompt}).data["refusal"]
            return quoted["code"] if quoted else "allowed"
        if call == "batch":
            items = [
                {"imageUrl": "https://pictures.example/1.png"},
                {"imageUrl": "https://pictures.example/2.png"},
            ]
            answer = self.call("jobs", PATHS["jobs"], {"model": alias, "items": items, **prompt})
        else:
            answer = self.form("jobs" if call == "job" else call, alias)
        if answer.status < 300:
            return "allowed"
        assert (answer.status, answer.error["details"]) == (
            403,
            {"provider": model_named(alias).provider, "model": alias},
        )
        return str(answer.error["code"])


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """Development with stand-ins and all keys."""
    with aws.cloud():
        yield Here(monkeypatch)


def stored() -> tuple[list[dict[str, Any]], list[str]]:
    """All records but rate limits and sign-ins, and the names of all files."""
    records = [record for record in aws.records() if not record["sk"].startswith("RATE#")]
    listed = boto3.client("s3").list_objects_v2(Bucket=aws.BUCKET).get("Contents", [])
    return sorted(records, key=lambda record: (record["pk"], record["sk"])), [
        found["Key"] for found in listed
    ]


def switch_off(*names: str) -> None:
    """Turn the operator's switches."""
    runtime.table().put({**keys.flags(), "off": list(names)})


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("base_url", [LOCAL, REMOTE])
def test_replicate_never_runs_in_testing(here: Here, base_url: str, call: str) -> None:
    """Whatever else is allowed and wherever it leads: refused by every call, nothing stored, held or counted."""
    here.environment("testing", REPLICATE_BASE_URL=base_url, **ALLOWED)
    before = stored()
    assert {here.verdict(call, alias) for alias in AT_REPLICATE} == {"provider_disabled"}
    assert stored() == before


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("missing", ALLOWED)
def test_workers_ai_in_testing_needs_every_switch(here: Here, missing: str, call: str) -> None:
    """Without one of the three settings it is refused by every call, and nothing is stored, held or counted."""
    here.environment("testing", **{name: value for name, value in ALLOWED.items() if name != missing})
    before = stored()
    assert here.verdict(call, "sd15") == "provider_disabled"
    assert stored() == before


@pytest.mark.parametrize("call", CALLS)
def test_workers_ai_in_testing_runs_what_is_on_the_list_and_nothing_else(here: Here, call: str) -> None:
    """With all switches on, the listed model runs; the other one is still refused."""
    here.environment("testing", **ALLOWED)
    assert here.verdict(call, "flux-klein") == "provider_disabled"
    assert here.verdict(call, "sd15") == "allowed"


def test_list_of_testing_knows_slugs_too(here: Here) -> None:
    """A model may be listed by its full name."""
    listed = json.dumps([model_named("flux-klein").slug])
    here.environment("testing", **{**ALLOWED, "TESTING_ALLOWED_CF_MODELS": listed})
    assert here.verdict("quote", "flux-klein") == "allowed"


@pytest.mark.parametrize("call", CALLS)
def test_replicate_in_development_runs_only_against_a_stand_in(here: Here, call: str) -> None:
    """On loopback it is allowed; towards the real service it is refused, and nothing is stored, held or counted."""
    here.environment("development", REPLICATE_BASE_URL=REMOTE)
    before = stored()
    assert here.verdict(call, "gfpgan") == "provider_disabled"
    assert stored() == before
    here.environment("development", REPLICATE_BASE_URL=LOCAL)
    assert here.verdict(call, "gfpgan") == "allowed"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_provider_without_a_token_is_disabled(here: Here, environment: str, call: str) -> None:
    """Before the operator put keys into the secret, hosted models are refused; with them they run."""
    here.environment(environment, WORKERS_AI_ENABLED="1")
    here.keys(workersAiAccount="a")
    before = stored()
    assert {here.verdict(call, alias) for alias in HOSTED} == {"provider_disabled"}
    assert stored() == before
    here.keys(**KEYS)
    assert here.verdict(call, "sd15") == "allowed"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("switch", ["replicate", "gfpgan", model_named("gfpgan").slug])
def test_model_switched_off_is_refused_within_a_minute(here: Here, switch: str, call: str) -> None:
    """By provider, alias or slug, without a deploy; what was read before is good for half a minute at most."""
    here.environment("production")
    assert here.verdict("quote", "gfpgan") == "allowed"
    switch_off(switch)
    here.seconds += 60
    before = stored()
    assert here.verdict(call, "gfpgan") == "provider_disabled"
    assert stored() == before


def test_switch_leaves_other_models_and_the_embedded_one_alone(here: Here) -> None:
    """Switched off is what is named; the embedded model cannot be."""
    here.environment("production")
    switch_off("gfpgan", "embedded", "local")
    verdicts = {alias: here.verdict("quote", alias) for alias in ("gfpgan", "topaz", "local")}
    assert verdicts == {"gfpgan": "provider_disabled", "topaz": "allowed", "local": "allowed"}


@pytest.mark.parametrize("environment", ["development", "testing", "staging", "production"])
def test_embedded_model_runs_everywhere(here: Here, environment: str) -> None:
    """Without keys, without switches: a picture is always enhanced."""
    here.environment(environment)
    here.keys()
    assert {call: here.verdict(call, "local") for call in CALLS} == dict.fromkeys(CALLS, "allowed")


@pytest.mark.parametrize(
    "close",
    [
        lambda here: here.environment("testing"),
        lambda here: here.environment("development", REPLICATE_BASE_URL=REMOTE),
        lambda here: here.keys(),
        lambda here: switch_off("replicate"),
    ],
    ids=["testing", "real service", "no token", "switched off"],
)
def test_retry_is_refused_where_the_model_may_not_run_any_more(
    here: Here, close: Callable[[Here], object]
) -> None:
    """A job that failed while it was allowed: the same 403 as for a new one, and nothing is held."""
    here.script.append(ProviderFailed(provider="replicate"))
    assert here.form("generate", "gfpgan").status == 502
    jobs = here.browser.send(load("jobs").lambda_handler, "GET", PATHS["jobs"]).data["jobs"]
    assert [job["status"] for job in jobs] == ["failed"]
    close(here)
    here.seconds += 60
    before = stored()
    answer = here.call("jobs", f"{PATHS['jobs']}/{jobs[0]['id']}/retry", {})
    assert (answer.status, answer.error["code"]) == (403, "provider_disabled")
    assert stored() == before


def test_refusal_names_the_provider_and_the_model(here: Here) -> None:
    """403 ``forbidden`` with code and details; the catalogue shows the same reason, and no scales."""
    here.environment("testing")
    error = here.form("generate", "real-esrgan").error
    assert (error["type"], error["code"]) == ("forbidden", "provider_disabled")
    assert error["details"] == {"provider": "replicate", "model": "real-esrgan"}
    listed = here.browser.send(load("usage").lambda_handler, "GET", PATHS["models"]).data["models"]
    locked = {model["alias"]: (model["reason"], model["allowedScales"]) for model in listed}
    assert locked["real-esrgan"] == ("provider_disabled", [])
    assert locked["local"] == (None, [2, 4, 6])


def test_disabled_model_is_no_fallback(here: Here) -> None:
    """Nano Banana fails, FLUX.2 and Stable Diffusion may not run here: the failure is told, and is free."""
    here.environment("production")
    here.script.append(ProviderFailed(provider="replicate"))
    answer = here.form("generate", "nano-banana")
    assert (answer.status, answer.error["code"]) == (502, "provider_failed")
    here.environment("production", WORKERS_AI_ENABLED="1")
    here.script.append(ProviderFailed(provider="replicate"))
    assert here.form("generate", "nano-banana", shade=1).data["model"] == model_named("flux-klein").slug
