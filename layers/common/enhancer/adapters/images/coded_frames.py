"""Read how large the frames of coded AV1 are (AV1 specification, 5.3 to 5.9). Standard library only.

A container may say another size, and memory is allocated by this one.
"""

from __future__ import annotations

from dataclasses import dataclass

from enhancer.adapters.images.bare import Refused

UNITS_MAX = 100
"""Largest number of units (OBUs) in one picture; a real one has three to a few dozen."""
FRAMES_MAX = 8
"""Largest number of frames in one picture: one, or one for each of its layers. Each costs a decoding."""

_SEQUENCE, _FRAME_HEADER, _FRAME, _REPEATED_HEADER = 1, 3, 6, 7
_KEY, _SWITCH = 0, 3
_HEADER_BYTES = 600
"""Longer than any sequence header, and than what is read of a frame header."""
_CHOSEN_BY_FRAME = 2


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence header: the largest frame (pixels), primaries and transfer, and what is needed to read a frame header.

    ``size_bits``: bits of width and height where a frame states its own size.
    """

    size: tuple[int, int]
    size_bits: tuple[int, int]
    colour: tuple[int, int] | None
    reduced: bool
    frame_id_bits: int
    screen_content: int
    integer_motion: int
    time_bits: int


@dataclass(frozen=True, slots=True)
class Coded:
    """What a picture's data says: its size, the largest size a frame could have, and primaries and transfer, if stated.

    The largest size is another one only where a frame states its own, as layers do.
    """

    size: tuple[int, int]
    largest: tuple[int, int]
    colour: tuple[int, int] | None


def read(data: bytes | memoryview) -> Coded:
    """Read the headers in a picture's data; raise `Refused`."""
    sequence: Sequence | None = None
    largest, frames = (0, 0), 0
    for kind, content in _units(data):
        if kind == _SEQUENCE:
            sequence = _sequence(Bits(content))
        elif kind in (_FRAME_HEADER, _FRAME, _REPEATED_HEADER):
            frames += 1
            if sequence is None:
                raise Refused("damaged")
            if frames > FRAMES_MAX:
                raise Refused("parts")
            size = _frame_size(Bits(content), sequence)
            largest = max(largest[0], size[0]), max(largest[1], size[1])
    if sequence is None or not frames:
        raise Refused("incomplete")
    return Coded(sequence.size, largest, sequence.colour)


class Bits:
    """Reads unsigned numbers bit by bit, the highest bit first."""

    def __init__(self, data: bytes) -> None:
        self._number, self._left = int.from_bytes(data), 8 * len(data)

    def read(self, count: int = 1) -> int:
        """Return the next ``count`` bits as a number; raise `Refused` behind the end."""
        self._left -= count
        if self._left < 0:
            raise Refused("incomplete")
        return self._number >> self._left & ((1 << count) - 1)


def _units(data: bytes | memoryview) -> list[tuple[int, bytes]]:
    """Return type and first bytes of each unit (5.3)."""
    at = 0
    units: list[tuple[int, bytes]] = []
    while at < len(data):
        if len(units) == UNITS_MAX:
            raise Refused("parts")
        head = data[at]
        at += 2 if head & 4 else 1
        length = len(data) - at
        if head & 2:
            length, at = _leb128(data, at)
        if length < 0 or at + length > len(data):
            raise Refused("incomplete")
        units.append((head >> 3 & 15, bytes(data[at : at + min(length, _HEADER_BYTES)])))
        at += length
    return units


def _leb128(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, the lowest first, and the place behind it (4.10.5)."""
    value = 0
    for place, byte in enumerate(data[at : at + 8]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise Refused("damaged")


def _sequence(bits: Bits) -> Sequence:
    """Read a sequence header (5.5.1) up to its colour description."""
    profile, _still, reduced = bits.read(3), bits.read(), bits.read()
    time_bits = 0
    if reduced:
        bits.read(5)
    else:
        time_bits = _operating_points(bits)
    size_bits = bits.read(4) + 1, bits.read(4) + 1
    size = bits.read(size_bits[0]) + 1, bits.read(size_bits[1]) + 1
    frame_id_bits = 0
    if not reduced and bits.read():
        frame_id_bits = bits.read(4) + 2 + bits.read(3) + 1
    bits.read(3)
    screen_content = integer_motion = _CHOSEN_BY_FRAME
    if not reduced:
        screen_content, integer_motion = _tools(bits)
    bits.read(3)
    return Sequence(
        size, size_bits, _colour(bits, profile), bool(reduced), frame_id_bits, screen_content, integer_motion, time_bits
    )  # fmt: skip


def _operating_points(bits: Bits) -> int:
    """Read timing and operating points; return the bits of a frame's presentation time, 0 where frames have none."""
    delay_bits = time_bits = 0
    if bits.read():
        bits.read(64)
        equal_intervals = bits.read()
        if equal_intervals:
            zeros = 0
            while not bits.read():
                zeros += 1
            bits.read(zeros)
        if bits.read():
            delay_bits = bits.read(5) + 1
            bits.read(37)
            frame_time_bits = bits.read(5) + 1
            time_bits = 0 if equal_intervals else frame_time_bits
    delays_shown = bits.read()
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read()
        if delay_bits and bits.read():
            bits.read(2 * delay_bits + 1)
        if delays_shown and bits.read():
            bits.read(4)
    return time_bits


def _tools(bits: Bits) -> tuple[int, int]:
    """Read which coding tools are on; return those two settings that decide what a frame header has."""
    bits.read(4)
    ordered = bits.read()
    if ordered:
        bits.read(2)
    screen_content = _CHOSEN_BY_FRAME if bits.read() else bits.read()
    integer_motion = _CHOSEN_BY_FRAME
    if screen_content and not bits.read():
        integer_motion = bits.read()
    if ordered:
        bits.read(3)
    return screen_content, integer_motion


def _colour(bits: Bits, profile: int) -> tuple[int, int] | None:
    """Return colour primaries and transfer characteristics (5.5.2), None where the header does not state them."""
    if bits.read() and profile == 2:
        bits.read()
    if profile != 1:
        bits.read()
    return (bits.read(8), bits.read(8)) if bits.read() else None


def _frame_size(bits: Bits, sequence: Sequence) -> tuple[int, int]:
    """Read a frame header (5.9.2) up to where it says that its size is not that of the sequence."""
    if sequence.reduced:
        return sequence.size
    if bits.read():
        return sequence.size  # shows a frame that was decoded before
    kind, shown = bits.read(2), bits.read()
    if shown:
        bits.read(sequence.time_bits)
    else:
        bits.read()
    if kind != _SWITCH and not (kind == _KEY and shown):
        bits.read()
    bits.read()
    screen_content = bits.read() if sequence.screen_content == _CHOSEN_BY_FRAME else sequence.screen_content
    if screen_content and sequence.integer_motion == _CHOSEN_BY_FRAME:
        bits.read()
    bits.read(sequence.frame_id_bits)
    if kind == _SWITCH or bits.read():
        return 1 << sequence.size_bits[0], 1 << sequence.size_bits[1]
    return sequence.size
