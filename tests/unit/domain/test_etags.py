"""If-None-Match against an ETag, as RFC 9110, section 13.1.2 has it."""

import pytest

from enhancer.domain.etags import matches


@pytest.mark.parametrize(
    "header", ['"a"', 'W/"a"', '"b", "a"', '"b","a","c"', ' "a" ', '"b", W/"a"', "*", " * ", '"x,y", "a"']
)
def test_a_header_that_names_the_etag_matches(header):
    """Alone or in a list, strong or weak, with any spaces; a star names whatever there is."""
    assert matches(header, '"a"')


@pytest.mark.parametrize(
    "header",
    [None, "", " ", '"b"', "a", 'W/"b"', '"A"', '"aa", "b"', '"*"', '"b", *', 'w/"b"', '"a', '"b,"a",c"'],
)
def test_a_header_that_names_another_etag_or_none_does_not_match(header):
    """Tags are compared whole and with their quotes; a star counts only alone."""
    assert not matches(header, '"a"')


def test_a_weak_etag_of_ours_matches_its_strong_form():
    """The comparison is weak on both sides."""
    assert matches('"a"', 'W/"a"')
    assert matches('W/"a"', 'W/"a"')
