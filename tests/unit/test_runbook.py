"""The runbook as a page: every command is marked, every link leads somewhere, and the shell that types it is honest."""

import os
import re

import pytest

from tests.support.runbook import FENCE, PAGE, Shell, blocks, filled, missing
from tests.support.template import ROOT

TEXT = PAGE.read_text("utf-8")
BLOCKS = blocks(TEXT)
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def anchor(heading):
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_block_says_whether_it_is_run():
    """A block without a mark would be a command that nobody has tried."""
    assert len(BLOCKS) == TEXT.count("```sh\n") >= 40
    assert [(block.heading, block.code) for block in BLOCKS if not block.mark] == []


def test_a_block_without_a_mark_is_noticed():
    """The guard of the test before."""
    text = "## Here\n\n```sh\ntrue\n```\n\n<!-- run -->\n```sh\nfalse\n# → so\n```\n"
    first, second = blocks(text)
    assert (first.mark, first.runs, first.heading) == ("", False, "Here")
    assert (second.mark, second.runs, second.expected) == ("run", True, ["so"])
    assert FENCE.search("<!-- perhaps -->\n```sh\ntrue\n```\n")["mark"] is None


def test_most_of_the_runbook_is_run():
    """Those that are not give a reason, and a test that they name exists."""
    left = [block for block in BLOCKS if not block.runs]
    assert len(left) < len(BLOCKS) / 3
    for block in left:
        reason = block.mark.partition(": ")[2]
        assert len(reason) >= len("a deployment"), block.heading
        for path in re.findall(r"tests/[\w/]+\.py", reason):
            assert (ROOT / path).exists(), path


def test_every_run_block_says_what_it_answers():
    """So that a reader at night knows whether it worked."""
    silent = [block.heading for block in BLOCKS if block.runs and not block.expected]
    assert silent == ["Stuck job"]


def test_every_make_target_of_the_runbook_exists():
    """A command that was renamed is found here."""
    used = {
        name
        for block in BLOCKS
        for name in re.findall(r"(?:^|[|(] *)make (?:-s )?([a-z-]+)", block.code, re.MULTILINE)
    }
    assert used >= {"flags", "owner", "secret", "outputs", "rollback", "smoke", "deploy"}
    assert used - TARGETS - {"report"} == set()


def test_every_link_within_the_runbook_leads_to_a_heading():
    """The first page is a list of links."""
    headings = {anchor(found) for found in re.findall(r"^#{1,3} (.+)$", TEXT, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) - headings == set()


def test_no_secret_is_typed_on_a_command_line():
    """Values go through pipes; a list of processes shows arguments to everybody on the machine."""
    for block in BLOCKS:
        assert not re.search(r"--secret-string|-u [\"']?\$|(?:sk|rk)_live_\w|whsec_\w", block.code), (
            block.heading
        )


@pytest.mark.parametrize(
    ("code", "output", "failed"),
    [
        ("echo one; echo two >&2", "one two", ""),
        ("false; echo after", "after", "false"),
        ("false || true", "", ""),
        ("true | false | cat", "", "cat"),
        ("kept=7", "", ""),
        ("cat; echo $kept", "7", ""),
        ("ls /nowhere 2>/dev/null", "", "ls /nowhere 2> /dev/null"),
    ],
)
def test_the_shell_tells_what_was_written_and_what_failed(shell, code, output, failed):
    """Whatever is in the middle of a block; commands read nothing of what comes after them."""
    said, first = shell.type(code)
    assert (said.split(), first) == (output.split(), failed)


@pytest.fixture(scope="module")
def shell():
    with Shell(ENVIRONMENT) as running:
        yield running


def test_expected_texts_come_in_their_order():
    """Blanks do not count, order does."""
    assert missing(['"a": 1', "b"], '{"a":1,\n "b": 2}') == []
    assert missing(["b", "a"], "a b") == ["a"]


def test_a_placeholder_that_nobody_fills_in_fails():
    """A block with ``<user id>`` is not typed as it stands."""
    assert filled("who <user id>", {"user id": "x"}) == "who x"
    with pytest.raises(AssertionError, match="nobody knows"):
        filled("who <user id> <pi_…>", {"user id": "x"})
