"""Who is calling: signed guests, sessions, networks; whatever is forged is a fresh guest."""

import string

import pytest

from enhancer.accounts.caller import guest_cookie_for, guest_of, identify, network_of
from enhancer.adapters.signing import Signer
from enhancer.domain.owners import Owner

KEY, OLD, FOREIGN = b"k" * 40, b"o" * 40, b"f" * 40
GUEST = Owner("guest", "0123456789abcdefghjkmnpqrs")
COOKIE = guest_cookie_for(GUEST, Signer([KEY]))


def identified(world, *, cookie=None, session=None, ip="192.0.2.1", keys=(KEY,)):
    return identify(
        guest_cookie=cookie, session_token=session, source_ip=ip, signer=Signer(keys), network_key=keys[0],
        accounts=world.accounts, new_name=world.new_name, now=world.clock,
    )  # fmt: skip


def test_a_cookie_we_signed_is_its_guest(world):
    """The same browser is the same owner, and gets no new cookie."""
    caller = identified(world, cookie=COOKIE)
    assert (caller.owner, caller.plan.name, caller.is_guest) == (GUEST, "guest", True)
    assert caller.new_guest_cookie is None


def test_a_browser_without_a_cookie_is_a_fresh_guest_with_one(world):
    """The new cookie is signed and stands for the new owner."""
    caller = identified(world)
    assert caller.is_guest
    assert guest_of(caller.new_guest_cookie, Signer([KEY])) == caller.owner
    assert identified(world).owner != caller.owner


def test_a_flipped_character_anywhere_makes_a_fresh_guest():
    """No position of the cookie may change, in any way that its alphabet allows."""
    for place, original in enumerate(COOKIE):
        for other in {*string.ascii_letters, *string.digits, "-", "_", ".", "\u00e4"} - {original}:
            assert guest_of(COOKIE[:place] + other + COOKIE[place + 1 :], Signer([KEY])) is None


def test_a_cut_at_any_length_makes_a_fresh_guest():
    """No part of the cookie is enough, from either end."""
    for length in range(len(COOKIE)):
        assert guest_of(COOKIE[:length], Signer([KEY])) is None
        assert guest_of(COOKIE[length + 1 :], Signer([KEY])) is None


@pytest.mark.parametrize(
    "forged",
    [
        None, "", ".", "..", GUEST.id, f"{GUEST.id}.", f".{COOKIE.partition('.')[2]}", COOKIE + "=", COOKIE + ".",
        COOKIE + " ", f"{COOKIE}.x", COOKIE.upper(), guest_cookie_for(GUEST, Signer([FOREIGN])),
        guest_cookie_for(GUEST, Signer([b""])), "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ],
)  # fmt: skip
def test_a_forged_cookie_is_nobody(forged):
    """An unsigned, foreign-signed or decorated value never stands for a guest."""
    assert guest_of(forged, Signer([KEY])) is None


def test_a_forged_cookie_is_replaced(world):
    """The forger becomes somebody new and gets a cookie for that."""
    caller = identified(world, cookie=f"{GUEST.id}.AAAA")
    assert caller.owner != GUEST
    assert guest_of(caller.new_guest_cookie, Signer([KEY])) == caller.owner


def test_a_cookie_of_the_key_before_still_holds(world):
    """A rotation logs nobody out; new cookies are signed with the new key."""
    cookie = guest_cookie_for(GUEST, Signer([OLD]))
    assert identified(world, cookie=cookie, keys=(KEY, OLD)).owner == GUEST
    assert identified(world, cookie=cookie, keys=(KEY,)).owner != GUEST
    fresh = identified(world, keys=(KEY, OLD))
    assert guest_of(fresh.new_guest_cookie, Signer([KEY])) == fresh.owner


def test_a_signature_for_a_network_is_none_for_a_guest():
    """Each purpose has its own signatures, although the key is the same."""
    prefix = "2001:db8:1:2::/64"
    network = network_of("2001:db8:1:2::1", KEY)
    assert guest_of(f"{prefix}.{network}", Signer([KEY])) is None
    assert guest_cookie_for(Owner("guest", prefix), Signer([KEY])) != f"{prefix}.{network}"


def signed_in(world, plan="pro", role="user"):
    owner, token = Owner("user", world.new_name()), world.new_name()
    world.accounts.open(owner, plan=plan, role=role, email=None, now=world.clock)
    world.accounts.start_session(owner, token, now=world.clock)
    return owner, token


def test_a_session_is_its_user_with_plan_and_role(world):
    """The account decides, not the cookie."""
    owner, token = signed_in(world, plan="team", role="admin")
    caller = identified(world, session=token)
    assert (caller.owner, caller.plan.name, caller.role, caller.is_guest) == (owner, "team", "admin", False)
    assert (caller.guest, caller.new_guest_cookie) == (None, None)


@pytest.mark.parametrize("session", ["", "unknown"])
def test_an_unknown_session_is_a_guest(world, session):
    """Without a valid session there is no account."""
    assert identified(world, session=session, cookie=COOKIE).owner == GUEST


def test_an_expired_session_is_a_guest(world):
    """Thirty days later the browser is a guest again."""
    _, token = signed_in(world)
    world.clock += 30 * 86_400_000
    assert identified(world, session=token).is_guest


def test_a_signed_in_browser_keeps_what_it_made_as_guest(world):
    """Both identities own; nobody else's does."""
    owner, token = signed_in(world)
    caller = identified(world, session=token, cookie=COOKIE)
    assert caller.owns("user", owner.id)
    assert caller.owns("guest", GUEST.id)
    assert not caller.owns("user", GUEST.id)
    assert not caller.owns("guest", owner.id)
    assert not caller.owns("user", owner.id + "x")


def test_users_are_limited_by_account_and_guests_by_network(world):
    """A new cookie is no new budget for a guest; a new address none for a user."""
    owner, token = signed_in(world)
    assert identified(world, session=token, ip="192.0.2.1").rate_subject == owner
    assert identified(world, session=token, ip="198.51.100.7").rate_subject == owner
    first, second = identified(world), identified(world)
    assert first.rate_subject == second.rate_subject == first.network
    assert identified(world, ip="192.0.2.2").rate_subject != first.rate_subject


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True), ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:ffff::1", True), ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True), ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
    ],
)  # fmt: skip
def test_a_network_is_one_address_or_a_slash_64(one, other, same):
    """An IPv6 household is one network; a mapped IPv4 address is that address."""
    assert (network_of(one, KEY) == network_of(other, KEY)) is same


def test_a_network_cannot_be_read_back_or_compared_across_keys():
    """What is stored is a keyed hash: no address, and another key gives another hash."""
    hashed = network_of("192.0.2.1", KEY)
    assert "192" not in hashed
    assert hashed != network_of("192.0.2.1", FOREIGN)
    assert len(hashed) == 43


def test_a_signed_in_browser_has_two_owners_and_a_guest_one(world):
    """What is looked up for a caller is looked up as each of them, and never twice."""
    owner, token = signed_in(world)
    assert identified(world, session=token, cookie=COOKIE).owners == (owner, GUEST)
    assert identified(world, session=token).owners == (owner,)
    assert identified(world, cookie=COOKIE).owners == (GUEST,)
