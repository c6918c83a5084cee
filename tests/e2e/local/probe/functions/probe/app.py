"""Answers what a test asks: by path over HTTP, by ``do`` otherwise."""

import importlib.util
import json
import os
import sys
import time

import precedence
import shared


class ProviderUnavailable(Exception):
    """An error of our own, to see its name on the other side."""


def describe() -> dict:
    """The environment as this function sees it."""
    return {
        "pid": os.getpid(),
        "variables": dict(os.environ),
        "path": sys.path,
        "layer": shared.__file__,
        "precedence": precedence.ORIGIN,
        "importable": [
            name for name in ("requests", "ministack", "pytest") if importlib.util.find_spec(name)
        ],
    }


def count(way: str) -> dict:
    """Write a line of metrics, as functions of ours do: one of how this function was called."""
    told = {"Namespace": "Probe", "Dimensions": [["way"]], "Metrics": [{"Name": "Calls"}]}
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [told]}
    print(json.dumps({"_aws": about, "way": way, "Calls": 1}))
    return {}


def act(what: str, event: dict) -> object:
    """Do one of the things that tests look at."""
    query = event.get("queryStringParameters") or {}
    if what == "count":
        return count(query.get("way") or event["way"])
    if what == "raise":
        raise ProviderUnavailable("no answer from upstream")
    if what == "size":
        return "x" * int(query.get("bytes") or event.get("bytes"))
    if what == "sleep":
        time.sleep(float(query["seconds"]))
    return describe() if what == "describe" else {key: event[key] for key in event if key != "body"}


def lambda_handler(event: dict, _context: object) -> object:
    """HTTP events get an HTTP answer, others the plain result."""
    if "rawPath" not in event:
        return act(event.get("do", ""), event)
    result = act(event["rawPath"].rpartition("/")[2], event)
    body = (
        result
        if isinstance(result, str)
        else json.dumps({**result, "bodySize": len(event.get("body") or "")})
    )
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "cookies": ["first=1; Path=/", "second=2; Path=/"],
        "body": body,
    }
