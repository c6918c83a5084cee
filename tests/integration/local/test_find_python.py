"""The search for an interpreter takes the newest that works, and says in one line when there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.build import ROOT

TOOLS = ("sh", "dirname", "env")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A PATH with the shell and no Python."""
    for tool in TOOLS:
        found = next(
            Path(part) / tool for part in os.defpath.split(os.pathsep) if (Path(part) / tool).exists()
        )
        (tmp_path / tool).symlink_to(found)
    return tmp_path


def find(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the search where only this folder is on PATH and nothing is under HOME."""
    environment = {"PATH": str(folder), "HOME": str(folder), **variables}
    script = str(ROOT / "local" / "find-python.sh")
    return subprocess.run(["/bin/sh", script], env=environment, capture_output=True, text=True, check=False)


def script(path: Path, content: str) -> None:
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{content}\n")
    path.chmod(0o755)


def test_a_shim_that_fails_is_passed_over(folder: Path) -> None:
    """A name on PATH proves nothing: it has to run."""
    script(folder / "python3.13", "echo 'python3.13: command not found' >&2; exit 127")
    script(folder / "python3", f'exec "{sys.executable}" "$@"')
    assert find(folder).stdout.strip() == sys.executable


def test_an_interpreter_of_pyenv_is_found_without_its_shim(folder: Path) -> None:
    """What pyenv installed counts even when PATH does not lead there."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    home = folder / ".pyenv" / "versions" / f"{version}.99" / "bin"
    home.mkdir(parents=True)
    script(home / f"python{version}", f'exec "{sys.executable}" "$@"')
    assert find(folder).stdout.strip() == sys.executable


def test_no_interpreter_is_one_clear_line(folder: Path) -> None:
    """The message says what is wanted."""
    done = find(folder)
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
    assert "3.13, 3.12 or 3.11" in done.stderr


def test_an_interpreter_that_was_asked_for_must_work(folder: Path) -> None:
    """PYTHON=… is not silently replaced by another one."""
    done = find(folder, PYTHON="/nonexistent/python3")
    assert done.returncode != 0
    assert "/nonexistent/python3" in done.stderr
    assert find(folder, PYTHON=sys.executable).stdout.strip() == sys.executable
