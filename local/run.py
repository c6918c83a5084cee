"""`make run`: start the product on this machine, check it by enhancing the samples, serve until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import requests

from enhancer.adapters.dynamodb.table import Table
from local.build import ROOT
from local.check import enhance_samples
from local.processes import LocalError, await_free, is_free
from local.saved import died
from local.seed import seed
from local.stack import LEFTOVER_S, LocalStack

STATE = ROOT / ".local" / "state"
RESULTS = ROOT / ".local" / "samples"
PROVIDER_PORTS = 8791, 8792, 8793, 8794, 8795, 8796
GREEN, RED, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"


class Progress:
    """Prints each step with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, step: str) -> None:
        """Print one line."""
        print(f"{time.monotonic() - self._started:6.1f} s  {step}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the stack, check it and serve; return the exit code, 1 if it could not start or could not save."""
    options = parse(arguments)
    try:
        with suppress(KeyboardInterrupt):
            serve(options, Progress())
    except LocalError as problem:
        print(f"{RED}{problem}{PLAIN}", file=sys.stderr)
        return 1
    except OSError as problem:  # a full disk, a folder of somebody else
        where = f" ({problem.filename})" if problem.filename else ""
        print(
            f"{RED}{problem.strerror or problem}{where}: the local stack cannot go on.{PLAIN}",
            file=sys.stderr,
        )
        return 1
    except Exception:  # noqa: BLE001 - nobody who starts the product for the first time can use a traceback
        log = options.state / "error.log"
        with suppress(OSError):
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(traceback.format_exc())
        print(
            f"{RED}A fault of ours, described in {log}. What was saved is safe: try again.{PLAIN}",
            file=sys.stderr,
        )
        return 1
    return 0


def serve(options: argparse.Namespace, progress: Progress) -> None:
    """Run the stack until it is interrupted."""
    stack = LocalStack(
        port=options.port,
        emulator_port=options.emulator_port,
        state=options.state,
        keep=True,
        template=options.template,
        on_step=progress,
        on_request=lambda line: print(line, flush=True),
        provider_ports=provider_ports(options),
    )
    interrupt_on_signals(stack)
    with stack:
        with suppress(KeyboardInterrupt):
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
        progress("stopping")
    progress("stopped; everything is saved")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--port", type=int, default=8787, help="of the product; 0 takes a free one")
    parser.add_argument(
        "--emulator-port", type=int, default=4566, help="of the AWS emulator; 0 takes a free one"
    )
    parser.add_argument(
        "--provider-ports", type=ports, default=PROVIDER_PORTS, help="of the stand-ins, with commas between"
    )
    parser.add_argument("--state", type=Path, default=STATE, help="where tables, images and logs are kept")
    parser.add_argument("--template", type=Path, default=ROOT / "template.yaml", help="what to deploy")
    parser.add_argument("--no-check", action="store_true", help="do not enhance the samples")
    return parser.parse_args(arguments)


def ports(text: str) -> tuple[int, ...]:
    """Read a list of ports."""
    return tuple(map(int, text.split(",")))


def show_accounts(stack: LocalStack) -> None:
    """Create the demo accounts, and print them with their API keys."""
    if not stack.declares("Table"):
        return
    table = Table(stack.client("dynamodb"), stack.physical_id("Table"))
    print(
        "          Accounts (sign in as one by POST /api/debug-login with its e-mail, plan and role) and their keys:"
    )
    for one in seed(table):
        print(f"          {one.email:24} {one.plan:11} {one.role:6} {one.key}", flush=True)


def provider_ports(options: argparse.Namespace) -> tuple[int, ...]:
    """Return the wanted port of each provider if it is free, so that a kept deployment still fits; else 0."""
    if died(options.state):
        await_free(options.provider_ports, LEFTOVER_S)
    return tuple(port if is_free(port) else 0 for port in options.provider_ports)


def interrupt_on_signals(stack: LocalStack) -> None:
    """Stop at SIGINT, SIGTERM or SIGHUP; a later one stops waiting for what is under way, and interrupts no saving."""

    def interrupt(*_: object) -> None:
        if not stack.stopping:
            stack.stopping = True
            raise KeyboardInterrupt
        if stack.keeper:
            stack.keeper.hurry()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def check(stack: LocalStack) -> None:
    """Enhance the samples through the front door and print the results; a failure is printed and not fatal."""
    try:
        for line in enhance_samples(stack.url, ROOT / "samples", RESULTS):
            print(f"          {line}", flush=True)
    except (LocalError, requests.RequestException) as problem:
        print(f"{RED}The self-check failed: {problem}{PLAIN}", flush=True)
