"""Adapters are tested on moto."""

from __future__ import annotations

import pytest

from tests.support import aws
from tests.support.world import World


@pytest.fixture
def world(cloud: None) -> World:
    """Use cases on the module's table, emptied, and its bucket."""
    aws.empty_table()
    return World.in_aws()
