"""How well a mask agrees with a truth: arrays in, numbers out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import ShapeError


def dice(mask: npt.NDArray[Any], truth: npt.NDArray[Any], label: int) -> float:
    """Return the Dice coefficient of one label, 2 |A ∩ B| / (|A| + |B|) (Dice 1945).

    NaN where neither array has the label: there is nothing to agree on.

    Raises
    ------
    ShapeError
        If the arrays differ in shape.
    """
    if mask.shape != truth.shape:
        msg = f"Mask and truth must have one shape, but are {mask.shape} and {truth.shape}."
        raise ShapeError(msg)
    a, b = mask == label, truth == label
    total = int(a.sum()) + int(b.sum())
    return 2 * int(np.logical_and(a, b).sum()) / total if total else float("nan")
