"""Layers are packed at the build as SAM packs them for a deployment, and nothing else of the template changes."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from local import build
from local.processes import LocalError

TEMPLATE = """\
Resources:
  Shared:
    Type: AWS::Serverless::LayerVersion
    Properties:
      ContentUri: Shared
  Ready:
    Type: AWS::Serverless::LayerVersion
    Properties:
      ContentUri: ready.zip
  Work:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: Work
"""


def built(folder: Path, text: str = TEMPLATE) -> Path:
    """A built template with one layer of two files, one of them to be run."""
    (folder / "Shared/python/pkg").mkdir(parents=True)
    (folder / "Shared/python/pkg/mod.py").write_text("ANSWER = 42\n")
    program = folder / "Shared/python/run"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    template = folder / "template.yaml"
    template.write_text(text)
    return template


def test_a_layer_is_an_archive_of_its_folder(tmp_path: Path) -> None:
    """Every file with its content, readable for the user that runs functions, and to be run where it was."""
    template = built(tmp_path)
    build.pack_layers(template)
    with ZipFile(tmp_path / "Shared.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "python/pkg/mod.py": b"ANSWER = 42\n",
            "python/run": b"#!/bin/sh\n",
        }
        modes = {one.filename: one.external_attr >> 16 & 0o777 for one in archive.infolist()}
    assert modes["python/run"] == 0o744
    assert modes["python/pkg/mod.py"] & 0o444 == 0o444
    changed = TEMPLATE.replace("ContentUri: Shared\n", "ContentUri: Shared.zip\n")
    assert build.packed_template(template).read_text() == changed
    assert template.read_text() == TEMPLATE


def test_the_same_content_is_the_same_archive(tmp_path: Path) -> None:
    """Whenever it is packed, so that a deployment knows it again."""
    packed = []
    for name in ("first", "second"):
        build.pack_layers(built(tmp_path / name))
        packed.append((tmp_path / name / "Shared.zip").read_bytes())
    assert packed[0] == packed[1]


def test_a_template_that_names_a_layer_otherwise_is_one_clear_line(tmp_path: Path) -> None:
    """Nothing is deployed that would lack its layer."""
    quoted = TEMPLATE.replace("ContentUri: Shared\n", 'ContentUri: "Shared"\n')
    with pytest.raises(LocalError, match="names the layer Shared in another way"):
        build.pack_layers(built(tmp_path, quoted))


def test_a_build_without_archives_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one is that was kept before there were any."""
    source, final = tmp_path / "template.yaml", tmp_path / "builds" / "hash"
    built(final / "sam")

    def sam(command: list[str], **_: object) -> None:
        folder = Path(command[command.index("--build-dir") + 1])
        built(folder)

    monkeypatch.setattr(build, "run_sam", sam)
    build._build_unless_there(source, final, {})
    assert (final / "sam" / "Shared.zip").exists()
    monkeypatch.setattr(build, "run_sam", None)
    build._build_unless_there(source, final, {})  # and is there from now on
