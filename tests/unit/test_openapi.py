"""The API's description is what the handlers' types say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_description_is_current():
    """docs/openapi.json is generated, and nobody forgot to."""
    ran = subprocess.run(
        [sys.executable, "-m", "local.openapi", "--check"],
        cwd=ROOT,
        env={"PYTHONPATH": "layers/common:layers/vision", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.strip() == "docs/openapi.json is current.", ran.stderr[-2000:]
