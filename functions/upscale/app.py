"""Step ``upscale``: the embedded model. Reads an original, enlarges it, stores the finished result.

Event: ``source`` and ``target`` (storage keys), ``scale`` (2, 4, 6, 8), ``quality`` (standard, pro) and
``format`` (jpeg, png, webp, avif). Answer: ``width`` and ``height`` in pixels, ``contentType``, ``bytes`` and
the ``seconds`` of the model. Errors keep their class name, which the caller sees as ``errorType``.
"""

import time
from typing import Any

from enhancer import runtime
from enhancer.adapters import pixels
from enhancer.domain import images
from enhancer.telemetry import logger
from vision import upscaler

upscaler.warm_up("standard")  # at init, where the CPU runs at full speed


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    artifacts = runtime.artifacts()
    scale, file_format = event["scale"], event["format"]
    photo = pixels.read(artifacts.get(event["source"]), pixels_max=images.PIXELS_MAX)
    images.check_output_size(photo.info.width * scale, photo.info.height * scale, file_format=file_format)
    started = time.monotonic()
    result = upscaler.enlarge(photo.image, scale=scale, quality=event["quality"])
    seconds = round(time.monotonic() - started, 3)
    data = pixels.encode(result, file_format=file_format, icc=photo.icc, source_type=images.ENHANCED)
    content_type = images.CONTENT_TYPES[file_format]
    artifacts.put(event["target"], data, content_type)
    width, height = result.size
    logger.info("upscale", extra={"input": photo.info.megapixels, "scale": scale, "seconds": seconds})
    return {
        "width": width,
        "height": height,
        "contentType": content_type,
        "bytes": len(data),
        "seconds": seconds,
    }
