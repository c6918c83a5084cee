"""What is kept on the disk between two runs: complete generations, and no surprise from anything else that lies there.

Run without a stack.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local import deployment
from local.build import ROOT
from local.processes import LocalError
from local.saved import FORMAT, GENERATIONS_KEPT, Generation, Saved, died
from local.snapshot import CONTENT, OBJECTS, content, write_all

Open = Callable[[], tuple[Saved, Generation | None]]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open the same folder again and again, as run after run does."""
    with ExitStack() as last:

        def again() -> tuple[Saved, Generation | None]:
            last.close()
            saved = Saved(tmp_path)
            return saved, saved.open(last)

        yield again


def save(saved: Saved, text: str, *, pictures: tuple[str, ...] = (), at: float = 1000.0) -> Generation:
    """One generation with a document and pictures."""
    partial = saved.begin()
    for name in pictures:
        (saved.objects / name).write_bytes(name.encode())
    described = [("Bucket", f"key of {name}", {"file": name}) for name in pictures]
    write_all(partial, {OBJECTS: described}, [])
    return saved.commit(partial, {"text.json": text}, at=at)


def test_the_newest_complete_generation_is_used(opened: Open) -> None:
    """One whose writing was cut short is as if it had never been begun."""
    saved, newest = opened()
    assert newest is None
    save(saved, "first")
    save(saved, "second")
    (saved.begin() / "text.json").write_text('"half')
    saved, newest = opened()
    assert newest
    assert newest.read("text.json") == "second"
    assert not list(saved.generations.glob("*.partial"))
    assert saved.lines == []


@pytest.mark.parametrize("damage", ["cut", "emptied", "gone", "manifest cut", "manifest gone", "newer"])
def test_a_damaged_generation_is_set_aside_for_the_one_before(opened: Open, damage: str) -> None:
    """One line says which, why, and where it is kept."""
    saved, _ = opened()
    save(saved, "first")
    folder = save(saved, "second " * 100).folder
    text, manifest = folder / "text.json", folder / "manifest.json"
    if damage == "cut":
        text.write_text(text.read_text()[:50])
    elif damage == "emptied":
        text.write_text("")
    elif damage == "gone":
        text.unlink()
    elif damage == "manifest cut":
        manifest.write_text(manifest.read_text()[:30])
    elif damage == "manifest gone":
        manifest.unlink()
    else:
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": FORMAT + 1}))
    saved, newest = opened()
    assert newest
    assert newest.read("text.json") == "first"
    assert len(saved.lines) == 1
    assert folder.name in saved.lines[0]
    assert list(saved.generations.glob("damaged-*"))
    save(saved, "third")
    _, newest = opened()
    assert newest
    assert newest.read("text.json") == "third"


def test_nothing_but_damage_starts_anew_and_says_so(opened: Open) -> None:
    """The damaged generation is kept for whoever wants to look."""
    saved, _ = opened()
    (save(saved, "only").folder / "text.json").unlink()
    saved, newest = opened()
    assert newest is None
    assert any("anew" in line for line in saved.lines)


def test_a_missing_picture_costs_no_account(opened: Open) -> None:
    """The rest of the generation is used, and a line says how many are missing."""
    saved, _ = opened()
    save(saved, "kept", pictures=("a", "b"))
    (saved.objects / "a").unlink()
    saved, newest = opened()
    assert newest
    assert newest.read("text.json") == "kept"
    assert any(line.startswith("1 saved pictures") for line in saved.lines)


def test_pictures_live_as_long_as_a_kept_generation_has_them(opened: Open) -> None:
    """Old generations go, and with the last of them what they alone had."""
    saved, _ = opened()
    save(saved, "first", pictures=("old", "always"))
    for number in range(GENERATIONS_KEPT - 1):
        save(saved, str(number), pictures=("always",))
    assert {path.name for path in saved.objects.iterdir()} == {"old", "always"}
    save(saved, "one more", pictures=("always",))
    assert {path.name for path in saved.objects.iterdir()} == {"always"}
    assert len(list(saved.generations.iterdir())) == GENERATIONS_KEPT


def test_a_run_that_was_killed_is_told_with_the_time_of_the_last_save(opened: Open) -> None:
    """Once; and not after a start that never came to serve."""
    saved, _ = opened()
    saved.serving()
    save(saved, "kept", at=0.0)
    saved, _ = opened()
    assert not saved.ended_well
    assert len(saved.lines) == 1
    saved, _ = opened()
    assert saved.ended_well
    assert saved.lines == []


def test_a_run_that_was_killed_at_any_moment_is_known(tmp_path: Path) -> None:
    """Also while it was starting: its processes may still hold their ports for a moment."""
    assert not died(tmp_path)
    with ExitStack() as closing:
        Saved(tmp_path).open(closing)
        assert not died(tmp_path)
    assert not died(tmp_path)
    script = (
        "import os, sys; from contextlib import ExitStack; from pathlib import Path\n"
        "from local.saved import Saved\n"
        "Saved(Path(sys.argv[1])).open(ExitStack()); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=False)
    assert died(tmp_path)


def test_state_of_the_first_version_is_kept_aside(opened: Open, tmp_path: Path) -> None:
    """It cannot be read; nothing is deleted, and the start goes on."""
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws/dynamodb.json").write_text("{}")
    saved, newest = opened()
    assert newest is None
    assert "older version" in saved.lines[0]
    assert list(tmp_path.glob("older-version-*/dynamodb.json"))


def test_two_runs_of_one_folder_are_refused(opened: Open, tmp_path: Path) -> None:
    """The line names the process that has it; `make reset` is refused as well."""
    opened()
    with pytest.raises(LocalError, match=f"running already.*{os.getpid()}"), ExitStack() as closing:
        Saved(tmp_path).open(closing)
    command = [sys.executable, "-m", "local.saved", str(tmp_path)]
    reset = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert reset.returncode == 1
    assert "stop it first" in reset.stderr
    assert (tmp_path / "generations").exists()


@pytest.mark.parametrize("damage", ["whole", "cut", "gone", "more", "nothing said"])
def test_a_deployment_is_whole_with_every_byte_that_was_written(tmp_path: Path, damage: str) -> None:
    """Any other is deployed anew: it would start, and fail at the first call."""
    service = tmp_path / "lambda.json"
    service.write_text("{}")
    (tmp_path / CONTENT).write_text(json.dumps(content(tmp_path)))
    if damage == "cut":
        service.write_text("{")
    elif damage == "gone":
        service.unlink()
    elif damage == "more":
        (tmp_path / "s3.json").write_text("{}")
    elif damage == "nothing said":
        (tmp_path / CONTENT).unlink()
    assert deployment.whole(tmp_path) is (damage == "whole")
