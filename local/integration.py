"""What API Gateway does with a request that it lets in: pass it on to the API, wait, and answer."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass

from local.corrections.http_events import ARRIVAL_HEADER

INTEGRATION_TIMEOUT_S = 30.0
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def of_json(cls, status: int, document: object) -> Answer:
        """Return an answer of the front door itself, as JSON."""
        return cls(status, [("content-type", "application/json")], json.dumps(document).encode())


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests go: the emulator's port, the API's id there, and the integration time-out in seconds."""

    port: int
    api_id: str
    timeout_s: float = INTEGRATION_TIMEOUT_S


def forward(route: Route, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
    """Send one request to the API's default stage and read the answer whole."""
    connection = http.client.HTTPConnection("127.0.0.1", route.port, timeout=route.timeout_s)
    patience_s = (
        route.timeout_s - INTEGRATION_TIMEOUT_S
    )  # beyond what API Gateway has: as if it came so much later
    arrival_ms = int((time.time() + patience_s) * 1000)
    path = target if target.startswith("/") else "/" + target.partition("://")[2].partition("/")[2]
    try:
        connection.putrequest(
            method, f"/_aws/execute-api/{route.api_id}/$default{path}", skip_accept_encoding=True
        )
        for name, value in [*headers, (ARRIVAL_HEADER, str(arrival_ms))]:
            connection.putheader(name, value)
        if body:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        kept = [(name, value) for name, value in response.msg.items() if name.lower() not in HOP_BY_HOP]
        return Answer(response.status, kept, response.read())
    except TimeoutError:
        return Answer.of_json(503, {"message": "Service Unavailable"})
    except (http.client.InvalidURL, ValueError):
        return Answer.of_json(400, {"message": "Bad Request"})
    except (OSError, http.client.HTTPException):
        return Answer.of_json(502, {"message": "Bad Gateway"})
    finally:
        connection.close()
