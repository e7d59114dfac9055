"""Which side is which: letters, the upright view of a plane, and where a slice lies.

World z, y and x run towards superior, anterior and right where a file knows the patient (the RAS+
axes of NIfTI, last first); an array's axes may run any way through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_attn_unet.table import text
from napari_attn_unet.volume import Geometry, Orientation

Convention = Literal["radiological", "neurological", "as stored"]
CONVENTIONS: Mapping[Convention, str] = {
    "radiological": "The patient's left is on the right, as if looked at from the feet.",
    "neurological": "The patient's left is on the left, as if looked at from behind.",
    "as stored": "Rows downwards and columns to the right, in the order of the data.",
}
PLANES = "axial", "coronal", "sagittal"
"""The plane across each world axis z, y, x."""
AXES = "z", "y", "x"
_LETTERS = ("I", "S"), ("P", "A"), ("L", "R")
"""At the low and high end of the world axes z, y, x."""
_NEITHER = 0.9
"""Where a second axis is this near to the nearest, a letter would say too much."""


def is_known(metadata: Mapping[str, Any]) -> bool:
    """Return whether an image's file says where the patient's sides are; see `Volume.metadata`."""
    return bool(getattr(metadata.get("nifti"), "knows_patient", False))


def is_placed(metadata: Mapping[str, Any]) -> bool:
    """Return whether an image lies anywhere: not one whose file has voxel sizes and no place.

    An image of no such file lies where the viewer has it; see `Volume.metadata`.
    """
    return bool(getattr(metadata.get("nifti"), "knows_patient", True))


def world_axes(geometry: Geometry) -> tuple[int, int, int]:
    """Return the world axis (of z, y, x) that each array axis runs along."""
    axes = Orientation.to_canonical(geometry.affine).axes
    z, y, x = (axes.index(axis) for axis in range(3))
    return z, y, x


def letters(geometry: Geometry) -> tuple[tuple[str, str], ...]:
    """Return for each array axis (Z, Y, X) the letters at its first and its last voxel.

    Of an oblique axis, the side that lies nearest; empty where two are about as near.
    """
    result = []
    for axis, world in enumerate(world_axes(geometry)):
        along = geometry.direction[:, axis]
        others = np.delete(np.abs(along), world)
        if others.max() > _NEITHER * abs(along[world]):
            result.append(("", ""))
            continue
        low, high = _LETTERS[world]
        result.append((low, high) if along[world] > 0 else (high, low))
    return tuple(result)


@dataclass(frozen=True, slots=True)
class View:
    """How a plane across an array axis is seen.

    Attributes
    ----------
    axis
        Of Z, Y, X, that the slices lie along.
    rows, columns
        The axes that run down the screen and across it.
    flip_rows, flip_columns
        Whether they are seen from their last voxel to their first.
    known
        Whether the patient's sides are.
    """

    axis: int
    rows: int
    columns: int
    flip_rows: bool = False
    flip_columns: bool = False
    known: bool = False

    def turn(self, plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a plane, its two axes in ascending order, as it is seen: row 0 on top; a view."""
        seen = plane if self.rows < self.columns else plane.swapaxes(0, 1)
        if self.flip_rows:
            seen = seen[::-1]
        return seen[:, ::-1] if self.flip_columns else seen

    def sides(self, geometry: Geometry) -> dict[str, str]:
        """Return the letters at "top", "bottom", "left" and "right"; empty where unknown."""
        if not self.known:
            return dict.fromkeys(("top", "bottom", "left", "right"), "")
        ends = letters(geometry)
        top, bottom = ends[self.rows][:: -1 if self.flip_rows else 1]
        left, right = ends[self.columns][:: -1 if self.flip_columns else 1]
        return {"top": top, "bottom": bottom, "left": left, "right": right}


def view_of(
    geometry: Geometry,
    axis: int,
    convention: Convention = "radiological",
    *,
    known: bool = True,
) -> View:
    """Return how a plane is seen so that a head stands upright.

    Axial: anterior up. Coronal and sagittal: superior up. Sagittal: anterior to the left.

    Parameters
    ----------
    geometry
        Of the image.
    axis
        Of Z, Y, X, that the slices lie along.
    convention
        On which side of the screen the patient's left is.
    known
        See `is_known`; where it is not, the plane is seen as it is stored.
    """
    across = [a for a in range(3) if a != axis]
    if not known or convention == "as stored":
        return View(axis, across[0], across[1], known=known)
    worlds = world_axes(geometry)
    rows, columns = sorted(across, key=lambda a: worlds[a])  # z before y before x
    wanted_left = {1: "A", 2: "R" if convention == "radiological" else "L"}[worlds[columns]]
    upwards = geometry.direction[worlds[rows], rows] > 0  # towards superior, or anterior
    right_letter = _LETTERS[worlds[columns]][
        int(geometry.direction[worlds[columns], columns] > 0)
    ]  # at the last voxel
    return View(axis, rows, columns, bool(upwards), right_letter == wanted_left, known=True)


def plane_name(geometry: Geometry, axis: int, *, known: bool) -> str:
    """Return "axial", "coronal" or "sagittal" of the plane across an axis; else the axis."""
    return PLANES[world_axes(geometry)[axis]] if known else AXES[axis]


def position(geometry: Geometry, axis: int, index: int, *, known: bool = True) -> str:
    """Return where a slice lies, as the viewer's slider has it: "z 23 · −17.0 mm".

    The index counts from 0; the length is the world coordinate that the viewer shows, which is
    the grid's origin and spacing along that axis. The index stands alone where the unit is unknown
    or the grid is not `known` to lie anywhere (see `is_placed`): its origin is then invented.
    """
    if geometry.spacing_mm is None or not known:
        return f"{AXES[axis]} {index}"
    way = -1.0 if geometry.direction[axis, axis] < 0 else 1.0
    there = geometry.origin[axis] + way * index * geometry.spacing[axis]
    return f"{AXES[axis]} {index} · {text(there)} {geometry.unit}"
