"""A proxy from loopback to the real Replicate, for a laptop with a real token.

It uploads input images that only this machine can fetch to Replicate's Files API, and removes webhooks that could not
reach this machine; the product then polls. Everything else passes unchanged.
"""

from __future__ import annotations

import argparse
from typing import Any

import requests
from flask import Flask, Response, request

REAL = "https://api.replicate.com"
TIMEOUT_S = (5, 70)
PASSED = ("Authorization", "Content-Type", "Prefer", "Cancel-After", "User-Agent")
LOOPBACK = ("http://127.0.0.1", "http://localhost")


def app_for(real: str) -> Flask:
    """Return the application that forwards to ``real``, the base URL of Replicate."""
    app, session = Flask(__name__), requests.Session()

    @app.get("/_ctl/ready")
    def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.route("/v1/<path:path>", methods=["GET", "POST"])
    def relay(path: str) -> Response:
        headers = {name: request.headers[name] for name in PASSED if name in request.headers}
        body: Any = request.get_data()
        if request.method == "POST" and request.is_json:
            body = _reachable(request.get_json(), real, headers["Authorization"])
        sent = {"json": body} if isinstance(body, dict) else {"data": body}
        answer = session.request(
            request.method,
            f"{real}/v1/{path}",
            params=request.args.to_dict(),
            headers=headers,
            timeout=TIMEOUT_S,
            allow_redirects=False,
            **sent,
        )
        kept = {
            name: answer.headers[name] for name in ("Content-Type", "Retry-After") if name in answer.headers
        }
        return Response(answer.content, answer.status_code, kept)

    return app


def _reachable(body: dict[str, Any], real: str, authorization: str) -> dict[str, Any]:
    """Return a create request without URLs that only this machine can reach."""
    if str(body.get("webhook", "")).startswith(LOOPBACK):
        body = {name: value for name, value in body.items() if not name.startswith("webhook")}

    def upload(value: Any) -> Any:
        if isinstance(value, list):
            return [upload(inner) for inner in value]
        if not (isinstance(value, str) and value.startswith(LOOPBACK)):
            return value
        picture = requests.get(value, timeout=TIMEOUT_S)
        files = {"content": ("picture", picture.content, picture.headers.get("Content-Type", "image/jpeg"))}
        headers = {"Authorization": authorization}
        stored = requests.post(f"{real}/v1/files", files=files, headers=headers, timeout=TIMEOUT_S)
        stored.raise_for_status()
        return stored.json()["urls"]["get"]

    return {**body, "input": {name: upload(value) for name, value in body.get("input", {}).items()}}


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--real", default=REAL)
    options = parser.parse_args()
    app_for(options.real).run(host="127.0.0.1", port=options.port, threaded=True)


if __name__ == "__main__":
    main()
