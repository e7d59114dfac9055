"""Volumes of labels: read as whole numbers, told from images where nobody said what they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import ShapeError
from napari_attn_unet.io.volumes import read
from napari_attn_unet.volume import Geometry, Volume

_NOISE = 0.05
"""How far from a whole number a label may lie: files that scale their integers round."""
_SHOWN = 3
_FEW_VALUES = 32
_SAMPLES = 32
"""Voxels along each axis that are looked at first."""
_EVEN = 0.5
"""Share of equal neighbours from which many values are labels (of MRI and smooth images: 0.3)."""


def read_labels(path: str | Path) -> tuple[npt.NDArray[np.integer[Any]], Geometry]:
    """Read a volume of labels, and where it lies. Whoever calls it says that they are labels.

    Returns
    -------
    labels, geometry
        (Z, Y, X) int32, its axes as of `read`, or a wider integer type where a value needs one;
        and the place of its grid.

    Raises
    ------
    FileError
        If the file cannot be read.
    ShapeError
        If it holds more than one volume, or values that are no labels.
    """
    (volume, *more) = read_label_volumes(path)
    if more:
        msg = (
            f"{Path(path).name} holds no labels: whole numbers from 0 are needed, in one volume, "
            f"but it has {len(more) + 1} along its fourth axis. If there is one for each class "
            "(one-hot, probabilities), save the most probable class of each voxel; of a series, "
            "save one time point."
        )
        raise ShapeError(msg)
    labels = np.asarray(volume.data[0])
    if labels.max() <= np.iinfo(np.int32).max:
        labels = labels.astype(np.int32)
    return labels, volume.geometry


def read_label_volumes(path: str | Path) -> list[Volume]:
    """Read a file of labels as one volume per time point, its values whole numbers.

    Raises
    ------
    FileError
        If the file cannot be read.
    ShapeError
        If its values are no labels.
    """
    name = Path(path).name
    return [
        replace(volume, data=whole_numbers(np.asarray(volume.data), name)) for volume in read(path)
    ]


def whole_numbers(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.integer[Any]]:
    """Return labels as integers, every value kept exactly.

    Numbers with a point may lie a little beside a whole one, as files that scale their integers
    round; they become int32, or int64 where a value needs it. Integers are returned as they are,
    the same array; bool as a view of uint8.

    Parameters
    ----------
    values
        Of any shape.
    name
        What they are called in messages.

    Raises
    ------
    ShapeError
        If a value is negative, no number, between whole numbers, or so large that its type
        cannot tell it from its neighbours.
    """
    if values.dtype == np.bool_:
        return values.view(np.uint8)
    if values.dtype.kind == "u":
        return values
    if values.dtype.kind == "i":
        if values.size and values.min() < 0:
            raise ShapeError(_no_labels(name, values[values < 0]))
        return values
    if values.dtype.kind != "f":
        msg = f"{name} holds no labels: whole numbers from 0 are needed, but it has {values.dtype}."
        raise ShapeError(msg)
    whole = np.rint(values)
    with np.errstate(invalid="ignore"):  # infinity minus itself
        good = (np.abs(values - whole) <= _NOISE) & (whole >= 0)
    if not good.all():
        raise ShapeError(_no_labels(name, values[~good]))
    largest = float(whole.max()) if whole.size else 0.0
    exact = 2.0 ** (np.finfo(values.dtype).nmant + 1)
    if largest >= min(exact, 2.0**63):
        msg = (
            f"{name} holds labels up to {largest:.0f}, stored as {values.dtype}, which cannot tell "
            f"whole numbers apart from {exact:.0f} on. Save them as integers."
        )
        raise ShapeError(msg)
    labels: npt.NDArray[np.integer[Any]] = whole.astype(
        np.int32 if largest <= np.iinfo(np.int32).max else np.int64
    )
    return labels


def _no_labels(name: str, wrong: npt.NDArray[Any]) -> str:
    """Return what is wrong with some values, in words."""
    some = ", ".join(f"{value:.6g}" for value in np.unique(wrong)[:_SHOWN].tolist())
    return (
        f"{name} holds no labels: whole numbers from 0 are needed, but {wrong.size:,} voxels have "
        f"other values, such as {some}. Of probabilities, save the most probable class of each "
        "voxel; of an image resampled, resample the labels by nearest neighbour."
    )


def looks_like_labels(array: npt.NDArray[Any]) -> bool:
    """Whether an array is probably a label map. Only for where nobody said what it is.

    Labels are whole numbers from 0, and few, or even: most neighbours in an object are equal,
    which intensities are not. Numbers with a point must be both. Names tell nothing: a channel can
    be called `antibody_label`, an image `masked`.

    Parameters
    ----------
    array
        (…, Z, Y, X).
    """
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:  # noqa: PLR2004  (bytes)
        return False
    try:
        whole_numbers(_some_of(array), "it")  # most images end here
        labels = whole_numbers(array, "it")
    except ShapeError:
        return False
    few = all(len(np.unique(part)) <= _FEW_VALUES for part in (_some_of(labels), labels))
    if array.dtype.kind == "f":
        return few and _evenness(labels) >= _EVEN
    return few or _evenness(labels) >= _EVEN


def _some_of(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return some voxels from all over an array, a view."""
    steps: list[Any] = [slice(None, None, max(1, n // _SAMPLES)) for n in array.shape[-3:]]
    return array[(..., *steps)]


def _evenness(labels: npt.NDArray[np.integer[Any]]) -> float:
    """Return the share of neighbouring voxels, neither of them background, that are equal."""
    equal = pairs = 0
    for axis in range(max(0, labels.ndim - 3), labels.ndim):
        here = labels[(*(slice(None),) * axis, slice(None, -1))]
        there = labels[(*(slice(None),) * axis, slice(1, None))]
        inside = (here != 0) & (there != 0)
        pairs += int(np.count_nonzero(inside))
        equal += int(np.count_nonzero(inside & (here == there)))
    return equal / pairs if pairs else 0.0
