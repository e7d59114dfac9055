"""Where checkpoints are: those that ship, and files by path. Without torch."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from napari_attn_unet.errors import CheckpointError

SUFFIXES = (".safetensors", ".pt", ".pth")


def bundled() -> dict[str, Path]:
    """Return {name: path} of the checkpoints that ship with the package."""
    folder = Path(str(resources.files("napari_attn_unet") / "checkpoints"))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def resolve(source: str | Path) -> Path:
    """Return the file of a checkpoint given by path or by the name of one that ships.

    Raises
    ------
    CheckpointError
        If there is no such file.
    """
    ships = bundled()
    if str(source) in ships:
        return ships[str(source)]
    path = Path(source).expanduser()
    if not path.is_file():
        what = (
            f"A file is needed, but this is a folder: {path}"
            if path.is_dir()
            else f"There is no checkpoint at {path}"
        )
        msg = (
            f"{what}. Give the path of a {' or '.join(SUFFIXES)} file, "
            f"or one of the checkpoints that ship: {', '.join(ships)}."
        )
        raise CheckpointError(msg)
    return path
