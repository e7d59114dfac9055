"""Which voxel of a layer lies at each voxel of an image's slice."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.gates.cover import nearest
from napari_attn_unet.volume import SAME_VOXEL, Geometry

Array = npt.NDArray[Any]


class Grid:
    """A layer's voxels beside an image's: each of the image's has the value that it lies in.

    Parameters
    ----------
    image, layer
        Where both lie.
    shape, own
        Sizes (Z, Y, X) of the image and of the layer.
    """

    def __init__(
        self, image: Geometry, layer: Geometry, shape: tuple[int, ...], own: tuple[int, ...]
    ) -> None:
        self.image, self.shapes = image, (shape, own)
        self._local = image.indices_in(layer)
        step, start = np.diag(self._local)[:3], self._local[:3, 3]
        turned = np.abs((self._local[:3, :3] - np.diag(step)) * np.asarray(shape)).max()
        self._is_turned = bool(turned > SAME_VOXEL)
        self._index = [
            nearest(start[a] + step[a] * np.arange(n), m)
            for a, (n, m) in enumerate(zip(shape, own, strict=True))
        ]
        self._is_whole = [
            n == m and np.array_equal(index, np.arange(n))
            for index, n, m in zip(self._index, shape, own, strict=True)
        ]

    def cut(self, data: Any, time: tuple[int, ...], axis: int, index: int, fill: float) -> Array:
        """Return the layer's values on a slice of the image.

        Parameters
        ----------
        data
            The layer's array, numpy's or another one of which slices are read.
        time
            Indices along the axes before the last three.
        axis, index
            Slice of the image, along Z, Y or X.
        fill
            Where the layer does not reach. An array of integers becomes one of floats if it is NaN
            that is filled in.

        Returns
        -------
        plane
            Of the image's other two axes, in ascending order.
        """
        if self._is_turned:
            return self._oblique(data, time, axis, index, fill)
        down, across = (a for a in range(3) if a != axis)
        there = int(self._index[axis][index])
        size = len(self._index[down]), len(self._index[across])
        if there < 0:
            return np.full(size, fill, data.dtype if fill == 0 else np.float32)
        where = tuple(there if a == axis else slice(None) for a in range(3))
        plane = np.asarray(data[(*time, *where)])
        if self._is_whole[down] and self._is_whole[across]:
            return plane
        rows, columns = self._index[down], self._index[across]
        result: Array = plane[np.ix_(rows, columns)]  # -1 is the last one: filled below
        return _outside(result, (rows < 0)[:, np.newaxis] | (columns < 0), fill)

    def _oblique(
        self, data: Any, time: tuple[int, ...], axis: int, index: int, fill: float
    ) -> Array:
        """Return the values of a layer that is turned or sheared against the image."""
        shape, own = self.shapes
        places = [np.arange(n) if a != axis else np.array([index]) for a, n in enumerate(shape)]
        voxels = np.stack(np.meshgrid(*places, indexing="ij"), axis=-1).squeeze(axis)
        there = voxels @ self._local[:3, :3].T + self._local[:3, 3]
        found = [nearest(there[..., a], m) for a, m in enumerate(own)]
        outside = np.any([place < 0 for place in found], axis=0)
        if outside.all():
            return np.full(outside.shape, fill, data.dtype if fill == 0 else np.float32)
        inside = [np.where(outside, place[~outside].min(), place) for place in found]
        # Of an array that is read piece by piece, only what is needed.
        box = tuple(slice(int(place.min()), int(place.max()) + 1) for place in inside)
        part = np.asarray(data[(*time, *box)])
        values: Array = part[tuple(p - b.start for p, b in zip(inside, box, strict=True))]
        return _outside(values, outside, fill)


def _outside(values: Array, outside: npt.NDArray[np.bool_], fill: float) -> Array:
    if not outside.any():
        return values
    if np.isnan(fill) and values.dtype.kind != "f":
        values = values.astype(np.float32)
    values[outside] = fill
    return values
