"""Read picture files in a process of its own, with a limit on its memory, and say what that cost."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

BYTES_MAX = 400_000_000
"""What reading may take beyond what the process had before, as address space: above it, memory is refused."""


@dataclass(frozen=True)
class Cost:
    """``outcome``: code of the error, or "read"; ``reason`` from its details. CPU seconds, growth of memory in MB."""

    outcome: str
    reason: str | None
    seconds: float
    megabytes: float


def read_in_child(files: list[bytes], *, pixels_max: int) -> list[Cost]:
    """Read each file in one new process, in order; every file is compared with the most that was used before it."""
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(files):
            Path(folder, f"{number:04}").write_bytes(data)
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.read_in_child", folder, str(pixels_max)],
            env={"PYTHONPATH": ":".join(sys.path)},
            check=True,
            capture_output=True,
        )
    return [Cost(**one) for one in json.loads(done.stdout)]


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _main(folder: str, pixels_max: int) -> None:
    from enhancer.adapters.images import pixels
    from enhancer.domain.errors import EnhancerError

    now = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + BYTES_MAX, now + BYTES_MAX))
    costs = []
    for path in sorted(Path(folder).iterdir()):
        data = path.read_bytes()
        start, before = time.process_time(), _peak()
        try:
            pixels.read(data, pixels_max=pixels_max).clean_copy()
            outcome, reason = "read", None
        except EnhancerError as error:
            outcome, reason = error.code, error.details.get("reason")
        seconds, grown = time.process_time() - start, (_peak() - before) / 1024
        costs.append({"outcome": outcome, "reason": reason, "seconds": seconds, "megabytes": grown})
    print(json.dumps(costs))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
