"""Where two grids meet: labels brought onto another grid, and what there is to say of it.

Training, evaluation, the widgets and the command line all ask `onto_grid`, so that a mask and a
truth meet in the same way everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import VolumeError
from napari_attn_unet.volume import MILLIMETRES, SAME_VOXEL, FloatArray, Geometry, corners

ROUNDING = 1e-4
"""Of a voxel: what floats of a header move a place. On a border between two voxels it would make
neighbours fall to either side."""
HALF = 0.5
"""Of a voxel: how far its nearest neighbour may be along an axis."""


@dataclass(frozen=True, slots=True, eq=False)
class OnGrid:
    """Labels on the grid of something else.

    Attributes
    ----------
    labels
        (Z, Y, X) on the grid wanted; the very array that came where the grids are one.
    moved
        Whether they came from another grid.
    covered
        Share of the voxels wanted that have a nearest one among those given; the others are 0.
    outside
        Share of the labelled voxels given that lie beyond the grid wanted, so are not in `labels`.
    displaced
        Whether both grids have one size but lie more than half a voxel apart, as where a header
        was lost.
    note
        All of this in words; empty where the grids are one.
    """

    labels: npt.NDArray[Any]
    moved: bool = False
    covered: float = 1.0
    outside: float = 0.0
    displaced: bool = False
    note: str = ""


class _Plane(NamedTuple):
    """For a plane of a grid: what lies there of another.

    `nearest` are those voxels' (z, y, x), each of a shape that broadcasts to the plane's;
    `inside` says where there is one, and `away` how far it is at most, in voxels (z, y, x).
    """

    nearest: tuple[npt.NDArray[np.intp], ...]
    inside: npt.NDArray[np.bool_]
    away: FloatArray


def onto_grid(  # noqa: PLR0913  (two grids, and what they are called)
    labels: npt.NDArray[Any],
    source: Geometry,
    target: Geometry,
    shape: Sequence[int],
    *,
    what: str = "truth",
    on: str = "image",
) -> OnGrid:
    """Bring labels onto another grid: as they are on the same one, else the nearest in the world.

    A voxel's nearest neighbour is at most half a voxel away along each axis of the labels' grid,
    its border included; beyond, there is none. Lengths in two known units are converted; an
    unknown unit is taken for the other one. See `Geometry.unit_in`.

    Parameters
    ----------
    labels, source
        (Z, Y, X), and where they lie.
    target, shape
        The grid wanted. Voxels beyond the labels become 0. See `Geometry.is_grid_of` for what
        counts as the same.
    what, on
        What the labels and the other grid are called in words.

    Raises
    ------
    VolumeError
        If the grids do not overlap, or say the same numbers in two units.
    """
    size = tuple(int(n) for n in shape)
    if labels.shape == size and target.is_grid_of(source, size):
        return OnGrid(labels)
    _refuse_other_unit(source, target, what, on)
    result = np.zeros(size, labels.dtype)
    count, away = 0, np.zeros(3)
    for z, plane in enumerate(_planes(target.indices_in(source), size, labels.shape)):
        if plane.inside.any():
            result[z] = np.where(plane.inside, labels[plane.nearest], 0)
            count += int(np.count_nonzero(np.broadcast_to(plane.inside, size[1:])))
            away = np.maximum(away, plane.away)
    if not count:
        msg = (
            f"The {what} and the {on} do not overlap anywhere: {_grid(source, labels.shape)} from "
            f"{_place(source)}, and {_grid(target, size)} from {_place(target)}. Check that they "
            "belong together; one of them may have lost its place."
        )
        raise VolumeError(msg)
    covered = count / float(np.prod(size))
    outside = _share_outside(labels, source, target, size)
    displaced = labels.shape == size and _apart(source, target, size)[0] > HALF
    note = _words(labels.shape, source, target, size, away, (what, on), displaced=displaced)
    if outside > 0:
        note += f" {percent(outside)} of the {what}'s labelled voxels lie beyond it: not counted."
    if covered < 1:
        note += f" The {what}'s grid covers {percent(covered)} of the {on}'s; the rest counts as "
        note += "background."
    return OnGrid(result, True, covered, outside, displaced, note)


def _planes(there: FloatArray, shape: Sequence[int], size: Sequence[int]) -> Iterator[_Plane]:
    """Yield, for every first-axis plane of a grid of `shape`, what lies there of one of `size`."""
    ranges = np.meshgrid(*(np.arange(n) for n in shape[1:]), indexing="ij", sparse=True)
    # An axis that moves a place by less than rounding is left out: of grids whose axes are
    # parallel, the indices are then a line along each axis instead of a plane.
    matters = [[abs(there[a, b]) * shape[b] > ROUNDING for b in range(3)] for a in range(3)]
    for z in range(shape[0]):
        index, away = [], np.zeros(3)
        inside: npt.NDArray[np.bool_] = np.ones((1, 1), bool)
        for a, n in enumerate(size):
            place = np.full((1, 1), there[a, 3] + there[a, 0] * z)
            for b, along in enumerate(ranges, 1):
                if matters[a][b]:
                    place = place + there[a, b] * along
            within = (place >= -HALF - ROUNDING) & (place <= n - 1 + HALF + ROUNDING)
            # Rounding to either side of a border between two voxels is taken out first.
            nearest = np.floor(np.round(place, 4) + HALF).clip(0, n - 1)
            away[a] = float(np.abs(place - nearest)[within].max(initial=0.0))
            index.append(nearest.astype(np.intp))
            inside = inside & within
        yield _Plane(tuple(index), inside, away)


def _share_outside(
    labels: npt.NDArray[Any], source: Geometry, target: Geometry, shape: Sequence[int]
) -> float:
    """Return the share of labelled voxels whose centre lies beyond a grid."""
    total = beyond = 0
    for z, plane in enumerate(_planes(source.indices_in(target), labels.shape, shape)):
        labelled = labels[z] != 0
        total += int(np.count_nonzero(labelled))
        beyond += int(np.count_nonzero(labelled & ~plane.inside))
    return beyond / total if total else 0.0


def _refuse_other_unit(source: Geometry, target: Geometry, what: str, on: str) -> None:
    """Refuse two grids of the same numbers in two known units: one of the units is wrong."""
    units = {source.unit, target.unit}
    said = not (source.assumed or target.assumed)
    known = said and len(units) > 1 and units <= set(MILLIMETRES)
    if known and np.allclose(source.spacing, target.spacing, rtol=1e-4):
        numbers = " × ".join(f"{s:.4g}" for s in source.spacing)
        msg = (
            f"The {what} lies on a grid in {source.unit}, the {on} on one in {target.unit}, but "
            f"both have voxels of {numbers}. One of the units is wrong: give both the same."
        )
        raise VolumeError(msg)


def _words(  # noqa: PLR0913  (two grids, and what they are called)
    there: Sequence[int],
    source: Geometry,
    target: Geometry,
    shape: Sequence[int],
    away: FloatArray,
    names: tuple[str, str],
    *,
    displaced: bool,
) -> str:
    """Return what kind of change it is, and how far apart the grids are."""
    what, on = names
    unit = target.unit if target.unit in MILLIMETRES else source.length_unit
    furthest = float(np.linalg.norm(source.steps @ away)) * source.unit_in(target)
    how = "the label at its place"
    if (away > SAME_VOXEL).any():
        how = f"the nearest label, up to {furthest:.3g} {unit} away"
    note = (
        f"The {what} lies on another grid {tuple(there)}, voxels of {_size(source)}, than the "
        f"{on} {tuple(shape)}, voxels of {_size(target)}: each voxel takes {how}."
    )
    if tuple(there) == tuple(shape):
        _, distance = _apart(source, target, shape)
        note += f" Both have one size, but their headers place them up to {distance:.3g} {unit} "
        note += "apart."
    if displaced:
        note += (
            " If they belong voxel to voxel, one of them has lost its place: give it the other's "
            "affine."
        )
    for name, grid, other in ((what, source, target), (on, target, source)):
        silent = grid.assumed or grid.unit not in MILLIMETRES
        if silent and not other.assumed and grid.unit != other.unit:
            taken = other.unit if source.unit_in(target) == 1 else grid.unit
            note += f" The {name} says no unit; {taken} is taken for it."
    return note


def _apart(source: Geometry, target: Geometry, shape: Sequence[int]) -> tuple[float, float]:
    """Return how far the voxels of two grids of one shape are apart at most.

    In voxels along an axis of the source, and in the target's unit.
    """
    index, ends = target.indices_in(source), corners(shape)
    voxels = ends @ index[:3, :3].T + index[:3, 3] - ends
    lengths = np.linalg.norm(voxels @ source.affine[:3, :3].T, axis=1) * source.unit_in(target)
    return float(np.abs(voxels).max()), float(lengths.max())


def _grid(geometry: Geometry, shape: Sequence[int]) -> str:
    return f"{tuple(int(n) for n in shape)} voxels of {_size(geometry)}"


def _size(geometry: Geometry) -> str:
    unit = f" {geometry.unit}" if geometry.unit in MILLIMETRES else ""
    return " × ".join(f"{s:.4g}" for s in geometry.spacing) + unit


def _place(geometry: Geometry) -> str:
    return "(" + ", ".join(f"{s:.4g}" for s in geometry.origin) + ")"


def percent(share: float) -> str:
    """Return a share in percent; one that is neither none nor all is never written as such."""
    return f"{min(max(100 * share, 0.01), 99.9):.3g} %" if 0 < share < 1 else f"{share * 100:.0f} %"
