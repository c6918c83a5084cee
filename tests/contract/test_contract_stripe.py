"""What we rely on at Stripe: the assertions of ``tests/integration/test_stripe_contract.py``, for Stripe too."""

import os

import pytest

from tests.integration.test_stripe_contract import *  # noqa: F403 - its tests are collected here
from tests.support.tills import InTestMode, OverSockets


@pytest.fixture(scope="session")
def test_mode():
    """Stripe in test mode; its prices are made once."""
    return InTestMode(os.environ["STRIPE_SECRET"])


@pytest.fixture
def till(stripe_service, request):
    """Who is asked."""
    if stripe_service == "real":
        return request.getfixturevalue("test_mode")
    return OverSockets(request.getfixturevalue("stand_in"))
