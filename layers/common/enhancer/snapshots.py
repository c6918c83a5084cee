"""What must not be the same in all processes that start from one snapshot (Lambda SnapStart).

A snapshot is taken after a function's modules are loaded and before its first call. By then there is no client, no
connection, no secret and no answer of anybody: `runtime` builds everything on first use, and nothing is built early for
the snapshot's sake, because credentials of that moment would expire in it. What loading does leave is the state of
`random`: all processes would wait the same "random" pauses and meet again at every retry. Ids, tokens and nonces come
from the kernel (`os.urandom`), which Lambda seeds anew, and clocks are read when they are needed.
"""

from __future__ import annotations

import random
from importlib import import_module


def seed_after_restore() -> None:
    """Have `random` seeded anew in every process that starts from a snapshot; elsewhere this does nothing.

    The hooks are part of Lambda's Python runtime and of no package of ours, so there may be none.
    """
    try:
        hooks = import_module("snapshot_restore_py")
    except ImportError:
        return
    hooks.register_after_restore(random.seed)
