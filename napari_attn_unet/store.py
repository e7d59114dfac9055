"""Maps on disk: a zarr group that a run fills while it goes on. zarr is an extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_attn_unet.errors import ConfigError
from napari_attn_unet.volume import Geometry

CHUNK = (16, 256, 256)


def open_store(path: Path) -> Any:
    """Create the zarr group at `path`.

    Raises
    ------
    ConfigError
        If zarr is not installed, or the path exists or cannot be written.
    """
    try:
        import zarr  # noqa: PLC0415  (an extra)
    except ImportError as error:
        msg = 'Maps on disk need zarr. Install it with: pip install "napari-attn-unet[zarr]"'
        raise ConfigError(msg) from error
    try:
        return zarr.open_group(path, mode="w-")
    except (OSError, ValueError) as error:
        msg = (
            f"{path} cannot be made a new zarr folder ({error}). "
            "Name one that does not exist yet, in a folder that can be written."
        )
        raise ConfigError(msg) from error


def create_array(group: Any, name: str, shape: tuple[int, ...], geometry: Geometry) -> Any:
    """Create a float32 array whose last three axes lie at `geometry`, which its attributes tell."""
    chunks = (*(1,) * (len(shape) - 3), *map(min, CHUNK, shape[-3:]))
    return group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        dtype="float32",
        overwrite=True,
        attributes={"affine_zyx": geometry.affine.tolist(), "unit": geometry.unit},
    )
