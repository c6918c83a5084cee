"""`make run`: start the product on this machine, check it by enhancing the samples, serve until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from enhancer.adapters.dynamodb.table import Table
from local.build import ROOT
from local.check import enhance_samples
from local.processes import LocalError, is_free
from local.seed import seed
from local.stack import LocalStack

STATE = ROOT / ".local" / "state"
RESULTS = ROOT / ".local" / "samples"
PROVIDER_PORTS = 8791, 8792, 8793, 8794, 8795, 8796
GREEN, YELLOW, RED, PLAIN = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"


class Progress:
    """Prints each step with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, step: str) -> None:
        """Print one line."""
        print(f"{time.monotonic() - self._started:6.1f} s  {step}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the stack, check it and serve; return the exit code, 1 if the stack could not start."""
    options = parse(arguments)
    interrupt_on_signals()
    progress = Progress()
    stack = LocalStack(
        port=options.port,
        emulator_port=options.emulator_port,
        state=options.state,
        template=options.template,
        on_step=progress,
        on_request=lambda line: print(line, flush=True),
        provider_ports=provider_ports(),
    )
    try:
        with stack:
            if not stack.started_clean:
                print(f"{YELLOW}The last stop was not clean: changes since the stop before are lost.{PLAIN}")
            if not options.no_check:
                progress("checking: enhancing the samples")
                check(stack)
            show_accounts(stack)
            for line in stack.providers.shown:
                print(f"          {line}", flush=True)
            logs = stack.state / "functions.log"
            print(
                f"{GREEN}Ready: {stack.url}{PLAIN}   Ctrl-C stops. Logs of the functions: {logs}", flush=True
            )
            stack.watch()
    except LocalError as problem:
        print(f"{RED}{problem}{PLAIN}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    progress("stopped")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--port", type=int, default=8787, help="of the product; 0 takes a free one")
    parser.add_argument(
        "--emulator-port", type=int, default=4566, help="of the AWS emulator; 0 takes a free one"
    )
    parser.add_argument("--state", type=Path, default=STATE, help="where tables, images and logs are kept")
    parser.add_argument("--template", type=Path, default=ROOT / "template.yaml", help="what to deploy")
    parser.add_argument("--no-check", action="store_true", help="do not enhance the samples")
    return parser.parse_args(arguments)


def show_accounts(stack: LocalStack) -> None:
    """Create the demo accounts, and print them with their API keys."""
    if not stack.declares("Table"):
        return
    table = Table(stack.client("dynamodb"), stack.physical_id("Table"))
    print(
        "          Accounts (sign in as one by POST /api/debug-login with its e-mail and plan) and their keys:"
    )
    for one in seed(table):
        print(f"          {one.email:24} {one.plan:11} {one.role:6} {one.key}", flush=True)


def provider_ports() -> tuple[int, ...]:
    """Return the usual port of each provider if it is free, so that a kept deployment still fits; else 0."""
    return tuple(port if is_free(port) else 0 for port in PROVIDER_PORTS)


def interrupt_on_signals() -> None:
    """Raise KeyboardInterrupt at the first SIGINT, SIGTERM or SIGHUP; ignore later ones, to stop cleanly."""

    def interrupt(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def check(stack: LocalStack) -> None:
    """Enhance the samples through the front door and print the results; a failure is printed and not fatal."""
    try:
        for line in enhance_samples(stack.url, ROOT / "samples", RESULTS):
            print(f"          {line}", flush=True)
    except LocalError as problem:
        print(f"{RED}The self-check failed: {problem}{PLAIN}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
