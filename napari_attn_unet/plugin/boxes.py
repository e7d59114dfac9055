"""Boxes: the voxels of an image that a Shapes layer encloses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Shapes

from napari_attn_unet.errors import VolumeError
from napari_attn_unet.plugin.kit.navigate import between, to_layer
from napari_attn_unet.plugin.placement import placement_of, transforms

_SPATIAL = 3


def box(
    shapes: Shapes, image: Image, depth_mm: Sequence[float] | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the voxel box (start, stop) of an image that a Shapes layer encloses.

    A shape drawn on a slice is flat; along that axis the box is made as deep as `depth_mm` says
    (z, y, x; a network's field of view), or else as the mean of its other sides.

    Raises
    ------
    VolumeError
        If there is no shape, or it lies outside the image.
    """
    if not len(shapes.data):
        msg = f"{shapes.name!r} holds no shape. Draw a rectangle around the structure first."
        raise VolumeError(msg)
    data = image.data[0] if image.multiscale else image.data
    size = np.asarray(data.shape[-_SPATIAL:])
    corners = np.concatenate([np.asarray(vertices, dtype=float) for vertices in shapes.data])
    if shapes.ndim < _SPATIAL:
        msg = (
            f"{shapes.name!r} lies on no slice: its layer has {shapes.ndim} axes. Draw the box in "
            "a new Shapes layer while the volume is on screen, or press Add box."
        )
        raise VolumeError(msg)
    index = np.asarray([between(shapes, image, corner) for corner in corners])
    low, high = index.min(axis=0), index.max(axis=0)
    sides = high - low
    if np.count_nonzero(sides < 1.0) > 1:
        small = " × ".join(f"{side:.2g}" for side in sides)
        msg = (
            f"The box in {shapes.name!r} is smaller than a voxel of {image.name!r} ({small}). "
            "Draw it around the structure; if it was, give both layers the same unit."
        )
        raise VolumeError(msg)
    spacing = placement_of(image).geometry.spacing_mm
    for axis in np.flatnonzero(sides < 1.0):
        depth = float(np.mean(sides[sides >= 1.0])) if (sides >= 1.0).any() else 1.0
        if depth_mm is not None and spacing is not None:
            depth = depth_mm[int(axis)] / spacing[int(axis)]
        low[axis], high[axis] = low[axis] - depth / 2, high[axis] + depth / 2
    start = np.clip(np.floor(low + 0.5), 0, size).astype(int)
    stop = np.clip(np.ceil(high + 0.5), 0, size).astype(int)
    if (stop <= start).any():
        msg = f"The box in {shapes.name!r} lies outside {image.name!r}. Draw it over the image."
        raise VolumeError(msg)
    return tuple(int(i) for i in start), tuple(int(i) for i in stop)


def box_around(viewer: Any, image: Image, extent_mm: Sequence[float]) -> Shapes:
    """Add a Shapes layer with a rectangle of a given size (z, y, x mm) on the slice on screen."""
    placement = placement_of(image)
    # Where the unit is unknown, the layer's is as good a guess of a first box as any.
    spacing = placement.geometry.spacing_mm or placement.geometry.spacing
    data = image.data[0] if image.multiscale else image.data
    size = np.asarray(data.shape[-_SPATIAL:], dtype=float)
    half = np.minimum(np.asarray(extent_mm) / spacing, size) / 2
    centre = to_layer(viewer, image, viewer.dims.point)
    shown = [axis - image.ndim for axis in viewer.dims.displayed[-2:] if axis >= 0]
    shown = [axis for axis in shown if axis >= -_SPATIAL] or [-2, -1]
    corners = np.tile(centre, (4, 1))
    for axis, signs in zip(shown, ((-1, -1, 1, 1), (-1, 1, 1, -1)), strict=True):
        middle = size[axis] / 2 - 0.5
        corners[:, axis] = middle + np.asarray(signs) * half[axis]
    layer = Shapes(
        [corners],
        shape_type="rectangle",
        name=f"box · {image.name}",
        edge_color="yellow",
        face_color="transparent",
        edge_width=0.8,
        **transforms(image),
    )
    viewer.add_layer(layer)
    layer.mode = "select"
    return layer
