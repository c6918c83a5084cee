"""Every correction of the AWS emulator, each restoring one behaviour of AWS.

They change *private* parts of one ministack release, so the version is checked and each correction fails
loudly when the part it changes has moved. Each has a test in tests/e2e/local, so it can go when the emulator
catches up.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from pathlib import Path
from typing import Any

MINISTACK_VERSION = "1.5.33"

Json = dict[str, Any]
Module = Any  # one of the emulator's, whose private names no type checker knows


class CorrectionError(RuntimeError):
    """A correction no longer fits the installed emulator."""


def require(condition: object, what: str) -> None:
    """Stop at start-up rather than run half corrected."""
    if not condition:
        raise CorrectionError(f"ministack {MINISTACK_VERSION} does not look as expected: {what}")


def check_version() -> None:
    """Refuse any other release, because private names are changed below."""
    found = importlib.metadata.version("ministack")
    require(found == MINISTACK_VERSION, f"found version {found}")


# ------------------------------ HTTP API: what an event holds, and what a caller sees of an error


CLIENT_HEADER = "x-frontdoor-client"  # the client's address as the front door saw it; taken from no client
HOST_HEADER = "x-frontdoor-host"  # the Host the client sent


def correct_http_events(service: Module) -> None:
    """Every HTTP API event (payload 2.0) passes :func:`cookies_apart` and :func:`client_connection`."""
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
    """AWS describes the client's own connection: ``sourceIp``, Host, domain name, ``x-forwarded-*``.

    ministack always says 127.0.0.1. The front door passes what it saw in two headers that it takes from no
    client.
    """
    headers, context = event["headers"], event["requestContext"]
    address = headers.pop(CLIENT_HEADER, "")
    host = headers.pop(HOST_HEADER, "")
    if not address:
        return
    context["http"]["sourceIp"] = address
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

    ministack decides by comparing with ``"OPTIONS"`` before it looks at routes. Methods arrive in capitals,
    so a lower case one passes that question; both steps after it get the capitals back.
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


# ------------------------------------------------------------------------------- S3: who may read


Asgi = Callable[[Json, Any, Any], Awaitable[None]]


def correct_bucket_access(app_module: Module, s3: Module) -> None:
    """S3 answers a browser by the bucket's CORS rules, and an unsigned GET of an object with 403.

    ministack lets every origin in and serves every object to anyone, which would hide a missing CORS rule and
    a leak. Its other services ask for no signature, so any web site open in a browser here could use them: they
    answer no request that a page sends past the front door.
    """
    inner: Asgi = app_module.app

    async def guarded(scope: Json, receive: Any, send: Any) -> None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope.get("headers", [])
        }
        host, path, method = headers.get("host", ""), scope.get("path", ""), scope.get("method", "")
        target = app_module._s3_cors_target(host, path) if scope["type"] == "http" else None
        if target is None:
            if "origin" in headers and CLIENT_HEADER not in headers:
                return await send_whole(
                    send, 403, {"Content-Type": "text/plain"}, b"This is no place for browsers.\n"
                )
            return await inner(scope, receive, send)
        if method == "OPTIONS":
            return await send_whole(send, *s3.cors_preflight(*target, headers))
        signed = "authorization" in headers or b"X-Amz-Signature=" in scope.get("query_string", b"")
        if method in ("GET", "HEAD") and target[1] and not signed:
            body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            allowed = s3.cors_response_headers(target[0], method, headers)
            return await send_whole(send, 403, {"Content-Type": "application/xml", **allowed}, body)

        async def send_by_rules(message: Json) -> None:
            if message["type"] == "http.response.start":
                kept = [
                    pair for pair in message["headers"] if not pair[0].lower().startswith(b"access-control-")
                ]
                message = {
                    **message,
                    "headers": kept + encoded(s3.cors_response_headers(target[0], method, headers)),
                }
            await send(message)

        await inner(scope, receive, send_by_rules)
        return None

    app_module.app = guarded


def encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers in the form an ASGI server takes."""
    return [(name.lower().encode("latin-1"), str(value).encode("latin-1")) for name, value in headers.items()]


async def send_whole(send: Any, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Send a complete answer."""
    await send({"type": "http.response.start", "status": status, "headers": encoded(headers)})
    await send({"type": "http.response.body", "body": body})


# ------------------------------------------------------------ Lambda: environment, layers, errors


RESPONSE_LIMIT_BYTES = 6_291_556  # the most a function may answer, as AWS words it in the error
EXCEPTION_KEY = "__exception__"  # marks a worker's answer that describes an exception


def correct_interpreter(runtime: Module) -> None:
    """AWS runs a function on an interpreter that has its layers and code, and nothing of the developer's.

    ministack runs it on its own interpreter, so a library missing from a layer would be found there.
    """
    original = runtime._detect_runtime_binary
    chosen = os.environ["EMULATOR_PYTHON"]

    def detect(name: str) -> tuple[str, str]:
        binary, script = original(name)
        return (chosen if name.startswith("python") else binary), script

    runtime._detect_runtime_binary = detect


def correct_layers(runtime: Module, service: Module) -> None:
    """AWS mounts one copy of a layer at /opt for all environments, and sets the documented variables.

    ministack unpacks every layer anew for every worker, which makes a cold start of a large layer seconds
    long, and leaves out ``_HANDLER``, ``AWS_EXECUTION_ENV``, ``AWS_LAMBDA_LOG_GROUP_NAME``,
    ``AWS_LAMBDA_INITIALIZATION_TYPE`` and ``TZ``.
    """
    require(hasattr(runtime.Worker, "_spawn"), "Worker._spawn")
    spawn, guard = runtime.Worker._spawn, threading.Lock()

    def spawn_with_shared_layers(self: Any) -> None:
        original = self.config
        with guard:
            folders = [
                unpack_once(service._resolve_layer_zip(layer)) for layer in original.get("Layers") or []
            ]
        own = (original.get("Environment") or {}).get("Variables") or {}
        variables = {**runtime_variables(original), **own, "_LAMBDA_LAYERS_DIRS": os.pathsep.join(folders)}
        self.config = {**original, "Layers": [], "Environment": {"Variables": variables}}
        try:
            spawn(self)
        finally:
            self.config = original

    runtime.Worker._spawn = spawn_with_shared_layers


def runtime_variables(config: Json) -> dict[str, str]:
    """The variables AWS sets for every function and ministack does not."""
    return {
        "_HANDLER": config.get("Handler", ""),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', '')}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{config.get('FunctionName', '')}",
        "TZ": ":UTC",
    }


def unpack_once(archive: bytes | None) -> str:
    """The folder that holds this layer's files, unpacked by whoever comes first."""
    require(archive, "a layer version without content")
    content = archive or b""
    folder = Path(os.environ["EMULATOR_LAYERS"]) / hashlib.sha256(content).hexdigest()[:32]
    if not folder.exists():
        partial = folder.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(io.BytesIO(content)) as zipped:
            zipped.extractall(partial)
        try:
            partial.rename(folder)
        except OSError:  # another emulator was as quick
            shutil.rmtree(partial)
    folder.touch()
    return str(folder)


def correct_import_order(runtime: Module) -> None:
    """AWS imports from /var/task before /opt/python; ministack does it the other way round."""
    rewrite_worker(
        runtime,
        "    _ms_install_invoke_depth()\n    try:",
        "    sys.path.remove(code_dir)\n    sys.path.insert(0, code_dir)\n"
        "    _ms_install_invoke_depth()\n    try:",
    )


def rewrite_worker(runtime: Module, old: str, new: str) -> None:
    """Change one place of the script that runs inside every function's process."""
    script = runtime._PYTHON_WORKER_SCRIPT
    require(script.count(old) == 1, f"the worker script around {old.strip()[:40]!r}")
    runtime._PYTHON_WORKER_SCRIPT = script.replace(old, new)


def correct_exceptions(runtime: Module, service: Module) -> None:
    """AWS reports an exception by its class name and a stack trace, and keeps the environment.

    ministack reports ``Runtime.HandlerError`` for all, so a ``Retry`` or ``Catch`` on a class of ours never
    matches, and ends the process. The worker now answers with the description as if it were a result, which
    is turned into a function error here.
    """
    rewrite_worker(
        runtime,
        '_real_stdout.write(json.dumps({"status": "error", "error": str(e),'
        ' "trace": traceback.format_exc()}) + "\\n")',
        "_frames = traceback.format_list(traceback.extract_tb(e.__traceback__)[1:])\n"
        f'            _failure = {{"{EXCEPTION_KEY}": {{"errorMessage": str(e),\n'
        '                "errorType": type(e).__name__,\n'
        '                "stackTrace": _frames}, "trace": traceback.format_exc()}\n'
        '            _real_stdout.write(json.dumps({"status": "ok", "result": _failure}) + "\\n")',
    )
    execute = service._execute_function_warm

    def execute_with_type(func: Json, event: Any, request_id: str) -> Json:
        result: Json = execute(func, event, request_id)
        body = result.get("body")
        if isinstance(body, dict) and EXCEPTION_KEY in body:
            failure = {**body[EXCEPTION_KEY], "requestId": request_id}
            return {
                "body": failure,
                "error": True,
                "log": f"{result.get('log', '')}\n[ERROR] {body['trace']}".strip(),
            }
        return result

    service._execute_function_warm = execute_with_type


def correct_import_errors(runtime: Module) -> None:
    """AWS logs the traceback of a failing import; ministack keeps only the message."""
    rewrite_worker(
        runtime,
        '_real_stdout.write(json.dumps({"status": "error", "error": str(e)}) + "\\n")',
        '_real_stdout.write(json.dumps({"status": "error", "error": traceback.format_exc()}) + "\\n")',
    )


def correct_response_size(service: Module) -> None:
    """AWS turns an answer above 6 MB into ``Function.ResponseSizeTooLarge``; ministack passes any size."""
    execute = service._execute_function_warm

    def execute_within_limit(func: Json, event: Any, request_id: str) -> Json:
        result: Json = execute(func, event, request_id)
        if not result.get("error") and len(json.dumps(result.get("body"))) > RESPONSE_LIMIT_BYTES:
            message = (
                f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT_BYTES} bytes)."
            )
            body = {"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}
            return {"body": body, "error": True, "log": f"{result.get('log', '')}\n[ERROR] {message}"}
        return result

    service._execute_function_warm = execute_within_limit


def correct_log_wait(runtime: Module) -> None:
    """AWS does not make a caller wait for logs; ministack waits 50 ms for a first line.

    Only functions that log nothing pay it. With a shorter wait a late line may land in the next invocation's
    log.
    """
    drain = runtime.Worker._drain_stderr_bounded

    def shorter(
        self: Any, first_line_wait: float = 0.003, idle_confirm: float = 0.002, hard_cap: float = 0.25
    ) -> str:
        return str(drain(self, first_line_wait, idle_confirm, hard_cap))

    runtime.Worker._drain_stderr_bounded = shorter


# --------------------------------------------------------------------------------- Step Functions


def correct_callback_errors(machines: Module) -> None:
    """A function that fails while it is handed a task token fails the task at once, for Retry and Catch to see.

    ministack swallows the error and waits for the token until the task times out.
    """
    invoke, call = machines._invoke_with_callback, machines._call_lambda
    current = threading.local()

    def invoke_with_callback(resource: str, sent: Any, token: str, state: Json) -> Any:
        current.token = token
        try:
            return invoke(resource, sent, token, state)
        finally:
            current.token = None

    def call_and_report(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except machines._ExecutionError as failed:
            waiting = machines._task_tokens.get(getattr(current, "token", None) or "")
            if waiting:
                waiting["error"] = {"Error": failed.error, "Cause": failed.cause}
                waiting["event"].set()
            raise

    machines._invoke_with_callback, machines._call_lambda = invoke_with_callback, call_and_report


def correct_token_policies(actions: Module, machines: Module) -> None:
    """Sending a task token back is authorised on the state machine that waits; ministack asks for ``*``.

    Which machine a token belongs to is not kept there, so this answers with the only one there is.
    """
    extract = actions.extract_resource_arn

    def with_machine(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
        found = str(extract(service, method, path, headers, body, *rest))
        arns = list(machines._state_machines.keys())
        return arns[0] if service == "states" and found == "*" and len(arns) == 1 else found

    actions.extract_resource_arn = with_machine


def correct_execution_timeout(machines: Module) -> None:
    """An execution ends as TIMED_OUT at its definition's ``TimeoutSeconds``; ministack ignores it."""
    run = machines._run_execution

    def run_with_timeout(arn: str) -> None:
        execution = machines._executions.get(arn) or {}
        machine = machines._state_machines.get(execution.get("stateMachineArn")) or {}
        seconds = json.loads(machine.get("definition") or "{}").get("TimeoutSeconds")
        if not seconds:
            run(arn)
            return
        timer = threading.Timer(float(seconds), copy_context().run, (end_as_timed_out, machines, execution))
        timer.daemon = True
        timer.start()
        try:
            run(arn)
        finally:
            timer.cancel()

    machines._run_execution = run_with_timeout


def end_as_timed_out(machines: Module, execution: Json) -> None:
    """Close a running execution; its loop looks at the status before every state and stops there."""
    if execution.get("status") != "RUNNING":
        return
    execution.update(status="TIMED_OUT", stopDate=machines.now_iso(), error="States.Timeout")
    machines._add_event(
        execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}}
    )
    machines._emit_execution_status_event(execution)


# ------------------------------------------------------- HTTP API: routes out of the OpenAPI body


IMPORTED = "imported from the OpenAPI Body"  # marks what import_routes made


def correct_http_api(provisioners: Module) -> None:
    """CloudFormation creates routes, integrations, tags and CORS from an API's OpenAPI ``Body``.

    SAM writes an ``HttpApi`` and its events as such a Body, which ministack ignores: every path answers 404.
    """
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    original_create, original_update = handlers["create"], handlers["update"]

    def prepared(props: Json) -> Json:
        return {**props, "Tags": api_tags(props), "CorsConfiguration": api_cors(props)}

    def create(logical_id: str, props: Json, stack: str) -> Any:
        api_id, attributes = original_create(logical_id, prepared(props), stack)
        import_routes(provisioners, api_id, props.get("Body") or {})
        return api_id, attributes

    def update(api_id: str, old: Json, new: Json, stack: str, logical_id: str | None = None) -> Any:
        result = original_update(api_id, prepared(old), prepared(new), stack, logical_id)
        current = result[0]  # differs from api_id only when the API was replaced
        forget_routes(provisioners._apigw_v2, current)
        import_routes(provisioners, current, new.get("Body") or {})
        return result

    handlers.update(create=create, update=update)


def import_routes(provisioners: Any, api_id: str, body: Json) -> None:
    """Create the routes of an OpenAPI Body. An authorizer stops the deployment: open would be worse."""
    for path, operations in (body.get("paths") or {}).items():
        for method, operation in operations.items():
            target = operation.get("x-amazon-apigateway-integration") if isinstance(operation, dict) else None
            if not target:
                continue
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            key = "$default" if path.strip("/") == "$default" else f"{verb} {path}"
            security = operation.get("security", body.get("security")) or []
            if any(entry != {"NONE": []} for entry in security):
                raise ValueError(f"{key}: authorizers in an OpenAPI Body are not imported locally")
            add_route(provisioners, api_id, key, target)


def add_route(provisioners: Any, api_id: str, key: str, target: Json) -> None:
    """One route with its Lambda integration."""
    integration = {
        "ApiId": api_id,
        "IntegrationType": "AWS_PROXY",
        "IntegrationMethod": "POST",
        "IntegrationUri": target["uri"],
        "PayloadFormatVersion": target.get("payloadFormatVersion", "2.0"),
        "TimeoutInMillis": target.get("timeoutInMillis", 30000),
    }
    integration_id, _ = provisioners._apigw_v2_integration_create("", integration, "")
    provisioners._apigw_v2._integrations[api_id][integration_id]["description"] = IMPORTED
    route = {
        "ApiId": api_id,
        "RouteKey": key,
        "Target": f"integrations/{integration_id}",
        "AuthorizationType": "NONE",
    }
    provisioners._apigw_v2_route_create("", route, "")


def forget_routes(gateway: Any, api_id: str) -> None:
    """Drop what an earlier import made, and keep natively declared routes."""
    integrations, routes = gateway._integrations[api_id], gateway._routes[api_id]
    ours = {name for name, value in integrations.items() if value.get("description") == IMPORTED}
    for route_id in [name for name, value in routes.items() if value["target"].split("/")[-1] in ours]:
        del routes[route_id]
    for integration_id in ours:
        del integrations[integration_id]


def api_tags(props: Json) -> dict[str, str]:
    """The tags of an API, which SAM writes into ``Body.tags``; ``ms-custom-id`` fixes the API's id."""
    in_body = {
        tag["name"]: tag.get("x-amazon-apigateway-tag-value", "")
        for tag in (props.get("Body") or {}).get("tags") or []
        if isinstance(tag, dict) and "name" in tag
    }
    return {**in_body, **(props.get("Tags") or {})}


def api_cors(props: Json) -> Json | None:
    """The CORS settings with the camelCase keys that the emulator reads."""
    cors = props.get("CorsConfiguration") or (props.get("Body") or {}).get("x-amazon-apigateway-cors")
    if not isinstance(cors, dict):
        return None
    return {key[0].lower() + key[1:]: value for key, value in cors.items()}


def correct_all() -> tuple[Module, Module]:
    """Apply every correction; returns the emulator's main and Lambda modules."""
    check_version()
    # Imported here because the emulator reads its settings while being imported.
    from ministack import app
    from ministack.core import iam_actions as actions
    from ministack.core import lambda_runtime as runtime
    from ministack.services import apigateway as gateway
    from ministack.services import lambda_svc as service
    from ministack.services import s3
    from ministack.services import stepfunctions as machines
    from ministack.services.cloudformation import provisioners

    correct_interpreter(runtime)
    correct_layers(runtime, service)
    correct_import_order(runtime)
    correct_exceptions(runtime, service)
    correct_import_errors(runtime)
    correct_response_size(service)
    correct_log_wait(runtime)
    correct_http_events(service)
    correct_function_errors(service)
    correct_options(gateway)
    correct_http_api(provisioners)
    correct_bucket_access(app, s3)
    correct_execution_timeout(machines)
    correct_callback_errors(machines)
    correct_token_policies(actions, machines)
    return app, service
