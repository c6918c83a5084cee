"""Ask a deployment from outside whether it keeps its promises.

``make smoke BASE_URL=https://… [KEY=ek_…] [ADMIN_KEY=ek_…]``; keys are better given in the environment. Without KEY the
runs are those of guests (four tiny pictures, out of the day of this network), with it they are charged to its user.
Exit code 0: everything asked for is fine; 1: a promise is broken; 2: something could not be checked.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import re
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from ops import smoke_end, smoke_open, smoke_runs
from ops.shown import printable
from ops.smoke_client import NoAnswer
from ops.smoke_plan import CHECKS, Options, Outcome, Smoke, chosen, run

ORDER = (smoke_open, smoke_runs, smoke_end)
"""Where the checks are. Importing them fills `CHECKS`, each after those that it imports: in this order."""
ENVIRONMENTS = ("development", "testing", "staging", "production")
FINE, BROKEN, UNKNOWN = 0, 1, 2


class BadKey(Exception):
    """The deployment does not know a key. The message says which, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks, print a line for each, and return the exit code."""
    asked, options = _options(arguments)
    smoke = Smoke(options)
    try:
        smoke.nobody.get("/api/health")
        _check_keys(smoke)
    except NoAnswer as lost:
        way = "Is it up (here: `make run`), and is BASE_URL its address?"
        print(f"UNKNOWN: Nothing answers at {options.url}: {printable(lost)}. {way}", file=sys.stderr)
        return UNKNOWN
    except BadKey as problem:
        print(f"UNKNOWN: {problem}", file=sys.stderr)
        return UNKNOWN
    outcomes = []
    for outcome in run(smoke, chosen(asked.only)):
        outcomes.append(outcome)
        if not asked.json:
            print(outcome.line(), flush=True)
    code = exit_code(outcomes)
    if asked.json:
        print(json.dumps(_report(smoke, outcomes, code)))
    else:
        print(_summary(smoke, outcomes))
    return code


def _check_keys(smoke: Smoke) -> None:
    """Raise `BadKey` for a key that the deployment does not know: nothing could be checked with it."""
    options = smoke.options
    for name, key in (("KEY", options.key), ("ADMIN_KEY", options.admin_key)):
        if key and smoke.program(key).get("/api/auth/me").code == "invalid_api_key":
            raise BadKey(
                f"{options.url} does not know {name}: it is mistyped, revoked, or of another deployment."
                " Make one on the account page there."
            )


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return 1 if a check failed, 2 if one that was asked for could not be made, else 0."""
    if any(one.word == "FAIL" for one in outcomes):
        return BROKEN
    return UNKNOWN if any(one.blocked for one in outcomes) else FINE


def _options(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Options]:
    """Read what is asked for. Keys come from the environment, so that no list of processes shows them."""
    parser = argparse.ArgumentParser(prog="make smoke", description=__doc__.partition("\n")[0])
    parser.add_argument("url", metavar="BASE_URL", help="for example https://enhance.example")
    parser.add_argument(
        "--only", type=_names, default=(), help=f"of {', '.join(CHECKS)}; with commas between"
    )
    parser.add_argument(
        "--environment", choices=ENVIRONMENTS, help="default: development on loopback, else production"
    )
    parser.add_argument(
        "--burst", action="store_true", help="meet the rate limit of guests (they wait up to a minute)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--patience", type=float, default=90.0, help="seconds for a job to end (90)")
    parser.add_argument("--deadline", type=float, default=240.0, help="seconds for everything (240)")
    asked = parser.parse_args(arguments)
    place = urlsplit(asked.url)
    if place.scheme not in ("http", "https") or not place.hostname or place.path.strip("/"):
        parser.error("BASE_URL is an address without a path, such as https://enhance.example")
    if (
        "@" in place.netloc
    ):  # shown in every report, and sent in place of KEY; or another host than it looks like
        parser.error("BASE_URL has no name or password in it")
    keys = {name: os.environ.get(name, "").strip() for name in ("KEY", "ADMIN_KEY")}
    for name, key in keys.items():
        if key and not re.fullmatch(r"ek_(live|test)_[!-~]+", key):
            parser.error(f"{name} is an API key, which begins with ek_live_ or ek_test_")
        if key and place.scheme == "http" and not _is_loopback(place.hostname):
            parser.error(f"{name} is sent over https only")
    options = Options(
        url=f"{place.scheme}://{place.netloc}",
        key=keys["KEY"],
        admin_key=keys["ADMIN_KEY"],
        environment=asked.environment or ("development" if _is_loopback(place.hostname) else "production"),
        burst=asked.burst,
        patience=asked.patience,
        deadline=asked.deadline,
    )
    return asked, options


def _names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, (one.strip() for one in text.split(","))))
    if unknown := [one for one in names if one not in CHECKS]:
        raise argparse.ArgumentTypeError(
            f"there is no check {', '.join(unknown)}; there are {', '.join(CHECKS)}"
        )
    return names


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _report(smoke: Smoke, outcomes: Sequence[Outcome], code: int) -> dict[str, object]:
    return {
        "baseUrl": smoke.options.url,
        "environment": smoke.options.environment,
        "exitCode": code,
        "checks": [one.to_json() for one in outcomes],
        "spent": {"images": smoke.spent.images, "credits": smoke.spent.credits},
        "leftBehind": smoke.left,
    }


def _verdict(outcomes: Sequence[Outcome]) -> str:
    """Say the exit code in a word, because `make` tells any failure by its own."""
    return {FINE: "FINE", BROKEN: "BROKEN", UNKNOWN: "UNKNOWN"}[exit_code(outcomes)]


def _summary(smoke: Smoke, outcomes: Sequence[Outcome]) -> str:
    words = [one.word for one in outcomes]
    spent = smoke.spent
    seconds = sum(one.ms for one in outcomes) / 1000
    counted = f"{words.count('ok')} ok, {words.count('FAIL')} failed, {words.count('skip')} skipped"
    lines = [
        f"{_verdict(outcomes)}: {counted}, {seconds:.0f} s",
        f"Spent: {spent.images} images of the day, {spent.credits:g} credits, paid by {smoke.who}.",
    ]
    if smoke.left:
        lines.append(f"Left behind: {printable('; '.join(smoke.left))}.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
