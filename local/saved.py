"""What is kept of a local stack between two runs: generations, each complete or not there at all.

A generation is a folder ``generations/<number>`` with records, descriptions of objects, secrets and the account at the
Stripe stand-in. It is written under another name and renamed when all of it is on the disk; its manifest holds the
hash of each file, so that a damaged one is noticed and the one before it is used. Bytes of objects never change and
lie once in ``objects``, whichever generations they belong to.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.processes import LocalError
from local.snapshot import OBJECTS, rows

FORMAT = 1
GENERATIONS_KEPT = 3
MANIFEST = "manifest.json"
LOCK = "lock"
MARK = "running"
"""The file that is there while a run has something to lose; its time is that of the last moment that is saved."""


@dataclass(frozen=True)
class Generation:
    """A complete generation: its folder, and when it was begun in seconds since the epoch."""

    folder: Path
    at: float

    @property
    def number(self) -> int:
        """Its number; the next one has the next number."""
        return int(self.folder.name)

    def read(self, name: str) -> Any:
        """Return a JSON document of this generation, None if it has none of that name."""
        path = self.folder / name
        return json.loads(path.read_text()) if path.exists() else None

    def objects(self) -> set[str]:
        """Return the names of the files in ``objects`` that belong to this generation."""
        return {about["file"] for *_, about in rows(self.folder / OBJECTS)}


class Saved:
    """The folder of a local stack: its lock, its generations, and the mark of a run that has not ended.

    ``lines`` are for the developer: what was found damaged, what was lost.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self.generations, self.objects = state / "generations", state / "objects"
        self.lines: list[str] = []
        self.ended_well = True
        self._mark = state / MARK
        self._last = 0

    def open(self, closing: ExitStack) -> Generation | None:
        """Take the folder for this run and return the newest complete generation, None if there is none.

        Raises:
            LocalError: another run has it.
        """
        self.generations.mkdir(parents=True, exist_ok=True)
        self.objects.mkdir(exist_ok=True)
        lock = closing.enter_context((self.state / LOCK).open("a+"))
        hold(lock, self.state)
        closing.callback(lock.truncate, 0)  # whoever finds it empty knows that this run ended by itself
        self.ended_well = not self._mark.exists()
        newest = self._newest()
        if not self.ended_well:
            clock = time.strftime("%H:%M:%S", time.localtime(self._mark.stat().st_mtime))
            self.lines.append(f"The last run did not end cleanly: what it did after {clock} is lost.")
            self._mark.unlink()
        self._set_older_version_aside()
        return newest

    def serving(self) -> None:
        """Note that from now on there is something to lose."""
        self._mark.touch()

    def begin(self) -> Path:
        """Return the empty folder of a generation that is not complete yet."""
        partial = self.generations / f"{self._last + 1:08}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        return partial

    def commit(self, partial: Path, documents: Mapping[str, object], *, at: float) -> Generation:
        """Add documents to a folder of `begin`, make it the newest generation, and delete what is too old."""
        for name, document in documents.items():
            write(partial / name, json.dumps(document))
        files = {
            path.name: {"bytes": path.stat().st_size, "sha256": hash_of(path)}
            for path in sorted(partial.iterdir())
        }
        write(partial / MANIFEST, json.dumps({"format": FORMAT, "at": at, "files": files}))
        sync_folder(self.objects)
        sync_folder(partial)
        final = partial.with_suffix("")
        partial.rename(final)
        sync_folder(self.generations)
        self._last += 1
        self.complete_at(at)
        self._forget_old()
        return Generation(final, at)

    def complete_at(self, at: float) -> None:
        """Note that everything up to this time is saved."""
        if self._mark.exists():
            os.utime(self._mark, (at, at))

    def close(self) -> None:
        """Note that this run ended with everything saved."""
        self._mark.unlink(missing_ok=True)

    def _newest(self) -> Generation | None:
        """Return the newest generation that is complete; damaged ones are set aside."""
        found = None
        for folder in sorted(self.generations.iterdir(), reverse=True):
            if folder.suffix == ".partial":  # its run died while writing it
                shutil.rmtree(folder)
            elif folder.name.isdigit():
                self._last = max(self._last, int(folder.name))
                try:
                    found = found or complete(folder)
                except LocalError as problem:
                    aside = folder.with_name(f"damaged-{folder.name}-{time.time_ns()}")
                    folder.rename(aside)
                    self.lines.append(f"{problem} It is kept as {aside} and the one before it is used.")
        if found is None and any(self.generations.glob("damaged-*")):
            self.lines.append("No complete state was found: accounts, jobs and pictures start anew.")
        if found and (missing := found.objects() - {path.name for path in self.objects.iterdir()}):
            self.lines.append(
                f"{len(missing)} saved pictures are missing in {self.objects}; the rest is there."
            )
        return found

    def _set_older_version_aside(self) -> None:
        """Keep, and say, that there is state of the first version of this program, which saved by other means."""
        older = self.state / "aws"
        if older.exists():
            aside = self.state / f"older-version-{time.time_ns()}"
            older.rename(aside)
            (self.state / "deployed").unlink(missing_ok=True)
            self.lines.append(
                f"The state of an older version cannot be read; it is kept as {aside}. Accounts start anew."
            )

    def _forget_old(self) -> None:
        """Delete all but the newest generations, and the objects that no generation has any more."""
        numbered = sorted(path for path in self.generations.iterdir() if path.name.isdigit())
        for folder in numbered[:-GENERATIONS_KEPT]:
            shutil.rmtree(folder, ignore_errors=True)
        kept: set[str] = set()
        for folder in numbered[-GENERATIONS_KEPT:]:
            kept |= Generation(folder, 0).objects()
        for path in self.objects.iterdir():
            if path.name not in kept:
                path.unlink(missing_ok=True)


def died(state: Path) -> bool:
    """Return whether the last run of a state's folder was killed, at any moment: what it started may be ending."""
    try:
        with (state / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return bool(lock.read())
    except OSError:  # there was no run, or it has not ended
        return False


def hold(lock: Any, state: Path) -> None:
    """Lock a state's folder until the open file is closed, by whatever end of this process.

    Raises:
        LocalError: another process has it.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        who = lock.read().strip() or "unknown"
        raise LocalError(
            f"The local stack is running already (process {who}, state {state}): stop it first, with Ctrl-C there."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def complete(folder: Path) -> Generation:
    """Return a generation after reading its files; pictures are not read.

    Raises:
        LocalError: something is missing, is not what was written, or was written by a newer version.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["format"] != FORMAT:
            raise LocalError(f"The saved state {folder.name} is of another version ({manifest['format']}).")
        for name, about in manifest["files"].items():
            if hash_of(folder / name) != about["sha256"]:
                raise LocalError(f"The saved state {folder.name} is damaged: {name} is not what was written.")
        return Generation(folder, float(manifest["at"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise LocalError(f"The saved state {folder.name} is damaged: {problem}.") from None


def write(path: Path, text: str) -> None:
    """Write a file that is on the disk when this returns."""
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reset(state: Path) -> int:
    """Delete all saved state, for `make reset`; return the exit code, 1 if a run has it."""
    try:
        with ExitStack() as closing:
            if state.exists():
                hold(closing.enter_context((state / LOCK).open("a+")), state)
                shutil.rmtree(state)
    except LocalError as problem:
        print(problem, file=sys.stderr)
        return 1
    print("Local state is empty.")
    return 0


if __name__ == "__main__":
    sys.exit(reset(Path(sys.argv[1])))
