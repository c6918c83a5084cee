"""Cookies in and out: read leniently, written strictly."""

import pytest

from enhancer.api.http import cookies
from tests.support.cookies import parsed


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([], {}),
        (["a=1"], {"a": "1"}),
        (["a=1; b=2"], {"a": "1", "b": "2"}),
        (["a=1;b=2 ;  c=3"], {"a": "1", "b": "2", "c": "3"}),
        (["a=1", "b=2"], {"a": "1", "b": "2"}),
        (["a=1", "a=2"], {"a": "1"}),
        (['a="quoted"'], {"a": "quoted"}),
        (["a=x%3Dy%20z"], {"a": "x=y z"}),
        (["a=x=y=="], {"a": "x=y=="}),
        (["a="], {"a": ""}),
        (["novalue", "=noname", ";;;", ""], {}),
        (["odd[1]@x={json:1}; good=2"], {"odd[1]@x": "{json:1}", "good": "2"}),
        (["a=\u00e4; b=2"], {"a": "\u00e4", "b": "2"}),
    ],
)
def test_every_odd_header_still_gives_its_good_cookies(parts, found):
    """One strange cookie never costs the others; the first of a name wins."""
    assert cookies.parse(parts) == found


@pytest.mark.parametrize(
    ("secure", "http_only", "flags"),
    [
        (True, True, "; HttpOnly; Secure"),
        (True, False, "; Secure"),
        (False, True, "; HttpOnly"),
        (False, False, ""),
    ],
)
def test_a_cookie_is_lax_for_the_whole_site_with_its_flags(secure, http_only, flags):
    """Exactly what browsers need and nothing looser."""
    cookie = cookies.cookie("guest_id", "v", seconds=60, secure=secure, http_only=http_only)
    wanted = f"guest_id=v; Path=/; Max-Age=60; SameSite=Lax{flags}"
    assert parsed(str(cookie)) == parsed(wanted)


@pytest.mark.parametrize(("secure", "name"), [(True, "__Host-session"), (False, "session_id")])
def test_the_session_cookie_is_bound_to_its_host_where_it_can_be(secure, name):
    """The prefix needs https; a laptop has none."""
    assert cookies.session_name(secure=secure) == name


def test_a_session_lasts_thirty_days_and_is_out_of_reach_of_scripts():
    """HttpOnly, always."""
    cookie = str(cookies.session("__Host-session", "token", secure=True))
    flags = ["HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Lax", "Secure"]
    assert parsed(cookie) == ("__Host-session", "token", flags)


def test_a_cookie_is_removed_by_one_that_is_over():
    """Empty, and gone at once."""
    flags = ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax"]
    assert parsed(str(cookies.gone("session_id", secure=False))) == ("session_id", "", flags)


def test_a_guest_lasts_180_days():
    """As promised."""
    assert cookies.GUEST_SECONDS == 180 * 24 * 3600
