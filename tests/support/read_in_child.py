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
    """Read each file, in order, in one new process."""
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


def _kibibytes(name: str) -> int:
    """A line of the process's status, such as VmHWM: the most memory since the last reset."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{name}:")[1].split()[0])


def _main(folder: str, pixels_max: int) -> None:
    from enhancer.adapters.images import pixels
    from enhancer.domain.errors import EnhancerError

    now = _kibibytes("VmSize") * 1024
    resource.setrlimit(resource.RLIMIT_AS, (now + BYTES_MAX, now + BYTES_MAX))
    costs = []
    for path in sorted(Path(folder).iterdir()):
        data = path.read_bytes()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # sets the most to what is used now
        start, before = time.process_time(), _kibibytes("VmHWM")
        try:
            pixels.read(data, pixels_max=pixels_max).clean_copy()
            outcome, reason = "read", None
        except EnhancerError as error:
            outcome, reason = error.code, error.details.get("reason")
        seconds, grown = time.process_time() - start, (_kibibytes("VmHWM") - before) / 1024
        costs.append({"outcome": outcome, "reason": reason, "seconds": seconds, "megabytes": grown})
    print(json.dumps(costs))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
