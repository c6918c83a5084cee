"""Check an AVIF's structure against its coded pixels and take the metadata out (AVIF 1.1). Standard library only.

A container may promise any size and share one coded picture among thousands of tiles; what a decoder would allocate is
bounded here, before it does.
"""

from __future__ import annotations

from enhancer.adapters.images import coded_frames
from enhancer.adapters.images.bare import Bare, Refused, check_size
from enhancer.adapters.images.boxes import BoxFile, Item, Reader
from enhancer.adapters.images.stated_colour import by_code

TILES_MAX = 256
DECODED_MAX = 4
"""All coded pictures of a file (tiles, alpha, thumbnails, gain map) have at most this times the allowed pixels."""


def bare(data: bytes, pixels_max: int) -> Bare:
    """Return the file without Exif and XMP; raise `Refused` or `TooManyPixels`."""
    file = BoxFile(data)
    if (frames := file.frames()) > 1:
        return Bare(b"", frames=frames)
    primary = file.items.get(file.primary)
    if primary is None or primary.kind not in (b"av01", b"grid"):
        raise Refused("kind" if primary else "damaged")
    if primary.size is None:
        raise Refused("damaged")
    coded = _check_coded(file, pixels_max)
    check_size(*primary.size, pixels_max)
    if primary.kind == b"grid":
        check_grid(file, file.primary, b"av01")
    shown = file.tiles(file.primary)[0] if primary.kind == b"grid" else file.primary
    colour = primary.colour if primary.colour is not None else by_code(*(coded[shown] or (2, 2)))
    exif = file.exif()
    return Bare(file.without_metadata(), exif=exif, colour=colour, turned_by_exif=False)


def _check_coded(file: BoxFile, pixels_max: int) -> dict[int, tuple[int, int] | None]:
    """Check the coded size of every picture in the file; return the colour that each states, by item."""
    colours, total, mismatch = {}, 0, False
    for number, item in file.items.items():
        if item.kind != b"av01":
            continue
        coded = coded_frames.read(file.content(item))
        check_size(*coded.largest, pixels_max)
        colours[number] = coded.colour
        mismatch |= coded.size != item.size
        total += coded.largest[0] * coded.largest[1]
        if total > DECODED_MAX * pixels_max:
            raise Refused("parts")
    if mismatch:
        raise Refused("damaged")
    return colours


def check_grid(file: BoxFile, number: int, kind: bytes) -> None:
    """Check that a picture of tiles is as large as it says and just covered by its tiles (23008-12, 6.6.2.3).

    ``kind``: the type of item that each tile has to be.
    """
    grid = file.items[number]
    content = file.content(grid)
    reader = Reader(content, 0, len(content))
    _, wide = reader.number(1), reader.number(1) & 1
    rows, columns = reader.number(1) + 1, reader.number(1) + 1
    size = reader.number(4 if wide else 2), reader.number(4 if wide else 2)
    if rows * columns > TILES_MAX:
        raise Refused("parts")
    tiles = [file.items.get(number, Item()) for number in file.tiles(number)]
    sizes = {tile.size for tile in tiles if tile.kind == kind}
    if size != grid.size or len(tiles) != rows * columns or len(sizes) != 1:
        raise Refused("damaged")
    tile = sizes.pop() or (0, 0)
    for side, count, length in zip(size, (columns, rows), tile, strict=True):
        if not (count - 1) * length < side <= count * length:
            raise Refused("damaged")
