"""Take the metadata out of a JPEG (ITU T.81 annex B) in one pass over its markers. Standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from enhancer.adapters.images.bare import PROFILE_BYTES_MAX, Bare, Refused, check_size

SEGMENTS_MAX = 4_000
"""A photo with the largest metadata there is has about 400; millions of empty ones are an attack."""
SCANS_MAX = 100
"""Progressive files have about ten scans; each costs a pass over the whole picture, so thousands are an attack."""

_MARKER = re.compile(rb"\xff([^\x00\xff])")
_MARKER_AFTER_SCAN = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a segment
_TABLES = {0xC4, 0xCC, 0xDB, 0xDC, 0xDD}
_FRAMES = {
    0xC0,
    0xC1,
    0xC2,
    0xC9,
    0xCA,
}  # baseline, extended and progressive, by Huffman or arithmetic coding
_PROGRESSIVE = {0xC2, 0xCA}
_OTHER_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF}  # lossless, hierarchical


def bare(data: bytes, pixels_max: int) -> Bare:
    """Return the file without metadata; raise `Refused` or `TooManyPixels`."""
    return _Walk(data, pixels_max).run()


@dataclass(slots=True)
class _Walk:
    """One pass over the markers of a file; ``kept`` is what goes on to the decoder."""

    data: bytes
    pixels_max: int
    at: int = 2
    kept: list[bytes | memoryview] = field(default_factory=lambda: [b"\xff\xd8"])
    segments: int = 0
    scans: int = 0
    frame: int | None = None
    unseen: dict[int, int] = field(
        default_factory=dict
    )  # by component: bits of coefficients no scan completed
    exif: bytes | None = None
    profile: dict[int, bytes] = field(default_factory=dict)

    def run(self) -> Bare:
        ended = False
        while not ended and (found := _MARKER.search(self.data, self.at)):
            marker, self.at = found[1][0], found.end()
            self.segments += 1
            if self.segments > SEGMENTS_MAX:
                raise Refused("parts")
            if marker == 0xD9:
                ended = True
            elif marker not in _ALONE:
                self._segment(marker)
        if not self.scans or (not ended and any(self.unseen.values())):
            raise Refused("incomplete")
        self.kept.append(b"\xff\xd9")
        return Bare(b"".join(self.kept), self._icc(), self.exif, ended=ended)

    def _segment(self, marker: int) -> None:
        """Take one segment; one that says it is longer than the file is, and has no pixels, is skipped."""
        length = int.from_bytes(self.data[self.at : self.at + 2])
        end = self.at + length
        if length < 2 or end > len(self.data):
            if marker in _TABLES or marker in _FRAMES or marker == 0xDA:
                raise Refused("incomplete" if length >= 2 else "damaged")
            return
        content, self.at = self.data[self.at + 2 : end], end
        whole = b"\xff" + bytes((marker,)) + length.to_bytes(2) + content
        if marker in _OTHER_FRAMES:
            raise Refused("kind")
        if marker in _FRAMES:
            self._frame(marker, content)
            self.kept.append(whole)
        elif marker == 0xDA:
            self._scan(content)
            self.kept += [whole, self._pixels()]
        elif marker in _TABLES or _says_colour(marker, content):
            self.kept.append(whole)
        elif marker == 0xE1 and content.startswith(b"Exif\0\0"):
            self.exif = self.exif or content
        elif marker == 0xE2 and content.startswith(b"ICC_PROFILE\0") and len(content) > 14:
            self.profile.setdefault(content[12], content[14:])

    def _frame(self, marker: int, content: bytes) -> None:
        """Check the frame header (B.2.2); a second one would be the size that counts for some decoders."""
        if self.frame is not None or len(content) < 6 or len(content) != 6 + 3 * content[5]:
            raise Refused("damaged")
        if content[0] != 8:
            raise Refused("bits" if content[0] == 12 else "damaged")
        self.frame = marker
        check_size(int.from_bytes(content[3:5]), int.from_bytes(content[1:3]), self.pixels_max)
        needed = (1 << 64) - 1 if marker in _PROGRESSIVE else 1
        self.unseen = dict.fromkeys(content[6::3], needed)

    def _scan(self, content: bytes) -> None:
        """Count a scan and note which coefficients of which components it completes (B.2.3)."""
        self.scans += 1
        if self.scans > SCANS_MAX:
            raise Refused("parts")
        if self.frame is None or not content or len(content) != 4 + 2 * content[0]:
            raise Refused("damaged")
        first, last, bits = content[-3:]
        done = 1
        if self.frame in _PROGRESSIVE:
            done = 0 if bits & 15 else (2 << last) - (1 << first)
        for component in content[1:-3:2]:
            if component in self.unseen:
                self.unseen[component] &= ~done

    def _pixels(self) -> memoryview:
        """Return a scan's coded pixels, up to the next marker that is no restart. Not copied: there may be 25 MB."""
        found = _MARKER_AFTER_SCAN.search(self.data, self.at)
        start, self.at = self.at, found.start() if found else len(self.data)
        end = self.at if found else len(self.data.rstrip(b"\xff"))  # half a marker
        return memoryview(self.data)[start:end]

    def _icc(self) -> bytes | None:
        """Return the parts of the profile in their order (ICC.1:2022, B.4)."""
        if not 0 < sum(map(len, self.profile.values())) <= PROFILE_BYTES_MAX:
            return None
        return b"".join(self.profile[number] for number in sorted(self.profile))


def _says_colour(marker: int, content: bytes) -> bool:
    """Return whether a segment tells the decoder what its channels are: JFIF's and Adobe's, if they are whole."""
    jfif = marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= 14
    return jfif or (marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12)
