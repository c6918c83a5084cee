"""Lambda: interpreter, layers, environment variables, import order, errors, size of an answer, logs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import queue
import shutil
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

from local.corrections.release import Json, Module, require

RESPONSE_LIMIT_BYTES = 6_291_556
"""Longest answer of a function in bytes, as the text of Lambda's error gives it."""
EXCEPTION_KEY = "__exception__"
"""Key in a worker's answer that describes an exception."""
IMPORTED = "imported"
"""Name of the mark behind what a function logs before its first event; other marks are named by the request."""
LOG_TIMEOUT_S, ENDED_LOG_TIMEOUT_S, LOOK_S = 60.0, 2.0, 0.05
"""How long the end of a log is waited for: it is on its way, as the answer is here, but the machine may be busy. Of a
process that has ended: it may have left others behind, which hold the log open."""


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

    ministack unpacks every layer for every worker, which makes a cold start with a large layer take seconds, and
    leaves out ``_HANDLER``, ``AWS_EXECUTION_ENV``, ``AWS_LAMBDA_LOG_GROUP_NAME``,
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
    """Return the environment variables that AWS sets for every function and ministack does not."""
    return {
        "_HANDLER": config.get("Handler", ""),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', '')}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{config.get('FunctionName', '')}",
        "TZ": ":UTC",
    }


def unpack_once(archive: bytes | None) -> str:
    """Return the folder with a layer's files; unpack the archive if no process did so before."""
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
    """Replace one piece of the script that runs inside every function's process; it must occur exactly once."""
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


def correct_log_end(runtime: Module) -> None:
    """AWS keeps each line that an invocation logs, and lets no caller wait for it.

    ministack looks for lines for a moment after the answer. On a busy machine what comes later belongs to the next
    invocation of that environment, or is lost when there is none, with the metrics in it; functions that log nothing
    wait for it, too. Here the worker marks the end of what each invocation logged, and its log is what comes before.
    """
    mark = '        _log = sys.__stderr__; _log.write("\\x1e" + {} + "\\n"); _log.flush()\n'
    begun = "        _real_stdout.flush()\n    except Exception as e:\n"
    rewrite_worker(runtime, begun, mark.format(f'"{IMPORTED}"') + begun)
    answered = "        _real_stdout.flush()\n\nrun()\n"
    rewrite_worker(runtime, answered, mark.format('_ms_ctx["request_id"]') + answered)
    own = runtime.Worker
    require(hasattr(own, "_drain_stderr"), "Worker._drain_stderr")
    invoke, bounded = own.invoke, own._drain_stderr_bounded

    def invoke_and_await(self: Any, event: Any, request_id: str, **more: Any) -> Json:
        self._awaited = request_id
        answer: Json = invoke(self, event, request_id, **more)
        return answer

    def drain(self: Any, *waits: float, **named: float) -> str:
        if not self.config.get("Runtime", "").startswith("python"):
            return str(bounded(self, *waits, **named))
        return "\n".join(lines_until(self, self._awaited))

    own._awaited = IMPORTED
    own.invoke, own._drain_stderr_bounded, own._drain_stderr = invoke_and_await, drain, drain


def lines_until(worker: Any, awaited: str) -> list[str]:
    """Return what a worker logged up to this mark; what there is if its process has ended."""
    lines: list[str] = []
    patience = time.monotonic() + (LOG_TIMEOUT_S if worker._proc else ENDED_LOG_TIMEOUT_S)
    while True:
        complete = not worker._stderr_thread.is_alive()
        try:
            line = worker._stderr_queue.get(timeout=0 if complete else LOOK_S)
        except queue.Empty:
            if complete or time.monotonic() > patience:
                return lines
            continue
        text, sign, name = line.rpartition("\x1e")
        if not sign or name not in (IMPORTED, awaited):
            lines.append(line)
            continue
        lines += filter(None, [text])  # written without a line feed at its end
        if name == awaited:
            return lines
