"""Closing a day: what expires, what was paid and never told, whether the books add up."""

from dataclasses import replace

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.domain.credits import expiry_of
from enhancer.domain.errors import StripeNotConfigured, StripeUnavailable
from enhancer.domain.periods import DAY_MS
from enhancer.operations import quota_reset


@pytest.fixture
def account(world):
    return world.person()


def close(world):
    return quota_reset.close(deps=world.billing_deps, notify=world.notify)


def caller_of(world, account):
    return replace(world.caller("free"), owner=account.owner)


def balance(world, account):
    return world.balance(caller_of(world, account))


def test_a_paid_pack_that_nobody_told_is_granted_and_reported_once(world, account):
    """The webhook was lost for good."""
    checkout = world.bought(account)
    world.bought(account, later=True)
    assert close(world).found == [checkout.id]
    assert close(world).found == []
    assert balance(world, account).purchased == 5000
    assert world.told()[0] == "nothing"


def test_a_subscription_that_nobody_told_is_followed(world, account):
    """The plan comes with the next closing."""
    world.subscribed(account)
    assert close(world).followed == 1
    assert world.again(account).plan_at(world.clock) == "pro"
    assert close(world).followed == 0


def test_money_that_went_back_and_nobody_told_is_taken_back(world, account):
    """Refunds and disputes are asked for, too."""
    charge = f"ch_{world.bought(account).payment_intent}"
    close(world)
    world.cashier.refund(charge)
    assert close(world).heard == 1
    assert balance(world, account).clawed_back == 5000
    assert close(world).heard == 0


def test_what_cannot_be_right_is_parked_and_the_rest_is_done(world, account):
    """One wrong amount stops nobody else's credits."""
    wrong, right = world.bought(account), world.bought(account, 100)
    world.cashier.sessions[wrong.id] = replace(wrong, amount=1)
    closed = close(world)
    assert (closed.found, closed.parked) == ([right.id], 1)
    assert world.parked == [("amount_mismatch", wrong.id)]


@pytest.mark.parametrize(("problem", "broken"), [(StripeNotConfigured(), 0), (StripeUnavailable(), 1)])
def test_without_the_cashier_everything_else_is_closed(world, account, problem, broken):
    """Credits expire, ledgers are added up."""
    world.bought(account)
    world.told()
    world.cashier.problem = problem
    world.clock = expiry_of(world.clock)
    closed = close(world)
    assert (closed.expired, closed.broken, closed.checked) == (500, broken, 1)


def test_credits_expire_six_months_and_fourteen_days_later(world, account):
    """To the millisecond, and once."""
    world.bought(account)
    world.told()
    end = expiry_of(world.clock)
    world.clock = end - 1
    assert close(world).expired == 0
    world.clock = end
    assert close(world).expired == 500
    assert close(world).expired == 0
    found = balance(world, account)
    assert (found.available, found.expired) == (0, 5000)


def test_only_what_was_not_spent_of_the_oldest_lot_expires(world, account):
    """Oldest first: 700 spent of 1000 + 5000 leaves 300 to expire."""
    world.bought(account, 100)
    first = expiry_of(world.clock)
    world.told()
    world.clock += DAY_MS
    world.bought(account, 500)
    world.told()
    caller = caller_of(world, account)
    world.settle(world.hold(world.job(caller, [(0, 700)]), plan="free"))
    world.clock = first
    assert close(world).expired == 30
    assert balance(world, account).available == 5000


def test_held_credits_expire_when_they_come_back(world, account):
    """A hold is not taken away; what it gives back is past its time."""
    world.bought(account, 100)
    world.told()
    caller = caller_of(world, account)
    job = world.hold(world.job(caller, [(0, 400)]), plan="free")
    world.clock = expiry_of(world.clock)
    assert close(world).expired == 60
    world.release(job)
    assert close(world).expired == 40
    assert balance(world, account).expired == 1000
    assert (
        world.table.get(keys.lot(account.owner, next(iter(world.ledger.lots(account.owner))).source)).get(
            "gsi1pk"
        )
        is None
    )


def test_more_lots_than_a_transaction_holds_leave_the_index_over_some_days(world, account):
    """A hundred and one gifts expire at once, and are not looked at for ever."""
    caller = caller_of(world, account)
    for number in range(101):
        world.grant(caller, 10, source=f"gift#{number}")
    world.clock = expiry_of(world.clock)
    assert (close(world).expired, close(world).expired) == (101, 0)
    assert world.ledger.due(before=world.clock + 1) == []
    assert balance(world, account).available == 0


def test_a_pack_taken_back_does_not_let_another_expire(world, account):
    """The new pack was refunded: the old one's credits are all that is there, and they expire."""
    world.bought(account, 100)
    first = expiry_of(world.clock)
    world.clock += DAY_MS
    charge = f"ch_{world.bought(account, 500).payment_intent}"
    world.cashier.refund(charge)
    world.told()
    world.clock = first
    assert close(world).expired == 100
    assert balance(world, account).available == 0


def test_an_owner_is_warned_once_of_what_expires_soon(world, account):
    """Two weeks before, with what is left."""
    world.bought(account, 100)
    end = expiry_of(world.clock)
    world.told()
    caller = caller_of(world, account)
    world.settle(world.hold(world.job(caller, [(0, 250)]), plan="free"))
    world.clock = end - 15 * DAY_MS
    assert close(world).warned == 0
    world.clock = end - 14 * DAY_MS + 1
    assert (close(world).warned, close(world).warned) == (1, 0)
    assert [one for one in world.notices if one[0] == "credits_expiring"] == [
        ("credits_expiring", account.owner, {"credits": 75.0, "expiresAt": end})
    ]


def test_debt_is_paid_with_what_has_become_available(world, account):
    """A hold that was given back pays for what could not be taken before."""
    charge = f"ch_{world.bought(account, 100).payment_intent}"
    world.told()
    caller = caller_of(world, account)
    job = world.hold(world.job(caller, [(0, 400)]), plan="free")
    world.cashier.refund(charge)
    world.told()
    assert balance(world, account).debt == 400
    world.release(job)
    assert close(world).paid_off == 40
    found = balance(world, account)
    assert (found.available, found.debt) == (0, 0)


@pytest.mark.parametrize("name", ["available", "spent", "purchased", "debt"])
def test_a_difference_of_a_tenth_is_found_and_named(world, account, name):
    """In the totals against each other, or against the entries."""
    world.bought(account)
    world.told()
    assert close(world).differences == {}
    world.table.update(
        keys.account(account.owner),
        f"SET {name} = if_not_exists({name}, :zero) + :one",
        values={":zero": 0, ":one": 1},
    )
    assert list(close(world).differences) == [account.owner.id]


def test_what_is_wrong_with_one_owner_keeps_nobody_else_from_being_closed(world, account, monkeypatch):
    """It is counted and logged; the next closing tries again."""
    other = world.person()
    real = quota_reset.audited

    def broken(owner, deps):
        if owner == account.owner:
            raise RuntimeError
        return real(owner, deps)

    monkeypatch.setattr(quota_reset, "audited", broken)
    closed = close(world)
    assert (closed.broken, closed.checked) == (1, 1)
    assert other.owner.id not in closed.differences


def test_books_that_never_stand_still_are_not_called_right(world, account, monkeypatch):
    """Nobody could add them up: that is counted, and tried again the next day."""
    real = world.ledger.entries

    def entries(owner):
        world.grant(caller_of(world, account), 10)
        return real(owner)

    monkeypatch.setattr(world.ledger, "entries", entries)
    closed = close(world)
    assert (closed.broken, closed.checked, closed.differences) == (1, 0, {})


def test_guests_and_deleted_owners_are_checked_too(world):
    """Whoever has totals."""
    guest = world.caller("guest")
    world.grant(guest, 50)
    assert close(world).checked == 1
    world.table.update(keys.account(guest.owner), "SET available = :one", values={":one": 1})
    assert list(close(world).differences) == [guest.owner.id]


# ------------------------------------------------------------------------------------------ closings


def closings(world, first, last):
    return world.books.closings(first, last)


def test_days_that_were_missed_are_closed_each_by_the_times_of_its_entries(world, account):
    """Bought on the twentieth, spent on the twenty-first, closed on the twenty-third; the same when closed in time."""
    world.bought(account)
    world.told()
    assert close(world).closed == ["2026-11-19"]
    world.clock += DAY_MS
    caller = caller_of(world, account)
    world.settle(world.hold(world.job(caller, [(0, 700)]), plan="free"))
    world.clock += 2 * DAY_MS
    assert close(world).closed == ["2026-11-20", "2026-11-21", "2026-11-22"]
    found = closings(world, "2026-11-19", "2026-11-22")
    assert [one.worth.get("usd", {}).get("closed", 0) for one in found.values()] == [0, 4000, 3440, 3440]
    assert found["2026-11-20"].entries["purchase"]["free"]["credits"] == 5000
    assert found["2026-11-21"].entries["settle"]["guest"]["credits"] == 700
    assert (found["2026-11-21"].used_by_plan, found["2026-11-22"].entries) == ({"usd": {"free": 560}}, {})
    assert close(world).closed == []


def test_a_run_that_dies_closes_no_day_and_the_next_one_closes_it_whole(world, account, monkeypatch):
    """Nothing is stored before every ledger was read."""
    world.bought(account)
    world.told()
    world.person()
    world.clock += DAY_MS
    real, read = world.ledger.entries, []

    def dying(owner):
        read.append(owner)
        if len(read) == 2:
            raise KeyboardInterrupt
        return real(owner)

    with monkeypatch.context() as broken:
        broken.setattr(world.ledger, "entries", dying)
        with pytest.raises(KeyboardInterrupt):
            close(world)
    assert closings(world, "2026-11-19", "2026-11-20") == {}
    assert close(world).closed == ["2026-11-20"]
    assert closings(world, "2026-11-20", "2026-11-20")["2026-11-20"].balance["bought"] == 5000


def test_a_closing_without_an_owner_says_so_and_is_made_again(world, account, monkeypatch):
    """A complete one is never replaced."""
    world.bought(account)
    world.told()
    world.clock += DAY_MS
    real = quota_reset.audited

    def broken(owner, deps):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(quota_reset, "audited", broken)
        assert close(world).closed == ["2026-11-20"]
    found = closings(world, "2026-11-20", "2026-11-20")["2026-11-20"]
    assert (found.missing, found.is_complete) == (1, False)
    assert quota_reset.audited is real
    assert close(world).closed == ["2026-11-20"]
    assert closings(world, "2026-11-20", "2026-11-20")["2026-11-20"].is_complete
    again = quota_reset.close(deps=world.billing_deps, notify=world.notify, days=["2026-11-20"])
    assert again.closed == []


def test_a_day_long_past_is_closed_by_hand(world, account):
    """No daily run looks back that far."""
    world.bought(account)
    world.told()
    world.clock += 90 * DAY_MS
    assert close(world).closed == ["2027-02-17"]
    asked = ["2026-11-19", "2026-11-20"]
    done = quota_reset.close(deps=world.billing_deps, notify=world.notify, days=asked)
    assert done.closed == asked
    found = closings(world, "2026-11-19", "2026-11-20")
    assert [one.balance.get("bought", 0) for one in found.values()] == [0, 5000]


def test_the_closing_of_a_deleted_owner_stays_whole_and_invited_ones_are_counted_apart(world, account):
    """The ledger outlives the account; its credits are still counted."""
    world.bought(account)
    world.told()
    caller = caller_of(world, account)
    world.settle(world.hold(world.job(caller, [(0, 10)]), plan="free"))
    world.clock += DAY_MS
    invited = frozenset({"a@example.com"})
    quota_reset.close(deps=world.billing_deps, notify=world.notify, invited=invited)
    assert closings(world, "2026-11-20", "2026-11-20")["2026-11-20"].active == {"C0": 1}
    world.owner_records.mark_deleted(world.again(account), now=world.clock)
    world.owner_records.purge(account.owner, now=world.clock)
    world.clock += DAY_MS
    close(world)
    found = closings(world, "2026-11-21", "2026-11-21")["2026-11-21"]
    assert (found.balance["available"], found.worth["usd"]["closed"]) == (4990, 3992)
