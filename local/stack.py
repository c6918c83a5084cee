"""The whole product on this machine: AWS emulator, built and deployed template, stand-ins, front door.

Used by ``make run``, which keeps its state (`local.keeper`), and by tests on free ports with a temporary folder::

    with LocalStack(port=0, emulator_port=0, state=tmp_path) as stack:
        requests.get(f"{stack.url}/api/health")
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import build, deployment, emulator
from local.deployment import REGION, STACK_NAME
from local.frontdoor import FrontDoor
from local.integration import INTEGRATION_TIMEOUT_S, Route
from local.keeper import STRIPE, Keeper
from local.processes import LocalError, Process, await_free, free_port, require_free
from local.providers import Providers
from local.saved import died

LEFTOVER_S = 5.0
"""How long the processes of a run that was killed may take to end by themselves."""
TELL_TIMEOUT_S = 60.0
HEALTH_PATH = "/api/health"


def report_nothing(_step: str) -> None:
    """Ignore a step: tests show no progress."""


class LocalStack:
    """A context manager that starts everything and ends every process it started.

    Args:
        port: of the front door; 0 takes a free one.
        emulator_port: of the AWS emulator; 0 takes a free one.
        state: folder for logs, and for what is kept.
        keep: save records, pictures and accounts every few seconds and at the end, and start with what was saved.
        template: the template to deploy, as it would be deployed to AWS.
        parameters: template parameters beside those the stack knows itself.
        on_step: called with what is being done.
        on_request: called with one line per request; None prints nothing.
        provider_ports: of Replicate, its deliveries, Workers AI, Google, GitHub and Stripe; 0 takes a free one.
        provider_seconds: how long the stand-ins take for a picture.
        warm_seconds: how long an idle process of a function is kept for its next call.
        integration_seconds: how long the front door waits for an answer; API Gateway waits no longer than 30 s.
    """

    def __init__(
        self,
        *,
        port: int = 8787,
        emulator_port: int = 4566,
        state: Path,
        keep: bool = False,
        template: Path = build.ROOT / "template.yaml",
        parameters: Mapping[str, str] | None = None,
        on_step: Callable[[str], None] = report_nothing,
        on_request: Callable[[str], None] | None = None,
        provider_ports: tuple[int, ...] = (0, 0, 0, 0, 0, 0),
        provider_seconds: float = 1.0,
        warm_seconds: int = 60,
        integration_seconds: float = INTEGRATION_TIMEOUT_S,
    ) -> None:
        self.port = port or free_port()
        self.emulator_port = emulator_port or free_port()
        self.state = state.resolve()
        self.template = template.resolve()
        self.built = self.template  # replaced by the built template once there is one
        self.providers = Providers(
            self.state, environ=os.environ, seconds=provider_seconds, ports=provider_ports, origin=self.url
        )
        self._parameters = dict(parameters or {})
        self._warm_seconds = warm_seconds
        self._integration_seconds = integration_seconds
        self._step = on_step
        self._on_request = on_request or report_nothing
        self._closing = ExitStack()
        self._emulator: Process | None = None
        self._front: FrontDoor | None = None
        self.keeper = Keeper(self, on_step) if keep else None
        self.stopping = False

    @property
    def url(self) -> str:
        """The URL of the product."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> str:
        """The URL of the emulator, for AWS clients."""
        return f"http://127.0.0.1:{self.emulator_port}"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        self.stopping = True
        self._closing.close()

    def client(self, service: str) -> Any:
        """Return a boto3 client of the emulator."""
        connect: Any = boto3.client  # typed per service name, which is not known here
        return connect(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 2}, s3={"addressing_style": "path"}),
        )

    def tell(self, route: str, **order: Any) -> dict[str, Any]:
        """Call a route of `local.snapshot` in the emulator; LocalError with the reason if it cannot."""
        call = urllib.request.Request(f"{self.endpoint}/_local/{route}", json.dumps(order).encode())
        try:
            with urllib.request.urlopen(call, timeout=TELL_TIMEOUT_S) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as refused:
            text = refused.read().decode(errors="replace")
            raise LocalError(json.loads(text)["problem"] if refused.code == 507 else text) from None

    def running(self) -> bool:
        """Return whether the emulator runs."""
        return bool(self._emulator and self._emulator.running())

    def busy(self) -> bool:
        """Return whether a request is not answered yet, or an execution has not ended."""
        if not self.running():
            return False
        if self._front and self._front.under_way:
            return True
        states = self.client("stepfunctions")
        with suppress(BotoCoreError, ClientError):  # it is ending by itself
            machines = self.physical_ids("AWS::StepFunctions::StateMachine").values()
            return any(
                states.list_executions(stateMachineArn=arn, statusFilter="RUNNING", maxResults=1)[
                    "executions"
                ]
                for arn in machines
            )
        return False

    def watch(self) -> None:
        """Wait until interrupted; raise LocalError if the emulator ends by itself."""
        while self.running():
            time.sleep(1)
        tail = self._emulator.tail() if self._emulator else ""
        raise LocalError(f"The AWS emulator stopped; what was saved is safe, start again.\n{tail}")

    def physical_id(self, logical_id: str) -> str:
        """Return the physical name of a resource of the template, such as a table's or a bucket's."""
        detail = self.client("cloudformation").describe_stack_resource(
            StackName=STACK_NAME, LogicalResourceId=logical_id
        )
        return str(detail["StackResourceDetail"]["PhysicalResourceId"])

    def physical_ids(self, type_: str) -> dict[str, str]:
        """Return the physical name of every resource of a type by its name in the template."""
        found = self.client("cloudformation").describe_stack_resources(StackName=STACK_NAME)["StackResources"]
        return {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for one in found
            if one["ResourceType"] == type_
        }

    def declares(self, logical_id: str) -> bool:
        """Return whether the template has such a resource."""
        return f"\n  {logical_id}:\n" in self.template.read_text("utf-8")

    def _start(self) -> None:
        if not self.template.exists():
            raise LocalError(f"{self.template} is missing.")
        self.state.mkdir(parents=True, exist_ok=True)
        if self.keeper:
            if died(self.state):
                await_free((self.port, self.emulator_port, *self.providers.standin_ports), LEFTOVER_S)
            self.keeper.open(self._closing)
            for line in self.keeper.lines:
                self._step(line)
        require_free(self.port, "the product")
        require_free(self.emulator_port, "the AWS emulator")
        if self.declares("ProviderSecret"):
            self._step("starting the providers")
            newest = self.keeper.newest if self.keeper else None
            stripe = newest.folder / STRIPE if newest and (newest.folder / STRIPE).exists() else None
            self.providers.start(self._closing.callback, stripe=stripe)
        self._step("building")
        self.built = build.built_template(self.template, deployment.tool_environment(self.endpoint))
        self._deployed_emulator()
        if self.keeper:
            self._step("restoring accounts, jobs and pictures" if self.keeper.newest else "starting empty")
            self.keeper.restore()
        self._give_keys()
        self._step("opening the front door")
        route = Route(self.emulator_port, self._api_id(), self._integration_seconds)
        if self.keeper:
            self._closing.callback(self.keeper.end)  # once the front door is closed, before all else ends
        self._front = self._closing.enter_context(FrontDoor(self.port, route, self._on_request))
        if self.keeper:
            self.keeper.start()
            self._closing.callback(self.keeper.drain)
            self._closing.callback(self._front.refuse_visitors)
        self._await_health()
        self.providers.deliver()

    def _deployed_emulator(self) -> None:
        """Start the emulator with the template deployed: from an image of that, or else by deploying it."""
        image = deployment.image_of(self.state, self.built, self._overrides()) if self.keeper else None
        if image and image.exists():
            with suppress(LocalError):
                if deployment.whole(image):
                    self._start_emulator(image)
                    if self._stack_exists():
                        return
            self._step("the kept deployment is damaged: deploying anew")
            shutil.rmtree(image)
            if self._emulator:
                self._emulator.stop(grace=False)
        self._start_emulator(None)
        self._step("deploying")
        deployment.deploy(self.built, self._overrides(), self.endpoint)
        if image:
            with suppress(LocalError):  # a full disk: the next start deploys again
                self.tell("image", into=str(image))

    def _start_emulator(self, image: Path | None) -> None:
        self._step("starting the AWS emulator")
        log = self.state / "functions.log"
        log.unlink(missing_ok=True)
        scratch = deployment.clear_scratch(self.state, image)
        env = emulator.environment(
            os.environ,
            port=self.emulator_port,
            python=build.bare_interpreter(),
            layers=build.layer_cache(),
            scratch=scratch,
            log=log,
            region=REGION,
            warm_seconds=self._warm_seconds,
        )
        command = [sys.executable, "-m", "local.emulator"]
        self._emulator = Process(command, env=env, log=self.state / "emulator.log", cwd=build.ROOT)
        self._closing.callback(shutil.rmtree, scratch, ignore_errors=True)
        self._closing.callback(self._emulator.stop, grace=False)
        self._emulator.await_answer(f"{self.endpoint}/_ministack/ready")

    def _give_keys(self) -> None:
        """Write the providers' tokens into Secrets Manager, as an operator does on AWS."""
        secrets = self.client("secretsmanager")
        wanted = {
            "ProviderSecret": self.providers.secret,
            "SignInSecret": self.providers.sign_in_secret,
            "StripeSecret": self.providers.stripe_secret,
        }
        for name, value in wanted.items():
            if self.declares(name):
                secrets.put_secret_value(SecretId=self.physical_id(name), SecretString=json.dumps(value))

    def _overrides(self) -> list[str]:
        known = {"AppOrigin": self.url, "AllowedOrigins": f"http://localhost:{self.port}"}
        return deployment.overrides(self.template, known | self.providers.parameters | self._parameters)

    def _stack_exists(self) -> bool:
        """Return whether the emulator's kept state holds the deployed stack."""
        cloudformation = self.client("cloudformation")
        stacks = cloudformation.list_stacks()["StackSummaries"]
        return any(s["StackName"] == STACK_NAME and s["StackStatus"].endswith("_COMPLETE") for s in stacks)

    def _api_id(self) -> str:
        for found in self.physical_ids("AWS::ApiGatewayV2::Api").values():
            return found
        raise LocalError("The template has no HTTP API.")

    def _await_health(self) -> None:
        self._step("waiting for the product")
        try:
            if self._emulator:
                self._emulator.await_answer(self.url + HEALTH_PATH)
        except urllib.error.HTTPError as refused:
            log = self.state / "functions.log"
            lines = log.read_text(errors="replace").split("\n")[-12:] if log.exists() else []
            shown = "\n".join(lines)
            raise LocalError(
                f"GET {HEALTH_PATH} answered {refused.code}. {log} ends with:\n{shown}"
            ) from None
