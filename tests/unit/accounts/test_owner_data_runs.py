"""A deleted account runs nothing any more, and neither does one that is opened in its place to run more."""

from contextlib import suppress
from dataclasses import replace

import pytest

from enhancer.accounts import owner_data
from enhancer.adapters.signin.base import Profile
from enhancer.billing import deletion
from enhancer.domain.errors import DailyQuotaExceeded, NotSignedIn

EVE = Profile("google", "1", "eve@example.com", "Eve")


def member(world):
    """Eve signs in: as a caller."""
    account = world.accounts.sign_in(EVE, new_user=world.new_name(), role="user", now=world.clock)
    return replace(world.caller("free"), owner=account.owner, account=account)


def erase(world, caller):
    """Eve deletes her account."""
    owner_data.erase(
        caller.account,
        deps=world.job_deps,
        owner_records=world.owner_records,
        end_payments=lambda account: deletion.end_payments(account, payments=world.cashier),
    )


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_request_that_comes_late_holds_nothing(world, kind):
    """It knew its caller before the deletion; what it would use could not be counted any more."""
    caller = member(world)
    world.grant(caller, 100)
    erase(world, caller)
    with pytest.raises(NotSignedIn):
        world.submit(caller, kind=kind)
    assert world.jobs.page(caller.owner, limit=1, after=None, statuses=())[0] == []


def test_deleting_and_opening_an_account_again_gives_no_further_picture(world):
    """Three a day is three a day for one identity, however many accounts it has in it."""
    done = 0
    for _ in range(4):
        caller = member(world)
        for _ in range(3):
            with suppress(DailyQuotaExceeded):
                world.finish(world.submit(caller))
                done += 1
        erase(world, caller)
    assert done == 3
