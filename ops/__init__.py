"""What an operator runs from a shell, against the local stack or a deployed one. The product imports nothing from here.

``command``      how a command ends: exit code and words
``flags``        show, change and roll back the operator's flags: phases, switches, caps
``outputs``      the stack's outputs as variables of the shell
``owners``       look up a user, move credits, set a plan, block
``report``       make a cost report now, and print its main figures
``restore``      bring the table back to what a restored copy of it holds
``rollback``     move everybody to an earlier release
``secret``       put one field of the operator's secrets, rotate it, end a rotation
``shown``        what others wrote, as a terminal may show it
``smoke``        ask a deployment from outside whether it keeps every promise; its parts:
``smoke_client`` what it sends requests with, and what it looks at in every answer
``smoke_end``    checks at the end: the burst, cleaning up, what held for every answer
``smoke_open``   checks that cost nothing
``smoke_picture`` a tiny picture to send
``smoke_plan``   how checks are named, ordered, run and told
``smoke_runs``   checks that enhance a tiny picture
``stack``        which stack is meant: the running `make run` of this laptop, or a deployed one
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "layers" / "common"))
