"""Read the boxes of a picture file: ISO/IEC 14496-12 (boxes) and 23008-12 (items). Standard library only.

All tables are bounded: a container may describe millions of parts, and decoders look for each of them in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from enhancer.adapters.images.bare import Refused
from enhancer.adapters.images.stated_colour import by_code

PARTS_MAX = 2_048
"""Largest number of boxes, and of entries in any of their tables. A picture of 48 tiles has about 300."""

SEQUENCES = (b"avis", b"hevc", b"hevx", b"hevm", b"hevs", b"msf1")
"""Brands of files that are first of all a sequence of pictures."""

EXIF_BYTES_MAX = 1_000_000
"""How much of an Exif item is looked at, in bytes."""


class Reader:
    """Reads numbers and bytes between two places of a file; raises `Refused` behind the end."""

    def __init__(self, data: bytes | bytearray | memoryview, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end

    def bytes(self, count: int) -> bytes:
        """Return the next bytes."""
        start, self.at = self.at, self.at + count
        if self.at > self.end:
            raise Refused("incomplete")
        return bytes(self.data[start : self.at])

    def number(self, count: int) -> int:
        """Return the number in the next ``count`` bytes."""
        return int.from_bytes(self.bytes(count))

    def count(self, size: int) -> int:
        """Return the number of entries in a table, at most `PARTS_MAX`."""
        found = self.number(size)
        if found > PARTS_MAX:
            raise Refused("parts")
        return found


@dataclass(slots=True)
class Item:
    """An item: its type, where its type stands in the file, its data and its properties."""

    kind: bytes = b""
    kind_at: int = 0
    method: int = 0
    extents: list[tuple[int, int]] = field(default_factory=list)
    size: tuple[int, int] | None = None
    colour: bytes | None = None
    properties: list[tuple[bytes, int, int]] = field(
        default_factory=list
    )  # type, start and end of the content


class BoxFile:
    """The boxes of a file that matter: the items of ``meta``, and how many frames a sequence in ``moov`` has."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.items: dict[int, Item] = {}
        self.primary = 0
        self._has_meta = False
        self._parts = 0
        self._joined = 0
        self._stored = (0, 0)
        self._references: dict[int, list[int]] = {}
        self.links: list[tuple[bytes, int, list[int]]] = []  # other references: type, from, to
        self._sequence = (0, 0, 0)  # place of its type, start and end
        self._is_sequence = data[8:12] in SEQUENCES
        self._top()

    def _top(self) -> None:
        """Walk the outermost boxes. What follows the picture and is no box is cut off."""
        whole = 0
        try:
            for kind, start, end in self._boxes(0, len(self.data)):
                if kind == b"meta":
                    self._meta(start + 4, end)
                elif kind == b"moov":
                    self._sequence = (start - 4, start, end)
                whole = end
        except Refused as refused:
            if not self._has_meta or refused.reason != "incomplete":
                raise
            del self.data[whole:]

    def frames(self) -> int:
        """Return the number of frames if the file is a sequence, else 1."""
        if not self._is_sequence:
            return 1
        at = self._sequence[1:]
        for wanted in (b"trak", b"mdia", b"minf", b"stbl", b"stsz"):
            at = next(((start, end) for kind, start, end in self._boxes(*at) if kind == wanted), (0, 0))
        return Reader(self.data, at[0] + 8, at[1]).number(4) if at[1] else 1

    def tiles(self, number: int) -> list[int]:
        """Return the items that a grid is made of, in order."""
        return self._references.get(number, [])

    def content(self, item: Item) -> bytes | memoryview:
        """Return an item's data. What consists of several pieces is joined in memory, so together it is bounded."""
        start, end = self._stored if item.method == 1 else (0, len(self.data))
        if item.method > 1:
            raise Refused("kind")
        pieces = []
        for offset, length in item.extents:
            place = start + offset
            stop = place + length if length else end
            if stop > end:
                raise Refused("incomplete")
            pieces.append(memoryview(self.data)[place:stop])
        if len(pieces) == 1:
            return pieces[0]
        self._joined += sum(map(len, pieces))
        if self._joined > len(self.data):
            raise Refused("parts")
        return b"".join(pieces)

    def exif(self) -> bytes | None:
        """Return the first Exif item from where its TIFF structure begins (23008-12, A.2.1), if there is one."""
        for item in self.items.values():
            if item.kind == b"Exif":
                try:
                    content = self.content(item)
                except Refused:
                    return None
                start = 4 + int.from_bytes(content[:4])
                return bytes(content[start : start + EXIF_BYTES_MAX]) or None
        return None

    def without_metadata(self) -> bytes:
        """Return the file with Exif and XMP items, and any sequence beside the picture, marked as to be skipped."""
        for item in self.items.values():
            if item.kind in (b"Exif", b"mime"):
                self.data[item.kind_at : item.kind_at + 4] = b"skip"
        if at := self._sequence[0]:
            self.data[at : at + 4] = b"free"
        brands = slice(8, int.from_bytes(self.data[:4]))
        self.data[brands] = self.data[brands].replace(b"avis", b"avif")
        return bytes(self.data)

    def _boxes(self, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        """Yield type, start and end of the content of each box between two places."""
        while at < end:
            self._parts += 1
            if self._parts > PARTS_MAX:
                raise Refused("parts")
            reader = Reader(self.data, at, end)
            size, kind = reader.number(4), reader.bytes(4)
            if size == 1:
                size = reader.number(8)
            stop = at + size if size else end
            if stop > end:
                raise Refused("incomplete")
            if stop < reader.at:
                raise Refused("damaged")
            yield kind, reader.at, stop
            at = stop

    def _meta(self, start: int, end: int) -> None:
        if self._has_meta:
            raise Refused("damaged")
        for kind, at, stop in self._boxes(start, end):
            reader = Reader(self.data, at, stop)
            match kind:
                case b"pitm":
                    self.primary = reader.number(4 if reader.number(4) >> 24 else 2)
                case b"iinf":
                    self._infos(reader)
                case b"iloc":
                    self._locations(reader)
                case b"iref":
                    self._all_references(reader)
                case b"iprp":
                    self._properties(reader)
                case b"idat":
                    self._stored = (at, stop)
        self._has_meta = True

    def _item(self, number: int) -> Item:
        if len(self.items) > PARTS_MAX:
            raise Refused("parts")
        return self.items.setdefault(number, Item())

    def _infos(self, reader: Reader) -> None:
        reader.count(2 if not reader.number(4) >> 24 else 4)
        for kind, at, end in self._boxes(reader.at, reader.end):
            info = Reader(self.data, at, end)
            version = info.number(4) >> 24
            if kind != b"infe" or version < 2:
                raise Refused("damaged")
            item = self._item(info.number(2 if version == 2 else 4))
            info.number(2)
            item.kind_at, item.kind = info.at, info.bytes(4)

    def _locations(self, reader: Reader) -> None:
        version = reader.number(4) >> 24
        widths = reader.number(2)
        offset, length, base, index = (widths >> shift & 15 for shift in (12, 8, 4, 0))
        left = PARTS_MAX
        for _ in range(reader.count(2 if version < 2 else 4)):
            item = self._item(reader.number(2 if version < 2 else 4))
            item.method = reader.number(2) & 15 if version else 0
            reader.number(2)
            start = reader.number(base)
            left -= (extents := reader.number(2))
            if left < 0:
                raise Refused("parts")
            for _ in range(extents):
                reader.number(index if version else 0)
                place = start + reader.number(offset)
                item.extents.append((place, reader.number(length)))

    def _all_references(self, reader: Reader) -> None:
        size = 4 if reader.number(4) >> 24 else 2
        left = PARTS_MAX
        for kind, at, end in self._boxes(reader.at, reader.end):
            entries = Reader(self.data, at, end)
            source = entries.number(size)
            left -= (count := entries.number(2))
            if left < 0:
                raise Refused("parts")
            targets = [entries.number(size) for _ in range(count)]
            if kind == b"dimg":
                self._references.setdefault(source, []).extend(targets)
            else:
                self.links.append((kind, source, targets))

    def _properties(self, reader: Reader) -> None:
        """Give items the size and the colour that are associated with them."""
        sizes: dict[int, tuple[int, int]] = {}
        colours: dict[int, bytes] = {}
        places: dict[int, tuple[bytes, int, int]] = {}
        for kind, at, end in self._boxes(reader.at, reader.end):
            if kind == b"ipco":
                for number, (name, start, stop) in enumerate(self._boxes(at, end), 1):
                    places[number] = (name, start, stop)
                    value = Reader(self.data, start, stop)
                    if name == b"ispe":
                        value.number(4)
                        sizes[number] = value.number(4), value.number(4)
                    elif name == b"colr" and value.bytes(4) == b"nclx":
                        colours[number] = by_code(value.number(2), value.number(2))
            elif kind == b"ipma":
                self._associations(Reader(self.data, at, end), sizes, colours, places)

    def _associations(
        self,
        reader: Reader,
        sizes: dict[int, tuple[int, int]],
        colours: dict[int, bytes],
        places: dict[int, tuple[bytes, int, int]],
    ) -> None:
        head = reader.number(4)
        width = 2 if head & 1 else 1
        for _ in range(reader.count(4)):
            item = self._item(reader.number(4 if head >> 24 else 2))
            for _ in range(reader.number(1)):
                number = reader.number(width) & (0x7FFF if width == 2 else 0x7F)
                item.size = item.size or sizes.get(number)
                item.colour = item.colour if item.colour is not None else colours.get(number)
                if number in places:
                    item.properties.append(places[number])
