"""Which values of a mask and a truth mean the same class: matched by name, else by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import ShapeError
from napari_attn_unet.scores import metrics

Labels = npt.NDArray[np.uint8]
IGNORE = -1
"""Where a value of either side is mapped to this, a voxel counts for nothing."""
MOST_CLASSES = 255


@dataclass(frozen=True, slots=True)
class Matching:
    """Which values of mask and truth mean which class.

    Attributes
    ----------
    classes
        Names; the first is the background.
    mask, truth
        {value: index into `classes`, or `IGNORE`}.
    """

    classes: tuple[str, ...]
    mask: Mapping[int, int]
    truth: Mapping[int, int]


def labels_in(array: npt.NDArray[Any]) -> set[int]:
    """Return the values that occur in a label array."""
    if array.dtype.kind in "bu" and array.dtype.itemsize == 1:
        return set(np.flatnonzero(np.bincount(array.ravel(), minlength=1)).tolist())
    return set(np.unique(array).tolist())


def match(mask: Mapping[int, str | None], truth: Mapping[int, str | None]) -> Matching:
    """Match values by name where both sides have names, else by value.

    Parameters
    ----------
    mask, truth
        The values that occur, and their names where known. 0 is the background.
    """
    both_named = all(any(names[v] for v in names if v) for names in (mask, truth))
    classes = ["background"]
    known: dict[int | str, int] = {}
    maps: list[dict[int, int]] = [{0: 0}, {0: 0}]
    for side, names, others in ((maps[0], mask, truth), (maps[1], truth, mask)):
        for value in sorted(v for v in names if v):
            name = names[value] or others.get(value)
            key = _plain(name) if both_named and name else value
            if key not in known:
                known[key] = len(classes)
                classes.append(name or f"label {value}")
            side[value] = known[key]
    return Matching(tuple(classes), *maps)


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def relabel(
    mask: npt.NDArray[Any], truth: npt.NDArray[Any], matching: Matching
) -> tuple[Labels, Labels]:
    """Return both with the classes of a matching; what is ignored is background in both.

    Parameters
    ----------
    mask, truth
        Label arrays of one shape; values that the matching does not know become background.
    matching
        From `match`.

    Raises
    ------
    ShapeError
        If there are more classes than a byte holds, or the shapes differ.
    """
    metrics.same_shape(mask, truth)
    if len(matching.classes) > MOST_CLASSES:
        msg = (
            f"There are {len(matching.classes)} classes; at most {MOST_CLASSES} are compared. "
            "Is one of the layers a map of numbered objects?"
        )
        raise ShapeError(msg)
    found = []
    ignored = np.zeros(mask.shape, bool)
    for array, mapping in ((mask, matching.mask), (truth, matching.truth)):
        labels = _mapped(array, mapping)
        if IGNORE in mapping.values():
            ignored |= labels == MOST_CLASSES
        found.append(labels)
    for labels in found:
        labels[ignored] = 0
    return found[0], found[1]


def _mapped(array: npt.NDArray[Any], mapping: Mapping[int, int]) -> Labels:
    """Return the classes of an array's values; `IGNORE` becomes 255, an unknown value 0."""
    classes = {value: MOST_CLASSES if c == IGNORE else c for value, c in mapping.items()}
    if array.dtype.kind in "bu" and array.dtype.itemsize == 1:
        table = np.zeros(2**8, np.uint8)
        for value, c in classes.items():
            table[value] = c
        return np.asarray(table[array.view(np.uint8)])
    result = np.zeros(array.shape, np.uint8)
    for value, c in classes.items():
        if c:
            result[array == value] = c
    return result
