"""``eval "$(make -s outputs ENV=…)"``: the stack's outputs as variables of the shell, for the runbook's commands.

Sets ``ENV``, ``URL``, ``STACK``, the region, and every output under its own name, such as ``$TableName``. For ``local``
also the address and the credentials of the emulator, so that the AWS command line talks to it.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence

from ops.command import ended
from ops.stack import Stack, stack_of

LOCAL_AWS = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }'
"""The variable alone is not enough: version 1 of the command line goes to AWS for queues whatever it says."""


def main(arguments: Sequence[str] | None = None, *, stack_named: Callable[[str], Stack] = stack_of) -> int:
    """Print the variables; return the exit code, 1 where the stack cannot be read."""
    asked = sys.argv[1:] if arguments is None else arguments
    return ended(lambda: _tell(stack_named(asked[0] if asked else "local")))


def _tell(stack: Stack) -> None:
    """Print the variables."""
    found = variables(stack)
    for name, value in found.items():
        print(f"export {name}={shlex.quote(value)}")
    if "AWS_ENDPOINT_URL" in found:
        print(LOCAL_AWS)


def variables(stack: Stack) -> Mapping[str, str]:
    """Return what the shell gets to know; raise `StackError` where the stack cannot be read."""
    found = {"ENV": stack.env, "STACK": stack.name, "URL": stack.url, "AWS_DEFAULT_REGION": stack.region}
    found |= {"AWS_PAGER": "", "AWS_DEFAULT_OUTPUT": "json"}
    if stack.endpoint:
        found |= {"AWS_ENDPOINT_URL": stack.endpoint}
        found |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return found | stack.outputs


if __name__ == "__main__":
    sys.exit(main())
