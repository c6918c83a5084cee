"""HTTP API: what a function's event holds, what a caller sees of a function's error, OPTIONS and CORS."""

from __future__ import annotations

import json
from typing import Any

from local.corrections.release import Json, Module

CLIENT_HEADER = "x-frontdoor-client"
"""The client's address as the front door saw it. The front door drops this header from clients."""
HOST_HEADER = "x-frontdoor-host"
"""The ``Host`` that the client sent."""
ARRIVAL_HEADER = "x-frontdoor-arrival"
"""When the front door took the request, epoch ms."""


def correct_http_events(service: Module) -> None:
    """Pass every HTTP API event (payload format 2.0) through `cookies_apart` and `client_connection`."""
    execute = service._execute_function_with_config_scope

    def with_corrected_event(record: Json, event: Any, *args: Any, **kwargs: Any) -> Any:
        if (
            isinstance(event, dict)
            and event.get("version") == "2.0"
            and "http" in (event.get("requestContext") or {})
        ):
            cookies_apart(event)
            client_connection(event)
        return execute(record, event, *args, **kwargs)

    service._execute_function_with_config_scope = with_corrected_event


def cookies_apart(event: Json) -> None:
    """AWS carries cookies in ``event["cookies"]``, one per item; ministack leaves them in ``headers``."""
    raw = event["headers"].pop("cookie", "")
    if parts := [part.strip() for part in raw.split(";") if part.strip()]:
        event["cookies"] = parts


def client_connection(event: Json) -> None:
    """AWS describes the client's own connection: ``sourceIp``, Host, domain name, ``x-forwarded-*``, time of arrival.

    ministack always says 127.0.0.1, and the time at which it made the event. The front door passes the client's
    address, Host and arrival in headers that it drops from clients.
    """
    headers, context = event["headers"], event["requestContext"]
    address = headers.pop(CLIENT_HEADER, "")
    host = headers.pop(HOST_HEADER, "")
    arrival = headers.pop(ARRIVAL_HEADER, "")
    if not address:
        return
    context["http"]["sourceIp"] = address
    if arrival.isdecimal():
        context["timeEpoch"] = int(arrival)
    earlier = headers.get("x-forwarded-for")
    headers["x-forwarded-for"] = f"{earlier}, {address}" if earlier else address
    headers["x-forwarded-proto"] = "http"
    if host:
        name, _, port = host.partition(":")
        headers["host"] = host
        headers["x-forwarded-port"] = port or "80"
        context["domainName"] = name
        context["domainPrefix"] = name.split(".")[0]


def correct_function_errors(service: Module) -> None:
    """A failed function is a 500 with a generic body on an HTTP API; ministack shows the error with a 502."""
    convert = service.lambda_execute_result_to_api_proxy_response

    def converted(result: Json) -> Any:
        if result.get("error") and not result.get("throttle"):
            body = json.dumps({"message": "Internal Server Error"})
            return {"statusCode": 500, "headers": {"Content-Type": "application/json"}, "body": body}, None
        return convert(result)

    service.lambda_execute_result_to_api_proxy_response = converted


def correct_options(gateway: Module) -> None:
    """Without a CORS configuration AWS routes OPTIONS like any verb, also to ANY; ministack answers 403.

    ministack compares the method with ``"OPTIONS"`` before it matches routes. Methods arrive in capitals, so one in
    lower case passes that comparison; both steps after it get it in capitals again.
    """
    handle, match, invoke = (
        gateway._handle_execute_in_scope,
        gateway._match_route,
        gateway._invoke_lambda_proxy,
    )

    async def handle_options(api_id: str, stage: str, path: str, method: str, *args: Any) -> Any:
        configured = (gateway._apis.get(api_id) or {}).get("corsConfiguration")
        return await handle(api_id, stage, path, method if configured else method.lower(), *args)

    def match_route(api_id: str, method: str, path: str) -> Any:
        return match(api_id, method.upper(), path)

    async def invoke_proxy(
        integration: Json, api_id: str, stage: str, path: str, method: str, *args: Any, **kwargs: Any
    ) -> Any:
        return await invoke(integration, api_id, stage, path, method.upper(), *args, **kwargs)

    gateway._handle_execute_in_scope = handle_options
    gateway._match_route = match_route
    gateway._invoke_lambda_proxy = invoke_proxy


def correct_cors(gateway: Module) -> None:
    """With a CORS configuration AWS speaks about origins only to a request that has one, and leaves ``Vary`` alone.

    ministack says so to everybody, replaces the ``Vary`` of a function's answer, and refuses OPTIONS without an
    ``Origin``.
    """
    preflight, headers_for = gateway._cors_preflight_response, gateway._cors_response_headers

    def cors_headers(configured: Json, origin: str) -> Json:
        found = headers_for(configured, origin) if origin else {}
        return {name: value for name, value in found.items() if name != "Vary"}

    def cors_preflight(configured: Json, origin: str) -> Any:
        return preflight(configured, origin) if origin else (204, {"Content-Length": "0"}, b"")

    gateway._cors_response_headers = cors_headers
    gateway._cors_preflight_response = cors_preflight
