"""How a command of an operator ends: with 0, or with 1 and a sentence that says what is wrong and the way on."""

from __future__ import annotations

import sys
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError


class CommandError(Exception):
    """What was asked for cannot be done. The message says why, and the way on."""


class BadCommand(CommandError):
    """The command line says something that means nothing, or lacks something."""


def ended(work: Callable[[], None], *, then: str = "") -> int:
    """Do the work and return the exit code; what stopped it is told on standard error.

    ``then``: what follows in words where AWS was the reason, for a command that may have done a part.
    """
    try:
        work()
    except CommandError as problem:
        print(problem, file=sys.stderr)
    except (BotoCoreError, ClientError) as problem:
        print(f"AWS refuses or does not answer: {problem}.{then}", file=sys.stderr)
    else:
        return 0
    return 1
