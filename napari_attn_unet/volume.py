"""`Volume`: an image of one or more channels, and its `Geometry`: where its voxels lie.

Arrays are indexed (Z, Y, X). World coordinates are ordered the same way. For images whose file
knows the patient, world z, y and x run towards superior, anterior and right (the RAS+ axes of
NIfTI-1, read backwards).
"""
# Over 350 lines: a volume, its place, units and orientation, which make no sense apart.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations, product
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import ShapeError, VolumeError

FloatArray = npt.NDArray[np.float64]
Box = tuple[slice, slice, slice]
"""Voxels of a grid: a start and a stop along each axis."""


def whole_box(size: Sequence[int]) -> Box:
    """Return the box of all voxels of a grid of `size` (Z, Y, X)."""
    z, y, x = (slice(0, int(n)) for n in size)
    return z, y, x


def corners(shape: Sequence[int]) -> FloatArray:
    """Return the indices (8, 3) of the outermost voxels of a grid of `shape`."""
    return np.array(list(product(*((0, n - 1) for n in shape))), dtype=np.float64)


SAME_VOXEL = 0.02
"""Share of a voxel by which two places of one voxel may differ; see `Geometry.is_grid_of`."""

_RIGHT_ANGLE = 1e-6
"""Cosine up to which two axes are at right angles."""
_FLAT = 1e-6
"""Volume between three unit vectors below which 32-bit floats cannot tell it from none."""

MILLIMETRES = {
    "km": 1e6,
    "m": 1e3,
    "cm": 10.0,
    "mm": 1.0,
    "um": 1e-3,
    "nm": 1e-6,
    "angstrom": 1e-7,
    "pm": 1e-9,
}
"""Length of each unit in mm. A unit that is not listed ("pixel") says nothing about size."""

_UNIT_NAMES = {
    "kilometer": "km",
    "kilometre": "km",
    "meter": "m",
    "metre": "m",
    "centimeter": "cm",
    "centimetre": "cm",
    "millimeter": "mm",
    "millimetre": "mm",
    "micrometer": "um",
    "micrometre": "um",
    "micron": "um",
    "µm": "um",
    "μm": "um",
    "nanometer": "nm",
    "nanometre": "nm",
    "ångström": "angstrom",
    "Å": "angstrom",
    "\u212b": "angstrom",  # the sign, a character of its own
    "picometer": "pm",
    "picometre": "pm",
}


def unit_symbol(name: str) -> str:
    """Return the short name of a length unit: "millimeter" -> "mm"; unknown -> "pixel"."""
    symbol = _UNIT_NAMES.get(name, name)
    return symbol if symbol in MILLIMETRES else "pixel"


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """Place of a voxel grid in the world.

    Parameters
    ----------
    affine
        (4, 4) matrix from voxel indices (z, y, x, 1), counted at voxel centres, to world
        coordinates (z, y, x, 1).
    unit
        Unit of the world coordinates: a key of `MILLIMETRES`, or "pixel" where it is unknown.
    assumed
        Whether nobody said the unit, but the file's format takes it for granted (NIfTI's mm).

    Raises
    ------
    VolumeError
        If the affine is not a finite, invertible (4, 4) matrix.
    """

    affine: FloatArray
    unit: str = "pixel"
    assumed: bool = False

    def __post_init__(self) -> None:
        """Check the affine and make it read-only."""
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            msg = f"An affine needs 4 x 4 finite numbers, but got {affine.tolist()}."
            raise VolumeError(msg)
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        volume = abs(np.linalg.det(affine[:3, :3] / np.where(lengths > 0, lengths, 1.0)))
        if not lengths.all() or volume < _FLAT:
            msg = (
                f"An affine must be invertible, but this one has no volume: {affine.tolist()}. "
                "Check the spacing of the image: every axis needs a size above 0."
            )
            raise VolumeError(msg)
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)

    @classmethod
    def from_spacing(
        cls,
        spacing: Sequence[float] = (1.0, 1.0, 1.0),
        origin: Sequence[float] = (0.0, 0.0, 0.0),
        unit: str = "pixel",
    ) -> Geometry:
        """Return an axis-aligned geometry from spacing and origin, both (z, y, x), in `unit`."""
        affine = np.diag([*spacing, 1.0])
        affine[:3, 3] = origin
        return cls(affine, unit)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along each array axis, in `unit`."""
        z, y, x = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return z, y, x

    @property
    def length_unit(self) -> str:
        """What a distance on this grid is in: the unit, or "voxels" where there is none."""
        return "voxels" if self.unit == "pixel" else self.unit

    @property
    def origin(self) -> tuple[float, float, float]:
        """World coordinates of the centre of voxel (0, 0, 0)."""
        z, y, x = self.affine[:3, 3].tolist()
        return z, y, x

    @property
    def direction(self) -> FloatArray:
        """(3, 3) matrix whose columns are the unit vectors of the array axes in the world."""
        return np.asarray(self.affine[:3, :3] / np.asarray(self.spacing))

    @property
    def steps(self) -> FloatArray:
        """(3, 3) matrix from steps of voxels (z, y, x) to lengths in space, in `unit`.

        Diagonal, the spacing, on a grid at right angles, however it is turned; of a sheared one,
        its axes in the world.
        """
        angles = self.direction.T @ self.direction
        if np.allclose(angles, np.eye(3), rtol=0, atol=_RIGHT_ANGLE):
            return np.diag(self.spacing)
        return np.asarray(self.affine[:3, :3])

    @property
    def spacing_mm(self) -> tuple[float, float, float] | None:
        """Spacing in mm, or None where the unit is unknown."""
        if self.unit not in MILLIMETRES:
            return None
        z, y, x = (s * MILLIMETRES[self.unit] for s in self.spacing)
        return z, y, x

    @property
    def voxel_mm3(self) -> float | None:
        """Volume of one voxel in mm³, or None where the unit is unknown."""
        if self.unit not in MILLIMETRES:
            return None
        return float(abs(np.linalg.det(self.affine[:3, :3]))) * MILLIMETRES[self.unit] ** 3

    def regridded(self, voxel_size: Sequence[float], start: Sequence[float]) -> Geometry:
        """Return the geometry of another grid laid over this one.

        Parameters
        ----------
        voxel_size
            Size of the new voxels in voxels of this grid, (z, y, x).
        start
            Index in this grid of the *outer corner* of the new grid's first voxel, where the
            corner of this grid's first voxel is 0. A crop from voxel 5 starts at 5; a map that
            is 2x coarser starts at 0, and its first centre falls at index 0.5 of this grid.
        """
        step = np.asarray(voxel_size, dtype=np.float64)
        local = np.diag([*step, 1.0])
        local[:3, 3] = np.asarray(start, dtype=np.float64) + (step - 1.0) / 2.0
        return replace(self, affine=self.affine @ local)

    def coarsened(self, factor: int) -> Geometry:
        """Return the geometry of a map with voxels `factor` times larger along each axis."""
        return self.regridded((factor,) * 3, (0.0,) * 3)

    def unit_in(self, other: Geometry) -> float:
        """Return how long this grid's unit is in another's.

        An unknown unit is taken for the other one; so is an assumed one, if the voxels are then
        nearer to each other in size.
        """
        if not {self.unit, other.unit} <= set(MILLIMETRES):
            return 1.0
        by = MILLIMETRES[self.unit] / MILLIMETRES[other.unit]
        if self.assumed != other.assumed:
            apart = float(np.log(np.prod(self.spacing) / np.prod(other.spacing))) / 3
            if abs(apart) < abs(apart + float(np.log(by))):
                return 1.0
        return by

    def is_same(self, other: Geometry) -> bool:
        """Whether another says the very same: affine and unit."""
        said = (self.unit, self.assumed) == (other.unit, other.assumed)
        return said and np.array_equal(self.affine, other.affine)

    def in_unit_of(self, other: Geometry) -> Geometry:
        """Return the same place with the lengths of another's unit; of unknown units, as it is."""
        if self.unit not in MILLIMETRES or other.unit not in MILLIMETRES:
            return self
        by = MILLIMETRES[self.unit] / MILLIMETRES[other.unit]
        return Geometry(np.diag([by, by, by, 1.0]) @ self.affine, other.unit, other.assumed)

    def beside(self, other: Geometry) -> Geometry:
        """Return this grid in another's unit, where it is only that one's that was said."""
        if self.unit != other.unit and other.unit in MILLIMETRES and not other.assumed:
            if self.assumed and self.unit_in(other) == 1:
                return replace(self, unit=other.unit, assumed=False)
            if self.unit not in MILLIMETRES:
                return replace(self, unit=other.unit)
        return self

    def indices_in(self, other: Geometry) -> FloatArray:
        """(4, 4) matrix from indices of this grid to indices of another.

        Lengths are converted as `unit_in` says.
        """
        scale = np.eye(4)
        scale[:3] *= self.unit_in(other)
        return np.asarray(np.linalg.inv(other.affine) @ scale @ self.affine)

    def is_grid_of(self, other: Geometry, shape: Sequence[int]) -> bool:
        """Whether this is another's grid, for arrays of `shape`.

        No voxel's centre may lie further than `SAME_VOXEL` of a voxel from its counterpart's: as
        much as spacings, quaternions and origins are rounded to in headers of 32-bit floats.
        """
        ends = corners(shape)
        there = self.indices_in(other)
        apart = ends @ there[:3, :3].T + there[:3, 3] - ends
        return bool(np.abs(apart).max() <= SAME_VOXEL)

    def oriented(self, orientation: Orientation, shape: Sequence[int]) -> Geometry:
        """Return the geometry of an array of this geometry, of `shape`, once reoriented."""
        return replace(self, affine=self.affine @ orientation.index_affine(shape))


@dataclass(frozen=True, slots=True)
class Orientation:
    """A lossless change of array axes: permute, then flip.

    Attributes
    ----------
    axes
        Axis of the source array that becomes each axis of the result.
    flips
        Whether each axis of the result is reversed.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)

    @classmethod
    def to_canonical(cls, affine: FloatArray) -> Orientation:
        """Return the change that brings array axes closest to the positive world axes."""
        linear = np.asarray(affine)[:3, :3]
        cosines = linear / np.linalg.norm(linear, axis=0)
        axes = max(
            permutations(range(3)),
            key=lambda order: sum(abs(cosines[world, axis]) for world, axis in enumerate(order)),
        )
        flips = tuple(bool(cosines[world, axis] < 0) for world, axis in enumerate(axes))
        return cls((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))

    @property
    def inverse(self) -> Orientation:
        """The change that undoes this one."""
        axes = tuple(self.axes.index(i) for i in range(3))
        flips = tuple(self.flips[axes[i]] for i in range(3))
        return Orientation((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))

    def apply(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Reorient the last three axes of an array; a view, no copy."""
        lead = array.ndim - 3
        moved = array.transpose(*range(lead), *(lead + axis for axis in self.axes))
        step = tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)
        return moved[(..., *step)]

    def apply_to_box(self, box: Box, shape: Sequence[int]) -> Box:
        """Return where the voxels of a box of an array of `shape` lie once it is reoriented."""
        z, y, x = (
            slice(shape[old] - box[old].stop, shape[old] - box[old].start) if flip else box[old]
            for old, flip in zip(self.axes, self.flips, strict=True)
        )
        return z, y, x

    def index_affine(self, shape: Sequence[int]) -> FloatArray:
        """(4, 4) matrix from indices of the result to indices of a source of `shape`."""
        matrix = np.zeros((4, 4))
        matrix[3, 3] = 1.0
        for new, (old, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            matrix[old, new] = -1.0 if flip else 1.0
            matrix[old, 3] = shape[old] - 1 if flip else 0.0
        return matrix


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """An image: (C, Z, Y, X) and where it lies.

    Parameters
    ----------
    data
        Array of shape (C, Z, Y, X): numpy, or anything `numpy.asarray` takes (dask, zarr).
    geometry
        Place of the voxel grid; unit voxels at the origin by default.
    name
        What to call the image in messages and outputs.
    metadata
        Carried to every output untouched; a reader keeps a file's header and exact affine here.

    Raises
    ------
    ShapeError
        If the array does not have 4 axes or one of them is empty.
    """

    data: Any
    geometry: Geometry = field(default_factory=Geometry.from_spacing)
    name: str = "volume"
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Check the axes."""
        shape = tuple(int(n) for n in np.shape(self.data))
        if len(shape) != 4:  # noqa: PLR2004
            msg = (
                f"A volume needs 4 axes (C, Z, Y, X), but the array has {len(shape)}: {shape}.\n"
                "For a single-channel (Z, Y, X) image, pass `array[np.newaxis]`."
            )
            raise ShapeError(msg)
        if 0 in shape:
            msg = (
                f"A volume needs at least one voxel along each axis, but its shape is {shape}. "
                "Check the crop or the file that it comes from."
            )
            raise ShapeError(msg)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.data.shape[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size of the voxel grid (Z, Y, X)."""
        z, y, x = self.data.shape[1:]
        return int(z), int(y), int(x)

    def cropped(self, start: Sequence[int], stop: Sequence[int]) -> Volume:
        """Return the box [start, stop) of voxel indices (z, y, x) as a volume of its own."""
        box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        return Volume(
            self.data[(slice(None), *box)],
            self.geometry.regridded((1, 1, 1), start),
            self.name,
            self.metadata,
        )
