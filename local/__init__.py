"""Everything that exists only on a laptop: the emulator, the stand-ins, the front door. May use the product's layer."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "layers" / "common"))
