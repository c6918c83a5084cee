"""The tests themselves: each says its guarantee, asserts something, and expects one outcome."""

import ast
import re

import pytest

from tests.support.template import ROOT

FILES = sorted((ROOT / "tests/unit").rglob("test_*.py"))
TREES = {path: ast.parse(path.read_text("utf-8")) for path in FILES}
TESTS = {
    f"{path.relative_to(ROOT)}::{node.name}": node
    for path, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
}
LINES_MAX = 400


def checks(test):
    """Whether a test asserts, expects an error, or calls a helper that is named after doing so."""
    calls = {
        ast.unparse(node.func).rpartition(".")[2] for node in ast.walk(test) if isinstance(node, ast.Call)
    }
    checked = any(isinstance(node, ast.Assert) for node in ast.walk(test)) or "raises" in calls
    return checked or any(re.match(r"assert_|audit|verify|live$", call) for call in calls)


def test_every_test_says_its_guarantee():
    """A docstring of its own on each."""
    assert [name for name, test in TESTS.items() if not ast.get_docstring(test)] == []


def test_every_test_checks_something():
    """None passes because nothing was looked at."""
    assert [name for name, test in TESTS.items() if not checks(test)] == []


def test_no_name_is_used_twice_in_a_file():
    """A second test of one name would silently replace the first."""
    for path, tree in TREES.items():
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert len(names) == len(set(names)), path


def test_no_test_accepts_several_statuses():
    """One input, one outcome."""
    several = re.compile(r"status(?:_code|Code\"\])?\s+in\s+[(\[{]")
    assert [path.name for path in FILES if several.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("mark", ["skip", "skipif", "xfail", "importorskip"])
def test_no_test_is_skipped(mark):
    """What is not run proves nothing."""
    used = re.compile(rf"(pytest|mark)\.{mark}\b")
    assert [path.name for path in FILES if used.search(path.read_text("utf-8"))] == []


def test_no_test_file_is_too_long_to_read():
    """At most four hundred lines."""
    assert [path.name for path in FILES if len(path.read_text("utf-8").splitlines()) > LINES_MAX] == []
