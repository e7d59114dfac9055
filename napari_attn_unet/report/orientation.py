"""Where the patient's sides are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.volume import Geometry

_NAMES = (("I", "S"), ("P", "A"), ("L", "R"))


def letters(geometry: Geometry) -> tuple[tuple[str, str], ...]:
    """Return the letters at index 0's side and at the end's, of Z, Y, X."""
    result = []
    for a in range(3):
        w = int(np.argmax(np.abs(geometry.direction[:, a])))
        first, last = _NAMES[w]
        up = geometry.direction[w, a] > 0
        result.append((first, last) if up else (last, first))
    return tuple(result)


@dataclass(frozen=True, slots=True)
class View:
    """How a plane is shown."""

    axis: int
    rows: int
    columns: int
    flip_rows: bool = False
    flip_columns: bool = False

    def turn(self, plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Turn a plane."""
        plane = plane.T if self.rows > self.columns else plane
        return plane[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]

    def sides(self, geometry: Geometry) -> dict[str, str]:
        """Return the letters."""
        found = letters(geometry)
        top, bottom = found[self.rows][:: -1 if self.flip_rows else 1]
        left, right = found[self.columns][:: -1 if self.flip_columns else 1]
        return {"top": top, "bottom": bottom, "left": left, "right": right}


def view_of(
    geometry: Geometry, axis: int, *, radiological: bool = True, known: bool = True
) -> View:
    """Return the view."""
    rows, columns = (a for a in range(3) if a != axis)
    if not known:
        return View(axis, rows, columns)
    found = letters(geometry)
    if "S" in found[columns] or (
        "A" in found[columns] and "S" not in found[rows] and "L" in found[rows]
    ):
        rows, columns = columns, rows
    top = {"S", "A"}
    left = {"R" if radiological else "L", "A"}
    return View(axis, rows, columns, found[rows][0] not in top, found[columns][0] not in left)


def position(geometry: Geometry, axis: int, index: int) -> str:
    """Return the position."""
    name = "zyx"[axis]
    if geometry.spacing_mm is None:
        return f"{name} {index}"
    w = int(np.argmax(np.abs(geometry.direction[:, axis])))
    place = geometry.affine[w, 3] + geometry.affine[w, axis] * index
    return f"{name} {index} · {place:.1f} {geometry.unit}".replace("-", "−")


def is_known(metadata: Mapping[str, Any]) -> bool:
    """Return whether the file says where the sides are."""
    return "nifti" in metadata
