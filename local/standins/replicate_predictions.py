"""Predictions of the Replicate stand-in: their states by the simulated clock, their work, and their outputs."""

from __future__ import annotations

import base64
import math
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests
from PIL import Image

from local.standins import pictures
from local.standins.control import Clock, Fault, Json, Names
from local.standins.replicate_models import Model, ModelFailure, check_fit

KEPT_S = 3600.0  # input, output and logs are gone an hour after the end
RUN_LIMIT_S = 1800.0
STARTING_SHARE = 0.2  # of a prediction's time, before it begins
FETCH_TIMEOUT_S = (3.0, 15.0)
OVER = frozenset({"succeeded", "failed", "canceled", "aborted"})


@dataclass(eq=False)
class Prediction:
    """One prediction. Times are simulated seconds since the epoch.

    Attributes:
        version: the id it was called by, ``hidden`` for an official model.
        outcome: how it ends, when not well.
        events: the webhook events its owner wants.
        mail: bodies for the webhook, in order: (event, body), then None.
        told: set when everything there was to deliver has been tried.
    """

    id: str
    model: Model
    version: str
    input: Json
    created_at: float
    starts_at: float
    due_at: float
    deadline: float | None = None
    outcome: Fault = field(default_factory=lambda: Fault(""))
    webhook: str | None = None
    webhook_fault: Fault = field(default_factory=lambda: Fault(""))
    events: frozenset[str] = frozenset()
    status: str = "starting"
    started_at: float | None = None
    completed_at: float | None = None
    output: Any = None
    error: str | None = None
    logs: str = ""
    forgotten: bool = False
    mail: queue.SimpleQueue[tuple[str, bytes] | None] = field(default_factory=queue.SimpleQueue)
    told: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.forgotten or self.status in OVER

    @property
    def limit(self) -> float:
        """The simulated time at which it is stopped."""
        latest = self.created_at + RUN_LIMIT_S
        return latest if self.deadline is None else min(self.deadline, latest)

    def removed(self, now: float) -> bool:
        """Whether its data were deleted."""
        return self.completed_at is not None and now >= self.completed_at + KEPT_S

    def view(self, base: str, now: float) -> Json:
        """The prediction object of the API."""
        removed = self.removed(now)
        return {
            "id": self.id,
            "model": self.model.name,
            "version": self.version,
            "input": {} if removed else self.input,
            "output": None if removed else self.output,
            "error": self.error,
            "logs": "" if removed else self.logs,
            "status": self.status,
            "created_at": iso(self.created_at),
            "started_at": iso(self.started_at),
            "completed_at": iso(self.completed_at),
            "data_removed": removed,
            "deadline": iso(self.deadline),
            "metrics": self.metrics(),
            "urls": {
                "get": f"{base}/v1/predictions/{self.id}",
                "cancel": f"{base}/v1/predictions/{self.id}/cancel",
                "web": f"https://replicate.com/p/{self.id}",
            },
        }

    def metrics(self) -> Json:
        """Return ``predict_time`` and ``total_time`` in seconds of an ended prediction."""
        if self.completed_at is None or self.outcome.kind == "no_metrics":
            return {}
        total = {"total_time": round(self.completed_at - self.created_at, 6)}
        if self.started_at is None:
            return total
        return {"predict_time": round(self.completed_at - self.started_at, 6), **total}


def iso(moment: float | None) -> str | None:
    """Return a time as Replicate writes it (ISO 8601)."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Output:
    """A file on the delivery host."""

    data: bytes
    content_type: str
    prediction: Prediction


class Worker:
    """Runs predictions, each in a thread of its own.

    Args:
        clock: decides when a prediction starts and ends.
        names: where the random part of an output's URL comes from.
        delivery: the base URL of outputs.
        own_file: the content behind one of our own file URLs, None for any other URL.
        announce: told of ``start``, ``logs``, ``output``, ``completed``, and of ``""`` when all is said.
        most_pixels: another limit for inputs than the model's; 0 for none.
    """

    def __init__(
        self,
        clock: Clock,
        names: Names,
        *,
        delivery: str,
        own_file: Callable[[str], bytes | None],
        announce: Callable[[Prediction, str], None],
        most_pixels: int | None,
    ) -> None:
        self.outputs: dict[str, Output] = {}
        self._clock = clock
        self._names = names
        self._delivery = delivery
        self._own_file = own_file
        self._announce = announce
        self._most_pixels = most_pixels

    def start(self, prediction: Prediction) -> None:
        """Start a prediction in its thread."""
        self._drop_expired()
        threading.Thread(target=self._run, args=(prediction,), daemon=True).start()

    def end(self, prediction: Prediction, status: str, at: float, error: str | None = None) -> None:
        """End a prediction unless it has ended; ``aborted`` sends no webhook."""
        with self._clock.changed:
            if prediction.over:
                return
            prediction.status, prediction.completed_at, prediction.error = status, at, error
            if status != "succeeded":
                prediction.output = None
            self._clock.changed.notify_all()
            if status != "aborted":
                self._announce(prediction, "completed")
            self._announce(prediction, "")

    def _run(self, prediction: Prediction) -> None:
        if prediction.outcome.kind == "aborted":
            if self._reached(prediction, prediction.starts_at):
                self.end(prediction, "aborted", prediction.starts_at)
            return
        if not self._reached(prediction, prediction.starts_at):
            return
        self._change(prediction, "start", status="processing", started_at=prediction.starts_at)
        try:
            picture = self._paint(prediction)
            data = pictures.encode(picture, prediction.model.extension_for(prediction.input))
        except (ModelFailure, OSError, ValueError, MemoryError) as failure:
            self.end(prediction, "failed", self._clock.now(), str(failure))
            return
        self._change(prediction, "logs", logs=f"made {picture.width}x{picture.height} pixels\n")
        finished = max(prediction.due_at, self._clock.now())
        if self._reached(prediction, math.inf if prediction.outcome.kind == "never" else prediction.due_at):
            self._deliver(prediction, data, min(finished, self._clock.now()))

    def _deliver(self, prediction: Prediction, data: bytes, finished: float) -> None:
        outcome = prediction.outcome
        if outcome.kind == "failed":
            self.end(prediction, "failed", finished, outcome.text("error", "E1000: unknown error"))
            return
        if outcome.kind == "canceled":
            self.end(prediction, "canceled", finished)
            return
        self._change(prediction, "output", output=self._publish(prediction, data))
        if outcome.kind == "processing_with_output":
            finished += outcome.number("seconds", 1.0)
            if not self._reached(prediction, finished):
                return
        self.end(prediction, "succeeded", finished)

    def _reached(self, prediction: Prediction, moment: float) -> bool:
        """Wait for a simulated time; return False if the prediction ended before."""
        if self._clock.wait(min(moment, prediction.limit), lambda: prediction.over):
            return False
        if prediction.limit < moment:
            status = "aborted" if prediction.status == "starting" else "canceled"
            self.end(prediction, status, prediction.limit)
            return False
        return True

    def _change(self, prediction: Prediction, event: str, **values: Any) -> None:
        with self._clock.changed:
            if prediction.over:
                return
            for name, value in values.items():
                setattr(prediction, name, value)
            self._clock.changed.notify_all()
            self._announce(prediction, event)

    def _paint(self, prediction: Prediction) -> Image.Image:
        model, kind = prediction.model, prediction.outcome.kind
        files = [self._fetch(url) for url in model.sources(prediction.input)]
        try:
            inputs = [pictures.decode(data) for data in files]
        except OSError as problem:
            raise ModelFailure(model.unreadable) from problem
        check_fit(model, inputs, self._most_pixels)
        picture = model.paint(prediction.input, inputs)
        if kind == "black":
            return pictures.black(picture.size)
        if kind == "tiny":
            return picture.resize((1, 1))
        return picture.resize(pictures.scaled(picture.size, 0.75)) if kind == "wrong_size" else picture

    def _fetch(self, url: str) -> bytes:
        """Return the bytes at an input URL, fetched over HTTP without our token.

        Raises:
            ModelFailure: they are not to be had.
        """
        own = self._own_file(url)
        if own is not None:
            return own
        try:
            if url.startswith("data:"):
                return data_url_content(url)
            with requests.Session() as session:
                session.trust_env = False
                answer = session.get(url, timeout=FETCH_TIMEOUT_S)
                answer.raise_for_status()
                return answer.content
        except (OSError, ValueError) as problem:
            raise ModelFailure(f"Failed to download input: {problem}") from problem

    def _publish(self, prediction: Prediction, data: bytes) -> Any:
        """Put a result on the delivery host and return the output with its URL."""
        extension = prediction.model.extension_for(prediction.input)
        path = f"{self._names.next(48)}/output.{extension}"
        content_type = pictures.CONTENT_TYPES[extension]
        self.outputs[path] = Output(data, content_type, prediction)
        url = f"{self._delivery}/{path}"
        if prediction.outcome.kind != "output":
            return url
        value = prediction.outcome.parameters.get("value")
        return filled(value, {"$URL": url, "$DATA": data_url(data, content_type)})

    def _drop_expired(self) -> None:
        now = self._clock.now()
        for path, output in list(self.outputs.items()):
            if output.prediction.removed(now):
                self.outputs.pop(path, None)
                output.prediction.input = {}


def filled(value: Any, names: dict[str, str]) -> Any:
    """Return a JSON value with the placeholders in its texts replaced."""
    match value:
        case str():
            for name, text in names.items():
                value = value.replace(name, text)
            return value
        case list():
            return [filled(item, names) for item in value]
        case dict():
            return {key: filled(item, names) for key, item in value.items()}
        case _:
            return value


def data_url(data: bytes, content_type: str) -> str:
    """Return a file as a data URL."""
    return f"data:{content_type};base64,{base64.b64encode(data).decode()}"


def data_url_content(url: str) -> bytes:
    """Return the bytes in a base64 data URL.

    Raises:
        ValueError: it holds none.
    """
    head, _, body = url.partition(",")
    if not head.endswith(";base64"):
        raise ValueError("a data URL must be base64")
    return base64.b64decode(body, validate=True)
