"""A tiny picture to send, another one each time."""

from __future__ import annotations

import os
import struct
import zlib


def tiny_png(width: int = 24, height: int = 16) -> bytes:
    """Return a picture of random pixels, so that nobody had it enhanced before."""
    rows = b"".join(b"\0" + os.urandom(3 * width) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
