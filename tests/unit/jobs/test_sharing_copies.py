"""A result that was paid for stays paid for as long as one job of its owner has a copy, whichever was deleted."""

from contextlib import suppress
from io import BytesIO

import pytest
from PIL import Image

from enhancer.adapters.aws import artifacts
from enhancer.adapters.dynamodb import keys, result_index
from enhancer.adapters.images import pixels
from enhancer.adapters.images.about import block
from enhancer.domain.images import ENHANCED, About
from enhancer.jobs import manage
from enhancer.operations.sweep import GRACE_MS
from tests.support.books import audit
from tests.support.crashes import Died, Mortal
from tests.support.images import png
from tests.support.memory_table import MemoryTable
from tests.support.pictures import saved
from tests.support.world import World

CALLS = 6
"""Mark, original and result, the index (where it names others: read and write), the record."""


@pytest.fixture
def caller(world):
    """Somebody with three jobs at once."""
    return world.caller("pro")


def generated(world, caller, photo):
    """A picture asked for in a request, to its end."""
    return world.stored(world.finish(world.submit(caller, photo=photo)))


def in_a_batch(world, caller, data):
    """The same picture as the one of a job, to its end."""
    return world.execute(world.batch(caller, [data]))


def index(world, job):
    """What the index says of a job's result."""
    found = world.ledger.earlier(
        job.owner, key_hash=None, result_digest=job.items[0].result_digest, now=world.clock
    )
    return found.result_job, {holder[0] for holder in found.holders}


def settles(world, caller):
    return world.kinds(caller).count("settle")


@pytest.mark.parametrize("kinds", ["sync sync", "batch batch", "sync batch", "batch sync"])
def test_a_copy_stays_free_when_the_job_that_paid_is_deleted(world, caller, kinds):
    """However the copy came to be and however it is asked for again: one charge, one run."""
    data = png(shade=7)
    photo = world.photo(data)
    copying, again = kinds.split()
    ways = {"sync": lambda: generated(world, caller, photo), "batch": lambda: in_a_batch(world, caller, data)}
    paid = generated(world, caller, photo)
    copy = ways[copying]()
    assert index(world, paid) == (paid.id, {copy.id})
    world.delete(paid)
    assert index(world, copy) == (copy.id, set())
    third = ways[again]()
    assert (third.status, third.items[0].free, settles(world, caller)) == ("succeeded", True, 1)
    world.delete(copy)
    assert generated(world, caller, photo).items[0].free
    assert (settles(world, caller), len(world.predictor.runs)) == (1, 1)


@pytest.mark.parametrize("way", [generated, lambda *given: in_a_batch(*given[:2], dated(given[2].about))])
def test_a_copy_says_of_its_photo_what_its_own_picture_says(world, caller, way):
    """The same pixels with another date and author: free, with none of the first one's; size and facts are right."""
    first, other = About(taken="2020:01:01 00:00:00", artist="Ada", dpi=72), About(artist="Bob")
    paid = generated(world, caller, world.photo(dated(first)))
    made = as_encoded(world, paid, first)
    copy = way(world, caller, world.photo(dated(other)))
    output = copy.items[0].output
    assert (copy.items[0].free, copy.items[0].about) == (True, other)
    stored = world.artifacts.get(output.key)
    assert pixels.read(stored, pixels_max=10_000).about == other
    assert b"Ada" not in stored
    head = world.artifacts.head(output.key)
    assert (head.size, head.facts) == (output.size, {"width": 8, "height": 6, "cost": 5})
    assert pixels.read(world.artifacts.get(made.key), pixels_max=10_000).about == first


def test_a_huge_copy_is_made_without_reading_it(world, caller, monkeypatch):
    """It would not fit into memory; it says what the first picture of the same owner said."""
    monkeypatch.setattr(artifacts, "RELABELLED_BYTES_MAX", 10)
    paid = generated(world, caller, world.photo(dated(About(artist="Ada"))))
    as_encoded(world, paid, About(artist="Ada"))
    copy = generated(world, caller, world.photo(dated(About(artist="Bob"))))
    read = [world.artifacts.get(job.items[0].output.key) for job in (paid, copy)]
    assert read[0] == read[1]
    assert copy.items[0].free


def as_encoded(world, job, known):
    """Put a result in its place that our encoder made; return it."""
    image = pixels.read(png(shade=7), pixels_max=10_000).image
    data = pixels.encode(image, file_format="png", icc=None, source_type=ENHANCED, kept=known)
    made = job.items[0].output
    world.artifacts.put(made.key, data, made.content_type, facts={"width": 8, "height": 6, "cost": 5})
    return made


def dated(known):
    """The same picture whatever is known about it."""
    exif = block(known)
    options = {"dpi": (known.dpi, known.dpi)} if known.dpi else {}
    return saved(Image.open(BytesIO(png(shade=7))), "PNG", exif=b"Exif\0\0" + exif, **options)


def test_when_no_copy_is_left_it_is_paid_again(world, caller):
    """Deleted in any order, each takes itself out, and the index ends with the last."""
    photo = world.photo()
    first, second, third = (generated(world, caller, photo) for _ in range(3))
    world.delete(second)
    assert index(world, first) == (first.id, {third.id})
    world.delete(first)
    world.delete(third)
    assert not [record for record in world.records() if record["sk"].startswith("RESULT#")]
    assert not generated(world, caller, photo).items[0].free
    assert settles(world, caller) == 2


def test_a_copy_is_taken_where_the_first_picture_has_expired(world, caller):
    """Copies are younger; only when the last is gone does it run again, and then none of them is asked any more."""
    photo = world.photo()
    paid, copy = (generated(world, caller, photo) for _ in range(2))
    world.artifacts.delete(paid.items[0].output.key)
    third = generated(world, caller, photo)
    assert (third.items[0].free, settles(world, caller)) == (True, 1)
    for job in (copy, third):
        world.artifacts.delete(job.items[0].output.key)
    last = generated(world, caller, photo)
    assert (settles(world, caller), index(world, last)) == (2, (last.id, set()))


def test_a_copy_that_is_stored_while_the_payer_is_deleted_is_found(world, caller, monkeypatch):
    """At any point of the deletion, also when the index has forgotten the result by then."""
    photo = world.photo()
    paid = generated(world, caller, photo)
    real = world.artifacts.copy

    def copy(key, to):
        real(key, to)
        monkeypatch.setattr(world.artifacts, "copy", real)
        world.delete(paid)

    monkeypatch.setattr(world.artifacts, "copy", copy)
    second = generated(world, caller, photo)
    assert (second.items[0].free, index(world, second)) == (True, (second.id, {second.id}))
    assert generated(world, caller, photo).items[0].free
    assert settles(world, caller) == 1


def test_a_copy_that_comes_between_the_read_and_the_write_of_a_deletion_stays(world, caller, monkeypatch):
    """What the deletion saw has changed, so it looks again."""
    photo = world.photo()
    paid, copy = (generated(world, caller, photo) for _ in range(2))
    table, late = world.jobs._table, []
    real = table.get

    def get(key):
        found = real(key)
        if key["sk"].startswith("RESULT#") and not late:
            late.append(None)
            late[0] = generated(world, caller, photo).id
        return found

    monkeypatch.setattr(table, "get", get)
    world.jobs.mark_deleted(paid, now=world.clock)
    manage.remove(paid, deps=world.job_deps)
    head, others = index(world, copy)
    assert late
    assert {head, *others} == {copy.id, *late}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(CALLS))
def test_a_deletion_that_dies_leaves_the_copies_known(call, after):
    """At once and when the sweep has finished it."""
    client = Mortal(MemoryTable())
    world = World(table=client)
    data = png(shade=7)
    caller, photo = world.caller("pro"), world.photo(data)
    real = world.artifacts
    paid = generated(world, caller, photo)
    copies = [generated(world, caller, photo) for _ in range(2)]
    world.artifacts = client.bind(real, "delete")
    client.fate.doom(call, after=after)
    with suppress(Died):
        manage.delete(paid, deps=world.job_deps)
    client.fate.revive()
    world.artifacts = real
    assert in_a_batch(world, caller, data).items[0].free
    assert generated(world, caller, photo).items[0].free
    world.clock += GRACE_MS + 1
    world.sweep()
    if call or after:
        head, others = index(world, paid)
        assert paid.id not in {head, *others}
        assert {head, *others} >= {job.id for job in copies}
    assert settles(world, caller) == 1
    audit({f"OWNER#user#{caller.owner.id}": "pro"}, [paid], records=world.records())


def test_a_record_of_an_earlier_version_gets_copies_too(world, caller):
    """It names a job and an item alone; the attempt of its job stays unknown."""
    photo = world.photo()
    paid = generated(world, caller, photo)
    key = keys.result(caller.owner, paid.items[0].result_digest)
    old = {**key, "job": paid.id, "item": 0, "expires": world.clock}
    world.jobs._table.put(old)
    copy = generated(world, caller, photo)
    assert "attempt" not in world.jobs._table.get(key)
    world.delete(paid)
    assert (copy.items[0].free, index(world, copy)) == (True, (copy.id, set()))
    assert generated(world, caller, photo).items[0].free


def test_the_index_names_a_few_copies_and_no_more(world, caller, monkeypatch):
    """Its record stays small; further copies are free all the same."""
    monkeypatch.setattr(result_index, "HOLDERS_MAX", 2)
    photo = world.photo()
    paid, *copies = (generated(world, caller, photo) for _ in range(5))
    assert all(job.items[0].free for job in copies)
    assert index(world, paid) == (paid.id, {job.id for job in copies[:2]})
