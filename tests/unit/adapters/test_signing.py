"""Signed texts: they verify under every key of a rotation, for one purpose, as they were written."""

import string

import pytest

from enhancer.adapters.signing import Signer

NEW, OLD = b"n" * 40, b"o" * 40
ALPHABET = string.ascii_letters + string.digits + "-_"


def test_a_signed_text_is_its_value_and_43_characters():
    """Safe in cookies and paths."""
    value, _, signature = Signer([NEW]).sign("guest", "a.b.c").rpartition(".")
    assert (value, len(signature), set(signature) <= set(ALPHABET)) == ("a.b.c", 43, True)


def test_the_newest_key_signs_and_every_key_verifies():
    """A rotation takes nothing back; without the old key its signatures are worth nothing."""
    old = Signer([OLD]).sign("guest", "g")
    assert Signer([NEW, OLD]).verified("guest", old) == "g"
    assert Signer([NEW]).verified("guest", old) is None
    assert Signer([NEW, OLD]).sign("guest", "g") == Signer([NEW]).sign("guest", "g") != old


def test_a_signature_for_one_purpose_is_none_for_another():
    """A call-back's path is no cookie."""
    assert Signer([NEW]).verified("callback", Signer([NEW]).sign("guest", "g")) is None


def test_the_last_character_has_one_spelling():
    """43 characters have room for two bits more than SHA-256: four texts mean the same, one of them verifies."""
    signed = Signer([NEW]).sign("guest", "g")
    assert [last for last in ALPHABET if Signer([NEW]).verified("guest", signed[:-1] + last)] == [signed[-1]]


@pytest.mark.parametrize("text", ["", ".", "g", "g.", ".g", "g.ü", "\ud83d.x", "g.\n", "\N{GRINNING FACE}"])
def test_what_we_never_signed_is_none(text):
    """No input is an error."""
    assert Signer([NEW]).verified("guest", text) is None
