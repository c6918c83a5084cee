"""A small stack of its own for the emulator's corrections and the front door."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack import LocalStack

PROBE = Path(__file__).parent / "probe" / "template.yaml"


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The probe stack, deployed on free ports."""
    state = tmp_path_factory.mktemp("probe-state")
    with LocalStack(port=0, emulator_port=0, state=state, template=PROBE) as stack:
        yield stack
