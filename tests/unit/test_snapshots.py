"""Starting from a snapshot: what processes with one past must not have in common."""

import random
import subprocess
import sys
from types import SimpleNamespace

import pytest

from enhancer.snapshots import seed_after_restore
from tests.support import template

LOADED = """
import importlib.util, sys
import boto3
made = []
client = boto3.session.Session.client
boto3.session.Session.client = lambda *args, **more: made.append(args[1:]) or client(*args, **more)
spec = importlib.util.spec_from_file_location("app", sys.argv[1])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
from enhancer import runtime
kept = [name for name, one in vars(runtime).items() if hasattr(one, "cache_info") and one.cache_info().currsize]
print(made, boto3.DEFAULT_SESSION, kept)
"""
STARTED = [
    one["Properties"]["CodeUri"]
    for one in template.resources(template.load(), "AWS::Serverless::Function").values()
    if "SnapStart" in one["Properties"]
]


def test_pauses_differ_in_processes_of_one_snapshot(monkeypatch):
    """Two that were restored from the same state go different ways."""
    registered = []
    hooks = SimpleNamespace(register_after_restore=registered.append)
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", hooks)
    seed_after_restore()
    snapshot = random.getstate()
    pauses = set()
    for _ in range(4):
        random.setstate(snapshot)
        for hook in registered:
            hook()
        pauses.add(random.random())  # noqa: S311 - a pause
    assert len(pauses) == 4


def test_where_there_are_no_hooks_nothing_is_seeded(monkeypatch):
    """On a laptop, and in a function that starts from nothing."""
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    state = random.getstate()
    seed_after_restore()
    assert random.getstate() == state


@pytest.mark.parametrize("folder", STARTED)
def test_loading_a_function_leaves_no_client_credential_or_secret(folder):
    """A snapshot of it would hand out connections that are dead and credentials that have expired."""
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, str(template.ROOT / folder / "app.py")],
        env={"PYTHONPATH": f"{template.ROOT}/layers/common", "PATH": "", "POWERTOOLS_METRICS_NAMESPACE": "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout.strip(), ran.returncode) == ("[] None []", 0), ran.stderr
