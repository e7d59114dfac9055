"""`read` and `write`: volumes from and to files, whatever their format.

A format is a module of this room with `SUFFIXES`, `stem`, `read`, `says_labels`, `check` and
`write`, entered in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy.typing as npt

from napari_attn_unet.errors import FileError
from napari_attn_unet.io import nifti
from napari_attn_unet.volume import Geometry, Volume

_PAIR = (".hdr", ".img", ".hdr.gz", ".img.gz")
FORMATS: tuple[ModuleType, ...] = (nifti,)
SUFFIXES: tuple[str, ...] = tuple(suffix for module in FORMATS for suffix in module.SUFFIXES)


def _format(path: Path) -> ModuleType | None:
    return next((m for m in FORMATS if path.name.lower().endswith(m.SUFFIXES)), None)


def is_volume_file(path: str | Path) -> bool:
    """Whether a name has the ending of a format that is read here, in any case."""
    return _format(Path(path)) is not None


def stem(path: str | Path) -> str:
    """Return a volume file's name without its ending: "a/b.nii.gz" -> "b"."""
    path = Path(path)
    module = _format(path)
    return path.name if module is None else str(module.stem(path))


def says_labels(volume: Volume) -> bool:
    """Whether the file that a volume was read from says that it holds labels."""
    return any(module.says_labels(volume.metadata) for module in FORMATS)


def read(path: str | Path, channels: int = 1) -> list[Volume]:
    """Read a file as one volume per time point.

    Parameters
    ----------
    path
        A file of 3 or 4 axes, NIfTI-1.
    channels
        Channels that the network takes: a fourth axis of that size, if more than 1, is read as
        channels; any other fourth axis is time.

    Returns
    -------
    list of Volume
        Each (C, Z, Y, X), its axes flipped and permuted onto the nearest world axes, with the
        file's unit; its metadata keep what a write needs to go back to the file's own grid.

    Raises
    ------
    FileError
        If the file is missing, damaged, of another format, or holds colours or more axes.
    """
    path = Path(path)
    if path.is_dir():
        msg = f"A volume file is needed, but this is a folder: {path}. Give the files in it."
        raise FileError(msg)
    if not path.is_file():
        msg = f"There is no file at {path}. Check the path."
        raise FileError(msg)
    module = _format(path)
    if path.name.lower().endswith(_PAIR):
        msg = (
            f"{path.name} is one of a pair of files, header (.hdr) and voxels (.img). Join them "
            "to one .nii.gz first: fslchfiletype NIFTI_GZ, or nibabel.save(nibabel.load(…), …)."
        )
        raise FileError(msg)
    if module is None:
        msg = (
            f"{path.name} is not a NIfTI file. This version reads {' and '.join(SUFFIXES)}; "
            "convert it first (dcm2niix for DICOM; 3D Slicer for NRRD and MetaImage)."
        )
        raise FileError(msg)
    volumes: list[Volume] = module.read(path, channels)
    return volumes


def check(path: str | Path, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
    """Refuse an array that `write` would, before it is computed.

    Raises
    ------
    FileError
        If the ending is another, or the format has no place for the shape or type.
    """
    path = Path(path)
    _to_write(path).check(path.name, shape, dtype)


def _to_write(path: Path) -> ModuleType:
    module = _format(path)
    if module is None:
        msg = f"Volumes are written as {' or '.join(SUFFIXES)}, but the name is {path.name!r}."
        raise FileError(msg)
    return module


def write(
    path: str | Path,
    array: npt.NDArray[Any],
    geometry: Geometry,
    metadata: Mapping[str, Any] | None = None,
    *,
    labels: bool = False,
) -> None:
    """Write a mask or map, by the ending of the name; every value as it is.

    Parameters
    ----------
    path
        Where to; ends in `.nii` or `.nii.gz`.
    array
        (Z, Y, X), or (T, Z, Y, X) for a series or for channels: whole or real numbers. The file
        has its type; bool is written as uint8 and float16 as float32, which NIfTI lacks.
    geometry
        Where the array lies.
    metadata
        Metadata of the volume it was made from, so that it lies on the file's own grid.
    labels
        Whether it is a map of labels; the file then says so (NIfTI's intent "label").

    Raises
    ------
    FileError
        If the ending is another, the format has no place for the array's type or axes, or the
        file cannot be written.
    """
    path = Path(path)
    _to_write(path).write(path, array, geometry, metadata or {}, labels=labels)
