"""A second stack beside the first, in one account and region: as staging is deployed beside testing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local import deployment
from local.frontdoor import FrontDoor
from local.integration import Route
from local.processes import free_port
from local.stack import STACK_NAME, LocalStack
from tests.e2e.conftest import be_patient
from tests.e2e.deployed import PATIENCE_SECONDS
from tests.support.client import Client, picture

BESIDE = "beside-the-first"


def resources(stack: LocalStack, name: str) -> dict[str, str]:
    """Logical id -> physical id of everything that a stack made."""
    pages = stack.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
    return {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for page in pages
        for one in page["StackResourceSummaries"]
    }


@pytest.fixture(scope="module")
def beside(stack: LocalStack) -> Iterator[str]:
    """The address of the same template, deployed once more under another name, by the same command."""
    port = free_port()
    overrides = [*stack._overrides(), f"AppOrigin=http://127.0.0.1:{port}"]
    deployment.deploy(stack.built, overrides, stack.endpoint, name=BESIDE)
    be_patient(stack)
    api = resources(stack, BESIDE)["Api"]
    with FrontDoor(port, Route(stack.emulator_port, api, PATIENCE_SECONDS), lambda _: None):
        yield f"http://127.0.0.1:{port}"
    cloudformation = stack.client("cloudformation")
    cloudformation.delete_stack(StackName=BESIDE)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=BESIDE, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )


def test_two_stacks_of_an_account_share_nothing_and_both_enhance(stack: LocalStack, beside: str) -> None:
    """No name is taken twice, and a picture of one is unknown to the other."""
    first, second = resources(stack, STACK_NAME), resources(stack, BESIDE)
    assert first.keys() == second.keys()
    shared = {
        name: one
        for name, one in first.items()
        if second[name] == one and name != "ApiApiGatewayDefaultStage"
    }
    assert shared == {}
    enhanced = {}
    for number, url in enumerate((stack.url, beside)):
        client = Client(url, f"127.3.0.{number + 1}").meet()
        answer = client.generate(picture(seed=301))
        assert answer.status_code == 200, answer.text
        enhanced[url] = answer.json()["data"]["imageUrl"]
        assert client.get(enhanced[url]).headers["Content-Type"].startswith("image/")
    assert all(enhanced[url].startswith(url) or enhanced[url].startswith("/") for url in enhanced)
    buckets = [stack.client("s3").list_objects_v2(Bucket=one["Bucket"], Prefix="ai-enhancer/results/")
               for one in (first, second)]  # fmt: skip
    keys = [{one["Key"] for one in found["Contents"]} for found in buckets]
    assert not keys[0] & keys[1]
    names = [one["Name"] for one in stack.client("scheduler").list_schedules()["Schedules"]]
    assert len(set(names)) == len(names) == 8
