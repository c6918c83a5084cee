"""The Workers AI stand-in: the routes of Cloudflare's API that run a model and list the models."""

from __future__ import annotations

import argparse
import base64

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from local.standins import pictures
from local.standins.control import Control, Fault, Json, answer_json
from local.standins.transport import TRANSPORT, play, serve
from local.standins.workers_ai_models import MODELS, Model, Refused, bad_input

RUN = frozenset(
    {"code", "success_false", "no_image", "bad_base64", "truncated_image", "black", "tiny", "wrong_type",
     "json_error_list"}
)  # fmt: skip
CODES = {  # HTTP status and text of the codes that are known
    3003: (400, "incomplete request"),
    3006: (413, "request body too large"),
    3007: (408, "request timed out"),
    3008: (408, "request aborted"),
    3023: (403, "this account may not use this model"),
    3030: (400, "AiError: Input prompt contains NSFW content."),
    3036: (429, "you have used up your daily free allocation of 10,000 neurons"),
    3040: (429, "no more data centers to forward the request to: capacity temporarily exceeded"),
    3041: (403, "this account may not use this model"),
    3042: (404, "not found"),
    4006: (429, "you have used up your daily free allocation of 10,000 neurons, please upgrade"),
    5004: (400, "invalid data"),
    5005: (405, "method not allowed"),
    5006: (400, "AiError: Bad input"),
    5007: (400, "No such model"),
    5016: (403, "model agreement not accepted"),
    5018: (403, "account blocked"),
    5019: (405, "method not allowed"),
    7003: (404, "Could not route to the requested path, perhaps your object identifier is invalid?"),
    10000: (401, "Authentication error"),
}


class WorkersAI:
    """One account and the routes that run a model and list the models.

    Args:
        account: the id in the path.
        token: the API token.
        seconds: how long a run takes.
    """

    def __init__(self, account: str, token: str, seconds: float) -> None:
        self.control = Control({"run": TRANSPORT | RUN, "models": TRANSPORT})
        self._account = account
        self._token = token
        self._seconds = seconds

    def run(self, account: str, model: str) -> Response:
        """Check the request, make an image, and answer as the model does, or as a scripted fault says."""
        fault = self.control.take("run")
        return play(self.control, fault, lambda: self._run(account, model, fault))

    def models(self, account: str) -> Response:
        """List the models there are, a page at a time."""
        return play(self.control, self.control.take("models"), lambda: self._models(account))

    def _models(self, account: str) -> Response:
        self._check_token()
        if account != self._account:
            raise Refused(404, 7003, "Could not route to the requested path")
        shown = sorted(MODELS)[: request.args.get("per_page", 20, type=int)]
        return envelope([{"name": name} for name in shown])

    def _check_token(self) -> None:
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            raise Refused(401, 10000, "Authentication error")

    def _run(self, account: str, name: str, fault: Fault | None) -> Response:
        if fault and (refusal := refused_by(fault)):
            return refusal
        self._check_token()
        path = str(request.environ["RAW_URI"]).partition("?")[0]
        if account != self._account or "%" in path:  # the model's @ and / stand in the path as they are
            raise Refused(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?")
        if request.method != "POST":
            raise Refused(405, 5019, "method not allowed")
        model = MODELS.get(name)
        if model is None:
            raise Refused(400, 5007, f"No such model {name} or task")
        until = self.control.clock.now() + self._seconds
        picture = model.paint(model.checked(fields_for(model)))
        self.control.clock.wait(until)
        kind = fault.kind if fault else ""
        if kind == "black":
            picture = pictures.black(picture.size)
        if kind == "tiny":
            picture = picture.resize((1, 1))
        return answered(model, pictures.encode(picture, model.extension), kind)


def answered(model: Model, data: bytes, kind: str) -> Response:
    """Return an image as the model answers it, spoilt if the fault says so."""
    if kind == "truncated_image":
        data = data[: len(data) // 2]
    if kind == "no_image":
        return envelope({})
    if kind == "bad_base64":
        return envelope({"image": "this is *not* base64!"})
    if model.raw:
        return Response(data, content_type=pictures.CONTENT_TYPES[model.extension])
    return envelope({"image": base64.b64encode(data).decode()})


def refused_by(fault: Fault) -> Response | None:
    """Return the answer of a fault that gives no image, None for other faults."""
    match fault.kind:
        case "code":
            code = int(fault.number("code", 3040))
            status, message = CODES.get(code, (400, "AiError: unknown"))
            return failure(int(fault.number("status", status)), code, fault.text("message", message))
        case "success_false":
            return failure(
                int(fault.number("status", 200)),
                int(fault.number("code", 3040)),
                fault.text("message", "capacity temporarily exceeded"),
            )
        case "wrong_type":
            page = "<!DOCTYPE html><html><body>Just a moment...</body></html>"
            return Response(page, content_type="text/html; charset=UTF-8")
        case "json_error_list":
            error = {
                "code": int(fault.number("code", 3040)),
                "message": fault.text("message", "an error in a list"),
            }
            return answer_json([error], int(fault.number("status", 500)))
        case _:
            return None


def fields_for(model: Model) -> Json:
    """Return the fields of the current request, which must have the model's content type.

    Raises:
        Refused: they do not.
    """
    if request.mimetype != model.content_type:
        raise bad_input(f"expected {model.content_type}, got {request.mimetype or 'nothing'}")
    if model.content_type == "multipart/form-data":
        files = {name: upload.stream.read() for name, upload in request.files.items()}
        return {**request.form.to_dict(), **files}
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise Refused(400, 3003, "the request is not a complete JSON object")
    return body


def envelope(result: object) -> Response:
    """Return a success in Cloudflare's envelope."""
    return answer_json({"result": result, "success": True, "errors": [], "messages": []})


def failure(status: int, code: int, message: str) -> Response:
    """Return an error in Cloudflare's envelope."""
    errors = [{"code": code, "message": message}]
    return answer_json({"result": None, "success": False, "errors": errors, "messages": []}, status)


def api_app(account: WorkersAI, port: int) -> Flask:
    """Return the application of the API port."""
    app = Flask("workers_ai")
    account.control.watch(app, port)
    path = "/client/v4/accounts/<account>/ai/run/<path:model>"
    app.add_url_rule(path, "run", account.run, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])

    search = "/client/v4/accounts/<account>/ai/models/search"
    app.add_url_rule(search, "models", account.models, methods=["GET"])

    @app.errorhandler(Refused)
    def refused(problem: Refused) -> Response:
        return failure(problem.status, problem.code, problem.message)

    @app.errorhandler(HTTPException)
    def unrouted(problem: HTTPException) -> Response:
        message = f"Could not route to {request.path}, perhaps your object identifier is invalid?"
        return failure(problem.code or 404, 7003, message)

    app.register_blueprint(account.control.routes())
    return app


def main() -> None:
    """``python -m local.standins.workers_ai --port 8803``."""
    parser = argparse.ArgumentParser(description="A stand-in for Cloudflare Workers AI on 127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--account", default="local")
    parser.add_argument("--token", default="cf_local")
    parser.add_argument("--seconds", type=float, default=0.3, help="how long a run takes")
    options = parser.parse_args()
    account = WorkersAI(options.account, options.token, options.seconds)
    serve("Workers AI stand-in", [(api_app(account, options.port), options.port)])


if __name__ == "__main__":
    main()
