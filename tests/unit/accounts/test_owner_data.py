"""A copy of everything of one owner and nothing of others; and an end that is an end, whatever dies on the way."""

import io
import json
import zipfile
from dataclasses import replace

import pytest

from enhancer.accounts import owner_data
from enhancer.adapters.dynamodb.api_keys import ApiKeys
from enhancer.adapters.dynamodb.owner_data import SETTLED_MS, OwnerRecords
from enhancer.adapters.signin.base import Profile
from enhancer.billing import deletion
from enhancer.domain.api_keys import ApiKey
from enhancer.domain.artifacts import NoArtifact, prefixes_of
from enhancer.domain.errors import InsufficientCredits, JobExpired, NotFound
from enhancer.operations.sweep import GRACE_MS, Swept
from tests.support import books
from tests.support.images import png

FILES = {
    "README.txt", "profile.json", "jobs.json", "ledger.json", "lots.json", "keys.json", "usage.json", "audit.json",
}  # fmt: skip
SECRET = "ek_test_" + "s" * 43
NAMES = iter(range(1, 10_000))


def member(world, plan="pro", *, name="Ada Lovelace"):
    """Somebody who signed in, as a caller."""
    number = next(NAMES)
    profile = Profile("google", f"subject-{number}", f"{number}@example.com", name)
    account = world.accounts.sign_in(profile, new_user=world.new_name(), role="user", now=world.clock)
    world.accounts.open(account.owner, plan=plan, role="user", email=profile.email, now=world.clock)
    caller = world.caller(plan)
    return replace(caller, owner=account.owner, account=world.accounts.get(account.owner))


def with_key(world, caller, *, cap=1000):
    """The same, through an API key."""
    key = ApiKey(world.new_id("key"), "ci", ("read", "generate"), world.clock, "ssss", cap)
    ApiKeys(world.table).create(caller.owner, key, f"{SECRET}{next(NAMES)}")
    return replace(caller, key=key)


def made(world, caller):
    """A finished job."""
    return world.finish(world.submit(caller))


def packed(world, caller):
    """The zip, opened."""
    out = io.BytesIO()
    account = world.accounts.get(caller.owner)
    owner_data.pack(account, out, owner_records=world.owner_records, artifacts=world.artifacts)
    return zipfile.ZipFile(out)


def erase(world, caller, owner_records=None):
    account = caller.account or world.accounts.get(caller.owner)
    owner_data.erase(
        account,
        deps=world.job_deps,
        owner_records=owner_records or world.owner_records,
        end_payments=lambda account: deletion.end_payments(account, payments=world.cashier),
    )


def pictures(world, owner):
    """Every object of an owner in the bucket."""
    return [key for prefix in prefixes_of(owner) for key in world.artifacts.keys(prefix)]


def left(world, caller):
    """What is left of an owner in the table, by sort key without ids."""
    pk = f"OWNER#user#{caller.owner.id}"
    return {record["sk"].partition("#")[0] for record in world.records() if record["pk"] == pk}


def check_books(world, caller, *gone, plan="pro"):
    books.audit({f"OWNER#user#{caller.owner.id}": plan}, gone, records=world.records())


# ------------------------------------------------------------------------------------------ the copy


def test_the_copy_has_every_file_and_every_picture(world):
    """Profile, jobs, ledger, keys, usage, audit; originals and results as they are stored."""
    caller = member(world)
    jobs = [made(world, caller) for _ in range(2)]
    archive = packed(world, caller)
    assert archive.testzip() is None
    keys = [artifact.key for job in jobs for artifact in (job.items[0].input, job.items[0].output)]
    wanted = {f"artifacts/{key.split('/')[1]}/{key.split('/')[-1]}": key for key in keys}
    assert set(archive.namelist()) == FILES | set(wanted)
    for name, key in wanted.items():
        assert archive.read(name) == world.artifacts.get(key)


def test_the_copy_says_what_is_stored(world):
    """Every job and every movement, with name and address of whom it is about."""
    caller = member(world)
    world.grant(caller, 100)
    job = made(world, with_key(world, caller))
    archive = packed(world, caller)
    profile = json.loads(archive.read("profile.json"))
    assert (profile["name"], profile["plan"]) == ("Ada Lovelace", "pro")
    assert [found["id"] for found in json.loads(archive.read("jobs.json"))] == [job.id]
    assert [found["kind"] for found in json.loads(archive.read("ledger.json"))] == world.kinds(caller)
    assert [found["name"] for found in json.loads(archive.read("keys.json"))] == ["ci"]
    assert {found["period"]: found["used"] for found in json.loads(archive.read("usage.json"))} == {
        "2026-11": 10,
        "2026-11-20": 1,
    }


def test_the_copy_has_no_hashes_tokens_or_keys_of_the_table(world):
    """What is only ours stays ours."""
    caller = member(world)
    world.accounts.start_session(caller.owner, "token", now=world.clock)
    keyed = with_key(world, caller)
    made(world, keyed)
    world.start_prediction(world.batch(caller), token="task-token")
    archive = packed(world, caller)
    text = "".join(archive.read(name).decode() for name in FILES)
    hashes = [record["hash"] for record in world.records() if "hash" in record]
    sessions = [
        record["pk"].partition("#")[2] for record in world.records() if record["pk"].startswith("SESSION#")
    ]
    assert (len(hashes), len(sessions)) == (1, 1)
    for private in [
        *hashes,
        *sessions,
        "task-token",
        "OWNER#",
        "LEDGER#",
        "fingerprint",
        "gsi1",
        "expires",
        '"hash"',
        '"token"',
    ]:
        assert private not in text, private


def test_the_copy_has_nothing_of_others(world):
    """Not their ids, not their jobs, not their pictures."""
    caller, other = member(world), member(world, name="Eve")
    made(world, caller)
    foreign = made(world, other)
    archive = packed(world, caller)
    text = "".join(archive.read(name).decode("latin-1") for name in archive.namelist())
    for private in (other.owner.id, foreign.id, "Eve", foreign.items[0].output.key.split("/")[-1]):
        assert private not in text


def test_a_picture_that_expired_is_left_out(world):
    """The rest is there all the same."""
    caller = member(world)
    job = made(world, caller)
    world.artifacts.delete(job.items[0].input.key)
    names = packed(world, caller).namelist()
    assert [name.split("/")[1] for name in names if name.startswith("artifacts/")] == ["results"]


def test_a_free_picture_is_in_the_copy_of_all_data_like_any_other(world):
    """Its job has an original and a result of its own."""
    caller = member(world)
    first = made(world, caller)
    again = world.batch(caller, [world.artifacts.get(first.items[0].input.key)])
    world.execute(again)
    assert world.stored(again).items[0].free
    names = packed(world, caller).namelist()
    assert len(names) == len(set(names)) == len(FILES) + 4


def test_a_copy_made_in_the_background_lies_under_its_owners_exports(world):
    """And is found there by whoever asks again."""
    caller, owner_records = member(world), world.owner_records
    made(world, caller)
    owner_records.begin_export(caller.owner, now=world.clock)
    owner_data.export(
        caller.account,
        asked_at=world.clock,
        new_name=world.new_name,
        owner_records=owner_records,
        artifacts=world.artifacts,
    )
    found = owner_records.export(caller.owner, now=world.clock)
    assert found.status == "ready"
    assert found.key.startswith(f"ai-enhancer/exports/user/{caller.owner.id}/")
    assert set(zipfile.ZipFile(io.BytesIO(world.artifacts.get(found.key))).namelist()) >= FILES


def test_the_size_of_a_copy_is_that_of_the_pictures(world):
    """By which it is made at once or in the background."""
    caller = member(world)
    job = made(world, caller)
    item = job.items[0]
    assert (
        owner_data.size_of(caller.owner, owner_records=world.owner_records)
        == item.input.size + item.output.size
    )


# ------------------------------------------------------------------------------------------ the end


def test_deleting_an_account_leaves_only_numbers(world):
    """Pictures, uploads, jobs, keys, results and idempotency keys are gone; the books still add up."""
    caller = member(world)
    world.grant(caller, 100)
    world.upload(caller)
    job = world.finish(world.submit(with_key(world, caller), key="idempotency"))
    erase(world, caller)
    assert pictures(world, caller.owner) == []
    assert left(world, caller) == {"ACCOUNT", "LEDGER", "LOT", "ONCE", "USAGE"}
    assert [record["pk"] for record in world.records() if record["sk"] == "-"] == []
    check_books(world, caller, job)


def test_deleting_an_account_forgets_reasons_and_keeps_amounts(world):
    """What administrators wrote about somebody goes with them; what they did stays."""
    caller = member(world)
    world.grant(caller, 100)
    erase(world, caller)
    (entry,) = world.ledger.entries(caller.owner)
    assert (entry.kind, entry.credits, entry.actor, entry.reason) == ("grant", 100, "tests", None)


def test_deleting_an_account_stops_its_work_and_gives_the_hold_back(world):
    """Credits, plan and day as if it had never run; no place among the jobs at once stays taken."""
    caller = member(world, "free")
    world.grant(caller, 500)
    job = world.batch(caller, 2)
    world.start_prediction(job)
    erase(world, caller)
    assert world.usage_and_balance(caller)[2:] == (500, 0)
    assert world.open_jobs(caller) == 0
    assert world.workflow.executions[job.execution].status != "RUNNING"
    assert world.balance(caller).granted == 500


def test_a_result_that_comes_after_the_end_is_removed(world):
    """It costs nothing, and nobody keeps it."""
    caller = member(world)
    job = world.batch(caller)
    world.start_prediction(job)
    target = world.stored(job).items[0].target
    erase(world, caller)
    world.artifacts.put(target, png(), "image/png")
    world.clock += GRACE_MS + 1
    world.sweep()
    assert world.jobs.get(caller.owner, job.id) is None
    assert world.ledger.usage_and_balance(caller.owner, now=world.clock).day_used == 0
    assert pictures(world, caller.owner) == []


def test_deleting_twice_finds_nobody_the_second_time(world):
    """And changes nothing."""
    caller = member(world)
    made(world, caller)
    erase(world, caller)
    before = world.records()
    with pytest.raises(NotFound):
        erase(world, caller)
    assert world.records() == before


def test_deleting_one_account_leaves_the_neighbours(world):
    """Their pictures, jobs and books."""
    caller, other = member(world), member(world)
    made(world, caller)
    kept = made(world, other)
    erase(world, caller)
    assert world.artifacts.get(kept.items[0].output.key)
    check_books(world, other)


class Dying(OwnerRecords):
    """Dies once, at the step that is named."""

    def __init__(self, world, step):
        super().__init__(world.table, world.allowances)
        self._step = step

    def mark_deleted(self, *args, **more):
        if self._step == "before burying":
            raise InsufficientCredits
        super().mark_deleted(*args, **more)

    def purge(self, *args, **more):
        if self._step == "before purging":
            raise InsufficientCredits
        super().purge(*args, **more)


def test_a_purge_that_dies_is_finished_by_the_sweep(world):
    """From burying on it is over, whatever breaks; a minute later nothing is left."""
    caller = member(world)
    job = made(world, with_key(world, caller))
    with pytest.raises(InsufficientCredits):
        erase(world, caller, Dying(world, "before purging"))
    assert world.accounts.get(caller.owner) is None
    assert left(world, caller) >= {"JOB", "KEY", "RESULT"}
    world.clock += GRACE_MS + 1
    assert world.sweep() == Swept(purged=1)
    assert pictures(world, caller.owner) == []
    assert left(world, caller) == {"ACCOUNT", "LEDGER", "ONCE", "USAGE"}
    check_books(world, caller, job)


def test_a_deletion_that_is_refused_changes_nothing_and_can_be_asked_for_again(world):
    """Before burying the account is still there and its work goes on; the second time it ends."""
    caller = member(world)
    made(world, caller)
    world.batch(caller)
    before, kept = world.records(), pictures(world, caller.owner)
    with pytest.raises(InsufficientCredits):
        erase(world, caller, Dying(world, "before burying"))
    assert (world.records(), pictures(world, caller.owner)) == (before, kept)
    erase(world, caller)
    assert left(world, caller) == {"ACCOUNT", "LEDGER", "ONCE", "USAGE"}


def test_a_hold_of_a_canceled_job_is_given_back_after_the_end(world):
    """A cancel that died half-way keeps its numbers, those of the key too, until the sweep has ended it."""
    caller = with_key(world, member(world))
    job = world.batch(caller)
    world.jobs.cancel(world.stored(job), now=world.clock)  # and then the function died
    erase(world, caller)
    assert left(world, caller) >= {"JOB", "KEYUSE"}
    world.clock += 600_000
    assert world.sweep().broken == 0
    world.clock += SETTLED_MS
    assert world.sweep().broken == 0
    assert left(world, caller) == {"ACCOUNT", "LEDGER", "ONCE", "USAGE"}
    assert world.usage_and_balance(caller)[1:] == (0, 0, 0)
    assert world.open_jobs(caller) == 0


def test_what_a_late_request_makes_after_the_end_is_removed_too(world):
    """A run that was held before the deletion and stores its picture afterwards leaves neither for good."""
    caller = member(world)
    late = world.submit(caller)
    erase(world, caller)
    with pytest.raises(JobExpired):
        world.finish(late)
    assert pictures(world, caller.owner)
    world.clock += GRACE_MS + 1
    assert world.sweep() == Swept(purged=1)
    assert pictures(world, caller.owner) == []
    assert left(world, caller) == {"ACCOUNT", "LEDGER", "ONCE", "USAGE"}
    assert world.usage_and_balance(caller)[1:] == (0, 0, 0)


def test_a_copy_that_is_finished_after_the_end_is_removed_too(world):
    """All pictures in one file would be the worst to leave behind."""
    caller, owner_records = member(world), world.owner_records
    account = caller.account
    owner_records.begin_export(caller.owner, now=world.clock)
    erase(world, caller)
    owner_data.export(
        account,
        asked_at=world.clock,
        new_name=world.new_name,
        owner_records=owner_records,
        artifacts=world.artifacts,
    )
    world.clock += GRACE_MS + 1
    world.sweep()
    assert pictures(world, caller.owner) == []
    assert "EXPORT" not in left(world, caller)


def test_the_sweep_forgets_an_owner_once_all_is_quiet(world):
    """It does not purge for ever."""
    caller = member(world)
    made(world, caller)
    erase(world, caller)
    world.clock += SETTLED_MS + GRACE_MS
    assert world.sweep() == Swept(purged=1)
    assert world.sweep() == Swept()


def test_the_same_picture_by_somebody_else_is_not_touched(world):
    """Two owners of one photo have two copies of it."""
    photo = world.photo(png(shade=3))
    caller, other = member(world), member(world)
    world.finish(world.submit(caller, photo=photo))
    kept = world.finish(world.submit(other, photo=photo))
    erase(world, caller)
    assert world.artifacts.get(kept.items[0].input.key)
    with pytest.raises(NoArtifact):
        world.artifacts.get(f"{prefixes_of(caller.owner)[1]}x.png")
