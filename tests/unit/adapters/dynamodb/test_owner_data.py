"""All that is stored of one owner: one copy at a time, and an end that leaves only numbers."""

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.accounts import hashed
from enhancer.adapters.dynamodb.api_keys import ApiKeys
from enhancer.adapters.dynamodb.owner_data import READY_MS, RUNNING_MS, SETTLED_MS, Export
from enhancer.adapters.dynamodb.table import TableBusy
from enhancer.adapters.signin.base import Profile
from enhancer.domain.api_keys import ApiKey
from enhancer.domain.errors import NotFound, OwnerBlocked
from enhancer.domain.owners import Owner
from tests.support import aws

SECRET = "ek_test_" + "s" * 43
ADA = Profile("google", "1", "ada@example.com", "Ada Lovelace")


@pytest.fixture
def owner_records(world):
    """The adapter on the world's table."""
    return world.owner_records


@pytest.fixture
def ada(world):
    """Somebody who signed in, with a key, credits, and an entry in the audit."""
    account = world.accounts.sign_in(ADA, new_user=world.new_name(), role="user", now=world.clock)
    ApiKeys(world.table).create(
        account.owner, ApiKey("key_1", "ci", ("read",), world.clock, SECRET[-4:]), SECRET
    )
    world.ledger.grant(
        account.owner,
        50,
        source="admin#1",
        reason="sorry, Ada",
        actor="boss",
        entry_id="ent_1",
        now=world.clock,
    )
    audit = {"id": "act_1", "action": "plan", "actor": "boss", "reason": "for Ada", "value": "pro"}
    world.accounts.change(account.owner, "plan", "pro", audit=audit, now=world.clock)
    return world.accounts.get(account.owner)


def test_an_account_that_is_opened_again_is_no_longer_swept_away(world, owner_records, ada):
    """On a developer's machine an address always has the same id: deleted, then signed in again."""
    owner_records.mark_deleted(ada, now=world.clock)
    assert owner_records.deleted_owners(before=world.clock + 1) == [ada.owner]
    world.accounts.open(ada.owner, plan="pro", role="user", email=ada.email, now=world.clock)
    assert owner_records.deleted_owners(before=world.clock + 1) == []


# ------------------------------------------------------------------------------------------ copies


def test_a_job_whose_deletion_broke_off_is_in_no_copy(world, owner_records):
    """What was deleted is not handed out, although its record lies there for a minute more."""
    caller = world.caller()
    deleted, kept = (world.hold(world.job(caller)) for _ in range(2))
    world.settle(deleted)
    assert world.jobs.mark_deleted(deleted, now=world.clock)
    assert [record["id"] for record in owner_records.records(caller.owner, "JOB#")] == [kept.id]
    assert [job.id for job in owner_records.jobs(caller.owner)] == [kept.id]


def test_nobody_has_a_copy_before_asking(world, owner_records, ada):
    """None is what a first request finds."""
    assert owner_records.export(ada.owner, now=world.clock) is None


def test_one_copy_is_made_at_a_time(world, owner_records, ada):
    """A second request waits for the first."""
    assert owner_records.begin_export(ada.owner, now=world.clock) is True
    assert owner_records.begin_export(ada.owner, now=world.clock + 1) is False
    assert owner_records.export(ada.owner, now=world.clock + 1) == Export("running", world.clock)


def test_of_overlapping_requests_one_makes_the_copy(world, owner_records, ada):
    """Whoever comes second changes nothing, whatever the order."""
    begun = [owner_records.begin_export(ada.owner, now=world.clock + late) for late in (5, 0, 3)]
    assert begun == [True, False, False]
    assert owner_records.export(ada.owner, now=world.clock + 9) == Export("running", world.clock + 5)


def test_a_copy_that_was_never_finished_is_asked_for_again(world, owner_records, ada):
    """After fifteen minutes nobody waits for a crash."""
    owner_records.begin_export(ada.owner, now=world.clock)
    late = world.clock + RUNNING_MS
    assert owner_records.export(ada.owner, now=late - 1) is not None
    assert owner_records.export(ada.owner, now=late) is None
    assert owner_records.begin_export(ada.owner, now=late + 1) is True


def test_a_ready_copy_is_named_for_a_day(world, owner_records, ada):
    """Then it is made anew, as the file is gone."""
    owner_records.begin_export(ada.owner, now=world.clock)
    owner_records.end_export(ada.owner, "ai-enhancer/exports/user/x/y.zip", asked_at=world.clock)
    found = Export("ready", world.clock, "ai-enhancer/exports/user/x/y.zip")
    assert owner_records.export(ada.owner, now=world.clock + READY_MS - 1) == found
    assert owner_records.export(ada.owner, now=world.clock + READY_MS) is None
    assert owner_records.begin_export(ada.owner, now=world.clock + READY_MS) is True


def test_a_copy_is_its_owners(world, owner_records, ada):
    """Nobody else's request finds it."""
    owner_records.begin_export(ada.owner, now=world.clock)
    assert owner_records.export(Owner("user", "somebody"), now=world.clock) is None
    assert owner_records.export(Owner("guest", ada.owner.id), now=world.clock) is None


# ------------------------------------------------------------------------------------------ the end


def test_from_burying_on_nobody_is_signed_in_as_the_owner(world, owner_records, ada):
    """Identity, address and name are gone at once; sessions and keys open nothing."""
    world.accounts.start_session(ada.owner, "token", now=world.clock)
    owner_records.mark_deleted(ada, now=world.clock)
    assert world.accounts.get(ada.owner) is None
    assert ApiKeys(world.table).holder(SECRET, now=world.clock) is None
    assert world.accounts.by_email(ADA.email) == []
    assert world.table.get(keys.identity("google", "1")) is None
    account = world.table.get(keys.account(ada.owner))
    assert {"plan", "role", "email", "name", "identities"} & set(account) == set()


def test_who_comes_back_is_somebody_new(world, owner_records, ada):
    """The same person at the provider, another user here, without credits."""
    owner_records.mark_deleted(ada, now=world.clock)
    again = world.accounts.sign_in(ADA, new_user=world.new_name(), role="user", now=world.clock)
    assert again.owner != ada.owner
    assert world.ledger.usage_and_balance(again.owner, now=world.clock).balance.available == 0


@pytest.mark.parametrize("before", ["one identity", "none"])
def test_an_identity_added_meanwhile_is_not_left_behind(world, owner_records, ada, before):
    """Whoever deletes is asked to try again; nothing is gone by then, and all of it afterwards."""
    if before == "none":
        ada = world.accounts.open(
            Owner("user", world.new_name()), plan="pro", role="user", email=None, now=world.clock
        )
    world.accounts.link(ada.owner, Profile("github", "7", "ada@example.com", "Ada"), now=world.clock)
    with pytest.raises(TableBusy):
        owner_records.mark_deleted(ada, now=world.clock)
    assert world.accounts.get(ada.owner)
    owner_records.mark_deleted(world.accounts.get(ada.owner), now=world.clock)
    assert world.table.get(keys.identity("github", "7")) is None


def test_nobody_is_buried_twice(world, owner_records, ada):
    """The second time there is nobody."""
    owner_records.mark_deleted(ada, now=world.clock)
    with pytest.raises(NotFound):
        owner_records.mark_deleted(ada, now=world.clock)


def test_purging_leaves_numbers_and_dates(world, owner_records, ada):
    """Totals, ledger and once-keys of money; no key, no audit, no reason, nothing that names anybody."""
    owner_records.begin_export(ada.owner, now=world.clock)
    world.table.put({**keys.idempotency_once(ada.owner, "hash"), "job": "job_1"})
    owner_records.mark_deleted(ada, now=world.clock)
    owner_records.purge(ada.owner, now=world.clock)
    left = {record["sk"] for record in aws.records()}
    assert left == {"ACCOUNT", "LEDGER#ent_1", "LOT#admin#1", "ONCE#admin#1"}
    stored = repr(aws.records())
    for word in ("Ada", "example.com", "sorry", hashed(ADA.email), hashed(SECRET), "key_1"):
        assert word not in stored, word


def test_purging_keeps_the_books(world, owner_records, ada):
    """The entries still say what the totals say."""
    owner_records.mark_deleted(ada, now=world.clock)
    owner_records.purge(ada.owner, now=world.clock)
    (entry,) = world.ledger.entries(ada.owner)
    assert (entry.kind, entry.credits, entry.actor, entry.reason) == ("grant", 50, "boss", None)
    assert world.ledger.usage_and_balance(ada.owner, now=world.clock).balance.difference == 0


def test_the_sweep_knows_an_owner_until_nothing_late_can_come(world, owner_records, ada):
    """Requests that had begun before may still write; what they leave is found for a while."""
    owner_records.mark_deleted(ada, now=world.clock)
    end = world.clock + SETTLED_MS
    owner_records.purge(ada.owner, now=end - 1)
    assert owner_records.deleted_owners(before=end) == [ada.owner]
    owner_records.purge(ada.owner, now=end)
    assert owner_records.deleted_owners(before=end) == []


def test_the_sweep_lets_a_fresh_deletion_be(world, owner_records, ada):
    """Whoever deletes is purging already."""
    owner_records.mark_deleted(ada, now=world.clock)
    assert owner_records.deleted_owners(before=world.clock) == []
    assert owner_records.deleted_owners(before=world.clock + 1) == [ada.owner]


def test_purging_touches_nobody_else(world, owner_records, ada):
    """A neighbour's records stay, down to the last one."""
    eve = Profile("google", "2", "eve@example.com", "Eve")
    account = world.accounts.sign_in(eve, new_user=world.new_name(), role="user", now=world.clock)
    before = [record for record in aws.records() if account.owner.id in repr(record)]
    owner_records.mark_deleted(ada, now=world.clock)
    owner_records.purge(ada.owner, now=world.clock)
    assert [record for record in aws.records() if account.owner.id in repr(record)] == before


def test_a_blocked_owner_who_left_does_not_come_back_as_somebody_new(world, owner_records, ada):
    """Leaving does not lift a block: the identity signs nobody in, and nothing else of them is kept."""
    audit = {"id": "act", "action": "block", "actor": "boss", "reason": "spam", "value": True}
    world.accounts.change(ada.owner, "blocked", True, audit=audit, now=world.clock)
    blocked = world.accounts.get(ada.owner)
    owner_records.mark_deleted(blocked, now=world.clock)
    owner_records.purge(ada.owner, now=world.clock)
    with pytest.raises(OwnerBlocked):
        world.accounts.sign_in(ADA, new_user=world.new_name(), role="user", now=world.clock)
    assert world.accounts.by_email("ada@example.com") == []
