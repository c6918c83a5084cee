"""A second release on the deployed stack, and back: by the aliases, with the rights of every function."""

from __future__ import annotations

import argparse
import json
import time

from local import deployment
from local.stack import LocalStack
from ops import rollback
from ops.stack import LOCAL_REGION, LOCAL_STACK_NAME, Stack
from tests.e2e.deployed import PATIENCE_SECONDS
from tests.support.client import Client

SECOND = "9912312359fffffff"
FIRST = "0000byhand"


def release_that_answers(stack: LocalStack, client: Client) -> str:
    """The release in the log line of a request that was just made."""
    log = stack.state / "functions.log"
    before = log.stat().st_size
    assert client.get("/api/health").status_code == 200
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        with log.open("rb") as file:
            file.seek(before)
            lines = file.read().decode(errors="replace").splitlines()
        for line in lines:
            text = line.partition("  ")[2]
            if '"path":"/api/health"' in text and text.startswith("{"):
                return str(json.loads(text)["release"])
        time.sleep(0.05)
    raise AssertionError("no log line of the request")


def test_a_release_goes_live_whole_and_back_whole(stack: LocalStack, fresh_client: object) -> None:
    """Deployed as to AWS with another name: every alias moves, the old answers again within seconds, and forward."""
    client = Client(stack.url, "127.1.9.9")
    where = Stack("local", LOCAL_STACK_NAME, LOCAL_REGION, endpoint=stack.endpoint)
    order = argparse.Namespace(to=None, list=False, prune=None)
    assert release_that_answers(stack, client) == FIRST
    overrides = [*stack._overrides(), f'Release="{SECOND}"']
    deployment.deploy(stack.built, overrides, stack.endpoint)
    try:
        assert {one.live_release for one in rollback.functions_of(where)} == {SECOND}
        assert release_that_answers(stack, client) == SECOND
        began = time.monotonic()
        said: list[str] = []
        rollback.run(where, order, said.append)
        assert time.monotonic() - began < PATIENCE_SECONDS
        functions = rollback.functions_of(where)
        assert len(functions) > 15
        assert {one.live_release for one in functions} == {FIRST}
        assert said == [f"{FIRST} is live: {len(functions)} functions moved, 0 stayed."]
        assert release_that_answers(stack, client) == FIRST
    finally:
        rollback.run(where, argparse.Namespace(**vars(order) | {"to": FIRST}), lambda _line: None)
