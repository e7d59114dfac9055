"""Boxes: the parts of an image that Shapes layers enclose, and how deep each of them is.

A shape of napari's is shown on the slices that it lies in as a whole, so a box of several slices
cannot be one. What is drawn is its rectangle on the slice on screen (`overlay/boxes.py` moves it
with the sliders); where it begins and ends along each axis stands in the layer's features.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from napari.layers import Image, Shapes

from napari_attn_unet.errors import VolumeError
from napari_attn_unet.plugin.kit.navigate import between, camera, to_layer
from napari_attn_unet.plugin.placement import placement_of, transforms
from napari_attn_unet.scores.components import connected
from napari_attn_unet.volume import Box, FloatArray

NAME = "boxes"
"""What a layer of boxes is called, before the image's name."""
ENDS = ("from", "to")
COLUMNS = tuple(f"{axis} {end}" for axis in "zyx" for end in ENDS)
"""Of a layer's features: the edges of each box in the layer's voxels, whose centres are whole."""
_SPATIAL = 3
_ROUND = (0, 1, 3, 2, 0, 4, 5, 1, 3, 7, 5, 4, 6, 7, 3, 2, 6)
"""A way along all edges of a box, by its corners' bits (z, y, x)."""
_ROUNDING = 1e-6
"""Of a voxel: what a box overlaps by less, it does not meet."""


def name_for(image: Image) -> str:
    """Return what the layer of an image's boxes is called."""
    return f"{NAME} · {image.name}"


def is_boxes(layer: Any) -> bool:
    """Whether a layer's shapes are boxes whose depth is known."""
    return isinstance(layer, Shapes) and set(COLUMNS) <= set(layer.features)


def edges(shapes: Shapes) -> FloatArray:
    """Return where each box begins and ends, (N, 3, 2) in the layer's voxels; NaN if unknown."""
    if not is_boxes(shapes):
        return np.full((len(shapes.data), _SPATIAL, 2), np.nan)
    table = shapes.features[list(COLUMNS)].to_numpy(np.float64, copy=True)
    return np.asarray(table.reshape(-1, _SPATIAL, 2))


def set_edges(shapes: Shapes, wanted: FloatArray) -> None:
    """Write into a layer where each of its boxes begins and ends."""
    table = shapes.features.copy()
    for column, values in zip(COLUMNS, wanted.reshape(-1, 2 * _SPATIAL).T, strict=True):
        table[column] = values
    shapes.features = table


def rectangle(
    box: FloatArray, shown: tuple[int, int], here: Sequence[float] | FloatArray, ndim: int
) -> FloatArray:
    """Return the corners (4, ndim) of a box on a slice.

    Parameters
    ----------
    box
        (3, 2): where it begins and ends.
    shown
        The axes of Z, Y, X on screen, as -3 … -1.
    here
        Index of the slice in the layer. Where the box does not reach it, its last one before.
    ndim
        Axes of the layer.
    """
    corners = np.tile(np.asarray(here, np.float64)[-ndim:], (4, 1))
    for axis in range(-_SPATIAL, 0):
        low, high = np.ceil(box[axis, 0]), np.floor(box[axis, 1])
        corners[:, axis] = np.clip(np.round(corners[:, axis]), low, max(low, high))
    for axis, ends in zip(shown, ((0, 0, 1, 1), (0, 1, 1, 0)), strict=True):
        corners[:, axis] = box[axis, list(ends)]
    return corners


def frame(box: FloatArray, here: Sequence[float] | FloatArray, ndim: int) -> FloatArray:
    """Return a path (17, ndim) along all edges of a box, for 3D; it turns back nowhere."""
    path = np.tile(np.asarray(here, np.float64)[-ndim:], (len(_ROUND), 1))
    for i, corner in enumerate(_ROUND):
        path[i, -_SPATIAL:] = [box[axis, (corner >> (2 - axis)) & 1] for axis in range(_SPATIAL)]
    return path


def voxels(
    shapes: Shapes, image: Image, depth_mm: Sequence[float] | None = None
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the voxel boxes (start, stop) of an image that the shapes of a layer enclose.

    A shape drawn on a slice is flat; along that axis its box is made as deep as `depth_mm` says
    (z, y, x; a network's field of view), or else as the mean of its other sides.

    Raises
    ------
    VolumeError
        If there is no shape, or one lies outside the image.
    """
    if not len(shapes.data):
        msg = f"{shapes.name!r} holds no shape. Draw a rectangle around the structure first."
        raise VolumeError(msg)
    if shapes.ndim < _SPATIAL:
        msg = (
            f"{shapes.name!r} lies on no slice: its layer has {shapes.ndim} axes. Draw the box in "
            "a new Shapes layer while the volume is on screen, or press Add a box."
        )
        raise VolumeError(msg)
    known = edges(shapes)
    several = len(shapes.data) > 1
    return [
        _voxels(shapes, number if several else None, outline, box, image, depth_mm)
        for number, (outline, box) in enumerate(zip(shapes.data, known, strict=True), 1)
    ]


def _voxels(  # noqa: PLR0913
    shapes: Shapes,
    number: int | None,
    outline: Any,
    box: FloatArray,
    image: Image,
    depth_mm: Sequence[float] | None,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    said = f"The box in {shapes.name!r}" if number is None else f"Box {number} in {shapes.name!r}"
    corners = np.asarray(outline, np.float64)
    if not np.isnan(box).any():
        here = corners[0]
        corners = np.array([[*here[:-_SPATIAL], *corner] for corner in product(*box)])
    index = np.asarray([between(shapes, image, corner) for corner in corners])
    low, high = index.min(axis=0), index.max(axis=0)
    if np.count_nonzero(high - low < 1.0) > 1:
        small = " × ".join(f"{side:.2g}" for side in high - low)
        msg = (
            f"{said} is smaller than a voxel of {image.name!r} ({small}). "
            "Draw it around the structure; if it was, give both layers the same unit."
        )
        raise VolumeError(msg)
    low, high = deepened(low, high, placement_of(image).geometry.spacing_mm, depth_mm)
    size = np.asarray(_size(image))
    start = np.clip(np.floor(low + 0.5 + _ROUNDING), 0, size).astype(int)
    stop = np.clip(np.ceil(high + 0.5 - _ROUNDING), 0, size).astype(int)
    if (stop <= start).any():
        msg = f"{said} lies outside {image.name!r}. Draw it over the image."
        raise VolumeError(msg)
    return tuple(int(i) for i in start), tuple(int(i) for i in stop)


def deepened(
    low: FloatArray,
    high: FloatArray,
    spacing_mm: Sequence[float] | None,
    depth_mm: Sequence[float] | None,
) -> tuple[FloatArray, FloatArray]:
    """Return the ends of a box, deeper where it is flat: by a depth in mm, or as its sides are."""
    low, high = low.copy(), high.copy()
    sides = high - low
    for axis in np.flatnonzero(sides < 1.0):
        depth = float(np.mean(sides[sides >= 1.0])) if (sides >= 1.0).any() else 1.0
        if depth_mm is not None and spacing_mm is not None:
            depth = depth_mm[int(axis)] / spacing_mm[int(axis)]
        low[axis], high[axis] = low[axis] - depth / 2, high[axis] + depth / 2
    return low, high


# --- a new box ----------------------------------------------------------------------------------
def size_of_a_new(image: Image, extent_mm: Sequence[float] | None) -> FloatArray:
    """Return how many voxels (z, y, x) a new box has: a field of view, or half of the image."""
    size = np.asarray(_size(image), np.float64)
    if extent_mm is None:
        return np.maximum(np.round(size / 2), 1)
    geometry = placement_of(image).geometry
    # Where the unit is unknown, the layer's is as good a guess of a first box as any.
    spacing = geometry.spacing_mm or geometry.spacing
    return np.minimum(np.maximum(np.round(np.asarray(extent_mm) / spacing), 1), size)


def around_parts(mask: Any, size: FloatArray, shape: Sequence[int]) -> list[FloatArray]:
    """Return a box (3, 2) around each part of a mask, the largest first; no smaller than it is.

    Labelling a large mask takes a moment: call it on a thread.
    """
    parts = sorted(connected(np.asarray(mask) > 0).components, key=lambda part: -part.voxels)
    return [_inside(_middle(part.box), np.maximum(size, _sides(part.box)), shape) for part in parts]


def in_view(viewer: Any, image: Image, size: FloatArray) -> FloatArray:
    """Return a box (3, 2) in the middle of what is on screen, at the slice on screen."""
    point, eye = list(viewer.dims.point), camera(viewer).center
    for axis, place in zip(reversed(viewer.dims.displayed), reversed(eye), strict=False):
        point[axis] = place
    middle = to_layer(viewer, image, point)[-_SPATIAL:]
    return _inside(middle, size, _size(image))


def free(wanted: Sequence[FloatArray], taken: FloatArray) -> FloatArray | None:
    """Return the first box whose middle lies in none of those that are there."""
    for box in wanted:
        middle = box.mean(axis=1)
        inside = (taken[:, :, 0] <= middle) & (middle <= taken[:, :, 1])
        if not inside.all(axis=1).any():
            return box
    return None


def add(viewer: Any, image: Image, box: FloatArray, layer: Shapes | None = None) -> Shapes:
    """Add a box (3, 2) of an image's voxels to a layer of boxes, or to a new one; return it.

    One that would lie on another is put beside it.
    """
    point = to_layer(viewer, image, viewer.dims.point)
    shown = shown_axes(viewer)
    if layer is not None:
        box = _beside(box, edges(layer), _size(image), shown)
    corners = rectangle(box, shown, point, image.ndim)
    table = box.reshape(1, -1)
    if layer is None:
        layer = Shapes(
            [corners],
            shape_type="rectangle",
            name=name_for(image),
            edge_color="yellow",
            face_color="transparent",
            edge_width=0.8,
            features={c: [float(v)] for c, v in zip(COLUMNS, table[0], strict=True)},
            text={"string": "", "color": "yellow", "anchor": "upper_left", "size": 10},
            **transforms(image),
        )
        viewer.add_layer(layer)
    else:
        known = np.concatenate([edges(layer), box[np.newaxis]])
        layer.add(corners, shape_type="rectangle", edge_color="yellow", edge_width=0.8)
        set_edges(layer, known)
    layer.mode = "select"
    return layer


def shown_axes(viewer: Any) -> tuple[int, int]:
    """Return the axes of Z, Y, X on screen, as -3 … -1; of a view in 3D, the last two."""
    behind = [axis - viewer.dims.ndim for axis in viewer.dims.displayed[-2:]]
    inner = [axis for axis in behind if axis >= -_SPATIAL]
    return (inner[0], inner[1]) if len(inner) == 2 else (-2, -1)  # noqa: PLR2004


def _beside(
    box: FloatArray, others: FloatArray, shape: Sequence[int], shown: tuple[int, int]
) -> FloatArray:
    """Return a box as it is, or moved across the screen within the image, off those that are it."""
    for axis, way in ((0, 0), (shown[1], 1), (shown[1], -1), (shown[0], 1), (shown[0], -1)):
        step = np.zeros(_SPATIAL)
        step[axis] = way * np.ptp(box[axis])
        moved = _inside(box.mean(axis=1) + step, np.ptp(box, axis=1), shape)
        if not any(np.allclose(moved, other) for other in others):
            return moved if way else box
    return box


def _inside(middle: FloatArray, size: FloatArray, shape: Sequence[int]) -> FloatArray:
    """Return a box of a size, shifted into the image, its edges on those of voxels."""
    size = np.minimum(size, shape)
    start = np.clip(np.round(middle - size / 2 + 0.5), 0, np.asarray(shape) - size)
    return np.stack([start - 0.5, start + size - 0.5], axis=1)


def _middle(box: Box) -> FloatArray:
    return np.array([(part.start + part.stop - 1) / 2 for part in box])


def _sides(box: Box) -> FloatArray:
    return np.array([float(part.stop - part.start) for part in box])


def _size(image: Any) -> tuple[int, ...]:
    data = image.data[0] if image.multiscale else image.data
    return tuple(data.shape[-_SPATIAL:])
