"""The house in figures: rooms, arrows, floors and circles of the import graph, now and at other revisions.

``python -m benchmarks.import_graph [REVISION ...]`` reads the sources of the working tree and of each git revision and
prints a table. A room is a file, or a folder seen from outside; an arrow is one room that imports another, also where
only a type checker sees it; a room stands one floor above the highest room that it imports (rooms of one circle share
a floor); a circle is a group of files that import each other.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAYER = "layers/common/"
SCRIPT = re.compile(r"""(?:from|import)\s*\(?\s*["']\./([\w-]+\.js)["']""")
Graph = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one view of the graph counts."""

    rooms: int
    arrows: int
    floors: int
    circles: int


def main() -> None:
    """Print one row for each view of each revision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", nargs="*", help="git revisions to compare with the working tree")
    revisions = [*parser.parse_args().revision, None]
    print("| revision | part | rooms | arrows | floors | circles of files |")
    print("|---|---|---|---|---|---|")
    for revision in revisions:
        for part, figures in views(sources(revision)):
            row = (revision or "now", part, figures.rooms, figures.arrows, figures.floors, figures.circles)
            print("| " + " | ".join(map(str, row)) + " |")


def sources(revision: str | None) -> dict[str, str]:
    """Return the text of every module of the package and every script of the page, by path."""
    if revision is None:
        paths = [*ROOT.glob(f"{LAYER}enhancer/**/*.py"), *ROOT.glob("web/js/*.js")]
        return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}
    command = ["git", "ls-tree", "-r", "--name-only", revision, f"{LAYER}enhancer", "web/js"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    wanted = [name for name in listed if name.endswith((".py", ".js"))]
    shown = ("git", "show")
    return {
        name: subprocess.run(
            [*shown, f"{revision}:{name}"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for name in wanted
    }


def views(texts: dict[str, str]) -> Iterator[tuple[str, Figures]]:
    """Yield the package seen from its top, its adapters, and the page's scripts."""
    modules = imports_of(texts)
    yield "enhancer", figures_of(modules, "enhancer")
    yield "enhancer.adapters", figures_of(modules, "enhancer.adapters")
    scripts = {
        name.rpartition("/")[2]: set(SCRIPT.findall(text))
        for name, text in texts.items()
        if name.endswith(".js")
    }
    yield "web/js", counted(scripts, scripts)


def imports_of(texts: dict[str, str]) -> Graph:
    """Return which module of the package imports which."""
    modules = {
        name.removeprefix(LAYER).removesuffix(".py").removesuffix("/__init__").replace("/", "."): ast.parse(
            text
        )
        for name, text in texts.items()
        if name.endswith(".py")
    }
    graph: Graph = {}
    for name, tree in modules.items():
        found: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    found.add(inner if inner in modules else node.module)
        graph[name] = (found & modules.keys()) - {name}
    return graph


def figures_of(modules: Graph, package: str) -> Figures:
    """Return the figures of a package whose own files and folders are the rooms."""
    depth = package.count(".") + 2
    rooms: Graph = {}
    inside = [name for name in modules if name.startswith(f"{package}.")]
    for name in inside:
        room = ".".join(name.split(".")[:depth])
        used = {
            ".".join(other.split(".")[:depth]) for other in modules[name] if other.startswith(f"{package}.")
        }
        rooms.setdefault(room, set()).update(used - {room})
    return counted(rooms, {name: modules[name] & set(inside) for name in inside})


def counted(rooms: Graph, files: Graph) -> Figures:
    """Return the figures of a graph of rooms; ``files`` is the finer graph whose circles count."""
    groups = components(rooms)
    home = {room: number for number, group in enumerate(groups) for room in group}
    floors: dict[int, int] = {}
    for number, group in enumerate(groups):  # a group stands behind all that it reaches
        below = {home[used] for room in group for used in rooms[room] if used in home} - {number}
        floors[number] = 1 + max((floors[other] for other in below), default=0)
    arrows = sum(len(used & rooms.keys()) for used in rooms.values())
    circles = sum(len(group) > 1 for group in components(files))
    return Figures(len(rooms), arrows, max(floors.values(), default=0), circles)


def components(graph: Graph) -> list[list[str]]:
    """Return the groups of nodes that reach each other, each behind the groups that it reaches (Tarjan)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for after in sorted(graph[node] & graph.keys()):
            if after not in order:
                visit(after)
            if after in stack:
                low[node] = min(low[node], low[after])
        if low[node] == order[node]:
            groups.append(stack[stack.index(node) :])
            del stack[stack.index(node) :]

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return groups


if __name__ == "__main__":
    main()
