"""Handing out artifacts: the gate, validators, ranges, redirects, names."""

import pytest

from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import EVERYBODY
from enhancer.domain.errors import NotFound, NotTheOwner
from enhancer.jobs import results
from enhancer.jobs.results import BODY_BYTES_MAX, check_owner, folder_of

NAME = "0123456789abcdefghjkmnpqrs.png"
BODY = bytes(range(100))


@pytest.fixture
def place(world):
    """A private artifact of 100 bytes."""
    found = locate("results", "user", world.new_name(), NAME)
    world.artifacts.put(found.key, BODY, "image/png")
    return found


def locate(*parts):
    return results.locate("/".join(("ai-enhancer", *parts)))


def deliver(world, place, *, etag=None, byte_range=None, download=False, head=False):
    return results.deliver(
        place,
        artifacts=world.artifacts,
        if_none_match=etag,
        byte_range=byte_range,
        download=download,
        head=head,
    )


@pytest.mark.parametrize(
    ("kind", "owner_type", "private"),
    [("results", "user", True), ("results", "guest", True), ("uploads", "guest", False)],
)
def test_a_well_formed_path_names_its_place(kind, owner_type, private):
    """Results are private, originals belong to whoever knows the name."""
    found = locate(kind, owner_type, "abc", NAME)
    assert found.key == f"ai-enhancer/{kind}/{owner_type}/abc/{NAME}"
    assert found.is_private is private


@pytest.mark.parametrize(
    "parts",
    [
        ("incoming", "user", "abc", NAME), ("", "user", "abc", NAME), ("results", "", "abc", NAME),
        ("results", "admin", "abc", NAME), ("results", "user", "", NAME), ("results", "user", "..", NAME),
        ("results", "user", "a/b", NAME), ("results", "user", "a%2fb", NAME), ("results", "user", "ABC", NAME),
        ("results", "user", "abc", ""), ("results", "user", "abc", ".."), ("results", "user", "abc", "x.png"),
        ("results", "user", "abc", NAME + "\0"), ("results", "user", "abc", NAME + "\n"),
        ("results", "user", "abc\n", NAME), ("results", "user", "abc", NAME.replace("png", "html")),
        ("results", "user", "abc", NAME.replace("png", "svg")), ("results", "user", "abc", "..%2f" + NAME),
        ("results", "user", "abc", "..\\" + NAME), ("results", "user", "abc", "../" + NAME),
        ("results", "user", "abc", NAME.upper()), ("Results", "user", "abc", NAME),
        ("results", "user", "a" * 65, NAME), ("results", "user", "abc", "a" * 65 + ".png"),
    ],
)  # fmt: skip
def test_any_other_path_is_nothing(parts):
    """Other prefixes, traversal, encodings, NUL and line breaks never reach the store."""
    with pytest.raises(NotFound):
        locate(*parts)


def test_a_foreign_result_is_refused_before_anything_is_looked_up(world):
    """Existing or not, a foreign result is the same refusal."""
    caller, other = world.caller("pro"), world.caller("pro")
    with pytest.raises(NotTheOwner):
        check_owner("user", other.owner.id, caller=caller)
    with pytest.raises(NotTheOwner):
        check_owner("guest", caller.owner.id, caller=caller)


FOLDER = "ai-enhancer/results/user/abc"


@pytest.mark.parametrize("rest", ["", "/", f"/{NAME}", "/x", "/a/b/c", "/x.svg", "/" + "a" * 400])
def test_whatever_lies_below_a_folder_is_its_owners(rest):
    """Also what could never be the name of a result: nothing tells a stranger what might be there."""
    assert folder_of(FOLDER + rest) == ("user", "abc")


@pytest.mark.parametrize(
    "path",
    [
        "", "ai-enhancer", "ai-enhancer/results", "ai-enhancer/results/user", "ai-enhancer/results/user/",
        "ai-enhancer/results/admin/abc/x", "ai-enhancer/uploads/user/abc/x", "ai-enhancer/results//abc/x",
        f"{FOLDER}/../def/x", f"{FOLDER}/./x", f"{FOLDER}//x", f"{FOLDER}\\x", f"{FOLDER}/x\\y", f"{FOLDER}%2fx",
        f"{FOLDER}/%2e%2e/x", f"x/{FOLDER}/x",
    ],
)  # fmt: skip
def test_other_paths_are_nobodys_folder(path):
    """Without type or id, of another kind, or on the way to elsewhere: 404, for everybody."""
    assert folder_of(path) is None


def test_the_owner_and_the_guest_they_were_pass(world):
    """A signed-in browser keeps what it made as guest."""
    user, guest = world.caller("pro"), world.caller("guest")
    both = Caller(user.owner, user.plan, "user", "net", guest.owner, access=EVERYBODY)
    assert check_owner("user", user.owner.id, caller=both) is None
    assert check_owner("guest", guest.owner.id, caller=both) is None


def test_a_whole_artifact_comes_with_all_its_headers(world, place):
    """Tag, time, cache rules and a policy under which nothing in it can run."""
    answer = deliver(world, place)
    assert (answer.status, answer.content_type, answer.body) == (200, "image/png", BODY)
    tag, time = answer.headers.pop("ETag"), answer.headers.pop("Last-Modified")
    assert tag.strip('"').isalnum()
    assert time.endswith(" GMT")
    assert answer.headers == {
        "Cache-Control": "private, max-age=31536000, immutable",
        "Accept-Ranges": "bytes",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Vary": "Cookie",
    }


def test_an_original_may_be_cached_by_anybody_for_a_while(world):
    """Public, 15 minutes, and the same for every cookie."""
    place = locate("uploads", "guest", world.new_name(), NAME)
    world.artifacts.put(place.key, BODY, "image/png")
    headers = deliver(world, place).headers
    assert headers["Cache-Control"] == "public, max-age=900, immutable"
    assert "Vary" not in headers


def test_a_missing_artifact_is_not_found(world):
    """Deleted by the lifecycle or never there: 404."""
    with pytest.raises(NotFound):
        deliver(world, locate("results", "user", world.new_name(), NAME))


@pytest.mark.parametrize("wrap", ["{}", "W/{}", '"x", {}', '"x",W/{}', "*"])
def test_a_known_tag_is_304_without_a_body(world, place, wrap):
    """Weak, listed or any: the browser has it."""
    tag = deliver(world, place).headers["ETag"]
    answer = deliver(world, place, etag=wrap.format(tag))
    assert (answer.status, answer.body, answer.headers["ETag"]) == (304, None, tag)


@pytest.mark.parametrize("tag", ['"other"', "", "W/", 'W/"x"'])
def test_another_tag_is_answered_whole(world, place, tag):
    """What the browser has is something else."""
    assert deliver(world, place, etag=tag).status == 200


def test_a_known_tag_beats_a_range(world, place):
    """If nothing changed, no part is sent either."""
    tag = deliver(world, place).headers["ETag"]
    assert deliver(world, place, etag=tag, byte_range="bytes=0-1").status == 304


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0), ("bytes=0-9", 0, 9), ("bytes=10-19", 10, 19), ("bytes=90-", 90, 99),
        ("bytes=90-99", 90, 99), ("bytes=90-1000", 90, 99), ("bytes=-1", 99, 99), ("bytes=-10", 90, 99),
        ("bytes=99-99", 99, 99), ("bytes= 5 - 6", 5, 6), ("bytes=0-98", 0, 98),
    ],
)  # fmt: skip
def test_a_range_gets_exactly_its_bytes(world, place, asked, first, last):
    """First and last inclusive, suffixes from the end, ends beyond the file cut."""
    answer = deliver(world, place, byte_range=asked)
    assert (answer.status, answer.body) == (206, BODY[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/100"


@pytest.mark.parametrize(
    "asked",
    [
        None, "", "bytes=", "bytes=-", "bytes=a-b", "items=0-1", "bytes=5-4", "bytes=0-1,5-6", "bytes=0-99",
        "bytes=0-", "bytes=-100", "bytes=-1000", "bytes=0-5000", "bytes=--5", "bytes=1.0-2", "0-1",
    ],
)  # fmt: skip
def test_a_range_of_all_or_of_nothing_we_read_is_the_whole(world, place, asked):
    """A range we cannot read is ignored, as the standard allows; one over everything is a plain 200."""
    answer = deliver(world, place, byte_range=asked)
    assert (answer.status, answer.body) == (200, BODY)
    assert "Content-Range" not in answer.headers


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=5000-6000", "bytes=-0"])
def test_a_range_behind_the_end_is_416_with_the_size(world, place, asked):
    """The client learns how much there is."""
    answer = deliver(world, place, byte_range=asked)
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (416, None, "bytes */100")


def test_a_head_has_the_length_and_no_body(world, place):
    """The same headers as a GET would have."""
    answer = deliver(world, place, head=True)
    assert (answer.status, answer.body, answer.content_type) == (200, None, "image/png")
    assert answer.headers["Content-Length"] == "100"


def test_a_download_has_a_friendly_name(world, place):
    """As an attachment, named after the product, without the whole secret name."""
    headers = deliver(world, place, download=True).headers
    assert headers["Content-Disposition"] == 'attachment; filename="enhanced-012345.png"'
    assert "Content-Disposition" not in deliver(world, place).headers


@pytest.fixture
def large(world):
    """An artifact one byte above what a function may answer."""
    found = locate("results", "user", world.new_name(), NAME)
    world.artifacts.put(found.key, bytes(BODY_BYTES_MAX + 1), "image/png")
    return found


def test_an_artifact_above_the_limit_is_a_redirect_that_nobody_keeps(world, large):
    """A short-lived link answers with our type, cache rules and name."""
    answer = deliver(world, large, download=True)
    assert (answer.status, answer.body) == (302, None)
    assert answer.headers["Cache-Control"] == "private, no-store"
    link = answer.headers["Location"]
    assert large.key in link
    assert "X-Amz-Expires=300" in link
    assert "response-content-type=image%2Fpng" in link
    assert "response-content-disposition=attachment" in link
    assert "response-cache-control=private" in link


def test_an_artifact_at_the_limit_is_answered_itself(world):
    """Exactly the limit still fits."""
    place = locate("results", "user", world.new_name(), NAME)
    world.artifacts.put(place.key, bytes(BODY_BYTES_MAX), "image/png")
    assert deliver(world, place).status == 200


@pytest.mark.parametrize(
    ("asked", "status"), [("bytes=0-99", 206), (f"bytes=0-{BODY_BYTES_MAX - 1}", 206), ("bytes=0-", 302)]
)
def test_a_small_part_of_a_large_artifact_is_answered_itself(world, large, asked, status):
    """What counts is what would be sent."""
    assert deliver(world, large, byte_range=asked).status == status


def test_a_head_of_a_large_artifact_tells_its_length(world, large):
    """No redirect is needed where no body is sent."""
    answer = deliver(world, large, head=True)
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(BODY_BYTES_MAX + 1))


def test_a_range_of_an_empty_artifact_is_416(world):
    """A stored file of 0 bytes has no readable range."""
    place = locate("results", "user", world.new_name(), NAME)
    world.artifacts.put(place.key, b"", "image/png")
    assert deliver(world, place, byte_range="bytes=0-0").status == 416
