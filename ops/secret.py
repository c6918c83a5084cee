"""``make secret``: put one field of the operator's secrets, so that no list of processes and no history shows it.

::

    make secret ENV=production                                 # which fields there are; never their values
    make secret ENV=production FIELD=replicate                 # asks for the new value, or reads it from a pipe
    make secret ENV=production FIELD=webhookSecret             # keeps the old one beside it while it is rotated
    make secret ENV=production FIELD=signing                   # makes the new value itself
    make secret ENV=production FIELD=webhookSecret DO=forget   # the rotation is over: removes the old one

Functions pick a change up within five minutes, without a deployment.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from ops.command import BadCommand, ended
from ops.stack import Stack, stack_of

DEEDS = ("put", "forget")
BYTES = 48
"""Of a signing key that is made here."""


@dataclass(frozen=True, slots=True)
class Field:
    """``output``: of the stack, that names the secret. ``previous``: where the old value is kept during a rotation."""

    output: str
    previous: str = ""
    begins: tuple[str, ...] = ("",)


FIELDS = {
    "signing": Field("SigningSecretName", "previous"),
    "replicate": Field("ProviderSecretName", begins=("r8_",)),
    "replicateWebhook": Field("ProviderSecretName", "replicateWebhookPrevious", ("whsec_",)),
    "workersAiAccount": Field("ProviderSecretName"),
    "workersAi": Field("ProviderSecretName"),
    "googleId": Field("SignInSecretName"),
    "googleSecret": Field("SignInSecretName"),
    "githubId": Field("SignInSecretName"),
    "githubSecret": Field("SignInSecretName"),
    "secretKey": Field("StripeSecretName", begins=("sk_", "rk_")),
    "webhookSecret": Field("StripeSecretName", "webhookSecretPrevious", ("whsec_",)),
}
"""What the product reads, by name; another name would be stored and never read."""


def main(
    arguments: Sequence[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    stack_named: Callable[[str], Stack] = stack_of,
    stdin: TextIO | None = None,
) -> int:
    """Do what the command line says; return the exit code, 1 when nothing was done."""
    asked = _parsed(arguments, environ)
    return ended(lambda: _do(asked, stack_named, stdin or sys.stdin))


def _do(asked: argparse.Namespace, stack_named: Callable[[str], Stack], stdin: TextIO) -> None:
    """Do what was asked for."""
    _check(asked)
    stack = stack_named(asked.env)
    if not asked.field:
        show(stack)
    elif asked.do == "forget":
        forget(stack, asked.field)
    else:
        put(stack, asked.field, _value(asked.field, stdin))


def _check(asked: argparse.Namespace) -> None:
    """Raise `BadCommand` for a name that does not exist: what comes from the environment, argparse does not check."""
    if asked.field and asked.field not in FIELDS:
        raise BadCommand(f"There is no field {asked.field}. There are {', '.join(FIELDS)}.")
    if asked.do not in DEEDS:
        raise BadCommand(f"DO is {' or '.join(DEEDS)}.")


def show(stack: Stack) -> None:
    """Print which fields have a value, and which are being rotated."""
    for name, field in FIELDS.items():
        kept = _read(stack, field)
        rotating = ", the one before is kept" if kept.get(field.previous) else ""
        print(f"  {name:17} {'set' if kept.get(name) else 'not set'}{rotating}")


def put(stack: Stack, name: str, value: str) -> None:
    """Store a field; the value before moves to where the product still accepts it, if there is such a place."""
    field = FIELDS[name]
    if not value.startswith(field.begins):
        raise BadCommand(f"{name} begins with {' or '.join(field.begins)}. Nothing was changed.")
    kept = _read(stack, field)
    if kept.get(name) == value:
        raise BadCommand(f"{name} has this value already. Nothing was changed.")
    if name == "signing" and kept.get(field.previous):  # a second call in a row would sign everybody out
        raise BadCommand(
            "signing is being rotated: what the key before has signed would count no more. DO=forget ends that first. "
            "Nothing was changed."
        )
    after = {**kept, name: value}
    if field.previous and kept.get(name):
        after[field.previous] = kept[name]
    _write(stack, field, after)
    kept_too = f"; the one before is kept as {field.previous}" if after.get(field.previous) else ""
    print(f"{name} is stored{kept_too}. Functions use it within five minutes.")


def forget(stack: Stack, name: str) -> None:
    """Remove the value before."""
    field = FIELDS[name]
    kept = _read(stack, field)
    if not kept.pop(field.previous, ""):
        raise BadCommand(f"There is no value of {name} before. Nothing was changed.")
    _write(stack, field, kept)
    print(f"{field.previous} is removed.")


def _read(stack: Stack, field: Field) -> dict[str, Any]:
    client = stack.client("secretsmanager")
    kept: dict[str, Any] = json.loads(
        client.get_secret_value(SecretId=stack.output(field.output))["SecretString"]
    )
    return kept


def _write(stack: Stack, field: Field, value: Mapping[str, Any]) -> None:
    client = stack.client("secretsmanager")
    client.put_secret_value(SecretId=stack.output(field.output), SecretString=json.dumps(value))


def _value(name: str, stdin: TextIO) -> str:
    if name == "signing":
        return secrets.token_urlsafe(BYTES)
    value = (getpass.getpass(f"New {name}: ") if stdin.isatty() else stdin.read()).strip()
    if not value or any(sign.isspace() or not sign.isprintable() for sign in value):
        raise BadCommand(f"{name} is empty or has a blank in it. Nothing was changed.")
    return value


def _parsed(arguments: Sequence[str] | None, environ: Mapping[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make secret", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--env", default=environ.get("ENV") or "local", help="local, or a section of samconfig.toml"
    )
    parser.add_argument("--field", default=environ.get("FIELD") or "", choices=["", *FIELDS])
    parser.add_argument("--do", default=environ.get("DO") or "put", choices=DEEDS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
