"""Which image voxels a gate's map covers, and with which coefficient each counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import VolumeError
from napari_attn_unet.prediction import GateMap
from napari_attn_unet.volume import SAME_VOXEL, Geometry

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class Cover:
    """Which image voxels each voxel of a gate map stands for: those whose centre lies in it.

    The map may be of a part of the image (a box, some slices), and may reach beyond it.

    Parameters
    ----------
    gate
        The map, (Z', Y', X').
    geometry, shape
        The image's grid. Its axes must be the map's.

    Raises
    ------
    VolumeError
        If the map is turned against the image.
    """

    def __init__(self, gate: GateMap, geometry: Geometry, shape: tuple[int, ...]) -> None:
        self.values = np.asarray(gate.coefficients, dtype=np.float64)
        local = geometry.indices_in(gate.geometry)
        step, start = np.diag(local)[:3], local[:3, 3]
        turned = np.abs((local[:3, :3] - np.diag(step)) * np.asarray(shape)).max()
        if turned > SAME_VOXEL:
            msg = (
                f"The map of gate {gate.level} is turned or sheared against the image, so that "
                "which voxels it covers cannot be told. Choose the image that was segmented, and "
                "leave the layers' rotation alike."
            )
            raise VolumeError(msg)
        self.index = [
            nearest(start[a] + step[a] * np.arange(n), m)
            for a, (n, m) in enumerate(zip(shape, self.values.shape, strict=True))
        ]
        """Per axis: the map's plane that each of the image's planes belongs to; -1 for none."""

    @property
    def voxels(self) -> int:
        """How many image voxels the map covers."""
        return math.prod(int(np.count_nonzero(index >= 0)) for index in self.index)

    def spread(
        self,
        values: npt.NDArray[Any],
        outside: float,
        axis: int | None = None,
        plane: int = 0,
    ) -> npt.NDArray[Any]:
        """Return values on the map's grid (Z', Y', X') by voxel of the image (Z, Y, X).

        Parameters
        ----------
        values
            Of the map's voxels.
        outside
            What a voxel gets that the map does not cover.
        axis, plane
            Of the image, to get that plane alone: of the other two axes.
        """
        index = [ix if a != axis else ix[plane : plane + 1] for a, ix in enumerate(self.index)]
        result: npt.NDArray[Any] = values[np.ix_(*index)]  # -1 is the last plane: overwritten
        for a, ix in enumerate(index):
            np.moveaxis(result, a, 0)[ix < 0] = outside
        return result if axis is None else result.squeeze(axis)

    def count(self, inside: BoolArray) -> FloatArray:
        """Return how many voxels of a structure (Z, Y, X) each voxel of the map stands for."""
        return self.gathered(inside, (0, 1, 2))

    def gathered(self, values: npt.NDArray[Any], axes: tuple[int, ...]) -> FloatArray:
        """Sum values over the voxels that share a voxel of the map, along some axes."""
        result: npt.NDArray[Any] = np.asarray(values, dtype=np.float32)
        for axis in axes[::-1]:
            planes = self.values.shape[axis]
            member = np.equal.outer(self.index[axis], np.arange(planes)).astype(np.float32)
            result = np.moveaxis(np.tensordot(result, member, axes=(axis, 0)), -1, axis)
        return result.astype(np.float64)

    def per_slice(self, weights: npt.NDArray[Any], axis: int) -> tuple[FloatArray, FloatArray]:
        """Return, for every slice of the image along an axis, sum(weight * α) and sum(weight)."""
        others = tuple(a for a in range(3) if a != axis)
        weight = np.moveaxis(self.gathered(weights, others), axis, 0).reshape(
            weights.shape[axis], -1
        )
        planes = np.moveaxis(self.values, axis, 0).reshape(self.values.shape[axis], -1)
        alpha = planes[self.index[axis]]
        weight[self.index[axis] < 0] = 0
        return (weight * alpha).sum(axis=1), weight.sum(axis=1)

    def mean(self, weights: npt.NDArray[Any]) -> float:
        """Return the mean coefficient over image voxels, weighted; NaN where all weights are 0."""
        counts = self.count(weights)
        total = float(counts.sum())
        return float((counts * self.values).sum()) / total if total else math.nan


def nearest(places: FloatArray, size: int) -> npt.NDArray[np.intp]:
    """Return the index of the voxel that each place lies in, of `size` in a row; -1 for none."""
    index = np.floor(np.round(places, 4) + 0.5).astype(np.intp)
    return np.where((index >= 0) & (index < size), index, -1)
