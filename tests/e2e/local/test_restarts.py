"""The local stack starts again, whatever stopped it; `make restarts` plays many more rounds of the same."""

from pathlib import Path

from tests.e2e.restarts import Stop, Torture

STOPS = (
    Stop("working", "KILL", group=True),
    Stop("starting", "KILL", group=False),
    Stop("saving", "KILL", group=False),
    Stop("stopping", "INT", group=False),
)


def test_nothing_that_was_promised_is_lost(tmp_path: Path) -> None:
    """Accounts, pictures, jobs and credits are there after every stop, but for the last 5 s before a kill."""
    torture = Torture(tmp_path / "state", work_s=(4.0, 7.0))
    rounds = [torture.play(stop) for stop in STOPS]
    torture.finish()
    assert sum(one.given for one in rounds) > 0
