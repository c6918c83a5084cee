"""The faults of Replicate, and those in which time or an operator plays a part."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from enhancer.adapters.dynamodb import keys
from enhancer.domain.costs import SPEND_CAP_MICROS
from enhancer.domain.jobs import Job
from enhancer.domain.periods import day_of
from enhancer.operations.sweep import SILENCE_MS
from enhancer.runtime import now
from tests.e2e.deployed import LATE_MS, processes, step_timeout
from tests.e2e.provider_lab import REPLICATE, WORKERS, Lab
from tests.e2e.provider_play import ALWAYS, JOB, Fault, Stage

STEP_SECONDS = 4
SLOW_SECONDS = 4.0
WAIT = 4
"""Seconds that a request waits where it is to give up before a slow prediction ends."""
PAGE = {"status": 500}
Order = tuple[str, str, str, dict[str, Any]]


def at(route: str, fault: str, **parameters: Any) -> Order:
    """An order to the stand-in of Replicate."""
    return REPLICATE, route, fault, parameters


def refusal(status: int, **more: Any) -> Order:
    """Every create is refused with a problem document."""
    document = {"title": "Refused", "detail": "No.", "status": status}
    return at("create", "status", **{"status": status, "json": document, "times": ALWAYS, **more})


def throttled(times: int, detail: str = "Request was throttled.", **headers: str) -> Order:
    """Creates are refused for coming too fast."""
    return at("create", "status", status=429, json={"detail": detail}, headers=headers, times=times)


# ----------------------------------------------------------------------------------- what happens meanwhile


def silent_end(stage: Stage) -> None:
    """The prediction ends, and nobody of whom we believe it says so: half a minute later the sweep asks."""
    deployed, job_id = stage.lab.deployed, stage.job.id
    deployed.when(stage.owner, job_id, waits, "waiting")
    deployed.until(lambda: _ended(stage), "the end of the prediction")
    assert deployed.job(stage.owner, job_id).is_open
    deployed.sweep(SILENCE_MS + 1000)


def waits(job: Job) -> bool:
    """Whether the state machine waits for a prediction whose name is known."""
    return any(item.prediction and item.prediction.token and item.prediction.id for item in job.open_items)


def _ended(stage: Stage) -> bool:
    return all(one["completed_at"] for one in stage.lab.predictions_of(stage.owner))


def deliveries(number: int) -> Callable[[Stage], None]:
    """So many webhooks about the job have been delivered."""

    def wait(stage: Stage) -> None:
        def are_there() -> bool:
            return sum(stage.job.id in sent["url"] for sent in stage.lab.replicate.attempts()) >= number

        stage.lab.deployed.until(are_there, f"{number} webhooks")

    return wait


def overdue(stage: Stage) -> None:
    """The job passes its deadline."""
    stage.lab.deployed.when(stage.owner, stage.job.id, waits, "waiting")
    assert stage.lab.deployed.sweep(LATE_MS).expired
    assert not stage.job.is_open


def switch_off(stage: Stage) -> None:
    """The operator switches the provider off, and every function has felt it."""
    stage.lab.deployed.when(stage.owner, stage.job.id, waits, "waiting")
    switch(stage.lab, "replicate")


def switch(lab: Lab, *off: str) -> None:
    """Leave the operator's switches like this, and let the function that decides feel it at once."""
    lab.deployed.store.table.put({**keys.flags(), "off": list(off)})
    forget(lab, "FinishItem")


def forget(lab: Lab, *functions: str) -> None:
    """Let functions start anew, and read flags and secrets anew."""
    endpoint = f"AWS_ENDPOINT_URL={lab.deployed.stack.endpoint}".encode()
    for function in functions:
        name = f"AWS_LAMBDA_FUNCTION_NAME={lab.deployed.stack.physical_id(function)}".encode()
        for process in processes(name, endpoint):
            os.kill(process, signal.SIGKILL)


@contextmanager
def switched_on_again(lab: Lab) -> Iterator[None]:
    """Afterwards no switch is off, also for those who let runs in."""
    try:
        yield
    finally:
        switch(lab)
        forget(lab, "Generate", "Jobs")


@contextmanager
def cap_reached(lab: Lab) -> Iterator[None]:
    """Today's budget is spent, by somebody else."""
    table, key = lab.deployed.store.table, keys.spend_total(day_of(now()))
    table.update(key, "ADD used :cap", values={":cap": SPEND_CAP_MICROS})
    try:
        yield
    finally:
        table.update(key, "ADD used :cap", values={":cap": -SPEND_CAP_MICROS})


@contextmanager
def impatient(lab: Lab) -> Iterator[None]:
    """The state machine waits for a call-back only some seconds."""
    with step_timeout(lab.deployed, STEP_SECONDS):
        yield


@contextmanager
def low_on_credit(lab: Lab) -> Iterator[None]:
    """The account at Replicate has less than $5: a create every two seconds, and the first has to wait."""
    lab.replicate.control("credit", low=True, every_s=2, spent=True)
    yield  # the stand-in is reset afterwards


@contextmanager
def hardly_any_credit(lab: Lab) -> Iterator[None]:
    """The same, with a wait that is too long to be worth it."""
    lab.replicate.control("credit", low=True, every_s=3600, spent=True)
    yield


# ------------------------------------------------------------------------------------------------ requests

LOST_FOR_GOOD = (
    at("create", "reset_after"),
    at("list", "status", status=503),  # asked once, and then given up
    at("outcome", "never"),
)
"""The first prediction would never end, and only Replicate knows of it."""

REQUESTS: tuple[Fault, ...] = (
    Fault("hang before headers, once", "real-esrgan", (at("create", "hang"),), wait=5, made=1),
    Fault("hang before headers, always", "gfpgan", (at("create", "hang", times=ALWAYS),), via=(JOB,), made=0),
    Fault("hang mid-body", "real-esrgan", (at("create", "hang_mid_body"),), wait=6, made=1),
    Fault("hang after creating", "gfpgan", (at("create", "hang_after"),), wait=6, made=1),
    Fault("reset after creating", "real-esrgan", (at("create", "reset_after"),), made=1),
    Fault("reset after creating", "gfpgan", (at("create", "reset_after"),), made=1),
    Fault("reset after creating, and the list does not answer", "gfpgan", LOST_FOR_GOOD, made=2),
    Fault("reset after creating, and the list does not answer", "real-esrgan", LOST_FOR_GOOD, made=2),
    Fault("reset before creating, once", "gfpgan", (at("create", "reset"),), made=1),
    Fault("reset, always", "topaz", (at("create", "reset", times=ALWAYS),), made=0),
    Fault("401", "real-esrgan", (refusal(401),), made=0),
    Fault("401", "gfpgan", (refusal(401),), made=0),
    Fault("402", "real-esrgan", (refusal(402),), made=0),
    Fault("402", "gfpgan", (refusal(402),), made=0),
    Fault("403", "real-esrgan", (refusal(403),), made=0),
    Fault("422", "topaz", (refusal(422),), made=0),
    Fault("429, Retry-After: 1, once", "gfpgan", (throttled(1, **{"Retry-After": "1"}),), made=1),
    Fault("429, ~1s in its text, once", "real-esrgan", (throttled(1, "resets in ~1s."),), made=1),
    Fault("429, always", "gfpgan", (throttled(ALWAYS),), made=0),
    Fault("429, always", "nano-banana", (throttled(ALWAYS),), made=0),
    Fault("429, Retry-After: 3600", "real-esrgan", (throttled(ALWAYS, **{"Retry-After": "3600"}),), made=0),
    Fault("429, Retry-After: 3600", "gfpgan", (throttled(ALWAYS, **{"Retry-After": "3600"}),), made=0),
    Fault("below $5 of credit", "real-esrgan", around=low_on_credit, made=1, apart=True),
    Fault("below $5 of credit", "gfpgan", around=low_on_credit, made=1, apart=True),
    Fault("below $5 of credit, an hour's wait", "real-esrgan", around=hardly_any_credit, made=0, apart=True),
    Fault("below $5 of credit, an hour's wait", "gfpgan", around=hardly_any_credit, made=0, apart=True),
    Fault("500 as HTML, once", "gfpgan", (at("create", "html", **PAGE),), made=1),
    Fault("500 as HTML, always", "real-esrgan", (at("create", "html", **PAGE, times=ALWAYS),), made=0),
    Fault("500 as HTML, always", "gfpgan", (at("create", "html", **PAGE, times=ALWAYS),), made=0),
    Fault("503, always", "topaz", (refusal(503),), made=0),
    Fault("503, there and at its fallback", "nano-banana",
          (refusal(503), (WORKERS, "run", "status", {"status": 503, "times": ALWAYS})), made=0),
    Fault("503 when asked for the end", "real-esrgan",
          (at("outcome", "slow", seconds=SLOW_SECONDS), at("get", "status", status=503, times=2)), made=1),
)  # fmt: skip


# ------------------------------------------------------------------------------------------------ outcomes


def outcome(kind: str, **parameters: Any) -> Order:
    """Every prediction ends like this."""
    return at("outcome", kind, **{"times": ALWAYS, **parameters})


def output(kind: str, **parameters: Any) -> Order:
    """Every download ends like this."""
    return at("output", kind, **{"times": ALWAYS, **parameters})


OUTCOMES: tuple[Fault, ...] = (
    Fault("succeeded, output null", "real-esrgan", (outcome("output", value=None),)),
    Fault("succeeded, output null", "gfpgan", (outcome("output", value=None),)),
    Fault("succeeded, output a list", "real-esrgan", (outcome("output", value=["$URL"]),), made=1),
    Fault("succeeded, output an object", "topaz", (outcome("output", value={"image": "$URL"}),)),
    Fault("succeeded, output a quoted string", "gfpgan", (outcome("output", value='"$URL"'),)),
    Fault("succeeded, output a data URL", "gfpgan", (outcome("output", value="$DATA"),), made=1),
    Fault(
        "output there, status still processing", "real-esrgan", (outcome("processing_with_output"),), made=1
    ),
    Fault(
        "failed, NSFW", "nano-banana", (outcome("failed", error="NSFW content detected. Try again."),), made=1
    ),
    Fault("failed, NSFW", "gfpgan", (outcome("failed", error="NSFW content detected. Try again."),), made=1),
    Fault("failed, E1001", "real-esrgan", (outcome("failed", error="E1001: out of memory"),), made=1),
    Fault("failed, E1001", "gfpgan", (outcome("failed", error="E1001: out of memory"),), made=1),
    Fault("aborted", "real-esrgan", (outcome("aborted"),), made=1),
    Fault("canceled by the provider", "gfpgan", (outcome("canceled"),), made=1),
    Fault("black", "real-esrgan", (outcome("black"),)),
    Fault("tiny", "gfpgan", (outcome("tiny"),)),
    Fault("wrong size", "topaz", (outcome("wrong_size"),)),
    Fault("black, once", "nano-banana", (at("outcome", "black"),), made=2),
    Fault("output 404", "real-esrgan", (output("status", status=404),)),
    Fault("output 503, once", "gfpgan", (at("output", "status", status=503),), made=1),
    Fault("output breaks off", "gfpgan", (output("truncated"),)),
    Fault("output truncated", "real-esrgan", (output("truncated_image"),)),
    Fault("output HTML", "gfpgan", (output("html"),)),
    Fault("output SVG", "topaz", (output("svg"),)),
    Fault("output of 110 MB", "real-esrgan", (output("oversized", bytes=110_000_000),)),
    Fault("output of 900 megapixels", "gfpgan", (output("oversized_pixels"),)),
)


def redirects(canary_url: str) -> Fault:
    """The delivery host sends us elsewhere."""
    return Fault(
        "output redirected to another host", "real-esrgan", (output("redirect", location=canary_url),)
    )


# ------------------------------------------------------------------------------------- ends nobody hears of

SLOWLY = at("outcome", "slow", seconds=SLOW_SECONDS, times=ALWAYS)


def webhook(name: str, model: str, kind: str, **more: Any) -> Fault:
    """A slow prediction whose webhook is like this."""
    parameters = {"times": ALWAYS, **more.pop("parameters", {})}
    scripts = (SLOWLY, at("webhook", kind, **parameters))
    return Fault(f"webhook {name}", model, scripts, **{"wait": WAIT, "made": 1, **more})


ENDINGS: tuple[Fault, ...] = (
    Fault("never ends", "real-esrgan", (outcome("never"),), wait=WAIT, around=impatient, made=1, also=(WORKERS,)),
    Fault("never ends", "gfpgan", (outcome("never"),), wait=WAIT, around=impatient, made=1, also=(WORKERS,)),
    Fault("never ends, and nobody looks", "gfpgan", (outcome("never"),), wait=WAIT, meanwhile=overdue, apart=True,
          made=1, also=(WORKERS,)),
    webhook("three times", "gfpgan", "duplicate", parameters={"times": 3}, afterwards=deliveries(3)),
    webhook("reordered", "real-esrgan", "reordered"),
    webhook("late", "gfpgan", "late", parameters={"seconds": 5}, meanwhile=silent_end, afterwards=deliveries(1)),
    webhook("forged", "real-esrgan", "bad_signature", meanwhile=silent_end),
    webhook("stale", "gfpgan", "stale", meanwhile=silent_end),
    webhook("from the future", "gfpgan", "future", meanwhile=silent_end, via=(JOB,)),
    webhook("missing", "real-esrgan", "never", meanwhile=silent_end),
    webhook("missing", "gfpgan", "never", meanwhile=silent_end),
    webhook("about an unknown id, then the right one", "gfpgan", "unknown_id"),
    Fault("webhook before the answer", "gfpgan", (at("webhook", "before_answer", times=ALWAYS),),
          afterwards=deliveries(1), made=1),
    Fault("spend cap reached", "real-esrgan", around=cap_reached, made=0, also=(WORKERS,)),
    Fault("spend cap reached", "gfpgan", around=cap_reached, made=0, also=(WORKERS,)),
    Fault("spend cap reached", "flux-klein", around=cap_reached, also=(REPLICATE,)),
    Fault("switched off in mid-job, and then 503", "real-esrgan", (SLOWLY, output("status", status=503)), wait=WAIT,
          apart=True, around=switched_on_again, meanwhile=switch_off, made=1, also=(WORKERS,)),
    Fault("switched off in mid-job, and then 503", "gfpgan", (SLOWLY, output("status", status=503)), wait=WAIT,
          apart=True, around=switched_on_again, meanwhile=switch_off, made=1, also=(WORKERS,)),
    Fault("switched off in mid-job, and it ends well", "gfpgan", (SLOWLY,), via=(JOB,),
          around=switched_on_again, meanwhile=switch_off, made=1, also=(WORKERS,)),
)  # fmt: skip
