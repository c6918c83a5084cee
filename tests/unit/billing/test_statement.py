"""The statement: every movement, page by page, with the balance after it."""

from dataclasses import replace

import pytest

from enhancer.billing import statement
from enhancer.domain.errors import InvalidFields


@pytest.fixture
def account(world):
    return world.person()


def test_every_movement_is_on_the_statement_with_its_running_balance(world, account):
    """Page by page: the balances lead from what is available down to nothing."""
    world.bought(account, 100)
    world.told()
    for number in range(3):
        world.grant(replace(world.caller("free"), owner=account.owner), 100, source=f"s{number}")
        world.clock += 1000
    caller = replace(world.caller("free"), owner=account.owner)
    world.settle(world.hold(world.job(caller, [(0, 70)]), plan="free"))
    world.release(world.hold(world.job(caller, [(0, 50)]), plan="free"))
    rows, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = statement.statement(
            account.owner, limit=3, cursor=cursor, now=world.clock, ledger=world.ledger
        )
        rows, cursor, pages = [*rows, *page.rows], page.cursor, pages + 1
    assert pages == 3
    assert [row.entry.kind for row in rows] == [
        "release",
        "hold",
        "settle",
        "hold",
        "grant",
        "grant",
        "grant",
        "purchase",
    ]
    assert [row.balance for row in rows] == [1230, 1180, 1230, 1230, 1300, 1200, 1100, 1000]
    assert rows[-1].balance - rows[-1].entry.change == 0


@pytest.mark.parametrize("cursor", ["x", "~", "ent~", "ent~x", "~5", "ent~--5"])
def test_a_bad_cursor_is_refused(world, account, cursor):
    """By name."""
    with pytest.raises(InvalidFields):
        statement.statement(account.owner, limit=3, cursor=cursor, now=world.clock, ledger=world.ledger)
