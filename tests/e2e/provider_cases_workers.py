"""The faults of Workers AI."""

from __future__ import annotations

from typing import Any

from tests.e2e.provider_cases import Order
from tests.e2e.provider_lab import WORKERS
from tests.e2e.provider_play import ALWAYS, GENERATE, JOB, Fault


def run(fault: str, **parameters: Any) -> Order:
    """An order to the stand-in of Workers AI: every run ends like this."""
    return WORKERS, "run", fault, {"times": ALWAYS, **parameters}


def code(number: int, **more: Any) -> Order:
    """Every run is refused with this code."""
    return run("code", code=number, **more)


RUNS: tuple[Fault, ...] = (
    Fault("3036, allowance used up", "flux-klein", (code(3036, times=1),)),
    Fault("3036, allowance used up", "sd15", (code(3036),)),
    Fault("4006, allowance used up", "flux-klein", (code(4006, times=1),)),
    Fault("4006, allowance used up", "sd15", (code(4006),)),
    Fault("3040, out of capacity, once", "sd15", (code(3040, times=1),)),
    Fault("3040, out of capacity, always", "sd15", (code(3040),)),
    Fault("3040, out of capacity, three times", "flux-klein", (code(3040, times=3),)),
    Fault("429 without a code, Retry-After: 3600", "flux-klein",
          (run("status", status=429, headers={"Retry-After": "3600"}, times=1),)),
    Fault("5006, bad input", "flux-klein", (code(5006),)),
    Fault("5007, no such model", "sd15", (code(5007),)),
    Fault("3030, prompt refused", "flux-klein", (code(3030),)),
    Fault("3007, timed out, once", "sd15", (code(3007, times=1),)),
    Fault("3007, timed out, always", "sd15", (code(3007),)),
    Fault("3006, too large", "sd15", (code(3006),)),
    Fault("10000, token refused", "flux-klein", (code(10000),)),
    Fault("10000, token refused", "sd15", (code(10000),)),
    Fault("7003, wrong path", "sd15", (code(7003),)),
    Fault("3041, model not allowed", "flux-klein", (code(3041),)),
    Fault("success:false with 200", "sd15", (run("success_false"),)),
    Fault("a list of errors with 500", "flux-klein", (run("json_error_list", times=3),)),
    Fault("no image", "flux-klein", (run("no_image", times=2),)),
    Fault("no image", "sd15", (run("no_image"),)),
    Fault("bad base64", "flux-klein", (run("bad_base64", times=2),)),
    Fault("truncated image", "sd15", (run("truncated_image"),)),
    Fault("black", "flux-klein", (run("black", times=2),)),
    Fault("black", "sd15", (run("black"),)),
    Fault("tiny", "sd15", (run("tiny"),)),
    Fault("HTML with 200", "sd15", (run("wrong_type"),)),
    Fault("502 as HTML, once", "flux-klein", (run("html", times=1),)),
    Fault("reset, once", "sd15", (run("reset", times=1),)),
    Fault("reset, always", "sd15", (run("reset"),)),
    Fault("hang before headers, once", "sd15", (run("hang", times=1),), via=(GENERATE,), wait=5),
    Fault("hang before headers, once", "flux-klein", (run("hang", times=1, seconds=120),), via=(JOB,)),
    Fault("hang mid-body, once", "flux-klein", (run("hang_mid_body", times=1),), via=(GENERATE,), wait=5),
)  # fmt: skip
