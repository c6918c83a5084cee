"""The delivery host of the Replicate stand-in: serves outputs on a port of its own, without a token."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response

from local.standins import pictures
from local.standins.control import Control, Fault, answer_json, error_page
from local.standins.replicate_predictions import Output, Worker
from local.standins.transport import HANG_S, TRANSPORT, play

OUTPUT_FAULTS = TRANSPORT | {
    "truncated", "truncated_image", "svg", "wrong_type", "oversized", "oversized_pixels", "redirect", "slow_drip",
}  # fmt: skip
OVERSIZED_BYTES = 200 * 1000 * 1000
CHUNK_BYTES = 64 * 1024
DRIPS = 20
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><script>alert(1)</script></svg>'


def delivery_app(control: Control, worker: Worker, port: int) -> Flask:
    """Return the application of the delivery port, which needs no token and should never get one."""
    app = Flask("replicate_delivery")
    control.watch(app, port)

    @app.get("/<path:path>")
    def output(path: str) -> Response:
        def work() -> Response:
            found = worker.outputs.get(path)
            if found is None or found.prediction.removed(control.clock.now()):
                return answer_json({"detail": "Not found"}, 404)
            return spoilt(control, fault, found) if fault else plain(found)

        fault = control.take("output")
        if fault and fault.kind == "html":  # a page where a picture should be, not an error
            status = int(fault.number("status", 200))
            return error_page(status) if status >= 400 else html("<html><body>Sign in</body></html>")
        return play(control, fault, work)

    return app


def plain(output: Output) -> Response:
    """Return an output unchanged."""
    return Response(output.data, content_type=output.content_type, headers={"Cache-Control": "public"})


def html(page: str | bytes) -> Response:
    """Return an HTML page."""
    return Response(page, content_type="text/html; charset=utf-8")


def spoilt(control: Control, fault: Fault, output: Output) -> Response:
    """Return an output spoilt as a fault says: nothing that should be stored."""
    data, content_type = output.data, output.content_type
    match fault.kind:
        case "truncated":
            return declared(iter([data[: len(data) // 2]]), len(data), content_type)
        case "truncated_image":
            return Response(data[: len(data) // 2], content_type=content_type)
        case "svg":
            return Response(SVG, content_type="image/svg+xml")
        case "wrong_type":
            return html(data)
        case "oversized":
            size = int(fault.number("bytes", OVERSIZED_BYTES))
            if fault.parameters.get("declared"):
                return declared(padded(data, size), size, content_type)
            return Response(padded(data, size), content_type=content_type)
        case "oversized_pixels":
            return Response(pictures.bomb(), content_type="image/png")
        case "redirect":
            return Response(status=302, headers={"Location": fault.text("location", "http://127.0.0.1:9/")})
        case "slow_drip":
            return declared(
                drops(control, data, fault.number("seconds", HANG_S / 2)), len(data), content_type
            )
        case _:
            return plain(output)


def declared(pieces: Iterator[bytes], size: int, content_type: str) -> Response:
    """Return a stream with the given Content-Length in bytes."""
    response = Response(pieces, content_type=content_type)
    response.headers["Content-Length"] = str(size)
    return response


def padded(data: bytes, size: int) -> Iterator[bytes]:
    """Yield the file, then zeros up to ``size`` bytes."""
    yield data[:size]
    left = size - len(data)
    while left > 0:
        yield bytes(min(left, CHUNK_BYTES))
        left -= CHUNK_BYTES


def drops(control: Control, data: bytes, seconds: float) -> Iterator[bytes]:
    """Yield the whole file slowly, spread over so many seconds."""
    step = max(len(data) // DRIPS, 1)
    for start in range(0, len(data), step):
        yield data[start : start + step]
        control.pause(seconds / DRIPS)
