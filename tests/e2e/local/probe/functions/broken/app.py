"""Fails while being imported, as a function with a missing library does."""

import a_library_that_is_in_no_layer


def lambda_handler(event: dict, _context: object) -> object:
    """Is never reached."""
    return a_library_that_is_in_no_layer.answer(event)
