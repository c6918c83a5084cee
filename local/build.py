"""Build for this machine: `sam build` once per content, and the bare interpreter that runs the functions."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from samcli.yamlhelper import yaml_parse

from local.processes import LocalError

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".local" / "cache"
SOURCES = ("functions", "layers", "requirements", "statemachines", "web")
IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", "node_modules"}
PACKED = "packed.yaml"
QUICKLY = 1
"""How hard an archive is compressed that travels over loopback only."""
BUILDS_KEPT = 8
LAYERS_KEPT = 16


def template_parameters(template: Path) -> set[str]:
    """Return the names of the parameters that a template declares."""
    return set(yaml_parse(template.read_text()).get("Parameters") or {})


def source_files(root: Path) -> Iterator[Path]:
    """Yield every file that a build reads, in a fixed order."""
    yield from (path for path in [root / "docs" / "openapi.json"] if path.exists())  # served by the page
    for name in SOURCES:
        for folder, folders, files in os.walk(root / name):
            folders[:] = sorted(set(folders) - IGNORED)
            yield from (Path(folder, file) for file in sorted(files) if not file.endswith(".pyc"))


def content_hash(template: Path) -> str:
    """Return a hash of the template, the sources, this interpreter and this machine."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {platform.machine()} {sys.platform}".encode())
    for path in [template, *source_files(template.parent)]:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(template.parent)}\0{content}\n".encode())
    return digest.hexdigest()[:24]


def packed_template(built: Path) -> Path:
    """Return the built template as it is deployed: with layers that are packed already, see `pack_layers`."""
    return built.with_name(PACKED)


def pack_layers(built: Path) -> None:
    """Pack each layer of a built template into the archive that ``sam deploy`` would make of it.

    It would make it for every deployment anew, of 200 MB, which costs more than everything else that it does. Files
    become readable and folders open for everybody, as SAM does it for Lambda.
    """
    text = built.read_text("utf-8")
    for resource in (yaml_parse(text).get("Resources") or {}).values():
        content = str((resource.get("Properties") or {}).get("ContentUri"))
        if resource.get("Type") != "AWS::Serverless::LayerVersion" or not (built.parent / content).is_dir():
            continue
        with ZipFile(built.parent / f"{content}.zip", "w", ZIP_DEFLATED, compresslevel=QUICKLY) as archive:
            for folder, folders, files in os.walk(built.parent / content):
                folders.sort()
                for path in [Path(folder, file) for file in sorted(files)]:
                    about = ZipInfo(str(path.relative_to(built.parent / content)))
                    about.create_system = 3  # Unix
                    about.external_attr = (path.stat().st_mode | 0o444) << 16
                    archive.writestr(about, path.read_bytes(), ZIP_DEFLATED, QUICKLY)
        line = f"      ContentUri: {content}\n"
        if text.count(line) != 1:
            raise LocalError(f"{built} names the layer {content} in another way than SAM writes it.")
        text = text.replace(line, f"      ContentUri: {content}.zip\n")
    packed_template(built).write_text(text, "utf-8")


def built_template(template: Path, env: Mapping[str, str]) -> Path:
    """Return the path of the built template; run ``sam build`` only if the content is new.

    A build is in a folder named after its `content_hash`, moved there when it is complete. Of several stacks that
    start at the same time one builds, and the others wait for it.
    """
    final = CACHE / "builds" / content_hash(template)
    final.parent.mkdir(parents=True, exist_ok=True)
    with (CACHE / "builds.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _build_unless_there(template, final, env)
    final.touch()
    forget_old(final.parent, BUILDS_KEPT)
    return final / "sam" / "template.yaml"


def _build_unless_there(template: Path, final: Path, env: Mapping[str, str]) -> None:
    if not packed_template(final / "sam" / "template.yaml").exists():
        shutil.rmtree(final, ignore_errors=True)
        partial = final.with_name(f"{final.name}.{os.getpid()}")
        command = ["sam", "build", "--template-file", str(template), "--build-dir", str(partial / "sam")]
        command += ["--build-in-source", "--parallel", "--no-cached"]
        try:
            run_sam(command, env={**env, **layer_target()}, cwd=template.parent)
            pack_layers(partial / "sam" / "template.yaml")
            partial.rename(final)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def layer_target() -> dict[str, str]:
    """Return the environment that makes layers for this interpreter, instead of the template's runtime."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    system = {"linux": "unknown-linux-gnu", "darwin": "apple-darwin"}.get(sys.platform, "unknown-linux-gnu")
    machine = {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    return {"PYTHON_VERSION": version, "PYTHON_PLATFORM": f"{machine}-{system}", "PYTHON": sys.executable}


def layer_cache() -> Path:
    """Return the folder of unpacked layers, each named after the hash of its content."""
    folder = CACHE / "layers"
    folder.mkdir(parents=True, exist_ok=True)
    forget_old(folder, LAYERS_KEPT)
    return folder


def forget_old(folder: Path, kept: int) -> None:
    """Delete all but the most recently used folders."""
    used = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in used[kept:]:
        shutil.rmtree(old, ignore_errors=True)


def run_sam(command: list[str], *, env: Mapping[str, str], cwd: Path) -> None:
    """Run a SAM command from our own environment; LocalError with its last lines when it fails.

    It gets a group of its own, so that whatever it started ends with it when we are interrupted.
    """
    executable = str(Path(sys.executable).parent / command[0])
    child = subprocess.Popen(
        [executable, *command[1:]],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = child.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    if child.returncode:
        shown = "\n".join(output.strip().splitlines()[-25:])
        raise LocalError(f"{' '.join(command[:2])} failed:\n{shown}")


def bare_interpreter() -> Path:
    """Return an interpreter without packages, so that a library missing from a layer is missing locally too."""
    folder = CACHE / f"python-{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}"
    python = folder / "bin" / "python"
    if not python.exists():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(partial)], check=True, capture_output=True
        )
        if folder.exists() and not python.exists():  # the interpreter it points at is gone
            shutil.rmtree(folder, ignore_errors=True)
        try:
            partial.rename(folder)
        except OSError:  # another stack was as quick
            shutil.rmtree(partial)
    return python
