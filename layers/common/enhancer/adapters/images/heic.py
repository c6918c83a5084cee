"""Check an HEIC against its coded pixels, write it anew without anything else, decode it (ISO/IEC 23008-12, 14496-15).

Phones put dozens of tiles, thumbnails, depth, gain maps and metadata into a file. The decoder gets a new file that has
the shown picture alone (its tiles, its alpha), so nothing else of a hostile container reaches it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enhancer.adapters.images import avif, coded_hevc
from enhancer.adapters.images.bare import PROFILE_BYTES_MAX, Bare, Refused, check_size
from enhancer.adapters.images.boxes import BoxFile, Item
from enhancer.adapters.images.stated_colour import by_code

if TYPE_CHECKING:
    from io import BytesIO

    from PIL import Image

DECODED_MAX = 3
"""All coded pictures that are decoded (tiles, alpha) have at most this times the allowed pixels, their margins too."""
THREADS = 2
"""Tiles are decoded side by side; the functions have one or two processors."""

_KEPT = (b"hvcC", b"ispe", b"pixi", b"auxC", b"clap", b"irot", b"imir")
_PROPERTY_BYTES_MAX = 65_536
_ALPHA = (b"urn:mpeg:hevc:2015:auxid:1\0", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
_STILL = (b"heic", b"heix", b"heim", b"heis", b"mif1")


def is_heic(brands: set[bytes]) -> bool:
    """Return whether these brands of a file are those of pictures that are coded as HEVC, or could be."""
    return not brands.isdisjoint((*_STILL, b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"))


def bare(data: bytes, pixels_max: int) -> Bare:
    """Return a file with the shown picture alone; raise `Refused` or `TooManyPixels`."""
    file = BoxFile(data)
    if (frames := file.frames()) > 1:
        return Bare(b"", frames=frames)
    shown = _Picture.of(file, file.primary)
    pictures = [shown]
    kept = [(kind, source) for kind, source, targets in file.links if targets == [file.primary]]
    if alpha := next((source for kind, source in kept if kind == b"auxl" and _is_alpha(file, source)), None):
        pictures.append(_Picture.of(file, alpha))
    colours = [colour for picture in pictures for colour in _check(file, picture, pixels_max)]
    primary = file.items[file.primary]
    colour = primary.colour if primary.colour is not None else by_code(*(colours[0] or (2, 2)))
    icc = next((found for number in shown.numbers() if (found := _profile(file, file.items[number]))), None)
    premultiplied = any(
        kind == b"prem" and source == file.primary and targets == [alpha]
        for kind, source, targets in file.links
    )
    written = _written(file, pictures, premultiplied=premultiplied)
    return Bare(written, icc, file.exif(), colour, turned_by_exif=False)


def opened(file: BytesIO) -> Image.Image:
    """Decode what `bare` returned; raise what the decoder raises."""
    import pi_heif  # noqa: PLC0415 - costs 80 ms, and few pictures need it

    options = pi_heif.options
    options.DECODE_THREADS = THREADS
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    image: Image.Image = pi_heif.open_heif(file).to_pillow()
    image.info = {}  # what the file says about colour is known
    return image.convert("RGBA") if image.mode == "RGBa" else image


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture in a file: its item and, where that is a grid, the items of its tiles in order."""

    number: int
    tiles: list[int]

    @classmethod
    def of(cls, file: BoxFile, number: int) -> _Picture:
        item = file.items.get(number)
        if item is None or item.kind not in (b"hvc1", b"grid"):
            raise Refused("kind" if item else "damaged")
        if item.size is None:
            raise Refused("damaged")
        return cls(number, file.tiles(number) if item.kind == b"grid" else [])

    def numbers(self) -> list[int]:
        """Return the items that it consists of, each once, itself first."""
        return [*dict.fromkeys((self.number, *self.tiles))]


def _is_alpha(file: BoxFile, number: int) -> bool:
    item = file.items.get(number, Item())
    kinds = (bytes(file.data[start + 4 : end]) for kind, start, end in item.properties if kind == b"auxC")
    return next(kinds, b"").startswith(_ALPHA)


def _check(file: BoxFile, picture: _Picture, pixels_max: int) -> list[tuple[int, int] | None]:
    """Check the sizes of a picture and of all that is decoded for it; return the colours that its coded parts state."""
    item = file.items[picture.number]
    check_size(*(item.size or (0, 0)), pixels_max)
    if picture.tiles:
        avif.check_grid(file, picture.number, b"hvc1")
    elif item.kind == b"grid":
        raise Refused("damaged")
    colours: list[tuple[int, int] | None] = []
    total = 0
    decoded: dict[int, int] = {}
    for number in picture.tiles or [picture.number]:
        if number not in decoded:
            part = file.items[number]
            coded = coded_hevc.read(_property(file, part, b"hvcC"), file.content(part))
            if coded.size != part.size:
                raise Refused("damaged")
            colours.append(coded.colour)
            decoded[number] = coded.decoded[0] * coded.decoded[1]
        total += decoded[number]
        if total > DECODED_MAX * max(pixels_max, coded_hevc.MARGIN_MAX**2):
            raise Refused("parts")
    return colours


def _property(file: BoxFile, item: Item, wanted: bytes) -> bytes:
    place = next(((start, end) for kind, start, end in item.properties if kind == wanted), None)
    if place is None or place[1] - place[0] > _PROPERTY_BYTES_MAX:
        raise Refused("damaged")
    return bytes(file.data[place[0] : place[1]])


def _profile(file: BoxFile, item: Item) -> bytes | None:
    for kind, start, end in item.properties:
        if kind == b"colr" and bytes(file.data[start : start + 4]) in (b"prof", b"rICC"):
            return bytes(file.data[start + 4 : end]) if end - start <= PROFILE_BYTES_MAX else None
    return None


def _box(kind: bytes, *content: bytes | memoryview) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _kept_properties(file: BoxFile, item: Item) -> Iterator[bytes]:
    """Yield the boxes that say how an item is decoded, one of each kind, in the file's order, which counts."""
    seen = set()
    for kind, start, end in item.properties:
        wanted = kind in _KEPT or (kind == b"colr" and file.data[start : start + 4] == b"nclx")
        if not wanted or kind in seen:
            continue
        if end - start > _PROPERTY_BYTES_MAX:
            raise Refused("damaged")
        seen.add(kind)
        yield _box(kind, bytes(file.data[start:end]))


def _written(file: BoxFile, pictures: list[_Picture], *, premultiplied: bool) -> bytes:
    """Return a new file of these pictures, the first of which is shown; the second, if any, is its alpha."""
    numbers = [*dict.fromkeys(number for picture in pictures for number in picture.numbers())]
    places = {number: place for place, number in enumerate(numbers, 1)}
    contents = [file.content(file.items[number]) for number in numbers]
    if sum(map(len, contents)) > len(file.data):
        raise Refused("parts")  # items that share their bytes
    boxes: dict[bytes, int] = {}
    infos, links, references = [], [], []
    for number in numbers:
        item = file.items[number]
        infos.append(_full(b"infe", struct.pack(">HH4sx", places[number], 0, item.kind), version=2))
        used = [boxes.setdefault(found, len(boxes) + 1) for found in _kept_properties(file, item)]
        entries = b"".join(struct.pack(">H", 0x8000 | index) for index in used)
        links.append(struct.pack(">HB", places[number], len(used)) + entries)
    for picture in pictures:
        if picture.tiles:
            tiles = [places[number] for number in picture.tiles]
            references.append(
                _box(b"dimg", struct.pack(f">HH{len(tiles)}H", places[picture.number], len(tiles), *tiles))
            )
    if len(pictures) > 1:
        alpha = places[pictures[1].number]
        references.append(_box(b"auxl", struct.pack(">HHH", alpha, 1, 1)))
        if premultiplied:
            references.append(_box(b"prem", struct.pack(">HHH", 1, 1, alpha)))
    head = _box(b"ftyp", b"heic", bytes(4), b"mif1heicheix")
    meta = b""
    for _ in range(2):  # the second time it is known where the contents lie
        at, rows = len(head) + len(meta) + 8, []
        for place, content in enumerate(contents, 1):
            rows.append(struct.pack(">HHHII", place, 0, 1, at, len(content)))
            at += len(content)
        meta = _full(
            b"meta",
            _full(b"hdlr", bytes(4), b"pict", bytes(13)),
            _full(b"pitm", struct.pack(">H", 1)),
            _full(b"iloc", struct.pack(">HH", 0x4400, len(rows)), *rows),
            _full(b"iinf", struct.pack(">H", len(infos)), *infos),
            _box(
                b"iprp",
                _box(b"ipco", *boxes),
                _full(b"ipma", struct.pack(">I", len(links)), *links, flags=1),
            ),
            _full(b"iref", *references) if references else b"",
        )
    return head + meta + _box(b"mdat", *contents)


def _full(kind: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *content)
