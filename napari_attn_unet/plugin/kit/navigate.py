"""Moving the viewer to a place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from napari.layers import Layer

_SPATIAL = 3
_CLOSEST = 6.0
"""How much nearer than the whole scene a place is shown at most."""


def camera(viewer: Any) -> Any:
    """Return a viewer's camera; napari 0.9 has moved it."""
    return getattr(viewer, "scene", viewer).camera


def grid(viewer: Any) -> Any:
    """Return a viewer's grid; napari 0.9 has moved it."""
    return getattr(viewer, "canvas", viewer).grid


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
