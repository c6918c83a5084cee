"""Form bodies: pictures survive byte by byte, limits are exact, oddities are refused with our errors."""

import pytest

from enhancer.api.http.multipart import FIELD_BYTES_MAX, PARTS_MAX, parse
from enhancer.api.shapes.error_texts import message
from enhancer.domain.errors import FileTooLarge, ImageMissing, InvalidFields, InvalidMultipart, TooManyImages
from enhancer.domain.images import FILE_BYTES_MAX
from tests.support.events import BOUNDARY, NAMED_FIELD, form, image_part, joined, part
from tests.support.images import png

TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def text(name, value=b"x"):
    return part(NAMED_FIELD.format(name), value)


def test_fields_and_picture_come_by_name():
    """Texts as text, the picture as its bytes with name and type."""
    body, content_type = form({"scale": "2", "model": "local"}, image=png(), filename="me.png")
    found = parse(body, content_type)
    image = found.pop("image")
    assert found == {"scale": "2", "model": "local"}
    assert (image.content, image.filename, image.content_type) == (png(), "me.png", "image/png")


@pytest.mark.parametrize(
    "content",
    [
        f"--{BOUNDARY}".encode(), f"\r\n--{BOUNDARY[:-1]}\r\n".encode(), b"\r\n--\r\n", b"\r\n\r\n", b"--", b"\r",
        b"\n", f"x{BOUNDARY}--".encode(), f"\n--{BOUNDARY}\n".encode(), bytes(range(256)) * 9,
    ],
    ids=range(10),
)  # fmt: skip
def test_bytes_that_look_like_a_boundary_stay_in_the_picture(content):
    """A picture may contain anything but a whole delimiter line."""
    picture = b"\x89PNG" + content + b"\x00end"
    found = parse(joined([image_part(picture), text("scale", b"4")]), TYPE)
    assert found["image"].content == picture
    assert found["scale"] == "4"


@pytest.mark.parametrize(
    "filename", ["a.png\\r\\nX-Evil: 1", "../../etc/passwd", "\u00e4\u00f6 \u20ac.png", "", "a;b=c.png"]
)
def test_a_strange_filename_changes_nothing_else(filename):
    """The name is data: no header, no path and no other field comes from it."""
    found = parse(joined([image_part(png(), filename=filename)]), TYPE)
    assert set(found) == {"image"}
    assert found["image"].content == png()


@pytest.mark.parametrize(
    "filename", [b"Gr\xf6\xdfe.jpg", b"\xff\xfe", "\u5199\u771f.jpg".encode(), b"a" * 9_000, b"\x00.png"],
    ids=["latin-1", "no text", "utf-8", "9000 characters", "nul"],
)  # fmt: skip
def test_any_bytes_may_name_a_file(filename):
    """Nothing is made of the name, so nothing can be wrong with it."""
    body = image_part(png(), filename="NAME").replace(b"NAME", filename)
    assert parse(joined([body]), TYPE)["image"].content == png()


@pytest.mark.parametrize("name", ["file", "image[]", "photo", "x" * 5_000])
def test_a_file_under_another_name_is_told_the_right_one(name):
    """Where the picture belongs is said, instead of what its bytes are not."""
    with pytest.raises(ImageMissing) as refused:
        parse(joined([image_part(b"\xff\xd8\xff" + bytes(30_000), name=name), text("scale", b"2")]), TYPE)
    assert refused.value.details == {"field": "image", "found": name[:60]}
    for language, expected in (
        ("en", "Send the picture in the file field “image”"),
        ("de", "im Dateifeld „image“"),
    ):
        assert expected in message("image_missing", refused.value.details, language)


@pytest.mark.parametrize(
    "charset", ["undefined", "idna", "hex", "unicode_escape", "utf-7", "a" * 500, "utf-16"]
)
def test_a_charset_that_is_not_utf8_is_refused_by_name(charset):
    """Python knows codecs that are no charsets; none of them is asked."""
    odd = part(NAMED_FIELD.format("prompt") + f"\r\nContent-Type: text/plain; charset={charset}", b"x")
    with pytest.raises(InvalidFields) as refused:
        parse(joined([odd]), TYPE)
    assert refused.value.details == {"fields": [{"field": "prompt", "problem": "not UTF-8"}]}


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "us-ascii"])
def test_a_charset_that_is_utf8_may_be_said(charset):
    """Some clients say it with every text."""
    said = part(
        NAMED_FIELD.format("prompt") + f"\r\nContent-Type: text/plain; charset={charset}", "ö".encode()
    )
    assert parse(joined([said]), TYPE) == {"prompt": "ö"}


def test_a_picture_may_say_any_charset():
    """It is no text."""
    said = image_part(png(), content_type="image/png; charset=undefined")
    assert parse(joined([said]), TYPE)["image"].content == png()


def test_a_line_break_in_a_filename_is_refused():
    """Raw CR/LF ends the header line, so the part is malformed."""
    with pytest.raises(InvalidMultipart):
        parse(joined([image_part(png(), filename='a.png"\r\nX-Evil 1')]), TYPE)


@pytest.mark.parametrize("size", [0, 1, FIELD_BYTES_MAX])
def test_a_text_up_to_its_limit_is_taken(size):
    """The limit itself is allowed; nothing at all is an absent field."""
    found = parse(joined([text("prompt", b"x" * size)]), TYPE)
    assert found == ({"prompt": "x" * size} if size else {})


def test_a_text_one_byte_too_long_is_refused():
    """The refusal names the field and the limit."""
    with pytest.raises(InvalidFields) as refused:
        parse(joined([text("prompt", b"x" * (FIELD_BYTES_MAX + 1))]), TYPE)
    assert refused.value.details == {
        "fields": [{"field": "prompt", "problem": "too_long", "limit": FIELD_BYTES_MAX}]
    }


@pytest.mark.parametrize("blank", [b"", b" ", b"\t\r\n"])
def test_a_blank_text_is_an_absent_field(blank):
    """Forms send empty inputs; they mean "not said"."""
    assert parse(joined([text("prompt", blank), text("scale", b"2")]), TYPE) == {"scale": "2"}


def test_a_repeated_text_is_refused_by_name():
    """Which of two would count is never guessed."""
    with pytest.raises(InvalidFields) as refused:
        parse(joined([text("scale", b"2"), text("scale", b"8")]), TYPE)
    assert refused.value.details == {"fields": [{"field": "scale", "problem": "repeated"}]}


def test_a_second_picture_is_refused_with_the_count():
    """One picture per call."""
    with pytest.raises(TooManyImages) as refused:
        parse(joined([image_part(png()), image_part(png())]), TYPE)
    assert refused.value.details == {"field": "image", "count": 2, "limit": 1}


def test_a_picture_of_exactly_the_limit_is_taken():
    """Ten million bytes fit."""
    assert len(parse(joined([image_part(bytes(FILE_BYTES_MAX))]), TYPE)["image"].content) == FILE_BYTES_MAX


def test_a_picture_one_byte_too_large_is_refused_with_the_way_out():
    """The refusal names uploads."""
    with pytest.raises(FileTooLarge) as refused:
        parse(joined([image_part(bytes(FILE_BYTES_MAX + 1))]), TYPE)
    assert refused.value.details == {
        "field": "image", "size": FILE_BYTES_MAX + 1, "limit": FILE_BYTES_MAX, "uploads": "/api/ai-image/uploads",
    }  # fmt: skip


def test_a_body_of_as_many_parts_as_allowed_is_taken():
    """The limit itself is allowed."""
    assert len(parse(joined([text(f"f{number}") for number in range(PARTS_MAX)]), TYPE)) == PARTS_MAX


WHOLE = form({"scale": "2"}, image=png())[0]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"x", WHOLE[:-20], WHOLE[:50], WHOLE.replace(BOUNDARY.encode(), b"another"), b"{}",
        joined([text(f"f{number}") for number in range(PARTS_MAX + 1)]),
        joined([part("Content-Type: text/plain", b"no name")]),
        joined([part("X: " + "y" * 100_000, b"x")]),
    ],
    ids=["empty", "text", "unfinished", "cut", "other boundary", "json", "many parts", "nameless", "long header"],
)  # fmt: skip
def test_a_malformed_body_is_refused(body):
    """Whatever is no complete form is the request's fault, told in one way."""
    with pytest.raises(InvalidMultipart) as refused:
        parse(body, TYPE)
    assert refused.value.details == {"field": "body"}


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; x=y"]
)
def test_a_missing_boundary_is_refused(content_type):
    """Without it there is nothing to split by."""
    with pytest.raises(InvalidMultipart) as refused:
        parse(WHOLE, content_type)
    assert refused.value.details == {"field": "boundary"}


def test_a_text_that_is_no_utf8_is_refused_by_name():
    """Texts are UTF-8."""
    with pytest.raises(InvalidFields) as refused:
        parse(joined([text("prompt", b"\xff\xfe")]), TYPE)
    assert refused.value.details == {"fields": [{"field": "prompt", "problem": "not UTF-8"}]}


def test_a_text_in_a_charset_nobody_knows_is_refused():
    """A declared charset that does not exist is no crash."""
    odd = part(NAMED_FIELD.format("prompt") + "\r\nContent-Type: text/plain; charset=klingon", b"x")
    with pytest.raises(InvalidFields):
        parse(joined([odd]), TYPE)
