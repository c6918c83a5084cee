"""The documentation: every file and function it names exists."""

import ast
import re

import pytest

from tests.support.template import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
ROOTS = [ROOT, ROOT / "layers/common/enhancer", ROOT / "tests", ROOT / "docs"]
"""Where a path on a page may start."""
PATH = re.compile(r"`([\w./*-]+\.(?:py|js|sh|ya?ml|toml|md|json|txt|in))(?::([\w.]+))?`")
TEST = re.compile(r"`([\w./-]+\.py)::(\w+)`")
"""A test, as pytest names it."""
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(?:#[\w-]*)?\)")
MADE = {"docs/decisions.md", "CHANGELOG.md"}
"""Pages that also speak of what is no more."""


def places(path):
    return [found for root in ROOTS for found in root.glob(path)]


def names_in(path):
    """Functions, classes, methods (``Class.method``) and constants of a Python or JavaScript file."""
    text = path.read_text("utf-8")
    if path.suffix == ".js":
        return set(re.findall(r"(?:function|const|let|class)\s+(\w+)", text))
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)
            }
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page):
    """Paths in backticks and links lead somewhere."""
    text = page.read_text("utf-8")
    named = {path for path, _ in PATH.findall(text) if "/" in path and not path.startswith((".", "/"))}
    missing = (
        [] if str(page.relative_to(ROOT)) in MADE else sorted(path for path in named if not places(path))
    )
    missing += [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_function_that_a_page_names_exists(page):
    """``file:function`` is where it says."""
    named = [(path, name) for path, name in PATH.findall(page.read_text("utf-8")) if name]
    missing = [
        f"{path}:{name}" for path, name in named if not any(name in names_in(found) for found in places(path))
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page):
    """``path::name``: a guarantee whose test was renamed or deleted is noticed here."""
    named = TEST.findall(page.read_text("utf-8"))
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not any(name in names_in(found) for found in places(path))
    ]
    assert missing == []


@pytest.mark.parametrize("heading", ["What was tried", "Hostile cases"])
def test_every_row_of_the_threat_model_names_a_test(heading):
    """Nothing is said to be stopped without something that fails when it is not."""
    text = (ROOT / "docs/threat-model.md").read_text("utf-8")
    (section,) = [one for one in text.split("\n## ") if one.startswith(f"{heading}\n")]
    rows = re.findall(r"^\|(?!--)(?!.*\n\|--).*", section, re.MULTILINE)
    assert len(rows) >= 40
    assert [row for row in rows if not TEST.search(row)] == []


def test_the_tour_has_twelve_stops_and_each_names_a_function():
    """A newcomer follows a photo from the page to its result."""
    rows = re.findall(r"^\| (\d+) \|.*$", (ROOT / "docs/tour.md").read_text("utf-8"), re.MULTILINE)
    assert rows == [str(number) for number in range(1, 13)]
    for row in (ROOT / "docs/tour.md").read_text("utf-8").splitlines():
        if re.match(r"\| \d+ \|", row):
            assert any(name for _, name in PATH.findall(row)), row
