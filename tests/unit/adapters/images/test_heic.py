"""HEIC: the shown picture alone reaches the decoder, in the size that its coded pixels say."""

from __future__ import annotations

import random
import struct
import subprocess
import sys

import pytest
from PIL import Image, ImageChops, ImageStat

from enhancer.adapters.images import coded_hevc, heic, pixels, stated_colour
from enhancer.adapters.images.bare import Refused
from enhancer.domain.errors import ImageAnimated, ImageUnreadable, TooManyPixels
from tests.support import pictures
from tests.support.hostile_pictures import box, full_box, grid_heic
from tests.support.hostile_pictures import heic as file
from tests.support.pictures import SECRET, photo
from tests.support.read_in_child import read_in_child

CAP = 100_000


def read(data: bytes, pixels_max: int = CAP) -> pixels.Photo:
    return pixels.read(data, pixels_max=pixels_max)


def reason_of(data: bytes) -> str:
    """Why a file is unreadable."""
    with pytest.raises(ImageUnreadable) as refused:
        read(data)
    reason: str = refused.value.details["reason"]
    return reason


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference, worst channel, of 255."""
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo", photo()),
        ("odd", photo(size=(47, 33))),
        ("tile", photo(size=(64, 64))),
        ("grey", photo("L", (64, 64)).convert("RGB")),
        ("two", photo()),
        ("thumbnail", photo(size=(256, 192))),
        ("turned", photo().transpose(Image.Transpose.ROTATE_270)),
    ],
)
def test_picture_is_read_as_it_was_made(name, expected):
    """Whatever else a phone puts beside it; `irot` turns it, once, and Exif does not turn it again."""
    got = read(file(name))
    assert (got.image.mode, got.image.size, got.info.format) == ("RGB", expected.size, "heic")
    assert difference(got.image, expected) < 5


def test_alpha_is_read():
    """An auxiliary picture says how opaque the picture is."""
    got = read(file("alpha")).image
    assert got.mode == "RGBA"
    assert difference(got.getchannel("A"), pictures.with_alpha().getchannel("A")) < 3


@pytest.mark.parametrize(("name", "stored"), [("photo", "jpeg"), ("alpha", "webp"), ("turned", "jpeg")])
def test_original_is_stored_in_a_format_that_browsers_show(name, stored):
    """JPEG, with alpha WebP; the way up is in the pixels."""
    got = read(file(name))
    data, key = got.clean_copy()
    assert key == stored == read(data).info.format
    assert difference(read(data).image.convert("RGB"), got.image.convert("RGB")) < 2


def test_tiles_are_read_as_one_picture():
    """Phones write 48 and more; those at the right and below stand over, and `irot` turns the whole."""
    assert read(grid_heic(6, 8, copies=True), 200_000).image.size == (512, 384)
    got = read(grid_heic(2, 2, (100, 70), copies=True, turns=1)).image
    assert got.size == (70, 100)
    whole = Image.new("RGB", (128, 128))
    for at in ((0, 0), (64, 0), (0, 64), (64, 64)):
        whole.paste(read(file("tile")).image, at)
    assert difference(got, whole.crop((0, 0, 100, 70)).transpose(Image.Transpose.ROTATE_90)) < 1


def test_hdr_of_10_bits_is_read_in_8_and_brought_to_paper_white():
    """PQ would look dull as it is: the statement about colour is applied, primaries are kept as a profile."""
    got = read(file("ten-bits-pq"))
    statement = stated_colour.by_code(9, 16)
    assert difference(got.image, stated_colour.applied(photo(size=(64, 64)), statement)[0]) < 12
    assert got.icc == stated_colour.profile(stated_colour.PRIMARIES[9], None)


def test_profile_counts_and_is_part_of_the_digest():
    """Phones state Display P3 by a profile; another profile is another picture."""
    got = read(file("turned"))
    assert got.icc is not None
    assert got.icc in file("turned")
    assert got.icc[36:40] == b"acsp"
    assert read(file("turned").replace(b"colrprof", b"colrnope")).info.digest != got.info.digest


@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 18), (1, 13)])
def test_colour_of_a_colr_box_counts(primaries, transfer):
    """Code points as in AVIF."""
    data = file("tile")
    at = data.index(b"nclx") + 4
    changed = data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]
    expected = stated_colour.applied(read(data).image, stated_colour.by_code(primaries, transfer))
    got = read(changed)
    assert (got.icc, got.image.tobytes()) == (expected[1], expected[0].tobytes())


def test_metadata_thumbnails_and_all_but_the_picture_never_reach_the_decoder():
    """The file is written anew: what is not copied cannot do harm."""
    for name in ("turned", "thumbnail", "two"):
        written = heic.bare(file(name), CAP).data
        assert SECRET not in written
        assert written.count(b"infe") == 1
        assert len(written) < len(file(name))


@pytest.mark.parametrize("brand", [b"hevc", b"msf1"])
def test_sequence_is_refused_with_its_number_of_frames(brand):
    """As animations of other formats; a still picture with a film beside it is one."""
    sizes = full_box(b"stsz", struct.pack(">II", 0, 7))
    film = box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", sizes)))))
    data = file("photo") + film
    with pytest.raises(ImageAnimated) as refused:
        read(data[:8] + brand + data[12:])
    assert refused.value.details == {"frames": 7}
    assert read(data).image.size == (48, 32)


def test_size_counts_as_coded_and_as_said():
    """Neither a small box around a large picture nor the contrary is decoded."""
    with pytest.raises(TooManyPixels) as refused:
        read(file("flat"))
    assert refused.value.details == {"megapixels": 16.8, "limit": 0.1}
    small = file("flat").replace(struct.pack(">II", 4096, 4096), struct.pack(">II", 64, 64))
    assert reason_of(small) == "damaged"
    assert read(grid_heic(4, 4, copies=True)).image.size == (256, 256)
    assert (
        reason_of(file("tile").replace(struct.pack(">II", 64, 64), struct.pack(">II", 64, 60))) == "damaged"
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (grid_heic(2, 2), "parts"),
        (grid_heic(2, 2, (200, 128), copies=True), "damaged"),
        (grid_heic(2, 2, references=3, copies=True), "damaged"),
        (grid_heic(17, 16, (1000, 64), copies=True), "parts"),
        (grid_heic(2, 2, tile_said=(32, 32), copies=True), "damaged"),
        (file("tile").replace(b"hvcC", b"free"), "damaged"),
        (file("tile").replace(b"hvc1", b"jpeg"), "kind"),
        (file("tile").replace(b"ispe", b"free"), "damaged"),
        (file("tile").replace(b"pitm", b"free"), "damaged"),
        (file("tile")[:-30], "incomplete"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), "damaged"),
    ],
    ids=["tiles of the same bytes", "gap", "missing tile", "flood of tiles", "tiles that lie", "no setup",
         "other coding", "no size", "nothing to show", "cut", "nothing"],
)  # fmt: skip
def test_hostile_structure_is_refused(data, reason):
    """Before the decoder sees anything."""
    assert reason_of(data) == reason


def setup_and_picture(name: str = "tile") -> tuple[bytes, bytes]:
    """The content of ``hvcC``, and the coded picture."""
    data = file(name)
    at = data.index(b"hvcC")
    (length,) = struct.unpack_from(">I", data, at - 4)
    return data[at + 4 : at - 4 + length], data[data.index(b"mdat") + 4 :]


def test_coded_size_is_read_from_the_parameter_set():
    """Also from one that stands among the pixels, which would count for a decoder; colour as far as it is stated."""
    setup, picture = setup_and_picture()
    assert coded_hevc.read(setup, picture).decoded == (64, 64)
    large, _ = setup_and_picture("flat")
    at = large.index(b"\x42\x01")
    (length,) = struct.unpack_from(">H", large, at - 2)
    unit = large[at : at + length]
    with pytest.raises(Refused) as refused:
        coded_hevc.read(setup, struct.pack(">I", len(unit)) + unit + picture)
    assert refused.value.reason == "damaged"


def code(value: int) -> str:
    """A number of variable length (H.265, 9.2)."""
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def parameters(
    size: tuple[int, int], *, cut: tuple[int, ...] = (), bits: int = 8, layers: int = 0, colour: str = "0"
) -> bytes:
    """The setup of a picture: a sequence parameter set (7.3.2.2). ``cut``: left, right, top, bottom, in pairs."""
    text = (
        "0000"
        f"{layers:03b}"
        "1" + "0" * 96 + ("01" * layers + "00" * (8 - layers) + "0" * 8 * layers) * bool(layers)
    )
    text += code(0) + code(1) + code(size[0]) + code(size[1])
    text += "1" + "".join(map(code, cut)) if cut else "0"
    text += code(bits - 8) * 2 + code(4) + "1" + code(0) * 3 * (layers + 1) + code(0) * 6
    text += "0" + "00" + "0" + code(0) + "0" + "00" + colour
    text = text.ljust((len(text) + 7) // 8 * 8, "1")
    unit = b"\x42\x01" + int(text, 2).to_bytes(len(text) // 8).replace(b"\0\0", b"\0\0\3")
    return bytes(21) + b"\3\1" + struct.pack(">BHH", 33, 1, len(unit)) + unit


PICTURE = struct.pack(">I", 3) + b"\x28\x01\x80"
"""The beginning of a key picture's first slice."""
STATED = "1" + "0" + "0" + "1" + "1010" + "1" + f"{12:08b}{16:08b}{6:08b}"
"""What a parameter set says of colour (E.2.1): Display P3, PQ."""


@pytest.mark.parametrize("layers", [0, 2])
def test_parameters_are_read_bit_by_bit(layers):
    """Size as shown and as decoded, and colour as far as it is stated; with sub-layers, too."""
    setup = parameters((640, 480), cut=(1, 2, 0, 4), bits=10, layers=layers, colour=STATED)
    assert coded_hevc.read(setup, PICTURE) == coded_hevc.Coded((634, 472), (640, 480), (12, 16))
    assert coded_hevc.read(parameters((64, 64), layers=layers), PICTURE).colour is None


@pytest.mark.parametrize(
    ("setup", "reason"),
    [
        (parameters((4096, 64), cut=(0, 2016, 0, 0)), "damaged"),
        (parameters((64, 4096), cut=(0, 0, 2016, 0)), "damaged"),
        (parameters((64, 64), cut=(16, 16, 0, 0)), "damaged"),
        (parameters((64, 64), bits=16), "bits"),
    ],
    ids=["wide", "high", "nothing left", "16 bits"],
)
def test_what_is_decoded_and_never_shown_is_refused(setup, reason):
    """A few pixels at the edge are real; thousands, or bits that nobody's camera has, only cost memory."""
    with pytest.raises(Refused) as refused:
        coded_hevc.read(setup, PICTURE)
    assert refused.value.reason == reason


def test_edges_of_all_tiles_together_are_bounded(monkeypatch):
    """256 tiles of a few pixels each could have edges of a million."""
    monkeypatch.setattr(coded_hevc, "read", lambda *_: coded_hevc.Coded((64, 64), (128, 128), None))
    assert reason_of(grid_heic(4, 6, copies=True)) == "parts"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda setup, data: (setup, data * 2), "parts"),
        (lambda setup, _: (setup, b""), "incomplete"),
        (lambda setup, data: (setup[:22] + b"\0", data), "incomplete"),
        (lambda setup, data: (setup, bytes(4) * (coded_hevc.UNITS_MAX + 1) + data), "parts"),
        (lambda setup, data: (setup, b"\0\0\xff\xff" + data), "incomplete"),
        (lambda setup, data: (setup, data[:4] + b"\x02" + data[5:]), "damaged"),
        (lambda setup, data: (setup[:40], data), "incomplete"),
    ],
    ids=["two pictures", "none", "no parameters", "flood of units", "unit too long", "no key picture", "cut setup"],
)  # fmt: skip
def test_hostile_units_are_refused(change, reason):
    """A file has one picture, with one set of parameters."""
    with pytest.raises(Refused) as refused:
        coded_hevc.read(*change(*setup_and_picture()))
    assert refused.value.reason == reason


def test_lies_and_damage_cost_neither_the_process_nor_its_memory():
    """Files mutated at random, in a process with a limit on its memory: each gets its answer, in bounded time."""
    chance = random.Random(7)  # noqa: S311 - repeatable
    good = [file(name) for name in ("photo", "alpha", "turned", "two", "ten-bits-pq")]
    good.append(grid_heic(2, 3, (150, 100), copies=True, turns=1))
    hostile = [pictures.damaged(chance.choice(good), chance) for _ in range(300)]
    hostile += [
        file("flat"),
        file("flat").replace(struct.pack(">II", 4096, 4096), struct.pack(">II", 64, 64)),
    ]
    costs = read_in_child(hostile, pixels_max=1_000_000)
    assert len(costs) == len(hostile)
    assert {"read", "image_unreadable"} <= {cost.outcome for cost in costs}
    assert {cost.outcome for cost in costs} <= {"read", "image_unreadable", "image_format_unsupported",
                                                "too_many_pixels", "image_animated", "image_empty"}  # fmt: skip
    assert max(cost.megabytes for cost in costs) < 60
    assert max(cost.seconds for cost in costs) < 2


def test_decoder_is_loaded_when_a_picture_needs_it_and_not_before():
    """It costs a cold start 80 ms."""
    code = "import sys; import enhancer.adapters.images.pixels; print('pi_heif' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "False"
