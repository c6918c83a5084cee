"""The API does what its description says, with requests made from that description: good ones and bad ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS

from tests.e2e.deployed import Deployed
from tests.e2e.people import member
from tests.support.client import PATIENCE_SECONDS, Client
from tests.support.template import ROOT

SEED, EXAMPLES = 20261120, 4
"""Of each operation, so many good and so many bad requests; two hundred in all take about a minute."""
NAMES = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection",
)  # fmt: skip
ENDS_THE_CALLER = {("delete", "/api/account"), ("post", "/api/auth/logout"), ("post", "/api/debug-login")}
NOT_SET_UP = {"sign_in_unavailable", "stripe_not_configured", "stripe_unavailable"}


@pytest.fixture(scope="module")
def operations() -> list[Any]:
    """Every operation but those that end or change who is calling; who that is, is ours to say."""
    described = json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))
    described["components"].pop("securitySchemes")
    for path, verbs in described["paths"].items():
        for verb in list(verbs):
            verbs[verb].pop("security")
            if (verb, path) in ENDS_THE_CALLER:
                del verbs[verb]
    schema = schemathesis.openapi.from_dict(described)
    return [found.ok() for found in schema.get_all_operations()]


@dataclass(frozen=True)
class Caller:
    """Who asks; ``rest`` lets their limits per minute start anew."""

    client: Client
    headers: dict[str, str]
    rest: Callable[[], None]


def caller(make: Callable[[], Client], deployed: Deployed, kind: str) -> Caller:
    """A guest's browser, an administrator's, or a program with a key."""
    if kind == "guest":
        client = make()
        headers = {"Origin": client.url, "X-CSRF-Token": client.http.cookies["csrf_token"]}
        return Caller(client, headers, lambda: deployed.forget_network(client.address))
    found = member(make, "enterprise", role="admin" if kind == "cookies" else "user")

    def rest() -> None:
        for record in deployed.store.table.under(f"OWNER#user#{found.user_id}", "RATE#"):
            deployed.store.table.delete({"pk": record["pk"], "sk": record["sk"]})

    client = found.client
    headers = {"Origin": client.url, "X-CSRF-Token": client.http.cookies["csrf_token"]}
    if kind == "key":
        headers = {"Authorization": f"Bearer {found.new_key('read', 'generate', 'billing')['secret']}"}
        client = Client(client.url, client.address)
    return Caller(client, headers, rest)


@pytest.mark.parametrize("kind", ["key", "cookies", "guest"])
def test_every_answer_is_as_described(
    operations: list[Any], fresh_client: Callable[[], Client], deployed: Deployed, kind: str
) -> None:
    """No 5xx, no status, header, media type or field that is not described, and nothing bad is taken."""
    who = caller(fresh_client, deployed, kind)
    wrong: dict[tuple[str, str, int], str] = {}
    seen: Counter[int] = Counter()

    def ask(case: Case) -> None:
        answer = case.call(
            base_url=who.client.url, headers=who.headers, session=who.client.http, timeout=PATIENCE_SECONDS,
            allow_redirects=False,
        )  # fmt: skip
        seen[answer.status_code] += 1
        if answer.status_code == 429:
            who.rest()
        if answer.status_code == 503 and answer.json()["error"]["code"] in NOT_SET_UP:
            return
        for name in NAMES:
            if name == "negative_data_rejection" and answer.status_code in (413, 429):
                continue  # refused as well
            try:
                case.validate_response(answer, checks=[CHECKS.get_one(name)])
            except (Exception, BaseExceptionGroup) as problem:  # noqa: BLE001 - collected, to be shown together
                wrong[case.operation.label, name, answer.status_code] = str(problem)[:800]

    for operation in operations:
        for mode in GenerationMode:
            run_examples(operation, mode, ask)
    assert wrong == {}
    assert seen[200] >= 10
    assert seen[400] + seen[404] + seen[401] >= 50


def run_examples(operation: Any, mode: GenerationMode, ask: Callable[[Case], None]) -> None:
    """The same requests each time."""

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Case) -> None:
        ask(case)

    bad = mode is GenerationMode.NEGATIVE
    if not bad or operation.body or operation.query or operation.path_parameters or operation.headers:
        run()
