"""What becomes of steps that are killed, as documents: every row in .local/faults.md, a summary in docs/faults.md."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from enhancer.domain.pricing import credits
from tests.support.template import ROOT

BEFORE, AFTER, TWICE = "before", "after", "twice"
WHOLE = "whole step"
DOCUMENT = ROOT / "docs/faults.md"
TABLE = ROOT / ".local/faults.md"
INTRODUCTION = """\
# Faults

Every step of a job, run against the deployed local stack and killed before and after each of its AWS calls
(what had its effect stays, nothing more gets through), and delivered twice: at once and again after the end.
Then comes what production does: the step is delivered again or the caller asks again, and the sweep runs.

Checked in each row: the books add up at once and in the end, what is held belongs to open pictures; in the
end nothing is held, no job and no execution is open, every hold was resolved once, no picture paid twice.
A run that is killed where its picture is held but not stored fails and is free; the others end as if nothing
had happened, or at the job's deadline.

"""


@dataclass(frozen=True)
class Row:
    """A step, killed at one of its calls: what was left at once, how the job ended, what was paid in tenths."""

    step: str
    call: str
    moment: str
    left: str
    ended: str
    charge: int

    @property
    def name(self) -> tuple[str, str, str]:
        """What was done to what."""
        return self.step, self.call, self.moment


def table(found: list[Row]) -> str:
    """Every row, under the heading of its step. The number of a call counts the calls of its kind."""
    lines = ["# Faults, every row"]
    for step in dict.fromkeys(row.step for row in found):
        lines += ["", f"## {step}", ""]
        lines += ["| call | killed | left at once | ended as | charge |", "|---|---|---|---|---|"]
        for row in found:
            if row.step == step:
                killed = row.moment if row.moment != TWICE else "no: delivered twice"
                cells = [row.call, killed, row.left, row.ended, f"{credits(row.charge)}"]
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def summary(found: list[Row], seconds: float) -> str:
    """One line per step, as docs/faults.md has it: the calls it was killed at, and how often it ended how."""
    lines = [
        f"`make faults` prints all {len(found)} rows in {seconds / 60:.0f} minutes. It writes them to",
        "`.local/faults.md`, and this summary anew. `make faults STEPS=sweep` runs only the steps named so.",
        "`tests/e2e/test_faults.py` runs all of them too, but kills a read only before it: the moment after a read is",
        "the moment before the next call.",
        "",
        "| step | killed before and after each of | rows | ended as, for how many credits |",
        "|---|---|---|---|",
    ]
    for step in dict.fromkeys(row.step for row in found):
        mine = [row for row in found if row.step == step]
        ends = Counter(f"{row.ended} for {credits(row.charge)}" for row in mine)
        ended = ", ".join(f"{times} {end}" for end, times in ends.most_common())
        lines.append(f"| {step} | {_calls(row.call for row in mine)} | {len(mine)} | {ended} |")
    return INTRODUCTION + "\n".join(lines) + "\n"


def _calls(numbered: Iterable[str]) -> str:
    """Numbered calls by their kinds: of GetItem 1, GetItem 2 and Query 1 it makes GetItem ×2 and Query."""
    kinds = Counter(call.rpartition(" ")[0] for call in dict.fromkeys(numbered) if call != WHOLE)
    return ", ".join(kind if times == 1 else f"{kind} ×{times}" for kind, times in kinds.items())


def documented() -> set[tuple[str, str, str]]:
    """The names of the rows that docs/faults.md sums up."""
    found = set[tuple[str, str, str]]()
    for line in DOCUMENT.read_text("utf-8").splitlines():
        if line.startswith("| ") and not line.startswith("| step"):
            step, calls = (cell.strip() for cell in line.split("|")[1:3])
            found.add((step, WHOLE, TWICE))
            for kind, times in re.findall(r"([A-Za-z0-9 ]+?)(?: ×([0-9]+))?(?:, |$)", calls):
                for number in range(1, int(times or 1) + 1):
                    found |= {(step, f"{kind} {number}", moment) for moment in (BEFORE, AFTER)}
    return found
