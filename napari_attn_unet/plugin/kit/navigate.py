"""Where the viewer looks, and moving it to a place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from napari.layers import Image, Layer

_SPATIAL = 3
_CLOSEST = 6.0
"""How much nearer than the whole scene a place is shown at most."""


def camera(viewer: Any) -> Any:
    """Return a viewer's camera; napari 0.9 has moved it."""
    return getattr(viewer, "scene", viewer).camera


def grid(viewer: Any) -> Any:
    """Return a viewer's grid; napari 0.9 has moved it."""
    return getattr(viewer, "canvas", viewer).grid


def plane_on_screen(viewer: Any, image: Image) -> tuple[int, int] | None:
    """Return (axis of Z, Y, X as 0, 1, 2; plane) of an image that a viewer shows.

    None where it shows a volume in 3D.
    """
    behind = [axis - viewer.dims.ndim for axis in viewer.dims.not_displayed]
    across = [axis for axis in behind if axis >= -_SPATIAL]
    if not across:
        return None
    return across[-1] + _SPATIAL, plane_at(viewer, image, across[-1] + _SPATIAL)


def plane_at(viewer: Any, image: Image, axis: int) -> int:
    """Return the plane of an image along an axis (of Z, Y, X) at the viewer's sliders."""
    data = image.data[0] if image.multiscale else image.data
    place = image.world_to_data(viewer.dims.point)[axis - _SPATIAL]
    return int(np.clip(np.round(place), 0, data.shape[axis - _SPATIAL] - 1))


def go_to_slice(viewer: Any, layer: Layer, axis: int, index: int) -> None:
    """Move the slider to a slice of a layer along an axis (of Z, Y, X: 0, 1, 2)."""
    place = list(layer.world_to_data(viewer.dims.point[-layer.ndim :]))
    place[axis - _SPATIAL] = index
    world = layer.data_to_world(place)
    viewer.dims.set_point(viewer.dims.ndim - _SPATIAL + axis, world[axis - _SPATIAL])


def go_to(
    viewer: Any, layer: Layer, voxel: Sequence[float], size: Sequence[float] | None = None
) -> None:
    """Show a voxel of a layer, in the middle of the view.

    Parameters
    ----------
    viewer, layer
        Where, and of what.
    voxel
        Index (z, y, x).
    size
        Voxels (z, y, x) that should be seen together; the camera comes nearer for them. None
        leaves the camera where it is: only the sliders move.
    """
    place = list(layer.world_to_data(viewer.dims.point[-layer.ndim :]))
    place[-_SPATIAL:] = voxel
    world = layer.data_to_world(place)
    for axis in range(-_SPATIAL, 0):
        viewer.dims.set_point(viewer.dims.ndim + axis, world[axis])
    if size is None:
        return
    shown = [axis - viewer.dims.ndim for axis in viewer.dims.displayed]
    if viewer.dims.ndisplay == 2:  # noqa: PLR2004
        extent = layer.extent.world[1] - layer.extent.world[0]
        # the box in the world, however the layer is turned
        corners = np.array(list(product(*((0.0, float(n)) for n in size))))
        start = [0.0] * (layer.ndim - _SPATIAL)
        there = np.array([layer.data_to_world([*start, *corner]) for corner in corners])
        length = np.ptp(there, axis=0)
        wanted = max(length[axis] / extent[axis] for axis in shown) * 4
        viewer.reset_view()
        camera(viewer).zoom *= float(np.clip(1 / wanted, 1.0, _CLOSEST)) if wanted > 0 else 1.0
    camera(viewer).center = tuple(world[axis] for axis in shown)
