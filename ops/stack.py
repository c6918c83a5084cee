"""Which stack an operator means: ``local`` is the running `make run` of this laptop, anything else a deployed one.

Names and regions of deployed stacks are those of samconfig.toml; credentials are the shell's (a profile, a role).
Nothing is asked of AWS before it is needed, and `StackError` says what to do where something is missing.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from enhancer.adapters.dynamodb.table import Table
from ops.command import CommandError

ROOT = Path(__file__).resolve().parents[1]
LOCAL, LOCAL_STACK_NAME, LOCAL_REGION = "local", "ai-image-enhancer", "eu-central-1"
EMULATOR_PORT = 4566
"""Of the emulator of `make run`, unless the environment variable EMULATOR_PORT says otherwise."""
_QUICK = Config(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
_LOCAL = _QUICK.merge(Config(s3={"addressing_style": "path"}))


class StackError(CommandError):
    """The stack cannot be reached or found. The message says which one and what to do."""


@dataclass(frozen=True)
class Stack:
    """A deployed stack. ``endpoint``: the emulator's URL; None means AWS, with the shell's credentials."""

    env: str
    name: str
    region: str
    endpoint: str | None = None

    @property
    def is_local(self) -> bool:
        """True for the stack of `make run`."""
        return self.endpoint is not None

    def client(self, service: str, **more: Any) -> Any:
        """Return a boto3 client for this stack's account and region, or for the emulator."""
        connect: Any = boto3.client  # typed per service name, which is not known here
        if self.endpoint is None:
            return connect(service, region_name=self.region, config=_QUICK, **more)
        return connect(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator's
            config=_LOCAL,
            **more,
        )

    @cached_property
    def description(self) -> dict[str, Any]:
        """What CloudFormation says about the stack; raise `StackError` where there is none."""
        try:
            found: dict[str, Any] = self.client("cloudformation").describe_stacks(StackName=self.name)[
                "Stacks"
            ][0]
        except (BotoCoreError, ClientError, IndexError) as problem:
            raise self.unreadable(problem) from None
        return found

    def unreadable(self, problem: Exception) -> StackError:
        """Return what to raise where the stack cannot be read: which one, why, and what to do."""
        way = (
            "Start it with `make run` (another port: EMULATOR_PORT=…)."
            if self.is_local
            else "Check AWS_PROFILE or the other credentials of this shell, and ENV."
        )
        return StackError(f"The stack {self.name} ({self.place}) cannot be read: {problem}. {way}")

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name, such as ``TableName``, ``BucketName`` and ``ApiUrl``."""
        return {one["OutputKey"]: one["OutputValue"] for one in self.description.get("Outputs", [])}

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The parameters that the stack was deployed with, by name, defaults included."""
        return {one["ParameterKey"]: one["ParameterValue"] for one in self.description.get("Parameters", [])}

    @property
    def place(self) -> str:
        """Where the stack is, for people: the emulator's URL or the region."""
        return self.endpoint or self.region

    @property
    def url(self) -> str:
        """Where the product answers: ``AppOrigin``, else the API's own address."""
        return self.parameters.get("AppOrigin") or self.output("ApiUrl")

    @property
    def environment(self) -> str:
        """The environment that the functions run in: development, testing, staging or production."""
        return self.parameters.get("Environment", "production")

    def output(self, name: str) -> str:
        """Return an output; raise `StackError` where the stack has none of this name (an older release)."""
        if name not in self.outputs:
            raise StackError(
                f"The stack {self.name} ({self.place}) has no output {name}: deploy this release first."
            )
        return self.outputs[name]

    def table(self) -> Table:
        """Return the stack's table, read and written by the adapters of the product."""
        return Table(self.client("dynamodb"), self.output("TableName"))

    def caller(self) -> str:
        """Return who acts, for audits: the ARN of the shell's credentials; raise `StackError` without any."""
        try:
            arn: str = self.client("sts").get_caller_identity()["Arn"]
        except (BotoCoreError, ClientError) as problem:
            raise StackError(f"AWS does not know who you are: {problem}. Check AWS_PROFILE.") from None
        return arn


def stack_of(env: str) -> Stack:
    """Return the stack of an environment: ``local``, or a section of samconfig.toml; raise `StackError`."""
    if env == LOCAL:
        port = os.environ.get("EMULATOR_PORT") or str(EMULATOR_PORT)
        return Stack(env, LOCAL_STACK_NAME, LOCAL_REGION, endpoint=f"http://127.0.0.1:{port}")
    config = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))
    deploy = (
        config.get(env, {}).get("deploy", {}).get("parameters", {})
        if isinstance(config.get(env), dict)
        else {}
    )
    if "stack_name" not in deploy:
        known = [name for name, one in config.items() if isinstance(one, dict) and "stack_name" in str(one)]
        raise StackError(f"There is no environment {env!r}; ENV is one of {', '.join([LOCAL, *known])}.")
    return Stack(env, deploy["stack_name"], deploy.get("region", LOCAL_REGION))
