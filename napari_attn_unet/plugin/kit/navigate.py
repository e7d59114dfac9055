"""Where the viewer looks, and moving it to a place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from napari.layers import Layer

from napari_attn_unet.volume import FloatArray

_SPATIAL = 3
_CLOSEST = 6.0
"""How much nearer than the whole scene a place is shown at most."""
_PAIRS = 64
"""Pairs of units that are kept: pint looks each up anew, a millisecond for every slice."""


def camera(viewer: Any) -> Any:
    """Return a viewer's camera; napari 0.9 has moved it."""
    return getattr(viewer, "scene", viewer).camera


def grid(viewer: Any) -> Any:
    """Return a viewer's grid; napari 0.9 has moved it."""
    return getattr(viewer, "canvas", viewer).grid


def to_layer(viewer: Any, layer: Layer, point: Sequence[float]) -> FloatArray:
    """Return the index in a layer's data of a point of the viewer's: a cursor's, the sliders'.

    The viewer's points are in the viewer's unit, the smallest of its layers'; a layer's own
    `world_to_data` takes them in the layer's.
    """
    here = np.asarray(point[-layer.ndim :], np.float64) * _per_unit(viewer, layer)
    return np.asarray(layer.world_to_data(here), np.float64)


def to_viewer(viewer: Any, layer: Layer, index: Sequence[float] | FloatArray) -> FloatArray:
    """Return the point of the viewer's where an index of a layer's data lies."""
    return np.asarray(layer.data_to_world(index), np.float64) / _per_unit(viewer, layer)


def between(layer: Layer, other: Layer, index: Sequence[float] | FloatArray) -> FloatArray:
    """Return the index (z, y, x) in another layer's data of an index of a layer's.

    Whatever units the two have; a layer lacks no axis of the last ones of the other's.
    """
    n = min(layer.ndim, other.ndim)
    world = np.asarray(layer.data_to_world(index), np.float64)[-n:]
    there = np.zeros(other.ndim)
    there[-n:] = world * _lengths(layer.units[-n:], other.units[-n:])
    return np.asarray(other.world_to_data(there), np.float64)[-_SPATIAL:]


def _per_unit(viewer: Any, layer: Layer) -> FloatArray:
    """Return how many of a layer's units one of the viewer's is, along each axis."""
    units = getattr(viewer.dims, "units", None) or ()  # napari 0.9 is the first that minds them
    return _lengths(units[-layer.ndim :], layer.units)


def _lengths(units: Sequence[Any], others: Sequence[Any]) -> FloatArray:
    """Return how long units are in others, along each axis.

    All 1 where any two say different things, as pixels and mm: napari minds none of them then.
    """
    lengths = [_length(unit, other) for unit, other in zip(units, others, strict=False)]
    known = [length for length in lengths if length is not None]
    return np.array(known) if len(known) == len(others) else np.ones(len(others))


@lru_cache(maxsize=_PAIRS)
def _length(unit: Any, other: Any) -> float | None:
    """Return how long a unit is in another; None where they say different things."""
    return float((1 * unit).to(other).magnitude) if unit.is_compatible_with(other) else None


def plane_on_screen(viewer: Any, image: Layer) -> tuple[int, int] | None:
    """Return (axis of Z, Y, X as 0, 1, 2; plane) of an image that a viewer shows.

    None where it shows a volume in 3D.
    """
    behind = [axis - viewer.dims.ndim for axis in viewer.dims.not_displayed]
    across = [axis for axis in behind if axis >= -_SPATIAL]
    if not across:
        return None
    return across[-1] + _SPATIAL, plane_at(viewer, image, across[-1] + _SPATIAL)


def plane_at(viewer: Any, image: Layer, axis: int) -> int:
    """Return the plane of an image along an axis (of Z, Y, X) at the viewer's sliders."""
    data: Any = image.data[0] if getattr(image, "multiscale", False) else image.data
    place = to_layer(viewer, image, viewer.dims.point)[axis - _SPATIAL]
    return int(np.clip(np.round(place), 0, data.shape[axis - _SPATIAL] - 1))


def go_to_slice(viewer: Any, layer: Layer, axis: int, index: int) -> None:
    """Move the slider to a slice of a layer along an axis (of Z, Y, X: 0, 1, 2)."""
    place = to_layer(viewer, layer, viewer.dims.point)
    place[axis - _SPATIAL] = index
    world = to_viewer(viewer, layer, place)
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
    place = to_layer(viewer, layer, viewer.dims.point)
    place[-_SPATIAL:] = voxel
    world = to_viewer(viewer, layer, place)
    axes = list(range(viewer.dims.ndim - _SPATIAL, viewer.dims.ndim))
    viewer.dims.set_point(axes, world[-_SPATIAL:].tolist())  # at once: every step is drawn
    if size is None:
        return
    shown = [axis - viewer.dims.ndim for axis in viewer.dims.displayed]
    if viewer.dims.ndisplay == 2:  # noqa: PLR2004
        data: Any = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
        part, whole = _extent(layer, size), _extent(layer, data.shape[-_SPATIAL:])
        wanted = max(part[axis] / whole[axis] for axis in shown) * 4
        viewer.reset_view()
        camera(viewer).zoom *= float(np.clip(1 / wanted, 1.0, _CLOSEST)) if wanted > 0 else 1.0
    camera(viewer).center = tuple(world[axis] for axis in shown)


def _extent(layer: Layer, size: Sequence[float]) -> FloatArray:
    """Return how long a box of voxels is in the world along each axis, however it is turned."""
    start = [0.0] * (layer.ndim - _SPATIAL)
    corners = product(*((0.0, float(n)) for n in size))
    there = [layer.data_to_world([*start, *corner]) for corner in corners]
    return np.asarray(np.ptp(np.asarray(there), axis=0), np.float64)
