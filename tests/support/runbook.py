"""The runbook's commands: blocks of shell under their headings, each with a mark that says whether a test types it.

``<!-- run -->`` stands before a block that runs anywhere, ``<!-- not run: reason -->`` before one that does not run
here. A line ``# → text`` in a block is what the commands above it answer, among other things.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.template import ROOT

PAGE = ROOT / "docs/operations.md"
FENCE = re.compile(
    r"(?:^[ ]*<!--[ ](?P<mark>run|not[ ]run:[ ][^>]+)[ ]-->\n)?^(?P<indent>[ ]*)```sh\n(?P<code>.*?)^[ ]*```$",
    re.MULTILINE | re.DOTALL,
)
HEADING = re.compile(r"^#{2,3} (.+)$", re.MULTILINE)
EXPECTED = re.compile(r"^\s*# → (.+)$", re.MULTILINE)
PLACEHOLDER = re.compile(r"<[a-z][a-z_…-]*(?: id)?>")
"""Such as ``<user id>``: what the reader fills in."""
END = "=== end of block"


@dataclass(frozen=True, slots=True)
class Block:
    """Commands under a heading. ``mark``: ``run``, or ``not run: reason``, or empty where somebody forgot it."""

    heading: str
    mark: str
    code: str

    @property
    def runs(self) -> bool:
        """Whether a test types it."""
        return self.mark == "run"

    @property
    def expected(self) -> list[str]:
        """What it answers, in this order."""
        return [text.strip() for text in EXPECTED.findall(self.code)]


def blocks(text: str) -> list[Block]:
    """Every block of a page, in its order."""
    return [
        Block(_heading_before(text, found.start()), (found["mark"] or "").strip(), found["code"])
        for found in FENCE.finditer(text)
    ]


def filled(code: str, known: Mapping[str, str]) -> str:
    """The commands with what the reader would put in; fails on a placeholder that nobody knows."""
    for name, value in known.items():
        code = code.replace(f"<{name}>", value)
    unknown = PLACEHOLDER.findall(code)
    assert not unknown, f"nobody knows {unknown}"
    return code


def missing(expected: list[str], output: str) -> list[str]:
    """What of the expected texts is not in the output, each after the one before; blanks do not count."""
    said, place, left = "".join(output.split()), 0, []
    for text in expected:
        found = said.find("".join(text.split()), place)
        if found < 0:
            left.append(text)
        else:
            place = found
    return left


class Shell:
    """One bash in which block after block is typed; variables stay."""

    def __init__(self, env: Mapping[str, str], prelude: str = "", folder: Path = ROOT) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=dict(env),
            cwd=folder,
        )
        self.type(f"set -uE -o pipefail\n{prelude}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bash.kill()
        self._bash.wait()
        for pipe in (self._bash.stdin, self._bash.stdout):
            if pipe:
                pipe.close()

    def type(self, code: str, *, seconds: float = 180) -> tuple[str, str]:
        """Type commands; return what they wrote, and the first that failed ("" if none did)."""
        assert self._bash.stdin
        watch = threading.Timer(seconds, self._bash.kill)
        watch.start()
        try:
            lines = (
                'failed=""',
                """trap 'failed=${failed:-$BASH_COMMAND}' ERR""",
                "{",
                code,
                "} < /dev/null",
                f"""trap - ERR; printf '\\n{END} %s\\n' "$failed" """,
            )
            self._bash.stdin.write("\n".join(lines) + "\n")
            self._bash.stdin.flush()
            return self._until_end()
        finally:
            watch.cancel()

    def _until_end(self) -> tuple[str, str]:
        assert self._bash.stdout
        written = []
        while line := self._bash.stdout.readline():
            if line.startswith(END):
                return "".join(written), line[len(END) :].strip()
            written.append(line)
        raise AssertionError(f"the shell ended:\n{''.join(written)}")


def _heading_before(text: str, place: int) -> str:
    found = [heading for heading in HEADING.finditer(text) if heading.start() < place]
    return found[-1][1] if found else ""
