"""`make run`."""

import signal
import sys


def start() -> int:
    """Run the stack; until it can be stopped in order, Ctrl-C just ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from local.run import main

    return main()


if __name__ == "__main__":
    sys.exit(start())
