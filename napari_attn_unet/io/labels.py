"""Volumes of labels: read as whole numbers, told from images."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import ShapeError
from napari_attn_unet.io.volumes import read
from napari_attn_unet.volume import Geometry

_LABEL_NAME = re.compile(r"label|seg|mask|truth|(^|[_.-])gt([_.-]|$)|annot|parc", re.IGNORECASE)
_FEW_VALUES = 32


def read_labels(path: str | Path) -> tuple[npt.NDArray[np.int32], Geometry]:
    """Read a volume of labels, and where it lies.

    Returns
    -------
    labels, geometry
        (Z, Y, X) int32, its axes as of `read`; and the place of its grid.

    Raises
    ------
    FileError
        If the file cannot be read.
    ShapeError
        If it holds more than one volume, or values that are no labels.
    """
    (volume, *more) = read(path)
    values = np.asarray(volume.data[0])
    labels = np.rint(values)
    if (
        more
        or not np.isfinite(labels).all()
        or not np.array_equal(labels, values)
        or labels.min() < 0
    ):
        msg = f"{Path(path).name} holds no labels: whole numbers from 0 are needed, in one volume."
        raise ShapeError(msg)
    labels = labels.astype(np.int32)
    near = "/".join(Path(path).resolve().parts[-2:])  # labelsTr/case.nii.gz tells it, too
    if not looks_like_labels(labels, near):
        msg = (
            f"{Path(path).name} looks like an image: it has {len(np.unique(labels))} different "
            "values. If they are labels, say so in the name of the file or its folder (label, seg, "
            "mask)."
        )
        raise ShapeError(msg)
    return labels, volume.geometry


def looks_like_labels(array: npt.NDArray[Any], name: str) -> bool:
    """Whether an integer array is a label map, by its name or its few values."""
    if array.dtype.kind not in "bui" or (array.dtype.kind == "i" and array.min() < 0):
        return False
    return bool(_LABEL_NAME.search(name)) or len(np.unique(array)) <= _FEW_VALUES
