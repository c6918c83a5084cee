"""What an operator runs from a shell, against the local stack or a deployed one. The product imports nothing from here.

``report``  make a cost report now, and print its main figures
``stack``   which stack is meant: the running `make run` of this laptop, or a deployed one
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "layers" / "common"))
