"""``make rollback ENV=…``: move everybody back to the release before, within a minute and without a build.

Every release is a published version of every function (template.yaml, ``AutoPublishAlias``), and whoever calls a
function calls its alias ``live``. Going back moves all aliases at once; nothing else changes. Both releases answer
while they move, as they do during a gradual deployment. What broke off half-way is finished by running it again, and
running it once more changes nothing: the target follows from what was *deployed* last, not from what is live.

::

    python -m ops.rollback ENV                  # to the release before the one that was deployed last
    python -m ops.rollback ENV --list           # which there are, and which is live
    python -m ops.rollback ENV --to RELEASE     # to this one, or to this commit; also the way forward again
    python -m ops.rollback ENV --prune 5        # delete versions of releases older than the newest five
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.command import CommandError, ended
from ops.stack import Stack, stack_of

ALIAS, SETTING = "live", "RELEASE"
AT_ONCE = 10
"""Calls side by side; Lambda takes 15 changes a second."""
TRIES = 3
STAMP = len("yymmddHHMM")
"""A release's name is its minute and its commit (`RELEASE` in the Makefile)."""


class RollbackError(CommandError):
    """What was asked cannot be done. The message says why and what to do."""


@dataclass(frozen=True)
class Function:
    """A function's versions by release, and what its alias points at."""

    name: str
    versions: dict[str, str]
    live: str
    shared: bool

    @property
    def live_release(self) -> str:
        """The release that callers get; "?" where its version is gone."""
        return next((release for release, version in self.versions.items() if version == self.live), "?")

    def is_at(self, release: str) -> bool:
        """Return whether all callers get this release."""
        return self.versions.get(release) == self.live and not self.shared


def functions_of(stack: Stack) -> list[Function]:
    """Return every function of the stack that has an alias; raise `StackError` where the stack cannot be read."""
    pages = stack.client("cloudformation").get_paginator("list_stack_resources")
    try:
        found = [
            one for page in pages.paginate(StackName=stack.name) for one in page["StackResourceSummaries"]
        ]
    except (BotoCoreError, ClientError) as problem:
        raise stack.unreadable(problem) from None
    names = [
        one["PhysicalResourceId"].split(":")[-2]
        for one in found
        if one["ResourceType"] == "AWS::Lambda::Alias"
    ]
    client = stack.client("lambda")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda name: _function(client, name), names))


def _function(client: Any, name: str) -> Function:
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
    versions = {
        one.get("Environment", {}).get("Variables", {}).get(SETTING, "?"): str(one["Version"])
        for page in pages
        for one in page["Versions"]
        if one["Version"] != "$LATEST"
    }
    alias = client.get_alias(FunctionName=name, Name=ALIAS)
    shared = bool(alias.get("RoutingConfig", {}).get("AdditionalVersionWeights"))
    return Function(name, versions, str(alias["FunctionVersion"]), shared)


def releases_of(functions: Iterable[Function]) -> list[str]:
    """Return the names of all releases there are versions of, oldest first: names begin with the time."""
    return sorted({release for one in functions for release in one.versions} - {"?"})


def is_whole(functions: Iterable[Function], release: str) -> bool:
    """Return whether every function that is as old as a release has it; a deployment that failed leaves a part."""
    return all(release in one.versions or min(one.versions, default="") > release for one in functions)


def one_before(functions: Collection[Function], deployed: str) -> str:
    """Return the whole release before the one that was deployed last; raise `RollbackError` where there is none."""
    known = [release for release in releases_of(functions) if is_whole(functions, release)]
    earlier = [release for release in known if release < deployed]
    if not earlier:
        raise RollbackError(f"There is no release before {deployed}: nothing to go back to.")
    return earlier[-1]


def named(functions: Iterable[Function], wanted: str) -> str:
    """Return the release of this name, or the newest one of this commit; raise `RollbackError` where there is none."""
    known = releases_of(functions)
    fitting = [one for one in known if wanted == one or (one[STAMP:] and wanted.startswith(one[STAMP:]))]
    if not fitting:
        raise RollbackError(f"There is no release {wanted}. Known: {', '.join(known) or 'none'}.")
    return fitting[-1]


def move(stack: Stack, functions: list[Function], release: str) -> tuple[list[str], list[str]]:
    """Point every alias at its version of a release; return the names of those moved and of those that have none.

    A function without a version of it is newer than the release and stays: nothing of that release calls it. Raises
    `RollbackError` with the names of those that AWS refused to move; the others are moved by then.
    """
    there = [one for one in functions if release in one.versions]
    moving = [one for one in there if not one.is_at(release)]
    client = stack.client("lambda")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        problems = list(pool.map(lambda one: _point(client, one.name, one.versions[release]), moving))
    failed = [f"{one.name} ({problem})" for one, problem in zip(moving, problems, strict=True) if problem]
    if failed:
        raise RollbackError(f"Not moved: {', '.join(failed)}. Run it again: it goes on from here.")
    return [one.name for one in moving], [one.name for one in functions if one not in there]


def _point(client: Any, name: str, version: str) -> str:
    """Move one alias, all callers at once; return what went wrong, or ""."""
    problem = ""
    for _ in range(TRIES):
        try:
            client.update_alias(
                FunctionName=name,
                Name=ALIAS,
                FunctionVersion=version,
                RoutingConfig={"AdditionalVersionWeights": {}},
            )
        except (BotoCoreError, ClientError) as refused:
            problem = str(refused)
        else:
            return ""
    return problem


def prune(stack: Stack, functions: list[Function], kept: int) -> list[str]:
    """Delete the versions of all but the newest releases, never what is live; return the names of what was deleted.

    Versions cost no money but room (75 GB of code in an account), and with SnapStart each costs by the hour.
    """
    keep = set(releases_of(functions)[-kept:])
    client, gone = stack.client("lambda"), []
    for one in functions:
        if one.shared:
            continue
        for release, version in one.versions.items():
            if release not in keep and version != one.live:
                client.delete_function(FunctionName=one.name, Qualifier=version)
                gone.append(f"{one.name}:{version}")
    return gone


def stop_deployment(stack: Stack) -> bool:
    """Stop a deployment that is under way, which moves everybody back by itself; return whether there was one."""
    if stack.description["StackStatus"] != "UPDATE_IN_PROGRESS":
        return False
    stack.client("cloudformation").cancel_update_stack(StackName=stack.name)
    return True


def check_settled(stack: Stack, deployed: str, *, is_named: bool) -> None:
    """Raise `RollbackError` where everybody is being moved back already, or is: a second call would go two back."""
    status = stack.description["StackStatus"]
    if status.startswith("UPDATE_ROLLBACK") and status.endswith("IN_PROGRESS"):
        raise RollbackError(
            "A deployment is being taken back: everybody is moved back by it. Wait for its end."
        )
    if status == "UPDATE_ROLLBACK_COMPLETE" and not is_named:
        raise RollbackError(
            f"The last deployment failed or was stopped, so everybody is back at {deployed} already. "
            "Further back: --to RELEASE (--list shows them)."
        )


def listing(functions: list[Function], deployed: str) -> list[str]:
    """Return one line per release, newest last: how many functions have it, for how many it is live."""
    lines = []
    for release in releases_of(functions):
        having = [one for one in functions if release in one.versions]
        live = [one for one in functions if one.versions.get(release) == one.live]
        note = " <- deployed last" if release == deployed else ""
        lines.append(f"{release}  {len(having)} functions, live for {len(live)}{note}")
    return lines


def run(stack: Stack, order: argparse.Namespace, say: Callable[[str], None] = print) -> None:
    """Do what the command line asks."""
    functions, deployed = functions_of(stack), stack.output("Release")
    if not functions:
        raise RollbackError(f"The stack {stack.name} has no aliases: deploy this release first.")
    if order.list:
        for line in listing(functions, deployed):
            say(line)
    elif order.prune:
        gone = prune(stack, functions, order.prune)
        say(f"{len(gone)} versions deleted; kept: {', '.join(releases_of(functions)[-order.prune :])}")
    elif stop_deployment(stack):
        say("A deployment is under way. It is stopped now and moves everybody back; `--list` shows when.")
    else:
        check_settled(stack, deployed, is_named=bool(order.to))
        release = named(functions, order.to) if order.to else one_before(functions, deployed)
        moved, without = move(stack, functions, release)
        say(f"{release} is live: {len(moved)} functions moved, {len(functions) - len(moved)} stayed.")
        if without:
            say(f"Newer than that release, so left as they are: {', '.join(without)}.")


def main(arguments: list[str]) -> int:
    """Read the command line and run; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="make rollback",
        usage='make rollback ENV=... [ARGS="--list | --to RELEASE | --prune N"]',
        description="Move everybody to an earlier release.",
    )
    parser.add_argument("env", help="local, or a section of samconfig.toml")
    parser.add_argument("--to", metavar="RELEASE", help="this release or commit, not the one before the last")
    parser.add_argument("--list", action="store_true", help="show the releases and change nothing")
    parser.add_argument(
        "--prune", type=_count, metavar="N", help="delete versions of all but the newest N releases"
    )
    order = parser.parse_args(arguments)
    return ended(lambda: run(stack_of(order.env), order), then=" Run it again: it goes on from here.")


def _count(text: str) -> int:
    number = int(text) if text.strip("-").isdigit() else 0
    if number < 2:
        raise argparse.ArgumentTypeError("a number, at least 2, or there is no way back")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
