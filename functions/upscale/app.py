"""The embedded model: reads an original, enlarges it, stores the result, wakes the step that waits for it.

Event: ``source`` and ``target`` (storage keys), ``model`` (slug), ``scale`` (2, 4, 6, 8), ``quality`` (standard, pro),
``format`` (jpeg, png, webp, avif) and ``job`` (ownerType, ownerId, jobId, attempt, item, and turn and requestId for its
log lines), which may be left out.
Answer: ``width`` and ``height`` in pixels, ``contentType``, ``bytes``, the ``seconds`` of the model, the ``cost`` of
the function in USD micros and ``drawn``, the share of the drawing network in a compressed photo (else 0). Errors keep
their class name, which the caller sees as ``errorType``.
"""

from __future__ import annotations

import time
from typing import Any

from enhancer import runtime
from enhancer.adapters.images import compression, pixels
from enhancer.api.model_watch import Watch
from enhancer.domain import costs, images
from enhancer.domain.refs import Ref
from enhancer.telemetry import invocation, logger
from vision import blending, upscaler

NETWORKS = {"local/photo": {"standard": "photo"}, "local/real-esrgan": {"standard": "standard", "pro": "pro"}}
"""By slug and quality: a key of `upscaler.MODELS`."""

upscaler.warm_up("photo")  # at init, where the CPU runs at full speed


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    began = time.monotonic()
    job = event.get("job") or {}
    about = {key: job.get(key) for key in ("requestId", "jobId", "attempt", "item", "turn")}
    with invocation(**about), Watch(Ref.from_event(job) if job else None) as watch:
        artifacts = runtime.artifacts()
        scale, file_format = event["scale"], event["format"]
        photo = pixels.read(artifacts.get(event["source"]), pixels_max=images.PIXELS_MAX)
        images.check_output_size(photo.info.width * scale, photo.info.height * scale, file_format=file_format)
        started = time.monotonic()
        # An order of an earlier version names no model: there was one.
        model = NETWORKS[event.get("model", "local/real-esrgan")][event["quality"]]
        jpeg_quality = compression.jpeg_quality(photo)
        drawn = blending.drawn_share(
            model, jpeg_quality=jpeg_quality, scale=scale, megapixels=photo.info.megapixels
        )
        result = upscaler.enlarge(photo.image, scale=scale, model=model, drawn=drawn, on_tile=watch.check)
        seconds = round(time.monotonic() - started, 3)
        data = pixels.encode(
            result, file_format=file_format, icc=photo.icc, source_type=images.ENHANCED, kept=photo.about
        )
        content_type = images.CONTENT_TYPES[file_format]
        cost = costs.lambda_cost(seconds=time.monotonic() - began, memory_mb=runtime.settings().memory_mb)
        facts = {"width": result.width, "height": result.height, "cost": cost}
        artifacts.put(event["target"], data, content_type, facts=facts)
        size = {"input": photo.info.megapixels, "scale": scale, "seconds": seconds}
        blend = {"jpegQuality": jpeg_quality, "drawn": drawn}
        logger.info("upscale", extra=watch.named | size | blend)
    return {
        "width": result.width,
        "height": result.height,
        "contentType": content_type,
        "bytes": len(data),
        "seconds": seconds,
        "cost": cost,
        "drawn": drawn,
    }
