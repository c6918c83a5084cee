"""Kill every step of a job at every AWS call on a stack of its own: ``python -m tests.e2e.fault_play [words]``."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from enhancer.domain.pricing import credits
from local.stack import LocalStack
from tests.e2e.deployed import Deployed
from tests.e2e.fault_cases import SCENARIOS
from tests.e2e.fault_tables import DOCUMENT, TABLE, Row, summary, table
from tests.e2e.faults import Bench, rows


def main() -> None:
    """Run the scenarios on a stack of its own and print their rows; after all of them, write the documents."""
    words, started, found = sys.argv[1:], time.monotonic(), list[Row]()
    chosen = [one for one in SCENARIOS if not words or any(word in one.name for word in words)]
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalStack(port=0, emulator_port=0, state=Path(folder) / "state") as stack,
        Bench(Deployed(stack)).open() as bench,
    ):
        for scenario in chosen:
            for row in rows(bench, scenario):
                found.append(row)
                sys.stdout.write(
                    f"{row.step:46} {row.call:34} {row.moment:7} {row.left:36} {row.ended:10} {credits(row.charge)}\n"
                )
                sys.stdout.flush()
    if not words:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(table(found), "utf-8")
        DOCUMENT.write_text(summary(found, time.monotonic() - started), "utf-8")


if __name__ == "__main__":
    main()
