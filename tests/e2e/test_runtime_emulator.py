"""Every example event under Lambda's Runtime Interface Emulator: the real runtime client, from the built artefacts."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from local import rie
from local.stack import LocalStack
from tests.e2e.conftest import Store
from tests.support.aws import SIGNING_KEY
from tests.support.event_cases import CASES, STORED
from tests.support.flags import set_flags

ORIGIN = "http://127.0.0.1:8787"
"""Of ``make run``; this stack has another port."""
FUNCTIONS = sorted({case.function for case in CASES.values()})


@pytest.fixture(scope="module")
def given(stack: LocalStack, store: Store) -> Iterator[None]:
    """What the events expect: their objects, and the key that signed their guest, as if just rotated out."""
    for key, data in STORED.items():
        store.s3.put_object(Bucket=store.bucket, Key=key, Body=data, ContentType="image/png")
    secrets, name = stack.client("secretsmanager"), stack.physical_id("SigningSecret")
    before = secrets.get_secret_value(SecretId=name)["SecretString"]
    rotated = {**json.loads(before), "previous": SIGNING_KEY.decode()}
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps(rotated))
    yield
    secrets.put_secret_value(SecretId=name, SecretString=before)
    set_flags(store.table)


@pytest.mark.skipif(not rie.available(), reason="Lambda's emulator is built for Linux only")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_event_ends_as_expected_under_the_runtime_emulator(
    stack: LocalStack, store: Store, given: None, function: str
) -> None:
    """Statuses, return values and error classes are those that the cases declare."""
    logical_id = "".join(part.capitalize() for part in function.split("_"))
    cases = [case for case in CASES.values() if case.function == function]
    found: dict[str, int | str] = {}
    set_flags(store.table, off=("replicate", "workers_ai"))  # as the events expect it
    with rie.runtime(stack, logical_id) as invoke:
        for case in cases:
            answer = invoke(json.loads(case.text.replace(ORIGIN, stack.url))) or {}
            found[case.name] = answer.get("statusCode") or answer.get("errorType") or "returns"
    assert found == {case.name: case.outcome for case in cases}
