"""The Replicate stand-in: its HTTP API on one port, the host of outputs on another.

See https://replicate.com/docs/reference/http. Difference from Replicate: a webhook may go to http on loopback, because
nothing here has a certificate.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from local.standins.control import Control, Fault, Json, Names, answer_json, json_object
from local.standins.replicate_delivery import OUTPUT_FAULTS, delivery_app
from local.standins.replicate_files import Files
from local.standins.replicate_models import BY_NAME, Model, violation
from local.standins.replicate_predictions import STARTING_SHARE, Prediction, Worker
from local.standins.replicate_requests import (
    Refused,
    cancel_after,
    not_found,
    preferred_wait,
    problems,
    target,
)
from local.standins.replicate_throttle import EVERY_S, Throttle
from local.standins.replicate_webhooks import EVENTS, WebhookSender, signed
from local.standins.schemas import schema_of
from local.standins.transport import TRANSPORT, play, serve

PAGE = 100
TOLD_TIMEOUT_S = 30.0
FAULTS = {
    **dict.fromkeys(("create", "get", "cancel", "list", "files", "secret", "model", "account"), TRANSPORT),
    "outcome": frozenset(
        {"failed", "aborted", "canceled", "never", "slow", "output", "processing_with_output", "black", "tiny",
         "wrong_size", "no_metrics"}
    ),
    "output": OUTPUT_FAULTS,
    "webhook": frozenset(
        {"never", "duplicate", "late", "before_answer", "bad_signature", "stale", "future", "reordered",
         "unknown_id"}
    ),
}  # fmt: skip


class Replicate:
    """One account with its predictions and files, and the handlers of the API's routes."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.control = Control(FAULTS)
        self.token: str = options.token
        self.secret: str = options.webhook_secret
        self.base = f"http://127.0.0.1:{options.port}"
        self.throttle = Throttle(self.control.clock)
        self.predictions: dict[str, Prediction] = {}
        self.names = Names(options.seed)
        self.files = Files(self.control.clock, self.names, self.base)
        self.courier = WebhookSender(self.control, secret=self.secret, names=self.names, body_of=self.body_of)
        self.worker = Worker(
            self.control.clock,
            self.names,
            delivery=f"http://127.0.0.1:{options.delivery_port}",
            own_file=self.files.content,
            announce=self.courier.announce,
            most_pixels=options.max_pixels,
        )
        self._seconds: float = options.seconds
        self.control.on_reset += [self._forget]

    def view(self, prediction: Prediction) -> Json:
        """Return the prediction object of the API as it is now."""
        with self.control.clock.changed:
            return prediction.view(self.base, self.control.clock.now())

    def body_of(self, prediction: Prediction) -> bytes:
        """Return the body of a webhook: the prediction object."""
        return json.dumps(self.view(prediction)).encode()

    def prediction(self, prediction_id: str) -> Prediction:
        """Return a prediction of the account, or raise 404."""
        if found := self.predictions.get(prediction_id):
            return found
        raise not_found()

    def create(self, official: str | None = None) -> Response:
        """Start a prediction, by version or by the name of an official model; wait as ``Prefer`` asks."""
        if refused := self.throttle.take():
            return refused
        body = json_object()
        model, version = target(body, official)
        if invalid := problems(body, model):
            detail = "".join(f"- {found['field']}: {found['description']}\n" for found in invalid)
            raise Refused(422, "Input validation failed", detail, invalid)
        wait_s, deadline_s = preferred_wait(), cancel_after()
        prediction = self._new(model, version, body, deadline_s)
        early = self.view(prediction)
        self._start(prediction)
        if prediction.webhook_fault.kind == "before_answer":
            prediction.told.wait(TOLD_TIMEOUT_S)
        if wait_s:
            until = prediction.created_at + wait_s
            self.control.clock.wait(until, lambda: prediction.over or prediction.output is not None)
            early = self.view(prediction)
        headers = {"Location": f"{self.base}/v1/predictions/{prediction.id}"}
        return answer_json(early, 201, headers | ({"Preference-Applied": "wait"} if wait_s else {}))

    def get(self, prediction_id: str) -> Response:
        """Return a prediction as it is now."""
        return jsonify(self.view(self.prediction(prediction_id)))

    def cancel(self, prediction_id: str) -> Response:
        """Cancel a prediction; one that has ended stays as it is."""
        prediction = self.prediction(prediction_id)
        self.worker.end(prediction, "canceled", self.control.clock.now())
        return jsonify(self.view(prediction))

    def model(self, name: str) -> Response:
        """Return a model with the schema of its input."""
        if name not in BY_NAME:
            raise not_found()
        schemas = {"Input": schema_of(name)}
        version = {"openapi_schema": {"components": {"schemas": schemas}}}
        owner, _, short = name.partition("/")
        return jsonify(owner=owner, name=short, latest_version=version)

    def page(self) -> Response:
        """Return a page of predictions, newest first."""
        newest = list(reversed(self.predictions.values()))
        start = 0
        if cursor := request.args.get("cursor"):
            start = next((place for place, found in enumerate(newest, 1) if found.id == cursor), len(newest))
        shown = newest[start : start + PAGE]
        following = None
        if start + PAGE < len(newest):
            following = f"{self.base}/v1/predictions?cursor={shown[-1].id}"
        return jsonify(previous=None, next=following, results=[self.view(found) for found in shown])

    def upload(self) -> Response:
        """Store an uploaded file."""
        content = request.files.get("content")
        if content is None:
            invalid = [violation("content", "required", "content is required")]
            raise Refused(422, "Input validation failed", "- content is required\n", invalid)
        try:
            metadata = json.loads(request.form.get("metadata") or "{}")
        except ValueError as problem:
            invalid = [violation("metadata", "invalid_type", "metadata must be JSON")]
            raise Refused(422, "Input validation failed", "- metadata must be JSON\n", invalid) from problem
        stored = self.files.add(content, metadata)
        if stored is None:
            raise Refused(413, "File too large", "The file is larger than 100 MB.")
        return answer_json(stored, 201)

    def get_file(self, file_id: str) -> Response:
        """Return the file object of the API."""
        if found := self.files.view(file_id):
            return jsonify(found)
        raise not_found()

    def delete_file(self, file_id: str) -> Response:
        """Delete a file."""
        if not self.files.remove(file_id):
            raise not_found()
        return Response(status=204)

    def deliveries(self) -> Response:
        """Return every attempt to deliver a webhook, with its answer."""
        return jsonify(deliveries=list(self.courier.attempts))

    def credit(self) -> Response:
        """Let the account have less than $5 of credit (``low``): a create is let through ``every_s``."""
        order = json_object()
        every_s = float(order.get("every_s", EVERY_S)) if order.get("low") else 0.0
        self.throttle.set(every_s, spent=bool(order.get("spent")))
        return jsonify(every_s=every_s)

    def event(self) -> Response:
        """Deliver a webhook about a prediction, existing or not, now, and return the receiver's answer."""
        order = json_object()
        prediction = self.predictions.get(str(order.get("id")))
        url = order.get("url") or (prediction and prediction.webhook)
        if not url:
            return answer_json({"error": "no such prediction with a webhook, and no url"}, 400)
        document = self.view(prediction) if prediction else {"id": order.get("id"), "status": "succeeded"}
        if "status" in order:
            document["status"] = order["status"]
        sent = self.courier.send(
            str(url),
            json.dumps(document).encode(),
            message_id=order.get("webhook_id"),
            signature=order.get("signature", "good"),
            event="scripted",
        )
        return jsonify(sent)

    def _new(self, model: Model, version: str, body: Json, deadline_s: float | None) -> Prediction:
        control, now = self.control, self.control.clock.now()
        outcome = control.take("outcome") or Fault("")
        webhook = body.get("webhook")
        webhook_fault = (control.take("webhook") if webhook else None) or Fault("")
        seconds = outcome.number("seconds", self._seconds) if outcome.kind == "slow" else self._seconds
        if webhook_fault.kind == "before_answer":
            seconds = 0.0
        starting = outcome.number("starting", STARTING_SHARE * seconds)
        return Prediction(
            id=self.names.next(),
            model=model,
            version=version,
            input=body["input"],
            created_at=now,
            starts_at=now + starting,
            due_at=now + max(seconds, starting),
            deadline=None if deadline_s is None else now + deadline_s,
            outcome=outcome,
            webhook=webhook,
            webhook_fault=webhook_fault,
            events=frozenset(body.get("webhook_events_filter") or EVENTS),
        )

    def _start(self, prediction: Prediction) -> None:
        self.predictions[prediction.id] = prediction
        if prediction.webhook:
            self.courier.follow(prediction)
        self.worker.start(prediction)

    def _forget(self) -> None:
        with self.control.clock.changed:
            for prediction in self.predictions.values():
                prediction.forgotten = True
                prediction.mail.put(None)
            self.control.clock.changed.notify_all()
        self.throttle.set(0.0)
        self.predictions.clear()
        self.worker.outputs.clear()
        self.files.clear()
        self.courier.attempts.clear()


def api_app(account: Replicate, port: int) -> Flask:
    """Return the application of the API port."""
    app = Flask("replicate")
    account.control.watch(app, port)

    @app.before_request
    def authorise() -> Response | None:
        known = request.headers.get("Authorization") == f"Bearer {account.token}"
        if known or not request.path.startswith("/v1/"):
            return None
        return problem(Refused(401, "Unauthenticated", "You did not pass a valid authentication token"))

    @app.errorhandler(Refused)
    def problem(refused: Refused) -> Response:
        return answer_json(refused.document, refused.status, {"Content-Type": "application/problem+json"})

    @app.errorhandler(HTTPException)
    def unrouted(error: HTTPException) -> Response:
        return problem(Refused(error.code or 500, str(error.name), str(error.description)))

    add_routes(app, account)
    channel = account.control.routes()
    channel.add_url_rule("/event", "event", account.event, methods=["POST"])
    channel.add_url_rule("/credit", "credit", account.credit, methods=["POST"])
    channel.add_url_rule("/deliveries", "deliveries", account.deliveries, methods=["GET"])
    app.register_blueprint(channel)
    return app


def add_routes(app: Flask, account: Replicate) -> None:
    """Add the API's routes, each with the name that scripted faults use."""
    control = account.control

    def route(verb: str, path: str, name: str, work: Callable[..., Response]) -> None:
        def view(**values: Any) -> Response:
            return play(control, control.take(name), lambda: work(**values))

        app.add_url_rule(path, f"{verb} {path}", view, methods=[verb])

    route("POST", "/v1/predictions", "create", account.create)
    route("POST", "/v1/models/<path:official>/predictions", "create", account.create)
    route("GET", "/v1/models/<path:name>", "model", account.model)
    route("GET", "/v1/predictions", "list", account.page)
    route("GET", "/v1/predictions/<prediction_id>", "get", account.get)
    route("POST", "/v1/predictions/<prediction_id>/cancel", "cancel", account.cancel)
    route(
        "GET", "/v1/account", "account", lambda: jsonify(type="organization", username="local", name="Local")
    )
    route("GET", "/v1/webhooks/default/secret", "secret", lambda: jsonify(key=account.secret))
    route("POST", "/v1/files", "files", account.upload)
    route("GET", "/v1/files/<file_id>", "files", account.get_file)
    route("DELETE", "/v1/files/<file_id>", "files", account.delete_file)


def main() -> None:
    """``python -m local.standins.replicate --port 8801 --delivery-port 8802``."""
    parser = argparse.ArgumentParser(description="A stand-in for Replicate on 127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delivery-port", type=int, required=True)
    parser.add_argument("--token", default="r8_local")
    parser.add_argument("--webhook-secret", default="whsec_bG9jYWwtc3RhbmQtaW4tc2VjcmV0LWtleQ==")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a prediction takes")
    parser.add_argument("--max-pixels", type=int, help="instead of a model's own input limit; 0 for none")
    parser.add_argument("--seed", help="makes ids and URLs repeat from run to run")
    options = parser.parse_args()
    try:
        signed(options.webhook_secret, "", b"")
    except ValueError:
        parser.error("--webhook-secret is whsec_ and base64")
    account = Replicate(options)
    api = api_app(account, options.port)
    delivery = delivery_app(account.control, account.worker, options.delivery_port)
    serve("Replicate stand-in", [(api, options.port), (delivery, options.delivery_port)])


if __name__ == "__main__":
    main()
