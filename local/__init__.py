"""The product on a laptop: AWS emulator, front door, stand-ins for providers. The product imports nothing from here.

``build``        build the template with SAM, find an interpreter without packages
``check``        the self-check of `make run`
``corrections``  what the AWS emulator does differently from AWS, corrected
``deployment``   `sam deploy` to the emulator, and images of it to start from
``emulator``     the process of the AWS emulator
``frontdoor``    the HTTP server in front of the emulator, with the limits of API Gateway and Lambda
``integration``  what the front door does with a request that it lets in
``keeper``       save while running and at the end, restore at the start
``openapi``      write docs/openapi.json from the handlers
``processes``    start and stop processes, find free ports
``providers``    stand-ins, or the real services if their keys are set
``rie``          one function under AWS's Lambda Runtime Interface Emulator
``run``          `make run`
``saved``        what is kept between two runs, in generations
``seed``         demo accounts
``snapshot``     read and restore what the emulator holds, at one instant
``stack``        all of this together, for `make run` and the tests
``standins``     Replicate, Workers AI, Stripe, Google and GitHub as local servers
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "layers" / "common"))
